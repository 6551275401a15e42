//! A self-test of the size of the work at hand, before a kernel does such work for the first time: drivers differ in what they
//! make of long loops and large buffers.

use crate::basis::{Basis, COLUMNS};
use crate::engine::gpu::GpuEngine;
use crate::engine::gpu::limits::Limits;
use crate::engine::{Block, BlockStats, Engine, Pair, Pairs, Precision};
use crate::error::Result;
use crate::measure::{PRODUCT_SUMS, Terms, linear_cka};
use crate::sync::lock;

/// How far a number may be off: twice the bound of the engines, from the rounding of the bases too.
pub(super) const BOUND: f64 = 2e-5;

/// The same in f16.
const BOUND_F16: f64 = 2e-3;

/// Work that a kernel did right, and so does right for less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    /// Which kernel; see [`Work`].
    kernel: usize,
    ranks: [usize; 2],
    /// Of each part of a row.
    d: [usize; 2],
}

/// What is rehearsed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Work {
    /// Whole grids.
    Grids,
    /// The statistics of pairs by this variant.
    PairStats(usize),
    /// The cosines of updates.
    UpdateCosines,
}

impl Work {
    /// For bases of these ranks and dimensions: of the output and the input where rows have both.
    pub(super) fn of_size(self, ranks: [usize; 2], d: [usize; 2]) -> Size {
        let kernel = match self {
            Self::Grids => 0,
            Self::UpdateCosines => 1,
            Self::PairStats(variant) => 2 + variant,
        };
        Size { kernel, ranks, d }
    }
}

impl Size {
    fn covers(&self, other: &Self) -> bool {
        let all = |own: [usize; 2], others: [usize; 2]| own.into_iter().zip(others).all(|(x, y)| x >= y);
        self.kernel == other.kernel && all(self.ranks, other.ranks) && all(self.d, other.d)
    }
}

impl GpuEngine {
    /// Sees to it that a kernel does work of this size right, once for each size that no earlier one covers.
    ///
    /// # Errors
    /// `Gpu` when it does not, `Limit` when the work does not fit.
    pub(super) fn rehearse(&self, work: Work, size: Size, limits: Limits) -> Result<()> {
        // One at a time: the others may find that it is done.
        let mut done = lock(&self.rehearsed);
        if done.iter().any(|done| done.covers(&size)) {
            return Ok(());
        }
        let Size { ranks, d, .. } = size;
        let worst = match work {
            Work::Grids => self.rehearse_grids(ranks, d[1], limits),
            Work::PairStats(variant) => {
                self.rehearse_pair_stats(ranks[0].max(ranks[1]), d[1], variant, limits)
            }
            Work::UpdateCosines => self.rehearse_cosines(ranks[0].max(ranks[1]), d, limits),
        }?;
        let is_half = self.info().precision == Precision::F16 && !matches!(work, Work::UpdateCosines);
        // NaN is wrong too.
        if worst <= if is_half { BOUND_F16 } else { BOUND } {
            done.retain(|smaller| !size.covers(smaller));
            done.push(size);
            return Ok(());
        }
        let what =
            format!("its self-test at r = {}, d = {} is off by {worst:.1e}", ranks[0].max(ranks[1]), d[1]);
        Err(self.device.wrong(&what))
    }

    fn rehearse_grids(&self, ranks: [usize; 2], d: usize, limits: Limits) -> Result<f64> {
        let (a, b, shift) = known(ranks, d)?;
        let found = self.grids_within(&[Pair { a: &a, b: &b }], limits)?;
        let cells = (1..=ranks[0]).flat_map(|i| (1..=ranks[1]).map(move |j| phi(i, j, shift)));
        Ok(worst(found[0].values(), &cells.collect::<Vec<_>>()))
    }

    fn rehearse_pair_stats(&self, rank: usize, d: usize, variant: usize, limits: Limits) -> Result<f64> {
        let (a, b, shift) = known([rank; 2], d)?;
        let cells = [(1, 1), (rank.div_ceil(2), rank)];
        let block = Block { a: &[&a], b: &[&b], pairs: Pairs::All, cells: &cells };
        let (weights_a, weights_b) = (linear_cka::weights(a.sigma()), linear_cka::weights(b.sigma()));
        let expected = cells.iter().map(|&(i, j)| phi(i, j, shift)).chain(PRODUCT_SUMS.map(|sum| {
            let (i, j) = sum.corner.cell(rank, rank);
            match sum.terms {
                Terms::Phi => phi(i, j, shift),
                Terms::Weighted => {
                    weights_a[shift..].iter().zip(&weights_b).map(|(x, y)| x * y).sum::<f64>() as f32
                }
            }
        }));
        Ok(worst(&self.pair_stats_by(variant, &block, limits)?, &expected.collect::<Vec<_>>()))
    }

