//! The option that reads full models as what training changed of their base.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args as ArgGroup;

use super::limits::limits;
use crate::{BaseModel, OpenOptions};

#[derive(Debug, Clone, ArgGroup)]
#[command(next_help_heading = "Full fine-tunes")]
pub(super) struct BaseArgs {
    /// Full model that full fine-tunes were trained from
    ///
    /// A file, or a folder, in shards too. A CHECKPOINT may then be a full model: it is read as W′ − W, the change of each weight
    /// that both have, with the sides dw-right and dw-left. Adapters are read as without it.
    #[arg(long, value_name = "BASE")]
    pub(super) base: Option<PathBuf>,
    /// Directions of each weight's change that are kept, at most
    ///
    /// The strongest ones, without those that rounding to the stored type could have made.
    #[arg(long, value_name = "K", default_value = "64", requires = "base")]
    pub(super) rank: NonZeroUsize,
}

impl BaseArgs {
    /// These options with the base, if there is one.
    ///
    /// # Errors
    /// As [`BaseModel::open`].
    pub(super) fn of(&self, options: OpenOptions) -> crate::Result<OpenOptions> {
        match &self.base {
            Some(base) => Ok(options.base(Arc::new(open(base)?), self.rank)),
            None => Ok(options),
        }
    }
}

/// Opens a base model.
///
/// # Errors
/// As [`BaseModel::open`].
pub(super) fn open(base: &Path) -> crate::Result<BaseModel> {
    BaseModel::open_with(base, limits())
}
