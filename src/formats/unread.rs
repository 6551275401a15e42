//! What of an update no naming scheme reads: tensors that look like a part of one, by module and by kind.

use std::collections::{BTreeMap, HashMap};

use crate::adapter::UnreadPart;
use crate::formats::contents::Tensors;
use crate::formats::low_rank;
use crate::formats::schemes::{glora_modules, glora_part, method_of, says_lora};

/// What PEFT calls its copy of a module that `modules_to_save` replaces: it takes no part in the adapted model.
const REPLACED: &str = ".original_module.";

/// Ends of tensors that are a part of a module of another method, and nothing by themselves.
const BESIDE: &[&str] = &[".alpha", ".dora_scale", ".scale", ".scalar", ".bias"];

/// The parts of an update among the tensors that no module has, in the order of their names.
pub(super) fn unread(tensors: &Tensors, unclaimed: &[&str]) -> Vec<UnreadPart> {
    let mut parts: BTreeMap<&str, (String, usize)> = BTreeMap::new();
    let mut add = |module, reason: &str| {
        parts.entry(module).or_insert_with(|| (reason.to_owned(), 0)).1 += 1;
    };
    let glora = glora_modules(unclaimed.iter().copied());
    let mut rest = vec![];
    for &name in unclaimed {
        match (method_of(name), glora_part(name).filter(|(module, _)| glora.contains(module))) {
            (Some((method, at)), _) => add(module(name, at), method),
            (None, Some((module, _))) => add(module, "GLoRA"),
            (None, None) => rest.push(name),
        }
    }
    let shape = |name: &'_ str| tensors.get(name).map_or(&[][..], |tensor| &tensor.shape[..]);
    let pairs = low_rank::pairs(rest.iter().map(|&name| (name, shape(name))));
    let paired: HashMap<&str, &str> =
        pairs.into_iter().flat_map(|[first, second]| [(first, first), (second, first)]).collect();
    let mut beside = vec![];
    for name in rest {
        if let Some(first) = paired.get(name) {
            add(first, "a pair of low rank under unknown names");
        } else if let Some(module) = BESIDE.iter().find_map(|end| name.strip_suffix(end)) {
            beside.push((name, module));
        } else if name.ends_with(".lora_B.bias") || name.ends_with(".lora_bias") {
            add(name, "a bias of B");
        } else if says_lora(name) && !name.contains(REPLACED) && !shape(name).contains(&0) {
            add(name, "a LoRA tensor under an unknown name");
        }
    }
    for (name, module) in beside {
        if let Some((_, n_tensors)) = parts.get_mut(module) {
            *n_tensors += 1;
        } else if says_lora(name) {
            parts.insert(name, ("a scalar or a vector without factors".to_owned(), 1));
        }
    }
    let one = |(name, (reason, n_tensors)): (&str, (String, usize))| UnreadPart {
        name: name.to_owned(),
        reason,
        found: None,
        n_tensors,
    };
    parts.into_iter().map(one).collect()
}

/// A copy of the model that is left out.
pub(super) fn copy(name: String, n_tensors: usize) -> UnreadPart {
    let reason = "another state dict of the same names, an adapter of its own".to_owned();
    UnreadPart { name, reason, found: None, n_tensors }
}

/// What is not known of a module whose rows of B were put in llama.cpp's order.
pub(super) fn order_of_rows(module: &str) -> UnreadPart {
    UnreadPart { name: module.to_owned(), reason: ORDER_OF_ROWS.to_owned(), found: None, n_tensors: 1 }
}

const ORDER_OF_ROWS: &str = "the order of B's rows, which llama.cpp changes in q and k and the file lacks the head counts to undo: sides \
                             b and dw-left, cosines of updates and relations hold only against other such files";

/// What stands before a mark, or the whole name where nothing does.
fn module(name: &str, at: usize) -> &str {
    if at == 0 { name } else { &name[..at - 1] }
}
