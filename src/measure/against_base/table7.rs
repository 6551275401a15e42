//! Table 7 of the LoRA paper: how much an update amplifies what the weight does in the update's own directions.
//!
//! - formula: ‖Uᵀ·W·V‖_F with U, (d_out, r), and V, (d_in, r), the top r singular vectors of ΔW, of W itself, or of a random matrix;
//!   amplification ‖ΔW‖_F/‖Uᵀ·W·V‖_F with those of ΔW.
//! - source: Hu et al. 2021, section 7.3, table 7 and appendix H.4; the paper writes Vᵀ for this V.
//! - range: 0 ≤ ‖Uᵀ·W·V‖_F ≤ √(Σ_{l≤r} σ_l(W)²), which W's own vectors reach, and ≤ ‖W‖_F; amplification above 0, without an upper end.
//! - chance: ‖Uᵀ·W·V‖_F is r·‖W‖_F/√(d_out·d_in) for random U and V, as the root of the mean square.
//! - needs: W as a map, singular vectors of W and ΔW.
//!
//! The paper's r is the rank of the LoRA, so that U and V hold all of ΔW. For a smaller r, ‖ΔW‖_F is still that of all of it. Where the
//! singular values r and r + 1 of ΔW are equal, U and V are any of many.

use serde::Serialize;

use super::{dot, same_shape};
use crate::basis::range_finder::{LinearMap, SingularVectors};
use crate::error::{Fault, Result};

/// The table of one module.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Table7 {
    /// ‖W‖_F.
    pub norm_w: f64,
    /// ‖ΔW‖_F.
    pub norm_update: f64,
    /// One for each r that was asked for, in that order.
    pub rows: Vec<Table7Row>,
}

/// The norms of Uᵀ·W·V for one r. `None` where a matrix has fewer directions, or fewer are known.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Table7Row {
    /// How many singular vectors.
    pub r: usize,
    /// With the singular vectors of ΔW.
    pub update: Option<f64>,
    /// With those of W: √(Σ_{l≤r} σ_l(W)²).
    pub own: Option<f64>,
    /// With those of one random matrix.
    pub random: Option<f64>,
    /// The root of the mean square over random matrices.
    pub chance: Option<f64>,
    /// ‖ΔW‖_F/`update`. `None` also where W does nothing there that is above rounding in f64.
    pub amplification: Option<f64>,
    /// Whether all r directions of ΔW are above what rounding of the stored numbers could have made.
    pub is_above_noise: bool,
}

impl Table7 {
    /// Of a weight, its own singular vectors, as many as the largest r if not all, and those of its update.
    ///
    /// # Errors
    /// `Invalid` when the shapes differ, and for an r of 0.
    pub fn of(
        w: &dyn LinearMap,
        own: &SingularVectors,
        update: &SingularVectors,
        ranks: &[usize],
        seed: u64,
    ) -> Result<Self> {
        let (d_out, d_in) = (w.d_out(), w.d_in());
        for vectors in [own, update] {
            same_shape((d_out, d_in), (vectors.d_out(), vectors.d_in()))?;
        }
        if ranks.contains(&0) {
            return Err(Fault::new("0 singular vectors", "1 or more").of("r").invalid());
        }
        let shorter = d_out.min(d_in);
        let longest = ranks.iter().copied().filter(|&r| r <= shorter).max().unwrap_or(0);
        let of_update = leading_norms(w, update, longest);
        let of_random = leading_norms(w, &SingularVectors::random(d_out, d_in, longest, seed)?, longest);
        let least = d_out.max(d_in) as f64 * f64::EPSILON * own.norm();
        let row = |&r: &usize| {
            let at = |norms: &[f64]| norms.get(r - 1).copied();
            let with_update = at(&of_update);
            let chance = r as f64 * own.norm() / (d_out as f64 * d_in as f64).sqrt();
            Table7Row {
                r,
                update: with_update,
                own: own.sigma().get(..r).map(crate::simd::norm),
                random: at(&of_random),
                chance: (r <= shorter).then_some(chance),
                amplification: with_update.filter(|&norm| norm > least).map(|norm| update.norm() / norm),
                is_above_noise: r <= update.n_above_floor(),
            }
        };
        Ok(Self { norm_w: own.norm(), norm_update: update.norm(), rows: ranks.iter().map(row).collect() })
    }
}

