//! The options of `lorascope compare` for checkpoints next to their base model.

use std::num::NonZeroUsize;

use clap::{Args as ArgGroup, ValueEnum};

use crate::changes::WeightDirections;
use crate::cli::usage::Usage;

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
    /// Random seed of the random directions [default: 0]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// W's directions for --side w-right: top, bottom or random [default: top]
    ///
    /// For --side w-left too. The strongest; the weakest, from the last one up, which takes a whole SVD of each weight; or random ones
    /// in their place.
    #[arg(long, value_name = "WHICH", value_enum, hide_possible_values = true)]
    of: Option<Of>,
    /// How many of them [default: as many as the update has]
    ///
    /// With --with tuned: --rank by default, and as many of W + ΔW.
    #[arg(long, value_name = "N")]
    pub(super) directions: Option<NonZeroUsize>,
    /// What --side w-right compares them with: update or tuned
    ///
    /// update, the default: the directions of ΔW. tuned: the strongest of W + ΔW, the weight after training, which is W′ of a full model.
    #[arg(long, value_name = "WHAT", value_enum, hide_possible_values = true)]
    with: Option<With>,
}

/// Which directions of a weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Of {
    Top,
    Bottom,
    Random,
}

impl Of {
    /// As JSON and tables have it.
    pub(in crate::cli) fn key(self) -> &'static str {
        match self {
            Self::Top => "top",
            Self::Bottom => "bottom",
            Self::Random => "random",
        }
    }

    pub(in crate::cli) fn directions(self, seed: u64) -> WeightDirections {
        match self {
            Self::Top => WeightDirections::Top,
            Self::Bottom => WeightDirections::Bottom,
            Self::Random => WeightDirections::Random { seed },
        }
    }
}

/// What a weight's directions are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum With {
    /// ΔW.
    Update,
    /// W + ΔW.
    Tuned,
}

impl AgainstArgs {
    /// Whether something that needs a base model is asked for.
    pub(in crate::cli) fn is_asked(&self) -> bool {
        self.intruders || self.alignment
    }

    /// The seed of random directions.
    pub(super) fn seed(&self) -> u64 {
        self.seed.unwrap_or_default()
    }

    /// The directions of W that are compared.
    pub(super) fn of(&self) -> Of {
        self.of.unwrap_or(Of::Top)
    }

    /// What they are compared with.
    pub(super) fn with(&self) -> With {
        self.with.unwrap_or(With::Update)
    }

    /// Checks that there is a side of the weight for what is asked of one, and the other way round.
    ///
    /// # Errors
    /// When there is not.
    pub(in crate::cli) fn check(&self, is_side_of_weight: bool) -> Result<(), Usage> {
        let is_of_weight = self.of.is_some() || self.directions.is_some() || self.with.is_some();
        if is_of_weight && !is_side_of_weight {
            return Err(Usage("--of, --directions and --with belong to --side w-right and w-left"));
        }
        if self.seed.is_some() && !self.alignment && self.of() != Of::Random {
            return Err(Usage("--seed belongs to --alignment and to --of random"));
        }
        if self.is_asked() && is_side_of_weight {
            return Err(Usage(
                "--intruders and --alignment measure both sides; --side w-right and w-left is a comparison of its own",
            ));
        }
        if self.with() == With::Tuned && self.of() != Of::Top {
            return Err(Usage("--with tuned compares the strongest directions of both, which is --of top"));
        }
        Ok(())
    }
}

pub(in crate::cli) fn epsilon(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value <= 1.0 => Ok(value),
        _ => Err("expected a number above 0, at most 1".to_owned()),
    }
}
