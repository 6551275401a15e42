//! The two engines behind one trait.

mod cpu;

pub use cpu::CpuEngine;

use crate::error::Result;
use crate::kernels::colormap::{Band, Cells, ColorTable};

/// What computes grids and paints panels.
pub trait Engine: Send + Sync {
    /// Paints a band of a panel: `band.n_rows_px` × `band.width_px` pixels, row-major, packed as
    /// red | green << 8 | blue << 16 | alpha << 24. The same bytes on every engine.
    ///
    /// # Errors
    /// `Gpu` when the device fails.
    fn colormap(&self, cells: &Cells<'_>, table: &ColorTable, band: &Band) -> Result<Vec<u32>>;
}
