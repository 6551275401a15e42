//! φ at full rank.
//!
//! - formula: φ(m, m) with m = min(q_a, q_b). Where both ranks are m it is the mean cos² of the principal angles of the two
//!   subspaces, and 1 − (chordal distance)²/m on the Grassmannian, the squared chordal distance being Σ sin² of the angles.
//! - source: Hu et al. 2021, section 7.2; chordal distance, Conway, Hardin & Sloane 1996.
//! - range: \[0, 1\], clamped here.
//! - chance: mean m/d (`baseline.rs`), standard deviations over it in `z.rs`.
//! - column: `phi_r`, a number.
//! - needs: one sum of the product.

use super::batch::PairView;
use super::needs::Needs;
use super::product::{Corner, ProductSum, Terms};
use super::statistic::{Column, Columns, Kind, Statistic};

/// φ(m, m), as engines make it.
pub const PHI_R: ProductSum = ProductSum { terms: Terms::Phi, corner: Corner::Square };

pub(crate) const STATISTIC: Statistic = Statistic {
    key: "phi_r",
    needs: Needs::Product(PHI_R),
    columns: Columns::Fixed(&[Column { name: "phi_r", kind: Kind::Float }]),
    // It ends the diagonal, with its baseline and its z.
    text: None,
    values: |batch| Ok(vec![batch.floats(|pair| of(&pair))]),
};

/// In [0, 1].
#[inline(always)]
pub(super) fn of(pair: &PairView<'_>) -> f32 {
    pair.stats.sum(PHI_R).clamp(0.0, 1.0)
}
