//! What a scan says: the plan, warnings, lines of JSON, and nothing when asked for nothing.

use std::fs;

use serde_json::Value;

use crate::common::checkpoints::Checkpoint;
use crate::common::scans::{Place, files};

#[test]
fn a_dry_run_makes_nothing_and_prints_the_plan() {
    let place = Place::mixed();
    fs::write(place.path("runs/broken.safetensors"), b"\x08\0\0\0\0\0\0\0{\"a\":1}").unwrap();
    let before = names(&place);
    let ended = place.run("runs -o out --dry-run");
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert_eq!(names(&place), before, "a dry run left something");
    let line = |label: &str| {
        let line = ended.stdout.lines().find(|line| line.starts_with(label));
        line.unwrap_or_else(|| panic!("no {label} in {}", ended.stdout))[label.len()..].trim()
    };
    assert!(line("checkpoints").starts_with("9 (9 new, 1 bad, "));
    assert_eq!(line("modules"), "4");
    assert_eq!(line("largest rank"), "8");
    // 21 pairs of seven that have q_proj of d = 24, 15 of which, of the six with v_proj, have two rows; and the two of other
    // shapes, with two rows more.
    assert_eq!((line("pairs"), line("rows")), ("22", "38 (38 to do)"));
    assert!(line("products").ends_with(" FLOP"));
    for label in ["blocks", "to read", "bases", "table", "memory", "time"] {
        assert!(!line(label).is_empty());
    }
    // And after half of it, what is left.
    assert_eq!(place.run("runs -o out --shard 1/2").code, Some(3));
    let ended = place.run("runs -o out --dry-run");
    assert!(!ended.stdout.contains("38 (38 to do)") && ended.stdout.contains("rows          38 ("));
    let n_done = files(&place.path("out/pairs")).len();
    assert!(ended.stdout.contains(&format!("({} to do)", 4 - n_done)), "{}", ended.stdout);
}

/// Everything in a place, however deep.
fn names(place: &Place) -> Vec<String> {
    let entries = walkdir::WalkDir::new(place.root()).sort_by_file_name();
    entries.into_iter().map(|entry| entry.unwrap().path().display().to_string()).collect()
}

#[test]
fn the_json_log_is_json_line_by_line() {
    let place = Place::mixed();
    fs::write(place.path("runs/broken.safetensors"), b"<html>").unwrap();
    for args in ["runs -o out --json-log -v", "runs -o out --json-log", "nothing -o out --json-log"] {
        let ended = place.run(args);
        assert!(ended.stdout.is_empty());
        assert!(!ended.stderr.is_empty());
        for line in ended.stderr.lines() {
            let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert!(line["label"].is_string() && line["message"].is_string(), "{line}");
        }
    }
    let ended = place.run("runs -o out --json-log");
    let labels: Vec<String> = ended
        .stderr
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["label"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(labels, ["error", "hint", "plan", "wrote", "wrote"], "{}", ended.stderr);
}

#[test]
fn a_pipe_gets_no_bar_and_quiet_is_quiet() {
    let place = Place::mixed();
    let ended = place.done("runs -o out");
    assert!(ended.stdout.is_empty());
    assert!(
        !ended.stderr.contains(['\r', '\u{1b}']) && !ended.stderr.contains("progress:"),
        "{}",
        ended.stderr
    );
    let labels: Vec<&str> = ended.stderr.lines().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(labels, ["plan", "engine", "warning", "warning", "wrote", "wrote"], "{}", ended.stderr);
    let quiet = place.done("runs -o quiet -q");
    assert!(quiet.stdout.is_empty() && quiet.stderr.is_empty(), "{}", quiet.stderr);
}

#[test]
fn pairs_of_one_start_and_of_other_base_models_are_marked_and_counted() {
    let place = Place::mixed();
    let ended = place.done("runs -o out");
    let rows = place.table("out");
    let count = |column: &str| rows.iter().filter(|row| row.flag(column) == Some(true)).count();
    let (n_same, n_other) = (count("shared_init"), count("other_base"));
    assert!(n_same >= 8 && n_other > 0);
    assert!(ended.stderr.contains(&format!("warning: {n_same} of 38 rows share the random start of A")));
    assert!(
        ended
            .stderr
            .contains(&format!("warning: {n_other} of 38 rows compare adapters of different base models"))
    );
    assert!(ended.stderr.contains("--side b") && ended.stderr.contains("--same-base"));
}

#[test]
fn a_scan_that_began_on_one_engine_is_not_finished_on_another() {
    let place = Place::new();
    for seed in 0..3 {
        Checkpoint::new(seed).write(&place.path(&format!("runs/{seed}")));
    }
    place.done("runs -o out");
    let text = fs::read_to_string(place.path("out/plan.json")).unwrap();
    let mut plan: Value = serde_json::from_str(&text).unwrap();
    plan["engine"]["kind"] = "gpu".into();
    fs::write(place.path("out/plan.json"), plan.to_string()).unwrap();
    for file in files(&place.path("out/pairs")) {
        fs::remove_file(file).unwrap();
    }
    let refused = place.run("runs -o out --engine cpu");
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("found the engine cpu, expected gpu"), "{}", refused.stderr);
    assert!(refused.stderr.contains("hint: use --engine gpu"), "{}", refused.stderr);
}
