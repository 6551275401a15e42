//! SwissArmyTransformer (CogVideoX, CogVLM): `MODULE.matrix_A.N`, (rank, d_in), and `MODULE.matrix_B.N`, (rows, rank), for
//! part N of a weight that its model keeps fused; other weights have one part.

use super::claim::{Claim, TensorRole, is_number};
use super::layout::Layout;
use super::pair::whole;
use super::scaling::by_config;
use super::scheme::Scheme;
use crate::adapter::NamingScheme;

pub(super) static SCHEME: Scheme = Scheme {
    names: NamingScheme { name: "SAT", is_numbered: false, uses_underscores: false },
    claim,
    accepts: |_| true,
    path,
    layout: Layout::Linear,
    experts: whole,
    scaling: by_config,
    cut: whole,
    partners: &[("matrix_A", "matrix_B")],
};

/// Fused weights, and the parts that follow each other in them.
const FUSED: &[(&str, &[&str])] = &[("query_key_value", &["q", "k", "v"]), ("key_value", &["k", "v"])];

fn claim(name: &str) -> Option<Claim<'_>> {
    let (front, number) = name.rsplit_once('.')?;
    let (module, role) = [(".matrix_A", TensorRole::A), (".matrix_B", TensorRole::B)]
        .into_iter()
        .find_map(|(end, role)| Some((front.strip_suffix(end)?, role)))?;
    let claim = Claim::new(module, role, 2)?;
    is_number(number).then(|| Claim { module: format!("{module}.{number}").into(), ..claim })
}

/// The path with the part's name for its number.
fn path(module: &str) -> String {
    let Some((weight, number)) = module.rsplit_once('.') else { return module.to_owned() };
    let last = weight.rsplit('.').next().unwrap_or(weight);
    let fused = FUSED.iter().find(|(name, _)| *name == last);
    let part = number.parse().ok().and_then(|number: usize| fused?.1.get(number));
    match (part, number) {
        (Some(part), _) => format!("{weight}.{part}"),
        (None, "0") => weight.to_owned(),
        (None, _) => module.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_fused_weight_have_its_name_and_their_own() {
        let layer = "transformer.layers.0.attention";
        for (module, expected) in [
            ("query_key_value.0", "query_key_value.q"),
            ("query_key_value.2", "query_key_value.v"),
            ("query_key_value.3", "query_key_value.3"),
            ("dense.0", "dense"),
            ("dense.1", "dense.1"),
        ] {
            assert_eq!(path(&format!("{layer}.{module}")), format!("{layer}.{expected}"));
        }
        assert_eq!(&*claim("x.dense.matrix_B.0").unwrap().module, "x.dense.0");
        assert_eq!(claim("x.dense.matrix_B"), None);
        assert_eq!(claim("matrix_B.0"), None);
    }
}
