//! Which subspace of a module is compared.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::adapter::{Factor, Module};
use crate::error::{Error, Fault, Result};

/// Which subspace of a module's update ΔW = s·B·A is compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The right-singular vectors of A, in the d_in dimensions of the module's input: the choice of Hu et al. 2021,
    /// section 7.2.
    #[default]
    A,
    /// The left-singular vectors of B, in the d_out dimensions of the module's output. B starts at zero, so it holds
    /// only what was learnt.
    B,
    /// The right-singular vectors of ΔW, in the d_in dimensions of the module's input.
    DwRight,
    /// The left-singular vectors of ΔW, in the d_out dimensions of the module's output.
    DwLeft,
}

impl Side {
    /// Every side.
    pub const ALL: [Self; 4] = [Self::A, Self::B, Self::DwRight, Self::DwLeft];

    /// What figures call the matrix: A, B or ΔW.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::DwRight | Self::DwLeft => "ΔW",
        }
    }

    /// The factors that the subspace comes from: A, (rank, d_in), B, (d_out, rank), or both.
    pub fn factors(self, module: &Module) -> Vec<&Factor> {
        match self {
            Self::A => vec![&module.a],
            Self::B => vec![&module.b],
            Self::DwRight | Self::DwLeft => vec![&module.a, &module.b],
        }
    }

    /// Dimension of the space that the subspace lies in: d_in or d_out.
    pub fn d(self, module: &Module) -> usize {
        match self {
            Self::A | Self::DwRight => module.d_in(),
            Self::B | Self::DwLeft => module.d_out(),
        }
    }

    /// What that dimension is called.
    pub(crate) fn d_name(self) -> &'static str {
        match self {
            Self::A | Self::DwRight => "d_in",
            Self::B | Self::DwLeft => "d_out",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::A => "a",
            Self::B => "b",
            Self::DwRight => "dw-right",
            Self::DwLeft => "dw-left",
        })
    }
}

impl FromStr for Side {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|side| side.to_string() == text).ok_or_else(|| {
            Fault::new(crate::text::quoted(text), "`a`, `b`, `dw-right` or `dw-left`").of("side").invalid()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_reads_back_from_what_it_prints() {
        for side in Side::ALL {
            assert_eq!(side.to_string().parse::<Side>().unwrap(), side);
        }
        let error = "A".parse::<Side>().unwrap_err();
        assert_eq!(error.to_string(), "side: found `A`, expected `a`, `b`, `dw-right` or `dw-left`");
    }
}
