//! What users name, and what is wrong with it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use crate::common::checkpoints::{Checkpoint, QUERY};
use crate::common::scans::{Place, ended};

/// Expects exit code 1 and this in the first error; returns what was said.
fn refused(place: &Place, args: &str, found: &str) -> String {
    let ended = place.run(args);
    assert_eq!(ended.code, Some(1), "{args}: {}", ended.stderr);
    let error = ended.stderr.lines().find(|line| line.starts_with("error: ")).unwrap();
    assert!(error.contains(found), "{args}: {error}");
    ended.stderr
}

#[test]
fn what_is_not_there_is_named() {
    let place = Place::mixed();
    refused(&place, "nothing -o out", "nothing: no such file or directory");
    refused(&place, "runs/*.bin -o out", "runs/*.bin: no file matches this glob");
    refused(&place, "runs/[ -o out", "runs/[");
    refused(&place, "--list nothing.txt -o out", "nothing.txt: cannot read: ");
    refused(&place, "runs -o out --pairs against", "found no REF");
    refused(&place, "runs -o out --pairs sideways", "found `sideways`, expected `all`, `consecutive`");
    refused(&place, "runs -o out --module [", "module: found `[`");
    refused(
        &place,
        "runs -o out --module nothing",
        "module `nothing`: none of 9 checkpoints has it; they have `layers.7.mlp.down_proj`, `layers.0.self_attn.q_proj`, ",
    );
    refused(&place, "-o out --pairs all", "found no RUN");
    refused(&place, "runs -o out --left nothing --right *", "nothing: found no adapter whose path matches");
    let said =
        refused(&place, "runs -o out --left step_* --right lon.safetensors", "no adapter whose path matches");
    assert!(said.contains("hint: the nearest are `runs/lone.safetensors`, "), "{said}");
    assert!(!place.path("out/plan.json").exists());
}

#[test]
fn a_folder_without_checkpoints_is_an_error() {
    let place = Place::new();
    fs::create_dir(place.path("empty")).unwrap();
    refused(&place, "empty -o out", "scan: no checkpoint in empty (0 other files)");
    fs::write(place.path("empty/notes.txt"), "x").unwrap();
    refused(&place, "empty -o out", "scan: no checkpoint in empty (1 other files)");
    fs::write(place.path("list"), "# none\n\n").unwrap();
    refused(&place, "--list list -o out", "found no RUN");
}

#[test]
fn one_checkpoint_alone_is_an_error() {
    let place = Place::new();
    Checkpoint::new(1).write(&place.path("runs/1"));
    refused(&place, "runs -o out", "found 1 checkpoint, expected two that have a module in common");
    assert!(!place.path("out/plan.json").exists());
    refused(&place, "runs -o out --dry-run", "found 1 checkpoint");
    Checkpoint::new(2).modules(&[("x.layers.0.mlp.fc", 8, 8)]).write(&place.path("runs/2"));
    refused(&place, "runs -o out", "found 2 checkpoints, expected two that have a module in common");
    Checkpoint::new(3).write(&place.path("runs/3"));
    place.done("runs -o out");
}

#[test]
fn an_output_that_is_a_file_is_an_error() {
    let place = Place::mixed();
    fs::write(place.path("out"), "x").unwrap();
    refused(&place, "runs -o out", "out");
    refused(&place, "runs -o out/deeper", "out/deeper");
    assert_eq!(fs::read(place.path("out")).unwrap(), b"x");
}

#[test]
fn an_output_within_the_folder_of_runs_is_no_input() {
    let place = Place::mixed();
    place.done("runs -o runs/out");
    let again = place.done("runs -o runs/out");
    assert!(again.stderr.contains("all done already"), "{}", again.stderr);
    place.done("runs -o out");
    assert_eq!(place.bytes("out"), place.bytes("runs/out"));
}

