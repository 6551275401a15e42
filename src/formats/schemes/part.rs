//! The tensors of methods that have rules of their own for ΔW, and what they are called.

use crate::adapter::Method;

/// A tensor of such a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::formats) enum Part {
    VeraD,
    VeraB,
    /// A and B, which all modules share.
    VeraProjectionA,
    VeraProjectionB,
    LogitsA,
    LogitsB,
    /// Shared by all modules.
    VectorBank,
    C3aKernel,
    MissBlock,
    RandLambda,
    RandGamma,
    /// The bases of the shorter and of the longer side, which all modules share.
    RandA,
    RandB,
    Ia3,
    OftR,
    BoftR,
    BoftScale,
    HraU,
    GloraA1,
    GloraA2,
    GloraB1,
    GloraB2,
    /// PEFT's GLoRA: what W is multiplied by and what is added, each as a product or as a vector or a number.
    GloraScale(PathPart),
    GloraShift(PathPart),
    /// What changes a bias, which has no subspace, or is zeros.
    GloraOther,
    HiraA,
    HiraB,
    DeloraA,
    DeloraB,
    DeloraLambda,
    DeloraNorms,
    ShiraValues,
    ShiraPlaces,
    /// LyCORIS: blocks that are stored whole, and the rows' scales.
    OftBlocks,
    OftRescale,
    LycorisIa3,
    /// Whether that scales inputs.
    OnInput,
}

/// A part of a matrix of PEFT's GLoRA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::formats) enum PathPart {
    /// (d_out, rank).
    Left,
    /// (rank, d_in).
    Right,
    /// (d_out, 1), or one number.
    Column,
}

use Part::*;

impl Part {
    /// The method that it is of.
    pub(in crate::formats) fn method(self) -> Method {
        match self {
            VeraD | VeraB | VeraProjectionA | VeraProjectionB => Method::Vera,
            LogitsA | LogitsB | VectorBank => Method::VbLora,
            C3aKernel => Method::C3a,
            MissBlock => Method::Miss,
            RandLambda | RandGamma | RandA | RandB => Method::RandLora,
            Ia3 | LycorisIa3 | OnInput => Method::Ia3,
            OftR | OftBlocks | OftRescale => Method::Oft,
            BoftR | BoftScale => Method::Boft,
            HraU => Method::Hra,
            GloraA1 | GloraA2 | GloraB1 | GloraB2 | GloraScale(_) | GloraShift(_) | GloraOther => {
                Method::GLora
            }
            HiraA | HiraB => Method::HiRa,
            DeloraA | DeloraB | DeloraLambda | DeloraNorms => Method::DeLora,
            ShiraValues | ShiraPlaces => Method::Shira,
        }
    }

    /// Whether its name says nothing without another tensor of the module.
    pub(in crate::formats) fn is_beside(self) -> bool {
        matches!(self, LycorisIa3 | OftRescale)
    }

    /// Whether all modules of a file share it.
    pub(in crate::formats) fn is_shared(self) -> bool {
        matches!(self, VeraProjectionA | VeraProjectionB | VectorBank | RandA | RandB)
    }
}
