//! Subspace similarity of LoRA checkpoints: the figures of the LoRA paper (Hu et al. 2021, sections 7.2 and H) for any
//! two adapters.
//!
//! φ(i, j) = ‖V₁\[:, :i\]ᵀ · V₂\[:, :j\]‖²_F / min(i, j)
//!
//! with V₁ and V₂ the singular vectors of one module in two adapters, largest singular value first: the right-singular
//! vectors of A ([`Side::A`], the paper's choice) or the left-singular vectors of B ([`Side::B`]). 1 where one span
//! contains the other, 0 where they are orthogonal, max(i, j)/d for two random ones.
//!
//! ```text
//! files ──► adapters ──► bases ──────────► grids ──────────────► pixels ──► figure
//!           names,       CPU: QR and a     product, squares,     palette    titles, ticks,
//!           shapes       small SVD, f64    prefix sums, norm                colour bar, PNG
//! ```
//!
//! - [`Adapter::open`] reads names and shapes; [`Basis::of`] reads one factor and factorises it.
//! - An [`engine::Engine`] makes the [`Grid`]s and the pixels: [`engine::CpuEngine`], or `engine::GpuEngine` with the
//!   WGSL kernels of [`internals::kernels`]. Both hold |φ − exact| ≤ 1e-5.
//! - [`figure::Figure`] draws, [`measure`] holds every statistic of a pair with its formula and what chance
//!   would give, [`measure::summary::Summary`] the words for what a grid shows.
//! - `scan::Scan` compares every pair of a folder of checkpoints, `report::Report` sums a scan up,
//!   `search::Search` finds the adapters of a scan that are the nearest to others.
//!
//! ```
//! use lorascope::engine::CpuEngine;
//! use lorascope::figure::{Figure, Output, Panel, Plot};
//! use lorascope::{Adapter, Basis, Side, similarity};
//!
//! let a = Adapter::open("tests/data/adapters/seed0-r64-layer5")?;
//! let b = Adapter::open("tests/data/adapters/seed1-r64-layer5")?;
//! let name = "encoder.layer.5.attention.self.value";
//! let [u, v] = [&a, &b].map(|run| Basis::of(run.module(name).expect("both have it"), Side::A));
//! let engine = CpuEngine::new();
//! let grid = similarity(&engine, &u?, &v?)?;
//! assert!((grid.phi(8, 8).unwrap() - 0.4253).abs() < 1e-4);
//! Figure::new('A').panel(Panel::module(name, grid)).write(Output::Png, &mut Vec::new())?;
//! # Ok::<(), lorascope::Error>(())
//! ```

mod adapter;
mod basis;
pub mod changes;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
mod compare;
pub mod engine;
mod error;
pub mod figure;
mod files;
mod formats;
pub mod internals;
mod kernels;
pub mod measure;
pub mod merge_check;
pub mod names;
pub mod relation;
#[cfg(feature = "scan")]
pub mod report;
#[cfg(feature = "scan")]
pub mod scan;
#[cfg(feature = "scan")]
pub mod search;
mod select;
pub mod shared_space;
mod simd;
mod sync;
#[cfg(feature = "scan")]
mod table;
mod text;

pub use adapter::{
    Adapter, Dtype, Factor, FileFormat, Matrix, Method, Module, NamingScheme, Quant, Side, TrainingInfo,
    UnreadPart,
};
pub use basis::{Basis, Flaw, FlawedModule, ModuleSvd, Update, UpdateFactors, range_finder};
pub use compare::{
    Compared, Comparison, Factorised, LeftOutPair, compare, grids, relation_of, similarity, statistics,
};
pub use error::{Error, Fault, Remedy, Result};
pub use formats::{BaseModel, Discovered, Limit, Limits, OpenOptions, Weight, discover};
pub use measure::Grid;
pub use select::{FewMeet, InAll, Layers, Matching, ModulePair, Selected, Selection};

/// The guide's code runs as a test.
#[cfg(doctest)]
#[doc = include_str!("../docs/guide.md")]
struct Guide;