/// ‖Uᵀ·W·V‖_F for the first 1, 2, … of at most n singular vectors.
fn leading_norms(w: &dyn LinearMap, vectors: &SingularVectors, n: usize) -> Vec<f64> {
    let (n, d_out, d_in) = (n.min(vectors.n()), vectors.d_out(), vectors.d_in());
    if n == 0 {
        return vec![];
    }
    let images = w.times(&vectors.right()[..n * d_in]);
    let image = |k: usize| &images[k * d_out..][..d_out];
    let left = |k: usize| &vectors.left()[k * d_out..][..d_out];
    let mut entries = vec![];
    (0..n)
        .map(|k| {
            // What the k-th row and column add to the block before.
            entries.extend((0..=k).map(|l| dot(left(k), image(l))));
            entries.extend((0..k).map(|l| dot(left(l), image(k))));
            crate::simd::norm(&entries)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::{Dtype, Matrix};
    use crate::basis::Update;

    fn diagonal(d_out: usize, d_in: usize, values: &[f64]) -> Matrix {
        let mut matrix =
            Matrix { rows: d_out, cols: d_in, dtype: Dtype::F32, values: vec![0.0; d_out * d_in] };
        values.iter().enumerate().for_each(|(k, value)| matrix.values[k * d_in + k] = *value);
        matrix
    }

    #[test]
    fn a_planted_update_has_the_norms_that_it_was_given() {
        // ΔW = −2·(6·e₃e₃ᵀ + 5·e₁e₁ᵀ) next to W = diag(8, 4, 1, 0).
        let w = diagonal(6, 4, &[8.0, 4.0, 1.0]);
        let a = diagonal(2, 4, &[0.0; 2]);
        let a = Matrix { values: vec![0.0, 0.0, 3.0, 0.0, 1.0, 0.0, 0.0, 0.0], ..a };
        let mut b = diagonal(6, 2, &[0.0; 2]);
        (b.values[2 * 2], b.values[1]) = (2.0, 5.0);
        let update = SingularVectors::of_update(Update { a: &a, b: &b, scaling: -2.0 }).unwrap();
        let own = SingularVectors::of(&w).unwrap();
        let table = Table7::of(&w, &own, &update, &[2, 1, 3, 9], 4).unwrap();
        let close = |found: Option<f64>, expected: f64| {
            assert!((found.unwrap() / expected - 1.0).abs() < 1e-12, "{found:?} for {expected}");
        };
        let norm = 2.0 * 61f64.sqrt();
        close(Some(table.norm_w), 9.0);
        close(Some(table.norm_update), norm);
        let [two, one, three, nine] = &table.rows[..] else { panic!() };
        close(one.update, 1.0);
        close(one.own, 8.0);
        close(one.amplification, norm);
        close(two.update, 65f64.sqrt());
        close(two.own, 80f64.sqrt());
        close(two.amplification, norm / 65f64.sqrt());
        close(two.chance, 2.0 * 9.0 / 24f64.sqrt());
        assert!(one.is_above_noise && two.is_above_noise && !three.is_above_noise);
        assert_eq!((three.update, three.amplification), (None, None));
        close(three.own, 9.0);
        assert_eq!((nine.r, nine.update, nine.own, nine.random, nine.chance), (9, None, None, None, None));
        assert!(Table7::of(&w, &own, &update, &[1, 0], 0).is_err());
    }

    #[test]
    fn what_the_weight_does_not_do_has_no_amplification() {
        let w = diagonal(3, 3, &[2.0, 1.0]);
        let update = SingularVectors::of(&diagonal(3, 3, &[0.0, 0.0, 5.0])).unwrap();
        let table = Table7::of(&w, &SingularVectors::of(&w).unwrap(), &update, &[1], 0).unwrap();
        assert!(table.rows[0].update.unwrap() < 1e-15);
        assert_eq!(table.rows[0].amplification, None);
    }

    #[test]
    fn random_vectors_show_what_chance_says_and_only_the_seed_decides() {
        let (d_out, d_in) = (30, 50);
        let w = diagonal(d_out, d_in, &[5.0, 4.0, 3.0, 2.0, 1.0]);
        let own = SingularVectors::of(&w).unwrap();
        let random = |seed| -> Vec<f64> {
            let table = Table7::of(&w, &own, &own, &[1, 6, 30], seed).unwrap();
            table.rows.iter().map(|row| row.random.unwrap()).collect()
        };
        assert_eq!(random(1), random(1));
        let n = 400;
        let mut squares = [0.0; 3];
        for seed in 0..n {
            squares.iter_mut().zip(random(seed)).for_each(|(sum, norm)| *sum += norm * norm);
        }
        let table = Table7::of(&w, &own, &own, &[1, 6, 30], 0).unwrap();
        for (square, row) in squares.iter().zip(&table.rows) {
            let (found, chance) = ((square / n as f64).sqrt(), row.chance.unwrap());
            assert!((found / chance - 1.0).abs() < 0.15, "r = {}: {found} for {chance}", row.r);
            // W's own vectors are the largest, and W's own update amplifies nothing at full rank.
            assert!((row.update.unwrap() / row.own.unwrap() - 1.0).abs() < 1e-12);
        }
        assert!((table.rows[2].amplification.unwrap() - 1.0).abs() < 1e-12);
    }
}
