//! Modules whose numbers have no subspace, or no update, are left out by name, and the rest goes on: in every command.
#![cfg(feature = "cli")]

mod common;

use std::io::Write as _;

use common::checkpoints::{Checkpoint, Factor, QUERY, Shape, VALUE};
use common::files::container;
use common::scans::{Ended, Place, ended};
use safetensors::tensor::Dtype;
use serde_json::Value;

const Q1: Shape = ("layers.1.self_attn.q_proj", 24, 40);
const V1: Shape = ("layers.1.self_attn.v_proj", 24, 16);
const MODULES: [Shape; 4] = [QUERY, VALUE, Q1, V1];
/// What no layer or module stands for.
const NAN: f64 = f64::NAN;

fn four(seed: u64) -> Checkpoint {
    Checkpoint::new(seed).modules(&MODULES)
}

/// A folder with checkpoints of these names.
fn place(checkpoints: &[(&str, Checkpoint)]) -> Place {
    let place = Place::new();
    checkpoints.iter().for_each(|(name, checkpoint)| checkpoint.write(&place.path(name)));
    place
}

fn run(place: &Place, args: &str) -> Ended {
    ended(&place.lorascope(args).output().unwrap())
}

/// What a command that goes on prints, and its warnings and hints.
fn done(place: &Place, args: &str) -> (String, Vec<String>) {
    let ended = run(place, args);
    assert_eq!(ended.code, Some(0), "{args}: {}", ended.stderr);
    let said = ended.stderr.lines().filter(|line| line.starts_with("warning: ")).map(str::to_owned);
    (ended.stdout, said.collect())
}

fn json(place: &Place, args: &str) -> Value {
    serde_json::from_str(&done(place, &format!("{args} --json -q")).0).unwrap()
}

fn names(list: &Value, key: &str) -> Vec<String> {
    let name = |one: &Value| one[key].as_str().unwrap().rsplit("layers.").next().unwrap().to_owned();
    list.as_array().unwrap().iter().map(name).collect()
}

/// A row of a document, by the end of its module's name.
fn row<'a>(document: &'a Value, end: &str) -> &'a Value {
    let modules = document["modules"].as_array().unwrap();
    modules.iter().find(|row| row["name"].as_str().unwrap().ends_with(end)).unwrap()
}

#[test]
fn an_untrained_module_is_left_out_on_the_sides_that_need_its_b_and_counts_in_the_whole_model_on_all() {
    let zero =
        four(1).spoil("1.self_attn.v_proj", Factor::B, 0.0).spoil("0.self_attn.q_proj", Factor::B, 0.0);
    let place = place(&[
        ("zero", zero),
        ("good", four(2)),
        ("v", four(3).spoil("1.self_attn.v_proj", Factor::B, 0.0)),
    ]);
    let wholes = ["a", "b", "dw-left", "dw-right"].map(|side| {
        let document = json(&place, &format!("compare zero good --engine cpu --side {side}"));
        let expected: &[&str] = if side == "a" { &[] } else { &["0.self_attn.q_proj", "1.self_attn.v_proj"] };
        assert_eq!(names(&document["left_out"], "module"), expected, "{side}");
        assert_eq!(document["modules"].as_array().unwrap().len(), 4 - expected.len());
        assert_eq!(document["whole"]["n_modules"], 4);
        for left_out in document["left_out"].as_array().unwrap() {
            assert_eq!(
                (&left_out["checkpoint"], &left_out["reason"]),
                (&"zero".into(), &"B is all zeros".into())
            );
        }
        assert_eq!(document["relation"]["word"], "unrelated");
        document["whole"].clone()
    });
    assert!(wholes.iter().all(|whole| whole == &wholes[0]), "{wholes:?}");
    // In the row of side a, the update is known: it is 0, and has no cosine.
    let document = json(&place, "compare zero good --engine cpu");
    let zero = row(&document, "1.self_attn.v_proj");
    assert_eq!((&zero["norm_a"], &zero["cosine"]), (&0.0.into(), &Value::Null));
    assert!(zero["norm_b"].as_f64() > Some(0.0));

    let (table, said) = done(&place, "compare zero good --engine cpu --side b");
    let expected = "warning: 2 of 4 modules left out: B is all zeros in zero (`layers.0.self_attn.q_proj`, \
                    `layers.1.self_attn.v_proj`)";
    assert_eq!(said, [expected]);
    assert!(table.contains("\nwhole model (all 4 modules)  "), "{table}");
    // A module may be bad in the first, in the second, or in both.
    let (_, said) = done(&place, "compare v zero --engine cpu --side b");
    let expected = "warning: 2 of 4 modules left out: B is all zeros in zero (`layers.0.self_attn.q_proj`); B is all zeros in v and \
                    zero (`layers.1.self_attn.v_proj`)";
    assert_eq!(said, [expected]);
    // Rows are rows.
    let (csv, _) = done(&place, "compare zero good --engine cpu --side b --csv");
    assert_eq!(csv.lines().count(), 1 + 2 + 1, "{csv}");
    let verbose = run(&place, "compare zero good --engine cpu --side b -v").stderr;
    let tensor = "tensor `base_model.model.layers.1.self_attn.v_proj.lora_B.weight`: found nothing but zeros in 16 × 4";
    let line = format!("left out: layers.1.self_attn.v_proj: zero: {tensor}, expected a trained factor");
    assert!(verbose.replace("/adapter_model.safetensors", "").lines().any(|said| said == line), "{verbose}");
}

