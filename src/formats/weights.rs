//! What methods take of a base model, whose ΔW is made of the weight that it changes.

use crate::adapter::Factor;
use crate::error::Result;

/// The weights of a base model.
pub(super) trait Weights {
    /// The weight that the module of this path changes, (d_out, d_in); `None` if the model has none of this name.
    ///
    /// # Errors
    /// As `BaseModel::weight`.
    fn weight(&self, path: &str) -> Result<Option<Factor>>;

    /// Directions that are kept of an update, at most.
    fn at_most(&self) -> usize;

    /// The share of the energy that is enough.
    fn share(&self) -> Option<f64>;
}
