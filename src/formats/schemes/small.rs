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
    let module = name.strip_suffix(".linear_in.weight").or(name.strip_suffix(".linear_out.weight"))?;
    Some(Claim { module: module.strip_suffix(".adapter").unwrap_or(module).into(), ..claim })
}

/// cloneofsimo: `unet:17:down` and `unet:17:up`, numbered as the trainer walked the model; a list of tensors, up and down
/// in turn, in the older `.pt` files.
pub(super) fn cloneofsimo(name: &str) -> Option<Claim<'_>> {
    if let Some(place) = name.parse::<usize>().ok().filter(|_| is_number(name)) {
        let part = if place.is_multiple_of(2) { Part::B } else { Part::A };
        let module = (place / 2).to_string().into();
        return Some(Claim { module, part, adapter: None, weight: 1 });
    }
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

    fn found(claim: Option<Claim<'_>>) -> Option<(String, Part)> {
        claim.map(|claim| (claim.module.into_owned(), claim.part))
    }

    fn named(module: &str, part: Part) -> Option<(String, Part)> {
        Some((module.to_owned(), part))
    }

    #[test]
    fn each_takes_its_own_names_alone() {
        assert_eq!(found(mlx("model.layers.20.q_proj.lora_a")), named("model.layers.20.q_proj", Part::A));
        assert_eq!(
            found(torchtune("layers.0.attn.q_proj.lora_b.weight")),
            named("layers.0.attn.q_proj", Part::B)
        );
        let qkv = "decoder.layers.0.self_attention.linear_qkv";
        assert_eq!(found(megatron(&format!("{qkv}.adapter.linear_in.weight"))), named(qkv, Part::A));
        assert_eq!(found(cloneofsimo("text_encoder:3:up")), named("text_encoder:3", Part::B));
        assert_eq!(found(sam("w_b_011")), named("011", Part::B));
        assert_eq!(found(cloneofsimo("6")), named("3", Part::B));
        assert_eq!(found(cloneofsimo("7")), named("3", Part::A));
        for name in ["x.lora_a.weight", "unet:x:up", "w_a_", "w_a_0x", ":up", ".lora_b"] {
            assert_eq!(found(mlx(name).or(cloneofsimo(name)).or(sam(name))), None, "{name}");
        }
    }
}
