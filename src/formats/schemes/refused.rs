//! The error for a file that no naming scheme claims: a method without A and B for each module, or not an adapter at all.

use std::path::Path;

use super::methods::{glora_modules, method_of, says_lora};
use crate::error::{Error, Fault, Remedy};
use crate::formats::contents::Tensors;
use crate::formats::low_rank;
use crate::text::{counted, listed, quoted};

/// What is read here.
const EXPECTED: &str = "LoRA factors, an A and a B for each module";

/// The error for a file without LoRA pairs.
pub(super) fn refuse(path: &Path, tensors: &Tensors) -> Error {
    let names = || tensors.keys().map(String::as_str);
    let n_tensors = counted(tensors.len(), "tensor");
    let fault = |found: String| Fault::new(found, EXPECTED).at(path);
    let method = |name: &str| method_of(name).map(|(method, _)| method);
    if let Some(first) = names().find_map(method) {
        let shown = listed(names().filter(|name| method(name) == Some(first)));
        return fault(format!("{n_tensors} of what seems {first} ({shown})")).hint(ONLY_PAIRS).unsupported();
    }
    if let Some(module) = glora_modules(names()).first() {
        let shown = quoted(&format!("{module}.a1"));
        return fault(format!("{n_tensors} of what seems GLoRA ({shown})")).hint(ONLY_PAIRS).unsupported();
    }
    if let Some(kind) = kind_of_state(names()) {
        return fault(format!("{n_tensors} of {kind}")).other_kind().unsupported();
    }
    if let Some(some) = unknown_lora(tensors) {
        let found = format!("{n_tensors} of a LoRA whose names are not known ({})", listed(some));
        return fault(found).unsupported();
    }
    match names().next() {
        None => fault("no tensors".into()).other_kind().unsupported(),
        Some(_) => {
            let found = format!("{n_tensors} and no LoRA factor among them ({})", listed(names()));
            fault(found).remedy(Remedy::NameBase).other_kind().unsupported()
        }
    }
}

const ONLY_PAIRS: &str = "only methods with an A and a B for each module have subspaces to compare";

/// The names that show that a file is a LoRA: those that say so, or else those of its pairs, if most of its matrices are in
/// pairs of low rank.
fn unknown_lora(tensors: &Tensors) -> Option<Vec<&str>> {
    let say_so: Vec<&str> = tensors.keys().map(String::as_str).filter(|name| says_lora(name)).collect();
    if !say_so.is_empty() {
        return Some(say_so);
    }
    let paired = low_rank::pairs(tensors.iter().map(|(name, tensor)| (name.as_str(), &tensor.shape[..])));
    let n_matrices = tensors.values().filter(|tensor| tensor.shape.len() == 2).count();
    (!paired.is_empty() && 2 * 2 * paired.len() > n_matrices).then(|| paired.into_iter().flatten().collect())
}

/// What training keeps next to a model, known by the names of its tensors.
fn kind_of_state<'a>(mut names: impl Iterator<Item = &'a str> + Clone) -> Option<&'static str> {
    let optimizer = [".exp_avg", ".exp_avg_sq", ".momentum_buffer", ".square_avg"];
    if names.clone().any(|name| optimizer.iter().any(|end| name.ends_with(end))) {
        return Some("an optimizer's state");
    }
    let is_random = |name: &str| {
        let first = name.split('.').next().unwrap_or(name);
        matches!(first, "cpu" | "cuda" | "xpu" | "mps" | "npu" | "python" | "numpy")
            || first.ends_with("rng_state")
    };
    (names.clone().next().is_some() && names.all(is_random)).then_some("a random generator's state")
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::sync::Arc;

    use super::*;
    use crate::adapter::Source;
    use crate::formats::tensor::Tensor;

    /// The message for a file of tensors with these names and shapes.
    fn message(tensors: &[(&str, &[u64])]) -> String {
        let source = Source::Memory(Path::new("x").into(), Arc::new(Cow::Borrowed(&[])));
        let tensor = |shape: &[u64]| Tensor::contiguous("F32".into(), shape.to_vec(), source.clone(), 0, 0);
        let tensors: Tensors =
            tensors.iter().map(|(name, shape)| ((*name).to_owned(), tensor(shape))).collect();
        refuse(Path::new("x"), &tensors).to_string()
    }

    #[test]
    fn names_the_method_that_the_tensors_are_of() {
        let cases = [
            ("lora_te_text_model_encoder_layers_0_mlp_fc1.lokr_w1_a", "LoKr"),
            ("lora_unet_mid_block_attentions_0_proj_in.hada_w1_a", "LoHa"),
            ("base_model.unilora_theta_d", "Uni-LoRA"),
            ("base_model.vera_A", "VeRA"),
            ("base_model.model.q.boft_R", "BOFT"),
            ("base_model.model.q.oft_R.weight", "OFT"),
            ("base_model.model.q.ia3_l", "(IA)³"),
            ("base_model.model.q.delora_A.weight", "DeLoRA"),
            ("base_model.model.q.hira_A.weight", "HiRA"),
        ];
        for (name, method) in cases {
            let message = message(&[(name, &[2, 8])]);
            assert!(message.contains(&format!("seems {method} ")), "{message}");
        }
        let glora =
            ["x.a1.weight", "x.a2.weight", "x.b1.weight", "x.b2.weight"].map(|name| (name, &[4, 4][..]));
        assert!(message(&glora).contains("seems GLoRA (`x.a1`)"), "{}", message(&glora));
        assert!(!message(&glora[..3]).contains("GLoRA"));
    }

    #[test]
    fn a_lora_under_unknown_names_is_not_a_full_model() {
        let unknown = "of a LoRA whose names are not known";
        assert!(message(&[("x.my_lora_left", &[4, 64]), ("x.my_lora_right", &[64, 4])]).contains(unknown));
        assert!(message(&[("x.left", &[4, 64]), ("x.right", &[128, 4])]).contains(unknown));
        // A feed-forward layer of a full model has two matrices that fit each other too.
        let full: &[(&str, &[u64])] = &[("x.wi.weight", &[256, 64]), ("x.wo.weight", &[64, 256])];
        assert!(message(full).contains("no LoRA factor among them"));
    }
}
