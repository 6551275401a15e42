//! Torch and numpy files that break the format or are made to harm: each is an error of one line that says what is wrong.

mod common;

use common::files::{complaint, data};
use common::torch::{
    archive, dict, factor_a, int, legacy, legacy_with, pair_with, patched, pickle, tensor, text, tuple,
    zipped,
};
use lorascope::{Adapter, Error, Limits};
use zip::CompressionMethod;

/// Where a directory entry has its method, its compressed and its full size, and its place.
const METHOD: usize = 10;
const STORED: usize = 20;
const SIZE: usize = 24;
const PLACE: usize = 42;

fn factor_b() -> Vec<u8> {
    tensor("1", 8, 0, &[4, 2], &[2, 1])
}

fn valid() -> Vec<u8> {
    zipped(&pair_with(factor_b()))
}

/// What is said about a pair whose B is this view of a storage of eight numbers.
fn view(offset: i64, shape: &[i64], strides: &[i64]) -> String {
    complaint(zipped(&pair_with(tensor("1", 8, offset, shape, strides))))
}

fn within(limits: Limits, bytes: Vec<u8>) -> Error {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("x.pt");
    std::fs::write(&path, bytes).unwrap();
    Adapter::open_with(path, &limits).unwrap_err()
}

#[test]
fn the_files_that_these_tests_break_are_valid() {
    for bytes in [valid(), legacy(&pair_with(factor_b()))] {
        let adapter = Adapter::from_bytes("x", bytes).unwrap();
        let module = adapter.module("m").unwrap();
        assert_eq!(module.a.read().unwrap().values, [1.0; 6]);
        assert_eq!(module.b.read().unwrap().values, [1.0; 8]);
    }
}

#[test]
fn a_pickle_that_would_run_a_command_is_refused_by_its_name() {
    let error = Adapter::open(data("torch/evil.pt")).unwrap_err();
    assert!(matches!(error, Error::Malformed(_)));
    let expected = "pickle: found a pickle that calls `posix.system`, expected only names that dictionaries of tensors need";
    assert!(error.to_string().ends_with(expected), "{error}");
    assert!(error.hint().unwrap().contains("open this file only if you trust who made it"));
}

#[test]
fn a_forbidden_global_is_refused_in_every_form() {
    let stack_global = [text("builtins"), text("eval"), b"\x93".to_vec()].concat();
    for opcodes in [b"cbuiltins\neval\n".to_vec(), stack_global] {
        for bytes in [zipped(&opcodes), legacy(&opcodes)] {
            assert!(complaint(bytes).starts_with("pickle: found a pickle that calls `builtins.eval`"));
        }
    }
    // INST, OBJ and the extension codes are ways to call a global, too.
    for opcode in [&b"(ios\nsystem\n"[..], b"(o", b"\x82\x01", b"\x83\x01\x00", b"\x84\x01\x00\x00\x00"] {
        let message = complaint(zipped(opcode));
        assert!(message.starts_with("pickle: found the opcode 0x"), "{message}");
    }
}

#[test]
fn names_in_a_pickle_cannot_break_the_line() {
    let message = complaint(zipped(b"cos\x1b[2J\nsys\rtem\n"));
    assert!(message.contains("`os\\u{1b}[2J.sys\\rtem`"), "{message}");
}

#[test]
fn a_hundred_thousand_levels_of_nesting_are_an_error() {
    let deep = |open: &[u8], close: &[u8]| [open.repeat(100_000), close.repeat(100_000)].concat();
    let lists = [deep(b"]", b""), b"a".repeat(99_999)].concat();
    let message = complaint(zipped(&dict(&[("m", lists)])));
    assert_eq!(message, "pickle: found dictionaries more than 32 deep, expected a dictionary of tensors");
    let message = complaint(zipped(&dict(&[("m", deep(b"(", b"t"))])));
    assert_eq!(message, "pickle: found dictionaries more than 32 deep, expected a dictionary of tensors");
}

#[test]
fn a_dictionary_that_holds_itself_is_an_error() {
    let message = complaint(zipped(&[b"}q\x00", &text("m")[..], b"h\x00s"].concat()));
    assert_eq!(message, "pickle: found dictionaries more than 32 deep, expected a dictionary of tensors");
}

