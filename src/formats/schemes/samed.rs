//! SAMed and LoRA-ViT with the model around it: `PATH.qkv.linear_a_q.weight`, (rank, d), and `PATH.qkv.linear_b_q.weight`, (d,
//! rank), for some of the q, k and v of a fused weight.

use super::claim::{Claim, TensorRole};
use super::layout::Layout;
use super::pair::whole;
use super::scaling::by_alpha;
use super::scheme::Scheme;
use crate::adapter::NamingScheme;

pub(super) static SCHEME: Scheme = Scheme {
    names: NamingScheme { name: "SAMed", is_numbered: false, uses_underscores: false },
    claim,
    accepts: |_| true,
    path: str::to_owned,
    layout: Layout::Linear,
    experts: whole,
    scaling: by_alpha,
    cut: whole,
    partners: &[("linear_a_", "linear_b_")],
};

fn claim(name: &str) -> Option<Claim<'_>> {
    let (fused, layer) = name.strip_suffix(".weight")?.rsplit_once('.')?;
    let (role, projection) = [("linear_a_", TensorRole::A), ("linear_b_", TensorRole::B)]
        .into_iter()
        .find_map(|(front, role)| Some((role, layer.strip_prefix(front)?)))?;
    let claim = Claim::new(fused, role, 2)?;
    (!projection.is_empty()).then(|| Claim { module: format!("{fused}.{projection}").into(), ..claim })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_projection_is_the_last_part_of_the_module() {
        let claimed = claim("sam.image_encoder.blocks.0.attn.qkv.linear_b_v.weight").unwrap();
        assert_eq!(
            (&*claimed.module, claimed.role),
            ("sam.image_encoder.blocks.0.attn.qkv.v", TensorRole::B)
        );
        for name in ["linear_a_q.weight", "x.linear_a_.weight", "x.linear_a_q.bias", "x.qkv.weight"] {
            assert_eq!(claim(name), None, "{name}");
        }
    }
}
