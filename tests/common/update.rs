//! What a training library says that an adapter's updates are, and whether ours are the same.

use std::collections::BTreeMap;
use std::path::PathBuf;

use faer::Mat;
use lorascope::{Adapter, Basis, Matrix, Module, Side};

/// How far a direction may lie outside the library's space, and a singular value from the library's, relative to the
/// largest: bases are kept in f32.
pub const BOUND: f64 = 1e-6;

/// ΔW of each module of a library's file, (d_out, d_in).
pub type Updates = BTreeMap<String, Mat<f64>>;

/// A file or folder that a library wrote.
pub fn library(name: &str) -> PathBuf {
    ["tests", "data", "libraries", name].iter().collect()
}

/// The library's own updates, by canonical name.
pub fn expected(case: &str) -> Updates {
    let bytes = std::fs::read(library("expected").join(format!("{case}.safetensors"))).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let matrix = |view: &safetensors::tensor::TensorView<'_>| {
        let number = |at: usize| f64::from_le_bytes(view.data()[8 * at..8 * at + 8].try_into().unwrap());
        let [rows, cols] = view.shape() else { panic!("{:?}", view.shape()) };
        Mat::from_fn(*rows, *cols, |i, j| number(i * cols + j))
    };
    tensors.iter().map(|(name, view)| (name.to_owned(), matrix(&view))).collect()
}

/// The file has these modules and no others, each with the library's ΔW.
pub fn check(adapter: &Adapter, updates: &Updates) {
    let mut names: Vec<&str> = adapter.modules().iter().map(|module| module.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, updates.keys().collect::<Vec<_>>());
    for module in adapter.modules() {
        check_module(module, &updates[&module.name]);
    }
}

fn check_module(module: &Module, update: &Mat<f64>) {
    let name = &module.name;
    assert_eq!((module.d_out(), module.d_in()), update.shape(), "{name}");
    let product = product(module);
    let scale = update.norm_max();
    assert!((&product - update).norm_max() < BOUND * scale, "{name}: another ΔW");
    let theirs = update.singular_values().unwrap();
    let rank = theirs.iter().filter(|sigma| **sigma > 1e-10 * theirs[0]).count();
    for side in [Side::DwRight, Side::DwLeft] {
        let basis = Basis::of(module, side).unwrap();
        assert_eq!(basis.q(), rank, "{name} {side}");
        for (ours, theirs) in basis.sigma().iter().zip(&theirs) {
            assert!((ours - theirs).abs() < BOUND * basis.sigma()[0], "{name} {side}: {ours} for {theirs}");
        }
        // All of ΔW lies in the space of the basis, which has no more directions than ΔW.
        let v = Mat::from_fn(basis.d(), rank, |i, k| f64::from(basis.rows()[k * basis.d() + i]));
        let x = if side == Side::DwRight { update.transpose().to_owned() } else { update.clone() };
        let outside = &x - &v * (v.transpose() * &x);
        assert!(outside.norm_l2() < BOUND * x.norm_l2(), "{name} {side}: {:e}", outside.norm_l2());
    }
}

/// s·B·A, with s = 1 where the file does not have it.
fn product(module: &Module) -> Mat<f64> {
    let mat =
        |matrix: Matrix| Mat::from_fn(matrix.rows, matrix.cols, |i, j| matrix.values[i * matrix.cols + j]);
    let (a, b) = (mat(module.a.read().unwrap()), mat(module.b.read().unwrap()));
    (b * a) * faer::Scale(module.scaling.unwrap_or(1.0))
}
