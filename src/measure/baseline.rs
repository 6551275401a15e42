//! What chance makes of φ at full rank.
//!
//! - formula: E φ(m, m) = m/d for two independent, uniformly random subspaces, m = min(q_a, q_b): see
//!   [`chance::baseline`](super::chance::baseline).
//! - source: the mean of the trace of a product of two random projections.
//! - range: (0, 1].
//! - chance: it is the mean.
//! - column: `baseline`, a number that hardly changes from pair to pair.
//! - needs: ranks and d.

use super::chance;
use super::needs::Needs;
use super::statistic::{Column, Columns, Kind, Statistic};

pub(crate) const STATISTIC: Statistic = Statistic {
    key: "baseline",
    needs: Needs::Spectra,
    columns: Columns::Fixed(&[Column { name: "baseline", kind: Kind::SteadyFloat }]),
    text: None,
    values: |batch| {
        Ok(vec![batch.numbers(|pair| chance::baseline(pair.full_rank(), pair.full_rank(), pair.d()))])
    },
};
