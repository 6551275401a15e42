//! What a file claims is counted before it is believed: a small one takes little memory, and work that grows as its bytes do.

use std::fs;
use std::path::{Path, PathBuf};

use lorascope::{Adapter, Error, Limits, OpenOptions};

use crate::common::files::container;
use zip::CompressionMethod;

use crate::common::torch::{archive, dict, factor_a, factor_b, pair_with, text, zipped};
use crate::{n_asked, peak_bytes};

/// A megabyte of header claims what it likes and takes at most this.
const MAX_BYTES: usize = 160 << 20;

/// Of files of the same kind, one that is four times as large takes at most this many times as much work.
const LINEAR: usize = 6;

/// A safetensors file of F16 zeros with these names and shapes, and this in its metadata.
fn file(tensors: &[(String, [usize; 2])], metadata: &[(&str, &str)]) -> Vec<u8> {
    let mut end = 0;
    let mut entries: Vec<String> = tensors
        .iter()
        .map(|(name, shape)| {
            let start = end;
            end += 2 * shape[0] * shape[1];
            format!(r#""{name}":{{"dtype":"F16","shape":{shape:?},"data_offsets":[{start},{end}]}}"#)
        })
        .collect();
    if !metadata.is_empty() {
        let words: serde_json::Map<_, _> =
            metadata.iter().map(|(key, word)| ((*key).to_owned(), (*word).into())).collect();
        entries.push(format!(r#""__metadata__":{}"#, serde_json::Value::Object(words)));
    }
    container(format!("{{{}}}", entries.join(",")), end)
}

/// The A and B of a module.
fn pair(module: &str, a: [usize; 2], b: [usize; 2]) -> [(String, [usize; 2]); 2] {
    [(format!("{module}.lora_A.weight"), a), (format!("{module}.lora_B.weight"), b)]
}

/// A folder of PEFT's with these tensors and this config.
fn folder(tensors: &[(String, [usize; 2])], config: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("adapter_model.safetensors"), file(tensors, &[])).unwrap();
    fs::write(folder.path().join("adapter_config.json"), config).unwrap();
    folder
}

fn open_all(path: &Path) -> lorascope::Result<Vec<Adapter>> {
    OpenOptions::new().open_all(path)
}

/// The message of a limit, and how to raise it.
fn limit(error: Error) -> (String, String) {
    assert!(matches!(error, Error::Limit(_)), "{error}");
    (error.to_string(), error.hint().unwrap_or_default())
}

/// Opens what `make` makes of size `n` and of four times that, and asserts that the work grows by no more.
fn assert_linear(what: &str, n: usize, make: impl Fn(usize) -> PathBuf, open: impl Fn(&Path)) {
    let [small, large] = [n, 4 * n].map(|n| {
        let path = make(n);
        n_asked(|| open(&path))
    });
    assert!(large <= LINEAR * small, "{what}: {small} and {large} times for four times as many bytes");
}

#[test]
fn adapters_of_one_file_share_its_work_and_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let make = |n: usize| {
        let tensors = (0..n).flat_map(|at| {
            let [a, b] = pair("q", [1, 2], [2, 1]);
            let named = |name: String| name.replace(".weight", &format!(".n{at}.weight"));
            [(named(a.0), a.1), (named(b.0), b.1)]
        });
        let path = dir.path().join(format!("{n}.safetensors"));
        fs::write(&path, file(&tensors.collect::<Vec<_>>(), &[])).unwrap();
        path
    };
    assert_linear("adapters", 200, make, |path| _ = open_all(path).unwrap());
    let names = |n| open_all(&make(n)).map(|adapters| adapters.len());
    assert_eq!(names(1024).unwrap(), 1024);
    let (message, hint) = limit(names(1025).unwrap_err());
    assert!(message.ends_with("found 1025 adapters, expected at most 1024"), "{message}");
    assert_eq!(hint, "raise the limit adapters if you trust the file");
}

#[test]
fn tensors_and_parts_that_go_with_every_adapter_are_counted_for_each() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.safetensors");
    let adapters = (0..1000).flat_map(|n| {
        let [a, b] = pair("q", [1, 2], [2, 1]);
        [
            (a.0.replace(".weight", &format!(".n{n}.weight")), a.1),
            (b.0.replace(".weight", &format!(".n{n}.weight")), b.1),
        ]
    });
    let unread = (0..1200).map(|n| (format!("x{n}.waveft_spectrum"), [1, 1]));
    fs::write(&path, file(&adapters.clone().chain(unread).collect::<Vec<_>>(), &[])).unwrap();
    let (message, _) = limit(open_all(&path).unwrap_err());
    let found = "found 1200000 parts of 1000 adapters that are not read, expected at most 1000000";
    assert!(message.ends_with(found), "{message}");
    let of_all = (0..600).flat_map(|n| {
        pair(&format!("lora_unet_x{n}"), [1, 2], [2, 1])
            .map(|(name, shape)| (name.replace("lora_A", "lora_down").replace("lora_B", "lora_up"), shape))
    });
    fs::write(&path, file(&adapters.chain(of_all).collect::<Vec<_>>(), &[])).unwrap();
    let (message, _) = limit(open_all(&path).unwrap_err());
    assert!(
        message.ends_with("found 1202000 tensors of 1000 adapters, expected at most 1000000"),
        "{message}"
    );
}

