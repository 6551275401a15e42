//! The factors of a module, on their way from tensors to modules.

use std::ops::Range;
use std::path::Path;

use crate::adapter::Factor;
use crate::adapter::magnitudes::Magnitudes;
use crate::error::{Error, Fault};
use crate::formats::context::Context;
use crate::names::Weight;
use crate::text::quoted;

/// The factors of a module as the file has them.
#[derive(Debug, Clone)]
pub(in crate::formats) struct Pair {
    /// The module's path in the file.
    pub(in crate::formats) original: String,
    /// Its dotted path, with wrappers.
    pub(in crate::formats) path: String,
    pub(in crate::formats) a: Factor,
    pub(in crate::formats) b: Factor,
    /// The alpha that is stored next to the factors.
    pub(in crate::formats) alpha: StoredAlpha,
    /// DoRA's magnitudes.
    pub(in crate::formats) magnitudes: Option<Box<Magnitudes>>,
    /// Whether its factors lie the other way round than usual in its scheme.
    pub(in crate::formats) is_turned: bool,
    /// Of a fused weight: how many of its rows are q's, if another module tells.
    pub(in crate::formats) q_rows: Option<usize>,
    /// What the scaling by alpha and rank is multiplied by.
    pub(in crate::formats) rescaled: f64,
    /// Which rank alpha is divided by.
    pub(in crate::formats) scale_rank: ScaleRank,
    /// Whether B's rows are in an order of their own that could not be undone, see [`super::llama_cpp`].
    pub(in crate::formats) is_out_of_order: bool,
}

/// The rank that alpha is divided by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::formats) enum ScaleRank {
    /// B's, since A may stack the groups of a `MergedLinear`.
    OfB,
    /// That of the matrices that the update is made of.
    Of(usize),
    /// None: these matrices are whole.
    None,
    /// None: the method scales the update by this number.
    Fixed(f64),
}

/// An alpha that is stored next to the factors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::formats) enum StoredAlpha {
    /// There is none.
    Absent,
    /// It is not one finite number.
    Odd,
    /// This one.
    Of(f64),
}

impl Pair {
    /// A pair that is read as its tensors lie.
    pub(in crate::formats) fn new(original: String, path: String, [a, b]: [Factor; 2]) -> Self {
        Self {
            scale_rank: ScaleRank::OfB,
            original,
            path,
            a,
            b,
            alpha: StoredAlpha::Absent,
            magnitudes: None,
            is_turned: false,
            q_rows: None,
            rescaled: 1.0,
            is_out_of_order: false,
        }
    }

    /// The weight that it updates, by path and shape.
    pub(in crate::formats) fn weight(&self) -> Weight<'_> {
        Weight { path: &self.path, shape: Some([self.a.cols, self.b.rows]) }
    }

    /// The rank that alpha is divided by, if there is one.
    pub(super) fn scale_rank(&self) -> Option<usize> {
        match self.scale_rank {
            ScaleRank::OfB => Some(self.b.cols),
            ScaleRank::Of(rank) => Some(rank),
            ScaleRank::None | ScaleRank::Fixed(_) => None,
        }
    }

    /// What the update is scaled by, if its method says so.
    pub(in crate::formats) fn fixed_scaling(&self) -> Option<f64> {
        match self.scale_rank {
            ScaleRank::Fixed(scaling) => Some(scaling),
            _ => None,
        }
    }

    /// The update of some rows of the weight, as a module of its own below this one.
    pub(super) fn part(&self, name: &str, rows: Range<usize>) -> Self {
        let of_rows = |magnitudes: Box<Magnitudes>| {
            // The columns of a part are scaled by the norms of all of the weight's rows.
            let column = (!magnitudes.of_columns).then(|| magnitudes.column.clone().row_range(rows.clone()));
            column.map(|column| Box::new(Magnitudes { column, ..*magnitudes }))
        };
        Self {
            magnitudes: self.magnitudes.clone().and_then(of_rows),
            original: format!("{}.{name}", self.original),
            path: format!("{}.{name}", self.path),
            b: self.b.clone().row_range(rows),
            ..self.clone()
        }
    }
}

/// For schemes whose pairs are never split.
pub(super) fn whole(pair: Pair, _: &Context<'_>) -> Vec<Pair> {
    vec![pair]
}

/// What stands between a module's path and its factors where LoRA is a layer or a parametrization of its own.
const LAYERS: &[&str] = &[".lora", ".parametrizations.weight.0"];

/// The module's path without those.
pub(super) fn trimmed(mut module: &str) -> &str {
    while let Some(outer) = LAYERS.iter().find_map(|layer| module.strip_suffix(layer)) {
        module = outer;
    }
    module
}

/// The error for a module whose tensors do not fit together.
pub(in crate::formats) fn wrong_module(
    path: &Path,
    module: &str,
    found: String,
    expected: impl Into<String>,
) -> Error {
    Fault::new(found, expected).at(path).of(format!("module {}", quoted(module))).malformed()
}
