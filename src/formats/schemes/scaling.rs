//! The two rules by which most schemes scale an update.

use super::pair::Pair;
use crate::formats::config::Scale;
use crate::formats::context::Context;

/// By the config, whose alphas and ranks go by the module's path. Without a config the scaling is not known.
pub(super) fn by_config(pair: &Pair, context: &Context<'_>) -> Scale {
    context.config.map_or_else(Scale::default, |config| config.scale(&pair.path, rank(pair)))
}

/// By the alpha next to the factors. Programs that read these names take a missing alpha as the rank.
pub(super) fn by_alpha(pair: &Pair, _: &Context<'_>) -> Scale {
    let scaling = pair.alpha.map_or(1.0, |alpha| alpha / rank(pair) as f64);
    Scale { alpha: pair.alpha, scaling: Some(scaling) }
}

/// The rank that an update is scaled by: B's, since A may stack the groups of a `MergedLinear`.
pub(super) fn rank(pair: &Pair) -> usize {
    pair.b.cols
}
