//! Stored numbers: their type, and a factor widened to f64.

mod quant;

use std::fmt;

pub use self::quant::Quant;

/// The stored type of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dtype {
    /// IEEE double precision.
    F64,
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of a single.
    Bf16,
    /// Eight bits with four of exponent and three of fraction, no infinities (torch's `float8_e4m3fn`).
    F8E4m3,
    /// Eight bits with five of exponent and two of fraction (`float8_e5m2`).
    F8E5m2,
    /// As `F8E4m3` with a bias of 8 and one zero (`float8_e4m3fnuz`).
    F8E4m3Fnuz,
    /// As `F8E5m2` with a bias of 16, one zero and no infinities (`float8_e5m2fnuz`).
    F8E5m2Fnuz,
    /// Whole numbers of 32 bits: places in a matrix, which no factor is made of.
    I32,
    /// The same of 64 bits.
    I64,
    /// Whole numbers of a few bits in blocks that have a scale, as GGUF files have them.
    Quantised(Quant),
}

impl Dtype {
    /// Every type that a factor's numbers can have by themselves.
    pub(crate) const ALL: [Self; 8] = [
        Self::F64,
        Self::F32,
        Self::F16,
        Self::Bf16,
        Self::F8E4m3,
        Self::F8E5m2,
        Self::F8E4m3Fnuz,
        Self::F8E5m2Fnuz,
    ];

    /// Size of one number; of quantised ones, which are made F32 as they are read, that of F32.
    pub fn size_bytes(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 | Self::Quantised(_) => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::F8E4m3 | Self::F8E5m2 | Self::F8E4m3Fnuz | Self::F8E5m2Fnuz => 1,
        }
    }

    /// Bits of the fraction, and the exponent of the smallest number above 0, which is the distance of the smallest numbers. Of
    /// quantised numbers it is that of the F32 that they are made.
    pub(crate) fn precision(self) -> (i32, i32) {
        match self {
            Self::F64 | Self::I32 | Self::I64 => (52, -1074),
            Self::F32 | Self::Quantised(_) => (23, -149),
            Self::F16 => (10, -24),
            Self::Bf16 => (7, -133),
            Self::F8E4m3 => (3, -9),
            Self::F8E5m2 => (2, -16),
            Self::F8E4m3Fnuz => (3, -10),
            Self::F8E5m2Fnuz => (2, -17),
        }
    }
}

impl fmt::Display for Dtype {
    /// As safetensors names it, or GGUF.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F64 => "F64",
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
            Self::F8E4m3 => "F8_E4M3",
            Self::F8E5m2 => "F8_E5M2",
            Self::F8E4m3Fnuz => "F8_E4M3FNUZ",
            Self::F8E5m2Fnuz => "F8_E5M2FNUZ",
            Self::I32 => "I32",
            Self::I64 => "I64",
            Self::Quantised(quant) => quant.name(),
        })
    }
}

/// A factor's numbers, widened to f64, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub cols: usize,
    /// The type that the numbers were stored in, which sets their rounding noise.
    pub dtype: Dtype,
    /// rows × cols numbers, row after row.
    pub values: Vec<f64>,
}
