//! Which pairs a scan has, by what was asked for.

use std::collections::BTreeSet;

use crate::common::checkpoints::{Checkpoint, MIXED, QUERY, VALUE};
use crate::common::scans::{Place, assert_same};

/// The rows as (end of the module's name, d, path of a, path of b), each once.
fn found(place: &Place, out: &str) -> BTreeSet<(String, usize, String, String)> {
    let adapters = place.adapters(out);
    let path = |id: usize| adapters[id].text("path").unwrap().to_owned();
    let mut found = BTreeSet::new();
    for row in place.table(out) {
        let module = row.text("module").unwrap().rsplit('.').next().unwrap().to_owned();
        let (a, b) = (row.int("a"), row.int("b"));
        assert_ne!(a, b, "a pair of one");
        let new = found.insert((module.clone(), row.int("d"), path(a), path(b)));
        assert!(new, "{module} of {a} and {b} is there twice");
        let turned = (module.clone(), row.int("d"), path(b), path(a));
        assert!(!found.contains(&turned), "{module} of {a} and {b} is there both ways round");
    }
    found
}

/// The pairs of paths, whatever the module.
fn paths(place: &Place, out: &str) -> Vec<(String, String)> {
    let pairs: BTreeSet<_> = found(place, out).into_iter().map(|(_, _, a, b)| (a, b)).collect();
    pairs.into_iter().collect()
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut list: Vec<_> = list.iter().map(|(a, b)| (format!("runs/{a}"), format!("runs/{b}"))).collect();
    list.sort();
    list
}

const CONSECUTIVE: [(&str, &str); 3] = [
    ("a/checkpoint-100", "a/checkpoint-200"),
    ("a/checkpoint-200", "a/checkpoint-1000"),
    ("b/step_1", "b/step_2"),
];

#[test]
fn all_is_each_unordered_pair_that_shares_a_module_of_one_d() {
    let place = Place::mixed();
    place.done("runs -o out");
    let found = found(&place, "out");
    let count = |module: &str, d: usize| found.iter().filter(|row| row.0 == module && row.1 == d).count();
    // Seven have q of d = 24, six of these v, and two have q and down of other dimensions.
    assert_eq!(count("q_proj", 24), 21);
    assert_eq!(count("v_proj", 24), 15);
    assert_eq!((count("q_proj", 32), count("down_proj", 64)), (1, 1));
    assert_eq!(found.len(), 38);
    // The larger number is b: the order of natural names.
    let place_of = |path: &str| MIXED.iter().position(|name| *name == path).unwrap();
    assert!(found.iter().all(|(_, _, a, b)| place_of(a) < place_of(b)));
}

#[test]
fn consecutive_pairs_steps_in_numeric_order_within_a_run() {
    let place = Place::mixed();
    place.done("runs -o out --pairs consecutive");
    assert_eq!(paths(&place, "out"), pairs(&CONSECUTIVE));
    assert_eq!(place.table("out").len(), 6);
}

#[test]
fn two_checkpoints_of_one_step_follow_each_other_in_the_order_of_their_numbers() {
    let place = Place::new();
    let [a, b, c, d] = ["checkpoint-100", "checkpoint-200", "ckpt-100", "ckpt-200"];
    for (seed, name) in (0..).zip([a, b, c, d]) {
        Checkpoint::new(seed).modules(&[QUERY]).write(&place.path(&format!("runs/{name}")));
    }
    place.done("runs -o out --pairs consecutive");
    assert_eq!(paths(&place, "out"), pairs(&[(a, c), (c, b), (b, d)]));
}

#[test]
fn runs_may_stand_behind_the_word_pairs() {
    let place = Place::mixed();
    place.done("-o out --pairs consecutive runs/a runs/b");
    assert_eq!(paths(&place, "out"), pairs(&CONSECUTIVE));
}

#[test]
fn against_pairs_each_reference_with_every_other_once() {
    let place = Place::mixed();
    place.done("runs/a runs/b -o out --pairs against runs/b/step_1 ./runs/a/checkpoint-200");
    let expected = [
        ("a/checkpoint-200", "a/checkpoint-100"),
        ("a/checkpoint-200", "a/checkpoint-1000"),
        ("a/checkpoint-200", "b/step_1"),
        ("a/checkpoint-200", "b/step_2"),
        ("b/step_1", "a/checkpoint-100"),
        ("b/step_1", "a/checkpoint-1000"),
        ("b/step_1", "b/step_2"),
    ];
    assert_eq!(paths(&place, "out"), pairs(&expected));
    // A reference need not be among the runs.
    place.done("runs/a -o other --pairs against runs/two");
    let expected: Vec<_> =
        [100, 200, 1000].map(|step| ("runs/two".to_owned(), format!("runs/a/checkpoint-{step}"))).into();
    assert_eq!(paths(&place, "other").len(), 3);
    assert!(expected.iter().all(|pair| paths(&place, "other").contains(pair)));
}

