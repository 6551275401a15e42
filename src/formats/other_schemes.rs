//! Says what a file holds instead of PEFT's LoRA pairs.

use std::path::Path;

use crate::error::{Error, Fault};
use crate::formats::sniff;
use crate::listing::{counted, listed};

/// What the names of other methods and tools hold. The first that fits counts.
const SCHEMES: &[(&str, &str)] = &[
    ("lora_E", "AdaLoRA, whose A must be scaled by E"),
    ("lokr_", "LyCORIS LoKr"),
    ("hada_", "LyCORIS LoHa"),
    ("unilora_", "Uni-LoRA"),
    ("vera_", "VeRA"),
    ("vblora_", "VB-LoRA"),
    ("randlora_", "RandLoRA"),
    ("fourierft_", "FourierFT"),
    ("oft_", "OFT"),
    ("ia3_", "(IA)³"),
    ("prompt_embeddings", "prompt tuning"),
    ("lora_embedding_", "LoRA on embeddings alone"),
    ("lora_down", "LoRA with kohya's names"),
    ("lora.down", "LoRA with diffusers' names"),
    (":down", "LoRA with cloneofsimo's names"),
    ("w_a_", "LoRA with Sam_LoRA's names"),
    ("lora_a", "LoRA with MLX's names"),
    ("lora_A", "LoRA with loralib's names"),
];

/// The error for a file whose tensors are no PEFT pairs.
pub(super) fn refuse<'a>(path: &Path, names: impl Iterator<Item = &'a str> + Clone) -> Error {
    let n_tensors = counted(names.clone().count(), "tensor");
    let fault = |found: String| Fault::new(found, "PEFT's lora_A.weight and lora_B.weight").at(path);
    let scheme = SCHEMES.iter().find(|(mark, _)| names.clone().any(|name| name.contains(mark)));
    if let Some((mark, what)) = scheme {
        let shown = listed(names.filter(|name| name.contains(mark)));
        return fault(format!("{n_tensors} of what seems {what}, which is not read yet ({shown})"))
            .unsupported();
    }
    if let Some(kind) = sniff::kind_of_state(names.clone()) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_schemes_of_real_files_apart() {
        let cases = [
            ("base_model.model.x.lora_E.default", "AdaLoRA"),
            ("lora_te_text_model_encoder_layers_0_mlp_fc1.lokr_w1_a", "LoKr"),
            ("lora_te_text_model_encoder_layers_0_mlp_fc1.lora_down.weight", "kohya"),
            ("base_model.unilora_theta_d", "Uni-LoRA"),
            ("down_blocks.0.attn1.processor.to_k_lora.down.weight", "diffusers"),
            ("text_encoder:0:down", "cloneofsimo"),
            ("w_a_000", "Sam_LoRA"),
            ("model.layers.20.self_attn.q_proj.lora_a", "MLX"),
            ("roberta.encoder.layer.0.attention.self.query.lora_A", "loralib"),
        ];
        for (name, scheme) in cases {
            let message = refuse(Path::new("x"), [name].into_iter()).to_string();
            assert!(message.contains(scheme), "{message}");
        }
    }
}
