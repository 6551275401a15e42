//! Subspace similarity of LoRA checkpoints.

mod adapter;
pub mod engine;
mod error;
pub mod figure;
pub mod kernels;
mod similarity;

pub use adapter::{Adapter, Dtype, Factor, Matrix, Module};
pub use error::{Error, Fault, Result};
pub use similarity::Grid;
