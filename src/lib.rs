//! Subspace similarity of LoRA checkpoints.

mod adapter;
pub mod engine;
mod error;
mod formats;
pub mod kernels;
mod listing;
pub mod names;
mod select;
mod side;
mod similarity;

pub use adapter::{Adapter, Dtype, Factor, Matrix, Module};
pub use error::{Error, Fault, Result};
pub use formats::Limits;
pub use select::{ModulePair, Selected, Selection};
pub use side::Side;
pub use similarity::Grid;
