//! Mixtures of experts of MLX and llama.cpp: tensors of three dimensions that stack the factors of all experts of a layer.
//!
//! `lora_a` is (experts, rank, d_in), or (experts·rank, d_in) in older files, and `lora_b` (experts, d_out, rank).

use super::claim::Stored;
use super::layout::Layout;
use crate::formats::tensor::Tensor;

/// The stacked factors of a layer's experts.
pub(in crate::formats) struct Stack {
    a: Tensor,
    b: Tensor,
    pub(in crate::formats) n_experts: u64,
}

impl Stack {
    /// `None` if these tensors are the factors of one module.
    pub(in crate::formats) fn of(layout: Layout, [a, b]: [Stored<'_>; 2]) -> Option<Self> {
        if !matches!(layout, Layout::Transposed | Layout::LlamaCpp) {
            return None;
        }
        let [n_experts, _, _] = b.tensor.shape[..] else { return None };
        let a = match a.tensor.shape.len() {
            2 => a.tensor.clone().unflattened(n_experts)?,
            _ => a.tensor.clone(),
        };
        let is_stack = a.shape.len() == 3
            && a.shape.first() == Some(&n_experts)
            && [&a, b.tensor].iter().all(|tensor| tensor.has_own_bytes());
        is_stack.then(|| Self { a, b: b.tensor.clone(), n_experts })
    }

    /// The factors of one expert. `None` if the tensors are not of a known type or do not hold it.
    pub(in crate::formats) fn expert(&self, expert: u64) -> Option<[Tensor; 2]> {
        Some([self.a.at(expert)?, self.b.at(expert)?])
    }
}

/// The path of an expert's module, as it is where every expert has layers of its own: `….experts.N.PROJECTION`.
pub(in crate::formats) fn expert_path(path: &str, expert: u64) -> String {
    let (front, last) = path.rsplit_once('.').unwrap_or(("", path));
    let front =
        front.strip_suffix("switch_mlp").map_or_else(|| front.to_owned(), |front| format!("{front}experts"));
    match front.is_empty() {
        true => format!("{expert}.{last}"),
        false => format!("{front}.{expert}.{last}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expert_is_named_as_by_other_libraries() {
        let path = |path| expert_path(path, 3);
        assert_eq!(path("model.layers.0.mlp.switch_mlp.up_proj"), "model.layers.0.mlp.experts.3.up_proj");
        assert_eq!(path("model.layers.0.mlp.experts.up_proj"), "model.layers.0.mlp.experts.3.up_proj");
        assert_eq!(path("switch_mlp.up_proj"), "experts.3.up_proj");
        assert_eq!(path("up_proj"), "3.up_proj");
    }
}
