//! The option that reads full models as what training changed of their base.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use clap::Args as ArgGroup;

use super::limits::limits;
use super::usage::Usage;
use crate::range_finder::HowMany;
use crate::{BaseModel, OpenOptions};

#[derive(Debug, Clone, ArgGroup)]
#[command(next_help_heading = "Full fine-tunes")]
pub(super) struct BaseArgs {
    /// Full model that full fine-tunes were trained from
    ///
    /// A file, or a folder, in shards too. A CHECKPOINT may then be a full model: it is read as W′ − W, the change of each weight
    /// that both have, with the sides dw-right and dw-left. Adapters are read as without it, but for DoRA's, which have the directions that
    /// DoRA applies.
    #[arg(long, value_name = "BASE")]
    pub(super) base: Option<PathBuf>,
    /// Directions to keep of a change, at most, or auto [default: 64]
    ///
    /// The strongest ones, without those that rounding to the stored type could have made. auto: as many as hold 99 % of the energy,
    /// 512 at most.
    #[arg(long, value_name = "K")]
    rank: Option<RankArg>,
}

/// How many directions of a change are kept.
#[derive(Debug, Clone, Copy)]
pub(super) enum RankArg {
    AtMost(NonZeroUsize),
    Auto,
}

/// By default.
const RANK: NonZeroUsize = NonZeroUsize::new(64).unwrap();

/// The share of the energy and the largest rank of `auto`.
const ENERGY: HowMany = HowMany::Energy { share: 0.99, at_most: 512 };

/// All of a change.
pub(super) const WHOLE: HowMany = HowMany::AboveNoise { at_most: usize::MAX };

impl RankArg {
    fn how_many(self) -> HowMany {
        match self {
            Self::AtMost(at_most) => HowMany::AboveNoise { at_most: at_most.get() },
            Self::Auto => ENERGY,
        }
    }

    pub(super) fn at_most(self) -> usize {
        self.how_many().at_most()
    }
}

impl FromStr for RankArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            _ => text.parse().map(Self::AtMost).map_err(|_| "expected a number from 1, or auto".to_owned()),
        }
    }
}

impl BaseArgs {
    /// How many directions of a change are kept.
    pub(super) fn rank(&self) -> RankArg {
        self.rank.unwrap_or(RankArg::AtMost(RANK))
    }

    /// Checks that there is a base model where directions of a change are to be counted.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn check(&self) -> Result<(), Usage> {
        match self.rank.is_some() && self.base.is_none() {
            true => Err(Usage("--rank is for what changed of a base model, which --base names")),
            false => Ok(()),
        }
    }

    /// The base's path and how many directions are kept, for a scan, which opens it when it is resumed too.
    pub(super) fn planned(&self) -> Option<(&Path, HowMany)> {
        Some((self.base.as_deref()?, self.rank().how_many()))
    }

    /// These options with the base, if there is one.
    ///
    /// # Errors
    /// As [`BaseModel::open`].
    pub(super) fn of(&self, options: OpenOptions) -> crate::Result<OpenOptions> {
        match &self.base {
            Some(base) => Ok(options.base(Arc::new(open(base)?), self.rank().how_many())),
            None => Ok(options),
        }
    }
}

/// Opens a base model.
///
/// # Errors
/// As [`BaseModel::open`].
pub(super) fn open(base: &Path) -> crate::Result<BaseModel> {
    BaseModel::open_with(base, &limits())
}
