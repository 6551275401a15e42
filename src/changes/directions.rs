//! Bases of a weight, of its change and of the weight after training, for φ between them: whether training uses the strong, the weak or
//! any directions of a weight, and how far it turned the strong ones.

use super::numbers::{ChangeNumbers, Numbers};
use crate::adapter::Side;
use crate::basis::Basis;
use crate::basis::range_finder::SingularVectors;
use crate::error::{Fault, Result};

/// Which of a weight's min(d_out, d_in) directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightDirections {
    /// The strongest, as PiSSA (Meng et al. 2024) trains.
    Top,
    /// The weakest, the weakest first, as MiLoRA (Wang et al. 2024) trains.
    Bottom,
    /// Random ones in their place.
    Random {
        /// The same seed gives the same directions on every machine.
        seed: u64,
    },
}

/// Directions of a matrix on one side.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SideBasis {
    /// Orthonormal, in f32.
    pub basis: Basis,
    /// How many of them rounding to the stored type could have made.
    pub n_in_noise: usize,
}

impl ChangeNumbers {
    /// `n` directions of W, or as many as it has: its right singular vectors for [`Side::DwRight`], its left ones for
    /// [`Side::DwLeft`]. `None` for a weight of zeros, and for an `n` of 0. The weakest take a whole SVD.
    ///
    /// # Errors
    /// `Invalid` for another side, and for numbers that are not finite.
    pub fn weight_basis(&self, side: Side, which: WeightDirections, n: usize) -> Result<Option<SideBasis>> {
        let (d_out, d_in) = (self.w().rows, self.w().cols);
        let n = n.min(d_out.min(d_in));
        let vectors = match which {
            WeightDirections::Top => self.weight_vectors(Some(n))?,
            WeightDirections::Bottom => self.weight_vectors(None)?,
            WeightDirections::Random { seed } => SingularVectors::random(d_out, d_in, n, seed)?,
        };
        let (n, all) = (n.min(vectors.n()), vectors.n());
        match which {
            WeightDirections::Bottom => basis(&vectors, side, (all - n..all).rev()),
            _ => basis(&vectors, side, 0..n),
        }
    }

    /// The directions of ΔW above the rounding of the stored types: all of an update with A and B, of any other `at_most`. `None`
    /// where there are none.
    ///
    /// # Errors
    /// As [`ChangeNumbers::weight_basis`].
    pub fn update_basis(&self, side: Side, at_most: usize) -> Result<Option<SideBasis>> {
        let vectors = self.update_vectors(at_most)?;
        let n = match self.update_numbers() {
            Numbers::Factors { .. } => vectors.n_above_floor(),
            Numbers::Whole(_) => vectors.n_above_floor().min(at_most),
        };
        basis(&vectors, side, 0..n)
    }

    /// The `n` strongest directions of W + ΔW, or as many as it has.
    ///
    /// # Errors
    /// As [`ChangeNumbers::weight_basis`].
    pub fn tuned_basis(&self, side: Side, n: usize) -> Result<Option<SideBasis>> {
        let vectors = self.tuned_vectors(n)?;
        basis(&vectors, side, 0..n.min(vectors.n()))
    }
}

/// These vectors of one side; `None` for none.
fn basis(
    vectors: &SingularVectors,
    side: Side,
    places: impl Iterator<Item = usize>,
) -> Result<Option<SideBasis>> {
    let (rows, d) = match side {
        Side::DwLeft => (vectors.left(), vectors.d_out()),
        Side::DwRight => (vectors.right(), vectors.d_in()),
        Side::A | Side::B => {
            let fault = Fault::new(side.to_string(), "dw-right or dw-left: a weight has no factors");
            return Err(fault.of("side").invalid());
        }
    };
    let (mut values, mut sigma, mut n_in_noise) = (vec![], vec![], 0);
    for at in places {
        values.extend(rows[at * d..][..d].iter().map(|x| *x as f32));
        n_in_noise += usize::from(vectors.sigma()[at] <= vectors.floor());
        sigma.push(vectors.sigma()[at]);
    }
    match sigma.is_empty() {
        true => Ok(None),
        false => Ok(Some(SideBasis { basis: Basis::from_rows(d, values, sigma)?, n_in_noise })),
    }
}
