//! Checkpoints that torch and numpy wrote, against the same numbers as safetensors.

mod common;

use common::files::{data, numbers};
use lorascope::{Adapter, Dtype};

fn torch(name: &str) -> Adapter {
    Adapter::open(data(&format!("torch/{name}"))).unwrap()
}

fn assert_holds_the_numbers_of(expected: &str, file_format: &str, names: &[&str]) {
    let expected = numbers(&torch(expected));
    for name in names {
        let adapter = torch(name);
        assert_eq!(
            (adapter.file_format().name(), adapter.naming_scheme().name()),
            (file_format, "PEFT"),
            "{name}"
        );
        assert_eq!(numbers(&adapter), expected, "{name}");
    }
}

#[test]
fn the_numbers_that_all_are_compared_with_are_no_zeros() {
    let numbers = numbers(&torch("tiny-f32.safetensors"));
    assert_eq!(numbers.len(), 8);
    assert!(numbers.values().all(|(rows, cols, _, values)| {
        values.len() == rows * cols && values.iter().all(|value| *value != 0.0)
    }));
}

#[test]
fn every_type_is_read_from_both_of_torchs_formats() {
    for dtype in ["f64", "f32", "f16", "bf16"] {
        let expected = format!("tiny-{dtype}.safetensors");
        assert_holds_the_numbers_of(&expected, "torch zip", &[&format!("tiny-{dtype}.pt")]);
        assert_holds_the_numbers_of(&expected, "torch legacy", &[&format!("tiny-{dtype}-legacy.pt")]);
    }
}

#[test]
fn transposed_and_sliced_views_of_shared_storages_are_read_by_their_strides() {
    let expected = "tiny-f32.safetensors";
    let zip = ["tiny-f32-transposed.pt", "tiny-f32-sliced.pt"];
    assert_holds_the_numbers_of(expected, "torch zip", &zip);
    let legacy = ["tiny-f32-transposed-legacy.pt", "tiny-f32-sliced-legacy.pt"];
    assert_holds_the_numbers_of(expected, "torch legacy", &legacy);
}

#[test]
fn every_protocol_is_read() {
    let zip = ["tiny-f32-protocol3.pt", "tiny-f32-protocol4.pt", "tiny-f32-protocol5.pt"];
    assert_holds_the_numbers_of("tiny-f32.safetensors", "torch zip", &zip);
    let legacy = ["tiny-f32-protocol4-legacy.pt"];
    assert_holds_the_numbers_of("tiny-f32.safetensors", "torch legacy", &legacy);
}

#[test]
fn a_state_dict_is_found_among_what_a_trainer_keeps_beside_it() {
    assert_holds_the_numbers_of("tiny-f32.safetensors", "torch zip", &["tiny-f32-checkpoint.pt"]);
    let legacy = ["tiny-f32-checkpoint-legacy.pt"];
    assert_holds_the_numbers_of("tiny-f32.safetensors", "torch legacy", &legacy);
}

#[test]
fn compressed_members_and_other_root_folders_are_read() {
    assert_holds_the_numbers_of("tiny-f32.safetensors", "torch zip", &["tiny-f32-deflated.pt"]);
    assert_holds_the_numbers_of("tiny-f32.safetensors", "npz", &["tiny-f32-deflated.npz"]);
}

#[test]
fn arrays_of_numpy_are_read_in_every_type_version_and_order() {
    for dtype in ["f64", "f32", "f16"] {
        let npz = format!("tiny-{dtype}.npz");
        assert_holds_the_numbers_of(&format!("tiny-{dtype}.safetensors"), "npz", &[&npz]);
    }
    // Versions 1 to 3 in turn, every second array column after column, and a text array beside them.
    assert_holds_the_numbers_of("tiny-f32.safetensors", "npz", &["tiny-f32-versions.npz"]);
}

#[test]
fn a_convolution_in_channels_last_order_is_flattened_as_peft_does() {
    assert_holds_the_numbers_of("conv.safetensors", "torch zip", &["conv-channels-last.pt"]);
    let adapter = torch("conv-channels-last.pt");
    let module = adapter.module("m").unwrap();
    assert_eq!((module.rank(), module.d_in(), module.d_out()), (2, 27, 4));
}

#[test]
fn the_lora_authors_own_checkpoint_is_read_beside_its_classifier() {
    let adapter = torch("roberta-mnli.bin");
    assert_eq!((adapter.file_format().name(), adapter.naming_scheme().name()), ("torch zip", "loralib"));
    let names: Vec<&str> = adapter.modules().iter().map(|module| module.name.as_str()).collect();
    let start = "encoder.layer.10.attention.self";
    assert_eq!(names, [format!("{start}.query"), format!("{start}.value")]);
    let start = "roberta.encoder.layer.10.attention.self";
    let query = &adapter.modules()[0];
    assert_eq!(query.a.name, format!("{start}.query.lora_A"));
    assert_eq!((query.rank(), query.d_in(), query.d_out(), query.a.dtype), (8, 768, 768, Dtype::F32));
}

#[test]
fn a_file_in_memory_is_read_as_one_on_the_disk() {
    for name in ["tiny-f32.pt", "tiny-f32-legacy.pt", "tiny-f32-deflated.npz"] {
        let bytes = std::fs::read(data(&format!("torch/{name}"))).unwrap();
        assert_eq!(numbers(&Adapter::from_bytes(name, bytes).unwrap()), numbers(&torch(name)));
    }
}

#[test]
fn the_digest_is_that_of_the_whole_file_though_a_factor_is_a_packed_part() {
    let digest = torch("tiny-f32-deflated.pt").digest().unwrap();
    let listed = include_str!("data/README.md").lines().find(|line| line.ends_with("/tiny-f32-deflated.pt"));
    assert_eq!(listed.unwrap().split_whitespace().next(), Some(digest.as_str()));
}
