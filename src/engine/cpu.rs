//! The CPU engine: faer's matrix product and one pass of prefix sums, pairs in parallel.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

use super::{Engine, EngineInfo, EngineKind, Pair, Precision};
use crate::error::Result;
use crate::kernels::colormap::{Band, Cells, ColorTable, Params};
use crate::kernels::similarity::{HalfRows, SLICE};
use crate::similarity::Grid;

/// Computes on all threads of the current rayon pool. SIMD is chosen at run time.
#[derive(Debug)]
pub struct CpuEngine {
    info: EngineInfo,
}

impl CpuEngine {
    /// The engine with bases in f32; nothing to open, nothing to fail.
    pub fn new() -> Self {
        Self::with_precision(Precision::F32)
    }

    /// The same with a choice. f16 gives the numbers that a GPU gives for it, and saves nothing here.
    pub fn with_precision(precision: Precision) -> Self {
        let threads = rayon::current_num_threads();
        let device =
            format!("{threads} thread{}, {}", if threads == 1 { "" } else { "s" }, instruction_set());
        let info =
            EngineInfo { kind: EngineKind::Cpu, device, driver: String::new(), precision, kernel: "faer" };
        Self { info }
    }
}

impl Default for CpuEngine {
    fn default() -> Self {
        Self::new()
    }
}

impl Engine for CpuEngine {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn grids(&self, pairs: &[Pair<'_>]) -> Result<Vec<Grid>> {
        pairs.par_iter().map(|pair| grid(pair, self.info.precision)).collect()
    }

    fn colormap(&self, cells: &Cells<'_>, table: &ColorTable, band: &Band) -> Result<Vec<u32>> {
        Params::new(cells, band)?;
        let colors: Vec<u32> = cells
            .values
            .iter()
            .map(|value| table.colors[table.edges.partition_point(|edge| edge <= value)])
            .collect();
        let columns: Vec<usize> = (0..band.width_px).map(|x| x * cells.n_cols / band.width_px).collect();
        let mut pixels = Vec::with_capacity(band.n_rows_px * band.width_px);
        let mut painted = None;
        for y in band.y_px..band.y_px + band.n_rows_px {
            let row = y * cells.n_rows / band.height_px;
            if painted == Some(row) {
                // The same row of cells as the line above: the same bytes.
                pixels.extend_from_within(pixels.len() - band.width_px..);
            } else {
                let colors = &colors[row * cells.n_cols..];
                pixels.extend(columns.iter().map(|&column| colors[column]));
                painted = Some(row);
            }
        }
        Ok(pixels)
    }
}

/// One pair on the calling thread, so that its bytes do not depend on the number of threads.
fn grid(pair: &Pair<'_>, precision: Precision) -> Result<Grid> {
    let d = pair.d()?;
    let (n_rows, n_cols) = (pair.a.q(), pair.b.q());
    let mut values = vec![0.0f32; n_rows * n_cols];
    match precision {
        Precision::F32 => product(&mut values, pair.a.rows(), pair.b.rows(), d),
        Precision::F16 => {
            // Rounded, and widened again: products of two f16 are exact in f32, as on the GPU.
            let [a, b] = [pair.a, pair.b].map(|basis| HalfRows::of(basis.rows(), d));
            product(&mut values, &a.numbers.to_f32_vec(), &b.numbers.to_f32_vec(), d);
            for (row, a) in values.chunks_exact_mut(n_cols).zip(&a.reciprocals) {
                row.iter_mut().zip(&b.reciprocals).for_each(|(value, b)| *value = *value * a * b);
            }
        }
    }
    normalised_prefix_sums(&mut values, n_cols);
    Grid::new(n_rows, n_cols, d, values)
}

/// Adds P = U·Vᵀ to `values`, for bases as rows of `d` numbers.
fn product(values: &mut [f32], a: &[f32], b: &[f32], d: usize) {
    let (n_rows, n_cols) = (a.len() / d, b.len() / d);
    let a = MatRef::from_row_major_slice(a, n_rows, d);
    let b = MatRef::from_row_major_slice(b, n_cols, d);
    for start in (0..d).step_by(SLICE) {
        // Slices, as in the shader: one f32 sum over all of d would not hold the bound.
        let length = SLICE.min(d - start);
        let (a, b) = (a.subcols(start, length), b.subcols(start, length));
        let product = MatMut::from_row_major_slice_mut(values, n_rows, n_cols);
        matmul(product, Accum::Add, a, b.transpose(), 1.0, Par::Seq);
    }
}

/// From P to φ in place: squares, 2-D prefix sums carried in f64, division by min(i, j).
fn normalised_prefix_sums(values: &mut [f32], n_cols: usize) {
    let mut above = vec![0.0f64; n_cols];
    for (i, row) in values.chunks_exact_mut(n_cols).enumerate() {
        let mut left = 0.0;
        for (j, (value, above)) in row.iter_mut().zip(&mut above).enumerate() {
            left += f64::from(*value) * f64::from(*value);
            *above += left;
            *value = (*above / (i.min(j) + 1) as f64) as f32;
        }
    }
}

/// The widest instruction set that the product may use here.
fn instruction_set() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if std::is_x86_feature_detected!("avx512f") {
            return "x86-64 AVX-512";
        }
        if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
            return "x86-64 AVX2";
        }
    }
    std::env::consts::ARCH
}
