//! (IA)³, Diag-OFT and BOFT of LyCORIS, and kohya's OFT: `PATH.weight` with `PATH.on_input`, or `PATH.oft_blocks` with a `rescale`
//! and an `alpha`. PATH is that of kohya or plain.

use super::claim::{Claim, TensorRole};
use super::fused;
use super::kohya;
use super::layout::Layout;
use super::pair::whole;
use super::part::Part;
use super::scaling::by_alpha;
use super::scheme::Scheme;
use crate::adapter::NamingScheme;

pub(super) static SCHEME: Scheme = Scheme {
    names: NamingScheme { name: "LyCORIS (IA)³ and OFT", is_numbered: false, uses_underscores: true },
    claim,
    // Every model has weights.
    accepts: |tensors| tensors.keys().any(|name| name.ends_with(ON_INPUT) || name.ends_with(BLOCKS)),
    path: kohya::path,
    layout: Layout::Linear,
    experts: whole,
    scaling: by_alpha,
    cut: fused::cut,
    partners: &[(".weight", ON_INPUT)],
};

const ON_INPUT: &str = ".on_input";
const BLOCKS: &str = ".oft_blocks";

const ENDS: &[(&str, TensorRole)] = &[
    (ON_INPUT, TensorRole::Part(Part::OnInput)),
    (BLOCKS, TensorRole::Part(Part::OftBlocks)),
    (".rescale", TensorRole::Part(Part::OftRescale)),
    (".weight", TensorRole::Part(Part::LycorisIa3)),
];

fn claim(name: &str) -> Option<Claim<'_>> {
    Claim::by_end(name, ENDS, 1)
}
