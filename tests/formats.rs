//! Safetensors files that break the format: each is an error that says what is wrong, and none is a panic.

mod common;

use std::collections::BTreeMap;

use common::files::{complaint, container, data, zeros};
use lorascope::{Adapter, Error, Limits};
use proptest::prelude::*;
use safetensors::tensor::{Dtype, TensorView};

const A: &str = r#""m.lora_A.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}"#;
const B: &str = r#""m.lora_B.weight":{"dtype":"F32","shape":[4,2],"data_offsets":[24,56]}"#;

/// A valid pair of factors, with `changed` in the place of B's entry.
fn with_b(changed: &str) -> Vec<u8> {
    container(format!("{{{A},{changed}}}"), 56)
}

/// A valid pair of factors beside another entry, with so many bytes of data in all.
fn beside(entry: &str, n_data_bytes: usize) -> Vec<u8> {
    container(format!("{{{A},{B},{entry}}}"), n_data_bytes)
}

/// Reads every factor, for tests that only want no panic.
fn read_all(bytes: Vec<u8>) -> Result<(), Error> {
    let adapter = Adapter::from_bytes("x.safetensors", bytes)?;
    for module in adapter.modules() {
        module.a.read()?;
        module.b.read()?;
    }
    Ok(())
}

#[test]
fn the_pair_that_these_tests_break_is_valid() {
    read_all(with_b(B)).unwrap();
    read_all(beside(r#""n":{"dtype":"F32","shape":[1],"data_offsets":[56,60]}"#, 60)).unwrap();
}

#[test]
fn rejects_a_huge_header_length() {
    let mut bytes = with_b(B);
    let n_there = bytes.len() - 8;
    bytes[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let error = Adapter::from_bytes("x", bytes).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "x: header: found a length of 18446744073709551615 bytes, expected at most {n_there}, all that the file holds"
        )
    );
    assert_eq!(error.hint().as_deref(), Some("this may not be a safetensors file at all"));
}

#[test]
fn rejects_a_header_length_past_the_end() {
    let mut bytes = with_b(B);
    let n_there = bytes.len() - 8;
    bytes[..8].copy_from_slice(&(n_there as u64 + 1).to_le_bytes());
    assert_eq!(
        complaint(bytes),
        format!(
            "header: found a length of {} bytes, expected at most {n_there}, all that the file holds",
            n_there + 1
        )
    );
}

#[test]
fn rejects_a_file_shorter_than_the_header_length() {
    assert_eq!(
        complaint(vec![9, 0, 0]),
        "header: found a file of 3 bytes, expected 8 bytes of header length"
    );
}

#[test]
fn rejects_a_header_without_anything() {
    assert_eq!(complaint(vec![0; 64]), "header: found nothing, expected `{`");
}

#[test]
fn rejects_a_header_that_is_not_utf8() {
    assert_eq!(
        complaint(container(b"{\"a\xff\": 1}", 0)),
        "header: found a byte that is not UTF-8 at position 3, expected UTF-8 text"
    );
}

#[test]
fn rejects_a_header_that_is_not_an_object() {
    assert_eq!(complaint(container("[1, 2]", 0)), "header: found the byte 0x5b at its start, expected `{`");
}

#[test]
fn rejects_text_behind_the_object() {
    let message = complaint(container("{} {}", 0));
    assert_eq!(
        message,
        "header: found JSON that cannot be read (trailing characters at line 1 column 4), expected an object with one \
         entry for each tensor"
    );
}

#[test]
fn accepts_spaces_behind_the_object() {
    read_all(container(format!("{{{A},{B}}}   "), 56)).unwrap();
}

#[test]
fn rejects_a_tensor_that_is_there_twice() {
    let message = complaint(container(format!("{{{A},{B},{A}}}"), 56));
    assert!(
        message
            .starts_with("tensor `m.lora_A.weight`: found JSON that cannot be read (the name is there twice")
    );
}

#[test]
fn rejects_a_field_that_is_there_twice() {
    let message = complaint(with_b(
        r#""m.lora_B.weight":{"dtype":"F32","dtype":"F16","shape":[4,2],"data_offsets":[24,56]}"#,
    ));
    assert!(
        message
            .starts_with("tensor `m.lora_B.weight`: found JSON that cannot be read (duplicate field `dtype`")
    );
}

#[test]
fn rejects_an_entry_without_shape() {
    let message = complaint(with_b(r#""m.lora_B.weight":{"dtype":"F32","data_offsets":[24,56]}"#));
    assert_eq!(
        message,
        "tensor `m.lora_B.weight`: found JSON that cannot be read (missing field `shape` at line 1 column 127), \
         expected an entry with dtype, shape and data_offsets"
    );
}

#[test]
fn rejects_overlapping_data() {
    assert_eq!(
        complaint(with_b(r#""m.lora_B.weight":{"dtype":"F32","shape":[4,2],"data_offsets":[20,52]}"#)),
        "tensor `m.lora_B.weight`: found data from byte 20, inside `m.lora_A.weight`, expected from byte 24"
    );
}

#[test]
fn rejects_a_hole_in_the_data() {
    assert_eq!(
        complaint(with_b(r#""m.lora_B.weight":{"dtype":"F32","shape":[3,2],"data_offsets":[32,56]}"#)),
        "tensor `m.lora_B.weight`: found data from byte 32, after a hole of 8 bytes, expected from byte 24"
    );
}

#[test]
fn rejects_data_behind_the_end_of_the_file() {
    let error = Adapter::from_bytes("x", container(format!("{{{A},{B}}}"), 50)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "x: tensor `m.lora_B.weight`: found data up to byte 56, expected at most 50, all that the file holds \
         (6 bytes are missing)"
    );
    assert_eq!(error.hint().as_deref(), Some("the file was cut short: download or copy it again"));
}

#[test]
fn rejects_offsets_that_run_backwards() {
    assert_eq!(
        complaint(with_b(r#""m.lora_B.weight":{"dtype":"F32","shape":[4,2],"data_offsets":[56,24]}"#)),
        "tensor `m.lora_B.weight`: found data_offsets [56, 24], expected the start before the end"
    );
}

#[test]
fn rejects_bytes_behind_the_last_tensor() {
    assert_eq!(
        complaint(container(format!("{{{A},{B}}}"), 63)),
        "found 7 bytes after the last tensor, expected none"
    );
}

#[test]
fn rejects_a_shape_whose_product_overflows() {
    let shape = "[4294967296,4294967296,2]";
    let message = complaint(with_b(&format!(
        r#""m.lora_B.weight":{{"dtype":"F32","shape":{shape},"data_offsets":[24,56]}}"#
    )));
    assert_eq!(
        message,
        "tensor `m.lora_B.weight`: found shape [4294967296, 4294967296, 2], expected fewer than 2^64 bits"
    );
}

#[test]
fn rejects_a_size_in_bits_that_overflows() {
    let message = complaint(with_b(
        r#""m.lora_B.weight":{"dtype":"F64","shape":[1152921504606846976],"data_offsets":[24,56]}"#,
    ));
    assert!(message.ends_with("expected fewer than 2^64 bits"), "{message}");
}

#[test]
fn rejects_a_shape_that_does_not_fit_its_data() {
    assert_eq!(
        complaint(with_b(r#""m.lora_B.weight":{"dtype":"F32","shape":[4,3],"data_offsets":[24,56]}"#)),
        "tensor `m.lora_B.weight`: found 32 bytes of data, expected 48 for shape [4, 3] of F32"
    );
}

#[test]
fn rejects_negative_and_broken_numbers_in_shapes_and_offsets() {
    for (shape, offsets) in [
        ("[-4,2]", "[24,56]"),
        ("[4.0,2]", "[24,56]"),
        ("[1e1,2]", "[24,56]"),
        ("[\"4\",2]", "[24,56]"),
        ("[99999999999999999999,2]", "[24,56]"),
        ("4", "[24,56]"),
        ("[4,2]", "[-24,56]"),
        ("[4,2]", "[24]"),
        ("[4,2]", "[24,56,60]"),
        ("null", "[24,56]"),
    ] {
        let entry =
            format!(r#""m.lora_B.weight":{{"dtype":"F32","shape":{shape},"data_offsets":{offsets}}}"#);
        let message = complaint(with_b(&entry));
        assert!(
            message.starts_with("tensor `m.lora_B.weight`: found JSON that cannot be read ("),
            "{message}"
        );
    }
}

#[test]
fn rejects_more_dimensions_than_any_tensor_has() {
    let shape = format!("[{}1]", "1,".repeat(100_000));
    let entry = format!(r#""m.lora_B.weight":{{"dtype":"F32","shape":{shape},"data_offsets":[24,56]}}"#);
    let message = complaint(with_b(&entry));
    assert!(message.contains("more than 32 dimensions"), "{message}");
}

#[test]
fn rejects_a_header_nested_ten_thousand_deep() {
    for open in ["[", "{\"a\":"] {
        let header = format!("{{\"m\":{}", open.repeat(10_000));
        let message = complaint(container(header, 0));
        assert!(message.starts_with("tensor `m`: found JSON that cannot be read ("), "{message}");
    }
    let ignored = format!(
        r#""m.lora_B.weight":{{"x":{}1{},"dtype":"F32","shape":[4,2],"data_offsets":[24,56]}}"#,
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    // The value of an unknown field is skipped, however deep it is.
    read_all(with_b(&ignored)).unwrap();
}

#[test]
fn rejects_metadata_that_is_not_strings() {
    let message = complaint(container(format!(r#"{{"__metadata__":{{"epoch":3}},{A},{B}}}"#), 56));
    assert_eq!(
        message,
        "`__metadata__`: found JSON that cannot be read (invalid type: integer `3`, expected a string at line 1 column \
         26), expected an object of strings"
    );
}

#[test]
fn rejects_metadata_that_is_there_twice() {
    let metadata = r#""__metadata__":{"format":"pt"}"#;
    read_all(container(format!("{{{metadata},{A},{B}}}"), 56)).unwrap();
    let message = complaint(container(format!("{{{metadata},{A},{B},{metadata}}}"), 56));
    assert!(
        message.starts_with("`__metadata__`: found JSON that cannot be read (the name is there twice"),
        "{message}"
    );
}

#[test]
fn a_number_type_that_is_not_computed_from_only_matters_on_a_factor() {
    for (dtype, n) in [("I64", 8), ("F8_E4M3", 1), ("BOOL", 1), ("F4", 1), ("C64", 8), ("F8_NEW", 3)] {
        let entry = format!(r#""n":{{"dtype":"{dtype}","shape":[1],"data_offsets":[56,{}]}}"#, 56 + n);
        read_all(beside(&entry, 56 + n)).unwrap();
    }
    let f8 = r#""m.lora_B.weight":{"dtype":"F8_E8M0","shape":[4,2],"data_offsets":[24,32]}"#;
    let error = Adapter::from_bytes("x", container(format!("{{{A},{f8}}}"), 32)).unwrap_err();
    assert!(matches!(error, Error::Unsupported(_)));
    assert_eq!(
        error.to_string(),
        "x: tensor `m.lora_B.weight`: found numbers of type `F8_E8M0`, expected F64, F32, F16, BF16 or one of F8"
    );
}

#[test]
fn names_from_the_file_cannot_break_the_line() {
    let message = complaint(zeros(&[("m\n\u{1b}[2Jx.lora_A.weight", &[1, 1])]));
    assert!(message.contains("m\\n\\u{1b}[2Jx"), "{message}");
}

#[test]
fn limits_are_errors_of_their_own() {
    let path = data("seed0-r8-layer5");
    let plain = Limits::default();
    for (limits, message) in [
        (
            Limits { header_bytes: 100, ..plain.clone() },
            "header: found a length of 552 bytes, expected at most 100",
        ),
        (Limits { n_tensors: 3, ..plain.clone() }, "header: found 4 tensors or more, expected at most 3"),
        (
            Limits { factor_bytes: 12_287, ..plain.clone() },
            "tensor `base_model.model.encoder.layer.5.attention.self.query.lora_A.weight`: found 12288 bytes, expected \
             at most 12287",
        ),
        (Limits { config_bytes: 1122, ..plain.clone() }, "found 1123 bytes, expected at most 1122"),
    ] {
        let error = Adapter::open_with(&path, &limits).unwrap_err();
        assert!(matches!(error, Error::Limit(_)), "{error}");
        assert!(error.to_string().ends_with(message), "{error}");
    }
    let enough =
        Limits { header_bytes: 552, n_tensors: 4, factor_bytes: 12_288, config_bytes: 1123, ..plain };
    Adapter::open_with(&path, &enough).unwrap();
}

#[test]
fn every_truncation_of_a_small_file_is_an_error() {
    let whole = with_b(B);
    for n in 0..whole.len() {
        let error = Adapter::from_bytes("x", whole[..n].to_vec()).expect_err(&format!("cut at {n}"));
        assert!(matches!(error, Error::Malformed(_)), "cut at {n}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_the_safetensors_crate_writes_is_read_the_same(
        rank in 1usize..5,
        d_in in 1usize..9,
        d_out in 1usize..9,
        dtype in prop::sample::select(vec![Dtype::F64, Dtype::F32, Dtype::F16, Dtype::BF16]),
        seed in any::<u8>(),
    ) {
        let size = dtype.bitsize() / 8;
        // The top byte of each number stays under 0x3c, so that all are finite in every type.
        let numbers = |n: usize| -> Vec<u8> {
            (0..n * size).map(|at| (at as u8).wrapping_mul(seed | 1) % 0x3c).collect()
        };
        let (a, b) = (numbers(rank * d_in), numbers(d_out * rank));
        let views = BTreeMap::from([
            ("m.lora_A.weight", TensorView::new(dtype, vec![rank, d_in], &a).unwrap()),
            ("m.lora_B.weight", TensorView::new(dtype, vec![d_out, rank], &b).unwrap()),
        ]);
        let adapter = Adapter::from_bytes("x", safetensors::serialize(views, None).unwrap()).unwrap();
        let module = adapter.module("m").unwrap();
        prop_assert_eq!((module.rank(), module.d_in(), module.d_out()), (rank, d_in, d_out));
        for (factor, bytes) in [(&module.a, &a), (&module.b, &b)] {
            let matrix = factor.read().unwrap();
            prop_assert_eq!(matrix.values.len(), matrix.rows * matrix.cols);
            for (value, raw) in matrix.values.iter().zip(bytes.chunks(size)) {
                let mut back = match dtype {
                    Dtype::F64 => value.to_le_bytes().to_vec(),
                    Dtype::F32 => (*value as f32).to_le_bytes().to_vec(),
                    Dtype::F16 => half::f16::from_f64(*value).to_le_bytes().to_vec(),
                    _ => half::bf16::from_f64(*value).to_le_bytes().to_vec(),
                };
                back.truncate(size);
                prop_assert_eq!(back, raw);
            }
        }
    }

    #[test]
    fn flipped_bits_in_a_real_file_never_panic(flips in prop::collection::vec((0usize..700, 0u8..8), 1..4)) {
        let mut bytes = std::fs::read(data("seed0-r8-layer5/adapter_model.safetensors")).unwrap();
        for (at, bit) in flips {
            bytes[at] ^= 1 << bit;
        }
        if let Err(error) = read_all(bytes) {
            prop_assert!(error.to_string().starts_with("x.safetensors: "), "{}", error);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(read_all(container(&bytes, 0)).is_err());
        prop_assert!(read_all(bytes).is_err());
    }
}
