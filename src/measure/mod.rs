//! Every statistic of a pair of subspaces: its formula, its range, and what chance would give.

pub(crate) mod angles;
pub mod chance;
mod grid;
pub mod init_cosine;
pub(crate) mod start_projection;
pub mod summary;

pub use grid::Grid;
