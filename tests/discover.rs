//! Finding adapters in a folder of everything that people keep beside them.

mod common;

use std::fs;
use std::path::Path;

use common::files::{data, zeros};
use lorascope::{Discovered, Error, Limits, discover};
use tempfile::TempDir;

fn pair() -> Vec<u8> {
    zeros(&[("m.lora_A.weight", &[1, 2]), ("m.lora_B.weight", &[2, 1])])
}

fn torch(name: &str) -> Vec<u8> {
    fs::read(data(&format!("torch/{name}"))).unwrap()
}

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

fn search(folder: &TempDir) -> Discovered {
    discover(folder.path(), &Limits::default()).unwrap()
}

fn inside(folder: &TempDir, path: &Path) -> String {
    path.strip_prefix(folder.path()).unwrap().to_str().unwrap().to_owned()
}

fn runs(folder: &TempDir, found: &Discovered) -> Vec<String> {
    found.checkpoints.iter().map(|run| inside(folder, run)).collect()
}

fn ignored(folder: &TempDir, found: &Discovered) -> Vec<(String, String)> {
    found.ignored.iter().map(|(path, what)| (inside(folder, path), what.clone())).collect()
}

#[test]
fn runs_are_found_at_any_depth_by_content_and_in_natural_order() {
    let (safetensors, zip, legacy, npz) =
        (pair(), torch("tiny-f32.pt"), torch("tiny-f32-legacy.pt"), torch("tiny-f32.npz"));
    let folder = folder(&[
        ("a/checkpoint-10/adapter_model.safetensors", &safetensors),
        ("a/checkpoint-10/adapter_config.json", b"{}"),
        ("a/checkpoint-9/adapter_model.bin", &zip),
        ("a/adapter_model.safetensors", &safetensors),
        ("a/adapter_model.bin", &zip),
        ("b/deep/er/lora", &legacy),
        ("b/some.txt", &npz),
        ("b/x.safetensors", &zip),
    ]);
    let found = search(&folder);
    assert_eq!(
        runs(&folder, &found),
        ["a", "a/checkpoint-9", "a/checkpoint-10", "b/deep/er/lora", "b/some.txt", "b/x.safetensors"]
    );
    assert_eq!(ignored(&folder, &found), []);
    assert!(found.bad.is_empty(), "{:?}", found.bad);
}

