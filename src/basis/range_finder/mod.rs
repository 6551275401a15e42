//! The leading singular vectors of a large matrix, which is only multiplied: a full fine-tune minus its base, a dense update, a
//! weight.
//!
//! [`RangeFinder::find`] searches in f32, by a randomised block Krylov method, and measures what it found in f64: each leading
//! subspace comes with a bound of its angle to the true one. The search goes on until the bounds hold a tolerance. Where the singular
//! values have no gap there is no such subspace, whatever is computed, and the bound says so.
//!
//! ```
//! use lorascope::Dtype;
//! use lorascope::range_finder::{Dense, HowMany, RangeFinder};
//!
//! // 3 × 4, with the singular values 5, 2 and 0.
//! let matrix = Dense::new(4, vec![5.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0], Dtype::F32)?;
//! let found = RangeFinder::new(HowMany::Top(2)).find(&matrix)?;
//! assert!((found.sigma()[1] - 2.0).abs() < 1e-6);
//! assert_eq!(found.n_determined(), 2);
//! # Ok::<(), lorascope::Error>(())
//! ```

mod angles;
mod dense;
mod exact;
mod found;
mod krylov;
mod map;
mod matrix;
mod product;
mod remainder;
mod ritz;
mod search;
mod structured;
mod whole;

pub use self::dense::Dense;
pub use self::found::Directions;
pub use self::map::LinearMap;
pub use self::structured::{Kronecker, LowRank};
pub use self::whole::SingularVectors;
use crate::error::{Fault, Result};

/// How many leading directions are wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum HowMany {
    /// So many.
    Top(usize),
    /// As many as hold a share of ‖M‖²_F, from 0 to 1.
    Energy {
        /// The share.
        share: f64,
        /// Not more, though they hold less.
        at_most: usize,
    },
    /// Those that rounding to the stored type cannot have made: σ above twice [`LinearMap::noise`].
    AboveNoise {
        /// Not more.
        at_most: usize,
    },
}

impl HowMany {
    fn at_most(self) -> usize {
        match self {
            Self::Top(at_most) | Self::Energy { at_most, .. } | Self::AboveNoise { at_most } => at_most,
        }
    }

    /// How many of a spectrum these are. `None` where the values, which are not all, do not show it.
    fn count(self, sigma: &[f64], norm: f64, noise: f64) -> Option<usize> {
        let at_most = self.at_most();
        let mut energy = 0.0;
        let mut is_wanted = |sigma: f64| match self {
            Self::Top(_) => true,
            Self::Energy { share, .. } => {
                let is_short = energy < share * norm * norm;
                energy += sigma * sigma;
                is_short
            }
            Self::AboveNoise { .. } => sigma > 2.0 * noise,
        };
        let count = sigma.iter().take(at_most).take_while(|&&sigma| is_wanted(sigma)).count();
        (count == at_most || count < sigma.len()).then_some(count)
    }
}

/// The search for leading singular vectors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RangeFinder {
    how_many: HowMany,
    tolerance: f64,
    seed: u64,
}

impl RangeFinder {
    /// A search with a tolerance of 1e-4 and seed 0.
    pub fn new(how_many: HowMany) -> Self {
        Self { how_many, tolerance: 1e-4, seed: 0 }
    }

    /// The sine of the largest angle to the true subspace that is accepted, from 1e-6 to 1. φ of two subspaces is off by their
    /// bounds together at most.
    pub fn tolerance(self, tolerance: f64) -> Self {
        Self { tolerance: tolerance.clamp(1e-6, 1.0), ..self }
    }

    /// The seed of the random numbers. The same seed gives the same bits, however many threads there are.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Finds the leading directions of a matrix. One of zeros has none.
    ///
    /// # Errors
    /// `Invalid` for a matrix without entries or with a number that is not finite, and for none wanted.
    pub fn find(&self, map: &dyn LinearMap) -> Result<Directions> {
        let (d_out, d_in, norm) = (map.d_out(), map.d_in(), map.norm());
        let invalid = |found: String, expected: &str| Err(Fault::new(found, expected).of("matrix").invalid());
        if d_out == 0 || d_in == 0 {
            return invalid(format!("{d_out} × {d_in}"), "entries");
        }
        if !norm.is_finite() {
            return invalid(format!("a norm of {norm} in {d_out} × {d_in}"), "finite numbers");
        }
        if self.how_many.at_most() == 0 {
            return invalid("0 directions".into(), "1 or more");
        }
        if norm == 0.0 {
            return Ok(Directions::none(map));
        }
        search::search(self, map, norm)
    }
}

#[cfg(test)]
mod tests;
