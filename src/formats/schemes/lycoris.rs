//! LyCORIS and PEFT's copies of its methods: `PATH.lokr_w1`, `PATH.hada_w1_a`, `PATH.diff`, next to an `alpha`. PATH is that of
//! kohya, of PEFT, or plain.

use super::claim::{Claim, MatrixPart, TensorRole};
use super::fused;
use super::kohya;
use super::layout::Layout;
use super::pair::{Pair, whole};
use super::scaling;
use super::scheme::Scheme;
use crate::adapter::NamingScheme;
use crate::formats::config::Scale;
use crate::formats::context::Context;

pub(super) static SCHEME: Scheme = Scheme {
    names: NamingScheme { name: "LyCORIS", is_numbered: false, uses_underscores: true },
    claim,
    accepts: |_| true,
    path: kohya::path,
    layout: Layout::Linear,
    experts: whole,
    scaling,
    cut: fused::cut,
    partners: &[("_a", "_b")],
};

use MatrixPart::{Core, Left, Right, Whole};
use TensorRole::{Diff, Hada, Lokr};

const ENDS: &[(&str, TensorRole)] = &[
    (".hada_w1_a", Hada(Left(0))),
    (".hada_w1_b", Hada(Right(0))),
    (".hada_t1", Hada(Core(0))),
    (".hada_w2_a", Hada(Left(1))),
    (".hada_w2_b", Hada(Right(1))),
    (".hada_t2", Hada(Core(1))),
    (".lokr_w1", Lokr(Whole(0))),
    (".lokr_w1_a", Lokr(Left(0))),
    (".lokr_w1_b", Lokr(Right(0))),
    (".lokr_w2", Lokr(Whole(1))),
    (".lokr_w2_a", Lokr(Left(1))),
    (".lokr_w2_b", Lokr(Right(1))),
    (".lokr_t2", Lokr(Core(1))),
    (".diff", Diff),
];

fn claim(name: &str) -> Option<Claim<'_>> {
    Claim::by_end(name, ENDS, 2)
}

/// By the config that PEFT writes, or as LyCORIS does: by alpha over the rank, and a Kronecker product of two whole matrices not
/// at all.
fn scaling(pair: &Pair, context: &Context<'_>) -> Scale {
    match context.config {
        Some(_) => scaling::by_config(pair, context),
        None => scaling::by_alpha(pair, context),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_name_is_the_part() {
        let role = |name| claim(name).map(|claim| (claim.module.into_owned(), claim.role));
        let x = || "lora_unet_x".to_owned();
        assert_eq!(role("lora_unet_x.lokr_w1"), Some((x(), Lokr(Whole(0)))));
        assert_eq!(role("lora_unet_x.hada_w2_b"), Some((x(), Hada(Right(1)))));
        assert_eq!(role("lora_unet_x.diff"), Some((x(), Diff)));
        for name in ["lora_unet_x.diff_b", "lora_unet_x.alpha", "x.lokr_w3", ".diff", "lokr_w1"] {
            assert_eq!(role(name), None, "{name}");
        }
    }
}