#[test]
fn a_side_is_measured_whatever_the_factor_is_that_it_does_not_need() {
    for (factor, number, what) in [
        (Factor::A, NAN, "A has NaN"),
        (Factor::B, NAN, "B has NaN"),
        (Factor::A, f64::INFINITY, "A has an infinity"),
        (Factor::B, f64::NEG_INFINITY, "B has an infinity"),
    ] {
        let place = place(&[
            ("bad", four(1).dtype(Dtype::F16).spoil("1.self_attn.q_proj", factor, number)),
            ("good", four(2)),
        ]);
        let [needs, other] = if factor == Factor::A { ["a", "b"] } else { ["b", "a"] };
        for side in [needs, "dw-left", "dw-right"] {
            let document = json(&place, &format!("compare bad good --engine cpu --side {side}"));
            assert_eq!(names(&document["left_out"], "module"), ["1.self_attn.q_proj"], "{what} {side}");
            assert_eq!(document["left_out"][0]["reason"], what);
            assert_eq!(document["modules"].as_array().unwrap().len(), 3);
            assert_eq!(document["whole"]["n_modules"], 3);
        }
        let args = format!("compare bad good --engine cpu --side {other}");
        let document = json(&place, &args);
        assert_eq!(document["left_out"].as_array().unwrap().len(), 0);
        let bad = row(&document, "1.self_attn.q_proj");
        assert!(bad["phi_r"].is_number() && bad["norm_b"].is_number(), "{bad}");
        for unknown in ["cosine", "cosine_z", "norm_a"] {
            assert!(bad[unknown].is_null(), "{what}: {unknown}");
        }
        assert_eq!(bad["init_cosine"].is_null(), factor == Factor::A);
        // The whole model is that of the other three, with the same numbers as without the bad module.
        let without = json(&place, &format!("{args} --module *0.self* --module *v_proj"));
        assert_eq!(document["whole"], without["whole"]);
        assert_eq!(document["whole"]["n_modules"], 3);
        let (table, said) = done(&place, &args);
        assert_eq!(
            said,
            [format!("warning: no update ΔW in 1 of 4 modules: {what} in bad (`layers.1.self_attn.q_proj`)")]
        );
        assert!(table.contains("\nwhole model (3 of 4 modules)  "), "{table}");
        assert!(table.ends_with("what chance gives (by 3 of 4 modules)\n"), "{table}");
    }
}

