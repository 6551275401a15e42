use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::*;
use crate::OpenOptions;
use crate::error::Remedy;

const A: &str = "tests/data/adapters/seed0-r8-layer5";
const B: &str = "tests/data/adapters/seed1-r8-layer5";

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

#[test]
fn what_a_command_prints_and_says_is_returned() {
    let (printed, said) = run(&words(&["inspect", A, "--json"]), Given::default());
    let document: serde_json::Value = serde_json::from_slice(&printed.unwrap()).unwrap();
    assert_eq!((&document["checkpoints"][0]["path"], said.len()), (&A.into(), 0));
    // A step and its start.
    let steps =
        ["tests/data/adapters/trajectory/checkpoint-0", "tests/data/adapters/trajectory/checkpoint-50"];
    let (pair, said) = compare(&words(&["compare", steps[0], steps[1]]), Given::default());
    assert_eq!(pair.unwrap().modules().len(), 1);
    let warning =
        said.iter().find(|line| line.label == "warning" && line.message.contains("random start")).unwrap();
    assert!(warning.message.contains("side=\"b\"") && !warning.message.contains("--"), "{}", warning.message);
}

#[test]
fn adapters_that_are_open_are_found_under_their_paths() {
    let tensors = fs::read(format!("{A}/adapter_model.safetensors")).unwrap();
    let config = "{\"peft_type\": \"LORA\", \"r\": 8, \"lora_alpha\": 4}";
    let opened = OpenOptions::new().open_bytes("<live>", tensors, Some(config)).unwrap();
    assert_eq!(opened.modules()[0].scaling, Some(0.5));
    let given = |path: &str| Arc::new(HashMap::from([(PathBuf::from(path), opened.clone())]));
    let of_files = compare(&words(&["compare", A, B]), Given::default()).0.unwrap();
    let of_memory = compare(&words(&["compare", "live*", B]), given("live*")).0.unwrap();
    assert_eq!(of_memory.modules()[0].grid, of_files.modules()[0].grid);
    for (command, name) in [("merge-check", "<live>"), ("shared", "<live>"), ("inspect", "live*")] {
        let (printed, _) = run(&words(&[command, "live*", B, "--json"]), given("live*"));
        let printed = String::from_utf8(printed.unwrap()).unwrap();
        assert!(printed.contains(name), "{command}: {printed}");
    }
    // Only of the command that they were given to.
    let Err(Failure::Library(Error::NotFound(_))) =
        compare(&words(&["compare", "live*", B]), Given::default()).0
    else {
        panic!("it was found")
    };
}

#[test]
fn arguments_that_cannot_be_are_facts() {
    let fault = |given: &[&str]| match run(&words(given), Given::default()).0 {
        Err(Failure::Usage(fault)) => fault.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        fault(&["compare", A, B, "--side", "x"]),
        "side: found `x`, expected a, b, dw-right or dw-left, or with a base model w-right or w-left"
    );
    assert_eq!(
        fault(&["compare", A, B, "--engine=tpu"]),
        "engine: found `tpu`, expected one of auto, gpu, cpu"
    );
    assert_eq!(fault(&["compare", A, B, "--a-colour", "red"]), "a_colour: there is no such argument");
    assert_eq!(
        fault(&["compare", A, B, "--engine", "cpu", "--gpu", "0"]),
        "engine=\"cpu\" and gpu exclude each other"
    );
    let base = ["compare", "tests/data/weights/query-value-f16.safetensors", A];
    match compare(&words(&base), Given::default()).0.map(drop) {
        Err(Failure::Library(Error::Unsupported(fault))) => {
            assert!(matches!(fault.remedy, Some(Remedy::Text(_))), "{fault}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn limits_and_threads_hold_for_one_command() {
    let lowered = words(&["inspect", A, "--limit", "modules=1", "--threads", "2"]);
    assert!(matches!(open(&lowered, false), Err(Failure::Library(Error::Limit(_)))));
    assert_eq!(open(&words(&["inspect", A]), false).unwrap()[0].modules().len(), 2);
}

#[test]
fn a_scan_tells_how_far_it_is_and_can_be_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let scan_words = words(&["scan", A, B, "--no-cache", "-o", out.to_str().unwrap()]);
    let stopped = scan(&scan_words, &AtomicBool::new(true), |_| {}).0;
    assert!(!matches!(stopped, Ok(ref outcome) if outcome.n_blocks > 0));
    let (outcome, said) = scan(&scan_words, &AtomicBool::new(false), |_| {});
    let outcome = outcome.unwrap();
    assert_eq!((outcome.plan.n_adapters, outcome.plan.n_pairs), (2, 1));
    assert!(said.iter().any(|line| line.label == "wrote"), "{said:?}");
}