#[test]
fn a_plan_that_no_scan_wrote_is_an_error_without_a_hint_to_destroy_it() {
    let place = Place::mixed();
    place.done("runs -o out");
    let plan = fs::read_to_string(place.path("out/plan.json")).unwrap();
    for (text, found) in [
        ("", "JSON that cannot be read"),
        ("{}", "found no schema"),
        ("{\"schema\": 99}", "found schema 99"),
        ("{\"schema\": 4}", "a plan that cannot be read"),
        ("{\"schema\": 1}", "found schema 1, expected schema 4"),
    ] {
        fs::write(place.path("out/plan.json"), text).unwrap();
        let said = refused(&place, "runs -o out", found);
        assert!(said.contains("hint: ") && !said.contains("--fresh"), "{said}");
        refused(&place, "runs -o out --fresh", "found a file that no scan wrote");
        assert_eq!(fs::read_to_string(place.path("out/plan.json")).unwrap(), text);
    }
    // One of another version is a scan's all the same.
    fs::write(place.path("out/plan.json"), plan.replace("\"schema\": 4", "\"schema\": 2")).unwrap();
    let said = refused(&place, "runs -o out", "found schema 2, expected schema 4");
    assert!(said.contains("start over with --fresh"), "{said}");
    place.done("runs -o out --fresh");
}

#[test]
fn a_plan_of_other_hands_is_no_way_to_stop_the_process() {
    let place = Place::mixed();
    place.done("runs -o out");
    let text = fs::read_to_string(place.path("out/plan.json")).unwrap();
    let plan: serde_json::Value = serde_json::from_str(&text).unwrap();
    let with = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut plan = plan.clone();
        change(&mut plan);
        fs::write(place.path("out/plan.json"), plan.to_string()).unwrap();
        let ended = place.run("runs -o out");
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert!(ended.stderr.contains("out/plan.json: found "), "{}", ended.stderr);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    };
    with(&|plan| plan["block"] = 0.into());
    with(&|plan| plan["adapters"][0]["layout"] = 99.into());
    with(&|plan| plan["adapters"][0]["base_model"] = 99.into());
    with(&|plan| plan["layouts"][0]["modules"][0][0] = 99.into());
    with(&|plan| plan["generations"] = serde_json::json!([3, 2]));
    with(&|plan| plan["generations"] = serde_json::json!([900]));
    with(&|plan| plan["options"]["side"] = "dw-up".into());
    with(&|plan| plan["options"]["precision"] = "f64".into());
    with(&|plan| plan["engine"]["kind"] = "tpu".into());
    with(&|plan| plan["adapters"][0]["fingerprint"] = "+0".into());
}

#[test]
fn a_path_that_is_not_utf_8_is_skipped_and_named() {
    let place = Place::new();
    for seed in 1..3 {
        Checkpoint::new(seed).write(&place.path(&format!("runs/{seed}")));
    }
    Checkpoint::new(3).write(&place.root().join("runs").join(OsStr::from_bytes(b"caf\xe9")));
    let ended = place.run("runs -o out");
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("runs/caf\u{fffd}: found a path that is not UTF-8"), "{}", ended.stderr);
    assert_eq!(place.adapters("out").len(), 2);
}

#[test]
fn an_output_that_is_not_utf_8_and_names_with_spaces_are_fine() {
    let place = Place::new();
    for name in ["über alles", "a 'b' \"c\""] {
        Checkpoint::new(name.len() as u64).write(&place.path("runs").join(name));
    }
    let mut command = place.scan("runs");
    command.arg("-o").arg(OsStr::from_bytes(b"caf\xe9"));
    let done = ended(&command.output().unwrap());
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let out = place.root().join(OsStr::from_bytes(b"caf\xe9"));
    assert!(out.join("adapters.parquet").exists());
    place.done("runs -o out");
    let adapters = place.adapters("out");
    assert_eq!(adapters[1].text("path"), Some("runs/über alles"));
}

#[test]
fn other_files_are_ignored_and_counted() {
    let place = Place::mixed();
    let ended = place.done("runs -o out --dry-run -v");
    assert!(ended.stdout.contains("9 (9 new, 0 bad, "), "{}", ended.stdout);
    for file in ["runs/a/tokenizer.json", "runs/a/checkpoint-100/optimizer.pt"] {
        assert!(ended.stderr.contains(&format!("ignored: {file}")), "{}", ended.stderr);
    }
}

#[test]
fn a_link_to_a_checkpoint_that_is_there_is_no_second_one() {
    let place = Place::mixed();
    std::os::unix::fs::symlink("checkpoint-1000", place.path("runs/a/latest")).unwrap();
    std::os::unix::fs::symlink("nowhere", place.path("runs/a/broken")).unwrap();
    // A folder that holds itself must not be searched for ever.
    std::os::unix::fs::symlink("..", place.path("runs/a/loop")).unwrap();
    place.done("runs -o out");
    assert_eq!(place.adapters("out").len(), 9);
}

