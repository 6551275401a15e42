//! Which subspace of a module is compared.

use std::fmt;
use std::str::FromStr;

use crate::adapter::{Factor, Module};

/// Which subspace of a module is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Side {
    /// Right-singular vectors of A, in the module's input space (d = d_in): the paper's choice.
    #[default]
    A,
    /// Left-singular vectors of B, in the module's output space (d = d_out): only what was learnt, since B starts at
    /// zero.
    B,
}

impl Side {
    /// The factor that spans this side: A, (rank, d_in), or B, (d_out, rank).
    pub fn factor(self, module: &Module) -> &Factor {
        match self {
            Self::A => &module.a,
            Self::B => &module.b,
        }
    }

    /// Dimension of the space: d_in or d_out.
    pub fn d(self, module: &Module) -> usize {
        match self {
            Self::A => module.d_in(),
            Self::B => module.d_out(),
        }
    }

    /// The factor's letter, as the figure's title has it.
    pub fn symbol(self) -> char {
        match self {
            Self::A => 'A',
            Self::B => 'B',
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "a",
            Self::B => "b",
        })
    }
}

impl FromStr for Side {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "a" => Ok(Self::A),
            "b" => Ok(Self::B),
            _ => Err(format!("no side `{text}`, the sides are a and b")),
        }
    }
}
