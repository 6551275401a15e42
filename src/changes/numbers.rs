//! The numbers of a weight and of its change.

use super::Change;
use crate::adapter::{Dtype, Matrix};
use crate::basis::Update;
use crate::basis::range_finder::{Dense, HowMany, LinearMap, LowRank, RangeFinder, SingularVectors};
use crate::error::Result;
use crate::measure::against_base::tuned;

/// The numbers of a weight and of its change, both (d_out, d_in).
#[derive(Debug)]
pub struct ChangeNumbers {
    w: Matrix,
    norm_w: f64,
    update: Numbers,
}

/// ΔW.
#[derive(Debug)]
enum Numbers {
    /// s·B·A, which is not formed.
    Factors { a: Matrix, b: Matrix, scaling: f64 },
    /// The matrix itself.
    Whole(Dense<'static>),
}

/// The shorter side up to which all singular vectors are computed even where a few are asked for: they take less than a second.
const SMALL: usize = 512;

impl Change {
    /// Reads the weight and the change.
    ///
    /// # Errors
    /// As [`Factor::read`](crate::Factor::read).
    pub fn read(&self) -> Result<ChangeNumbers> {
        let (module, w) = (&*self.module, self.weight.read()?);
        let scaling = module.scaling.unwrap_or(1.0);
        let update = match module.whole_update(scaling)? {
            Some(whole) => Numbers::Whole(whole),
            None => Numbers::Factors { a: module.a.read()?, b: module.b.read()?, scaling },
        };
        Ok(ChangeNumbers { norm_w: LinearMap::norm(&w), w, update })
    }
}

impl ChangeNumbers {
    /// W before training.
    pub fn w(&self) -> &Matrix {
        &self.w
    }

    /// ‖W‖_F.
    pub fn norm_w(&self) -> f64 {
        self.norm_w
    }

    /// ΔW as a map.
    ///
    /// # Errors
    /// `Invalid` for numbers that are not finite.
    pub fn update(&self) -> Result<Box<dyn LinearMap + '_>> {
        Ok(match &self.update {
            Numbers::Factors { a, b, scaling } => Box::new(LowRank::new(Update { a, b, scaling: *scaling })?),
            Numbers::Whole(whole) => Box::new(whole.clone()),
        })
    }

    /// The singular vectors of ΔW: all of an update with A and B; of any other, those that rounding to the stored type cannot have
    /// made, and of a large one at most so many.
    ///
    /// # Errors
    /// `Invalid` for numbers that are not finite.
    pub fn update_vectors(&self, at_most: usize) -> Result<SingularVectors> {
        match &self.update {
            Numbers::Factors { a, b, scaling } => {
                SingularVectors::of_update(Update { a, b, scaling: *scaling })
            }
            Numbers::Whole(whole) if whole.d_out().min(whole.d_in()) <= SMALL => SingularVectors::of(whole),
            Numbers::Whole(whole) => {
                let found = RangeFinder::new(HowMany::AboveNoise { at_most: at_most.max(1) }).find(whole)?;
                Ok(SingularVectors::from(&found))
            }
        }
    }

    /// The first `n` singular vectors of W at least, or all for `None`.
    ///
    /// # Errors
    /// `Invalid` for numbers that are not finite.
    pub fn weight_vectors(&self, n: Option<usize>) -> Result<SingularVectors> {
        few_or_all(&self.w, n)
    }

    /// The first `n` singular vectors of W + ΔW at least.
    ///
    /// # Errors
    /// `Invalid` for numbers that are not finite.
    pub fn tuned_vectors(&self, n: usize) -> Result<SingularVectors> {
        let after = match &self.update {
            Numbers::Factors { a, b, scaling } => tuned(&self.w, Update { a, b, scaling: *scaling })?,
            Numbers::Whole(whole) => {
                let sum = self.w.values.iter().zip(whole.values()).map(|(w, change)| w + f64::from(*change));
                Matrix { dtype: Dtype::F64, values: sum.collect(), ..self.w }
            }
        };
        few_or_all(&after, Some(n))
    }
}

/// The first n at least.
fn few_or_all(matrix: &Matrix, n: Option<usize>) -> Result<SingularVectors> {
    let shorter = matrix.rows.min(matrix.cols);
    match n {
        Some(n) if shorter > SMALL && n < shorter / 4 => {
            Ok(SingularVectors::from(&RangeFinder::new(HowMany::Top(n.max(1))).find(matrix)?))
        }
        _ => SingularVectors::of(matrix),
    }
}
