//! Factors that are not read as they lie in the file, in every type that numbers are stored in: transposed, every n-th
//! column, some of the rows, scaled rows, and the strides that torch and numpy write.

mod common;

use std::path::Path;

use common::torch::{archive, pair_with, pickle, tensor};
use half::{bf16, f16};
use lorascope::{Adapter, Dtype, Factor, Method};
use safetensors::tensor::{Dtype as Stored, TensorView};
use zip::CompressionMethod;

const DTYPES: [Dtype; 4] = [Dtype::F64, Dtype::F32, Dtype::F16, Dtype::Bf16];

/// A matrix of whole numbers that every type holds as they are, no two alike in one of up to 251.
#[derive(Clone)]
struct Numbers {
    cols: usize,
    values: Vec<f64>,
}

impl Numbers {
    fn new(rows: usize, cols: usize, seed: usize) -> Self {
        let value = |at: usize| ((at * 37 + seed) % 251) as f64 - 125.0;
        Self { cols, values: (0..rows * cols).map(value).collect() }
    }

    /// The matrix of these rows and columns.
    fn part(&self, rows: impl IntoIterator<Item = usize>, cols: impl IntoIterator<Item = usize>) -> Self {
        let cols: Vec<usize> = cols.into_iter().collect();
        let row = |row: usize| cols.iter().map(move |col| self.values[row * self.cols + col]);
        Self { values: rows.into_iter().flat_map(row).collect(), cols: cols.len() }
    }

    fn transposed(&self) -> Self {
        let n_rows = self.values.len() / self.cols;
        let values = (0..self.cols).flat_map(|col| self.part(0..n_rows, [col]).values).collect();
        Self { cols: n_rows, values }
    }

    fn stored(&self, dtype: Dtype) -> Vec<u8> {
        let values = self.values.iter();
        match dtype {
            Dtype::F64 => values.flat_map(|value| value.to_le_bytes()).collect(),
            Dtype::F32 => values.flat_map(|value| (*value as f32).to_le_bytes()).collect(),
            Dtype::F16 => values.flat_map(|value| f16::from_f64(*value).to_le_bytes()).collect(),
            Dtype::Bf16 => values.flat_map(|value| bf16::from_f64(*value).to_le_bytes()).collect(),
            other => panic!("{other} does not have these numbers"),
        }
    }
}

#[track_caller]
fn assert_reads(factor: &Factor, expected: &Numbers, dtype: Dtype) {
    let matrix = factor.read().unwrap();
    assert_eq!((factor.rows, factor.cols), (matrix.rows, matrix.cols), "{dtype} {}", factor.name);
    assert_eq!((matrix.dtype, matrix.cols), (dtype, expected.cols), "{dtype} {}", factor.name);
    assert_eq!(matrix.values, expected.values, "{dtype} {}", factor.name);
}

