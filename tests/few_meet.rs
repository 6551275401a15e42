//! Checkpoints most of whose modules do not meet: every command that pairs them says so, and shows both spellings.

mod common;

use std::path::Path;

use common::planted::{Planted, write};
use common::scans::{Ended, Place, ended};

/// Two spellings of one model that no table has, of which only `lm_head` is common.
const DOTTED: [&str; 4] = ["lm_head", "tower.0.mix", "tower.1.mix", "tower.2.mix"];
const JOINED: [&str; 4] = ["lm_head", "tower-0-mix", "tower-1-mix", "tower-2-mix"];

fn planted(path: &Path, names: &[&'static str]) {
    let modules = (1..).zip(names).map(|(seed, name)| Planted::random(name, 2, 12, 12, seed));
    write(path, &modules.collect::<Vec<_>>(), 4.0);
}

/// `runs/a` and `runs/b` hardly meet; `more/c` has the names of `a`.
fn place() -> Place {
    let place = Place::new();
    planted(&place.path("runs/a"), &DOTTED);
    planted(&place.path("runs/b"), &JOINED);
    planted(&place.path("more/c"), &DOTTED);
    place
}

fn run(place: &Place, args: &str) -> Ended {
    let ended = ended(&place.lorascope(args).output().unwrap());
    assert_eq!(ended.code, Some(0), "{args}: {}", ended.stderr);
    ended
}

/// The lines that say it.
fn lines(stderr: &str) -> Vec<&str> {
    stderr.lines().filter(|line| line.contains("meet by name")).collect()
}

#[test]
fn two_checkpoints_that_hardly_meet_are_told_of_by_every_command() {
    let place = place();
    let fact = "warning: only 1 of the 4 modules of runs/a and the 4 of runs/b meet by name, the others are left out: runs/a has \
                `base_model.model.tower.0.mix`, runs/b has `base_model.model.tower-0-mix`";
    let line = format!("{fact}; if they are the same, --match FILE.csv pairs them");
    for command in [
        "compare runs/a runs/b --engine cpu",
        "compare runs/a runs/b --engine cpu --module lm_head",
        "figure runs/a runs/b --engine cpu -o f.png",
        "shared runs/a runs/b",
        "merge-check runs/a runs/b",
    ] {
        assert_eq!(lines(&run(&place, command).stderr), [line.as_str()], "{command}");
    }
    // In the order of the files.
    let shown = run(&place, "compare runs/b runs/a --engine cpu").stderr;
    assert!(lines(&shown)[0].contains("runs/b has `base_model.model.tower-0-mix`"), "{shown}");
    // With others that do meet, the one that does not is named.
    let line = format!("{}; the same holds for 1 other checkpoint", line.replace("runs/a", "more/c"));
    assert_eq!(lines(&run(&place, "shared more/c runs/b runs/a runs/b").stderr), [line.as_str()]);
}

#[test]
fn programs_get_it_too() {
    let place = place();
    for command in [
        "compare runs/a runs/b --engine cpu --json",
        "shared runs/a runs/b --json",
        "merge-check runs/a runs/b --json",
    ] {
        let found: serde_json::Value = serde_json::from_str(&run(&place, command).stdout).unwrap();
        let codes: Vec<&str> =
            found["warnings"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
        assert!(codes.contains(&"few-modules-meet"), "{command}: {codes:?}");
    }
}

#[test]
fn a_scan_counts_the_pairs_that_hardly_meet() {
    let place = place();
    let planned = run(&place, "scan runs -o out --engine cpu --cache cache --dry-run").stderr;
    let shown = run(&place, "scan runs -o out --engine cpu --cache cache").stderr;
    let line = "warning: runs/a and runs/b: only 1 of 4 and 4 modules meet by name: `tower.0.mix` in the first, `tower-0-mix` in the \
                second; the other modules are not compared";
    assert_eq!([lines(&planned), lines(&shown)], [[line]; 2]);
    // a with c, which do meet, and b with both.
    let shown = run(&place, "scan runs more -o out3 --engine cpu --cache cache").stderr;
    assert!(lines(&shown)[0].starts_with("warning: 2 pairs of checkpoints share fewer than half"), "{shown}");
    // What has no module in common is no row of the table, and would otherwise be missing without a word.
    planted(&place.path("runs/d"), &["other.0.mix", "other.1.mix"]);
    let shown = run(&place, "scan runs -o out5 --engine cpu --cache cache").stderr;
    assert!(
        lines(&shown)[0].starts_with(
            "warning: 3 pairs of checkpoints share fewer than half of their modules, 2 of them none;"
        ),
        "{shown}"
    );
    std::fs::remove_dir_all(place.path("runs/d")).unwrap();
    let against = "scan runs/a more/c --pairs against more/c -o out2 --engine cpu --cache cache";
    assert_eq!(lines(&run(&place, against).stderr), Vec::<&str>::new());
    // Only what is compared counts.
    let narrowed = "scan runs -o out4 --engine cpu --cache cache --module lm_head";
    assert_eq!(lines(&run(&place, narrowed).stderr), Vec::<&str>::new());
}

#[test]
fn a_search_says_which_neighbour_hardly_meets() {
    let place = place();
    run(&place, "scan runs more -o out --engine cpu --cache cache");
    let shown = run(&place, "search runs/b --in out --cache cache").stderr;
    let line = lines(&shown)[0];
    assert!(line.contains("of runs/b and the 4 of ") && line.contains("runs/b has `tower-0-mix`"), "{shown}");
    assert!(!line.contains("--match"), "{shown}");
    planted(&place.path("new"), &DOTTED[..2]);
    let shown = run(&place, "search new --in out --cache cache --top 2").stderr;
    assert_eq!(lines(&shown), Vec::<&str>::new(), "{shown}");
}

/// All modules of a small checkpoint in a large one: nothing is wrong.
#[test]
fn a_part_of_the_modules_is_nothing_to_be_told_of() {
    let place = place();
    planted(&place.path("part"), &DOTTED[1..2]);
    assert_eq!(lines(&run(&place, "compare runs/a part --engine cpu").stderr), Vec::<&str>::new());
}
