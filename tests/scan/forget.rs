//! `--forget`: a scan goes on without inputs that were deleted, and keeps what is done.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::common::checkpoints::Checkpoint;
use crate::common::scans::{Ended, Place, Row, files};

/// Seven checkpoints of two modules, of which `planned` has one block a module, and `out` blocks of two a side of which
/// nothing is done.
fn seven() -> Place {
    let place = Place::new();
    (0..7).for_each(|seed| add(&place, seed));
    place.done("runs -o planned");
    place.replan("planned", "out", 2);
    place
}

fn add(place: &Place, seed: u64) {
    Checkpoint::new(seed).write(&place.path(&format!("runs/checkpoint-{seed}")));
}

fn delete(place: &Place, seed: u64) {
    fs::remove_dir_all(place.path(&format!("runs/checkpoint-{seed}"))).unwrap();
}

/// Module, the two paths, and φ: what must not depend on how a row came to be.
type Key = (String, String, String, u64);

fn rows(place: &Place, out: &str) -> BTreeSet<Key> {
    // Of a scan that is not complete, the numbers are those of the plan that was copied.
    let has_adapters = place.path(out).join("adapters.parquet").exists();
    let adapters = place.adapters(if has_adapters { out } else { "planned" });
    let path = |row: &Row, column: &str| adapters[row.int(column)].text("path").unwrap().to_owned();
    let key = |row: &Row| {
        let mut pair = [path(row, "a"), path(row, "b")];
        pair.sort();
        let [a, b] = pair;
        (row.text("module").unwrap().to_owned(), a, b, row.number("phi_r").unwrap().to_bits())
    };
    let table = place.table(out);
    let keys: BTreeSet<Key> = table.iter().map(key).collect();
    assert_eq!(keys.len(), table.len(), "a row is there twice");
    keys
}

fn has(row: &Key, seeds: &[u64]) -> bool {
    seeds.iter().any(|seed| [&row.1, &row.2].iter().any(|path| **path == format!("runs/checkpoint-{seed}")))
}

/// Runs a scan that leaves something out.
fn gaps(place: &Place, args: &str) -> Ended {
    let ended = place.run(args);
    assert_eq!(ended.code, Some(3), "scan {args}: {}", ended.stderr);
    ended
}

/// The files of the blocks that are done.
fn blocks(place: &Place) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = files(&place.path("out/pairs")).into_iter();
    files.map(|file| (file.clone(), fs::read(file).unwrap())).collect()
}

fn status(place: &Place) -> Value {
    serde_json::from_slice(&place.lorascope("status out --json").output().unwrap().stdout).unwrap()
}

fn refused(place: &Place, args: &str, found: &str) -> String {
    let before = blocks(place);
    let plan = fs::read(place.path("out/plan.json")).unwrap();
    let ended = place.run(args);
    assert_eq!(ended.code, Some(1), "{args}: {}", ended.stderr);
    assert!(ended.stderr.contains(found), "{args}: {}", ended.stderr);
    assert!(blocks(place) == before, "{args} touched a block");
    assert_eq!(fs::read(place.path("out/plan.json")).unwrap(), plan);
    ended.stderr
}

