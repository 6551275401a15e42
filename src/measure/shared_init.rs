//! Whether the two adapters of a pair share their random start: then φ on side a says nothing about what they learnt.
//!
//! - formula: `init_cosine` > 0.5 ([`SHARED_INIT`](super::init_cosine::SHARED_INIT)).
//! - source: A barely leaves its initialisation, and B starts at zero (Hu et al. 2021, section 4.1).
//! - range: yes or no; no where there is no cosine.
//! - chance: independent starts have cosines of 1/√(r·d).
//! - column: `shared_init`, yes or no.
//! - needs: `init_cosine`.

use super::batch::PairView;
use super::init_cosine::SHARED_INIT;
use super::needs::Needs;
use super::statistic::{Column, Columns, Kind, Statistic};

pub(crate) const STATISTIC: Statistic = Statistic {
    key: "shared_init",
    needs: Needs::Statistics(&["init_cosine"]),
    columns: Columns::Fixed(&[Column { name: "shared_init", kind: Kind::Bool }]),
    text: None,
    values: |batch| Ok(vec![batch.flags(|pair| Some(of(&pair)))]),
};

#[inline(always)]
pub(super) fn of(pair: &PairView<'_>) -> bool {
    pair.init_cosine > SHARED_INIT
}
