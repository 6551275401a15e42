//! What a scan says as a whole: which pairs are alike, where in the model, which adapters stand apart, and how training
//! runs drift.
//!
//! [`Report`] reads a scan's folder and writes tables and pictures.
//!
//! A pair's excess is the mean over its modules of φ(r, r) − baseline. Pairs that share their random start, on the sides
//! where that shows (see [`crate::measure::init_cosine`]), and pairs of two base models are marked, and left out of
//! averages, lists and outliers, unless there are no others. Pictures, clusters and drift show all pairs.
//!
//! The pairs' files are read once, a batch of rows at a time, so that memory grows with the pairs of adapters alone.

mod adapters;
mod cluster;
mod csv;
mod drift;
mod groups;
mod names;
mod pairs;
mod pictures;
mod rounding;
mod scan;
mod summary;
mod text;
mod write;

pub use self::write::{Report, WrittenReport};

/// The most adapters that pairs are summed up and drawn for: their sums take 21 bytes a pair.
const MAX_ADAPTERS: usize = 5000;
