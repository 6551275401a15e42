//! Experts whose weights are stacked in one tensor, (experts, rows, columns).
//!
//! transformers keeps them as parameters `….experts.gate_up_proj` and `down_proj`, as layers of PyTorch are, or for GPT-OSS and Llama 4
//! the other way round; MLX and llama.cpp keep them as layers of PyTorch are.

use std::collections::BTreeMap;

use super::layout::Layout;
use crate::formats::contents::Tensors;
use crate::formats::tensor::Tensor;

/// A stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stack {
    pub(super) n_experts: u64,
    /// Rows and columns of each as it is stored.
    pub(super) shape: [usize; 2],
    pub(super) layout: Layout,
}

/// The stacks of a model, by the names of their tensors.
pub(super) struct Stacks<'a>(BTreeMap<&'a str, Stack>);

/// Projections that transformers stacks: the two that show together how they lie.
const GATE_UP: &str = ".experts.gate_up_proj";
const DOWN: &str = ".experts.down_proj";

const UNKNOWN: &str = "experts without their other projection, whose shape shows which way round both lie";

impl<'a> Stacks<'a> {
    pub(super) fn of(tensors: &'a Tensors) -> Self {
        let stack = |(name, tensor): (&'a String, &Tensor)| {
            let (n_experts, shape) = sizes(tensor)?;
            let module = name.strip_suffix(".weight").unwrap_or(name);
            let layout = match module.rsplit_once(DOWN).or_else(|| module.rsplit_once(GATE_UP)) {
                Some((front, "")) => {
                    let end = &name[module.len()..];
                    let of = |projection| tensors.get(&format!("{front}{projection}{end}")).and_then(sizes);
                    of(GATE_UP)
                        .zip(of(DOWN))
                        .map_or(Layout::Unknown(UNKNOWN), |(gate_up, down)| layout(gate_up.1, down.1))
                }
                _ if module.ends_with("_exps") || module.contains(".switch_mlp.") => Layout::AsStored,
                _ => return None,
            };
            Some((name.as_str(), Stack { n_experts, shape, layout }))
        };
        Self(tensors.iter().filter_map(stack).collect())
    }

    pub(super) fn get(&self, tensor: &str) -> Option<&Stack> {
        self.0.get(tensor)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a str, &Stack)> {
        self.0.iter().map(|(name, stack)| (*name, stack))
    }

    /// Those of all stacks.
    pub(super) fn n_experts(&self) -> u64 {
        self.0.values().fold(0, |n, stack| n.saturating_add(stack.n_experts))
    }
}

/// How many matrices a tensor stacks, and their rows and columns.
fn sizes(tensor: &Tensor) -> Option<(u64, [usize; 2])> {
    let &[n_experts, rows, cols] = tensor.shape.as_slice() else { return None };
    let is_there = rows > 0 && cols > 0 && tensor.number().is_some() && tensor.has_own_bytes();
    Some((n_experts, [usize::try_from(rows).ok()?, usize::try_from(cols).ok()?])).filter(|_| is_there)
}

/// Gate and up together have twice as many outputs as down has inputs, and down has as many outputs as they have inputs: one way
/// round only.
fn layout(gate_up: [usize; 2], down: [usize; 2]) -> Layout {
    let is_usual =
        |[out, d_in]: [usize; 2], [d, inner]: [usize; 2]| d_in == d && inner.checked_mul(2) == Some(out);
    let turned = |[rows, cols]: [usize; 2]| [cols, rows];
    if is_usual(gate_up, down) {
        Layout::AsStored
    } else if is_usual(turned(gate_up), turned(down)) {
        Layout::Transposed
    } else {
        Layout::Unknown("experts whose two projections do not fit each other")
    }
}
