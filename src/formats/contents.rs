//! What a file of any format holds: tensors by name, and metadata.

use std::collections::BTreeMap;

use crate::formats::tensor::Tensor;

/// Every tensor of a file, by name.
pub(super) type Tensors = BTreeMap<String, Tensor>;

/// Text that a file has about itself, by key.
pub(super) type Metadata = BTreeMap<String, String>;

/// The contents of a file.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) tensors: Tensors,
    pub(super) metadata: Metadata,
    /// Of a file with several state dicts of the same names: the fronts that keep their tensors apart, the likeliest one to be meant
    /// first.
    pub(super) copies: Vec<String>,
}

impl From<Tensors> for Contents {
    /// The contents of a file format without metadata.
    fn from(tensors: Tensors) -> Self {
        Self { tensors, ..Self::default() }
    }
}
