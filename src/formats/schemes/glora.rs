//! GLoRA of LyCORIS: `PATH.a1.weight`, (d_in, rank), `a2`, (rank, d_in), `b1`, (d_out, rank), and `b2`, (rank, d_in), next to an
//! `alpha`. PATH is that of kohya or plain.

use super::claim::{Claim, TensorRole};
use super::fused;
use super::kohya;
use super::layout::Layout;
use super::methods::glora_modules;
use super::pair::whole;
use super::part::Part;
use super::scaling::by_alpha;
use super::scheme::Scheme;
use crate::adapter::NamingScheme;

pub(super) static SCHEME: Scheme = Scheme {
    names: NamingScheme { name: "GLoRA", is_numbered: false, uses_underscores: true },
    claim,
    // Names of so few letters say nothing by themselves.
    accepts: |tensors| !glora_modules(tensors.keys().map(String::as_str)).is_empty(),
    path: kohya::path,
    layout: Layout::Linear,
    experts: whole,
    scaling: by_alpha,
    cut: fused::cut,
    partners: &[],
};

const ENDS: &[(&str, TensorRole)] = &[
    (".a1.weight", TensorRole::Part(Part::GloraA1)),
    (".a2.weight", TensorRole::Part(Part::GloraA2)),
    (".b1.weight", TensorRole::Part(Part::GloraB1)),
    (".b2.weight", TensorRole::Part(Part::GloraB2)),
];

fn claim(name: &str) -> Option<Claim<'_>> {
    Claim::by_end(name, ENDS, 1)
}
