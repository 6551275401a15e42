//! `lorascope report` on scans as a user makes them: planted folders, scans that are not finished, names, labels.

mod common;

use std::fs;
use std::path::Path;

use common::checkpoints::{Checkpoint, MIXED, Shape};
use common::scans::{Ended, Place, ended};
use serde_json::Value;

fn report(place: &Place, args: &str) -> Ended {
    ended(&place.lorascope(&format!("report {args}")).output().unwrap())
}

fn findings(place: &Place, args: &str) -> Value {
    let ended = report(place, &format!("{args} --json -q"));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    serde_json::from_str(&ended.stdout).unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// The pair at a place of a list, by names.
fn pair(found: &Value, list: &str, n: usize) -> [String; 2] {
    let line = &found[list][n];
    let mut names = ["path_a", "path_b"].map(|key| line[key].as_str().unwrap().replace("runs/", ""));
    names.sort();
    names
}

#[test]
fn copies_of_high_rank_are_the_most_alike_by_everything_and_two_seeds_come_before_strangers() {
    const MODULES: [Shape; 2] = [
        ("encoder.layer.5.attention.self.query", 384, 384),
        ("encoder.layer.5.attention.self.value", 384, 384),
    ];
    let place = Place::new();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/adapters");
    for (from, to) in
        [("seed0-r64-layer5", "seed0"), ("seed1-r64-layer5", "seed1"), ("seed0-r64-layer5", "copy")]
    {
        copy(&data.join(from), &place.path("runs").join(to));
    }
    for seed in 0..4 {
        let r = if seed < 2 { 64 } else { 8 };
        Checkpoint::new(seed).r(r).modules(&MODULES).write(&place.path("runs").join(format!("random{seed}")));
    }
    for side in ["a", "b"] {
        place.done(&format!("runs -o {side} --side {side}"));
        for by in ["adjusted", "phi_full", "linear_cka", "phi_1", "phi_8"] {
            let found = findings(&place, &format!("{side} --by {by}"));
            let key = format!("mean_{by}");
            assert_eq!(pair(&found, "most_alike", 0), ["copy", "seed0"], "{side} {by}");
            assert!((found["most_alike"][0][&key].as_f64().unwrap() - 1.0).abs() < 1e-5, "{side} {by}");
            for n in [1, 2] {
                let [a, b] = pair(&found, "most_alike", n);
                assert!(!a.contains("random") && b == "seed1", "{side} {by}: {a} and {b} in place {n}");
            }
            // Joined first of all, though the two share their start.
            assert!((found["merges"][0][&key].as_f64().unwrap() - 1.0).abs() < 1e-5);
        }
        let found = findings(&place, side);
        let strangers: Vec<f64> = found["most_alike"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|line| {
                ["path_a", "path_b"].iter().any(|key| line[key].as_str().unwrap().contains("random"))
            })
            .map(|line| line["mean_adjusted"].as_f64().unwrap())
            .collect();
        // 0 at chance, whatever the ranks.
        assert!(strangers.len() == 18 && strangers.iter().all(|value| value.abs() < 0.02), "{strangers:?}");
    }
}

#[test]
fn a_scan_that_is_not_finished_is_an_error_with_the_command_that_finishes_it() {
    let place = Place::mixed();
    place.done("runs -o out --side b --pairs all --keep cells=1:1 --module layers.0.*");
    let whole = findings(&place, "out");
    assert_eq!(whole["unfinished"], Value::Null);
    let picture = fs::read(place.path("out/report/adapters.png")).unwrap();
    let files = common::scans::files(&place.path("out/pairs"));
    fs::remove_file(&files[0]).unwrap();

    let ended = report(&place, "out");
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    let lines: Vec<&str> = ended.stderr.lines().collect();
    let n = files.len();
    assert_eq!(lines[0], format!("error: out: found 1 of {n} blocks missing, expected a finished scan"));
    let command = lines[1].strip_prefix("hint: go on with `lorascope ").unwrap().split('`').next().unwrap();
    assert_eq!(command, "scan runs -o out --side b --module 'layers.0.*' --keep cells=1:1");
    assert!(lines[1].ends_with("or see what is there with --partial"), "{lines:?}");

    // What is there says that it is not all.
    let partial = findings(&place, "out --partial");
    assert_eq!(partial["unfinished"], serde_json::json!({"blocks": n, "blocks_left": 1}));
    assert!(partial["counts"]["rows"].as_u64() < whole["counts"]["rows"].as_u64());
    assert_eq!(partial["warnings"][0]["code"], "unfinished");
    let text = report(&place, "out --partial -q").stdout;
    assert!(text.contains(&format!("warning: the scan is not finished: 1 of {n} blocks missing")), "{text}");
    assert!(fs::read(place.path("out/report/adapters.png")).unwrap() != picture);

    // The command is the one.
    let command = command.replace('\'', "");
    assert_eq!(place.run(command.strip_prefix("scan ").unwrap()).code, Some(0));
    let again = findings(&place, "out");
    assert_eq!(again, whole);
    assert!(fs::read(place.path("out/report/adapters.png")).unwrap() == picture);

    // Blocks are there, but the table of adapters is not.
    fs::remove_file(place.path("out/adapters.parquet")).unwrap();
    let ended = report(&place, "out");
    assert!(
        ended
            .stderr
            .contains("found all blocks, but not the whole table of adapters, expected a finished scan"),
        "{}",
        ended.stderr
    );
    let partial = findings(&place, "out --partial");
    assert_eq!(partial["adapters"], whole["adapters"]);
}

#[test]
fn a_scan_of_a_few_files_goes_on_by_their_names() {
    let place = Place::mixed();
    place.done("runs/a/checkpoint-100 runs/b/step_1 runs/wide -o out");
    fs::remove_file(&common::scans::files(&place.path("out/pairs"))[0]).unwrap();
    let ended = report(&place, "out");
    assert!(
        ended.stderr.contains("`lorascope scan runs/a/checkpoint-100 runs/b/step_1 runs/wide -o out`"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_checkpoint_has_one_name_everywhere() {
    let place = Place::mixed();
    let ids = |out: &str| -> Vec<i64> {
        let rows = place.table(out);
        let mut ids: Vec<i64> =
            rows.iter().flat_map(|row| [row.int("a") as i64, row.int("b") as i64]).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    };
    place.done("runs -o all");
    for (n, name) in
        ["b/step_1", "step_1", "runs/b/step_1", "./runs/b/step_1", "b/step_[1]"].iter().enumerate()
    {
        place.done(&format!("runs -o left{n} --left {name} --right checkpoint-1*"));
        place.done(&format!("runs -o against{n} --pairs against {name}"));
        assert_eq!(ids(&format!("left{n}")), [0, 2, 3], "{name}");
        // The others that have a module in common with it.
        let rows = place.table(&format!("against{n}"));
        assert!(
            !rows.is_empty() && rows.iter().all(|row| [row.int("a"), row.int("b")].contains(&3)),
            "{name}"
        );
        let found = findings(&place, &format!("all --adapter {name} --adapter checkpoint-200"));
        let mut adapters: Vec<&str> =
            found["adapters"].as_array().unwrap().iter().map(|line| line["path"].as_str().unwrap()).collect();
        adapters.sort_unstable();
        assert_eq!(adapters, [MIXED[1], MIXED[3]], "{name}");
        let figure = place
            .lorascope(&format!("figure all --pair {name} checkpoint-200 -o x.png --engine cpu"))
            .output()
            .unwrap();
        assert!(figure.status.success(), "{name}: {}", ended(&figure).stderr);
    }
    // By number where there is a table, and clear where several fit.
    let found = findings(&place, "all --adapter 3 --adapter 1");
    assert_eq!(found["counts"]["pairs"], 1);
    let figure = ended(&place.lorascope("figure all --pair checkpoint-* 3").output().unwrap());
    assert!(
        figure.stderr.contains("pair: found 3 named `checkpoint-*`, expected one checkpoint of the scan"),
        "{}",
        figure.stderr
    );
    let figure = ended(&place.lorascope("figure all --pair checkpoint-7 3").output().unwrap());
    assert!(figure.stderr.contains("pair: found none named `checkpoint-7`"), "{}", figure.stderr);
}

#[test]
fn pairs_that_were_not_compared_are_counted_by_reason() {
    let place = Place::mixed();
    let absent = |args: &str| -> Value {
        let (out, scan) = args.split_once(' ').unwrap();
        place.done(&format!("{scan} -o {out}"));
        findings(&place, out)["counts"]["not_compared_pairs"].clone()
    };
    // wide and wider have no module of the others' dimension.
    assert_eq!(absent("all runs"), serde_json::json!({"no_common_module": 14}));
    assert_eq!(absent("against runs/a runs/b --pairs against step_1"), serde_json::json!({"not_asked": 6}));
    for seed in [51, 52] {
        Checkpoint::new(seed).base(Some("base/three")).write(&place.path("others").join(format!("s{seed}")));
    }
    assert_eq!(absent("same runs/a others --same-base"), serde_json::json!({"other_base": 6}));
    place.done("runs/a runs/b -o top --keep top:1");
    let top = findings(&place, "top");
    let n = top["counts"]["not_compared_pairs"]["not_among_top"].as_u64().unwrap();
    assert_eq!(n + top["counts"]["pairs"].as_u64().unwrap(), 10);
    let text = report(&place, "against -q").stdout;
    assert!(text.contains("not compared: 6 of 10 pairs: 6 not asked for"), "{text}");
}

#[test]
fn a_scan_of_the_most_alike_pairs_says_what_it_cannot_tell() {
    let place = Place::new();
    for seed in 0..9 {
        Checkpoint::new(seed).write(&place.path("runs").join(format!("s{seed}")));
    }
    let labels = (0..9).map(|seed| format!("s{seed},{}\n", ["x", "y"][seed % 2]));
    fs::write(place.path("labels.csv"), labels.collect::<String>()).unwrap();
    place.done("runs -o all");
    place.done("runs -o top --keep top:1");
    place.done("runs -o whole --keep top:8");
    let [all, top] = ["all", "top"].map(|out| findings(&place, &format!("{out} --labels labels.csv")));
    let n_kept = place.table("top").len();
    assert!(n_kept < 72, "{n_kept}");
    let warning = format!(
        "the scan kept only the most alike pair of each adapter in each module, {n_kept} of 72 rows: "
    );
    let warned = |found: &Value| {
        let mut all = found["warnings"].as_array().unwrap().iter();
        all.any(|one| {
            one["code"] == "most-alike-only" && one["message"].as_str().unwrap().starts_with(&warning)
        })
    };
    assert!(warned(&top) && !warned(&all), "{top}");
    // What would be an average of the most alike.
    for key in ["mean_adjusted", "mean_phi_full", "mean_linear_cka"] {
        assert!(all[key].is_f64() && top[key].is_null(), "{key}: {}", top[key]);
    }
    for key in ["layers", "projections", "layer_projections", "least_alike"] {
        assert!(!all[key].as_array().unwrap().is_empty() && top[key].as_array().unwrap().is_empty(), "{key}");
    }
    assert!(all["label_statistics"].is_object() && top["label_statistics"].is_null());
    let means = |found: &Value| -> Vec<Value> {
        found["adapters"].as_array().unwrap().iter().map(|row| row["mean_adjusted"].clone()).collect()
    };
    assert!(means(&all).iter().all(Value::is_f64) && means(&top).iter().all(Value::is_null));
    let text = report(&place, "top -q --labels labels.csv").stdout;
    assert!(text.contains(&format!("warning: {warning}")), "{text}");
    assert!(
        !text.contains("mean: ") && !text.contains("by projection") && !text.contains("by layer"),
        "{text}"
    );
    assert!(!place.path("top/report/layers.png").exists() && place.path("all/report/layers.png").exists());
    // A pair that was kept in all of its modules has the value that it has.
    let alike = |found: &Value| found["most_alike"].as_array().unwrap().clone();
    let is_in = |line: &&Value, other: &Value| ["a", "b"].iter().all(|key| line[*key] == other[*key]);
    let mut n_whole = 0;
    for line in alike(&top) {
        let other = alike(&all).into_iter().find(|other| is_in(&&line, other)).unwrap();
        if line["n_modules"] == other["n_modules"] {
            n_whole += 1;
            assert_eq!(line["mean_adjusted"], other["mean_adjusted"]);
        }
    }
    assert!(n_whole > 0);
    // Where all pairs are kept, nothing is left out.
    let whole = findings(&place, "whole --labels labels.csv");
    for key in ["mean_adjusted", "layers", "least_alike", "label_statistics", "adapters", "warnings"] {
        assert_eq!(whole[key], all[key], "{key}");
    }
}

#[test]
fn tables_without_a_plan_say_that_nothing_tells_whether_they_are_all() {
    let place = Place::mixed();
    place.done("runs -o out");
    let code = |found: &Value| found["warnings"].as_array().unwrap().last().map(|one| one["code"].clone());
    assert_ne!(code(&findings(&place, "out")), Some("no-plan".into()));
    fs::remove_file(place.path("out/plan.json")).unwrap();
    assert_eq!(code(&findings(&place, "out")), Some("no-plan".into()));
}

#[test]
fn modules_that_were_left_out_stand_in_the_report() {
    let place = Place::new();
    for seed in 0..3 {
        let untrained = if seed == 1 { vec!["v_proj"] } else { vec![] };
        Checkpoint { untrained, ..Checkpoint::new(seed) }.write(&place.path("runs").join(format!("s{seed}")));
    }
    place.run("runs -o out --side b");
    let found = findings(&place, "out");
    assert_eq!(found["problems"][0]["path"], "runs/s1");
    assert_eq!(found["warnings"][0]["code"], "missing-modules");
    assert_eq!(found["same_pairs_in_all_modules"], false);
    let text = report(&place, "out -q").stdout;
    assert!(
        text.contains(
            "warning: 1 module of 1 of 3 checkpoints left out: B is all zeros in runs/s1 (`layers.0.self_attn.v_proj`)\n"
        ),
        "{text}"
    );
}

/// Two tasks: adapters of one task share their start, which side b does not show but side a does.
fn tasks() -> Place {
    let place = Place::new();
    for seed in 0..8 {
        let start = 100 + seed % 2;
        Checkpoint::new(seed)
            .start(start)
            .base(None)
            .write(&place.path("runs").join(format!("{}-{seed}", ["math", "code"][seed as usize % 2])));
    }
    place.done("runs -o out");
    place
}

#[test]
fn labels_are_tested_by_how_they_part_the_pairs() {
    let place = tasks();
    fs::write(place.path("labels.csv"), "checkpoint,label\nmath-*,math\ncode-*,code\n").unwrap();
    fs::write(
        place.path("wrong.csv"),
        "math-0,x\nmath-2,x\ncode-1,x\ncode-3,x\nmath-4,y\ncode-5,y\nmath-6,y\n",
    )
    .unwrap();
    // All pairs within a task are marked, so by φ nothing is left to be within a label.
    let found = findings(&place, "out --labels labels.csv");
    assert_eq!(found["label_statistics"]["mean_within"], Value::Null);
    assert_eq!(found["label_statistics"]["p_value"], Value::Null);
    // On side b no pair is left out, and nothing is shared.
    place.done("runs -o b --side b");
    let found = findings(&place, "b --labels labels.csv");
    let facts = &found["label_statistics"];
    assert_eq!((&facts["adapters"], &facts["permutations"]), (&8.into(), &9999.into()));
    assert!(facts["p_value"].as_f64().unwrap() > 0.02, "{facts}");
    let means = found["label_means"].as_array().unwrap();
    let counts: Vec<_> = means
        .iter()
        .map(|line| (&line["label_a"], &line["label_b"], line["n_pairs"].as_u64().unwrap()))
        .collect();
    let (math, code) = (Value::from("math"), Value::from("code"));
    assert_eq!(counts, [(&code, &code, 6), (&code, &math, 16), (&math, &math, 6)]);
    // The same numbers by hand.
    let mean = |within: bool| {
        let pairs = fs::read_to_string(place.path("b/report/pairs.csv")).unwrap();
        let values: Vec<f64> = pairs
            .lines()
            .skip(1)
            .map(|line| line.split(',').collect::<Vec<_>>())
            .filter(|line| {
                (line[0].parse::<i32>().unwrap() < 4) == (line[1].parse::<i32>().unwrap() < 4) || !within
            })
            .filter(|line| {
                (line[0].parse::<i32>().unwrap() < 4) != (line[1].parse::<i32>().unwrap() < 4) || within
            })
            .map(|line| line[3].parse().unwrap())
            .collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    assert!((facts["mean_within"].as_f64().unwrap() - mean(true)).abs() < 1e-6);
    assert!((facts["mean_between"].as_f64().unwrap() - mean(false)).abs() < 1e-6);
    let wrong = findings(&place, "b --labels wrong.csv");
    assert_eq!(wrong["label_statistics"]["adapters"], 7);
    let labels: Vec<&Value> =
        wrong["adapters"].as_array().unwrap().iter().filter(|line| line["label"].is_null()).collect();
    assert!(labels.len() == 1 && labels[0]["path"] == "runs/code-7" && labels[0]["silhouette"].is_null());
    let text = report(&place, "b --labels wrong.csv -q").stdout;
    assert!(
        text.contains("2 labels of 7 adapters, 1 without a label; mean adjusted φ within a label "),
        "{text}"
    );

    fs::write(place.path("bad.csv"), "math-0,x\nmath-9,x\n").unwrap();
    let ended = report(&place, "b --labels bad.csv");
    assert!(
        ended.stderr.starts_with(
            "error: bad.csv: line 2: found no checkpoint `math-9`, expected one of the scan\nhint: "
        ),
        "{}",
        ended.stderr
    );
}

#[test]
fn the_matrix_and_the_edges_are_the_pairs() {
    let place = tasks();
    let found = findings(&place, "out");
    let names = fs::read_to_string(place.path("out/report/names.txt")).unwrap();
    let rows: Vec<&str> =
        found["adapters"].as_array().unwrap().iter().map(|line| line["path"].as_str().unwrap()).collect();
    assert_eq!(names.lines().collect::<Vec<_>>(), rows);
    let bytes = fs::read(place.path("out/report/matrix.npy")).unwrap();
    let header = String::from_utf8_lossy(&bytes[10..128]).into_owned();
    assert!(
        bytes.starts_with(b"\x93NUMPY\x01\x00") && header.contains("'<f4'") && header.contains("(8, 8)"),
        "{header}"
    );
    let values: Vec<f32> = bytes[bytes.len() - 256..]
        .chunks(4)
        .map(|four| f32::from_le_bytes(four.try_into().unwrap()))
        .collect();
    let edges = fs::read_to_string(place.path("out/report/edges.csv")).unwrap();
    let mut lines = edges.lines();
    assert_eq!(lines.next(), Some("Source,Target,Weight,quantity,side"));
    let mut n = 0;
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        let [row, col] = [cells[0], cells[1]].map(|path| rows.iter().position(|name| *name == path).unwrap());
        let weight: f32 = cells[2].parse().unwrap();
        assert!(
            (values[row * 8 + col] - weight).abs() < 1e-6 && values[row * 8 + col] == values[col * 8 + row]
        );
        assert_eq!(cells[3..], ["adjusted", "a"]);
        n += 1;
    }
    assert_eq!(n, 28);
    assert!((0..8).all(|row| values[row * 9] == 1.0));
}

#[test]
fn colours_start_where_they_are_asked_to() {
    let place = tasks();
    let picture = |args: &str| {
        assert_eq!(report(&place, &format!("out {args}")).code, Some(0), "{args}");
        fs::read(place.path("out/report/adapters.png")).unwrap()
    };
    let whole = picture("");
    assert!(picture("--vmin 0") == whole);
    assert!(picture("--vmin auto") != whole && picture("--vmin -0.5 --vmax 1") != whole);
    let ended = report(&place, "out --vmin 0.9 --vmax 0.2");
    assert!(ended.stderr.contains("colour range: found 0.9 to 0.2"), "{}", ended.stderr);
}