#[test]
fn sides_are_paired_across_and_once_where_they_overlap() {
    let place = Place::mixed();
    place.done("runs -o out --left checkpoint-* --right step_1");
    let expected = [
        ("a/checkpoint-100", "b/step_1"),
        ("a/checkpoint-200", "b/step_1"),
        ("a/checkpoint-1000", "b/step_1"),
    ];
    assert_eq!(paths(&place, "out"), pairs(&expected));
    place.done("runs/a runs/b -o linear_cka --left *checkpoint-* --right *checkpoint-*00");
    let expected = [
        ("a/checkpoint-100", "a/checkpoint-200"),
        ("a/checkpoint-100", "a/checkpoint-1000"),
        ("a/checkpoint-200", "a/checkpoint-1000"),
    ];
    assert_eq!(paths(&place, "linear_cka"), pairs(&expected));
}

#[test]
fn same_base_leaves_out_pairs_of_other_base_models() {
    let place = Place::mixed();
    let ended = place.done("runs -o out");
    assert!(ended.stderr.contains("compare adapters of different base models"), "{}", ended.stderr);
    let ended = place.done("runs -o same --same-base");
    assert!(!ended.stderr.contains("different base models"), "{}", ended.stderr);
    let adapters = place.adapters("same");
    let base = |path: &str| {
        let row = adapters.iter().find(|row| row.text("path") == Some(path)).unwrap();
        row.text("base_model").map(str::to_owned)
    };
    let all = found(&place, "out");
    let kept: BTreeSet<_> = all.iter().filter(|(_, _, a, b)| base(a) == base(b)).cloned().collect();
    assert_eq!(found(&place, "same"), kept);
    assert!(kept.len() < all.len() && !kept.is_empty());
}

#[test]
fn same_base_without_any_pair_says_which_base_models_there_are() {
    let place = Place::new();
    for (seed, base) in [(1, Some("base/one")), (2, Some("base/two")), (3, None)] {
        Checkpoint::new(seed).base(base).write(&place.path(&format!("runs/{seed}")));
    }
    for args in ["runs -o out --same-base", "runs -o out --same-base --dry-run"] {
        let ended = place.run(args);
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        let found = "error: scan: found 3 checkpoints by their base models: 1 without a known one, 1 of `base/one`, 1 of \
                     `base/two`, expected two of one base model that have a module in common";
        assert!(ended.stderr.contains(found), "{}", ended.stderr);
        assert!(ended.stderr.contains("hint: without --same-base, "), "{}", ended.stderr);
    }
    Checkpoint::new(4).base(Some("base/two")).write(&place.path("runs/4"));
    place.done("runs -o out --same-base");
    assert_eq!(paths(&place, "out"), pairs(&[("2", "4")]));
}

#[test]
fn a_module_glob_leaves_out_all_others() {
    let place = Place::mixed();
    place.done("runs -o out --module *.v_proj --module *.down_proj");
    let found = found(&place, "out");
    assert_eq!(found.len(), 16);
    assert!(found.iter().all(|(module, ..)| module == "v_proj" || module == "down_proj"));
}

#[test]
fn a_list_names_checkpoints_and_each_is_taken_once() {
    let place = Place::mixed();
    let list = "# two of them\nruns/a/checkpoint-100\n\n./runs/b/step_1\nruns/a/checkpoint-100/\n";
    std::fs::write(place.path("list.txt"), list).unwrap();
    place.done("--list list.txt runs/b/step_1 -o out");
    assert_eq!(paths(&place, "out"), pairs(&[("a/checkpoint-100", "b/step_1")]));
}

#[test]
fn a_glob_and_a_folder_find_the_same_checkpoints() {
    let place = Place::mixed();
    place.done("runs/a -o folder");
    place.done("runs/*/checkpoint-* -o glob");
    assert_same(&place.bytes("glob"), &place.bytes("folder"), "a glob");
}

#[test]
fn blocks_of_any_size_have_the_same_rows_between_them() {
    let place = Place::mixed();
    for (name, args) in [
        ("all", "runs"),
        ("base", "runs --same-base"),
        ("steps", "runs --pairs consecutive"),
        ("against", "runs --pairs against runs/two runs/b/step_2"),
        ("sides", "runs --left step_* --right *"),
    ] {
        place.done(&format!("{args} -o {name}"));
        let expected = found(&place, name);
        let mut numbers = place.table(name).into_iter().map(|row| format!("{row:?}")).collect::<Vec<_>>();
        numbers.sort();
        for block in 1..4 {
            let out = format!("{name}{block}");
            place.replan(name, &out, block);
            place.done(&format!("{args} -o {out}"));
            assert_eq!(found(&place, &out), expected, "{out}");
            let mut rows = place.table(&out).into_iter().map(|row| format!("{row:?}")).collect::<Vec<_>>();
            rows.sort();
            assert_eq!(rows, numbers, "{out}");
        }
    }
}

#[test]
fn a_checkpoint_without_a_module_of_the_glob_is_no_hindrance() {
    let place = Place::new();
    Checkpoint::new(1).modules(&[QUERY]).write(&place.path("runs/1"));
    Checkpoint::new(2).write(&place.path("runs/2"));
    Checkpoint::new(3).modules(&[VALUE]).write(&place.path("runs/3"));
    place.done("runs -o out --module *.v_proj");
    assert_eq!(paths(&place, "out"), pairs(&[("2", "3")]));
    let planned = place.run("runs -o dry --module *.v_proj --dry-run");
    assert_eq!(planned.code, Some(0), "{}", planned.stderr);
    assert!(planned.stdout.contains("1 (1 to do)"), "{}", planned.stdout);
}
