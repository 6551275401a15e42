//! The cache of a scan: each checkpoint is factorised once, and damage is never seen in a table.

use std::fs;
use std::path::PathBuf;

use crate::common::checkpoints::Checkpoint;
use crate::common::scans::{Place, assert_same};

fn some() -> Place {
    let place = Place::new();
    for seed in 0..6 {
        Checkpoint::new(seed).write(&place.path(&format!("runs/checkpoint-{seed}")));
    }
    place
}

/// What a disk may do to an entry.
type Damage = fn(&mut Vec<u8>);

/// The cache's entries.
fn entries(place: &Place, dir: &str) -> Vec<PathBuf> {
    let Ok(files) = fs::read_dir(place.path(dir)) else { return vec![] };
    let paths = files.map(|file| file.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|end| end == "safetensors")).collect()
}

#[test]
fn a_second_scan_with_one_new_checkpoint_factorises_one() {
    let place = some();
    let first = place.done("runs -o out -v");
    assert!(first.stderr.contains("bases: 6 checkpoints factorised"), "{}", first.stderr);
    Checkpoint::new(6).write(&place.path("runs/checkpoint-6"));
    let second = place.done("runs -o other -v");
    assert!(second.stderr.contains("bases: 1 checkpoint factorised"), "{}", second.stderr);
    assert_eq!(entries(&place, "cache").len(), 7);
    // Another side or choice of modules is another basis.
    assert!(place.done("runs -o b -v --side b").stderr.contains("bases: 7 checkpoints"));
    assert!(place.done("runs -o v -v --module *v_proj").stderr.contains("bases: 7 checkpoints"));
}

#[test]
fn sides_that_share_a_cache_never_take_the_bases_of_another() {
    const SIDES: [&str; 4] = ["a", "b", "dw-right", "dw-left"];
    let place = some();
    for side in SIDES {
        place.done(&format!("runs -o alone-{side} --side {side} --cache cache-{side}"));
    }
    for (cache, order) in [("forth", [0, 1, 2, 3]), ("back", [3, 2, 1, 0])] {
        for side in order.map(|place| SIDES[place]) {
            let ended = place.done(&format!("runs -o {cache}-{side} --side {side} --cache {cache} -v"));
            assert!(ended.stderr.contains("bases: 6 checkpoints factorised"), "{}", ended.stderr);
            let [shared, alone] = ["alone", cache].map(|out| place.bytes(&format!("{out}-{side}")));
            assert_same(&shared, &alone, &format!("side {side}, {cache}"));
        }
        assert_eq!(entries(&place, cache).len(), 24);
    }
}

#[test]
fn one_checkpoint_under_two_paths_is_factorised_once() {
    let place = some();
    Checkpoint::new(0).write(&place.path("copies/checkpoint-0"));
    let ended = place.done("runs copies -o out --threads 1");
    assert_eq!(entries(&place, "cache").len(), 6, "{}", ended.stderr);
    let of_copies = place.table("out").into_iter().filter(|row| row.int("a") == 0 && row.int("b") == 1);
    assert!(of_copies.map(|row| row.number("phi_r").unwrap()).all(|phi| (phi - 1.0).abs() < 1e-5));
}

#[test]
fn without_a_cache_no_bases_are_left_behind() {
    let place = some();
    place.done("runs -o out --no-cache");
    assert!(entries(&place, "cache").is_empty() && entries(&place, "user-cache/lorascope").is_empty());
    assert!(!place.path("out/work/bases").exists());
    place.done("runs -o cached");
    assert_same(&place.bytes("out"), &place.bytes("cached"), "--no-cache");
    // Too little memory for the headers: bases go through OUT.
    let least = place.least_memory("runs -o tight");
    place.done(&format!("runs -o tight --no-cache {least}"));
    assert!(!place.path("tight/work/bases").exists());
    assert_same(&place.bytes("tight"), &place.bytes("cached"), "--no-cache, least memory");
}

#[test]
fn what_has_no_basis_is_told_without_a_cache_too_and_after_an_interruption() {
    let place = some();
    for (seed, untrained) in [(6, vec!["q_proj", "v_proj"]), (7, vec!["v_proj"])] {
        Checkpoint { untrained, ..Checkpoint::new(seed) }
            .write(&place.path(&format!("runs/checkpoint-{seed}")));
    }
    let scan = |how: &str| {
        let ended = place.run(&format!("runs --side b {how}"));
        assert_eq!(ended.code, Some(3), "{}", ended.stderr);
        let both =
            "B is all zeros in runs/checkpoint-6 (`layers.0.self_attn.q_proj`, `layers.0.self_attn.v_proj`)";
        let one = "B is all zeros in runs/checkpoint-7 (`layers.0.self_attn.v_proj`)";
        let n = place.adapters(how.split(' ').nth(1).unwrap()).len();
        let line = format!("warning: 3 modules of 2 of {n} checkpoints left out: {both}; {one}");
        assert!(ended.stderr.lines().any(|said| said == line), "{}", ended.stderr);
    };
    scan("-o cached");
    scan("-o out --no-cache");
    assert_same(&place.bytes("out"), &place.bytes("cached"), "--no-cache");
    // As if the run had been killed after its first block; then also as if the power had gone.
    for is_power_cut in [false, true] {
        fs::remove_file(place.path("out/adapters.parquet")).unwrap();
        fs::remove_file(place.path("out/pairs/m0000-r000000-c000000.parquet")).unwrap();
        if is_power_cut {
            fs::remove_dir_all(place.path("out/work/adapters")).unwrap();
        }
        scan("-o out --no-cache");
        assert_same(&place.bytes("out"), &place.bytes("cached"), "--no-cache, resumed");
    }
}

