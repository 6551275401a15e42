//! What a naming scheme makes of a tensor's name.

use std::borrow::Cow;

use super::part::Part;
use crate::formats::tensor::Tensor;

/// What a tensor is to a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::formats) enum TensorRole {
    /// A, the "down" matrix.
    A,
    /// B, the "up" matrix.
    B,
    /// AdaLoRA's diagonal between them, (rank, 1).
    E,
    /// A scalar alpha.
    Alpha,
    /// DoRA's magnitudes.
    Magnitude,
    /// The core of a Tucker decomposition between A and B.
    Mid,
    /// A part of LoHa's two matrices.
    Hada(MatrixPart),
    /// A part of LoKr's two matrices.
    Lokr(MatrixPart),
    /// ΔW itself.
    Diff,
    /// A tensor of a method with rules of its own.
    Part(Part),
}

/// A part of the first or the second of two matrices, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::formats) enum MatrixPart {
    /// All of it.
    Whole(usize),
    /// The left one of its two factors.
    Left(usize),
    /// The right one.
    Right(usize),
    /// The core between them.
    Core(usize),
}

impl TensorRole {
    /// Whether a module is made of it; all other tensors go with the factors of their module.
    pub(in crate::formats) fn is_factor(self) -> bool {
        matches!(self, Self::A | Self::B | Self::E) || self.is_of_other_form()
    }

    /// Whether it is a part of an update that is not B·A.
    pub(in crate::formats) fn is_of_other_form(self) -> bool {
        match self {
            Self::Hada(_) | Self::Lokr(_) | Self::Diff => true,
            Self::Part(part) => !part.is_shared() && !part.is_beside(),
            _ => false,
        }
    }

    /// Whether all modules of a file share it.
    pub(in crate::formats) fn is_shared(self) -> bool {
        matches!(self, Self::Part(part) if part.is_shared())
    }
}

/// A tensor name, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::formats) struct Claim<'a> {
    /// The module's path as the file has it.
    pub(in crate::formats) module: Cow<'a, str>,
    pub(in crate::formats) role: TensorRole,
    /// The adapter's name, if the tensor's name contains it.
    pub(in crate::formats) adapter: Option<&'a str>,
    /// 1 for a name that other schemes have too, 2 for one that only this scheme has.
    pub(in crate::formats) weight: usize,
}

impl<'a> Claim<'a> {
    /// A name without an adapter's. `None` if the module's path is empty.
    pub(super) fn new(module: &'a str, role: TensorRole, weight: usize) -> Option<Self> {
        (!module.is_empty()).then_some(Self { module: module.into(), role, adapter: None, weight })
    }

    /// The claim by the end of the name.
    pub(super) fn by_end(name: &'a str, ends: &[(&str, TensorRole)], weight: usize) -> Option<Self> {
        let (module, role) = ends.iter().find_map(|(end, role)| Some((name.strip_suffix(end)?, *role)))?;
        Self::new(module, role, weight)
    }
}

/// A tensor with its name.
#[derive(Clone, Copy)]
pub(in crate::formats) struct Stored<'a> {
    pub(in crate::formats) name: &'a str,
    pub(in crate::formats) tensor: &'a Tensor,
}

/// Whether the text consists of digits.
pub(super) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