#[test]
fn a_memo_bomb_ends_early() {
    // Each list holds the one before it twice: 2^30 tensors in 200 bytes.
    let mut opcodes = [factor_a(), b"q\x00".to_vec()].concat();
    for level in 0..30u8 {
        opcodes.extend([b"](h", &[level][..], b"h", &[level], b"eq", &[level + 1]].concat());
    }
    let message = complaint(zipped(&opcodes));
    assert_eq!(
        message,
        "pickle: found values that stand under many names each, expected a dictionary of tensors"
    );
}

#[test]
fn a_pickle_of_too_many_steps_is_over_a_limit() {
    let error = within(Limits { pickle_steps: 50, ..Limits::default() }, valid());
    assert!(matches!(error, Error::Limit(_)));
    assert!(
        error.to_string().ends_with("pickle: found a pickle of more steps, expected at most 50"),
        "{error}"
    );
}

#[test]
fn more_tensors_or_longer_names_than_the_limits_are_refused() {
    let error = within(Limits { n_tensors: 3, ..Limits::default() }, valid());
    assert!(
        error.to_string().ends_with("pickle: found more tensors, expected at most 3")
            || error.to_string().ends_with("members, expected at most 3"),
        "{error}"
    );
    let name = "n".repeat(300);
    let named = dict(&[(&name, dict(&[("a", factor_a()), ("b", factor_a()), ("c", factor_a())]))]);
    let error = within(Limits { header_bytes: 900, ..Limits::default() }, zipped(&named));
    assert!(matches!(error, Error::Limit(_)), "{error}");
}

#[test]
fn a_zip_bomb_for_a_pickle_is_not_unpacked() {
    let zeros = vec![0; 101 << 20];
    let bytes = archive(&[("x/data.pkl", &zeros)], CompressionMethod::Deflated);
    assert!(bytes.len() < 200_000);
    let error = Adapter::from_bytes("x", bytes).unwrap_err();
    assert_eq!(
        error.to_string(),
        "x: member `x/data.pkl`: found 105906176 bytes, expected at most 104857600"
    );
    assert!(matches!(error, Error::Limit(_)));
}

#[test]
fn a_factor_of_a_zip_bomb_is_over_a_limit() {
    let zeros = vec![0; 4 << 20];
    let n = 1 << 20;
    let factors = dict(&[
        ("m.lora_A.weight", tensor("0", n, 0, &[1, n], &[n, 1])),
        ("m.lora_B.weight", tensor("0", n, 0, &[1, 1], &[1, 1])),
    ]);
    let members: [(&str, &[u8]); 2] = [("x/data.pkl", &pickle(&factors)), ("x/data/0", &zeros)];
    let bytes = archive(&members, CompressionMethod::Deflated);
    assert!(bytes.len() < 10_000);
    let error = within(Limits { factor_bytes: (4 << 20) - 1, ..Limits::default() }, bytes);
    assert!(error.to_string().ends_with("found 4194304 bytes, expected at most 4194303"), "{error}");
}

#[test]
fn a_member_larger_than_deflate_can_make_it_lies() {
    let pickle = pickle(&pair_with(factor_b()));
    let bytes = archive(&[("x/data.pkl", &pickle)], CompressionMethod::Deflated);
    let message = complaint(patched(bytes, "x/data.pkl", SIZE, &u32::to_le_bytes(0xffff_0000)));
    assert!(
        message.starts_with("member `x/data.pkl`: found a size of 4294901760 bytes, expected at most "),
        "{message}"
    );
}

#[test]
fn a_deflated_member_that_ends_before_its_size_is_an_error() {
    let pickle = pickle(&pair_with(factor_b()));
    let bytes = archive(&[("x/data.pkl", &pickle)], CompressionMethod::Deflated);
    let size = (pickle.len() + 1) as u32;
    let message = complaint(patched(bytes, "x/data.pkl", SIZE, &size.to_le_bytes()));
    assert!(message.starts_with("found compressed data that cannot be unpacked ("), "{message}");
}

#[test]
fn a_stored_member_with_two_sizes_is_refused() {
    let message = complaint(patched(valid(), "x/data/1", SIZE, &33u32.to_le_bytes()));
    assert_eq!(message, "member `x/data/1`: found a size of 33 bytes, expected the 32 that are stored");
}

