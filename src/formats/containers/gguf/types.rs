//! The types of tensors that ggml has, by their numbers.

use std::borrow::Cow;

use crate::adapter::Quant;

/// The type of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Its name in safetensors or ggml, and the numbers and bytes of a block, which is a number where numbers stand alone.
    Plain(&'static str, [u64; 2]),
    Quantised(Quant),
    /// A type that is not known here.
    Unknown(u32),
}

use Kind::{Plain, Quantised, Unknown};

impl Kind {
    /// The type of this number.
    pub(super) fn of(number: u32) -> Self {
        match number {
            0 => Plain("F32", [1, 4]),
            1 => Plain("F16", [1, 2]),
            2 => Quantised(Quant::Q4_0),
            3 => Quantised(Quant::Q4_1),
            6 => Quantised(Quant::Q5_0),
            7 => Quantised(Quant::Q5_1),
            8 => Quantised(Quant::Q8_0),
            9 => Plain("Q8_1", [32, 40]),
            10 => Quantised(Quant::Q2K),
            11 => Quantised(Quant::Q3K),
            12 => Quantised(Quant::Q4K),
            13 => Quantised(Quant::Q5K),
            14 => Quantised(Quant::Q6K),
            15 => Quantised(Quant::Q8K),
            16 => Plain("IQ2_XXS", [256, 66]),
            17 => Plain("IQ2_XS", [256, 74]),
            18 => Plain("IQ3_XXS", [256, 98]),
            19 => Plain("IQ1_S", [256, 50]),
            20 => Quantised(Quant::Iq4Nl),
            21 => Plain("IQ3_S", [256, 110]),
            22 => Plain("IQ2_S", [256, 82]),
            23 => Plain("IQ4_XS", [256, 136]),
            24 => Plain("I8", [1, 1]),
            25 => Plain("I16", [1, 2]),
            26 => Plain("I32", [1, 4]),
            27 => Plain("I64", [1, 8]),
            28 => Plain("F64", [1, 8]),
            29 => Plain("IQ1_M", [256, 56]),
            30 => Plain("BF16", [1, 2]),
            34 => Plain("TQ1_0", [256, 54]),
            35 => Plain("TQ2_0", [256, 66]),
            39 => Plain("MXFP4", [32, 17]),
            40 => Plain("NVFP4", [64, 36]),
            41 => Plain("Q1_0", [128, 18]),
            _ => Unknown(number),
        }
    }

    pub(super) fn name(self) -> Cow<'static, str> {
        match self {
            Plain(name, _) => name.into(),
            Quantised(quant) => quant.name().into(),
            Unknown(number) => format!("ggml type {number}").into(),
        }
    }

    /// Numbers and bytes of a block.
    pub(super) fn block(self) -> Option<[u64; 2]> {
        match self {
            Plain(_, block) => Some(block),
            Quantised(quant) => Some([quant.block_numbers() as u64, quant.block_bytes() as u64]),
            Unknown(_) => None,
        }
    }

    /// The type whose numbers can be read, of one with blocks.
    pub(super) fn quant(self) -> Option<Quant> {
        match self {
            Quantised(quant) => Some(quant),
            _ => None,
        }
    }
}