#[test]
fn a_scaling_of_zero_makes_the_update_zero_and_leaves_both_factors() {
    let scaled = r#""lora_alpha":8,"alpha_pattern":{"layers.0.self_attn.q_proj":0}"#;
    let place = place(&[
        ("one", four(1).config(scaled)),
        ("all", four(3).config(r#""lora_alpha":0"#)),
        ("good", four(2)),
    ]);
    for side in ["a", "b"] {
        let (_, said) = done(&place, &format!("compare one good --engine cpu --side {side}"));
        assert_eq!(said, [""; 0], "{side}");
        let document = json(&place, &format!("compare one good --engine cpu --side {side}"));
        assert_eq!(row(&document, "0.self_attn.q_proj")["norm_a"], 0.0);
    }
    let (_, said) = done(&place, "compare one good --engine cpu --side dw-right");
    assert_eq!(
        said,
        ["warning: 1 of 4 modules left out: the scaling is 0 in one (`layers.0.self_attn.q_proj`)"]
    );
    let failed = run(&place, "compare all good --engine cpu --side dw-right");
    assert_eq!(failed.code, Some(1));
    assert_eq!(
        failed.stderr.replace("/adapter_model.safetensors", ""),
        "error: all: module `layers.0.self_attn.q_proj`: found a scaling of 0, expected an update that is not zero in one of the 4 \
         modules at least\nhint: sides a and b have subspaces that do not depend on the scaling\n"
    );
    // Its updates are known: there are none.
    let document = json(&place, "merge-check all good");
    assert_eq!(document["whole_model"]["word"], "one-dominates");
    assert_eq!(document["without_update"].as_array().unwrap().len(), 0);
}

#[test]
fn when_nothing_is_left_the_error_names_a_module_what_is_wrong_and_the_way_out() {
    let zeros = Checkpoint { untrained: vec!["_proj"], ..four(1) };
    let place =
        place(&[("zeros", zeros), ("good", four(2)), ("nan", four(3).spoil("_proj", Factor::A, NAN))]);
    let tensor = "tensor `base_model.model.layers.0.self_attn.q_proj.lora_B.weight`";
    let expected = format!(
        "error: zeros/adapter_model.safetensors: {tensor}: found nothing but zeros in 40 × 4, expected a trained factor in one of \
         the 4 modules at least\nhint: B starts at zero and was not trained in this module: only --side a has a subspace of it\n"
    );
    for command in ["compare good zeros --engine cpu", "shared good zeros"] {
        let failed = run(&place, &format!("{command} --side b"));
        assert_eq!((failed.code, failed.stderr.as_str()), (Some(1), expected.as_str()), "{command}");
    }
    let found = "nan/adapter_model.safetensors: tensor `base_model.model.layers.0.self_attn.q_proj.lora_A.weight`: found NaN at [3, \
                 23], expected finite numbers in one of the 4 modules at least\n";
    for command in ["compare nan good --engine cpu", "shared nan good", "merge-check nan good"] {
        let failed = run(&place, command);
        assert_eq!((failed.code, failed.stderr), (Some(1), format!("error: {found}")), "{command}");
    }
    // One that has nothing on the scan's side is not in it, and the others are.
    let scan = place.run("zeros good nan -o out --side b");
    assert_eq!(scan.code, Some(3));
    let rows = place.table("out");
    let is_zeros = |row: &common::scans::Row| row.text("path") == Some("zeros");
    let zeros = place.adapters("out").iter().position(is_zeros).unwrap();
    assert!(rows.len() == 4 && rows.iter().all(|row| row.int("a") != zeros && row.int("b") != zeros));
}

#[test]
fn modules_in_one_file_only_are_a_note_next_to_those_without_a_subspace() {
    let place = place(&[
        ("a", four(1).spoil("1.self_attn.q_proj", Factor::A, NAN)),
        ("b", four(2).modules(&MODULES[..3])),
    ]);
    let ended = run(&place, "compare a b --engine cpu");
    assert!(ended.stderr.contains("note: 1 module only in a\n"), "{}", ended.stderr);
    let expected = "warning: 1 of 3 modules left out: A has NaN in a (`layers.1.self_attn.q_proj`)\n";
    assert!(ended.stderr.contains(expected), "{}", ended.stderr);
    assert_eq!(ended.stdout.lines().filter(|line| line.starts_with("layers.")).count(), 2);
}

#[test]
fn a_copy_is_told_from_one_whose_bad_module_may_differ() {
    let bad = four(1).spoil("1.self_attn.v_proj", Factor::A, NAN);
    let place = place(&[("bad", bad.clone()), ("copy", bad), ("good", four(1))]);
    let relation = |b: &str| {
        let (table, _) = done(&place, &format!("compare bad {b} --engine cpu -q"));
        table.lines().last().unwrap().to_owned()
    };
    assert_eq!(relation("copy"), "relation: same file: every byte is equal");
    // Every A and B is equal in the three others, and nothing is known of the fourth.
    let expected = "relation: same update, up to the rounding of the storage type (by 3 of 4 modules)";
    assert_eq!(relation("good"), expected);
}

#[test]
fn a_figure_draws_what_there_is_and_names_what_else_could_be_drawn() {
    let q = four(1).spoil("0.self_attn.q_proj", Factor::B, 0.0);
    let both = Checkpoint { untrained: vec!["1.self_attn.q_proj", "1.self_attn.v_proj"], ..four(2) };
    let place = place(&[("q", q), ("both", both.clone()), ("good", four(3))]);
    let figure = |args: &str| run(&place, &format!("figure {args} --side b --engine cpu -o x.png"));
    let drawn = figure("q good --layer 0");
    assert_eq!(drawn.code, Some(0), "{}", drawn.stderr);
    let expected = "warning: 1 of 2 modules left out: B is all zeros in q (`layers.0.self_attn.q_proj`)\n";
    assert!(drawn.stderr.contains(expected), "{}", drawn.stderr);
    assert!(drawn.stdout.starts_with("ΔW_v: layers.0.self_attn.v_proj\n"), "{}", drawn.stdout);
    // The control is of the shape that is drawn.
    assert!(drawn.stdout.contains("4 × 4, 16          4 × 4, 16\n"), "{}", drawn.stdout);
    let document: Value = serde_json::from_str(&figure("q good --layer 0 --json -q").stdout).unwrap();
    assert_eq!(names(&document["left_out"], "module"), ["0.self_attn.q_proj"]);
    assert_eq!(document["panels"].as_array().unwrap().len(), 2);

    std::fs::remove_file(place.path("x.png")).unwrap();
    let failed = figure("good both --layer 1");
    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
    let expected = "expected a trained factor in one of the 2 modules at least\n";
    assert!(failed.stderr.contains(expected), "{}", failed.stderr);
    let hint = "hint: the nearest layer that can be compared on this side: --layer 0\n";
    assert!(failed.stderr.ends_with(hint), "{}", failed.stderr);
    assert!(!place.path("x.png").exists());
    // Where no layer was named, one is taken that has a subspace on the side.
    for (side, layer) in [("b", 0), ("dw-left", 0), ("dw-right", 0), ("a", 1)] {
        let drawn = run(&place, &format!("figure good both --side {side} --engine cpu -o x.png"));
        assert_eq!(drawn.code, Some(0), "{side}: {}", drawn.stderr);
        assert!(
            drawn.stdout.contains(&format!("layers.{layer}.self_attn.q_proj\n")),
            "{side}: {}",
            drawn.stdout
        );
        assert!(!drawn.stderr.contains("left out"), "{side}: {}", drawn.stderr);
    }
    // Of the module that was asked for, there is no other.
    let failed = figure("good both --module *1.self_attn.q_proj");
    assert!(failed.stderr.ends_with("only --side a has a subspace of it\n"), "{}", failed.stderr);
    assert_eq!(figure("good both --layer 0").code, Some(0));
    assert_eq!(run(&place, "figure good both --layer 1 --engine cpu -o x.png").code, Some(0));

    // Two blocks of one layer number, as a text encoder and a UNet have.
    const BLOCKS: [Shape; 4] = [
        ("down_blocks.0.attn1.to_q", 24, 40),
        ("down_blocks.0.attn1.to_v", 24, 40),
        ("text_encoder.layers.0.self_attn.q_proj", 24, 40),
        ("text_encoder.layers.0.self_attn.v_proj", 24, 40),
    ];
    for seed in [1, 2] {
        let untrained = Checkpoint { untrained: vec!["q_proj", "v_proj"], ..Checkpoint::new(seed) };
        untrained.modules(&BLOCKS).write(&place.path(&format!("sd{seed}")));
    }
    let drawn = figure("sd1 sd2");
    assert_eq!(drawn.code, Some(0), "{}", drawn.stderr);
    let note = "note: no layer or module was named: took q and v of `down_blocks.0.attn1`, of 2 blocks that have them in both files \
                the nearest to the middle that has a subspace of all of them\n";
    assert!(drawn.stderr.contains(note), "{}", drawn.stderr);
    // Where nothing can be drawn, the error is that of the middle one.
    let untrained = Checkpoint { untrained: vec!["to_q", "to_v", "q_proj", "v_proj"], ..Checkpoint::new(5) };
    untrained.modules(&BLOCKS).write(&place.path("none"));
    let failed = figure("none sd2");
    assert_eq!(failed.code, Some(1));
    assert!(
        failed
            .stderr
            .contains("text_encoder.layers.0.self_attn.q_proj.lora_B.weight`: found nothing but zeros"),
        "{}",
        failed.stderr
    );
}

#[test]
fn inspect_has_the_spectra_of_what_can_be_measured() {
    let bad = four(1)
        .spoil("0.self_attn.q_proj", Factor::A, NAN)
        .spoil("0.self_attn.v_proj", Factor::B, f64::INFINITY)
        .spoil("1.self_attn.q_proj", Factor::B, 0.0);
    let place = place(&[
        ("bad", bad),
        ("nan", four(2).spoil("_proj", Factor::A, NAN).spoil("_proj", Factor::B, NAN)),
    ]);
    let (table, said) = done(&place, "inspect --spectra bad");
    let expected = "warning: spectra of 2 of 4 modules left out: A has NaN in bad (`layers.0.self_attn.q_proj`); B has an infinity in \
                    bad (`layers.0.self_attn.v_proj`)";
    let zeros = "warning: 1 of 4 modules cannot be compared on every side: B is all zeros in bad (`layers.1.self_attn.q_proj`)";
    assert_eq!(said, [expected, zeros]);
    assert_eq!(table.lines().filter(|line| line.starts_with("layers.")).count(), 4);
    let document = json(&place, "inspect --spectra bad");
    let checkpoint = &document["checkpoints"][0];
    assert_eq!(names(&checkpoint["without_spectra"], "module"), ["0.self_attn.q_proj", "0.self_attn.v_proj"]);
    let rank = |end: &str, of: &str| row(checkpoint, end)[of]["numerical_rank"].as_u64();
    assert_eq!(
        [rank("0.self_attn.q_proj", "spectrum_a"), rank("0.self_attn.q_proj", "spectrum_b")],
        [None, Some(4)]
    );
    assert_eq!(
        [rank("0.self_attn.v_proj", "spectrum_a"), rank("0.self_attn.v_proj", "spectrum_b")],
        [Some(4), None]
    );
    assert!(row(checkpoint, "0.self_attn.q_proj")["update_norm_f"].is_null());
    // An update of zeros is known.
    let zero = row(checkpoint, "1.self_attn.q_proj");
    assert_eq!(
        (&zero["spectrum_update"]["numerical_rank"], &zero["update_norm_f"]),
        (&0.into(), &0.0.into())
    );
    let (csv, _) = done(&place, "inspect --spectra bad --csv");
    let fields = |at: usize| csv.lines().nth(at).unwrap().split(',').collect::<Vec<_>>();
    let of = |column: &str| fields(0).iter().position(|name| *name == column).unwrap();
    assert_eq!(
        (fields(1)[of("a_rank")], fields(1)[of("b_rank")], fields(1)[of("update_norm_f")]),
        ("", "4", "")
    );
    let failed = run(&place, "inspect --spectra nan bad");
    assert_eq!(failed.code, Some(3));
    assert!(
        failed
            .stderr
            .contains("found NaN at [3, 23], expected finite numbers in one of the 4 modules at least\n")
    );
    assert!(failed.stdout.contains("bad: PEFT names"), "{}", failed.stdout);
}

#[test]
fn inspect_names_modules_of_zeros_and_nan_in_small_checkpoints_without_being_asked() {
    let bad = four(1).spoil("0.self_attn.q_proj", Factor::A, NAN).spoil("1.self_attn.q_proj", Factor::B, 0.0);
    let place = place(&[
        ("runs/bad", bad.clone()),
        ("runs/good", four(2)),
        ("runs/zeros", Checkpoint { untrained: vec!["1.self_attn.q_proj"], ..four(3) }),
        ("nan", four(2).spoil("_proj", Factor::A, NAN).spoil("_proj", Factor::B, NAN)),
    ]);
    let (table, said) = done(&place, "inspect runs/bad");
    let expected = "warning: 2 of 4 modules cannot be compared on every side: A has NaN in runs/bad (`layers.0.self_attn.q_proj`); B is \
                    all zeros in runs/bad (`layers.1.self_attn.q_proj`)";
    assert_eq!(said, [expected]);
    assert_eq!(table.lines().filter(|line| line.starts_with("layers.")).count(), 4);
    let document = json(&place, "inspect runs/bad");
    let flawed = &document["checkpoints"][0]["flawed"];
    assert_eq!(names(flawed, "module"), ["0.self_attn.q_proj", "1.self_attn.q_proj"]);
    assert_eq!(flawed[1]["reason"], "B is all zeros");
    // Many in one line, as other commands have it.
    let (_, said) = done(&place, "inspect runs");
    let expected = "warning: 3 modules of 2 of 3 checkpoints cannot be compared on every side: A has NaN in runs/bad \
                    (`layers.0.self_attn.q_proj`); B is all zeros in runs/bad and runs/zeros (`layers.1.self_attn.q_proj`)";
    assert_eq!(said, [expected]);
    assert_eq!(done(&place, "inspect runs/good").1, [""; 0]);
    // Nothing but NaN is told, and the headers are shown.
    assert!(
        done(&place, "inspect nan").1[0]
            .starts_with("warning: 4 of 4 modules cannot be compared on every side: A has NaN in nan")
    );
    // What is too large to be looked at is not read.
    let n_bytes = 4 * 4_100_000 * 4;
    let header = format!(
        r#"{{"m.lora_A.weight":{{"dtype":"F32","shape":[4,4100000],"data_offsets":[0,{n_bytes}]}},"m.lora_B.weight":{{"dtype":"F32","shape":[4100000,4],"data_offsets":[{n_bytes},{}]}}}}"#,
        2 * n_bytes
    );
    let start = container(header, 0);
    let file = std::fs::File::create(place.path("wide.safetensors")).unwrap();
    (&file).write_all(&start).unwrap();
    file.set_len((start.len() + 2 * n_bytes) as u64).unwrap();
    for args in ["inspect wide.safetensors", "inspect wide.safetensors runs/bad"] {
        assert_eq!(done(&place, args).1, [""; 0]);
    }
}

#[test]
fn a_scan_leaves_out_what_it_cannot_measure_and_says_so_once() {
    let zeros = Checkpoint { untrained: vec!["_proj"], ..four(3) };
    let v = || Checkpoint { untrained: vec!["0.self_attn.v_proj"], ..four(4) };
    let good = [("runs/a", four(1)), ("runs/b", four(2))];
    let place =
        place(&[good[0].clone(), good[1].clone(), ("zeros/all", zeros), ("zeros/v", v()), ("zeros/w", v())]);
    let expected = "warning: 6 modules of 3 of 5 checkpoints left out: B is all zeros in zeros/all (`layers.0.self_attn.q_proj`, \
                    `layers.0.self_attn.v_proj`, `layers.1.self_attn.q_proj`, `layers.1.self_attn.v_proj`); B is all zeros in zeros/v \
                    and zeros/w (`layers.0.self_attn.v_proj`)";
    let scan = place.run("runs zeros -o out --side b --update");
    assert_eq!(scan.code, Some(3), "{}", scan.stderr);
    let warnings: Vec<&str> = scan.stderr.lines().filter(|line| line.contains("left out")).collect();
    assert_eq!(warnings, [expected]);
    assert_eq!(
        place.adapters("out").iter().map(|row| row.int("n_left_out")).collect::<Vec<_>>(),
        [0, 0, 4, 1, 1]
    );
    let problem = "no basis of 1 module: B is all zeros (`layers.0.self_attn.v_proj`)";
    assert_eq!(place.adapters("out")[3].text("problem"), Some(problem));
    // 4 rows of the two good ones, 3 of each pair with another, and those of a and b as in a scan without the others.
    let rows = place.table("out");
    assert_eq!(rows.len(), 4 + 5 * 3);
    place.done("runs -o good --side b --update");
    let of_good = |row: &&common::scans::Row| [row.int("a"), row.int("b")] == [0, 1];
    let found: Vec<_> = rows.iter().filter(of_good).collect();
    assert_eq!(found, place.table("good").iter().collect::<Vec<_>>());

    let report = run(&place, "report out -o report -q");
    let lines: Vec<&str> =
        report.stdout.lines().filter(|line| line.contains("checkpoints left out")).collect();
    assert_eq!(lines, [expected]);
    let text = std::fs::read_to_string(place.path("report/report.json")).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&document["counts"]["left_out_modules"], &document["counts"]["adapters_with_problems"]),
        (&6.into(), &3.into())
    );
    assert_eq!(document["problems"][0]["n_left_out"], 4);
    let warnings = document["warnings"].as_array().unwrap();
    let message = |warning: &&Value| warning["code"] == "missing-modules";
    let message = &warnings.iter().find(message).unwrap()["message"];
    assert_eq!(format!("warning: {}", message.as_str().unwrap()), expected);
}

