//! `--limit`: what a file may ask for, the same for all that a command opens.

use std::str::FromStr;
use std::sync::OnceLock;

use super::host;
use super::scan::size;
use crate::{Limit, Limits};

/// A limit and what it allows at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct LimitArg {
    limit: Limit,
    most: u64,
}

impl FromStr for LimitArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, most) = text.split_once('=').ok_or("expected NAME=N")?;
        let limit = name.parse::<Limit>().map_err(|error| error.to_string())?;
        let most = match limit.is_bytes() {
            true => size::parse(most)?,
            false => most.parse().map_err(|_| format!("expected a whole number for {limit}"))?,
        };
        Ok(Self { limit, most })
    }
}

/// Those of this process.
static LIMITS: OnceLock<Limits> = OnceLock::new();

/// Sets them, before anything is opened.
pub(super) fn set(args: &[LimitArg]) {
    // It is set once, by `main`.
    let _ = LIMITS.set(of(args));
}

/// The limits that the options ask for.
pub(super) fn of(args: &[LimitArg]) -> Limits {
    let mut limits = Limits::default();
    args.iter().for_each(|arg| limits.set(arg.limit, arg.most));
    limits
}

/// Those of this process, or of a command within another program.
pub(super) fn limits() -> Limits {
    host::limits().unwrap_or_else(|| LIMITS.get_or_init(Limits::default).clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_units_and_counts_have_none() {
        let of = |text: &str| text.parse::<LimitArg>().map(|arg| (arg.limit, arg.most));
        assert_eq!(of("factor-bytes=3G"), Ok((Limit::FactorBytes, 3 << 30)));
        assert_eq!(of("modules=200000"), Ok((Limit::Modules, 200_000)));
        for wrong in ["modules", "modules=", "modules=3G", "module=3", "factor-bytes=x"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
}
