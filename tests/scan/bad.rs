//! Checkpoints that cannot be read or have nothing to compare: reported and skipped, or the end with --strict.

use std::fs;

use crate::common::checkpoints::{Checkpoint, QUERY};
use crate::common::scans::Place;

/// Three good checkpoints and a truncated one.
fn with_a_truncated_one() -> Place {
    let place = Place::new();
    for seed in 1..4 {
        Checkpoint::new(seed).write(&place.path(&format!("runs/{seed}")));
    }
    Checkpoint::new(9).write(&place.path("runs/cut"));
    let file = place.path("runs/cut/adapter_model.safetensors");
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() - 100]).unwrap();
    place
}

#[test]
fn a_truncated_checkpoint_is_reported_and_skipped_and_the_exit_code_is_3() {
    let place = with_a_truncated_one();
    let ended = place.run("runs -o out");
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    let error = ended.stderr.lines().find(|line| line.starts_with("error: ")).unwrap();
    assert!(error.contains("runs/cut/adapter_model.safetensors: "), "{error}");
    assert_eq!((place.adapters("out").len(), place.table("out").len()), (3, 6));
    // Still so when there is nothing left to do, and over when it is whole.
    assert_eq!(place.run("runs -o out").code, Some(3));
    assert_eq!(place.run("runs -o out --dry-run").code, Some(3));
    Checkpoint::new(9).write(&place.path("runs/cut"));
    let ended = place.done("runs -o out");
    assert!(ended.stderr.contains("added 1, 6 rows to do"), "{}", ended.stderr);
}

#[test]
fn strict_stops_at_a_truncated_checkpoint_before_anything_is_done() {
    let place = with_a_truncated_one();
    let ended = place.run("runs -o out --strict");
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("runs/cut/adapter_model.safetensors: "), "{}", ended.stderr);
    assert!(!place.path("out/plan.json").exists());
}

#[test]
fn an_untrained_b_leaves_rows_out_on_side_b_alone() {
    let place = Place::new();
    for seed in 1..4 {
        Checkpoint::new(seed).write(&place.path(&format!("runs/{seed}")));
    }
    Checkpoint { untrained: vec!["v_proj"], ..Checkpoint::new(8) }.write(&place.path("runs/untrained"));
    place.done("runs -o a");
    assert_eq!(place.table("a").len(), 12);
    let ended = place.run("runs -o b --side b");
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    let warning = "warning: 1 module of 1 of 4 checkpoints left out: B is all zeros in runs/untrained (`layers.0.self_attn.v_proj`)";
    assert!(ended.stderr.lines().any(|line| line == warning), "{}", ended.stderr);
    assert_eq!(place.table("b").len(), 9);
    let adapters = place.adapters("b");
    let problems: Vec<_> = adapters.iter().map(|row| row.text("problem").is_some()).collect();
    assert_eq!(problems, [false, false, false, true]);
    assert!(place.table("b").iter().all(|row| {
        row.text("projection") == Some("q") || adapters[row.int("b")].text("path") != Some("runs/untrained")
    }));
    // The same from the cache, in another folder.
    let again = place.run("runs -o again --side b");
    assert_eq!(again.code, Some(3));
    assert_eq!(place.bytes("again"), place.bytes("b"));
    let strict = place.run("runs -o strict --side b --strict");
    assert_eq!(strict.code, Some(1), "{}", strict.stderr);
    assert!(strict.stderr.contains("error: runs/untrained: module"), "{}", strict.stderr);
}

#[test]
fn an_adapter_without_any_basis_is_in_no_row() {
    let place = Place::new();
    for seed in 1..3 {
        Checkpoint::new(seed).write(&place.path(&format!("runs/{seed}")));
    }
    let untrained = vec!["q_proj", "v_proj"];
    Checkpoint { untrained, ..Checkpoint::new(8) }.write(&place.path("runs/untrained"));
    for pairs in ["all", "against runs/untrained"] {
        let out = format!("out-{}", pairs.len());
        let ended = place.run(&format!("runs -o {out} --side b --pairs {pairs}"));
        assert_eq!(ended.code, Some(3), "{}", ended.stderr);
        let rows = place.table(&out);
        assert_eq!(rows.len(), if pairs == "all" { 2 } else { 0 });
        assert!(rows.iter().all(|row| (row.int("a"), row.int("b")) == (0, 1)));
        assert_eq!(place.adapters(&out).len(), 3);
    }
}