#[test]
fn the_users_own_cache_is_taken_where_none_is_named() {
    let place = some();
    let mut command = place.lorascope("scan runs -o out --engine cpu");
    assert!(command.output().unwrap().status.success());
    assert_eq!(entries(&place, "user-cache/lorascope").len(), 6);
}

#[test]
fn a_damaged_entry_is_made_again_and_never_seen_in_a_table() {
    let place = some();
    place.done("runs -o whole");
    let kinds: [(&str, Damage); 5] = [
        ("cut", |bytes| bytes.truncate(bytes.len() / 2)),
        ("empty", |bytes| bytes.clear()),
        ("header", |bytes| bytes[9] ^= 0xff),
        ("numbers", |bytes| *bytes.last_mut().unwrap() ^= 0x40),
        ("everywhere", |bytes| bytes.iter_mut().skip(150).for_each(|byte| *byte ^= 0x15)),
    ];
    for (kind, damage) in kinds {
        for entry in entries(&place, "cache") {
            let mut bytes = fs::read(&entry).unwrap();
            damage(&mut bytes);
            fs::write(&entry, bytes).unwrap();
        }
        let ended = place.done(&format!("runs -o {kind}"));
        assert_same(&place.bytes(kind), &place.bytes("whole"), &format!("{kind}: {}", ended.stderr));
    }
    // One bit anywhere in one entry.
    let entry = &entries(&place, "cache")[0];
    let whole = fs::read(entry).unwrap();
    for (number, at) in (0..whole.len()).step_by(whole.len() / 12).enumerate() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(entry, bytes).unwrap();
        let out = format!("bit{number}");
        place.done(&format!("runs -o {out}"));
        assert_same(&place.bytes(&out), &place.bytes("whole"), &format!("a bit of byte {at}"));
    }
}

#[test]
fn an_entry_of_another_checkpoint_is_not_taken() {
    let place = some();
    place.done("runs -o whole");
    let entries = entries(&place, "cache");
    fs::copy(&entries[0], &entries[1]).unwrap();
    place.done("runs -o out");
    assert_same(&place.bytes("out"), &place.bytes("whole"), "swapped entries");
}

#[test]
fn a_cache_that_is_emptied_between_runs_is_filled_again() {
    let place = some();
    place.done("runs -o planned");
    place.replan("planned", "out", 2);
    place.done("runs -o out --shard 1/2");
    assert!(place.lorascope("cache clear --cache cache").output().unwrap().status.success());
    assert!(entries(&place, "cache").is_empty());
    place.done("runs -o out");
    place.replan("planned", "whole", 2);
    place.done("runs -o whole");
    assert_same(&place.bytes("out"), &place.bytes("whole"), "an emptied cache");
}

#[test]
fn a_cache_that_cannot_be_written_is_an_error_with_a_way_out() {
    let place = some();
    fs::write(place.path("file"), "x").unwrap();
    for cache in ["file/cache", "/proc/lorascope"] {
        let ended = place.run(&format!("runs -o out --cache {cache}"));
        assert_eq!(ended.code, Some(1), "{cache}: {}", ended.stderr);
        assert!(ended.stderr.contains(cache), "{}", ended.stderr);
        let hint = ended.stderr.lines().find(|line| line.starts_with("hint: "));
        assert!(hint.is_some_and(|hint| hint.contains("--no-cache")), "{}", ended.stderr);
    }
    place.done("runs -o out --no-cache");
}

#[test]
fn a_checkpoint_that_is_rewritten_with_old_numbers_finds_its_old_bases() {
    let place = some();
    place.done("runs -o out");
    Checkpoint::new(77).write(&place.path("runs/checkpoint-2"));
    let changed = place.done("runs -o changed -v");
    assert!(changed.stderr.contains("bases: 1 checkpoint factorised"), "{}", changed.stderr);
    Checkpoint::new(2).write(&place.path("runs/checkpoint-2"));
    let back = place.done("runs -o back -v");
    assert!(back.stderr.contains("bases: 0 checkpoints factorised"), "{}", back.stderr);
    assert_same(&place.bytes("back"), &place.bytes("out"), "back again");
}
