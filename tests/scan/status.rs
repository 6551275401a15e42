//! `lorascope status`: the counts of a scan that is planned, begun by shares, and done.

use serde_json::Value;

use crate::common::checkpoints::Checkpoint;
use crate::common::scans::Place;

/// Five checkpoints of two modules: blocks of two by two are five a module (the fifth checkpoint
/// makes no pair with itself), of 10 pairs and 20 rows together.
fn planned() -> Place {
    let place = Place::new();
    for seed in 0..5 {
        Checkpoint::new(seed).write(&place.path(&format!("runs/checkpoint-{seed}")));
    }
    place.done("runs -o planned");
    place.replan("planned", "out", 2);
    place
}

fn status(place: &Place) -> Value {
    let output = place.lorascope("status out --json").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text(place: &Place) -> String {
    String::from_utf8(place.lorascope("status out").output().unwrap().stdout).unwrap()
}

fn counts(status: &Value) -> [u64; 4] {
    ["n_blocks", "n_done", "n_rows", "n_rows_left"].map(|key| status["counts"][key].as_u64().unwrap())
}

#[test]
fn counts_go_from_nothing_over_shares_to_all() {
    let place = planned();
    let before = status(&place);
    assert_eq!(counts(&before), [10, 0, 20, 20]);
    assert_eq!(["n_adapters", "n_modules", "n_pairs"].map(|key| before[key].as_u64().unwrap()), [5, 2, 10]);
    assert!(
        text(&place).starts_with("5 checkpoints, 2 modules, 10 pairs\nblocks: 0 of 10 done, rows: 0 of 20\n")
    );
    assert_eq!((before["missing"].as_array().unwrap().len(), &before["shares"]), (10, &Value::Null));
    assert_eq!(before["processes"], Value::Array(vec![]));

    place.done("runs -o out --shard 3/5");
    let begun = status(&place);
    // Modules change fastest: the places 2 and 7 are both modules of two of the blocks.
    let missing: Vec<&str> =
        begun["missing"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let files = crate::common::scans::files(&place.path("out/pairs"));
    let is_there = |name: &str| files.iter().any(|file| file.file_stem().unwrap() == name);
    assert_eq!((files.len(), missing.len()), (2, 8));
    assert!(!missing.iter().any(|name| is_there(name)), "{missing:?}");
    let rows = place.table("out").len() as u64;
    assert_eq!(counts(&begun), [10, 2, 20, 20 - rows]);
    assert_eq!(begun["shares"], serde_json::json!({"n": 5, "unfinished": [1, 2, 4, 5]}));
    assert_eq!(begun["digest"], before["digest"]);
    let [process] = &begun["processes"].as_array().unwrap()[..] else { panic!("{begun}") };
    assert_eq!((&process["shard"], &process["n_blocks"]), (&serde_json::json!([3, 5]), &2.into()));
    assert!(
        text(&place).contains(&format!("blocks: 2 of 10 done, rows: {rows} of 20\n")),
        "{}",
        text(&place)
    );

    place.done("runs -o out");
    let done = status(&place);
    assert_eq!((counts(&done), &done["missing"]), ([10, 10, 20, 0], &Value::Array(vec![])));
    let mut blocks: Vec<u64> = done["processes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|process| process["n_blocks"].as_u64().unwrap())
        .collect();
    blocks.sort_unstable();
    assert_eq!(blocks, [2, 8]);
    assert!(text(&place).contains("blocks: 10 of 10 done, rows: 20 of 20\n"), "{}", text(&place));
}
