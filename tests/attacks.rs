//! Pickles that break the format or are made to harm: each is an error of one line that says what is wrong.

mod common;

use common::files::{complaint, data};
use common::torch::{dict, factor_a, factor_b, legacy, pair_with, tensor, text, tuple, within, zipped};
use lorascope::{Adapter, Error, Limits};

/// What is said about a pair whose B is this view of a storage of eight numbers.
fn view(offset: i64, shape: &[i64], strides: &[i64]) -> String {
    complaint(zipped(&pair_with(tensor("1", 8, offset, shape, strides))))
}

#[test]
fn the_files_that_these_tests_break_are_valid() {
    for bytes in [zipped(&pair_with(factor_b())), legacy(&pair_with(factor_b()))] {
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
    for (opcodes, name) in [
        (&b"(ios\nsystem\n"[..], "os.system"),
        (b"(cos\nsystem\no", "os.system"),
        (b"cos\nsystem\n)R", "os.system"),
        (b"cos\nsystem\n)R)R", "os.system"),
        (b"\x82\x01", "extension 1 of copyreg"),
        (b"\x83\x01\x02", "extension 513 of copyreg"),
        (b"\x84\x01\x00\x00\x00)R", "extension 1 of copyreg"),
    ] {
        for bytes in [zipped(opcodes), legacy(opcodes)] {
            let message = complaint(bytes);
            let expected = format!(
                "pickle: found a pickle that calls `{name}`, expected only names that dictionaries of tensors need"
            );
            assert_eq!(message, expected);
        }
    }
    assert!(complaint(zipped(b"(o")).starts_with("pickle: found a call of nothing"));
    // Buffers beside the pickle, and references of the oldest protocol.
    for opcode in [&b"\x97"[..], b"\x98", b"Px\n", b"I1\n"] {
        let message = complaint(zipped(opcode));
        assert!(message.starts_with("pickle: found the opcode 0x"), "{message}");
    }
}

/// The opcodes of an object of an unknown class, with this state.
fn object(state: &[u8]) -> Vec<u8> {
    [b"cmain\nThing\n)\x81", state, b"b"].concat()
}

#[test]
fn objects_that_hold_themselves_or_each_other_end() {
    let itself = [b"cmain\nThing\n)\x81q\x07", &dict(&[("me", b"h\x07".to_vec())])[..], b"b"].concat();
    let state = [b"cmain\nThing\n)\x81q\x07".to_vec(), b"h\x07b".to_vec()].concat();
    let parts = [b"cmain\nThing\n)\x81}q\x08", &text("_modules")[..], b"h\x08sb"].concat();
    let listed = [b"cmain\nThing\n)\x81q\x07h\x07a".to_vec(), b"h\x07h\x07s".to_vec()].concat();
    for thing in [itself, state, parts, listed] {
        let opcodes = dict(&[
            ("m.lora_A.weight", factor_a()),
            ("thing", thing.clone()),
            ("m.lora_B.weight", factor_b()),
        ]);
        assert_eq!(Adapter::from_bytes("x", zipped(&opcodes)).unwrap().modules().len(), 1);
        assert!(complaint(zipped(&thing)).starts_with("pickle: found an object of `main.Thing`"));
    }
}

#[test]
fn a_hundred_thousand_levels_of_objects_end() {
    // Each object is the argument, or the state, of the next.
    let called = [b"cmain\nThing\n)R".to_vec(), b"\x85q\x00cmain\nThing\nh\x00R".repeat(100_000)].concat();
    let mut nested = b"N".to_vec();
    for _ in 0..100_000 {
        nested.extend(b"q\x00cmain\nThing\n)\x81}U\x01xh\x00sb");
    }
    for deep in [called, nested] {
        let opcodes =
            dict(&[("m.lora_A.weight", factor_a()), ("deep", deep), ("m.lora_B.weight", factor_b())]);
        assert_eq!(Adapter::from_bytes("x", zipped(&opcodes)).unwrap().modules().len(), 1);
    }
}

#[test]
fn a_memo_bomb_of_objects_ends_early() {
    let mut opcodes = [dict(&[("lora", factor_a())]), b"q\x00".to_vec()].concat();
    for level in 0..30u8 {
        let twice = [b"}(U\x01ah", &[level][..], b"U\x01bh", &[level], b"u"].concat();
        opcodes.extend([object(&twice), vec![b'q', level + 1]].concat());
    }
    // The tensor has one name there, not 2^30.
    let message = complaint(zipped(&opcodes));
    assert!(message.starts_with("1 tensor") || message.contains("found 1 tensor"), "{message}");
}

#[test]
fn arguments_of_any_number_are_not_searched_again_and_again() {
    // A tuple of 200,000 values is the argument of 200,000 calls.
    let many = [&b"("[..], &b"N".repeat(200_000), b"tq\x00"].concat();
    let calls = b"cmain\nf\nh\x00R0".repeat(200_000);
    let opcodes = [many, b"0".to_vec(), calls, pair_with(factor_b())].concat();
    let started = std::time::Instant::now();
    assert_eq!(Adapter::from_bytes("x", zipped(&opcodes)).unwrap().modules().len(), 1);
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

#[test]
fn a_state_dict_in_wrappers_without_end_is_found_or_refused() {
    let mut opcodes = pair_with(factor_b());
    for n in 0..40 {
        opcodes = dict(&[("model", opcodes)]);
        let adapter = Adapter::from_bytes("x", zipped(&opcodes)).unwrap();
        assert_eq!(adapter.modules()[0].original == "m", n < 32, "{n}");
    }
    let message = complaint(zipped(&(0..80).fold(opcodes, |inner, _| dict(&[("model", inner)]))));
    assert_eq!(message, "pickle: found dictionaries more than 32 deep, expected a dictionary of tensors");
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
    assert_eq!(message, "pickle: found values that have many names each, expected a dictionary of tensors");
}

#[test]
fn a_memo_bomb_ends_early() {
    // Each list holds the one before it twice: 2^30 tensors in 200 bytes.
    let mut opcodes = [factor_a(), b"q\x00".to_vec()].concat();
    for level in 0..30u8 {
        opcodes.extend([b"](h", &[level][..], b"h", &[level], b"eq", &[level + 1]].concat());
    }
    let message = complaint(zipped(&opcodes));
    assert_eq!(message, "pickle: found values that have many names each, expected a dictionary of tensors");
}

#[test]
fn a_key_of_a_megabyte_is_refused() {
    let key = "k".repeat(1 << 20);
    let message = complaint(zipped(&dict(&[(&key, factor_a())])));
    assert_eq!(message, "pickle: found a key of 1048576 bytes, expected at most 4096");
    let message = complaint(zipped(&pair_with(tensor(&key, 8, 0, &[4, 2], &[2, 1]))));
    assert_eq!(message, "pickle: found a storage whose key has 1048576 bytes, expected at most 4096");
}

#[test]
fn a_pickle_of_too_many_steps_is_over_a_limit() {
    let error = within(Limits { pickle_steps: 50, ..Limits::default() }, zipped(&pair_with(factor_b())));
    assert!(matches!(error, Error::Limit(_)));
    assert!(
        error.to_string().ends_with("pickle: found a pickle of more steps, expected at most 50"),
        "{error}"
    );
}

#[test]
fn more_tensors_or_longer_names_than_the_limits_are_refused() {
    let error = within(Limits { n_tensors: 2, ..Limits::default() }, zipped(&pair_with(factor_b())));
    assert!(error.to_string().ends_with("zip archive: found 3 members, expected at most 2"), "{error}");
    let error = within(Limits { n_tensors: 1, ..Limits::default() }, legacy(&pair_with(factor_b())));
    assert!(error.to_string().ends_with("pickle: found more tensors, expected at most 1"), "{error}");
    let name = "n".repeat(300);
    let named = dict(&[(&name, dict(&[("a", factor_a()), ("b", factor_a()), ("c", factor_a())]))]);
    let error = within(Limits { header_bytes: 900, ..Limits::default() }, zipped(&named));
    assert!(matches!(error, Error::Limit(_)), "{error}");
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
fn broken_stacks_marks_and_references_are_refused() {
    for (opcodes, found) in [
        (&b"0"[..], "nothing to take at byte 3"),
        (b"(0", "nothing to take at byte 4"),
        (b"", "nothing to take at byte 3"),
        (b"t", "no mark at byte 3"),
        (b"K\x01\x86", "too few values"),
        (b"K\x01(\x85", "too few values"),
        (b"h\x07", "a reference to value 7"),
        (b"K\x01K\x02a", "items for something else than a list"),
        (b"](K\x01K\x02u", "entries for something else than a dictionary"),
        (b"}(K\x01u", "a key without a value"),
        (b"K\x01)R", "a call of something else than a global"),
        (b"ctorch._utils\n_rebuild_tensor_v2\n)R", "a call with too few arguments"),
        (b"ctorch._utils\n_rebuild_tensor_v2\n(Nt\x52", "a tensor without a storage"),
        (b"NQ", "a reference to no storage"),
        (b"K\x01K\x02\x93", "a global whose name is not text"),
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
