//! Adapters that are cut into several files: one adapter, or an error that names the file.
#![cfg(feature = "cli")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::checkpoints::Checkpoint;
use common::files::numbers;
use common::shards::{index, name, write};
use common::torch::{dict, factor_a, factor_b, zipped};
use lorascope::{Adapter, Discovered, Error, Limits, discover};
use tempfile::TempDir;

const STEM: &str = "adapter_model";

/// A folder with the shards of a checkpoint.
fn sharded(n: usize, with_index: bool) -> TempDir {
    let folder = TempDir::new().unwrap();
    write(&Checkpoint::new(1).bytes(), folder.path(), STEM, n, with_index);
    folder
}

fn shard(folder: &TempDir, k: usize, n: usize) -> PathBuf {
    folder.path().join(name(STEM, k, n, "safetensors"))
}

fn index_of(folder: &TempDir) -> PathBuf {
    folder.path().join("adapter_model.safetensors.index.json")
}

/// What opening the folder complains about, and the file that it names.
fn refused(folder: &TempDir) -> (PathBuf, String) {
    let error = Adapter::open(folder.path()).unwrap_err();
    let message = error.to_string();
    assert!(!message.contains('\n'), "{message}");
    let (path, rest) = message.split_once(": ").unwrap();
    (path.into(), rest.to_owned())
}

fn search(folder: &Path) -> Discovered {
    discover(folder, &Limits::default()).unwrap()
}

#[test]
fn shards_are_one_adapter_however_it_is_named() {
    let whole = Adapter::from_bytes("x", Checkpoint::new(1).bytes()).unwrap();
    for with_index in [true, false] {
        // Four tensors: A and B of a module lie in two files.
        for n in [1, 2, 3, 4] {
            let folder = sharded(n, with_index);
            let mut paths = vec![folder.path().to_owned()];
            paths.extend((1..=n).filter(|_| n > 1).map(|k| shard(&folder, k, n)));
            paths.extend(with_index.then(|| index_of(&folder)));
            for path in paths {
                let adapter = Adapter::open(&path).unwrap();
                assert_eq!(numbers(&adapter), numbers(&whole), "{}", path.display());
                assert_eq!(adapter.path(), path);
                let files = (1..=n).map(|k| fs::metadata(shard(&folder, k, n)).unwrap());
                assert_eq!(adapter.n_bytes(), files.clone().map(|file| file.len()).sum::<u64>());
                assert_eq!(adapter.modified(), files.map(|file| file.modified().unwrap()).max());
            }
        }
    }
}

#[test]
fn the_config_of_the_folder_holds_for_its_shards() {
    let folder = sharded(2, true);
    fs::write(
        folder.path().join("adapter_config.json"),
        r#"{"lora_alpha": 8, "base_model_name_or_path": "org/x"}"#,
    )
    .unwrap();
    let adapter = Adapter::open(folder.path()).unwrap();
    assert_eq!((adapter.base_model(), adapter.modules()[0].scaling), (Some("org/x"), Some(2.0)));
}

#[test]
fn shards_of_torch_are_read_too() {
    let folder = TempDir::new().unwrap();
    for (k, tensors) in [(1, ("m.lora_A", factor_a())), (2, ("m.lora_B", factor_b()))] {
        fs::write(folder.path().join(name(STEM, k, 2, "bin")), zipped(&dict(&[tensors]))).unwrap();
    }
    let adapter = Adapter::open(folder.path()).unwrap();
    assert_eq!((adapter.file_format().name(), adapter.modules().len()), ("torch zip", 1));
    let map = r#"{"weight_map": {"m.lora_A": "adapter_model-00001-of-00002.bin", "m.lora_B": "adapter_model-00002-of-00002.bin"}}"#;
    fs::write(folder.path().join("adapter_model.bin.index.json"), map).unwrap();
    assert_eq!(numbers(&Adapter::open(folder.path()).unwrap()), numbers(&adapter));
}

