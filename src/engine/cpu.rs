//! The CPU engine.

use super::Engine;
use crate::error::Result;
use crate::kernels::colormap::{Band, Cells, ColorTable};

/// Computes on all cores.
#[derive(Debug, Default)]
pub struct CpuEngine;

impl Engine for CpuEngine {
    fn colormap(&self, cells: &Cells<'_>, table: &ColorTable, band: &Band) -> Result<Vec<u32>> {
        Ok(crate::kernels::colormap::colormap(cells, table, band))
    }
}