#[test]
fn a_nan_in_a_factor_is_reported_and_its_rows_are_left_out() {
    let place = Place::new();
    for seed in 1..4 {
        Checkpoint::new(seed).write(&place.path(&format!("runs/{seed}")));
    }
    Checkpoint { not_finite: vec!["q_proj"], ..Checkpoint::new(8) }.write(&place.path("runs/nan"));
    let ended = place.run("runs -o out");
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    let warning = "warning: 1 module of 1 of 4 checkpoints left out: A has NaN in runs/nan (`layers.0.self_attn.q_proj`)";
    assert!(ended.stderr.lines().any(|line| line == warning), "{}", ended.stderr);
    let rows = place.table("out");
    assert_eq!(rows.len(), 3 + 6);
    assert!(rows.iter().all(|row| row.number("phi_r").unwrap().is_finite()));
}

#[test]
fn nothing_but_bad_checkpoints_is_an_error() {
    let place = Place::new();
    for name in ["x", "y"] {
        fs::create_dir_all(place.path("runs").join(name)).unwrap();
        fs::write(place.path("runs").join(name).join("adapter_model.safetensors"), b"<html>").unwrap();
    }
    let ended = place.run("runs -o out");
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert_eq!(ended.stderr.matches("found an HTML page").count(), 2, "{}", ended.stderr);
    assert!(!place.path("out").exists(), "a folder was made for nothing");
}

#[test]
fn a_bad_reference_is_an_error() {
    let place = with_a_truncated_one();
    let ended = place.run("runs/1 runs/2 -o out --pairs against runs/cut");
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("runs/cut"), "{}", ended.stderr);
    assert!(!place.path("out/plan.json").exists());
}

#[test]
fn a_rank_over_d_is_compared_in_its_numerical_rank() {
    let place = Place::new();
    let thin = ("layers.0.self_attn.q_proj", 3, 40);
    for seed in 1..3 {
        Checkpoint::new(seed).r(5).modules(&[thin]).write(&place.path(&format!("runs/{seed}")));
    }
    Checkpoint::new(3).r(2).modules(&[thin]).write(&place.path("runs/3"));
    Checkpoint::new(4).modules(&[QUERY]).write(&place.path("runs/4"));
    place.done("runs -o out");
    let rows = place.table("out");
    assert_eq!(rows.len(), 3);
    let whole = &rows[0];
    assert_eq!([whole.int("r_a"), whole.int("q_a"), whole.int("d")], [5, 3, 3]);
    // Both spaces are all there is: φ is 1, by chance as well.
    assert!((whole.number("phi_r").unwrap() - 1.0).abs() < 1e-5);
    assert_eq!((whole.number("baseline"), whole.number("z"), whole.number("phi_4")), (Some(1.0), None, None));
}

#[test]
fn a_file_of_several_adapters_is_reported_once_in_its_place() {
    let place = Place::new();
    for seed in 0..3 {
        Checkpoint::new(seed).write(&place.path(&format!("runs/checkpoint-{seed}")));
    }
    fs::copy("tests/data/libraries/peft-several/two.safetensors", place.path("runs/two.safetensors"))
        .unwrap();
    fs::write(place.path("runs/a.safetensors"), "x").unwrap();
    let ended = place.run("runs runs/two.safetensors -o out");
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    let errors: Vec<&str> = ended.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    let found = "found 2 adapters (`face`, `style`), expected one adapter in a file";
    assert!(errors[0].starts_with("error: runs/a.safetensors: "), "{errors:?}");
    assert_eq!(errors[1], format!("error: runs/two.safetensors: {found}"));
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(ended.stderr.contains("hint: a scan takes one adapter from a file"), "{}", ended.stderr);
    assert_eq!(place.table("out").len(), 2 * 3);
}
