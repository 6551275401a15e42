//! What an update ΔW is next to the weight W that it changes.
//!
//! All of it is computed from products and from [`SingularVectors`](crate::range_finder::SingularVectors), in f64, for matrices of one
//! shape (d_out, d_in): W as a [`Matrix`] or any other [`LinearMap`], and ΔW as s·B·A, which is never
//! formed, or as such a map.
//!
//! ```
//! use lorascope::measure::against_base::{Intruders, IntruderOptions, Table7, tuned};
//! use lorascope::range_finder::SingularVectors;
//! use lorascope::{Dtype, Matrix, Update};
//!
//! let matrix = |rows, cols, values: &[f64]| Matrix { rows, cols, dtype: Dtype::F32, values: values.to_vec() };
//! // W = diag(4, 2, 1), and ΔW = 3·e₃·e₃ᵀ, which strengthens the weakest direction.
//! let w = matrix(3, 3, &[4.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 1.0]);
//! let (a, b) = (matrix(1, 3, &[0.0, 0.0, 1.0]), matrix(3, 1, &[0.0, 0.0, 1.0]));
//! let update = Update { a: &a, b: &b, scaling: 3.0 };
//!
//! let (own, vectors) = (SingularVectors::of(&w)?, SingularVectors::of_update(update)?);
//! let table = Table7::of(&w, &own, &vectors, &[1], 0)?;
//! assert!((table.rows[0].amplification.unwrap() - 3.0).abs() < 1e-12);
//!
//! let after = SingularVectors::of(&tuned(&w, update)?)?;
//! assert_eq!(Intruders::of(&own, &after, IntruderOptions::default())?.count(), 0);
//! # Ok::<(), lorascope::Error>(())
//! ```

mod alignment;
mod facts;
mod intruders;
pub mod output;
mod table7;
mod weight_phi;

pub use alignment::{Alignment, random_deviation};
pub use facts::UpdateFacts;
pub use intruders::{IntruderOptions, Intruders};
pub use table7::{Table7, Table7Row};
pub use weight_phi::WeightPhi;

use crate::adapter::Matrix;
use crate::basis::Update;
use crate::basis::range_finder::{LinearMap, LowRank};
use crate::error::{Fault, Result};

/// W + s·B·A, formed: as large as W.
///
/// # Errors
/// `Invalid` when the shapes differ, or the ranks of A and B.
pub fn tuned(w: &Matrix, update: Update<'_>) -> Result<Matrix> {
    let map = LowRank::new(update)?;
    same_shape((w.rows, w.cols), (map.d_out(), map.d_in()))?;
    let mut values = w.values.clone();
    let Update { a, b, scaling } = update;
    for (row, b) in values.chunks_exact_mut(w.cols).zip(b.values.chunks_exact(b.cols.max(1))) {
        for (a, b) in a.values.chunks_exact(a.cols).zip(b) {
            let factor = scaling * b;
            row.iter_mut().zip(a).for_each(|(value, a)| *value += factor * a);
        }
    }
    // The sum was not stored.
    Ok(Matrix { dtype: crate::adapter::Dtype::F64, values, ..*w })
}

/// # Errors
/// `Invalid` for shapes that differ.
fn same_shape(weight: (usize, usize), update: (usize, usize)) -> Result<()> {
    if weight != update {
        let shape = |(d_out, d_in): (usize, usize)| format!("{d_out} × {d_in}");
        return Err(Fault::new(shape(update), shape(weight)).of("update of a weight").invalid());
    }
    Ok(())
}

/// The product of two vectors.
fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests;
