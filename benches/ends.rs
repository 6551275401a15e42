//! The stages before and behind the bases, on the CPU: reading, whole grids, pixels and the figure's file.
//! `cargo bench --bench ends`.

use std::path::PathBuf;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use lorascope::engine::{CpuEngine, CpuPainter, Engine, Painter, Pair};
use lorascope::figure::{Figure, Output, Panel, Plot, Style};
use lorascope::internals::kernels::colormap::{Band, Cells, ColorTable};
use lorascope::{Adapter, Basis, similarity};
use safetensors::tensor::{Dtype, TensorView};
use tempfile::TempDir;

fn main() {
    divan::main();
}

/// A PEFT file of so many modules, r × d each: bytes that are no numbers are never looked at by a header's reader, and zeros
/// are numbers.
fn file(n_modules: usize, r: usize, d: usize, dtype: Dtype) -> (TempDir, PathBuf) {
    let dir = TempDir::new().expect("there is a folder for temporary files");
    let path = dir.path().join("adapter_model.safetensors");
    let size = if dtype == Dtype::F32 { 4 } else { 2 };
    let zeros = vec![0; r * d * size];
    let tensors = (0..n_modules).flat_map(|k| {
        ["A", "B"].map(|factor| {
            let name = format!("base_model.model.layers.{k}.self_attn.q_proj.lora_{factor}.weight");
            let shape = if factor == "A" { vec![r, d] } else { vec![d, r] };
            (name, TensorView::new(dtype, shape, &zeros).expect("so many bytes"))
        })
    });
    safetensors::serialize_to_file(tensors, None, &path).expect("the file can be written");
    (dir, path)
}

/// The header: names, shapes and places of every module.
#[divan::bench(args = [24, 264, 1000])]
fn open(bencher: Bencher<'_, '_>, n_modules: usize) {
    let (_dir, path) = file(n_modules, 4, 64, Dtype::F32);
    bencher
        .counter(ItemsCount::new(n_modules))
        .bench(|| Adapter::open(black_box(&path)).expect("it is a checkpoint"));
}

/// One factor of (r, d), widened to f64, from the system's page cache.
#[divan::bench(args = [(16, 1024, "f32"), (64, 768, "f32"), (64, 4096, "f32"), (64, 4096, "f16"), (64, 4096, "bf16")])]
fn read(bencher: Bencher<'_, '_>, (r, d, dtype): (usize, usize, &str)) {
    let dtype = match dtype {
        "f32" => Dtype::F32,
        "f16" => Dtype::F16,
        _ => Dtype::BF16,
    };
    let (_dir, path) = file(1, r, d, dtype);
    let adapter = Adapter::open(&path).expect("it is a checkpoint");
    let a = &adapter.modules()[0].a;
    let n_bytes = r * d * if dtype == Dtype::F32 { 4 } else { 2 };
    bencher.counter(BytesCount::new(n_bytes)).bench(|| a.read().expect("zeros are finite"));
}

/// Whole grids of 16 pairs, (r, d).
#[divan::bench(args = [(8, 768), (64, 768), (512, 4096)])]
fn grids(bencher: Bencher<'_, '_>, (r, d): (usize, usize)) {
    let (engine, basis) = (CpuEngine::new(), Basis::gaussian(r, d, 0).expect("a random basis"));
    let pairs = [Pair { a: &basis, b: &basis }; 16];
    bencher.counter(ItemsCount::new(pairs.len())).bench(|| engine.grids(black_box(&pairs)));
}

/// A grid of r × r as a square panel of so many pixels a side.
#[divan::bench(args = [(8, 1000), (64, 1000), (512, 4000)])]
fn colormap(bencher: Bencher<'_, '_>, (r, side_px): (usize, usize)) {
    let palette = std::array::from_fn(|k| [k as u8; 3]);
    let table = ColorTable::new(&palette, 0.0, 1.0).expect("0 is under 1");
    let values: Vec<f32> = (0..r * r).map(|at| at as f32 / (r * r) as f32).collect();
    let (cells, band) = (Cells { n_rows: r, n_cols: r, values: &values }, Band::whole(side_px, side_px));
    bencher
        .counter(ItemsCount::new(side_px * side_px))
        .bench(|| CpuPainter.colormap(black_box(&cells), &table, &band));
}

/// A figure of two panels of r × r, laid out, painted and written as PNG, at so many dots an inch.
#[divan::bench(args = [(64, 100), (64, 300), (64, 1200)])]
fn figure(bencher: Bencher<'_, '_>, (r, dpi): (usize, u32)) {
    let engine = CpuEngine::new();
    let [a, b] = [1, 2].map(|seed| Basis::gaussian(r, 768, seed).expect("a random basis"));
    let panel = |name: &str| Panel::module(name, similarity(&engine, &a, &b).expect("they have one d"));
    let style = Style::new().dpi(f64::from(dpi));
    let figure = Figure::new('A').panel(panel("q")).panel(panel("v")).style(style);
    bencher.bench(|| {
        let mut png = vec![];
        figure.write(Output::Png, &mut png).map(|()| png)
    });
}