#[test]
fn the_digest_changes_with_every_shard() {
    let folder = sharded(3, true);
    let digest = || Adapter::open(folder.path()).unwrap().digest().unwrap();
    let first = digest();
    for k in 1..=3 {
        let file = shard(&folder, k, 3);
        let bytes = fs::read(&file).unwrap();
        let mut changed = bytes.clone();
        *changed.last_mut().unwrap() ^= 1;
        fs::write(&file, changed).unwrap();
        assert_ne!(digest(), first, "shard {k}");
        fs::write(&file, bytes).unwrap();
    }
    assert_eq!(digest(), first);
    let one = sharded(1, false);
    let bare = Adapter::open(shard(&one, 1, 1)).unwrap();
    assert_eq!(Adapter::open(one.path()).unwrap().digest().unwrap(), bare.digest().unwrap());
}

#[test]
fn a_missing_shard_is_named() {
    for with_index in [true, false] {
        for k in 1..=3 {
            let folder = sharded(3, with_index);
            fs::remove_file(shard(&folder, k, 3)).unwrap();
            let (path, message) = refused(&folder);
            assert_eq!(path, if with_index { index_of(&folder) } else { folder.path().to_owned() });
            let missing = name(STEM, k, 3, "safetensors");
            assert_eq!(
                message,
                format!("found no shard `{missing}`, expected every shard next to the others")
            );
            let found = search(folder.path());
            assert!(found.checkpoints.is_empty() && found.ignored.is_empty(), "{found:?}");
            assert!(
                matches!(&found.bad[..], [(path, Error::Malformed(_))] if path == folder.path()),
                "{found:?}"
            );
        }
    }
    let folder = sharded(1, true);
    fs::remove_file(shard(&folder, 1, 1)).unwrap();
    assert!(refused(&folder).1.starts_with("found no shard `adapter_model-00001-of-00001.safetensors`"));
    assert_eq!(search(folder.path()).bad.len(), 1);
}

#[test]
fn what_an_index_and_its_shards_do_not_agree_on_is_named() {
    let folder = TempDir::new().unwrap();
    let map = write(&Checkpoint::new(1).bytes(), folder.path(), STEM, 2, true);
    let (tensor, of) = map.iter().next().unwrap();
    let index_path = index_of(&folder).display().to_string();
    let other = map.values().find(|file| *file != of).unwrap();
    let mut moved = map.clone();
    moved.insert(tensor.clone(), other.clone());
    index(folder.path(), STEM, &moved);
    let expected =
        format!("tensor `{tensor}`: found it in this shard, expected it in `{other}`, as {index_path} says");
    assert_eq!(refused(&folder), (folder.path().join(of), expected));

    let mut fewer = map.clone();
    fewer.remove(tensor);
    index(folder.path(), STEM, &fewer);
    let expected =
        format!("tensor `{tensor}`: found it in this shard, expected only tensors that {index_path} lists");
    assert_eq!(refused(&folder), (folder.path().join(of), expected));

    let mut more = map.clone();
    more.insert("m.lora_A.weight".to_owned(), of.clone());
    index(folder.path(), STEM, &more);
    let expected = format!("found no tensor `m.lora_A.weight`, expected it, as {index_path} says");
    assert_eq!(refused(&folder), (folder.path().join(of), expected));
}

#[test]
fn a_tensor_in_two_shards_is_refused() {
    let folder = sharded(2, false);
    fs::copy(shard(&folder, 1, 2), shard(&folder, 2, 2)).unwrap();
    let (path, message) = refused(&folder);
    assert_eq!(path, shard(&folder, 2, 2));
    assert!(message.ends_with("found it in another shard, too, expected each tensor once"), "{message}");
}

#[test]
fn an_index_cannot_lead_out_of_its_folder() {
    let outer = TempDir::new().unwrap();
    fs::write(outer.path().join("x.safetensors"), Checkpoint::new(1).bytes()).unwrap();
    let inner = outer.path().join("adapter");
    fs::create_dir(&inner).unwrap();
    let absolute = outer.path().join("x.safetensors").display().to_string();
    for file in [
        "../x.safetensors",
        "..",
        ".",
        "",
        "a/../../x.safetensors",
        "./x.safetensors",
        "a\\x",
        "C:x",
        &absolute,
    ] {
        let map = serde_json::json!({"weight_map": {"m.lora_A.weight": file}}).to_string();
        fs::write(inner.join("adapter_model.safetensors.index.json"), map).unwrap();
        let error = Adapter::open(&inner).unwrap_err();
        assert!(matches!(error, Error::Malformed(_)), "{error}");
        let message = error.to_string();
        let expected = "tensor `m.lora_A.weight`: found the file ";
        assert!(
            message.contains(expected) && message.ends_with("expected a file in the folder of the index"),
            "{message}"
        );
    }
}

