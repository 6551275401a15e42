//! How far φ at full rank lies above chance.
//!
//! - formula: (φ(m, m) − E) / √Var, m = min(q_a, q_b): see [`chance::z`](super::chance::z).
//! - source: mean and variance of the trace of a product of two random projections.
//! - range: any number. Null where φ is certain, one subspace being the whole space; and for a pair with a shared random
//!   start, since z tests independence, which a common start rules out.
//! - chance: mean 0 and variance 1; skewed (chi-squared) for small m.
//! - column: `z`, a number or null.
//! - needs: `phi_r`, `baseline` and `shared_init`.

use super::batch::PairView;
use super::needs::Needs;
use super::statistic::{Column, Columns, Kind, Statistic};
use super::{chance, phi_r, shared_init};

pub(super) const STATISTIC: Statistic = Statistic {
    key: "z",
    needs: Needs::Statistics(&["phi_r", "baseline", "shared_init"]),
    columns: Columns::Fixed(&[Column { name: "z", kind: Kind::OptionalFloat }]),
    text: None,
    values: |batch| Ok(vec![batch.numbers(|pair| of(&pair))]),
};

#[inline(always)]
fn of(pair: &PairView<'_>) -> f64 {
    let (m, d) = (pair.full_rank(), pair.d());
    if shared_init::of(pair) {
        return f64::NAN;
    }
    chance::z_of(f64::from(phi_r::of(pair)), m, m, d).unwrap_or(f64::NAN)
}
