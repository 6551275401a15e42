//! What a config says of methods that have rules of their own for ΔW.

use crate::formats::lenient::{Field, Object};

/// The fields of PEFT's config for them.
#[derive(Debug, Clone, Default)]
pub(super) struct MethodConfig {
    /// VB-LoRA: vectors of the bank in each piece.
    pub(super) top_k: Field<f64>,
    pub(super) randlora_alpha: Field<f64>,
    /// OFT: whether rotations are the series of Cayley's transform.
    pub(super) is_series: Field<bool>,
    pub(super) n_terms: Field<f64>,
    /// OFT: whether the norm of the skew-symmetric matrices is bounded, and by what.
    pub(super) is_bounded: Field<bool>,
    pub(super) bound: Field<f64>,
    /// (IA)³: the ends of the names of modules whose inputs are scaled.
    pub(super) feed_forward: Field<Vec<String>>,
    /// HRA: whether its vectors are made orthogonal.
    pub(super) is_orthogonal: Field<bool>,
}

impl From<&Object> for MethodConfig {
    fn from(of: &Object) -> Self {
        Self {
            top_k: of.number("topk"),
            randlora_alpha: of.number("randlora_alpha"),
            is_series: of.flag("use_cayley_neumann"),
            n_terms: of.number("num_cayley_neumann_terms"),
            is_bounded: of.flag("coft"),
            bound: of.number("eps"),
            // One text is a regular expression there.
            feed_forward: of.field("feedforward_modules", |json| serde_json::from_str(json).ok()),
            is_orthogonal: of.flag("apply_GS"),
        }
    }
}
