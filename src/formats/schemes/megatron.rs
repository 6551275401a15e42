//! Megatron (NeMo, Megatron Bridge): `MODULE.adapter.linear_in.weight`, (rank, d_in), and `….linear_out.weight`, (d_out,
//! rank).

use super::claim::{Claim, TensorRole};

pub(super) fn claim(name: &str) -> Option<Claim<'_>> {
    let (front, part) = [(".linear_in.weight", TensorRole::A), (".linear_out.weight", TensorRole::B)]
        .into_iter()
        .find_map(|(end, part)| Some((name.strip_suffix(end)?, part)))?;
    // NeMo 1 keeps several adapters of a layer in one place, named after what they adapt.
    Claim::new(front.strip_suffix(".adapter").unwrap_or(front), part, 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_adapter_in_the_name_is_no_part_of_the_module() {
        let found = |name: &str| claim(name).map(|claim| (claim.module.into_owned(), claim.part));
        let qkv = "decoder.layers.0.self_attention.linear_qkv";
        let named = |part| Some((qkv.to_owned(), part));
        assert_eq!(found(&format!("{qkv}.adapter.linear_in.weight")), named(TensorRole::A));
        assert_eq!(found(&format!("{qkv}.linear_out.weight")), named(TensorRole::B));
        assert_eq!(found(".adapter.linear_in.weight"), None);
    }
}
