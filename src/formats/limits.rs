//! How much a file may ask for, because a header of a few bytes can name any size.

use std::fmt;
#[cfg(feature = "scan")]
use std::io::Read;
use std::path::Path;
use std::str::FromStr;

use crate::error::{Error, Fault, Remedy, Result};
use crate::text::quoted;

/// What a file may ask for; more is an [`Error::Limit`](crate::Error::Limit).
///
/// ```
/// use lorascope::{Adapter, Limits};
///
/// let strict = Limits { header_bytes: 1 << 20, ..Limits::default() };
/// let adapter = Adapter::open_with("assets/demo/seed0.safetensors", &strict)?;
/// assert_eq!(adapter.modules().len(), 2);
/// # Ok::<(), lorascope::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a header: the JSON of a safetensors file, the pickle of a torch file, the index of shards, all names of tensors,
    /// all names of the modules that a tensor is split into; 100 MiB.
    pub header_bytes: u64,
    /// Bytes of the name of a tensor; 4,096.
    pub name_bytes: u64,
    /// Tensors in one file, or members of one archive; 1,000,000.
    pub n_tensors: usize,
    /// Steps of the pickle in a torch file, about forty for each tensor. Each takes a few dozen bytes while the file is
    /// opened; 4,194,304.
    pub pickle_steps: usize,
    /// Bytes of one factor, and of a compressed member of an archive after unpacking; 2 GiB. A view of a tensor counts
    /// from its first number to its last.
    pub factor_bytes: u64,
    /// Bytes of an `adapter_config.json`, or of a config in the metadata of a file; 16 MiB.
    pub config_bytes: u64,
    /// Regular expressions in the `rank_pattern` and `alpha_pattern` of all configs of a file. Each takes some dozens of
    /// kilobytes; 256.
    pub n_regexes: usize,
    /// Steps in which these are matched with names; 268,435,456, which take about a second.
    pub regex_steps: u64,
    /// Adapters in one file; 1,024.
    pub n_adapters: usize,
    /// Modules of all adapters of a file, of which a tensor may hold thousands (experts, groups of a fused weight). Each takes
    /// about a kilobyte; 131,072.
    pub n_modules: usize,
    /// How many times over a compressed member of an archive may have to be unpacked for all that is cut from it; 16.
    pub n_unpackings: usize,
    /// Bytes of a text file that a user names: a list of checkpoints, of modules that are the same, of labels; 64 MiB.
    pub text_bytes: u64,
    /// Lines of such a file; 1,000,000.
    pub n_lines: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: 100 << 20,
            name_bytes: 4096,
            n_tensors: 1_000_000,
            pickle_steps: 4 << 20,
            factor_bytes: 2 << 30,
            config_bytes: 16 << 20,
            n_regexes: 256,
            regex_steps: 1 << 28,
            n_adapters: 1024,
            n_modules: 1 << 17,
            n_unpackings: 16,
            text_bytes: 64 << 20,
            n_lines: 1_000_000,
        }
    }
}

/// One of the [`Limits`], by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// [`Limits::header_bytes`].
    HeaderBytes,
    /// [`Limits::name_bytes`].
    NameBytes,
    /// [`Limits::n_tensors`].
    Tensors,
    /// [`Limits::pickle_steps`].
    PickleSteps,
    /// [`Limits::factor_bytes`].
    FactorBytes,
    /// [`Limits::config_bytes`].
    ConfigBytes,
    /// [`Limits::n_regexes`].
    Regexes,
    /// [`Limits::regex_steps`].
    RegexSteps,
    /// [`Limits::n_adapters`].
    Adapters,
    /// [`Limits::n_modules`].
    Modules,
    /// [`Limits::n_unpackings`].
    Unpackings,
    /// [`Limits::text_bytes`].
    TextBytes,
    /// [`Limits::n_lines`].
    Lines,
}

impl Limit {
    /// Every limit.
    pub const ALL: [Self; 13] = [
        Self::HeaderBytes,
        Self::NameBytes,
        Self::Tensors,
        Self::PickleSteps,
        Self::FactorBytes,
        Self::ConfigBytes,
        Self::Regexes,
        Self::RegexSteps,
        Self::Adapters,
        Self::Modules,
        Self::Unpackings,
        Self::TextBytes,
        Self::Lines,
    ];

    /// Its name, such as `factor-bytes`.
    pub fn name(self) -> &'static str {
        match self {
            Self::HeaderBytes => "header-bytes",
            Self::NameBytes => "name-bytes",
            Self::Tensors => "tensors",
            Self::PickleSteps => "pickle-steps",
            Self::FactorBytes => "factor-bytes",
            Self::ConfigBytes => "config-bytes",
            Self::Regexes => "regexes",
            Self::RegexSteps => "regex-steps",
            Self::Adapters => "adapters",
            Self::Modules => "modules",
            Self::Unpackings => "unpackings",
            Self::TextBytes => "text-bytes",
            Self::Lines => "lines",
        }
    }

    /// Whether it is a number of bytes.
    pub fn is_bytes(self) -> bool {
        self.name().ends_with("bytes")
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Limit {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|limit| limit.name() == name);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Fault::new(quoted(name), format!("one of {names}")).of("limit").invalid()
        })
    }
}

