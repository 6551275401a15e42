//! The error for a file that no naming scheme claims: a method without A and B for each module, or not an adapter at all.

use std::path::Path;

use crate::error::{Error, Fault};
use crate::text::{counted, listed};

/// Marks in the names of other methods. The first that fits counts.
const METHODS: &[(&str, &str)] = &[
    ("lokr_", "LoKr"),
    ("hada_", "LoHa"),
    ("unilora_", "Uni-LoRA"),
    ("vera_", "VeRA"),
    ("vblora_", "VB-LoRA"),
    ("randlora_", "RandLoRA"),
    ("fourierft_", "FourierFT"),
    ("boft_", "BOFT"),
    ("oft_", "OFT"),
    ("ia3_", "(IA)³"),
    ("hra_", "HRA"),
    (".on_input", "LyCORIS (IA)³"),
    ("glora", "GLoRA"),
    ("prompt_embeddings", "prompt tuning"),
];

/// The error for a file without LoRA pairs.
pub(super) fn refuse<'a>(path: &Path, names: impl Iterator<Item = &'a str> + Clone) -> Error {
    let n_tensors = counted(names.clone().count(), "tensor");
    let fault = |found: String| Fault::new(found, "LoRA factors, an A and a B for each module").at(path);
    let method = METHODS.iter().find(|(mark, _)| names.clone().any(|name| name.contains(mark)));
    if let Some((mark, what)) = method {
        let shown = listed(names.filter(|name| name.contains(mark)));
        let hint = "only methods with an A and a B for each module have subspaces to compare";
        return fault(format!("{n_tensors} of what seems {what} ({shown})")).hint(hint).unsupported();
    }
    if let Some(kind) = kind_of_state(names.clone()) {
        return fault(format!("{n_tensors} of {kind}")).other_kind().unsupported();
    }
    match names.clone().next() {
        None => fault("no tensors".into()).other_kind().unsupported(),
        Some(_) => {
            let shown = listed(names);
            let hint = "if this is a full or a merged model, give the adapter's own file";
            let found = format!("{n_tensors} and no LoRA factor among them ({shown})");
            fault(found).hint(hint).other_kind().unsupported()
        }
    }
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
    use super::*;

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
        ];
        for (name, method) in cases {
            let message = refuse(Path::new("x"), [name].into_iter()).to_string();
            assert!(message.contains(&format!("seems {method} ")), "{message}");
        }
    }
}
