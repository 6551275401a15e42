//! The methods that are not an A and a B for each module, known by the names of their tensors.

use std::collections::{BTreeSet, HashMap, HashSet};

/// How a mark stands in a component of a tensor's name.
#[derive(Clone, Copy)]
enum Mark {
    /// The component begins with it.
    Front(&'static str),
    /// The component is it.
    Whole(&'static str),
}

use Mark::{Front, Whole};

/// PEFT's `save_only_topk_weights`.
const TOP_K: &str = "VB-LoRA saved without its logits, with places as integers, which are not read";

/// Marks, each with the method. The first that fits counts.
const METHODS: &[(Mark, &str)] = &[
    (Front("lokr_"), "LoKr"),
    (Front("hada_"), "LoHa"),
    (Front("unilora_"), "Uni-LoRA"),
    (Front("vera_"), "VeRA"),
    (Front("vblora_logits_A_topk"), TOP_K),
    (Front("vblora_logits_B_topk"), TOP_K),
    (Front("vblora_"), "VB-LoRA"),
    (Front("c3a_"), "C3A"),
    (Front("miss_"), "MiSS"),
    (Front("bone_"), "Bone"),
    (Front("shira_"), "SHiRA"),
    (Front("randlora_"), "RandLoRA"),
    (Front("delora_"), "DeLoRA"),
    (Front("hira_"), "HiRA"),
    (Front("waveft_"), "WaveFT"),
    (Front("road_"), "RoAd"),
    (Front("fourierft_"), "FourierFT"),
    (Front("boft_"), "BOFT"),
    (Front("oft_"), "OFT"),
    (Whole("oft_blocks"), "OFT"),
    (Front("ia3_"), "(IA)³"),
    (Front("hra_"), "HRA"),
    (Front("finegates_"), "FineGates"),
    (Whole("on_input"), "LyCORIS (IA)³"),
    (Front("glora"), "GLoRA"),
    (Whole("diff"), "a full difference of weights"),
    (Whole("diff_b"), "a difference of biases"),
    (Whole("diff_m"), "a difference of biases"),
    (Whole("set_weight"), "a weight that is replaced"),
    (Whole("w_norm"), "a difference of a norm's weight or bias, which has no subspace"),
    (Whole("b_norm"), "a difference of a norm's weight or bias, which has no subspace"),
    (Whole("reshape_weight"), "a weight that is reshaped"),
    (Front("prompt_embeddings"), "prompt tuning"),
];

/// The method that a tensor's name belongs to, and the length of what stands before it: the module's path and its dot.
pub(in crate::formats) fn method_of(name: &str) -> Option<(&'static str, usize)> {
    METHODS.iter().find_map(|&(mark, method)| Some((method, place(name, mark)?)))
}

/// The four tensors of a GLoRA module.
const GLORA: [&str; 4] = ["a1", "a2", "b1", "b2"];

/// The modules that have all four of them, of these names.
pub(in crate::formats) fn glora_modules<'a>(names: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let mut parts: HashMap<&str, HashSet<&str>> = HashMap::new();
    for (module, part) in names.filter_map(glora_part) {
        parts.entry(module).or_default().insert(part);
    }
    parts.into_iter().filter(|(_, parts)| parts.len() == GLORA.len()).map(|(module, _)| module).collect()
}

/// The module and the part of a name that could be one of GLoRA's.
pub(in crate::formats) fn glora_part(name: &str) -> Option<(&str, &'static str)> {
    let (module, last) = name.strip_suffix(".weight").unwrap_or(name).rsplit_once('.')?;
    GLORA.iter().find(|&&part| part == last).map(|part| (module, *part))
}

/// Whether a word of the name is LoRA's.
pub(in crate::formats) fn says_lora(name: &str) -> bool {
    name.to_ascii_lowercase().contains("lora")
}

/// Where the first component with the mark begins.
fn place(name: &str, mark: Mark) -> Option<usize> {
    let mut at = 0;
    for component in name.split('.') {
        let fits = match mark {
            Front(front) => component.starts_with(front),
            Whole(whole) => component == whole,
        };
        if fits {
            return Some(at);
        }
        at += component.len() + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_stands_at_the_front_of_a_component() {
        assert_eq!(method_of("unet.x.lokr_w1"), Some(("LoKr", 7)));
        assert_eq!(method_of("x.oft_R.weight"), Some(("OFT", 2)));
        assert_eq!(method_of("x.diff_b"), Some(("a difference of biases", 2)));
        assert_eq!(method_of("prompt_embeddings"), Some(("prompt tuning", 0)));
        for name in ["soft_gate.weight", "diffusion_model.x.weight", "broad_road.weight", "x.different"] {
            assert_eq!(method_of(name), None, "{name}");
        }
        assert_eq!(glora_part("x.a1.weight"), Some(("x", "a1")));
        assert_eq!(glora_part("x.b2"), Some(("x", "b2")));
        assert_eq!(glora_part("x.b3"), None);
    }
}
