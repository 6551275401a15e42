//! Whether an update uses the strong, the weak or any directions of the weight.
//!
//! - formula: φ(r, r) of the top r singular vectors of ΔW with the top r of W, with the last r of W's min(d_out, d_in), and with r
//!   random directions.
//! - source: φ of Hu et al. 2021, section 7.2; the weak directions are those that MiLoRA (Wang et al. 2024) trains in, the strong
//!   ones those of PiSSA (Meng et al. 2024).
//! - range: 0 to 1.
//! - chance: mean r/d, `baseline`; standard deviation the root of [`chance::variance`]`(r, r, d)`.
//! - needs: singular vectors of W, all of them for the last r, and of ΔW.

use serde::Serialize;

use super::{dot, same_shape};
use crate::adapter::Side;
use crate::basis::range_finder::SingularVectors;
use crate::error::{Fault, Result};
use crate::measure::chance;

/// φ of one side for one r. `None` where a matrix has fewer directions, or fewer are known.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WeightPhi {
    /// How many directions of W and of ΔW.
    pub r: usize,
    /// [`Side::DwLeft`] or [`Side::DwRight`].
    pub side: Side,
    /// φ(W's top r, ΔW's top r).
    pub top: Option<f64>,
    /// φ(W's last r, ΔW's top r).
    pub bottom: Option<f64>,
    /// φ(r random directions, ΔW's top r).
    pub random: Option<f64>,
    /// r/d, the mean of each for an update that is unrelated to the weight.
    pub baseline: f64,
}

impl WeightPhi {
    /// For each r the right side and then the left one.
    ///
    /// # Errors
    /// `Invalid` when the shapes differ and for an r of 0.
    pub fn of(
        w: &SingularVectors,
        update: &SingularVectors,
        ranks: &[usize],
        seed: u64,
    ) -> Result<Vec<Self>> {
        let (d_out, d_in) = (w.d_out(), w.d_in());
        same_shape((d_out, d_in), (update.d_out(), update.d_in()))?;
        if ranks.contains(&0) {
            return Err(Fault::new("0 directions", "1 or more").of("r").invalid());
        }
        let shorter = d_out.min(d_in);
        let longest = ranks.iter().copied().filter(|&r| r <= shorter).max().unwrap_or(0);
        let random = SingularVectors::random(d_out, d_in, longest, seed)?;
        let mut found = vec![];
        for &r in ranks {
            for (side, d) in [(Side::DwRight, d_in), (Side::DwLeft, d_out)] {
                let [w_rows, update_rows, random_rows] = [w, update, &random].map(|vectors| match side {
                    Side::DwLeft => vectors.left(),
                    _ => vectors.right(),
                });
                let updates = update_rows.get(..r * d);
                let with = |rows: Option<&[f64]>| Some(phi(rows?, updates?, d));
                let last = (w.n() == shorter && r <= shorter).then(|| &w_rows[(shorter - r) * d..]);
                found.push(Self {
                    r,
                    side,
                    top: with(w_rows.get(..r * d)),
                    bottom: with(last),
                    random: with(random_rows.get(..r * d)),
                    baseline: chance::baseline(r, r, d).min(1.0),
                });
            }
        }
        Ok(found)
    }
}

/// φ of two spaces of as many orthonormal vectors of d numbers.
fn phi(x: &[f64], y: &[f64], d: usize) -> f64 {
    let squares = x.chunks_exact(d).flat_map(|x| y.chunks_exact(d).map(move |y| dot(x, y).powi(2)));
    (squares.sum::<f64>() * d as f64 / x.len() as f64).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::{Dtype, Matrix};

    fn matrix(d_out: usize, d_in: usize, entries: &[(usize, usize, f64)]) -> SingularVectors {
        let mut values = vec![0.0; d_out * d_in];
        entries.iter().for_each(|&(row, col, value)| values[row * d_in + col] = value);
        SingularVectors::of(&Matrix { rows: d_out, cols: d_in, dtype: Dtype::F32, values }).unwrap()
    }

    #[test]
    fn strong_and_weak_directions_are_told_apart_on_each_side() {
        // W = Σ (5 − k)·eₖ·eₖᵀ in 4 × 6. ΔW reads W's strongest two inputs and writes its weakest and strongest outputs.
        let w = matrix(4, 6, &[(0, 0, 4.0), (1, 1, 3.0), (2, 2, 2.0), (3, 3, 1.0)]);
        let update = matrix(4, 6, &[(3, 0, 9.0), (0, 1, 8.0)]);
        let found = WeightPhi::of(&w, &update, &[1, 2, 5], 3).unwrap();
        let of = |at: usize| {
            let WeightPhi { r, side, top, bottom, .. } = found[at].clone();
            let rounded = |phi: Option<f64>| phi.map(|phi| (phi * 1e9).round() / 1e9);
            (r, side, rounded(top), rounded(bottom))
        };
        assert_eq!(of(0), (1, Side::DwRight, Some(1.0), Some(0.0)));
        assert_eq!(of(1), (1, Side::DwLeft, Some(0.0), Some(1.0)));
        assert_eq!(of(2), (2, Side::DwRight, Some(1.0), Some(0.0)));
        assert_eq!(of(3), (2, Side::DwLeft, Some(0.5), Some(0.5)));
        assert_eq!((of(4), found[4].random), ((5, Side::DwRight, None, None), None));
        assert_eq!((found[2].baseline, found[3].baseline), (2.0 / 6.0, 0.5));
        assert!(WeightPhi::of(&w, &update, &[0], 3).is_err());
        assert!(WeightPhi::of(&w, &matrix(6, 4, &[(0, 0, 1.0)]), &[1], 3).is_err());
    }

    #[test]
    fn random_directions_have_the_baseline_as_their_mean() {
        let w = matrix(12, 18, &[(0, 0, 1.0)]);
        let update = matrix(12, 18, &[(3, 0, 9.0), (0, 1, 8.0), (4, 4, 1.0)]);
        let n = 600;
        let mut sums = [0.0; 2];
        for seed in 0..n {
            let found = WeightPhi::of(&w, &update, &[3], seed).unwrap();
            sums.iter_mut().zip(found).for_each(|(sum, phi)| *sum += phi.random.unwrap());
        }
        for (sum, d) in sums.into_iter().zip([18, 12]) {
            let error = (chance::variance(3, 3, d) / n as f64).sqrt();
            assert!((sum / n as f64 - 3.0 / d as f64).abs() < 4.0 * error, "{d}: {}", sum / n as f64);
        }
    }
}