#[test]
fn modules_that_rank_1_multiplies_are_counted_before_they_are_made() {
    for n in [100_000, 131_072, 500_000] {
        let groups = [("m.lora_A".to_owned(), [n, 1]), ("m.lora_B".to_owned(), [n, 1])];
        let mut opened = None;
        let peak = peak_bytes(|| opened = Some(Adapter::from_bytes("x", file(&groups, &[]))));
        match opened.unwrap() {
            Ok(adapter) => assert_eq!((adapter.modules().len(), n <= 131_072), (n, true)),
            Err(error) => {
                let (message, hint) = limit(error);
                assert_eq!(message, format!("x: found {n} modules or more, expected at most 131072"));
                assert_eq!(hint, "raise the limit modules if you trust the file");
                assert!(peak < 8 << 20, "{peak} bytes for {n} modules that are not made");
            }
        }
        assert!(peak < MAX_BYTES, "{peak} bytes for {n}");
    }
}

#[test]
fn experts_and_their_names_are_counted_before_they_are_made() {
    let config = r#"{"peft_type": "LORA", "r": 1, "target_parameters": ["experts.down_proj"]}"#;
    let of =
        |module: &str, n: usize| folder(&pair(&format!("base_model.model.{module}"), [n, 1], [1, n]), config);
    let open = |dir: &tempfile::TempDir| {
        let mut opened = None;
        let peak = peak_bytes(|| opened = Some(Adapter::open(dir.path())));
        (opened.unwrap().map(|adapter| adapter.modules().len()), peak)
    };
    let (n, peak) = open(&of("mlp.experts", 100_000));
    assert!(n.unwrap() == 100_000 && peak < MAX_BYTES, "{peak} bytes");
    let (over, peak) = open(&of("mlp.experts", 200_000));
    assert!(limit(over.unwrap_err()).0.contains("found 200000 modules or more"), "{peak}");
    assert!(peak < 4 << 20, "{peak} bytes");
    // Names of four kilobytes for each of a hundred thousand modules.
    let (over, peak) = open(&of(&format!("{}.experts", "x".repeat(3900)), 100_000));
    let (message, hint) = limit(over.unwrap_err());
    assert!(message.contains("bytes of names of modules or more, expected at most 104857600"), "{message}");
    assert_eq!(hint, "raise the limit header-bytes if you trust the file");
    assert!(peak < 4 << 20, "{peak} bytes");
}

