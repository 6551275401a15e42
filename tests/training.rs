//! What training scripts save around a state_dict: it is opened, and what stands next to the tensors is never called.

mod common;

use common::files::{Numbers, data, numbers, of_dtype, zeros};
use common::torch::{dict, factor_a, factor_b, int, legacy, pair_with, tensor, text, tuple, zipped};
use lorascope::{Adapter, Dtype, Error, OpenOptions};

fn open(name: &str) -> Adapter {
    Adapter::open(data(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn message(name: &str) -> String {
    let error = Adapter::open(data(&format!("training/{name}"))).unwrap_err().to_string();
    error.rsplit_once(&format!("{name}: ")).unwrap().1.to_owned()
}

/// Of `n_other` tensors that belong to no module.
fn assert_holds_tiny(name: &str, n_other: usize) {
    let adapter = open(&format!("training/{name}"));
    assert_eq!(numbers(&adapter), numbers(&open("torch/tiny-f32.safetensors")), "{name}");
    assert_eq!(adapter.n_other_tensors(), n_other, "{name}");
    let names: Vec<&str> = adapter.modules().iter().map(|module| module.name.as_str()).collect();
    assert_eq!(names, ["h.2.q", "h.2.v", "h.10.q", "h.10.v"], "{name}");
}

#[test]
fn objects_next_to_a_state_dict_do_not_matter() {
    // argparse.Namespace, pathlib, datetime, OmegaConf, a dataclass, an Enum, a namedtuple, functools.partial, a function, numpy.
    for name in ["objects.pt", "objects-legacy.pt", "objects-protocol5.pt"] {
        assert_holds_tiny(name, 0);
    }
}

#[test]
fn a_state_dict_may_be_a_dictionary_of_another_class() {
    assert_holds_tiny("own-dictionary.pt", 0);
}

#[test]
fn a_state_dict_is_found_under_the_names_that_trainers_give_it() {
    assert_holds_tiny("ema.pt", 0);
    assert_holds_tiny("weights-and-metadata.pt", 0);
    // The one that trains, not its average.
    let adapter = open("training/model-and-ema.pt");
    assert_eq!(adapter.adapter_name(), Some("state_dict"));
    let bare = |(name, numbers): (String, _)| (name.strip_prefix("state_dict.").unwrap().to_owned(), numbers);
    let of_model: Numbers = numbers(&adapter).into_iter().map(bare).collect();
    assert_eq!(of_model, numbers(&open("torch/tiny-f32.safetensors")));
    assert_eq!((adapter.n_other_tensors(), adapter.unread_parts()[0].name.as_str()), (0, "ema"));
    // LoRA has a dictionary of its own next to the model's.
    assert_holds_tiny("base-and-lora.pt", 0);
}

#[test]
fn positions_in_lists_are_parts_of_the_names() {
    let adapter = open("training/list.pt");
    let names: Vec<&str> = adapter.modules().iter().map(|module| module.original.as_str()).collect();
    let first = ["q", "v"].map(|name| format!("loras.0.base_model.model.h.10.{name}"));
    let second = ["q", "v"].map(|name| format!("loras.1.h.2.{name}"));
    assert_eq!(names, [first, second].concat());
}

#[test]
fn a_checkpoint_of_lightning_is_its_state_dict() {
    let (adapter, expected) = (open("training/lightning.ckpt"), open("training/lightning.safetensors"));
    assert_eq!(numbers(&adapter), numbers(&expected));
    // The layer's own weight and bias; no state of the optimizer or of a callback.
    assert_eq!(adapter.n_other_tensors(), 2);
}

#[test]
fn a_model_that_is_saved_as_an_object_has_the_names_of_its_state_dict() {
    let expected = numbers(&open("training/whole-model.safetensors"));
    for name in ["whole-model.pt", "whole-model-inside.pt"] {
        let adapter = open(&format!("training/{name}"));
        assert_eq!(numbers(&adapter), expected, "{name}");
        let names: Vec<&str> = adapter.modules().iter().map(|module| module.name.as_str()).collect();
        assert_eq!(names, ["layers.0.query", "layers.1.query"], "{name}");
    }
}

#[test]
fn a_factor_that_only_a_call_would_make_is_left_out_and_named_with_the_call() {
    for (name, call) in [
        ("one-unread.pt", "train_lora.metric"),
        ("one-sparse.pt", "torch._utils._rebuild_sparse_tensor"),
        ("one-array.pt", "numpy._core.multiarray._reconstruct"),
    ] {
        let adapter = open(&format!("training/{name}"));
        let names: Vec<&str> = adapter.modules().iter().map(|module| module.name.as_str()).collect();
        assert_eq!(names, ["h.2.q", "h.2.v", "h.10.v"], "{name}");
        let [part] = adapter.unread_parts() else { panic!("{:?}", adapter.unread_parts()) };
        assert_eq!(part.name, "base_model.model.h.10.q");
        let expected =
            format!("found a tensor that only a call of `{call}` would make, expected its numbers");
        assert_eq!(part.found, Some(expected), "{name}");
    }
}

#[test]
fn what_is_no_factor_may_need_a_call() {
    let made = [&b"ctrain\nmake\n"[..], &tuple(&[factor_a()]), b"R"].concat();
    let opcodes = dict(&[("m.lora_A", factor_a()), ("m.lora_B", factor_b()), ("m.bias", made)]);
    let adapter = Adapter::from_bytes("x", zipped(&opcodes)).unwrap();
    assert_eq!((adapter.modules().len(), adapter.n_other_tensors()), (1, 1));
}

#[test]
fn an_object_without_tensors_is_not_a_checkpoint() {
    assert_eq!(
        message("args.pt"),
        "pickle: found an object of `argparse.Namespace`, expected a dictionary of tensors"
    );
    assert!(matches!(Adapter::open(data("training/args.pt")), Err(Error::Unsupported(_))));
}

/// Ways to call a function with the text `true`, or to make something of it.
fn calls() -> Vec<Vec<u8>> {
    let arguments = tuple(&[text("true")]);
    let with = |before: &[u8], after: &[u8]| [before, &arguments, after].concat();
    let stack_global = [text("posix"), text("system"), b"\x93".to_vec()].concat();
    vec![
        with(b"cposix\nsystem\n", b"R"),
        with(b"cposix\nsystem\n", b"\x81"),
        with(b"cposix\nsystem\n", b"}\x92"),
        with(&stack_global, b"R"),
        with(b"cposix\nsystem\n", b"RNb"),
        [&b"(cposix\nsystem\n"[..], &text("true"), b"o"].concat(),
        [&b"("[..], &text("true"), b"iposix\nsystem\n"].concat(),
        with(b"\x82\x05", b"R"),
        with(b"\x83\x05\x00", b"R"),
        with(b"\x84\x05\x00\x00\x00", b"R"),
        // The result of a call is called, given items and entries, and attributes.
        [with(b"cposix\nsystem\n", b"R"), b")R".to_vec()].concat(),
        [with(b"cposix\nsystem\n", b"R"), int(1), b"a".to_vec()].concat(),
        [with(b"cposix\nsystem\n", b"R"), b"(K\x01K\x02e(K\x01K\x02uK\x01K\x02s(K\x01\x90}b".to_vec()]
            .concat(),
    ]
}

#[test]
fn calls_of_every_form_next_to_tensors_are_inert() {
    let expected = numbers(&Adapter::from_bytes("x", zipped(&pair_with(factor_b()))).unwrap());
    for call in calls() {
        let next_to = dict(&[("state_dict", pair_with(factor_b())), ("call", call.clone())]);
        let among = [pair_with(factor_b()), text("call"), call.clone(), b"s".to_vec()].concat();
        let in_list =
            dict(&[("state_dict", pair_with(factor_b())), ("calls", [b"](", &call[..], b"e"].concat())]);
        for opcodes in [next_to, among, in_list] {
            for bytes in [zipped(&opcodes), legacy(&opcodes)] {
                let adapter = Adapter::from_bytes("x", bytes);
                let adapter = adapter.unwrap_or_else(|error| panic!("{error}: {}", opcodes.escape_ascii()));
                assert_eq!(numbers(&adapter), expected);
            }
        }
    }
}

#[test]
fn tensors_in_an_object_have_the_path_of_its_attributes() {
    let object = |state: Vec<u8>| [b"ctrain\nState\n)\x81", &state[..], b"b"].concat();
    let names = |opcodes: &[u8]| -> Vec<String> {
        let adapter = Adapter::from_bytes("x", zipped(opcodes)).unwrap();
        adapter.modules().iter().map(|module| module.original.clone()).collect()
    };
    assert_eq!(names(&object(pair_with(factor_b()))), ["m"]);
    assert_eq!(names(&dict(&[("run", object(dict(&[("net", pair_with(factor_b()))])))])), ["run.net.m"]);
    // Attributes and slots.
    let slots = tuple(&[b"N".to_vec(), dict(&[("net", pair_with(factor_b()))])]);
    assert_eq!(names(&object(slots)), ["net.m"]);
}

#[test]
fn a_sibling_that_has_lora_of_its_own_is_kept() {
    let b = factor_b;
    let other = dict(&[("o.lora_A.weight", factor_a()), ("o.lora_B.weight", b())]);
    let opcodes = dict(&[
        ("model", pair_with(b())),
        ("text_encoder", other),
        ("best", pair_with(b())),
        ("ema", pair_with(b())),
        ("optimizer", pair_with(b())),
    ]);
    let adapter = Adapter::from_bytes("x", zipped(&opcodes)).unwrap();
    let names: Vec<&str> = adapter.modules().iter().map(|module| module.original.as_str()).collect();
    assert_eq!(names, ["m", "text_encoder.o"]);
}

#[test]
fn state_dicts_of_the_same_names_are_adapters_of_their_own() {
    // Another view of the storage, so other numbers.
    let other = || pair_with(tensor("1", 8, 0, &[4, 2], &[1, 4]));
    let file = |entries: &[(&str, Vec<u8>)]| {
        let file = tempfile::NamedTempFile::with_suffix(".pt").unwrap();
        std::fs::write(file.path(), zipped(&dict(entries))).unwrap();
        file
    };
    let ours = || pair_with(factor_b());
    let both = |kept: &str, average: &str, entries: &[(&str, Vec<u8>)]| {
        let file = file(entries);
        let adapter = Adapter::open(file.path()).unwrap();
        assert_eq!(adapter.adapter_name(), Some(kept));
        let names: Vec<&str> = adapter.modules().iter().map(|module| module.name.as_str()).collect();
        assert_eq!(names, ["m"], "{kept}");
        assert!(adapter.modules()[0].b.name.starts_with(&format!("{kept}.")));
        let [left_out] = adapter.unread_parts() else { panic!("{:?}", adapter.unread_parts()) };
        assert_eq!((left_out.name.as_str(), left_out.n_tensors), (average, 2));
        assert_eq!(left_out.reason, "another state dict of the same names, an adapter of its own");
        let all = OpenOptions::new().open_all(file.path()).unwrap();
        let mut names: Vec<_> =
            all.iter().map(|adapter| adapter.adapter_name().unwrap().to_owned()).collect();
        names.sort();
        let mut expected = [kept.to_owned(), average.to_owned()];
        expected.sort();
        assert_eq!(names, expected);
        assert!(all.iter().all(|one| one.modules()[0].name == "m" && one.unread_parts().is_empty()));
        let named = OpenOptions::new().adapter_name(average).open(file.path()).unwrap();
        assert!(named.modules()[0].b.name.starts_with(&format!("{average}.")));
    };
    both("student", "ema", &[("student", ours()), ("ema", other()), ("step", int(3))]);
    both("student", "ema", &[("ema", other()), ("student", ours())]);
    both("state_dict", "ema_state_dict", &[("ema_state_dict", other()), ("state_dict", ours())]);
    both("model", "best", &[("best", dict(&[("state_dict", other())])), ("model", ours())]);
    both("net", "ema", &[("ema", dict(&[("shadow", other())])), ("net", ours())]);
    // A part next to copies goes with each.
    let critic = dict(&[("o.lora_A.weight", factor_a()), ("o.lora_B.weight", factor_b())]);
    let parted = file(&[("generator", ours()), ("generator_ema", other()), ("critic", critic)]);
    for adapter in OpenOptions::new().open_all(parted.path()).unwrap() {
        let names: Vec<&str> = adapter.modules().iter().map(|module| module.name.as_str()).collect();
        assert_eq!(names, ["critic.o", "m"], "{:?}", adapter.adapter_name());
    }
    let adapter = Adapter::open(parted.path()).unwrap();
    assert_eq!((adapter.adapter_name(), adapter.unread_parts().len()), (Some("generator"), 1));
    // Two that may be meant.
    let file = file(&[
        ("ema", other()),
        ("student", ours()),
        ("best", pair_with(tensor("1", 8, 0, &[2, 2], &[2, 1]))),
    ]);
    let error = Adapter::open(file.path()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("found 3 adapters (`best`, `ema`, `student`), expected one adapter in a file"),
        "{error}"
    );
}

#[test]
fn copies_under_fronts_of_names_are_adapters_of_their_own_too() {
    let pair = |front: &str, rank: usize| {
        [("A", [rank, 6]), ("B", [4, rank])]
            .map(|(end, shape)| (format!("{front}layers.0.q_proj.lora_{end}.weight"), shape))
    };
    let open = |fronts: &[&str]| {
        let tensors: Vec<_> = fronts.iter().zip(1..).flat_map(|(front, rank)| pair(front, rank)).collect();
        let tensors: Vec<_> = tensors.iter().map(|(name, shape)| (name.as_str(), &shape[..])).collect();
        let file = tempfile::NamedTempFile::with_suffix(".safetensors").unwrap();
        std::fs::write(file.path(), zeros(&tensors)).unwrap();
        OpenOptions::new().open_all(file.path()).unwrap()
    };
    let shown = |adapters: Vec<Adapter>| -> Vec<(Option<String>, String, usize)> {
        let facts = |one: &Adapter| {
            let [module] = one.modules() else { panic!("{:?}", one.modules()) };
            (one.adapter_name().map(str::to_owned), module.name.clone(), module.rank())
        };
        adapters.iter().map(facts).collect()
    };
    let q = || "layers.0.q_proj".to_owned();
    let named = |name: &str, rank| (Some(name.to_owned()), q(), rank);
    assert_eq!(shown(open(&["student.model.", "ema.model."])), [named("ema", 2), named("student", 1)]);
    assert_eq!(shown(open(&["params.", "params_ema."])), [named("params", 1), named("params_ema", 2)]);
    assert_eq!(
        shown(open(&["base_model.model.model.", "base_model.model.ema.model."])),
        [(None, q(), 1), named("ema", 2)]
    );
    assert_eq!(shown(open(&["ema."])), [(None, q(), 1)]);
    // Parts of one model keep to one adapter.
    for fronts in [["policy.", "critic."], ["model.", "language_model."]] {
        let adapters = open(&fronts);
        assert_eq!((adapters.len(), adapters[0].modules().len()), (1, 2), "{fronts:?}");
    }
}

#[test]
fn numbers_of_eight_bits_are_those_that_torch_reads() {
    for (label, dtype) in [
        ("e4m3fn", Dtype::F8E4m3),
        ("e5m2", Dtype::F8E5m2),
        ("e4m3fnuz", Dtype::F8E4m3Fnuz),
        ("e5m2fnuz", Dtype::F8E5m2Fnuz),
    ] {
        let expected = of_dtype(numbers(&open(&format!("training/f8-{label}-as-f32.safetensors"))), dtype);
        assert_eq!(expected.len(), 8);
        for end in ["safetensors", "pt"] {
            assert_eq!(numbers(&open(&format!("training/f8-{label}.{end}"))), expected, "{label} {end}");
        }
    }
}

#[test]
fn two_bytes_without_a_type_in_an_npz_are_bf16() {
    let expected = numbers(&open("torch/tiny-bf16.safetensors"));
    assert_eq!(numbers(&open("training/bf16.npz")), expected);
    assert!(expected.values().all(|(_, _, dtype, _)| *dtype == Dtype::Bf16));
}
