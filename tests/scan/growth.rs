//! A folder that grows, and inputs that are gone or not the same any more.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use crate::common::checkpoints::Checkpoint;
use crate::common::scans::{Place, assert_same, files};

/// Seven checkpoints, of which the scan in `out` has blocks of two a side.
fn grown() -> Place {
    let place = Place::new();
    for seed in 0..7 {
        Checkpoint::new(seed).write(&place.path(&format!("runs/checkpoint-{seed}")));
    }
    place.done("runs -o planned");
    place.replan("planned", "out", 2);
    place.done("runs -o out");
    place
}

fn add(place: &Place, seed: u64) {
    Checkpoint::new(seed).write(&place.path(&format!("runs/checkpoint-{seed}")));
}

/// Inode and time of each file.
fn identities(place: &Place, out: &str) -> Vec<(String, u64, i64, i64)> {
    let identity = |file: &std::path::PathBuf| {
        let metadata = fs::metadata(file).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        (name, metadata.ino(), metadata.mtime(), metadata.mtime_nsec())
    };
    files(&place.path(out).join("pairs")).iter().map(identity).collect()
}

#[test]
fn a_folder_that_has_grown_adds_only_its_new_rows() {
    let place = grown();
    for (n, added) in [(7, 1), (8, 3)] {
        let before = identities(&place, "out");
        let n_rows = place.table("out").len();
        (n..n + added).for_each(|seed| add(&place, seed));
        let to_do = 2 * (added * n + added * (added - 1) / 2);
        let planned = place.done("runs -o out --dry-run");
        assert!(planned.stdout.contains(&format!("({added} new, ")), "{}", planned.stdout);
        assert!(planned.stdout.contains(&format!("({to_do} to do)")), "{}", planned.stdout);
        let ended = place.done("runs -o out -v");
        assert!(
            ended.stderr.contains(&format!("added {added}, {to_do} rows to do in 2 modules")),
            "{}",
            ended.stderr
        );
        assert!(
            ended.stderr.contains(&format!("bases: {added} checkpoint")),
            "it factorised others than the new ones: {}",
            ended.stderr
        );
        let after = identities(&place, "out");
        assert!(before.iter().all(|file| after.contains(file)), "a file of before was touched");
        assert_eq!(place.table("out").len() as u64, n_rows as u64 + to_do);
        assert_eq!(place.adapters("out").len() as u64, n + added);
    }
    // As many rows as a scan of all has, and the same numbers in them.
    place.done("runs -o anew");
    let key = |row: &crate::common::scans::Row| {
        let mut pair = [row.int("a"), row.int("b")];
        pair.sort();
        (row.text("module").unwrap().to_owned(), pair, row.number("phi_r").unwrap().to_bits())
    };
    let sorted = |out: &str| {
        let mut keys: Vec<_> = place.table(out).iter().map(key).collect();
        keys.sort();
        keys
    };
    assert_eq!(sorted("out"), sorted("anew"));
}

#[test]
fn a_checkpoint_that_sorts_before_the_others_is_numbered_behind_them() {
    let place = grown();
    let before = identities(&place, "out");
    Checkpoint::new(50).write(&place.path("runs/a-first"));
    place.done("runs -o out");
    assert!(before.iter().all(|file| identities(&place, "out").contains(file)));
    assert_eq!(place.adapters("out")[7].text("path"), Some("runs/a-first"));
}

/// Expects an error with the hint to start anew, and that nothing was touched by it.
fn refused(place: &Place, args: &str, found: &str) {
    let (before, plan) = (identities(place, "out"), fs::read(place.path("out/plan.json")).unwrap());
    let refused = place.run(args);
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains(found), "{}", refused.stderr);
    let hint = refused.stderr.lines().find(|line| line.starts_with("hint: "));
    assert!(hint.is_some_and(|hint| hint.contains("--fresh")), "{}", refused.stderr);
    assert_eq!(identities(place, "out"), before);
    assert_eq!(fs::read(place.path("out/plan.json")).unwrap(), plan);
}

#[test]
fn a_removed_input_is_an_error_and_fresh_starts_anew() {
    let place = grown();
    fs::remove_dir_all(place.path("runs/checkpoint-3")).unwrap();
    refused(&place, "runs -o out", "runs/checkpoint-3: found no such input any more");
    place.done("runs -o out --fresh");
    assert_eq!((place.adapters("out").len(), place.table("out").len()), (6, 30));
    place.done("runs -o anew");
    assert_same(&place.bytes("out"), &place.bytes("anew"), "--fresh");
}

#[test]
fn an_input_with_another_header_is_an_error() {
    let place = grown();
    Checkpoint::new(3).r(3).write(&place.path("runs/checkpoint-3"));
    refused(&place, "runs -o out", "runs/checkpoint-3: found other bytes");
    // Where nobody has read its bytes yet.
    place.replan("out", "begun", 2);
    let refused = place.run("runs -o begun");
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("runs/checkpoint-3: found another header"), "{}", refused.stderr);
}

#[test]
fn an_input_with_other_numbers_is_an_error_though_nothing_is_left_to_do() {
    let place = grown();
    Checkpoint::new(333).write(&place.path("runs/checkpoint-3"));
    refused(&place, "runs -o out", "runs/checkpoint-3: found other bytes");
}

#[test]
fn an_input_with_other_numbers_is_an_error_when_the_folder_has_grown() {
    let place = grown();
    Checkpoint::new(333).write(&place.path("runs/checkpoint-3"));
    add(&place, 7);
    let refused = place.run("runs -o out");
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("runs/checkpoint-3: found other bytes"), "{}", refused.stderr);
    assert!(refused.stderr.contains("--fresh"), "{}", refused.stderr);
}