#[test]
fn an_index_that_is_not_one_is_refused_with_the_place() {
    let folder = sharded(2, true);
    for text in ["{", "[]", r#"{"weight_map": []}"#, r#"{"weight_map": {"m": 1}}"#, "{}"] {
        fs::write(index_of(&folder), text).unwrap();
        let (path, message) = refused(&folder);
        assert_eq!(path, index_of(&folder));
        assert!(message.starts_with("found JSON that cannot be read ("), "{message}");
    }
    fs::write(index_of(&folder), r#"{"weight_map": {}}"#).unwrap();
    let strict = Limits { header_bytes: 10, ..Limits::default() };
    assert!(matches!(Adapter::open_with(folder.path(), &strict), Err(Error::Limit(_))));
}

#[test]
fn the_tensors_of_all_shards_count_towards_the_limit() {
    let folder = sharded(2, false);
    let of = |n_tensors| Adapter::open_with(folder.path(), &Limits { n_tensors, ..Limits::default() });
    assert!(of(4).is_ok());
    assert!(matches!(of(3), Err(Error::Limit(_))));
}

#[test]
fn shards_of_two_saves_are_not_mixed() {
    let folder = sharded(2, false);
    write(&Checkpoint::new(2).bytes(), folder.path(), STEM, 3, false);
    let message = refused(&folder).1;
    assert!(
        message.starts_with("found shards of several saves: ") && message.ends_with("expected those of one"),
        "{message}"
    );
    for n in [2, 3] {
        let seed = n as u64 - 1;
        let expected = numbers(&Adapter::from_bytes("x", Checkpoint::new(seed).bytes()).unwrap());
        assert_eq!(numbers(&Adapter::open(shard(&folder, 1, n)).unwrap()), expected);
    }
    // The index says which.
    let map = write(&Checkpoint::new(1).bytes(), folder.path(), STEM, 2, true);
    assert_eq!(Adapter::open(folder.path()).unwrap().modules().len(), map.len() / 2);
}

#[test]
fn a_search_finds_shards_once_and_passes_split_full_models_by() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    write(&Checkpoint::new(1).bytes(), &at("run/checkpoint-1"), STEM, 3, true);
    write(&Checkpoint::new(2).bytes(), &at("run/checkpoint-2"), STEM, 2, false);
    write(&Checkpoint::new(3).bytes(), &at("loras"), "style", 2, true);
    write(&Checkpoint::new(4).bytes(), &at("loras"), "other", 2, false);
    let full = common::files::zeros(&[("model.a.weight", &[2, 2]), ("model.b.weight", &[2, 2])]);
    write(&full, &at("base"), "model", 2, true);
    fs::remove_file(at("base/model-00002-of-00002.safetensors")).unwrap();
    let found = search(folder.path());
    let names = |paths: Vec<&PathBuf>| -> Vec<String> {
        paths.iter().map(|path| path.strip_prefix(folder.path()).unwrap().display().to_string()).collect()
    };
    let expected = [
        "loras/other-00001-of-00002.safetensors",
        "loras/style-00001-of-00002.safetensors",
        "run/checkpoint-1",
        "run/checkpoint-2",
    ];
    assert_eq!(names(found.checkpoints.iter().collect()), expected);
    assert_eq!(
        names(found.ignored.iter().map(|(path, _)| path).collect()),
        ["base/model-00001-of-00002.safetensors"]
    );
    assert!(found.ignored[0].1.contains("no LoRA factor among them"), "{}", found.ignored[0].1);
    assert!(found.bad.is_empty(), "{:?}", found.bad);
}
