//! Whether the configs of a pair name different base models: then no statistic of it says anything.
//!
//! - formula: the two names differ.
//! - range: yes or no; null where a config names none.
//! - chance: none.
//! - column: `other_base`, yes, no or null.
//! - needs: the configs.

use super::batch::Member;
use super::needs::Needs;
use super::statistic::{Column, Columns, Kind, Statistic};

pub(crate) const STATISTIC: Statistic = Statistic {
    key: "other_base",
    needs: Needs::Configs,
    columns: Columns::Fixed(&[Column { name: "other_base", kind: Kind::OptionalBool }]),
    text: None,
    values: |batch| Ok(vec![batch.flags(|pair| differ(pair.a, pair.b))]),
};

/// Whether the base models of two members differ; `None` where one is not known.
pub(crate) fn differ(a: &Member<'_>, b: &Member<'_>) -> Option<bool> {
    a.base_model.zip(b.base_model).map(|(a, b)| a != b)
}