#[test]
fn target_parameters_and_patterns_are_looked_up_however_many_there_are() {
    let dir = std::cell::RefCell::new(vec![]);
    let make = |n: usize| {
        let tensors: Vec<_> =
            (0..n).flat_map(|at| pair(&format!("l.{at}.experts"), [8, 2], [2, 8])).collect();
        let list = |item: &dyn Fn(usize) -> String| (0..n).map(item).collect::<Vec<_>>().join(",");
        let targets = list(&|at| format!(r#""{at}.experts.down_proj""#));
        let ranks = list(&|at| format!(r#""{at}.experts": 1"#));
        let config = format!(
            r#"{{"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_parameters": [{targets}], "rank_pattern": {{{ranks}}}}}"#
        );
        let folder = folder(&tensors, &config);
        let path = folder.path().to_owned();
        dir.borrow_mut().push(folder);
        path
    };
    assert_linear("experts", 250, make, |path| {
        let adapter = Adapter::open(path).unwrap();
        assert!(adapter.modules().iter().all(|module| module.rank() == 1 && module.scaling == Some(4.0)));
    });
}

#[test]
fn regular_expressions_are_counted_in_configs_and_in_metadata() {
    let patterns = |n: usize| -> String {
        // A program of some size, with groups that would take memory in each of its states.
        let keys = (0..n).map(|at| format!(r#""{}[a-z]{{60}}k{at}": 4"#, "()".repeat(60)));
        format!("{{{}}}", keys.collect::<Vec<_>>().join(","))
    };
    let config = |n| format!(r#"{{"peft_type": "LORA", "r": 4, "rank_pattern": {}}}"#, patterns(n));
    let over = "regular expressions in rank_pattern or alpha_pattern, expected at most 256";
    let dir = folder(&pair("l.0.q", [4, 8], [8, 4]), &config(257));
    let (message, hint) = limit(Adapter::open(dir.path()).unwrap_err());
    assert!(message.contains("adapter_config.json: found 257") && message.ends_with(over), "{message}");
    assert_eq!(hint, "raise the limit regexes if you trust the file");
    let of_unet =
        |n| format!(r#"{{"unet.r": 4, "unet.lora_alpha": 8, "unet.rank_pattern": {}}}"#, patterns(n));
    let tensors: Vec<_> =
        (0..5).flat_map(|at| pair(&format!("unet.{}.{at}", "z".repeat(250)), [4, 8], [8, 4])).collect();
    let opened =
        |n: usize| Adapter::from_bytes("x", file(&tensors, &[("lora_adapter_metadata", &of_unet(n))]));
    assert!(limit(opened(1000).unwrap_err()).0.ends_with(&format!("found 1000 {over}")));
    let mut scaling = None;
    let peak = peak_bytes(|| scaling = opened(256).unwrap().modules()[0].scaling);
    assert_eq!(scaling, Some(2.0));
    assert!(peak < 24 << 20, "{peak} bytes of 256 regular expressions");
    // What the first tries compile is matched no more often than the limit says.
    let limits = Limits { regex_steps: 1 << 16, ..Limits::default() };
    let of_peft = tensors.iter().map(|(name, shape)| (name.replace("unet.", "base_model.model."), *shape));
    let dir = folder(&of_peft.collect::<Vec<_>>(), &config(200));
    let (message, _) = limit(Adapter::open_with(dir.path(), &limits).unwrap_err());
    assert!(message.contains("steps or more to match rank_pattern"), "{message}");
}

#[test]
fn only_the_configs_of_components_that_are_there_are_made() {
    let configs: Vec<String> = (0..30_000).map(|n| format!(r#""c{n}.r": 4"#)).collect();
    let words = format!(r#"{{"unet.r": 4, "unet.lora_alpha": 8, {}}}"#, configs.join(","));
    let bytes = file(&pair("unet.l.0.q", [4, 8], [8, 4]), &[("lora_adapter_metadata", &words)]);
    let n_bytes = bytes.len();
    let peak = peak_bytes(|| {
        assert_eq!(Adapter::from_bytes("x", bytes).unwrap().modules()[0].scaling, Some(2.0));
    });
    assert!(peak < 24 * n_bytes, "{peak} bytes for {n_bytes}");
}

#[test]
fn names_and_words_of_any_length_are_refused_or_left_out() {
    let long = "x".repeat(4100);
    let (message, hint) =
        limit(Adapter::from_bytes("x", file(&pair(&long, [1, 2], [2, 1]), &[])).unwrap_err());
    assert_eq!(message, "x: header: found a name of 4114 bytes, expected at most 4096");
    assert_eq!(hint, "raise the limit name-bytes if you trust the file");
    let nested = dict(&[(&"x".repeat(4000), dict(&[(&"y".repeat(4000), pair_with(factor_b()))]))]);
    let (message, _) = limit(Adapter::from_bytes("x", zipped(&nested)).unwrap_err());
    assert_eq!(message, "x: pickle: found a name of 8017 bytes, expected at most 4096");
    // A list of a million numbers would be forty megabytes of values.
    let software = format!("[{}0]", "0,".repeat(1 << 20));
    let bytes = file(&pair("q", [1, 2], [2, 1]), &[("software", &software), ("ss_sd_model_name", &software)]);
    let n_bytes = bytes.len();
    let peak = peak_bytes(|| {
        let adapter = Adapter::from_bytes("x", bytes).unwrap();
        assert_eq!(
            (adapter.base_model(), &adapter.training().trainer),
            (None, &Some("sd-scripts".to_owned()))
        );
    });
    assert!(peak < 4 * n_bytes, "{peak} bytes for {n_bytes}");
}

/// `n` references to the value of number 7 in the memo, by different keys.
fn references(n: usize, object: &[u8], after: &[u8]) -> Vec<u8> {
    let each = (0..n).flat_map(|at| {
        [text(&format!("k{at}")), object.to_vec(), b"h\x07".to_vec(), after.to_vec()].concat()
    });
    each.collect()
}

#[test]
fn what_many_values_of_a_pickle_share_is_not_walked_for_each() {
    let dir = tempfile::tempdir().unwrap();
    let pair = [text("m.lora_A"), factor_a(), text("m.lora_B"), factor_b()].concat();
    let shared = |list: &[u8], n: usize, object: &[u8], after: &[u8]| {
        let shared = [list, b"q\x070"].concat();
        [shared, b"}(".to_vec(), pair.clone(), references(n, object, after), b"u".to_vec()].concat()
    };
    type Make<'a> = &'a dyn Fn(usize) -> Vec<u8>;
    let pickles: [(&str, Make<'_>); 3] = [
        ("a list", &|n| shared(&[&b"("[..], &b"K\x01".repeat(n), b"l"].concat(), n, b"", b"")),
        ("a state", &|n| shared(&[&b"("[..], &b"}".repeat(n), b"t"].concat(), n, b"cfoo\nBar\n)\x81", b"b")),
        ("a list with a tensor", &|n| {
            let items = [&b"("[..], &b"K\x01".repeat(n), &dict(&[("lora", factor_a())]), b"l"].concat();
            shared(&items, n, b"", b"")
        }),
    ];
    for (what, pickle) in pickles {
        let make = |n: usize| {
            let path = dir.path().join(format!("{n}.pt"));
            fs::write(&path, zipped(&pickle(n))).unwrap();
            path
        };
        assert_linear(what, 1000, make, |path| drop(Adapter::open(path)));
    }
}

#[test]
fn a_factor_is_read_in_pieces() {
    // Of (n, 4) F16 numbers, each of which takes 8 bytes once read.
    let n = 1 << 19;
    let npy = |order: &str, shape: [usize; 2]| {
        let [rows, cols] = shape;
        let header = format!("{{'descr': '<f2', 'fortran_order': {order}, 'shape': ({rows}, {cols}), }}");
        let numbers: Vec<u8> = (0..rows * cols).flat_map(|at| [(at % 251) as u8, 0x3c]).collect();
        [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), &numbers].concat()
    };
    for order in ["False", "True"] {
        for (a, b) in [([4, n], [8, 4]), ([n, 4], [4, 8])] {
            let (a, b) = (npy(order, a), npy(order, b));
            let members: [(&str, &[u8]); 2] = [("m.lora_a.npy", &a), ("m.lora_b.npy", &b)];
            for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
                let adapter = Adapter::from_bytes("x", archive(&members, method)).unwrap();
                let factor = &adapter.modules()[0].a;
                let n_bytes = 8 * factor.rows * factor.cols;
                assert_eq!(n_bytes, 8 * 4 * n);
                let peak = peak_bytes(|| {
                    let values = factor.read().unwrap().values;
                    assert!(values[..251].iter().all(|value| (1.0..2.0).contains(value)));
                });
                // Beside the numbers themselves, where the columns of a row are that do not follow each other.
                let places = 16 * n + (4 << 20);
                assert!(peak < n_bytes + places, "{order} {method}: {peak} bytes for {n_bytes}");
            }
        }
    }
}

#[test]
fn a_part_of_a_tensor_is_read_without_the_rest() {
    // 4,096 experts of rank 1 in a megabyte: each reads its own numbers, and what stands between those of a page.
    let config = r#"{"peft_type": "LORA", "r": 1, "target_parameters": ["experts.down_proj"]}"#;
    let dir = folder(&pair("base_model.model.mlp.experts", [4096, 2], [128, 4096]), config);
    let adapter = Adapter::open(dir.path()).unwrap();
    let last = adapter.modules().last().unwrap();
    assert_eq!((adapter.modules().len(), last.b.rows, last.b.cols), (4096, 128, 1));
    let peak = peak_bytes(|| assert_eq!(last.b.read().unwrap().values, vec![0.0; 128]));
    assert!(peak < 64 << 10, "{peak} bytes for 128 numbers");
}