#[test]
fn what_is_done_stays_and_the_rest_goes_on_without_what_is_gone() {
    for how in ["", "--no-cache"] {
        let place = seven();
        place.done(&format!("runs -o out --shard 1/3 {how}"));
        let (done, before) = (rows(&place, "out"), blocks(&place));
        for seed in [0, 3] {
            delete(&place, seed);
        }
        let said = refused(
            &place,
            &format!("runs -o out {how}"),
            "error: scan: found 2 inputs gone: runs/checkpoint-0, runs/checkpoint-3, expected every adapter that this scan \
             began with",
        );
        assert!(said.contains("hint: put the files back, or go on without them with --forget"), "{said}");

        // All rows of the others, and those of the two that were done.
        let expected: BTreeSet<Key> = rows(&place, "planned")
            .into_iter()
            .filter(|row| !has(row, &[0, 3]) || done.contains(row))
            .collect();
        let n_left_out = 42 - expected.len();
        assert!(n_left_out > 5 && done.iter().any(|row| has(row, &[0, 3])), "{n_left_out}");
        let planned = place.run(&format!("runs -o out --forget --dry-run {how}"));
        let to_do = expected.len() - done.len();
        let line = format!("{} ({to_do} to do, {n_left_out} left out)", expected.len());
        assert!(planned.stdout.contains(&line), "{} has no {line}", planned.stdout);
        assert!(planned.stdout.contains(", 2 forgotten)"), "{}", planned.stdout);
        refused(&place, &format!("runs -o out {how}"), "2 inputs gone");

        let went_on = gaps(&place, &format!("runs -o out --forget {how}"));
        let forgot = "forgot: 2 inputs gone: runs/checkpoint-0, runs/checkpoint-3; rows that are done stay\n";
        assert!(went_on.stderr.contains(forgot), "{}", went_on.stderr);
        let plan = format!(
            "{} rows in 18 blocks, {to_do} rows to do; 2 forgotten, {n_left_out} rows left out",
            expected.len()
        );
        assert!(went_on.stderr.contains(&plan), "{}", went_on.stderr);
        assert_eq!(rows(&place, "out"), expected);
        let after = blocks(&place);
        assert!(
            before.iter().all(|(file, bytes)| after[file] == *bytes),
            "a block that was done is another now"
        );

        let status = status(&place);
        let count = |key: &str| status["counts"][key].as_u64().unwrap() as usize;
        assert_eq!([count("n_rows"), count("n_rows_left")], [expected.len(), 0]);
        assert_eq!((count("n_rows_left_out"), &status["n_forgotten"]), (n_left_out, &2.into()));
        let text = place.lorascope("status out").output().unwrap().stdout;
        let line = format!("forgotten: 2 checkpoints, {n_left_out} rows left out\n");
        assert!(String::from_utf8_lossy(&text).contains(&line));
        let problems: BTreeMap<usize, String> = place
            .adapters("out")
            .iter()
            .filter_map(|row| Some((row.int("id"), row.text("problem")?.to_owned())))
            .collect();
        let problem = "its file was gone before all its rows were computed".to_owned();
        assert_eq!(problems, BTreeMap::from([(0, problem.clone()), (3, problem)]));

        // It is settled: the same command goes on without the option, and says what is missing.
        let again = gaps(&place, &format!("runs -o out {how}"));
        assert!(again.stderr.contains("all done already; 2 forgotten"), "{}", again.stderr);
        assert!(again.stderr.contains("warning: runs/checkpoint-3: its file was gone"), "{}", again.stderr);
        assert!(blocks(&place) == after);
    }
}

#[test]
fn later_checkpoints_are_compared_with_those_that_are_there_and_one_that_comes_back_stays_forgotten() {
    let place = seven();
    place.done("runs -o out");
    let whole = rows(&place, "out");
    delete(&place, 2);
    // Nothing of it is missing, so nothing is said to be.
    assert!(
        place.done("runs -o out --forget").stderr.contains("all done already; 1 forgotten, 0 rows left out")
    );
    assert_eq!(rows(&place, "out"), whole);
    add(&place, 7);
    gaps(&place, "runs -o out");
    let grown = rows(&place, "out");
    assert_eq!(grown.len(), 42 + 2 * 6);
    assert!(grown.iter().filter(|row| has(row, &[7])).all(|row| !has(row, &[2])));
    // Another file under its path.
    Checkpoint::new(99).write(&place.path("runs/checkpoint-2"));
    gaps(&place, "runs -o out");
    delete(&place, 5);
    add(&place, 8);
    gaps(&place, "runs -o out --forget");
    let grown = rows(&place, "out");
    assert_eq!(grown.len(), 42 + 2 * 6 + 2 * 6);
    assert!(grown.iter().filter(|row| has(row, &[8])).all(|row| !has(row, &[2, 5])));
    assert_eq!(place.adapters("out").len(), 9);
}

