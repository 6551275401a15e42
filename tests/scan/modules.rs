//! `--layer`, `--projections` and `--module`: only these modules are planned, cached and compared.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::common::checkpoints::{Checkpoint, Shape};
use crate::common::scans::{Place, assert_same};

const MODULES: [Shape; 7] = [
    ("layers.0.self_attn.q_proj", 24, 40),
    ("layers.0.self_attn.v_proj", 24, 16),
    ("layers.1.self_attn.q_proj", 24, 40),
    ("layers.1.self_attn.v_proj", 24, 16),
    ("layers.2.self_attn.q_proj", 24, 40),
    ("layers.2.mlp.down_proj", 32, 24),
    ("lm_head", 24, 48),
];

/// Five checkpoints of these modules.
fn layered() -> Place {
    let place = Place::new();
    for seed in 0..5 {
        Checkpoint::new(seed).modules(&MODULES).write(&place.path(&format!("runs/checkpoint-{seed}")));
    }
    place
}

fn modules(place: &Place, out: &str) -> BTreeSet<String> {
    place.table(out).iter().map(|row| row.text("module").unwrap().to_owned()).collect()
}

fn plan(place: &Place, out: &str) -> Value {
    serde_json::from_slice(&fs::read(place.path(out).join("plan.json")).unwrap()).unwrap()
}

#[test]
fn only_what_is_named_is_planned_cached_and_compared_with_the_numbers_of_the_whole() {
    let place = layered();
    place.done("runs -o whole");
    let key = |row: &crate::common::scans::Row| {
        let module = row.text("module").unwrap().to_owned();
        (module, row.int("a"), row.int("b"), row.number("phi_r").unwrap().to_bits())
    };
    for (number, (args, expected)) in [
        ("--layer 0-1", vec![0, 1, 2, 3]),
        ("--layer 2,0", vec![0, 1, 4, 5]),
        ("--layer all", vec![0, 1, 2, 3, 4, 5]),
        ("--projections v,q", vec![0, 1, 2, 3, 4]),
        ("--projections down,lm_head", vec![5, 6]),
        ("--layer 1-2 --projections q --module *attn*", vec![2, 4]),
    ]
    .into_iter()
    .enumerate()
    {
        let (out, cache) = (format!("out{number}"), format!("cache{number}"));
        place.done(&format!("runs -o {out} --cache {cache} {args}"));
        let expected: BTreeSet<String> = expected.into_iter().map(|at| MODULES[at].0.to_owned()).collect();
        assert_eq!(modules(&place, &out), expected, "{args}");
        assert_eq!(plan(&place, &out)["modules"].as_array().unwrap().len(), expected.len(), "{args}");
        let of_whole = place.table("whole");
        let of_whole: BTreeSet<_> =
            of_whole.iter().map(key).filter(|row| expected.contains(&row.0)).collect();
        assert_eq!(place.table(&out).iter().map(key).collect::<BTreeSet<_>>(), of_whole, "{args}");
        let cached = fs::read_dir(place.path(&cache)).unwrap();
        let n_named: usize = walkdir::WalkDir::new(place.path(&cache))
            .into_iter()
            .filter_map(|entry| fs::read(entry.unwrap().path()).ok())
            .map(|bytes| MODULES.iter().filter(|(name, ..)| has(&bytes, name)).count())
            .sum();
        assert_eq!((cached.count() > 0, n_named), (true, 5 * expected.len()), "{args}");
    }
}

/// Whether a file has a name in it.
fn has(bytes: &[u8], name: &str) -> bool {
    bytes.windows(name.len()).any(|window| window == name.as_bytes())
}

#[test]
fn the_choice_is_a_part_of_the_plan_and_the_same_one_in_other_words_goes_on() {
    let place = layered();
    let digest = |args: &str| {
        place.done(&format!("runs -o out --fresh {args}"));
        let output = place.lorascope("status out --json").output().unwrap();
        let status: Value = serde_json::from_slice(&output.stdout).unwrap();
        status["digest"].as_str().unwrap().to_owned()
    };
    let choices = ["", "--layer all", "--layer 0-1", "--layer 0-2", "--projections q", "--projections q,v"];
    let digests: BTreeSet<String> = choices.iter().map(|args| digest(args)).collect();
    assert_eq!(digests.len(), choices.len());

    place.done("runs -o out --fresh --layer 0-1,2 --projections q");
    assert!(place.done("runs -o out --layer 2,0,1 --projections q").stderr.contains("all done already"));
    for (args, found) in [
        ("--layer 0-1 --projections q", "found layers \"0-1\", expected layers \"0-2\" as in its first run"),
        ("--layer 0-2", "found projections null, expected projections [\"q\"] as in its first run"),
        ("--projections q", "found layers null, expected layers \"0-2\" as in its first run"),
    ] {
        let refused = place.run(&format!("runs -o out {args}"));
        assert_eq!(refused.code, Some(1), "{args}: {}", refused.stderr);
        assert!(refused.stderr.contains(found), "{args}: {}", refused.stderr);
        assert!(refused.stderr.contains("hint: use the same options"), "{args}: {}", refused.stderr);
    }
}

#[test]
fn shares_of_some_layers_make_the_bytes_of_one_run_and_the_folder_may_grow() {
    let place = layered();
    let args = "--layer 0-1 --projections v,q";
    place.done(&format!("runs -o planned {args}"));
    for out in ["whole", "out"] {
        place.replan("planned", out, 2);
    }
    place.done(&format!("runs -o whole {args}"));
    for k in [2, 1, 3] {
        place.done(&format!("runs -o out {args} --shard {k}/3 --no-cache"));
    }
    assert_same(&place.bytes("out"), &place.bytes("whole"), "shares");
    let new = Checkpoint::new(9).modules(&[MODULES[3], MODULES[6]]);
    new.write(&place.path("runs/checkpoint-9"));
    place.done(&format!("runs -o out {args}"));
    let rows = place.table("out");
    let of_new: Vec<&str> =
        rows.iter().filter(|row| row.int("b") == 5).map(|row| row.text("module").unwrap()).collect();
    assert_eq!(of_new, [MODULES[3].0; 5]);
}

#[test]
fn what_no_checkpoint_has_is_answered_with_the_nearest_names_and_plans_nothing() {
    let place = layered();
    for (args, found) in [
        ("--layer 0,7", "layer 7: none of 5 checkpoints has it; they have layers 0 to 2"),
        ("--layer 3-9", "layers 3 to 9: none of 5 checkpoints has it; they have layers 0 to 2"),
        ("--projections q,k", "projection `k`: none of 5 checkpoints has it; they have `q`, `v`, "),
        (
            "--module *.q_proj --module *.1.*.v_porj",
            "module `*.1.*.v_porj`: none of 5 checkpoints has it; they have `layers.1.self_attn.v_proj`, ",
        ),
        (
            "--layer 0 --projections down",
            "projection `down`: none of 5 checkpoints has it among the modules that the rest names; they have `q`, `v`\n",
        ),
    ] {
        for how in ["", "--dry-run", "--shard 1/2"] {
            let refused = place.run(&format!("runs -o out {args} {how}"));
            assert_eq!(refused.code, Some(1), "{args}: {}", refused.stderr);
            assert!(refused.stderr.contains(found), "{args}: {}", refused.stderr);
            assert!(!place.path("out").exists(), "{args}");
        }
    }
}
