//! The options of `lorascope compare` for checkpoints next to their base model.

use std::num::NonZeroUsize;

use clap::Args as ArgGroup;

#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "Against a base model")]
pub(in crate::cli) struct AgainstArgs {
    /// Count intruder dimensions
    ///
    /// Strong directions of W + ΔW that W does not have (Shuttleworth et al. 2024), by the definition of PEFT: the largest |cosine|
    /// with all left singular vectors of W is below --epsilon. Takes a whole SVD of each weight.
    #[arg(long)]
    pub(in crate::cli) intruders: bool,
    /// How many directions of W + ΔW are looked at
    #[arg(long, value_name = "N", default_value = "10", requires = "intruders")]
    pub(super) top: NonZeroUsize,
    /// Below which |cosine| a direction is an intruder
    #[arg(long, value_name = "EPSILON", default_value = "0.5", value_parser = epsilon, requires = "intruders")]
    pub(super) epsilon: f64,
    /// Add which of W's directions ΔW uses
    ///
    /// The share of ΔW's energy in W's top r directions, and φ of ΔW's top r with W's top r, its last r, and r random ones. Takes a
    /// whole SVD of each weight.
    #[arg(long)]
    pub(in crate::cli) alignment: bool,
    /// Random seed of the random directions
    #[arg(long, value_name = "N", default_value_t = 0, requires = "alignment")]
    pub(super) seed: u64,
}

impl AgainstArgs {
    /// Whether something that needs a base model is asked for.
    pub(in crate::cli) fn is_asked(&self) -> bool {
        self.intruders || self.alignment
    }
}

pub(in crate::cli) fn epsilon(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value <= 1.0 => Ok(value),
        _ => Err("expected a number above 0, at most 1".to_owned()),
    }
}
