//! The schemes whose names say all: MLX, TorchTune, Megatron, cloneofsimo and Sam_LoRA.

use super::claim::{Claim, Part};

/// MLX: `MODULE.lora_a` is (d_in, rank) and `MODULE.lora_b` (rank, d_out).
pub(super) fn mlx(name: &str) -> Option<Claim<'_>> {
    Claim::by_end(name, &[(".lora_a", Part::A), (".lora_b", Part::B)], 2)
}

/// TorchTune: `MODULE.lora_a.weight`, (rank, d_in), and `MODULE.lora_b.weight`, (d_out, rank).
pub(super) fn torchtune(name: &str) -> Option<Claim<'_>> {
    let ends = [(".lora_a.weight", Part::A), (".lora_b.weight", Part::B), (".magnitude", Part::Magnitude)];
    Claim::by_end(name, &ends, 2)
}

/// Megatron (NeMo, Megatron Bridge): `MODULE.adapter.linear_in.weight`, (rank, d_in), and `linear_out`, (d_out, rank).
pub(super) fn megatron(name: &str) -> Option<Claim<'_>> {
    let claim = Claim::by_end(name, &[(".linear_in.weight", Part::A), (".linear_out.weight", Part::B)], 2)?;
    // NeMo 1 keeps several adapters of a layer in one place, named after what they adapt.
    let module = claim.module.strip_suffix(".adapter").unwrap_or(claim.module);
    Some(Claim { module, ..claim })
}

/// cloneofsimo: `unet:17:down` and `unet:17:up`, numbered as the trainer walked the model; a list of tensors, up and down
/// in turn, in the older `.pt` files.
pub(super) fn cloneofsimo(name: &str) -> Option<Claim<'_>> {
    Claim::by_end(name, &[(":down", Part::A), (":up", Part::B)], 2)
        .filter(|claim| claim.module.rsplit(':').next().is_some_and(is_number))
}

/// `unet:17` as a path.
pub(super) fn cloneofsimo_path(module: &str) -> String {
    module.replace(':', ".")
}

/// Sam_LoRA: `w_a_000`, (rank, d), and `w_b_000`, (d, rank), numbered.
pub(super) fn sam(name: &str) -> Option<Claim<'_>> {
    let part = [("w_a_", Part::A), ("w_b_", Part::B)];
    part.into_iter().find_map(|(front, part)| {
        let number = name.strip_prefix(front).filter(|number| is_number(number))?;
        Claim::new(number, part, 2)
    })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Named<'a> = Option<(&'a str, Part)>;

    fn found(claim: Option<Claim<'_>>) -> Named<'_> {
        claim.map(|claim| (claim.module, claim.part))
    }

    #[test]
    fn each_takes_its_own_names_alone() {
        assert_eq!(found(mlx("model.layers.20.q_proj.lora_a")), Some(("model.layers.20.q_proj", Part::A)));
        assert_eq!(
            found(torchtune("layers.0.attn.q_proj.lora_b.weight")),
            Some(("layers.0.attn.q_proj", Part::B))
        );
        let qkv = "decoder.layers.0.self_attention.linear_qkv";
        assert_eq!(found(megatron(&format!("{qkv}.adapter.linear_in.weight"))), Some((qkv, Part::A)));
        assert_eq!(found(cloneofsimo("text_encoder:3:up")), Some(("text_encoder:3", Part::B)));
        assert_eq!(found(sam("w_b_011")), Some(("011", Part::B)));
        for name in ["x.lora_a.weight", "unet:x:up", "w_a_", "w_a_0x", ":up", ".lora_b"] {
            assert_eq!(found(mlx(name).or(cloneofsimo(name)).or(sam(name))), None, "{name}");
        }
    }
}