#[test]
fn other_base_models_may_use_one_name_for_other_shapes() {
    let place = Place::new();
    Checkpoint::new(1).write(&place.path("runs/1"));
    Checkpoint::new(2).write(&place.path("runs/2"));
    let (name, ..) = QUERY;
    for seed in 3..5 {
        let other = Checkpoint::new(seed).modules(&[(name, 64, 8)]).base(Some("base/two"));
        other.write(&place.path(&format!("runs/{seed}")));
    }
    place.done("runs -o out");
    let rows = place.table("out");
    let of = |d: usize| {
        let rows = rows.iter().filter(|row| row.text("module") == Some(name) && row.int("d") == d);
        rows.map(|row| (row.int("a"), row.int("b"))).collect::<Vec<_>>()
    };
    assert_eq!((of(24), of(64)), (vec![(0, 1)], vec![(2, 3)]));
    assert!(rows.iter().all(|row| row.flag("other_base") == Some(false)));
}

#[test]
fn checkpoints_none_of_which_can_be_read_are_said_to_be_that() {
    let place = Place::new();
    fs::create_dir(place.path("bad")).unwrap();
    fs::write(place.path("bad/a.safetensors"), "no").unwrap();
    for args in ["bad -o out", "bad/a.safetensors -o out", "bad -o out --dry-run", "bad -o out --module *.q"]
    {
        let said = place.run(args).stderr;
        let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 2, "{args}: {said}");
        assert!(errors[0].starts_with("error: bad/a.safetensors: "), "{said}");
        assert_eq!(errors[1], "error: scan: the only checkpoint cannot be read", "{args}");
    }
    fs::write(place.path("bad/b.safetensors"), "no").unwrap();
    let said = place.run("bad -o out").stderr;
    assert!(said.contains("error: scan: none of 2 checkpoints can be read"), "{said}");
    assert!(!place.path("out").exists());
}

#[test]
fn an_adapter_counts_once_by_all_of_its_names_and_as_its_folder() {
    let place = Place::new();
    for seed in 1..3 {
        Checkpoint::new(seed).write(&place.path(&format!("runs/{seed}")));
    }
    let file = place.path("runs/1/adapter_model.safetensors");
    std::os::unix::fs::symlink(&file, place.path("runs/0.safetensors")).unwrap();
    fs::hard_link(&file, place.path("0.safetensors")).unwrap();
    std::os::unix::fs::symlink("runs/1", place.path("0")).unwrap();
    for (n, other) in [
        "runs/1/adapter_model.safetensors",
        "./runs/1",
        "runs/0.safetensors",
        "0.safetensors",
        "runs/../runs/1/",
    ]
    .into_iter()
    .enumerate()
    {
        let out = format!("out{n}");
        for args in [format!("{other} runs/1 runs/2"), format!("runs/2 runs/1 {other}")] {
            place.done(&format!("{args} -o {out} --fresh"));
            let paths: Vec<String> =
                place.adapters(&out).iter().map(|row| row.text("path").unwrap().to_owned()).collect();
            assert_eq!(paths, ["runs/1", "runs/2"], "{args}");
        }
    }
    // As a reference it is the adapter that is among the inputs.
    place.done("runs -o against --pairs against runs/1/adapter_model.safetensors");
    assert_eq!(place.adapters("against").len(), 2);
    assert!(!place.table("against").is_empty());
}

#[test]
fn a_list_of_paths_that_are_not_all_text_is_taken_as_it_is() {
    let place = Place::new();
    for seed in 1..3 {
        Checkpoint::new(seed).write(&place.path(&format!("runs/{seed}")));
    }
    Checkpoint::new(3).write(&place.root().join("runs").join(OsStr::from_bytes(b"caf\xe9")));
    fs::write(place.path("list"), b"runs/1\nruns/caf\xe9\nruns/2\n").unwrap();
    let ended = place.run("--list list -o out");
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("runs/caf\u{fffd}: found a path that is not UTF-8"), "{}", ended.stderr);
    assert_eq!(place.adapters("out").len(), 2);
}
