//! VeRA's input sizes. The projections are as large as the largest module, and a module's own tensors do not have its input size.

use std::collections::BTreeMap;

use crate::formats::schemes::{Claimed, Part, TensorRole};

/// What the modules' names and output sizes say.
pub(super) struct Width {
    /// Whether all modules have one input size, which is that of the projections then.
    pub(super) is_one: bool,
}

/// Layers that have one input.
const ONE_INPUT: &[&[&str]] = &[
    &["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
    &["attention.self.query", "attention.self.key", "attention.self.value"],
    &["mlp.gate_proj", "mlp.up_proj"],
];

impl Width {
    pub(super) fn of(claimed: &[Claimed<'_>]) -> Self {
        let is_b = |one: &&Claimed<'_>| one.claim.role == TensorRole::Part(Part::VeraB);
        let modules = claimed.iter().filter(is_b);
        Self { is_one: is_one(modules.map(|one| (&*one.claim.module, one.stored.tensor.shape.as_slice()))) }
    }
}

/// Whether modules, with the shapes of what they have for each output, are of one kind in every layer, or of kinds that have one input.
fn is_one<'a>(modules: impl Iterator<Item = (&'a str, &'a [u64])>) -> bool {
    let mut kinds: BTreeMap<String, &[u64]> = BTreeMap::new();
    for (module, shape) in modules {
        // Two sizes of one kind are those of layers of two widths.
        if *kinds.entry(kind(module)).or_insert(shape) != shape {
            return false;
        }
    }
    let mut fronts = vec![];
    let share = ONE_INPUT.iter().any(|together| {
        fronts = kinds
            .keys()
            .filter_map(|kind| together.iter().find_map(|end| kind.strip_suffix(end)))
            .collect::<Vec<_>>();
        fronts.len() == kinds.len() && fronts.windows(2).all(|pair| pair.first() == pair.last())
    });
    kinds.len() == 1 || share
}

/// The path without its numbers.
fn kind(module: &str) -> String {
    let is_number = |part: &&str| !part.bytes().all(|byte| byte.is_ascii_digit());
    module.split('.').filter(is_number).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(modules: &[(&str, u64)]) -> bool {
        let shapes: Vec<[u64; 1]> = modules.iter().map(|(_, d_out)| [*d_out]).collect();
        is_one(modules.iter().zip(&shapes).map(|((module, _), shape)| (*module, &shape[..])))
    }

    #[test]
    fn one_kind_of_module_has_one_input() {
        assert!(of(&[("m.layers.0.self_attn.q_proj", 8), ("m.layers.1.self_attn.q_proj", 8)]));
        assert!(of(&[("m.layers.0.self_attn.q_proj", 8), ("m.layers.0.self_attn.v_proj", 4)]));
        assert!(of(&[("m.layers.0.mlp.gate_proj", 8), ("m.layers.0.mlp.up_proj", 8)]));
        // Not of layers of two widths, of a feed-forward layer's two, or of attention to something else.
        assert!(!of(&[("down.0.to_q", 8), ("down.1.to_q", 16)]));
        assert!(!of(&[("m.layers.0.self_attn.q_proj", 8), ("m.layers.0.mlp.down_proj", 8)]));
        assert!(!of(&[("x.0.self_attn.k_proj", 8), ("x.0.encoder_attn.k_proj", 8)]));
        assert!(!of(&[("a.0.self_attn.k_proj", 8), ("b.0.self_attn.v_proj", 8)]));
    }
}
