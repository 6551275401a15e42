//! What a scan says as a whole: which pairs are alike, where in the model, which adapters stand apart, and how training
//! runs drift.
//!
//! [`Report`] reads a scan's folder and writes tables and pictures.
//!
//! Pairs are compared by one quantity, [`By`], averaged over their modules: φ at full ranks corrected for chance unless another
//! is asked for. Pairs that share their random start, on the sides where that shows (see [`crate::measure::init_cosine`]), and
//! pairs of two base models are marked, and left out of averages, outliers and the list of the least alike, unless there are
//! no others. The list of the most alike, pictures, clusters and drift have all pairs.
//!
//! The pairs' files are read once, a batch of rows at a time, so that memory grows with the pairs of adapters, and with the
//! modules of neighbouring steps.

mod adapters;
mod by;
mod cluster;
mod colors;
mod counts;
mod cut;
mod derived;
mod drift;
mod drift_pictures;
mod groups;
mod json;
mod label_stats;
mod labels;
mod markdown;
mod matrix;
mod names;
mod outliers;
mod pairs;
mod pictures;
mod places;
mod rounding;
mod scan;
mod source;
mod subject;
mod summary;
mod tables;
mod text;
mod warnings;
mod write;

pub use self::by::By;
pub use self::colors::End;
pub use self::write::{Report, WrittenReport};

/// The most adapters that are clustered and drawn: that takes 12 bytes for each two of them, and time that grows as fast.
const MAX_ADAPTERS: usize = 5000;

/// The most pairs of adapters that are summed up: their sums take 29 to 53 bytes each.
const MAX_PAIRS: usize = 50_000_000;
