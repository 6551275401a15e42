//! AdapterHub's adapters: `MODULE.loras.NAME.lora_A`, (rank, d_in), and `….lora_B`, (d_out, rank), where NAME is the
//! adapter's. Those of a fused weight are stacked as loralib's are.

use super::claim::{Claim, TensorRole};
use super::groups;
use super::layout::Layout;
use super::pair::whole;
use super::scaling::by_config;
use super::scheme::Scheme;
use crate::adapter::NamingScheme;

pub(super) static SCHEME: Scheme = Scheme {
    names: NamingScheme { name: "AdapterHub", is_numbered: false, uses_underscores: false },
    claim,
    accepts: |_| true,
    path: str::to_owned,
    layout: Layout::Grouped,
    experts: whole,
    scaling: by_config,
    cut: groups::cut,
    partners: &[("lora_A", "lora_B")],
};

fn claim(name: &str) -> Option<Claim<'_>> {
    let claim = Claim::by_end(name, &[(".lora_A", TensorRole::A), (".lora_B", TensorRole::B)], 2)?;
    let (module, adapter) = name.rsplit_once('.')?.0.rsplit_once(".loras.")?;
    let is_one = !module.is_empty() && !adapter.contains('.');
    is_one.then(|| Claim { module: module.into(), adapter: Some(adapter), ..claim })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_adapters_name_is_not_part_of_the_module() {
        let query = "bert.encoder.layer.0.attention.self.query";
        let name = format!("{query}.loras.mrpc.lora_A");
        let claimed = claim(&name).unwrap();
        assert_eq!((&*claimed.module, claimed.role, claimed.adapter), (query, TensorRole::A, Some("mrpc")));
        for name in ["query.lora_A", "query.loras.a.b.lora_A", ".loras.a.lora_A", "x.loras.a.gate.weight"] {
            assert_eq!(claim(name), None, "{name}");
        }
    }
}