/// A safetensors file of these matrices.
fn file(dtype: Dtype, tensors: &[(&str, &Numbers)]) -> Vec<u8> {
    let stored_as = match dtype {
        Dtype::F64 => Stored::F64,
        Dtype::F32 => Stored::F32,
        Dtype::F16 => Stored::F16,
        Dtype::Bf16 => Stored::BF16,
        other => panic!("{other} does not have these numbers"),
    };
    let bytes: Vec<Vec<u8>> = tensors.iter().map(|(_, numbers)| numbers.stored(dtype)).collect();
    let views = tensors.iter().zip(&bytes).map(|((name, numbers), bytes)| {
        let shape = vec![numbers.values.len() / numbers.cols, numbers.cols];
        ((*name).to_owned(), TensorView::new(stored_as, shape, bytes).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

fn open(dtype: Dtype, tensors: &[(&str, &Numbers)]) -> Adapter {
    Adapter::from_bytes("x.safetensors", file(dtype, tensors)).unwrap()
}

#[test]
fn mlx_stores_both_factors_transposed() {
    let (a, b) = (Numbers::new(5, 2, 1), Numbers::new(2, 7, 2));
    for dtype in DTYPES {
        let adapter = open(dtype, &[("m.lora_a", &a), ("m.lora_b", &b)]);
        let module = adapter.module("m").unwrap();
        assert_reads(&module.a, &a.transposed(), dtype);
        assert_reads(&module.b, &b.transposed(), dtype);
    }
}

#[test]
fn a_transposed_fused_weight_is_cut_by_its_columns() {
    let (a, b) = (Numbers::new(4, 2, 3), Numbers::new(2, 12, 4));
    for dtype in DTYPES {
        let adapter = open(dtype, &[("h.0.attn.c_attn.lora_a", &a), ("h.0.attn.c_attn.lora_b", &b)]);
        for (part, columns) in [("q", 0..4), ("k", 4..8), ("v", 8..12)] {
            let module = adapter.module(&format!("h.0.attn.c_attn.{part}")).unwrap();
            assert_reads(&module.a, &a.transposed(), dtype);
            assert_reads(&module.b, &b.part(0..2, columns).transposed(), dtype);
        }
    }
}

#[test]
fn a_fused_weight_is_cut_by_its_rows() {
    let (a, b) = (Numbers::new(2, 4, 5), Numbers::new(18, 2, 6));
    let parts = [("attn.to_q", 0..4), ("attn.to_k", 4..8), ("attn.to_v", 8..12), ("proj_mlp", 12..18)];
    for dtype in DTYPES {
        let name = |end: &str| format!("single_blocks.3.linear1.{end}.weight");
        let adapter = open(dtype, &[(&name("lora_A"), &a), (&name("lora_B"), &b)]);
        assert_eq!(adapter.modules().len(), parts.len());
        for (part, rows) in parts.clone() {
            let module = adapter.module(&format!("single_transformer_blocks.3.{part}")).unwrap();
            assert_reads(&module.a, &a, dtype);
            assert_reads(&module.b, &b.part(rows, 0..2), dtype);
        }
    }
}

#[test]
fn each_group_of_a_merged_linear_has_its_own_rows_of_both_factors() {
    let (a, b) = (Numbers::new(6, 5, 7), Numbers::new(12, 2, 8));
    for dtype in DTYPES {
        let adapter = open(dtype, &[("m.lora_A", &a), ("m.lora_B", &b)]);
        assert_eq!(adapter.modules().len(), 3);
        for (group, part) in ["q", "k", "v"].into_iter().enumerate() {
            let module = adapter.module(&format!("m.{part}")).unwrap();
            assert_reads(&module.a, &a.part(2 * group..2 * group + 2, 0..5), dtype);
            assert_reads(&module.b, &b.part(4 * group..4 * group + 4, 0..2), dtype);
        }
    }
}

#[test]
fn each_expert_has_every_nth_column_of_b() {
    let (rank, n_experts) = (2, 3);
    let (a, b) = (Numbers::new(n_experts * rank, 4, 9), Numbers::new(5, rank * n_experts, 10));
    let config =
        r#"{"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_parameters": ["mlp.experts.up_proj"]}"#;
    for dtype in DTYPES {
        let folder = tempfile::tempdir().unwrap();
        let name = |end: &str| format!("base_model.model.layers.0.mlp.experts.{end}.weight");
        let bytes = file(dtype, &[(&name("lora_A"), &a), (&name("lora_B"), &b)]);
        std::fs::write(folder.path().join("adapter_model.safetensors"), bytes).unwrap();
        std::fs::write(folder.path().join("adapter_config.json"), config).unwrap();
        let adapter = Adapter::open(folder.path()).unwrap();
        assert_eq!(adapter.modules().len(), n_experts);
        for expert in 0..n_experts {
            let module = adapter.module(&format!("layers.0.mlp.experts.{expert}.up_proj")).unwrap();
            assert_reads(&module.a, &a.part(rank * expert..rank * (expert + 1), 0..4), dtype);
            assert_reads(&module.b, &b.part(0..5, (0..rank).map(|k| k * n_experts + expert)), dtype);
        }
    }
}

#[test]
fn adaloras_e_scales_the_rows_of_a() {
    let (a, b, e) = (Numbers::new(3, 4, 11), Numbers::new(5, 3, 12), Numbers::new(3, 1, 14));
    let mut scaled = a.clone();
    for (row, e) in scaled.values.chunks_mut(4).zip(&e.values) {
        row.iter_mut().for_each(|value| *value *= e);
    }
    for dtype in DTYPES {
        let adapter = open(dtype, &[("m.lora_A", &a), ("m.lora_B", &b), ("m.lora_E", &e)]);
        assert_eq!(adapter.method(), Method::AdaLora);
        let module = adapter.module("m").unwrap();
        assert_reads(&module.a, &scaled, dtype);
        assert_reads(&module.b, &b, dtype);
    }
}

/// The opcodes of B, (4, 2), as a view of storage 1 of 24 numbers, and the places of its numbers there.
fn views() -> Vec<(Vec<u8>, [usize; 8])> {
    let view = |offset: i64, strides: [i64; 2]| {
        let place = |at: usize| offset as usize + at / 2 * strides[0] as usize + at % 2 * strides[1] as usize;
        (tensor("1", 24, offset, &[4, 2], &strides), std::array::from_fn(place))
    };
    let strides = [[2, 1], [4, 1], [2, 2], [1, 4], [1, 5], [6, 3], [5, 2]];
    strides.into_iter().flat_map(|strides| [view(0, strides), view(2, strides)]).collect()
}

#[test]
fn torchs_views_start_and_step_in_numbers_of_their_own_size() {
    let (a, storage) = (Numbers::new(2, 3, 15), Numbers::new(1, 24, 16));
    for (opcodes, places) in views() {
        let expected = Numbers { cols: 2, ..storage.part([0], places) };
        for (dtype, of_torch) in DTYPES.into_iter().zip(["Double", "Float", "Half", "BFloat16"]) {
            let opcodes = pickle(&pair_with(opcodes.clone()));
            let opcodes = replaced(&opcodes, b"FloatStorage", format!("{of_torch}Storage").as_bytes());
            let (a_bytes, b_bytes) = (a.stored(dtype), storage.stored(dtype));
            let members: [(&str, &[u8]); 3] =
                [("x/data.pkl", &opcodes), ("x/data/0", &a_bytes), ("x/data/1", &b_bytes)];
            for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
                let adapter = Adapter::from_bytes("x.pt", archive(&members, method)).unwrap();
                let module = adapter.module("m").unwrap();
                assert_reads(&module.a, &a, dtype);
                assert_reads(&module.b, &expected, dtype);
            }
        }
    }
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let (mut result, mut rest) = (vec![], bytes);
    while let Some(at) = rest.windows(from.len()).position(|window| window == from) {
        result.extend_from_slice(&rest[..at]);
        result.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    result.extend_from_slice(rest);
    result
}

/// A `.npy` file.
fn npy(descr: &str, shape: &str, is_fortran: bool, numbers: &[u8]) -> Vec<u8> {
    let order = if is_fortran { "True" } else { "False" };
    let header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
    let length = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\0", &length[..], header.as_bytes(), numbers].concat()
}

/// The same of a matrix, column after column or row after row.
fn array(dtype: Dtype, numbers: &Numbers, is_fortran: bool) -> Vec<u8> {
    let descr = match dtype {
        Dtype::F64 => "<f8",
        Dtype::F32 => "<f4",
        Dtype::F16 => "<f2",
        // As MLX writes it: numpy has no such type.
        Dtype::Bf16 => "<V2",
        other => panic!("{other} does not have these numbers"),
    };
    let shape = format!("({}, {})", numbers.values.len() / numbers.cols, numbers.cols);
    let in_order = if is_fortran { numbers.transposed() } else { numbers.clone() };
    npy(descr, &shape, is_fortran, &in_order.stored(dtype))
}

#[test]
fn numpys_arrays_are_read_in_either_order_and_transposed_for_mlx() {
    let (a, b) = (Numbers::new(5, 2, 17), Numbers::new(2, 7, 18));
    for dtype in DTYPES {
        for is_fortran in [false, true] {
            for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
                let [a_npy, b_npy] = [&a, &b].map(|numbers| array(dtype, numbers, is_fortran));
                let members: [(&str, &[u8]); 2] = [("m.lora_a.npy", &a_npy), ("m.lora_b.npy", &b_npy)];
                let adapter = Adapter::from_bytes("adapters.npz", archive(&members, method)).unwrap();
                let module = adapter.module("m").unwrap();
                assert_eq!(module.a.path(), Path::new("adapters.npz"));
                assert_reads(&module.a, &a.transposed(), dtype);
                assert_reads(&module.b, &b.transposed(), dtype);
            }
        }
    }
}

#[test]
fn each_alpha_is_read_from_its_own_member_of_an_archive() {
    let numbers = |descr: &str, shape: &str, numbers: &[f32]| {
        npy(descr, shape, false, &numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>())
    };
    let members: Vec<(String, Vec<u8>)> = [("one", 3.0), ("two", 5.0)]
        .into_iter()
        .flat_map(|(name, alpha)| {
            [
                (format!("lora_unet_{name}.lora_down.weight.npy"), numbers("<f4", "(1, 2)", &[1.0, 2.0])),
                (format!("lora_unet_{name}.lora_up.weight.npy"), numbers("<f4", "(2, 1)", &[1.0, 2.0])),
                (format!("lora_unet_{name}.alpha.npy"), numbers("<f4", "()", &[alpha])),
            ]
        })
        .collect();
    let members: Vec<(&str, &[u8])> = members.iter().map(|(name, bytes)| (&name[..], &bytes[..])).collect();
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let adapter = Adapter::from_bytes("x.npz", archive(&members, method)).unwrap();
        let alphas: Vec<_> =
            adapter.modules().iter().map(|module| (&module.name[..], module.alpha)).collect();
        assert_eq!(alphas, [("one", Some(3.0)), ("two", Some(5.0))]);
    }
}
