//! φ at full ranks, corrected for chance: comparable between modules of other ranks and dimensions.
//!
//! - formula: (φ(q_a, q_b) − E) / (1 − E) with E = max(q_a, q_b)/d.
//! - source: the correction of the adjusted Rand index, Hubert & Arabie 1985, applied to the φ of Hu et al. 2021.
//! - range: \[−E/(1 − E), 1\]; 1 for the same subspace and for one that contains the other, at any rank and dimension. Null
//!   where the larger subspace is the whole space, which contains everything.
//! - chance: mean 0; standard deviation that of φ(q_a, q_b) over 1 − E.
//! - column: `adjusted`, a number or null.
//! - needs: `phi_full`.

use super::batch::PairView;
use super::needs::Needs;
use super::phi_full;
use super::statistic::{Column, Columns, Kind, Statistic, Text};

pub(crate) const STATISTIC: Statistic = Statistic {
    key: "adjusted",
    needs: Needs::Statistics(&["phi_full"]),
    columns: Columns::Fixed(&[Column { name: "adjusted", kind: Kind::OptionalFloat }]),
    text: Some(Text { heading: "adjusted", cell: |values| format!("{:.3}", values[0]) }),
    values: |batch| Ok(vec![batch.numbers(|pair| of(&pair))]),
};

#[inline(always)]
fn of(pair: &PairView<'_>) -> f64 {
    adjusted(f64::from(phi_full::of(pair)), phi_full::baseline(pair)).unwrap_or(f64::NAN)
}

/// (φ − E) / (1 − E); `None` where chance gives 1 already.
pub fn adjusted(phi: f64, baseline: f64) -> Option<f64> {
    (baseline < 1.0).then(|| (phi - baseline) / (1.0 - baseline))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_space_is_1_and_chance_is_0_at_any_baseline() {
        for baseline in [0.001, 0.25, 0.99] {
            assert_eq!(adjusted(1.0, baseline), Some(1.0));
            assert_eq!(adjusted(baseline, baseline), Some(0.0));
        }
        assert_eq!(adjusted(0.25, 0.5), Some(-0.5));
        assert_eq!(adjusted(1.0, 1.0), None);
    }
}
