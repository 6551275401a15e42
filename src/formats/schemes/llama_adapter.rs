//! LLaMA-Adapter and its forks (LLaMA2-Accessory, ImageBind-LLM): `PATH.lora_wq_l1.weight`, (rank, d_in), and
//! `PATH.lora_wq_l2.weight`, (d_out, rank), next to `PATH.wq`.

use super::claim::{Claim, TensorRole};
use super::layout::Layout;
use super::pair::whole;
use super::scaling::by_alpha;
use super::scheme::Scheme;
use crate::adapter::NamingScheme;

pub(super) static SCHEME: Scheme = Scheme {
    names: NamingScheme { name: "LLaMA-Adapter", is_numbered: false, uses_underscores: false },
    claim,
    accepts: |_| true,
    path: str::to_owned,
    layout: Layout::Linear,
    experts: whole,
    scaling: by_alpha,
    cut: whole,
    partners: &[("_l1.", "_l2.")],
};

fn claim(name: &str) -> Option<Claim<'_>> {
    let (block, layer) = name.strip_suffix(".weight")?.rsplit_once('.')?;
    let layer = layer.strip_prefix("lora_")?;
    let (weight, role) = [("_l1", TensorRole::A), ("_l2", TensorRole::B)]
        .into_iter()
        .find_map(|(end, role)| Some((layer.strip_suffix(end)?, role)))?;
    let claim = Claim::new(block, role, 2)?;
    (!weight.is_empty()).then(|| Claim { module: format!("{block}.{weight}").into(), ..claim })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_is_the_weight_next_to_the_factors() {
        let claimed = claim("llama.layers.3.attention.lora_wq_l2.weight").unwrap();
        assert_eq!((&*claimed.module, claimed.role), ("llama.layers.3.attention.wq", TensorRole::B));
        for name in ["lora_wq_l1.weight", "x.lora__l1.weight", "x.wq_l1.weight", "x.lora_wq_l3.weight"] {
            assert_eq!(claim(name), None, "{name}");
        }
    }
}
