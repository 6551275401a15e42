//! Full models that tests write, and what is found in them.

mod change;
mod files;
mod names;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use half::{bf16, f16};
use safetensors::tensor::{Dtype as Stored, TensorView};

use super::*;
use crate::adapter::{Adapter, Dtype, Matrix, Module, Side};
use crate::basis::range_finder::Dense;
use crate::basis::range_finder::HowMany;
use crate::basis::{Basis, Flaw, Numbers, Wanted};
use crate::error::{Error, Remedy};
use crate::formats::OpenOptions;

/// A tensor: name, shape, numbers.
type Tensor<'a> = (&'a str, Vec<usize>, Vec<f64>);

fn bytes(values: &[f64], dtype: Stored) -> Vec<u8> {
    let number = |&value: &f64| match dtype {
        Stored::F32 => (value as f32).to_le_bytes().to_vec(),
        Stored::BF16 => bf16::from_f64(value).to_le_bytes().to_vec(),
        Stored::F16 => f16::from_f64(value).to_le_bytes().to_vec(),
        other => panic!("{other:?}"),
    };
    values.iter().flat_map(number).collect()
}

fn write_as(path: &Path, dtype: Stored, tensors: &[Tensor<'_>]) {
    let stored: Vec<_> =
        tensors.iter().map(|(name, shape, values)| (*name, shape.clone(), bytes(values, dtype))).collect();
    let views = stored
        .iter()
        .map(|(name, shape, bytes)| (*name, TensorView::new(dtype, shape.clone(), bytes).unwrap()));
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

fn write(path: &Path, tensors: &[Tensor<'_>]) {
    write_as(path, Stored::F32, tensors);
}

fn counting<'a>(name: &'a str, shape: &[usize]) -> Tensor<'a> {
    let n: usize = shape.iter().product();
    (name, shape.to_vec(), (0..n).map(|n| n as f64).collect())
}

/// Writes shards of one tensor each, and the index.
fn write_split(folder: &Path, dtype: Stored, tensors: &[Tensor<'_>]) {
    fs::create_dir_all(folder).unwrap();
    let shard = |at: usize| format!("model-{:05}-of-{:05}.safetensors", at + 1, tensors.len());
    for (at, tensor) in tensors.iter().enumerate() {
        write_as(&folder.join(shard(at)), dtype, std::slice::from_ref(tensor));
    }
    let map: Vec<(&str, String)> =
        tensors.iter().enumerate().map(|(at, (name, ..))| (*name, shard(at))).collect();
    write_index(folder, &map);
}

fn write_index(folder: &Path, map: &[(&str, String)]) {
    let map: std::collections::BTreeMap<_, _> = map.iter().cloned().collect();
    let text = serde_json::json!({"metadata": {"total_size": 1}, "weight_map": map}).to_string();
    fs::write(folder.join("model.safetensors.index.json"), text).unwrap();
}

fn open(path: &Path) -> Result<BaseModel> {
    BaseModel::open_with(path, &Limits::default())
}

fn message(path: &Path) -> String {
    let message = open(path).unwrap_err().to_string();
    assert!(!message.contains('\n'), "{message}");
    message
}

fn read(base: &BaseModel, module: &str) -> Matrix {
    base.weight(module).unwrap().expect(module).read().unwrap()
}

/// The change of a model from a base, of which so many directions are kept.
fn trained(model: &Path, base: &Path, n_kept: usize) -> Result<Adapter> {
    OpenOptions::new().base(open(base).unwrap(), HowMany::AboveNoise { at_most: n_kept }).open(model)
}

const VALUE: &str = "encoder.layer.5.attention.self.value";
const QUERY: &str = "encoder.layer.5.attention.self.query";
const LORA: &str = "tests/data/adapters/seed0-r8-layer5";

/// A real weight, and the same with its rows in reverse.
fn real() -> [Matrix; 2] {
    let base = open("tests/data/weights/value-layer5.safetensors".as_ref()).unwrap();
    let value = read(&base, VALUE);
    let reversed = value.values.chunks(value.cols).rev().flatten().copied().collect();
    [Matrix { values: reversed, ..value.clone() }, value]
}

/// A, and the rows of B that a weight of this size has.
fn factors(module: &Module, d_out: usize) -> [Matrix; 2] {
    [module.a.read().unwrap(), module.b.clone().row_range(0..d_out).read().unwrap()]
}

/// W + s·B·A.
fn merged(weight: &[f64], a: &Matrix, b: &Matrix, scaling: f64) -> Vec<f64> {
    let change = |i: usize, j: usize| -> f64 {
        (0..a.rows).map(|k| b.values[i * b.cols + k] * a.values[k * a.cols + j]).sum()
    };
    weight.iter().enumerate().map(|(at, w)| w + scaling * change(at / a.cols, at % a.cols)).collect()
}

/// The sine of the largest angle between a direction of one space and the other space.
fn outside(one: &Basis, other: &Basis) -> f64 {
    let rows = |basis: &Basis| -> Vec<Vec<f64>> {
        basis.rows().chunks(basis.d()).map(|row| row.iter().map(|&x| f64::from(x)).collect()).collect()
    };
    let other = rows(other);
    let left_of = |row: &Vec<f64>| {
        let mut rest = row.clone();
        for axis in &other {
            let dot: f64 = row.iter().zip(axis).map(|(x, y)| x * y).sum();
            rest.iter_mut().zip(axis).for_each(|(x, y)| *x -= dot * y);
        }
        rest.iter().map(|x| x * x).sum::<f64>().sqrt()
    };
    rows(one).iter().map(left_of).fold(0.0, f64::max)
}
