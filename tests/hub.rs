//! Names of the Hugging Face Hub: found in a cache laid out as the Hub's own library lays it out, and never downloaded.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A cache with `org/seed0` and `org/seed1`, whose files are links to blobs, and the list of a collection of both.
fn hub() -> TempDir {
    let home = tempfile::tempdir().unwrap();
    for (name, run) in [("seed0", "seed0-r8-layer5"), ("seed1", "seed1-r64-layer5")] {
        let repository = home.path().join("hub").join(format!("models--org--{name}"));
        let snapshot = repository.join("snapshots").join(COMMIT);
        for folder in ["blobs", "refs"] {
            fs::create_dir_all(repository.join(folder)).unwrap();
        }
        fs::create_dir_all(&snapshot).unwrap();
        fs::write(repository.join("refs/main"), COMMIT).unwrap();
        for entry in fs::read_dir(Path::new("tests/data/adapters").join(run)).unwrap() {
            let entry = entry.unwrap();
            let blob = repository.join("blobs").join(format!("blob-of-{}", entry.file_name().display()));
            fs::copy(entry.path(), &blob).unwrap();
            let link = snapshot.join(entry.file_name());
            #[cfg(unix)]
            std::os::unix::fs::symlink(Path::new("../../blobs").join(blob.file_name().unwrap()), link)
                .unwrap();
            #[cfg(not(unix))]
            fs::copy(&blob, link).unwrap();
        }
    }
    let lists = home.path().join("assets/lorascope/collections");
    fs::create_dir_all(&lists).unwrap();
    let list = |names: &[&str]| {
        let items: Vec<Value> = names
            .iter()
            .map(|name| serde_json::json!({"item_id": format!("org/{name}"), "item_type": "model"}))
            .collect();
        serde_json::json!({ "items": items }).to_string()
    };
    fs::write(lists.join("org--both.json"), list(&["seed0", "seed1"])).unwrap();
    fs::write(lists.join("org--more.json"), list(&["seed0", "lost", "gone"])).unwrap();
    home
}

fn lorascope(home: &TempDir, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lorascope"));
    for name in ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_ASSETS_CACHE", "HUGGINGFACE_ASSETS_CACHE"] {
        command.env_remove(name);
    }
    command.args(args).env("HF_HOME", home.path()).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap()
}

fn stdout(output: &Output) -> &str {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::str::from_utf8(&output.stdout).unwrap()
}

/// What an error says and its hint.
fn refused(output: &Output) -> (String, String) {
    assert_eq!(output.status.code(), Some(1));
    let text = std::str::from_utf8(&output.stderr).unwrap();
    let (error, hint) = text.split_once("\nhint: ").unwrap_or((text, ""));
    (error.trim_start_matches("error: ").to_owned(), hint.trim_end().to_owned())
}

#[test]
fn a_name_of_the_hub_is_compared_as_the_folder_is() {
    let home = hub();
    let numbers = |a: &str, b: &str| {
        let output = lorascope(&home, &["compare", a, b, "--json", "--engine", "cpu"]);
        serde_json::from_str::<Value>(stdout(&output)).unwrap()["modules"].clone()
    };
    let by_path = numbers("tests/data/adapters/seed0-r8-layer5", "tests/data/adapters/seed1-r64-layer5");
    assert_eq!(numbers("hf://org/seed0", "hf://org/seed1@0123456"), by_path);
    assert_eq!(by_path.as_array().unwrap().len(), 2);
    let file = "hf://org/seed0@main/adapter_model.safetensors";
    assert!(stdout(&lorascope(&home, &["inspect", file])).contains("rank 8"));
}

#[test]
fn a_collection_is_all_its_repositories() {
    let home = hub();
    let text = stdout(&lorascope(&home, &["inspect", "hf://collections/org/both"])).to_owned();
    assert!(text.contains("models--org--seed0") && text.contains("models--org--seed1"), "{text}");
    let shared = lorascope(&home, &["shared", "hf://collections/org/both"]);
    assert!(stdout(&shared).contains("seed0@0123456"), "{}", stdout(&shared));

    let out = home.path().join("out");
    let scan = ["scan", "hf://collections/org/both", "-o", out.to_str().unwrap(), "--engine", "cpu"];
    stdout(&lorascope(&home, &scan));
    let (report, labels) = (home.path().join("report"), home.path().join("labels.csv"));
    fs::write(&labels, "checkpoint,label\norg/seed0,first\nhf://org/seed1,second\n").unwrap();
    let [out, report, labels] = [&out, &report, &labels].map(|path| path.to_str().unwrap());
    let text = stdout(&lorascope(&home, &["report", out, "-o", report, "--labels", labels])).to_owned();
    assert!(text.contains("seed0@0123456"), "{text}");

    let out = home.path().join("against");
    let args = ["--pairs", "against", "hf://org/seed0", "-o", out.to_str().unwrap(), "--engine", "cpu"];
    stdout(&lorascope(&home, &[&["scan", "hf://org/seed1", "hf://org/seed0"][..], &args].concat()));

    let one = lorascope(&home, &["compare", "hf://collections/org/both", "hf://org/seed1"]);
    let (error, _) = refused(&one);
    assert!(error.contains("found a collection of 2 repositories, expected one checkpoint"), "{error}");
}

#[test]
fn one_command_downloads_all_that_is_missing() {
    let home = hub();
    let both = lorascope(&home, &["compare", "hf://org/a@v2", "hf://org/b", "--base", "hf://org/base"]);
    let (error, hint) = refused(&both);
    assert!(error.starts_with("hf://org/a@v2: not in the cache of the Hub"), "{error}");
    assert!(error.ends_with("; nor are 2 others"), "{error}");
    let commands: Vec<&str> = hint.split(" && ").collect();
    assert!(
        commands.contains(&"hf download org/a --revision v2") && commands.contains(&"hf download org/base"),
        "{hint}"
    );
    assert_eq!(commands.len(), 3);

    let (_, hint) = refused(&lorascope(&home, &["inspect", "hf://collections/org/more"]));
    assert_eq!(hint, "hf download org/lost && hf download org/gone");
    let (error, hint) = refused(&lorascope(&home, &["inspect", "hf://collections/org/none"]));
    assert!(error.starts_with("hf://collections/org/none: the list of its repositories"), "{error}");
    assert!(hint.contains("hf collections info org/none --json > '"), "{hint}");
}
