//! DoRA with its base model: the directions of an update as they are applied.
//!
//! The tuned weight is diag(m/n)·(W + s·B·A) with n the norms of its rows (Liu et al. 2024), so the update of its directions is
//! s·diag(m/n)·B·A: the rows of B rescaled. Where columns have the norms, it is the columns of A.

use std::sync::Arc;

use super::difference::Trained;
use crate::adapter::made::{Form, MadeUpdate, StoredMatrix};
use crate::adapter::magnitudes::Magnitudes;
use crate::adapter::{Adapter, Factor, Module, UnreadPart};
use crate::error::{Error, Result};

/// A module with magnitudes that could not be applied.
const NOT_APPLIED: &str = "DoRA's magnitudes";

impl Trained {
    /// Rescales every module with magnitudes. One whose weight the base model does not have stays as it is, and is listed.
    ///
    /// # Errors
    /// `Io` when the system refuses to read.
    pub(in crate::formats) fn rescale(&self, adapter: &mut Adapter) -> Result<()> {
        for module in &mut adapter.modules {
            if module.magnitudes.is_none() {
                continue;
            }
            let found = match self.rescaled(module) {
                Ok(rescaled) => {
                    *module = Arc::new(rescaled);
                    adapter.n_rescaled += 1;
                    continue;
                }
                Err(NotRescaled::Because(found)) => found,
                Err(NotRescaled::Error(error @ Error::Io { .. })) => return Err(error),
                Err(NotRescaled::Error(error)) => error.to_string(),
            };
            adapter.unread.push(UnreadPart {
                name: module.original.clone(),
                reason: NOT_APPLIED.to_owned(),
                found: Some(found),
                n_tensors: 1,
            });
        }
        Ok(())
    }

    fn rescaled(&self, module: &Module) -> Result<Module, NotRescaled> {
        let Some(Magnitudes { column, of_columns }) = module.magnitudes.as_deref() else {
            return Err(NotRescaled::because("no magnitudes"));
        };
        let weight = self.base.weight_of(module)?;
        let weight = weight.ok_or(NotRescaled::because("a weight that the base model does not have"))?;
        if (weight.d_out(), weight.d_in()) != (module.d_out(), module.d_in()) {
            return Err(NotRescaled::because("a weight of another shape in the base model"));
        }
        if module.full_rank().is_some_and(|full| full > module.rank()) {
            return Err(NotRescaled::because("an update of more directions than are kept"));
        }
        let scaling =
            module.scaling.ok_or(NotRescaled::because("a scaling that the files do not determine"))?;
        let (weight, a, b) = (weight.into_factor(), module.a.clone(), module.b.clone());
        let [weight, left, right] = match of_columns {
            true => [weight.transposed(), a.transposed(), b.transposed()],
            false => [weight, b, a],
        };
        let magnitudes = StoredMatrix::Whole(column.clone());
        let of = Box::new([StoredMatrix::Whole(weight), StoredMatrix::Product(left, right), magnitudes]);
        let scale = Factor::of_made(MadeUpdate::new(Form::RowScale { of, scaling }, 1));
        let [_, scale] = scale.ok_or(NotRescaled::because("shapes that do not fit"))?;
        let twice = NotRescaled::because("factors that are scaled otherwise too");
        let (a, b) = match of_columns {
            true => (
                module.a.clone().transposed().scaled_by(scale).map(Factor::transposed),
                Some(module.b.clone()),
            ),
            false => (Some(module.a.clone()), module.b.clone().scaled_by(scale)),
        };
        let (a, b) = a.zip(b).ok_or(twice)?;
        Ok(Module { a, b, ..module.clone() })
    }
}

enum NotRescaled {
    Because(String),
    Error(Error),
}

impl NotRescaled {
    fn because(what: &str) -> Self {
        Self::Because(what.to_owned())
    }
}

impl From<Error> for NotRescaled {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}