#[test]
fn a_scan_measures_a_side_whose_other_factor_is_bad_and_has_null_for_what_needs_both() {
    let place = place(&[
        ("runs/a", four(1).spoil("1.self_attn.q_proj", Factor::A, NAN)),
        ("runs/b", four(2)),
        ("runs/c", four(3).spoil("0.self_attn.q_proj", Factor::A, 0.0)),
    ]);
    let scan = place.done("runs -o out --side b --update");
    let expected = "warning: 2 of 12 rows have no cosine: a factor that the side does not need has numbers that are not finite \
                    (norm_a or norm_b is null)\n";
    assert!(scan.stderr.contains(expected), "{}", scan.stderr);
    for row in place.table("out") {
        assert!(row.number("phi_r").is_some());
        let is_bad = row.text("module") == Some("layers.1.self_attn.q_proj") && row.int("a") == 0;
        assert_eq!(row.number("norm_a").is_none(), is_bad, "{row:?}");
        let is_zero = row.text("module") == Some("layers.0.self_attn.q_proj") && row.int("b") == 2;
        assert_eq!(row.number("norm_b") == Some(0.0), is_zero, "{row:?}");
        assert_eq!(row.number("cosine").is_none(), is_bad || is_zero, "{row:?}");
        assert_eq!(row.number("init_cosine").is_none(), is_bad || is_zero, "{row:?}");
    }
    // The whole cosines are those of compare, over the modules that are known.
    let found = run(&place, "search runs/a --in out --cache cache --by cosine --json");
    let found: Value = serde_json::from_str(&found.stdout).unwrap();
    for neighbour in found["queries"][0]["nearest"].as_array().unwrap() {
        let path = neighbour["path"].as_str().unwrap();
        let compared = json(&place, &format!("compare runs/a {path} --engine cpu"));
        let [found, expected] =
            [&neighbour["cosine"], &compared["whole"]["cosine"]].map(|x| x.as_f64().unwrap());
        assert!((found - expected).abs() < 2e-5, "{path}: {found} for {expected}");
        assert_eq!(neighbour["relation"]["word"], compared["relation"]["word"], "{path}");
    }
    // Those of the report too: the update of zeros has a norm.
    let report = run(&place, "report out -o report --by cosine -q");
    assert_eq!(report.code, Some(0), "{}", report.stderr);
    let pairs = std::fs::read_to_string(place.path("report/pairs.csv")).unwrap();
    let header: Vec<&str> = pairs.lines().next().unwrap().split(',').collect();
    let at =
        |name: &str| header.iter().position(|column| *column == name).unwrap_or_else(|| panic!("{header:?}"));
    let mut n = 0;
    for line in pairs.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let path = |side: &str| ["runs/a", "runs/b", "runs/c"][fields[at(side)].parse::<usize>().unwrap()];
        let compared = json(&place, &format!("compare {} {} --engine cpu", path("a"), path("b")));
        let [found, expected] =
            [fields[at("mean_cosine")].parse().unwrap(), compared["whole"]["cosine"].as_f64().unwrap()];
        assert!((found - expected).abs() < 2e-5_f64, "{line}: {expected}");
        n += 1;
    }
    assert_eq!(n, 3);
}

