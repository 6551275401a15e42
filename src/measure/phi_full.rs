//! φ at the full ranks of both: how much of the smaller subspace the larger one contains.
//!
//! - formula: φ(q_a, q_b) = Σ P² / min(q_a, q_b) over all of the product, the mean cos² of the principal angles; its chance
//!   E = max(q_a, q_b)/d; z = (φ(q_a, q_b) − E) / √Var as in [`chance::z`](super::chance::z).
//! - source: Hu et al. 2021, section 7.2 and figure 3, which compares r = 8 with r = 64.
//! - range: \[0, 1\], clamped here; 1 where one subspace contains the other. z is null where φ is certain, and for a shared
//!   random start.
//! - chance: mean E; z has mean 0 and variance 1, and is skewed (chi-squared) for small q_a·q_b.
//! - columns: `phi_full` and `baseline_full`, numbers, and `z_full`, a number or null.
//! - needs: one sum of the product.

use super::batch::PairView;
use super::needs::Needs;
use super::product::{Corner, ProductSum, Terms};
use super::statistic::{Column, Columns, Kind, Statistic, Text};
use super::{chance, shared_init};

/// φ(q_a, q_b), as engines make it.
pub const PHI_FULL: ProductSum = ProductSum { terms: Terms::Phi, corner: Corner::Whole };

pub(crate) const STATISTIC: Statistic = Statistic {
    key: "phi_full",
    needs: Needs::Product(PHI_FULL),
    columns: Columns::Fixed(&[
        Column { name: "phi_full", kind: Kind::Float },
        Column { name: "baseline_full", kind: Kind::SteadyFloat },
        Column { name: "z_full", kind: Kind::OptionalFloat },
    ]),
    text: Some(Text { heading: "φ(q_a, q_b)", cell: |values| format!("{:.3}", values[0]) }),
    values: |batch| {
        Ok(vec![
            batch.floats(|pair| of(&pair)),
            batch.numbers(|pair| baseline(&pair)),
            batch.numbers(|pair| z(&pair)),
        ])
    },
};

/// In [0, 1].
#[inline(always)]
pub(super) fn of(pair: &PairView<'_>) -> f32 {
    pair.stats.sum(PHI_FULL).clamp(0.0, 1.0)
}

/// max(q_a, q_b)/d.
#[inline(always)]
pub(super) fn baseline(pair: &PairView<'_>) -> f64 {
    let [q_a, q_b] = pair.ranks();
    chance::baseline(q_a, q_b, pair.d())
}

#[inline(always)]
fn z(pair: &PairView<'_>) -> f64 {
    if shared_init::of(pair) {
        return f64::NAN;
    }
    let [q_a, q_b] = pair.ranks();
    chance::z_of(f64::from(of(pair)), q_a, q_b, pair.d()).unwrap_or(f64::NAN)
}