#[test]
fn a_member_past_the_end_is_refused() {
    let huge = u32::to_le_bytes(0x7fff_ffff);
    let message = complaint(patched(patched(valid(), "x/data/1", SIZE, &huge), "x/data/1", STORED, &huge));
    assert!(message.contains("members that overlap"), "{message}");
}

#[test]
fn members_that_overlap_are_refused() {
    // Both storages begin at the first one's header.
    let bytes = valid();
    let start = bytes.windows(8).position(|bytes| bytes == b"x/data/0").unwrap() as u32 - 30;
    let message = complaint(patched(bytes, "x/data/1", PLACE, &start.to_le_bytes()));
    assert_eq!(
        message,
        "zip archive: found members that overlap, expected each with bytes of its own, in front of the directory"
    );
}

#[test]
fn two_members_of_one_name_are_refused() {
    let mut bytes = valid();
    while let Some(at) = bytes.windows(8).position(|bytes| bytes == b"x/data/1") {
        bytes[at + 7] = b'0';
    }
    assert_eq!(complaint(bytes), "zip archive: found two members of one name, expected each name once");
}

#[test]
fn encrypted_members_and_other_methods_are_refused() {
    let message = complaint(patched(valid(), "x/data/1", 8, &[1, 0]));
    assert_eq!(message, "member `x/data/1`: found an encrypted member, expected a plain one");
    let message = complaint(patched(valid(), "x/data/1", METHOD, &[12, 0]));
    assert!(message.contains("found a member packed by "), "{message}");
}

#[test]
fn a_missing_member_is_named_with_its_tensor() {
    assert_eq!(
        complaint(zipped(&pair_with(tensor("7", 8, 0, &[4, 2], &[2, 1])))),
        "tensor `m.lora_B.weight`: found no member `x/data/7`, expected the tensor's numbers"
    );
}

#[test]
fn a_storage_of_another_size_than_its_member_is_refused() {
    for n in [7, 9, i64::MAX] {
        assert_eq!(
            complaint(zipped(&pair_with(tensor("1", n, 0, &[4, 2], &[2, 1])))),
            format!(
                "tensor `m.lora_B.weight`: found a storage of {n} numbers of F32, expected one of the 32 bytes that are \
                 stored as `x/data/1`"
            )
        );
    }
    let message = complaint(zipped(&pair_with(tensor("1", -8, 0, &[4, 2], &[2, 1]))));
    assert!(message.starts_with("pickle: found a storage of -8 numbers"), "{message}");
}

#[test]
fn views_past_the_end_of_their_storage_are_refused() {
    for (offset, shape, strides) in [
        (1, [4, 2], [2, 1]),
        (0, [5, 2], [2, 1]),
        (0, [4, 2], [3, 1]),
        (8, [1, 1], [1, 1]),
        (i64::MAX, [4, 2], [2, 1]),
        (0, [4, 2], [i64::MAX, i64::MAX]),
        (0, [i64::MAX, i64::MAX], [1, 1]),
        (0, [i64::MAX, i64::MAX], [i64::MAX, 1]),
    ] {
        let message = view(offset, &shape, &strides);
        let found = format!("found shape {shape:?} with strides {strides:?} from number {offset} on");
        assert!(message.contains(&found) && message.ends_with("the 32 bytes of its storage"), "{message}");
    }
}

#[test]
fn negative_offsets_shapes_and_strides_are_refused() {
    for (offset, shape, strides) in [(-1, [4, 2], [2, 1]), (0, [-4, 2], [2, 1]), (0, [4, 2], [2, -1])] {
        let message = view(offset, &shape, &strides);
        assert!(message.starts_with("pickle: found the number -"), "{message}");
    }
}

#[test]
fn a_view_that_repeats_its_numbers_is_refused() {
    let message = view(0, &[1 << 40, 2], &[0, 1]);
    assert!(message.contains("over 8 bytes, expected each number in bytes of its own"), "{message}");
}

#[test]
fn more_dimensions_than_any_tensor_has_or_other_strides_are_refused() {
    assert_eq!(view(0, &[1; 33], &[1; 33]), "pickle: found 33 dimensions, expected at most 32");
    assert_eq!(
        view(0, &[4, 2], &[1]),
        "pickle: found shape [4, 2] with strides [1], expected as many strides as dimensions"
    );
}