#[test]
fn shared_and_merge_check_name_the_checkpoints_that_spoil_a_module() {
    let place = place(&[
        ("runs/a", four(1).spoil("1.self_attn.q_proj", Factor::B, NAN)),
        ("runs/b", Checkpoint { untrained: vec!["0.self_attn.v_proj"], ..four(2) }),
        ("runs/c", Checkpoint { untrained: vec!["0.self_attn.v_proj"], ..four(3) }),
    ]);
    let nan = "B has NaN in runs/a (`layers.1.self_attn.q_proj`)";
    let (_, said) = done(&place, "shared runs --side b");
    let zeros = "B is all zeros in runs/b and runs/c (`layers.0.self_attn.v_proj`)";
    assert_eq!(said, [format!("warning: 2 of 4 modules left out: {zeros}; {nan}")]);
    let document = json(&place, "shared runs --side b");
    assert_eq!(
        names(&document["without_basis"], "module"),
        ["0.self_attn.v_proj", "0.self_attn.v_proj", "1.self_attn.q_proj"]
    );
    assert_eq!(document["without_basis"][1]["checkpoint"], "runs/c");
    assert_eq!(document["modules"].as_array().unwrap().len(), 2);
    assert_eq!(done(&place, "shared runs").1, [""; 0]);

    // An update of zeros adds nothing; one that is not known leaves its module out.
    let (table, said) = done(&place, "merge-check runs/a runs/b");
    assert_eq!(said, [format!("warning: 1 of 4 modules left out: {nan}")]);
    assert!(table.contains("\nwhole model (3 of 4 modules)  "), "{table}");
    let document = json(&place, "merge-check runs/a runs/b");
    assert_eq!(names(&document["without_update"], "module"), ["1.self_attn.q_proj"]);
    let compared = json(&place, "compare runs/a runs/b --engine cpu");
    let [found, expected] =
        [&document["whole_model"]["cosine"][0][1], &compared["whole"]["cosine"]].map(|x| x.as_f64().unwrap());
    assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
    for (at, name) in ["norm_a", "norm_b"].into_iter().enumerate() {
        let norm = document["whole_model"]["norms"][at].as_f64().unwrap();
        assert!((norm / compared["whole"][name].as_f64().unwrap() - 1.0).abs() < 1e-6);
    }
    let (table, said) = done(&place, "merge-check runs/b runs/c");
    assert_eq!(said, [""; 0]);
    assert!(table.contains("1 no update\n") && !table.contains("-0.000"), "{table}");
}

#[test]
fn a_search_leaves_out_the_modules_of_a_query_that_have_no_basis() {
    let place = place(&[
        ("runs/a", four(1)),
        ("runs/b", four(2)),
        ("zero", four(1).spoil("1.self_attn.q_proj", Factor::B, 0.0)),
    ]);
    place.done("runs -o out --side b");
    let (table, said) = done(&place, "search zero --in out --cache cache");
    assert_eq!(
        said,
        ["warning: 1 of 4 modules left out: B is all zeros in zero (`layers.1.self_attn.q_proj`)"]
    );
    assert!(table.contains("  3  "), "{table}");
    let found = json(&place, "search zero --in out --cache cache");
    assert_eq!(names(&found["queries"][0]["left_out"], "module"), ["1.self_attn.q_proj"]);
    assert_eq!(found["queries"][0]["nearest"][0]["n_modules"], 3);
}
