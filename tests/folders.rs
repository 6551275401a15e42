//! What a path may be, and what is said when it holds no adapter.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::files::{container, data, zeros};
use lorascope::{Adapter, Error};
use tempfile::TempDir;

const MODEL: &str = "adapter_model.safetensors";

fn pair() -> Vec<u8> {
    zeros(&[("m.lora_A.weight", &[1, 2]), ("m.lora_B.weight", &[2, 1])])
}

/// A folder with these files.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

fn refused(path: impl AsRef<Path>) -> (Error, String) {
    let error = Adapter::open(&path).expect_err("it must be refused");
    let message = error.to_string();
    let start = format!("{}: ", path.as_ref().display());
    let rest = message.strip_prefix(&start).unwrap_or_else(|| panic!("{message} does not name {start}"));
    (error, rest.to_owned())
}

#[test]
fn a_folder_without_config_is_read() {
    let folder = folder(&[(MODEL, &pair())]);
    let adapter = Adapter::open(folder.path()).unwrap();
    assert_eq!((adapter.base_model(), adapter.modules().len()), (None, 1));
}

#[test]
fn a_config_without_peft_type_or_base_model_is_read() {
    let folder =
        folder(&[(MODEL, &pair()), ("adapter_config.json", br#"{"r": 8, "base_model_name_or_path": null}"#)]);
    assert_eq!(Adapter::open(folder.path()).unwrap().base_model(), None);
}

#[test]
fn a_broken_config_is_named_with_line_and_column() {
    let folder = folder(&[(MODEL, &pair()), ("adapter_config.json", b"{\n  \"peft_type\": LORA\n}")]);
    let error = Adapter::open(folder.path()).unwrap_err();
    assert!(matches!(error, Error::Malformed(_)));
    assert_eq!(
        error.to_string(),
        format!(
            "{}: found JSON that cannot be read (expected value at line 2 column 16), expected an object with peft_type \
             and base_model_name_or_path",
            folder.path().join("adapter_config.json").display()
        )
    );
}

/// The alphas and scalings of two modules, `x.q` of rank 4 and `x.v` of rank 16, under this config.
fn scaled(config: &str) -> Result<[[Option<f64>; 2]; 2], Error> {
    let model = zeros(&[
        ("base_model.model.x.q.lora_A.weight", &[4, 5]),
        ("base_model.model.x.q.lora_B.weight", &[5, 4]),
        ("base_model.model.x.v.lora_A.weight", &[16, 5]),
        ("base_model.model.x.v.lora_B.weight", &[5, 16]),
    ]);
    let folder = folder(&[(MODEL, &model), ("adapter_config.json", config.as_bytes())]);
    let adapter = Adapter::open(folder.path())?;
    Ok(["x.q", "x.v"].map(|name| adapter.module(name).unwrap()).map(|module| [module.alpha, module.scaling]))
}

#[test]
fn scaling_is_alpha_over_the_rank_of_each_module() {
    assert_eq!(scaled(r#"{"lora_alpha": 8}"#).unwrap(), [[Some(8.0), Some(2.0)], [Some(8.0), Some(0.5)]]);
    let rslora = scaled(r#"{"lora_alpha": 8.0, "use_rslora": true}"#).unwrap();
    assert_eq!(rslora, [[Some(8.0), Some(4.0)], [Some(8.0), Some(2.0)]]);
}

#[test]
fn patterns_replace_alpha_and_rank_where_they_match() {
    let config = r#"{"lora_alpha": 8, "alpha_pattern": {"v": 32}, "rank_pattern": {"x.v": 64}, "r": 4}"#;
    assert_eq!(scaled(config).unwrap(), [[Some(8.0), Some(2.0)], [Some(32.0), Some(0.5)]]);
    let config = r#"{"alpha_pattern": {"x.q": 6}, "rank_pattern": null, "use_rslora": null}"#;
    assert_eq!(scaled(config).unwrap(), [[Some(6.0), Some(1.5)], [None, None]]);
}

#[test]
fn a_pattern_that_is_not_understood_leaves_the_scaling_unknown() {
    let config = r#"{"lora_alpha": 8, "rank_pattern": {"v": 16, "(?!k)": 4}}"#;
    assert_eq!(scaled(config).unwrap(), [[Some(8.0), None], [Some(8.0), Some(0.5)]]);
    let config = r#"{"lora_alpha": 8, "rank_pattern": {"v": 16, "(q|k)": 2}}"#;
    assert_eq!(scaled(config).unwrap(), [[Some(8.0), Some(4.0)], [Some(8.0), Some(0.5)]]);
    let config = r#"{"lora_alpha": 8, "rank_pattern": {"v": 0}}"#;
    assert_eq!(scaled(config).unwrap(), [[Some(8.0), Some(2.0)], [Some(8.0), None]]);
}

#[test]
fn a_config_with_numbers_as_text_is_read() {
    let expected = [[Some(8.0), Some(2.0)], [Some(8.0), Some(0.5)]];
    assert_eq!(scaled(r#"{"lora_alpha": "8"}"#).unwrap(), expected);
    assert_eq!(scaled(r#"{"lora_alpha": " 8.0 ", "use_rslora": "false"}"#).unwrap(), expected);
    let rslora = scaled(r#"{"lora_alpha": "8", "use_rslora": "true"}"#).unwrap();
    assert_eq!(rslora, [[Some(8.0), Some(4.0)], [Some(8.0), Some(2.0)]]);
    let config =
        r#"{"lora_alpha": "8", "alpha_pattern": {"v": "32"}, "rank_pattern": {"x.v": "64"}, "r": "4"}"#;
    assert_eq!(scaled(config).unwrap(), [[Some(8.0), Some(2.0)], [Some(32.0), Some(0.5)]]);
}

#[test]
fn a_field_that_cannot_be_read_leaves_unknown_what_depends_on_it() {
    let unknown = [[None, None], [None, None]];
    for config in
        [r#"{"lora_alpha": null}"#, r#"{"lora_alpha": "eight"}"#, r#"{"lora_alpha": {"q": 8}}"#, "{}"]
    {
        assert_eq!(scaled(config).unwrap(), unknown, "{config}");
    }
    // A pattern might have another number for each module.
    assert_eq!(scaled(r#"{"lora_alpha": 8, "alpha_pattern": ["q"]}"#).unwrap(), unknown);
    let no_scaling = [[Some(8.0), None], [Some(8.0), None]];
    assert_eq!(scaled(r#"{"lora_alpha": 8, "rank_pattern": "x"}"#).unwrap(), no_scaling);
    assert_eq!(scaled(r#"{"lora_alpha": 8, "use_rslora": "perhaps"}"#).unwrap(), no_scaling);
    // What has nothing to do with the scaling does not change it.
    let config = r#"{"lora_alpha": 8, "target_modules": 7, "base_model_name_or_path": ["x"], "fan_in_fan_out": "?", "r": [],
        "target_parameters": 3, "lora_parameters": [], "peft_version": 1, "use_dora": {}, "peft_type": null}"#;
    assert_eq!(scaled(config).unwrap(), [[Some(8.0), Some(2.0)], [Some(8.0), Some(0.5)]]);
}

#[test]
fn a_method_without_a_and_b_is_refused_by_its_name_whatever_else_the_config_has() {
    let error = scaled(r#"{"peft_type": "WAVEFT", "r": null, "lora_alpha": "x"}"#).unwrap_err();
    assert!(matches!(error, Error::Unsupported(_)));
    assert!(
        error.to_string().ends_with("peft_type: found `WAVEFT`, expected LORA, ADALORA, LOHA, LOKR, VERA, VBLORA, C3A, MISS, BONE, RANDLORA, IA3, OFT, BOFT, HRA, GLORA, HIRA, DELORA, SHIRA"),
        "{error}"
    );
    assert_eq!(
        scaled(r#"{"peft_type": "PeftType.LORA", "lora_alpha": 8}"#).unwrap()[0],
        [Some(8.0), Some(2.0)]
    );
}

#[test]
fn more_regular_expressions_than_can_be_compiled_in_time_are_refused() {
    let keys: Vec<String> = (0..257).map(|n| format!(r#""(q|{n})": 1"#)).collect();
    let error = scaled(&format!(r#"{{"rank_pattern": {{{}}}}}"#, keys.join(","))).unwrap_err();
    assert!(matches!(error, Error::Limit(_)));
    let expected = "found 257 regular expressions in rank_pattern or alpha_pattern, expected at most 256";
    assert!(error.to_string().ends_with(expected), "{error}");
}

/// What is said about a pair in a safetensors file with this config of diffusers.
fn with_metadata(config: &str, limits: &lorascope::Limits) -> Result<Adapter, Error> {
    let config = serde_json::Value::from(config);
    let header = format!(
        r#"{{"__metadata__":{{"lora_adapter_metadata":{config}}},
        "unet.m.lora_A.weight":{{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}},
        "unet.m.lora_B.weight":{{"dtype":"F32","shape":[2,1],"data_offsets":[8,16]}}}}"#
    );
    let folder = folder(&[("x.safetensors", &container(header, 16))]);
    Adapter::open_with(folder.path().join("x.safetensors"), limits)
}

#[test]
fn a_config_in_the_metadata_is_held_to_the_same_limits() {
    let default = lorascope::Limits::default();
    let adapter = with_metadata(r#"{"unet.r": "1", "unet.lora_alpha": "3"}"#, &default).unwrap();
    assert_eq!((adapter.modules()[0].alpha, adapter.modules()[0].scaling), (Some(3.0), Some(3.0)));
    // The first key that matches counts, as in a config of its own.
    let first = r#"{"unet.lora_alpha": 3, "unet.alpha_pattern": {"m": 5, "(k|m)": 7}}"#;
    assert_eq!(with_metadata(first, &default).unwrap().modules()[0].alpha, Some(5.0));
    let strict = lorascope::Limits { config_bytes: 20, ..default.clone() };
    let error = with_metadata(first, &strict).unwrap_err();
    assert!(matches!(error, Error::Limit(_)));
    assert!(
        error.to_string().contains("lora_adapter_metadata: found 66 bytes, expected at most 20"),
        "{error}"
    );
    // Those of all patterns count together.
    let keys: Vec<String> = (0..150).map(|n| format!(r#""(m|{n})": 1"#)).collect();
    let patterns = |name: &str| format!(r#""unet.{name}_pattern": {{{}}}"#, keys.join(","));
    let both = ["rank", "alpha"].map(patterns).join(",");
    let error = with_metadata(&format!("{{{both}}}"), &default).unwrap_err();
    assert!(error.to_string().contains("found 300 regular expressions"), "{error}");
}

#[test]
fn a_key_for_each_of_thousands_of_modules_is_found() {
    let names: Vec<String> =
        (0..4096).flat_map(|n| [format!("m{n}.lora_A.weight"), format!("m{n}.lora_B.weight")]).collect();
    let model = zeros(&names.iter().map(|name| (name.as_str(), &[1, 1][..])).collect::<Vec<_>>());
    let keys: Vec<String> = (0..20_000).map(|n| format!(r#""m{n}":{}"#, n + 1)).collect();
    let config = format!(r#"{{"alpha_pattern": {{{}}}}}"#, keys.join(","));
    let folder = folder(&[(MODEL, &model), ("adapter_config.json", config.as_bytes())]);
    let adapter = Adapter::open(folder.path()).unwrap();
    for (n, module) in adapter.modules().iter().enumerate() {
        assert_eq!((module.alpha, module.scaling), (Some(n as f64 + 1.0), Some(n as f64 + 1.0)));
    }
    assert_eq!(adapter.modules().len(), 4096);
}

#[test]
fn a_bare_file_and_a_folder_without_config_have_no_scaling() {
    let folder = folder(&[(MODEL, &pair())]);
    let file = folder.path().join(MODEL);
    for adapter in [Adapter::open(folder.path()).unwrap(), Adapter::open(&file).unwrap()] {
        let module = &adapter.modules()[0];
        assert_eq!((module.alpha, module.scaling), (None, None));
    }
}

#[test]
fn a_folder_of_checkpoints_is_answered_with_their_names() {
    let bytes = pair();
    let folder = folder(&[
        ("checkpoint-1000/adapter_model.safetensors", &bytes),
        ("checkpoint-500/adapter_model.safetensors", &bytes),
        ("runs/events.log", b""),
    ]);
    let (error, message) = refused(folder.path());
    assert_eq!(message, "found 2 adapters, expected one adapter in the folder");
    let [x, y] =
        ["checkpoint-500", "checkpoint-1000"].map(|name| folder.path().join(name).display().to_string());
    assert_eq!(error.hint(), Some(format!("name one of {x}, {y}")));
}

#[test]
fn a_folder_with_a_torch_adapter_is_read_and_safetensors_are_preferred() {
    let torch = fs::read(data("torch/tiny-f32.pt")).unwrap();
    let config: (&str, &[u8]) = ("adapter_config.json", br#"{"lora_alpha": 6}"#);
    let older = folder(&[("adapter_model.bin", &torch), config]);
    let adapter = Adapter::open(older.path()).unwrap();
    assert_eq!((adapter.file_format().name(), adapter.modules().len()), ("torch zip", 4));
    assert_eq!(adapter.modules()[0].scaling, Some(2.0));
    let both = folder(&[("adapter_model.bin", &torch), (MODEL, &pair()), config]);
    let adapter = Adapter::open(both.path()).unwrap();
    assert_eq!((adapter.file_format().name(), adapter.modules().len()), ("safetensors", 1));
}

#[test]
fn the_only_adapter_in_a_folder_is_the_folders() {
    let full = zeros(&[("model.embed.weight", &[4, 2])]);
    for name in [
        "pytorch_lora_weights.safetensors",
        "adapters.safetensors",
        "my-lora.safetensors",
        "run/checkpoint-5/adapter_model.safetensors",
        "deep/er/lora",
    ] {
        let folder = folder(&[(name, &pair()), ("README.md", b"# x"), ("base/model.safetensors", &full)]);
        let adapter = Adapter::open(folder.path()).unwrap();
        assert_eq!((adapter.modules().len(), adapter.path()), (1, folder.path()), "{name}");
        assert_eq!(adapter.modules()[0].a.path(), folder.path().join(name));
    }
    // The last of a run of diffusers, with its checkpoints; and the file in a collection of others.
    let name = "pytorch_lora_weights.safetensors";
    let run = folder(&[
        (name, &pair()),
        (&format!("checkpoint-5/{name}"), &pair()),
        ("checkpoint-5/optimizer.bin", b""),
    ]);
    assert_eq!(Adapter::open(run.path()).unwrap().modules()[0].a.path(), run.path().join(name));
    let (error, message) = refused(folder(&[(name, &pair()), ("other.safetensors", &pair())]).path());
    assert_eq!(message, "found 2 adapters, expected one adapter in the folder");
    assert!(error.hint().is_some_and(|hint| hint.starts_with("name one of ")));
}

#[test]
fn what_cannot_be_read_in_a_folder_is_said() {
    let (pair, oft) =
        (pair(), fs::read("tests/data/libraries/refused/oft/adapter_model.safetensors").unwrap());
    let one = folder(&[("oft.safetensors", &oft)]);
    let error = Adapter::open(one.path()).unwrap_err();
    let start = format!("{}: module `", one.path().join("oft.safetensors").display());
    assert!(error.to_string().starts_with(&start) && error.to_string().contains("`: OFT, whose"), "{error}");
    let (error, message) = refused(folder(&[("oft.safetensors", &oft), ("plain.safetensors", &pair)]).path());
    assert_eq!(message, "found 1 adapter and 1 that cannot be read, expected one adapter in the folder");
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("plain.safetensors") && hint.contains("oft.safetensors"))
    );
}

#[test]
fn other_safetensors_in_a_folder_are_offered() {
    let folder =
        folder(&[("weights.safetensors", &zeros(&[("model.embed.weight", &[4, 2])])), ("README.md", b"")]);
    let (error, message) = refused(folder.path());
    assert_eq!(message, "found no adapter_model.safetensors, expected an adapter's folder");
    let file = folder.path().join("weights.safetensors").display().to_string();
    assert_eq!(error.hint(), Some(format!("if one of these is the adapter, name the file itself: {file}")));
}

#[test]
fn a_full_models_folder_says_so_and_asks_for_its_base() {
    let folder = folder(&[("model.safetensors", &zeros(&[("model.embed.weight", &[4, 2])]))]);
    let (error, message) = refused(folder.path());
    assert_eq!(message, "found a full model, expected an adapter's folder");
    assert_eq!(error.remedy(), Some(&lorascope::Remedy::NameBase));
}

#[test]
fn a_folder_of_very_many_files_is_not_searched() {
    let folder = TempDir::new().unwrap();
    for n in 0..10_001 {
        fs::write(folder.path().join(n.to_string()), b"").unwrap();
    }
    let (error, message) = refused(folder.path());
    assert_eq!(message, "found more than 10000 files, expected an adapter's folder");
    assert_eq!(error.hint().as_deref(), Some("name the adapter's own folder or file"));
}

#[test]
fn a_folder_with_nothing_of_use_is_answered_with_what_it_holds() {
    let holds = folder(&[("README.md", b""), ("train.py", b"")]);
    assert_eq!(
        refused(holds.path()).1,
        "found no adapter_model.safetensors, only README.md, train.py, expected a PEFT folder or an adapter's file"
    );
    let empty = folder(&[("run.safetensors/keep", b"")]);
    fs::remove_file(empty.path().join("run.safetensors/keep")).unwrap();
    assert_eq!(
        refused(empty.path().join("run.safetensors")).1,
        "found an empty folder, expected a PEFT folder or an adapter's file"
    );
}

#[test]
fn a_name_of_the_hub_is_answered_with_its_name_here() {
    let (error, message) = refused("some-org/llama-3.1-lora_v2");
    assert!(matches!(error, Error::NotFound(_)));
    assert_eq!(message, "no such file or directory");
    assert_eq!(
        error.hint().as_deref(),
        Some("if this is a model of the Hugging Face Hub, name it hf://some-org/llama-3.1-lora_v2")
    );
    let (_, message) = refused("https://huggingface.co/some-org/lora/tree/main");
    assert_eq!(message, "no such file or directory");
}

#[test]
fn a_mistyped_path_is_not_taken_for_a_name_of_the_hub() {
    for path in [
        "tests/datum",
        "./some-org/x",
        "/some-org/x",
        "some-org/x/y",
        "x",
        "some-org/x.safetensors",
        "some-org/x.ckpt",
        "a b/c",
    ] {
        let (error, message) = refused(path);
        assert_eq!(message, "no such file or directory");
        assert_eq!(error.hint(), None, "{path}");
    }
}

#[test]
fn a_pointer_instead_of_the_file_is_named_with_the_way_to_fetch_it() {
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 2362576\n";
    let folder = folder(&[(MODEL, pointer)]);
    let (error, message) = refused(folder.path().join(MODEL));
    assert_eq!(message, "found a Git LFS pointer to a file of 2362576 bytes, expected an adapter's file");
    assert_eq!(error.hint().as_deref(), Some("fetch the file itself with `git lfs pull`"));
}

#[test]
fn files_of_another_kind_are_named() {
    let cases: &[(&[u8], &str)] = &[
        (b"", "an empty file"),
        (b"<!DOCTYPE html>\n<html class=\"\">", "an HTML page"),
        (b"{\"peft_type\": \"LORA\"}", "JSON text"),
        (b"Entry not found", "text that begins with `Entry not found`"),
    ];
    for (bytes, found) in cases {
        let folder = folder(&[("x.safetensors", bytes)]);
        let (_, message) = refused(folder.path().join("x.safetensors"));
        assert_eq!(message, format!("found {found}, expected an adapter's file"));
    }
}

#[test]
fn a_file_that_changes_after_it_was_opened_is_refused_when_it_is_read() {
    let folder = folder(&[(MODEL, &pair())]);
    let path = folder.path().join(MODEL);
    let adapter = Adapter::open(&path).unwrap();
    let factor = &adapter.modules()[0].a;
    assert_eq!(factor.read().unwrap().values, [0.0, 0.0]);
    fs::write(&path, &pair()[..100]).unwrap();
    let error = factor.read().unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{}: found the file changed, expected it unchanged since its header was read",
            path.display()
        )
    );
    fs::remove_file(&path).unwrap();
    assert!(matches!(factor.read().unwrap_err(), Error::Io { .. }));
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[cfg(target_os = "linux")]
    #[test]
    fn open_adapters_hold_no_descriptors() {
        // No other test in this file opens this one.
        let path = fs::canonicalize(data("bare/seed0-r8-f16.safetensors")).unwrap();
        let held = || {
            let links =
                fs::read_dir("/proc/self/fd").unwrap().map(|entry| fs::read_link(entry.unwrap().path()));
            links.filter(|link| link.as_ref().is_ok_and(|link| *link == path)).count()
        };
        let file = fs::File::open(&path).unwrap();
        assert_eq!(held(), 1);
        drop(file);
        let adapter = Adapter::open(&path).unwrap();
        adapter.modules()[0].a.read().unwrap();
        assert_eq!(held(), 0);
    }

    #[test]
    fn a_pipe_is_refused_and_does_not_block() {
        let folder = TempDir::new().unwrap();
        let path: PathBuf = folder.path().join("pipe.safetensors");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let (error, message) = refused(&path);
        assert!(matches!(error, Error::Unsupported(_)));
        assert_eq!(
            message,
            "found a pipe or a device, expected a regular file, which can be read by position"
        );
    }

    #[test]
    fn a_dangling_link_in_a_folder_is_named() {
        let folder = TempDir::new().unwrap();
        symlink("nowhere", folder.path().join(MODEL)).unwrap();
        let error = Adapter::open(folder.path()).unwrap_err();
        let start = format!("{}: cannot open: ", folder.path().join(MODEL).display());
        assert!(error.to_string().starts_with(&start), "{error}");
    }

    #[test]
    fn a_config_that_is_a_link_to_nothing_or_to_itself_is_not_taken_for_none() {
        for to in ["nowhere", "adapter_config.json"] {
            for model in [MODEL, "0000100_adapters.safetensors"] {
                let folder = folder(&[(model, &pair())]);
                symlink(to, folder.path().join("adapter_config.json")).unwrap();
                let path = if model == MODEL { folder.path().to_owned() } else { folder.path().join(model) };
                let error = Adapter::open(&path).unwrap_err();
                let start = format!("{}: cannot open: ", folder.path().join("adapter_config.json").display());
                assert!(error.to_string().starts_with(&start), "{error}");
            }
        }
    }

    #[test]
    fn a_file_that_may_not_be_read_is_an_io_error() {
        let folder = folder(&[(MODEL, &pair())]);
        let path = folder.path().join(MODEL);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
        if fs::File::open(&path).is_ok() {
            eprintln!("skipped: this user may read every file");
            return;
        }
        let error = Adapter::open(&path).unwrap_err();
        assert!(matches!(error, Error::Io { .. }));
        assert!(error.to_string().starts_with(&format!("{}: cannot open: ", path.display())), "{error}");
    }
}
