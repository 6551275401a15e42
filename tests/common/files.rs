//! Checkpoint files for tests: the real ones, and ones made here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use lorascope::{Adapter, Dtype, Error};

/// Every number of every factor, by the factor's name, with its shape and type.
pub type Numbers = BTreeMap<String, (usize, usize, Dtype, Vec<f64>)>;

/// The numbers of an adapter.
pub fn numbers(adapter: &Adapter) -> Numbers {
    let factors = adapter.modules().iter().flat_map(|module| [&module.a, &module.b]);
    let read = factors.map(|factor| {
        let matrix = factor.read().unwrap();
        assert_eq!((matrix.rows, matrix.cols, matrix.dtype), (factor.rows, factor.cols, factor.dtype));
        (factor.name.clone(), (matrix.rows, matrix.cols, matrix.dtype, matrix.values))
    });
    read.collect()
}

/// The same numbers, said to be of another type.
pub fn of_dtype(numbers: Numbers, dtype: Dtype) -> Numbers {
    let other = |(name, (rows, cols, _, values))| (name, (rows, cols, dtype, values));
    numbers.into_iter().map(other).collect()
}

/// A real file or folder under `tests/data/adapters/`.
pub fn data(name: &str) -> PathBuf {
    ["tests", "data", "adapters", name].iter().collect()
}

/// A safetensors file with this header text and so many zeros as data.
pub fn container(header: impl AsRef<[u8]>, n_data_bytes: usize) -> Vec<u8> {
    let header = header.as_ref();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header);
    bytes.resize(bytes.len() + n_data_bytes, 0);
    bytes
}

/// A safetensors file of F32 zeros with these names and shapes.
pub fn zeros(tensors: &[(&str, &[usize])]) -> Vec<u8> {
    let (mut entries, mut end) = (Vec::new(), 0);
    for (name, shape) in tensors {
        let start = end;
        end += 4 * shape.iter().product::<usize>();
        let name = serde_json::to_string(name).unwrap();
        entries.push(format!(r#"{name}:{{"dtype":"F32","shape":{shape:?},"data_offsets":[{start},{end}]}}"#));
    }
    container(format!("{{{}}}", entries.join(",")), end)
}

/// An adapter of rank 1 with PEFT's names and these modules: (name, d_in, d_out).
pub fn adapter(label: &str, modules: &[(&str, usize, usize)]) -> Adapter {
    let names: Vec<String> =
        modules.iter().map(|(name, ..)| format!("base_model.model.{name}.lora_")).collect();
    let shapes: Vec<[[usize; 2]; 2]> =
        modules.iter().map(|&(_, d_in, d_out)| [[1, d_in], [d_out, 1]]).collect();
    let names: Vec<[String; 2]> =
        names.iter().map(|name| [format!("{name}A.weight"), format!("{name}B.weight")]).collect();
    let tensors: Vec<(&str, &[usize])> = names
        .iter()
        .flatten()
        .zip(shapes.iter().flatten())
        .map(|(name, shape)| (name.as_str(), &shape[..]))
        .collect();
    Adapter::from_bytes(label, zeros(&tensors)).unwrap()
}

/// What opening these bytes as `x.safetensors` complains about, without the file's name.
pub fn complaint(bytes: Vec<u8>) -> String {
    let error = Adapter::from_bytes("x.safetensors", bytes).expect_err("it must be refused");
    without_path(&error)
}

fn without_path(error: &Error) -> String {
    let message = error.to_string();
    assert!(!message.contains('\n'), "more than one line: {message}");
    message.strip_prefix("x.safetensors: ").expect("the file comes first").to_owned()
}
