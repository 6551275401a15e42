//! What a checkpoint's file holds, in whatever file format: tensors by name, and what the file says about itself.

use std::collections::BTreeMap;

use crate::formats::tensor::Tensor;

/// Every tensor of a file, by name.
pub(super) type Tensors = BTreeMap<String, Tensor>;

/// What a file says about itself, as keys with text.
pub(super) type Metadata = BTreeMap<String, String>;

/// A file that was opened.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) tensors: Tensors,
    pub(super) metadata: Metadata,
}

impl From<Tensors> for Contents {
    /// The contents of a file format without metadata.
    fn from(tensors: Tensors) -> Self {
        Self { tensors, metadata: Metadata::new() }
    }
}
