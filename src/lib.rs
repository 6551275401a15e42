//! Subspace similarity of LoRA checkpoints.

mod adapter;
mod basis;
pub mod chance;
pub mod engine;
mod error;
pub mod kernels;
mod side;
mod similarity;
pub mod summary;

pub use adapter::{Adapter, Dtype, Factor, Matrix, Module};
pub use basis::Basis;
pub use error::{Error, Fault, Result};
pub use side::Side;
pub use similarity::{Grid, similarity};
