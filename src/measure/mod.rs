//! Every statistic of a pair of subspaces: its formula, its range, and what chance would give.
//!
//! [`STATISTICS`] is the one list of what a scan's table, `compare` and `figure --json` hold of a pair, and [`PRODUCT_SUMS`],
//! which follows from it, of what engines make for it. A new statistic is a file here, a line of that list and, where it
//! needs another sum of the product, the kernels in `shaders/shared/stack.wgsl` and `engine/cpu/tile.rs`.

#[cfg(feature = "scan")]
pub(crate) mod angles;
pub(crate) mod baseline;
mod batch;
mod cells;
pub mod chance;
mod grid;
pub mod init_cosine;
pub(crate) mod linear_cka;
pub(crate) mod other_base;
mod pair;
pub(crate) mod phi_r;
mod product;
pub(crate) mod shared_init;
pub(crate) mod spectrum;
pub(crate) mod start_projection;
mod statistic;
pub mod summary;
mod z;

pub use batch::{MakeGrids, Member, PairBatch, Wanted};
pub use grid::Grid;
pub use linear_cka::LINEAR_CKA;
pub use pair::PairStatistics;
pub use phi_r::PHI_R;
pub use product::{
    BlockStats, Corner, N_PLAIN_SUMS, N_PRODUCT_SUMS, PRODUCT_SUMS, PairStats, ProductSum, Terms,
};
pub use statistic::{Column, Columns, Kind, Needs, Statistic, Text, Values};

use crate::error::Result;

/// Every statistic of a pair, in the order of a table's columns.
pub const STATISTICS: [Statistic; 11] = [
    spectrum::STATISTIC,
    cells::STATISTIC,
    phi_r::STATISTIC,
    linear_cka::STATISTIC,
    baseline::STATISTIC,
    z::STATISTIC,
    init_cosine::STATISTIC,
    shared_init::STATISTIC,
    other_base::STATISTIC,
    angles::STATISTIC,
    grid::STATISTIC,
];

/// The columns of all statistics.
pub fn columns(wanted: &Wanted) -> Vec<(String, Kind)> {
    STATISTICS.iter().flat_map(|statistic| statistic.columns_for(wanted)).collect()
}

/// The values of all statistics: one entry for each of the [`columns`], with a value for each pair.
///
/// # Errors
/// `Invalid` when the bases of a pair have different d.
pub fn values(batch: &PairBatch<'_>) -> Result<Vec<Values>> {
    let values: Result<Vec<Vec<Values>>> =
        STATISTICS.iter().map(|statistic| (statistic.values)(batch)).collect();
    Ok(values?.into_iter().flatten().collect())
}