impl Limits {
    /// What a limit allows at most.
    pub fn get(&self, limit: Limit) -> u64 {
        match limit {
            Limit::HeaderBytes => self.header_bytes,
            Limit::NameBytes => self.name_bytes,
            Limit::Tensors => self.n_tensors as u64,
            Limit::PickleSteps => self.pickle_steps as u64,
            Limit::FactorBytes => self.factor_bytes,
            Limit::ConfigBytes => self.config_bytes,
            Limit::Regexes => self.n_regexes as u64,
            Limit::RegexSteps => self.regex_steps,
            Limit::Adapters => self.n_adapters as u64,
            Limit::Modules => self.n_modules as u64,
            Limit::Unpackings => self.n_unpackings as u64,
            Limit::TextBytes => self.text_bytes,
            Limit::Lines => self.n_lines as u64,
        }
    }

    /// Allows as much.
    pub fn set(&mut self, limit: Limit, most: u64) {
        let count = usize::try_from(most).unwrap_or(usize::MAX);
        match limit {
            Limit::HeaderBytes => self.header_bytes = most,
            Limit::NameBytes => self.name_bytes = most,
            Limit::Tensors => self.n_tensors = count,
            Limit::PickleSteps => self.pickle_steps = count,
            Limit::FactorBytes => self.factor_bytes = most,
            Limit::ConfigBytes => self.config_bytes = most,
            Limit::Regexes => self.n_regexes = count,
            Limit::RegexSteps => self.regex_steps = most,
            Limit::Adapters => self.n_adapters = count,
            Limit::Modules => self.n_modules = count,
            Limit::Unpackings => self.n_unpackings = count,
            Limit::TextBytes => self.text_bytes = most,
            Limit::Lines => self.n_lines = count,
        }
    }

    /// What is wrong with `found`, which is more than a limit allows.
    pub(super) fn over(&self, limit: Limit, found: impl Into<String>) -> Fault {
        let expected = format!("at most {}", self.get(limit));
        Fault::new(found, expected).remedy(Remedy::RaiseLimit { name: limit.name() })
    }

    /// All of a text that a user names, at most as many bytes and lines as the limits allow. The lines are counted before any is
    /// taken apart.
    ///
    /// # Errors
    /// `Io` when the system refuses to read, `Limit` for more.
    #[cfg(feature = "scan")]
    pub(crate) fn read_text(&self, path: &Path, from: impl Read) -> Result<Vec<u8>> {
        let mut bytes = vec![];
        let more = self.text_bytes.saturating_add(1);
        from.take(more).read_to_end(&mut bytes).map_err(|error| Error::io("read", path, error))?;
        self.check(Limit::TextBytes, bytes.len() as u64, path, || "more bytes".to_owned())?;
        let n_lines = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.check(Limit::Lines, n_lines, path, || format!("{n_lines} lines"))?;
        Ok(bytes)
    }

    /// Fails for more than a limit allows, as `found` says it.
    ///
    /// # Errors
    /// `Limit`, which names the file.
    pub(super) fn check(
        &self,
        limit: Limit,
        n: u64,
        path: &Path,
        found: impl FnOnce() -> String,
    ) -> Result<()> {
        if n <= self.get(limit) { Ok(()) } else { Err(self.over(limit, found()).at(path).limit()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_set_and_read_by_its_own_name() {
        for (n, limit) in (7..).zip(Limit::ALL) {
            let mut limits = Limits::default();
            limits.set(limit.name().parse().unwrap(), n);
            assert_eq!(limits.get(limit), n, "{limit}");
            let others = Limit::ALL.into_iter().filter(|other| *other != limit);
            for other in others {
                assert_eq!(limits.get(other), Limits::default().get(other), "{limit} and {other}");
            }
        }
        let error = "no".parse::<Limit>().unwrap_err().to_string();
        assert!(
            error.starts_with("limit: found `no`, expected one of header-bytes, name-bytes, "),
            "{error}"
        );
    }

    #[test]
    #[cfg(feature = "scan")]
    fn a_text_of_too_many_bytes_or_lines_is_not_read_on() {
        let limits = Limits { text_bytes: 10, n_lines: 2, ..Limits::default() };
        let read = |text: &[u8]| limits.read_text(Path::new("x"), text).map_err(|error| error.to_string());
        assert_eq!(read(b"a\nb\n1234567"), Err("x: found more bytes, expected at most 10".to_owned()));
        assert_eq!(read(b"a\nb\n\n"), Err("x: found 3 lines, expected at most 2".to_owned()));
        assert_eq!(read(b"a\nb\nc12").unwrap(), b"a\nb\nc12");
        // One line without an end.
        let endless = limits.read_text(Path::new("x"), std::io::repeat(b'x')).unwrap_err();
        assert_eq!(endless.to_string(), "x: found more bytes, expected at most 10");
    }
}
