//! Adapters of planted factors, and what they are by the definition.

use std::fs;
use std::path::Path;

use faer::Mat;
use lorascope::Adapter;
use safetensors::tensor::{Dtype, TensorView};

use super::checkpoints::numbers;

/// One module: B·A without its scaling.
#[derive(Clone)]
pub struct Planted {
    pub name: &'static str,
    /// (r, d_in).
    pub a: Mat<f64>,
    /// (d_out, r).
    pub b: Mat<f64>,
}

impl Planted {
    /// Seeded numbers between −1 and 1.
    pub fn random(name: &'static str, r: usize, d_in: usize, d_out: usize, seed: u64) -> Self {
        Self { name, a: random(r, d_in, 2 * seed), b: random(d_out, r, 2 * seed + 1) }
    }

    /// B·A.
    pub fn product(&self) -> Mat<f64> {
        &self.b * &self.a
    }

    /// The same with B times a factor.
    pub fn times(&self, factor: f64) -> Self {
        Self { b: &self.b * faer::Scale(factor), ..self.clone() }
    }
}

/// Seeded numbers between −1 and 1.
pub fn random(rows: usize, cols: usize, seed: u64) -> Mat<f64> {
    let numbers = numbers(seed, rows * cols);
    Mat::from_fn(rows, cols, |i, j| numbers[i * cols + j])
}

/// The bytes of a .safetensors file with these modules, in F64, under PEFT's names.
pub fn bytes(modules: &[Planted]) -> Vec<u8> {
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = modules
        .iter()
        .flat_map(|module| {
            [("A", &module.a), ("B", &module.b)].map(|(factor, matrix)| (module, factor, matrix))
        })
        .map(|(module, factor, matrix)| {
            let numbers = (0..matrix.nrows()).flat_map(|i| (0..matrix.ncols()).map(move |j| matrix[(i, j)]));
            let bytes = numbers.flat_map(f64::to_le_bytes).collect();
            let name = format!("base_model.model.{}.lora_{factor}.weight", module.name);
            (name, vec![matrix.nrows(), matrix.ncols()], bytes)
        })
        .collect();
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| (name, TensorView::new(Dtype::F64, shape.clone(), bytes).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

/// The adapter without a config, so that its scaling is not known.
pub fn adapter(label: &str, modules: &[Planted]) -> Adapter {
    Adapter::from_bytes(label, bytes(modules)).unwrap()
}

/// Writes a PEFT folder whose scaling is alpha/r.
pub fn write(folder: &Path, modules: &[Planted], alpha: f64) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("adapter_model.safetensors"), bytes(modules)).unwrap();
    let r = modules[0].a.nrows();
    let config =
        format!(r#"{{"peft_type":"LORA","base_model_name_or_path":"base","r":{r},"lora_alpha":{alpha}}}"#);
    fs::write(folder.join("adapter_config.json"), config).unwrap();
}
