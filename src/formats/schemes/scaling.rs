//! The two rules by which most schemes scale an update.

use super::pair::{Pair, StoredAlpha};
use crate::formats::config::Scale;
use crate::formats::context::Context;

/// By the config, whose alphas and ranks go by the module's path; by the config of the pipeline's component, if the file has
/// one; or else by an alpha next to the factors. Without any of them the scaling is not known.
pub(super) fn by_config(pair: &Pair, context: &Context<'_>) -> Scale {
    if let Some(config) = context.config {
        let rank = pair.scale_rank().or_else(|| config.rank(&pair.path));
        return rank.map_or_else(Scale::default, |rank| config.scale(&pair.path, rank));
    }
    by_component(pair, context).unwrap_or_else(|| match pair.alpha {
        StoredAlpha::Of(_) => by_alpha(pair, context),
        StoredAlpha::Absent | StoredAlpha::Odd => Scale::default(),
    })
}

/// By the config of the pipeline's component whose name the module's path begins with.
pub(super) fn by_component(pair: &Pair, context: &Context<'_>) -> Option<Scale> {
    let (component, module) = pair.path.split_once('.')?;
    Some(context.components.get(component)?.scale(module, pair.scale_rank()?))
}

/// By the alpha next to the factors. Programs that read these names take a missing alpha as the rank.
pub(super) fn by_alpha(pair: &Pair, _: &Context<'_>) -> Scale {
    match pair.alpha {
        StoredAlpha::Of(alpha) => {
            let scaling = pair.scale_rank().map_or(1.0, |rank| alpha / rank as f64);
            Scale { alpha: Some(alpha), scaling: Some(scaling) }
        }
        StoredAlpha::Absent => Scale { alpha: None, scaling: Some(1.0) },
        StoredAlpha::Odd => Scale::default(),
    }
}