#[test]
fn a_change_of_any_shard_of_an_input_is_noticed() {
    for k in 1..=2 {
        let place = Place::new();
        for seed in 0..3 {
            let folder = place.path(&format!("runs/checkpoint-{seed}"));
            crate::common::shards::write(&Checkpoint::new(seed).bytes(), &folder, "adapter_model", 2, true);
        }
        place.done("runs -o out --no-cache");
        assert!(place.done("runs -o out --no-cache").stderr.contains("all done already"));
        // A and B of the modules lie in two files, and the scan of side a reads only one of them.
        let file = place.path("runs/checkpoint-1").join(crate::common::shards::name(
            "adapter_model",
            k,
            2,
            "safetensors",
        ));
        let mut bytes = fs::read(&file).unwrap();
        let n = bytes.len();
        bytes[n - 5] ^= 0x10;
        // As old as it was, and as large.
        let before = fs::metadata(&file).unwrap().modified().unwrap() - std::time::Duration::from_secs(3600);
        fs::write(&file, bytes).unwrap();
        fs::File::options().append(true).open(&file).unwrap().set_modified(before).unwrap();
        let again = place.run("runs -o out --no-cache");
        match k {
            1 => assert!(again.stderr.contains("runs/checkpoint-1: found other bytes"), "{}", again.stderr),
            _ => assert!(again.stderr.contains("all done already"), "{}", again.stderr),
        }
    }
}

#[test]
fn an_input_that_was_only_touched_is_the_same() {
    let place = grown();
    let file = place.path("runs/checkpoint-3/adapter_model.safetensors");
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, bytes).unwrap();
    assert!(place.done("runs -o out").stderr.contains("all done already"));
    add(&place, 7);
    place.done("runs -o out");
    assert_eq!(place.table("out").len(), 2 * 28);
}

#[test]
fn what_a_scan_does_not_read_may_change() {
    let place = grown();
    place.done("runs -o of_b --side b");
    // B's last number: the tensors lie in the order A, B, A, B.
    let file = place.path("runs/checkpoint-3/adapter_model.safetensors");
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
    assert!(place.done("runs -o out").stderr.contains("all done already"));
    let digests = |out: &str| -> Vec<String> {
        place.adapters(out).iter().map(|row| row.text("digest").unwrap().to_owned()).collect()
    };
    place.done("runs -o again");
    assert_eq!(digests("again"), digests("out"));
    let refused = place.run("runs -o of_b --side b");
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("runs/checkpoint-3: found other bytes"), "{}", refused.stderr);
}

#[test]
fn other_options_are_refused_with_the_ways_out() {
    let place = grown();
    refused(&place, "runs -o out --side b", "side");
    refused(&place, "runs -o out --module *.v_proj", "module");
    refused(&place, "runs -o out --pairs consecutive", "consecutive");
    refused(&place, "runs -o out --keep diagonal", "diagonal");
}

#[test]
fn a_larger_rank_among_the_new_ones_is_an_error() {
    let place = grown();
    Checkpoint::new(7).r(16).write(&place.path("runs/checkpoint-7"));
    refused(&place, "runs -o out", "found an adapter of rank 16 among the new ones");
}

#[test]
fn options_that_name_nothing_leave_no_plan_behind() {
    let place = grown();
    for args in ["--left nothing --right checkpoint-*", "--pairs against runs/checkpoint-1 --module nothing"]
    {
        let refused = place.run(&format!("runs -o new {args}"));
        assert_eq!(refused.code, Some(1), "{args}: {}", refused.stderr);
    }
    Checkpoint::new(1).write(&place.path("lone/x"));
    Checkpoint::new(2).write(&place.path("lone/y"));
    let refused = place.run("lone -o new --pairs consecutive");
    assert!(refused.stderr.contains("no two checkpoints of one run"), "{}", refused.stderr);
    // The command, once it is right, is not held to what went wrong before.
    place.done("lone -o new");
}

#[test]
fn a_step_between_two_that_were_compared_is_refused_and_gone_when_it_is_taken_away() {
    let place = Place::new();
    for step in [1, 5] {
        add(&place, step);
    }
    place.done("runs -o out --pairs consecutive");
    add(&place, 3);
    refused(&place, "runs -o out --pairs consecutive", "a new step between two");
    fs::remove_dir_all(place.path("runs/checkpoint-3")).unwrap();
    place.done("runs -o out --pairs consecutive");
    add(&place, 9);
    place.done("runs -o out --pairs consecutive");
    assert_eq!(place.table("out").len(), 4);
}

#[test]
fn fresh_removes_what_a_scan_left_and_no_other_file() {
    let place = grown();
    // Folders with the names of ours, in a folder that no scan has used, are the user's.
    fs::create_dir_all(place.path("mine/work")).unwrap();
    fs::create_dir_all(place.path("mine/pairs")).unwrap();
    fs::write(place.path("mine/work/thesis.tex"), "x").unwrap();
    fs::write(place.path("mine/pairs/socks.txt"), "x").unwrap();
    place.done("runs -o mine --fresh");
    assert!(place.path("mine/work/thesis.tex").exists() && place.path("mine/pairs/socks.txt").exists());
    fs::write(place.path("out/pairs/notes.txt"), "x").unwrap();
    fs::write(place.path("out/notes.txt"), "x").unwrap();
    place.done("runs -o out --fresh");
    assert!(place.path("out/pairs/notes.txt").exists() && place.path("out/notes.txt").exists());
}