#[test]
fn two_tensors_of_one_name_are_refused() {
    let joined = dict(&[("m", dict(&[("lora_A", factor_a())])), ("m.lora_A", factor_a())]);
    for opcodes in [joined, dict(&[("m.lora_A", factor_a()), ("m.lora_A", factor_a())])] {
        assert_eq!(
            complaint(zipped(&opcodes)),
            "pickle: found two tensors of the name `m.lora_A`, expected each name once"
        );
    }
}

#[test]
fn big_endian_files_are_refused_by_name() {
    let pickled = pickle(&pair_with(factor_b()));
    let members: [(&str, &[u8]); 2] = [("x/data.pkl", &pickled), ("x/byteorder", b"big")];
    let zip = archive(&members, CompressionMethod::Stored);
    let machine = dict(&[("little_endian", b"\x89".to_vec())]);
    let legacy = legacy_with(&machine, &pair_with(factor_b()), &["0", "1"], &[6, 8]);
    for bytes in [zip, legacy] {
        assert_eq!(complaint(bytes), "found big-endian numbers, expected little-endian ones");
    }
}

#[test]
fn broken_stacks_marks_and_references_are_refused() {
    for (opcodes, found) in [
        (&b"0"[..], "nothing to take at byte 3"),
        (b"(0", "nothing to take at byte 4"),
        (b"", "nothing to take at byte 3"),
        (b"t", "no mark at byte 3"),
        (b"K\x01\x86", "too few values"),
        (b"K\x01(\x85", "too few values"),
        (b"h\x07", "a reference to value 7"),
        (b"K\x01K\x02a", "items for what is no list"),
        (b"](K\x01K\x02u", "entries for what is no dictionary"),
        (b"}(K\x01u", "a key without a value"),
        (b"K\x01)R", "a call of what is no global"),
        (b"ctorch._utils\n_rebuild_tensor_v2\n)R", "a call with too few arguments"),
        (b"ctorch._utils\n_rebuild_tensor_v2\n(Nt\x52", "a tensor without a storage"),
        (b"NQ", "a reference to no storage"),
        (b"K\x01K\x02\x93", "a global whose name is no text"),
    ] {
        let message = complaint(zipped(opcodes));
        assert!(message.starts_with(&format!("pickle: found {found}, expected ")), "{message}");
    }
}

#[test]
fn lengths_far_past_the_end_take_no_memory() {
    for opcodes in [
        &b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff"[..],
        b"X\xff\xff\xff\xff",
        b"\x8b\xff\xff\xff\xff",
        b"\x96\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\x8e\0\0\0\0\0\0\0\x80",
    ] {
        for bytes in [zipped(opcodes), legacy(opcodes)] {
            let message = complaint(bytes);
            assert!(message.starts_with("found a pickle that ends at byte "), "{message}");
        }
    }
}

#[test]
fn a_wrapped_type_in_a_wrapped_type_is_refused() {
    let typed = b"ctorch._tensor\n_rebuild_from_type_v2\n";
    let nested = [&typed[..], &tuple(&[typed.to_vec(), b"N".to_vec(), b")".to_vec()]), b"R"].concat();
    let message = complaint(zipped(&nested));
    assert!(message.starts_with("pickle: found a tensor type inside another"), "{message}");
}

#[test]
fn two_pickles_and_programs_are_refused() {
    let pickled = pickle(&pair_with(factor_b()));
    let archive =
        |other: &str| archive(&[("x/data.pkl", &pickled[..]), (other, &pickled)], CompressionMethod::Stored);
    assert_eq!(
        complaint(archive("y/data.pkl")),
        "found 2 pickles (`x/data.pkl`, `y/data.pkl`), expected one data.pkl"
    );
    assert_eq!(
        complaint(archive("x/constants.pkl")),
        "found a TorchScript program, expected a dictionary of tensors"
    );
}

#[test]
fn a_zip_archive_of_other_things_is_named_with_its_members() {
    let bytes = archive(&[("word/document.xml", b"<xml/>")], CompressionMethod::Stored);
    assert_eq!(
        complaint(bytes),
        "found a zip archive of `word/document.xml`, expected one of torch.save (data.pkl) or of numpy.savez (.npy)"
    );
}

