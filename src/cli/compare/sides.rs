//! What `lorascope compare` is given: two checkpoints, or a base model and checkpoints that were trained from it.

use std::path::{Path, PathBuf};
use std::slice;
use std::sync::Arc;

use anyhow::Result;

use super::CompareArgs;
use crate::cli::base;
use crate::cli::usage::Usage;
use crate::error::{Error, Fault, Remedy};
use crate::{Adapter, BaseModel};

const MANY: &str = "compare takes two checkpoints, or a base model and any number of them; scan compares every pair of a folder";

const NO_WEIGHT: &str = "--side w-right and w-left are directions of a base model's weight, and the first of these is not a model: name \
                         the base model first, or with --base";

/// What is compared.
pub(super) enum Compare {
    Two(Box<[Adapter; 2]>),
    /// Checkpoints with the weights of their base model.
    Against(Arc<BaseModel>, Vec<PathBuf>),
}

impl CompareArgs {
    /// Opens what is compared: two checkpoints, or a base model and the checkpoints that were trained from it.
    pub(super) fn sides(&self) -> Result<Compare> {
        let against = |base: &Path, checkpoints: &[PathBuf]| -> Result<Compare> {
            if self.angles || self.save.is_some() || self.grids && !self.compute.side.is_of_weight() {
                return Err(Usage(
                    "--grids, --angles and --save are for two checkpoints, not for a base model (--grids also for its --side w-right \
                     and w-left)",
                )
                .into());
            }
            Ok(Compare::Against(Arc::new(base::open(base)?), checkpoints.to_vec()))
        };
        // What is neither is known better as a checkpoint.
        let first_as_base = |error: Error| match against(&self.first, &self.others) {
            Err(base) if base.downcast_ref().is_some_and(is_not_a_model) => Err(error.into()),
            compare => compare,
        };
        if self.compute.side.is_of_weight() {
            return match (self.selection.base(), self.others.as_slice()) {
                (Some(base), others) => against(base, &[slice::from_ref(&self.first), others].concat()),
                (None, others) => match against(&self.first, others) {
                    Err(error) if error.downcast_ref().is_some_and(is_not_a_model) => {
                        Err(Usage(NO_WEIGHT).into())
                    }
                    compare => compare,
                },
            };
        }
        match (self.selection.base(), self.others.as_slice()) {
            (Some(base), []) => against(base, slice::from_ref(&self.first)),
            (_, [second]) => match self.selection.open(&self.first) {
                Ok(first) => {
                    if self.against.is_asked() {
                        return Err(Usage(
                            "--intruders and --alignment are for a base model: compare BASE CHECKPOINT",
                        )
                        .into());
                    }
                    let second = self.selection.open(second)?;
                    self.selection.check()?;
                    Ok(Compare::Two(Box::new([first, second])))
                }
                Err(error) if self.is_base(&error) => first_as_base(error),
                Err(error) => Err(error.into()),
            },
            (None, _) => match self.selection.open(&self.first) {
                Err(error) if self.is_base(&error) => first_as_base(error),
                Err(error) => Err(error.into()),
                Ok(_) => Err(Usage(MANY).into()),
            },
            _ => Err(Usage(MANY).into()),
        }
    }

    /// Opens two checkpoints.
    ///
    /// # Errors
    /// `Unsupported` for a base model; as [`CompareArgs::sides`].
    pub(in crate::cli) fn two(&self) -> Result<[Adapter; 2]> {
        match self.sides()? {
            Compare::Two(both) => Ok(*both),
            Compare::Against(base, _) => {
                let fault =
                    Fault::new("a base model", "a checkpoint to compare with another").at(base.path());
                Err(fault
                    .hint("`lorascope compare BASE CHECKPOINT` shows what training changed")
                    .unsupported()
                    .into())
            }
        }
    }

    /// Whether what could not be opened is a model that checkpoints were trained from.
    fn is_base(&self, error: &Error) -> bool {
        self.selection.base().is_none() && error.remedy() == Some(&Remedy::NameBase)
    }
}

/// Whether a path holds no model of which anything is wrong.
fn is_not_a_model(error: &Error) -> bool {
    matches!(error, Error::Invalid(_) | Error::Unsupported(_) | Error::NotFound(_))
}