    /// n terms xₖ·yₖᵀ, of which two updates share all but the first of one and the last of the other.
    fn rehearse_cosines(&self, n: usize, [d_out, d_in]: [usize; 2], limits: Limits) -> Result<f64> {
        let shift = (n / 3).min(d_out.max(d_in).saturating_sub(n));
        let [x, y] = [d_out, d_in].map(|d| waves(d, 0..(n + shift).min(d)));
        let split = d_out.next_multiple_of(COLUMNS);
        let update = |first: usize| {
            let mut rows = Vec::with_capacity(n * (split + d_in));
            for k in first..first + n {
                let [x, y] =
                    [(&x, d_out), (&y, d_in)].map(|(rows, d)| &rows[k % (rows.len() / d) * d..][..d]);
                rows.extend(x.iter().map(|x| x / (n as f32).sqrt()));
                rows.resize(rows.len() + split - d_out, 0.0);
                rows.extend_from_slice(y);
            }
            Basis::from_rows(split + d_in, rows, vec![1.0; n])
        };
        let (a, b) = (update(0)?, update(shift)?);
        let block = Block { a: &[&a], b: &[&b], pairs: Pairs::All, cells: &[] };
        let found = self.run_update_cosines(&block, split, limits)?;
        Ok(worst(&found, &[(n - shift) as f32 / n as f32]))
    }
}

/// Two bases of which every column counts, of the same directions but for the first third of one: its vector k + shift is the
/// other's vector k.
fn known(ranks: [usize; 2], d: usize) -> Result<(Basis, Basis, usize)> {
    let shift = (ranks[0] / 3).min(d - ranks[1]);
    let basis = |first: usize, rank: usize| {
        let sigma = (0..rank).map(|k| 1.0 / (k + 1) as f64).collect();
        Basis::from_rows(d, waves(d, first..first + rank), sigma)
    };
    Ok((basis(0, ranks[0])?, basis(shift, ranks[1])?, shift))
}

/// φ(i, j) of these two.
fn phi(i: usize, j: usize, shift: usize) -> f32 {
    i.saturating_sub(shift).min(j) as f32 / i.min(j) as f32
}

/// Cosine waves over d columns, the k-th with k half turns, row-major: orthonormal, and the constant is the first.
fn waves(d: usize, which: std::ops::Range<usize>) -> Vec<f32> {
    let mut waves = vec![0.0; which.len() * d];
    for m in 0..d {
        // cos(kθ) by its recurrence.
        let cos = (std::f64::consts::PI * (m as f64 + 0.5) / d as f64).cos();
        let level = (2.0 / d as f64).sqrt();
        let (mut before, mut now) = (cos * level, level);
        for k in 0..which.end {
            if let Some(row) = k.checked_sub(which.start) {
                waves[row * d + m] = if k == 0 { level / 2f64.sqrt() } else { now } as f32;
            }
            (before, now) = (now, 2.0 * cos * now - before);
        }
    }
    waves
}

/// The numbers of a block.
pub(super) fn numbers(stats: &BlockStats) -> Vec<f32> {
    stats.pairs().flat_map(|pair| pair.phi.iter().chain(pair.sums).copied()).collect()
}

/// The largest difference; NaN for a number on one side only.
pub(super) fn worst(found: &[f32], expected: &[f32]) -> f64 {
    let mut worst = 0.0f64;
    for (x, y) in found.iter().zip(expected) {
        if x.is_nan() != y.is_nan() {
            return f64::NAN;
        }
        // Where both are NaN so is the difference, and max passes over it.
        worst = worst.max(f64::from((x - y).abs()));
    }
    worst
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waves_are_orthonormal() {
        for (d, n) in [(1, 1), (7, 7), (100, 33), (2000, 64)] {
            let waves = waves(d, 0..n);
            for (k, u) in waves.chunks(d).enumerate() {
                for (l, v) in waves.chunks(d).enumerate() {
                    let dot: f64 = u.iter().zip(v).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
                    assert!((dot - f64::from(u8::from(k == l))).abs() < 3e-7, "{d}: ({k}, {l}) {dot}");
                }
            }
        }
    }

    #[test]
    fn phi_of_the_two_bases_is_what_the_plain_loops_make_of_them() {
        for (ranks, d) in [([1, 1], 1), ([6, 4], 30), ([4, 9], 10), ([5, 5], 5), ([9, 2], 100)] {
            let (a, b, shift) = known(ranks, d).unwrap();
            let plain = crate::kernels::similarity::similarity(a.rows(), b.rows(), d);
            for (at, plain) in plain.iter().enumerate() {
                let (i, j) = (at / ranks[1] + 1, at % ranks[1] + 1);
                assert!((f64::from(phi(i, j, shift)) - plain).abs() < 1e-6, "{ranks:?}: ({i}, {j})");
            }
        }
    }

    #[test]
    fn a_number_on_one_side_only_is_wrong() {
        assert_eq!(worst(&[1.0, f32::NAN], &[0.5, f32::NAN]), 0.5);
        assert!(worst(&[f32::NAN], &[0.5]).is_nan());
    }
}