#[test]
fn shares_go_on_from_where_one_has_forgotten() {
    let place = seven();
    place.done("runs -o out --shard 2/3");
    let done = rows(&place, "out");
    delete(&place, 1);
    let left = place.run("runs -o out --shard 1/3 --forget");
    assert_eq!(left.code, Some(0), "{}", left.stderr);
    assert!(left.stderr.contains("1 forgotten"), "{}", left.stderr);
    gaps(&place, "runs -o out --shard 3/3");
    let expected: BTreeSet<Key> =
        rows(&place, "planned").into_iter().filter(|row| !has(row, &[1]) || done.contains(row)).collect();
    assert_eq!(rows(&place, "out"), expected);
    assert_eq!(files(&place.path("out/pairs")).len(), 18);
}

#[test]
fn inputs_that_are_gone_may_be_named_still() {
    let place = seven();
    fs::write(place.path("list"), "runs/checkpoint-0\nruns/checkpoint-1\nruns/checkpoint-2\n").unwrap();
    let all = "runs/checkpoint-3 ./runs/checkpoint-4 runs/checkpoint-[56] --list list";
    delete(&place, 0);
    delete(&place, 4);
    refused(&place, &format!("{all} -o out"), "runs/checkpoint-4: no such file or directory");
    gaps(&place, &format!("{all} -o out --forget"));
    assert_eq!(rows(&place, "out").len(), 2 * 10);
    for seed in [5, 6] {
        delete(&place, seed);
    }
    gaps(&place, &format!("{all} -o out --forget"));
    refused(&place, "runs nothing -o out --forget", "nothing: no such file or directory");
    // Of a folder with nothing left in it, what is done stays.
    for seed in [1, 2, 3] {
        delete(&place, seed);
    }
    gaps(&place, "runs -o out --forget");
    assert_eq!(rows(&place, "out").len(), 2 * 10);
}

#[test]
fn a_reference_and_a_step_that_are_gone_leave_out_their_pairs() {
    let place = seven();
    let args = "runs -o against --pairs against runs/checkpoint-1 runs/checkpoint-2";
    place.done(&format!("{args} --shard 1/2"));
    let n_done = place.table("against").len();
    delete(&place, 1);
    gaps(&place, &format!("{args} --forget"));
    // Each module has 11 rows, and is a block; of the other one, those with checkpoint-1 are left out.
    assert_eq!((n_done, place.table("against").len()), (11, 11 + 5));

    let place = seven();
    delete(&place, 0);
    place.done("runs -o steps --pairs consecutive --shard 1/2");
    delete(&place, 3);
    gaps(&place, "runs -o steps --pairs consecutive --forget");
    let of_module = |module: &str| {
        let of_module = rows(&place, "steps").into_iter().filter(|row| row.0.ends_with(module));
        of_module.map(|row| row.1.rsplit('-').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let mut found = [of_module("q_proj"), of_module("v_proj")];
    found.sort_by_key(Vec::len);
    // 2 with 3 and 3 with 4 are not in the one that was left, and 2 and 4 are no steps of each other.
    assert_eq!(found, [vec!["1", "4", "5"], vec!["1", "2", "3", "4", "5"]]);
}

#[test]
fn only_what_is_gone_is_forgotten() {
    let place = seven();
    place.done("runs -o out --shard 1/2");
    refused(
        &place,
        "runs/checkpoint-1 runs/checkpoint-2 -o out --forget",
        "runs/checkpoint-0: found no such input any more, though the file is there",
    );
    Checkpoint::new(33).write(&place.path("runs/checkpoint-3"));
    refused(&place, "runs -o out --forget", "runs/checkpoint-3: found other bytes");
    fs::write(place.path("runs/checkpoint-3/adapter_model.safetensors"), "x").unwrap();
    refused(&place, "runs -o out --forget", "runs/checkpoint-3: found no such input any more, though");
    // The folder is there still, and the checkpoint is not.
    fs::remove_file(place.path("runs/checkpoint-3/adapter_model.safetensors")).unwrap();
    gaps(&place, "runs -o out --forget");
    let usage = place.run("runs -o out --forget --fresh");
    assert_eq!(usage.code, Some(2), "{}", usage.stderr);
}