#[test]
fn what_training_keeps_beside_is_ignored_and_named() {
    let gguf = std::fs::read("tests/data/libraries/gguf/model.gguf").unwrap();
    let full = zeros(&[("model.embed_tokens.weight", &[4, 2]), ("lm_head.weight", &[4, 2])]);
    let folder = folder(&[
        ("README.md", b"# A run"),
        ("model.safetensors", &full),
        ("optimizer.pt", &torch("optimizer.pt")),
        ("picture.png", b"\x89PNG\r\n\x1a\n"),
        ("rng_state.pth", &torch("rng_state.pth")),
        ("scheduler.pt", &torch("scheduler.pt")),
        ("tokenizer.json", br#"{"version": "1.0", "truncation": null, "padding": null}"#),
        ("trainer_state.json", b"{\"epoch\": 1.0}"),
        ("training_args.bin", &torch("training_args.bin")),
        ("weights.gguf", &gguf),
        ("words.data", &[0xff; 64]),
        (".keep", b""),
    ]);
    let found = search(&folder);
    let told = ignored(&folder, &found);
    let told: Vec<(&str, &str)> = told.iter().map(|(path, what)| (path.as_str(), what.as_str())).collect();
    let expected = [
        (".keep", "an empty file"),
        ("README.md", "text that begins with `# A run`"),
        (
            "model.safetensors",
            "2 tensors and no LoRA factor among them (`lm_head.weight`, `model.embed_tokens.weight`)",
        ),
        ("optimizer.pt", "4 tensors of an optimizer's state"),
        ("picture.png", "a picture"),
        ("rng_state.pth", "1 tensor of a random generator's state"),
        ("scheduler.pt", "no tensors"),
        ("tokenizer.json", "a tokenizer"),
        ("trainer_state.json", "JSON text"),
        ("training_args.bin", "a trainer's arguments (`transformers.training_args.TrainingArguments`)"),
        (
            "weights.gguf",
            "4 tensors and no LoRA factor among them (`blk.0.attn_norm.weight`, `blk.0.attn_q.weight`, `output_norm.weight`, \
             `token_embd.weight`)",
        ),
        ("words.data", "binary data of no known kind"),
    ];
    assert_eq!(told, expected);
    assert!(found.checkpoints.is_empty() && found.bad.is_empty(), "{:?}", found.bad);
}

#[test]
fn broken_and_hostile_checkpoints_are_bad_with_their_errors() {
    let (safetensors, zip, legacy) = (pair(), torch("tiny-f32.pt"), torch("tiny-f32-legacy.pt"));
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 2362576\n";
    let folder = folder(&[
        ("cut", &safetensors[..safetensors.len() - 1]),
        ("cut.pt", &zip[..zip.len() - 1]),
        ("cut-legacy", &legacy[..legacy.len() - 1]),
        ("cut.gguf", b"GGUF\x03\0\0\0"),
        ("empty.safetensors", b""),
        ("evil", &torch("evil.pt")),
        ("pointer.bin", pointer),
        ("pointer.png", pointer),
        ("unilora/adapter_model.safetensors", &safetensors),
        ("unilora/adapter_config.json", br#"{"peft_type": "UNILORA"}"#),
    ]);
    let found = search(&folder);
    let bad: Vec<String> = found.bad.iter().map(|(path, _)| inside(&folder, path)).collect();
    assert_eq!(
        bad,
        ["cut", "cut-legacy", "cut.gguf", "cut.pt", "empty.safetensors", "evil", "pointer.bin", "unilora"]
    );
    let evil = &found.bad[5].1;
    assert!(evil.to_string().contains("found a pickle that calls `posix.system`"), "{evil}");
    let pointer = ("pointer.png".to_owned(), "a Git LFS pointer to a file of 2362576 bytes".to_owned());
    assert_eq!(ignored(&folder, &found), [pointer]);
    assert!(found.checkpoints.is_empty());
}

#[test]
fn an_adapter_of_a_method_that_is_not_read_is_bad_and_not_ignored() {
    let found = discover(Path::new("tests/data/libraries/refused"), &Limits::default()).unwrap();
    let bad: Vec<&str> = found.bad.iter().filter_map(|(path, _)| path.file_name()?.to_str()).collect();
    assert_eq!(bad, ["boft", "fourierft", "houlsby.ckpt", "hra", "ia3", "oft", "randlora", "vblora", "vera"]);
    assert_eq!(found.checkpoints.len(), 0);
}

#[test]
fn a_file_named_directly_is_a_run_or_an_error() {
    let folder = folder(&[("x", &pair()), ("README.md", b"# A run")]);
    let open = |name: &str| discover(&folder.path().join(name), &Limits::default());
    assert_eq!(runs(&folder, &open("x").unwrap()), ["x"]);
    assert!(open("README.md").unwrap_err().to_string().contains("found text that begins with `# A run`"));
    assert!(matches!(open("nothing"), Err(Error::NotFound(_))));
}

#[test]
fn limits_hold_in_a_search() {
    let folder = folder(&[("x", &pair())]);
    let found = discover(folder.path(), &Limits { n_tensors: 1, ..Limits::default() }).unwrap();
    assert!(matches!(found.bad[..], [(_, Error::Limit(_))]), "{:?}", found.bad);
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn hard_links_are_one_file() {
        let folder =
            folder(&[("runs/a/adapter_model.safetensors", &pair()), ("runs/b.safetensors", &pair())]);
        let at = |name: &str| folder.path().join(name);
        fs::hard_link(at("runs/a/adapter_model.safetensors"), at("0.safetensors")).unwrap();
        let found = search(&folder);
        assert_eq!(runs(&folder, &found), ["runs/a", "runs/b.safetensors"]);
        let same = format!("the same file as {}", at("runs/a").display());
        assert_eq!(ignored(&folder, &found), [("0.safetensors".to_owned(), same)]);
    }

    #[test]
    fn links_are_followed_once_and_loops_end() {
        let folder = folder(&[("runs/a/adapter_model.safetensors", &pair()), ("blobs/0af3", &pair())]);
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("snapshot")).unwrap();
        symlink("../blobs/0af3", at("snapshot/adapter_model.safetensors")).unwrap();
        symlink("runs/a", at("latest")).unwrap();
        symlink("..", at("runs/up")).unwrap();
        symlink("nowhere", at("notes")).unwrap();
        symlink("nowhere", at("gone.safetensors")).unwrap();
        let found = search(&folder);
        assert_eq!(runs(&folder, &found), ["runs/a", "snapshot"]);
        let same = |name: &str| format!("the same file as {}", at(name).display());
        let expected = [
            ("blobs/0af3", same("snapshot")),
            ("latest", same("runs/a")),
            ("notes", "a link to nothing".into()),
            ("runs/up", "a link to a folder that it stands in".into()),
        ];
        assert_eq!(ignored(&folder, &found), expected.map(|(path, what)| (path.to_owned(), what)));
        let bad: Vec<String> = found.bad.iter().map(|(path, _)| inside(&folder, path)).collect();
        assert_eq!(bad, ["gone.safetensors"]);
    }
}
