//! What a naming scheme makes of a tensor's name.

use std::borrow::Cow;

/// A tensor's part in a module.
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
    /// The middle of a Tucker decomposition, which makes ΔW no product of two matrices.
    Mid,
}

/// A tensor name, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::formats) struct Claim<'a> {
    /// The module's path as the file has it.
    pub(in crate::formats) module: Cow<'a, str>,
    pub(in crate::formats) part: TensorRole,
    /// The adapter's name, where the tensor's has it.
    pub(in crate::formats) adapter: Option<&'a str>,
    /// 1 for names that another scheme may have too, 2 for those that it alone has.
    pub(in crate::formats) weight: usize,
}

impl<'a> Claim<'a> {
    /// A name without an adapter's; none for a module without a path.
    pub(super) fn new(module: &'a str, part: TensorRole, weight: usize) -> Option<Self> {
        (!module.is_empty()).then_some(Self { module: module.into(), part, adapter: None, weight })
    }

    /// The part by the end of the name.
    pub(super) fn by_end(name: &'a str, ends: &[(&str, TensorRole)], weight: usize) -> Option<Self> {
        let (module, part) = ends.iter().find_map(|(end, part)| Some((name.strip_suffix(end)?, *part)))?;
        Self::new(module, part, weight)
    }
}

/// Whether the text is digits alone.
pub(super) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