#[test]
fn every_truncation_is_an_error() {
    for name in ["tiny-f32.pt", "tiny-f32-deflated.pt", "tiny-f32-legacy.pt", "tiny-f32.npz"] {
        let whole = std::fs::read(data(&format!("torch/{name}"))).unwrap();
        for n in 0..whole.len() {
            let error =
                Adapter::from_bytes("x", whole[..n].to_vec()).expect_err(&format!("{name} cut at {n}"));
            assert!(matches!(error, Error::Malformed(_)), "{name} cut at {n}: {error}");
        }
    }
}

#[test]
fn the_older_containers_storages_must_be_those_of_its_tensors() {
    let with =
        |keys: &[&str], counts: &[u64]| complaint(legacy_with(b"}", &pair_with(factor_b()), keys, counts));
    assert_eq!(
        with(&["0"], &[6]),
        "tensor `m.lora_B.weight`: found no storage `1`, expected the tensor's numbers"
    );
    assert_eq!(
        with(&["0", "0", "1"], &[6, 6, 8]),
        "storages: found the key `0` twice, expected each key once"
    );
    assert_eq!(
        with(&["0", "9"], &[6, 8]),
        "storages: found the key `9`, which no tensor has, expected a tensor's storage"
    );
    for n in [9, u64::MAX, u64::MAX / 4] {
        let message = with(&["0", "1"], &[6, n]);
        assert!(
            message.starts_with("found storage `1` past the end, expected at most the ") || n == 9,
            "{message}"
        );
    }
    assert!(with(&["0", "1"], &[6, 7]).contains("found a storage of 8 numbers of F32"));
    let unknown = [pickle(b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"), pickle(&int(1002))].concat();
    let rest = [pickle(b"}"), pickle(b"}"), pickle(b"]")].concat();
    assert_eq!(complaint([unknown, rest].concat()), "found version 1002, expected 1001");
}

/// An archive of arrays with this header in the place of B's, in front of 32 bytes.
fn arrays(header_of_b: &str) -> Vec<u8> {
    let npy = |header: &str, n_bytes: usize| {
        let length = (header.len() as u16).to_le_bytes();
        [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), &vec![0; n_bytes]].concat()
    };
    let a = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", 24);
    let b = npy(header_of_b, 32);
    archive(&[("m.lora_A.weight.npy", &a), ("m.lora_B.weight.npy", &b)], CompressionMethod::Stored)
}

#[test]
fn broken_arrays_are_refused() {
    let header = |descr: &str, shape: &str| {
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}")
    };
    Adapter::from_bytes("x", arrays(&header("<f4", "(4, 2)"))).unwrap();
    for (descr, shape, expected) in [
        (
            "<f4",
            "(4, 3)",
            "array `m.lora_B.weight`: found 32 bytes of data, expected those of shape [4, 3] of F32",
        ),
        (
            "<f4",
            "(18446744073709551615, 2)",
            "array `m.lora_B.weight`: found 32 bytes of data, expected those of shape [18446744073709551615, 2] of F32",
        ),
        (
            ">f4",
            "(4, 2)",
            "tensor `m.lora_B.weight`: found numbers of type `>f4`, expected F64, F32, F16 or BF16",
        ),
        (
            "|O",
            "(4,)",
            "tensor `m.lora_B.weight`: found numbers of type `|O`, expected F64, F32, F16 or BF16",
        ),
    ] {
        assert_eq!(complaint(arrays(&header(descr, shape))), expected);
    }
    let message = complaint(arrays("{'descr': '<f4'}"));
    assert!(message.starts_with("array `m.lora_B.weight`: found the header `{'descr'"), "{message}");
}

#[test]
fn an_array_whose_header_is_longer_than_it_is_refused() {
    let npy = [b"\x93NUMPY\x02\x00", &u32::MAX.to_le_bytes()[..], b"{}"].concat();
    let bytes = archive(&[("m.npy", &npy)], CompressionMethod::Deflated);
    assert_eq!(complaint(bytes), "array `m`: found a header of 4294967307 bytes, expected at most 14");
    let bytes = archive(&[("m.npy", b"no array")], CompressionMethod::Stored);
    assert_eq!(complaint(bytes), "array `m`: found no magic word of numpy, expected an array of numpy");
}
