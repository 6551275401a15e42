//! Every statistic of a pair of subspaces: its formula, its range, and what chance would give.

#[cfg(feature = "scan")]
pub(crate) mod angles;
pub mod chance;
mod grid;
pub mod init_cosine;
#[cfg(feature = "scan")]
pub(crate) mod start_projection;
pub mod summary;

pub use grid::Grid;
