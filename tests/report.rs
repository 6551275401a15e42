//! `lorascope report`: its numbers next to plain sums, its marks, and folders that are not a whole scan.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use common::reports::*;
use common::tables::{BASELINE, Row, adapter, adjusted, all_pairs, write, write_cosines, write_planned};
use lorascope::Side;
use lorascope::internals::table::AdapterRow;
use serde_json::Value;

fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.into_iter().collect();
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn averages_are_those_of_plain_sums_without_marked_pairs() {
    let folder = folder();
    let n = 12;
    let is_marked = |a: i32, b: i32| (a, b) == (0, 1) || (a, b) == (2, 7);
    let modules = modules(3, &["q_proj", "v_proj"]);
    let row = |m: usize, a: i32, b: i32| Row {
        shared_init: (a, b) == (0, 1),
        other_base: if (a, b) == (2, 7) {
            Some(true)
        } else if a == 3 {
            None
        } else {
            Some(false)
        },
        ..Row::new(a, b, if is_marked(a, b) { 0.99 } else { phi(m, a, b) })
    };
    write(folder.path(), &seeds(n), &everywhere(&modules, row, n));
    let found = findings(folder.path(), &["--top", "5"]);

    let pairs: Vec<(i32, i32)> = all_pairs(n).into_iter().filter(|&(a, b)| !is_marked(a, b)).collect();
    let value_in = |m: usize, (a, b): (i32, i32)| adjusted(f64::from(phi(m, a, b)));
    let value = |pair: (i32, i32)| mean((0..modules.len()).map(|m| value_in(m, pair)));
    let phi_of = |value: f64| BASELINE + (1.0 - BASELINE) * value;
    let counts = &found["counts"];
    let counted = ["adapters", "pairs", "rows", "shared_init_pairs", "other_base_pairs"];
    assert_eq!(counted.map(|name| counts[name].as_u64().unwrap()), [12, 66, 396, 1, 1]);
    assert_eq!(counts["left_out_pairs"], serde_json::json!({"shared_init": 1, "other_base": 1, "both": 0}));
    assert_eq!((&found["by"], &found["side"]), (&"adjusted".into(), &Value::Null));
    assert_eq!(found["same_pairs_in_all_modules"], true);
    assert_near(&found["mean_adjusted"], mean(pairs.iter().map(|&pair| value(pair))));
    assert_near(&found["mean_phi_full"], mean(pairs.iter().map(|&pair| phi_of(value(pair)))));

    for (layer, line) in found["layers"].as_array().unwrap().iter().enumerate() {
        let of_layer = [2 * layer, 2 * layer + 1];
        let expected = mean(pairs.iter().flat_map(|&pair| of_layer.map(|m| value_in(m, pair))));
        let counted =
            ["n_modules", "n_rows", "n_pairs_least", "n_pairs_most"].map(|key| line[key].as_u64().unwrap());
        assert_eq!((&line["layer"], counted), (&format!("model.layers.{layer}").into(), [2, 128, 64, 64]));
        assert_near(&line["mean_adjusted"], expected);
        assert_near(&line["mean_linear_cka"], phi_of(expected));
    }
    for (at, projection) in ["q", "v"].into_iter().enumerate() {
        let line = &found["projections"][at];
        assert_eq!(line["projection"], projection);
        let of_projection = [at, at + 2, at + 4];
        let expected = mean(pairs.iter().flat_map(|&pair| of_projection.map(|m| value_in(m, pair))));
        assert_near(&line["mean_adjusted"], expected);
    }
    let cell = &found["layer_projections"][3];
    assert_eq!((&cell["layer"], &cell["projection"]), (&"model.layers.1".into(), &"v".into()));
    assert_near(&cell["mean_adjusted"], mean(pairs.iter().map(|&pair| value_in(3, pair))));

    let mut sorted = pairs.clone();
    sorted.sort_by(|&a, &b| value(b).total_cmp(&value(a)));
    let ids = |list: &str| -> Vec<(i32, i32)> {
        let lines = found[list].as_array().unwrap().iter();
        lines.map(|line| (line["a"].as_i64().unwrap() as i32, line["b"].as_i64().unwrap() as i32)).collect()
    };
    assert_eq!(ids("most_alike_unmarked"), sorted[..5]);
    // Marked pairs are not hidden where they are the most alike.
    assert_eq!(ids("most_alike"), [&[(0, 1), (2, 7)][..], &sorted[..3]].concat());
    let marks =
        |n: usize| ["shared_init", "other_base"].map(|key| found["most_alike"][n][key].as_bool().unwrap());
    assert_eq!([0, 1, 2].map(marks), [[true, false], [false, true], [false, false]]);
    assert_eq!(ids("least_alike"), sorted.iter().rev().take(5).copied().collect::<Vec<_>>());

    for line in found["adapters"].as_array().unwrap() {
        let id = line["id"].as_i64().unwrap() as i32;
        let of_adapter: Vec<_> = pairs.iter().filter(|(a, b)| *a == id || *b == id).collect();
        assert_eq!(line["n_pairs"], of_adapter.len());
        assert_near(&line["mean_adjusted"], mean(of_adapter.into_iter().map(|&pair| value(pair))));
    }
}

#[test]
fn what_pairs_are_compared_by_decides_every_order_and_every_name() {
    let folder = folder();
    // By φ at full ranks, 0 and 1 are the most alike; by linear CKA 1 and 2; by φ(1, 1), 0 and 2.
    let row = |_, a, b| match (a, b) {
        (0, 1) => Row { linear_cka: 0.1, phi_1: 0.2, ..Row::new(a, b, 0.9) },
        (1, 2) => Row { linear_cka: 0.8, phi_1: 0.3, ..Row::new(a, b, 0.5) },
        _ => Row { linear_cka: 0.4, phi_1: 0.7, ..Row::new(a, b, 0.3) },
    };
    let modules = everywhere(&modules(2, &["q_proj", "v_proj"]), row, 3);
    write_planned(folder.path(), &seeds(3), &modules, Side::B);
    for (by, pair, value) in [
        ("adjusted", (0, 1), adjusted(0.9)),
        ("phi_full", (0, 1), 0.9),
        ("linear_cka", (1, 2), 0.8),
        ("phi_1", (0, 2), 0.7),
    ] {
        let found = findings(folder.path(), &["--by", by]);
        let key = format!("mean_{by}");
        let most = &found["most_alike"][0];
        assert_eq!((&most["a"], &most["b"]), (&pair.0.into(), &pair.1.into()), "{by}");
        assert_near(&most[&key], value);
        assert_near(&found["merges"][0][&key], value);
        assert_eq!((&found["by"], &found["side"]), (&by.into(), &"b".into()));
        assert!(
            ["layers", "projections", "layer_projections", "adapters"]
                .iter()
                .all(|list| found[list][0][&key].is_f64())
        );
        // Every table says it, and so does the text.
        for table in
            ["pairs", "adapters", "merges", "most_alike", "layers", "projections", "layer_projections"]
        {
            let table = fs::read_to_string(folder.path().join(format!("report/{table}.csv"))).unwrap();
            let mut lines = table.lines().map(|line| line.split(',').collect::<Vec<_>>());
            let head = lines.next().unwrap();
            assert!(head.contains(&key.as_str()) && head.last() == Some(&"side"), "{by}: {head:?}");
            assert!(lines.all(|line| line.last() == Some(&"b")));
        }
        let summary = report(folder.path(), &["--by", by, "-q"]).stdout;
        let words = ["adjusted φ", "φ full", "linear CKA", "φ(1, 1)"];
        let word = words
            [["adjusted", "phi_full", "linear_cka", "phi_1"].iter().position(|name| *name == by).unwrap()];
        assert!(text(&summary).contains(&format!("compared by {word}: ")), "{}", text(&summary));
        assert!(text(&summary).lines().next().unwrap().ends_with(", side b"), "{}", text(&summary));
    }
    let lines = failure(folder.path(), &["--by", "phi_3"]);
    assert!(
        lines[0].ends_with("found a table without the column `phi_3`, expected one of phi_1"),
        "{lines:?}"
    );
    assert_eq!(lines[1], "hint: scan again with --keep cells=3:3 and another output folder");
    let lines = failure(folder.path(), &["--by", "cosine"]);
    assert!(lines[0].contains("found a table without the column `cosine`"), "{lines:?}");
    assert!(lines[1].starts_with("hint: scan again"), "{lines:?}");
}

#[test]
fn the_cosine_of_a_pair_is_that_of_the_whole_updates_and_has_a_sign() {
    let folder = folder();
    write(folder.path(), &seeds(3), &BTreeMap::new());
    // 0 and 1 are opposite where most of the update is.
    write_cosines(
        folder.path(),
        "x.parquet",
        "layers.0.q_proj",
        &[(0, 1, -1.0, 3.0, 4.0), (0, 2, 0.2, 3.0, 1.0), (2, 1, 0.1, 1.0, 4.0)],
    );
    write_cosines(
        folder.path(),
        "y.parquet",
        "layers.0.v_proj",
        &[(0, 1, 1.0, 1.0, 0.5), (0, 2, 0.2, 1.0, 1.0), (2, 1, 0.1, 1.0, 0.5)],
    );
    let found = findings(folder.path(), &["--by", "cosine"]);
    let least = &found["least_alike"][0];
    assert_eq!((&least["a"], &least["b"]), (&0.into(), &1.into()));
    assert_near(&least["mean_cosine"], (-12.0 + 0.5) / (10.0f64 * 16.25).sqrt());
    let pair = &found["most_alike"][1];
    assert_eq!((&pair["a"], &pair["b"]), (&1.into(), &2.into()));
    assert_near(&pair["mean_cosine"], 0.1f32 as f64 * (4.0 + 0.5) / (2.0f64 * 16.25).sqrt());
    let summary = report(folder.path(), &["--by", "cosine", "-q"]).stdout;
    assert!(text(&summary).contains("compared by cosine of ΔW: of the whole updates"), "{}", text(&summary));
}

#[test]
fn a_shared_start_spoils_side_a_and_not_side_b_and_marked_pairs_are_better_than_none() {
    let row = |_, a, b| Row { shared_init: a == 0, ..Row::new(a, b, if a == 0 { 0.9 } else { 0.2 }) };
    let mean = |found: &Value| number(&found["mean_phi_full"]);
    let rows = everywhere(&modules(1, &["q_proj"]), row, 4);
    for (side, expected) in [(Side::A, 0.2), (Side::DwRight, 0.2), (Side::B, 0.55), (Side::DwLeft, 0.55)] {
        let folder = folder();
        write_planned(folder.path(), &seeds(4), &rows, side);
        let found = findings(folder.path(), &[]);
        assert!((mean(&found) - expected).abs() < 1e-6, "{side}: {}", mean(&found));
        assert_eq!(
            (&found["counts"]["shared_init_pairs"], &found["side"]),
            (&3.into(), &side.to_string().into())
        );
        assert_eq!(found["warnings"][0]["code"], "shared-init");
        assert_eq!(found["most_alike"].as_array().unwrap().len(), 6);
    }
    let folder = folder();
    write(folder.path(), &seeds(4), &rows);
    assert!((mean(&findings(folder.path(), &[])) - 0.2).abs() < 1e-6, "without a plan");
    let summary = report(folder.path(), &["-q"]).stdout;
    let expected = [
        "warning: 3 of 6 pairs share the random start of A in some module, so they look alike on side a",
        "averages, outliers and the least alike leave out 3 pairs: 3 with a shared start",
        "mean: adjusted φ +0.086, φ full 0.200, linear CKA 0.200",
        "most alike, all ",
        "without shared start ",
    ];
    assert!(expected.iter().all(|line| text(&summary).contains(line)), "{}", text(&summary));
    let all = |_, a, b| Row { shared_init: true, ..Row::new(a, b, 0.9) };
    write(folder.path(), &seeds(4), &everywhere(&modules(1, &["q_proj"]), all, 4));
    let output = report(folder.path(), &["-q"]);
    let summary = text(&output.stdout);
    assert!(
        summary.contains("every pair has one of these marks, so averages leave none of them out"),
        "{summary}"
    );
    assert!(summary.contains("mean: adjusted φ +0.886, φ full 0.900"), "{summary}");
}

#[test]
fn a_mark_of_one_module_leaves_the_pair_out_of_all_of_its_modules() {
    let folder = folder();
    let row = |m, a, b| Row {
        shared_init: (m, a, b) == (0, 0, 1),
        ..Row::new(a, b, if (a, b) == (0, 1) { 0.9 } else { 0.2 })
    };
    write(folder.path(), &seeds(3), &everywhere(&modules(1, &["q_proj", "v_proj"]), row, 3));
    let found = findings(folder.path(), &[]);
    assert_eq!(found["same_pairs_in_all_modules"], true);
    for line in found["projections"].as_array().unwrap() {
        assert_eq!(line["n_rows"], 2);
        assert_near(&line["mean_phi_full"], 0.2);
    }
}

#[test]
fn averages_over_other_pairs_say_over_how_many() {
    let folder = folder();
    // Only two of the three have a k, and the two are alike in everything.
    let phi = |a, b| if (a, b) == (0, 1) { 0.9 } else { 0.2 };
    let row = |_, a, b| Row::new(a, b, phi(a, b));
    let mut rows = everywhere(&modules(1, &["q_proj", "v_proj"]), row, 3);
    rows.insert("model.layers.0.self_attn.k_proj".to_owned(), vec![Row::new(0, 1, 0.9)]);
    rows.insert("lm_head".to_owned(), vec![Row::new(0, 2, 0.2)]);
    write(folder.path(), &seeds(3), &rows);
    let found = findings(folder.path(), &[]);
    assert_eq!(found["same_pairs_in_all_modules"], false);
    let lines: Vec<(&str, u64, u64)> = found["projections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            (
                line["projection"].as_str().unwrap(),
                line["n_pairs_least"].as_u64().unwrap(),
                line["n_pairs_most"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(lines, [("q", 3, 3), ("k", 1, 1), ("v", 3, 3), ("–", 1, 1)]);
    let layers: Vec<(&str, u64, u64)> = found["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            (
                line["layer"].as_str().unwrap(),
                line["n_pairs_least"].as_u64().unwrap(),
                line["n_pairs_most"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(layers, [("model.layers.0", 1, 3), ("lm_head", 1, 1)]);
    let summary = report(folder.path(), &["-q"]).stdout;
    for expected in [
        "k +0.886 (1 module, 1 pair each), v ",
        "modules were not all compared in the same pairs",
        "(3 modules)",
    ] {
        assert!(text(&summary).contains(expected), "{}", text(&summary));
    }
}

#[test]
fn planted_groups_stand_together_and_the_stranger_is_an_outlier() {
    let folder = folder();
    let n = 25;
    planted(folder.path(), n);
    let found = findings(folder.path(), &[]);
    let adapters = found["adapters"].as_array().unwrap();
    let order: Vec<i64> = adapters.iter().map(|line| line["id"].as_i64().unwrap()).collect();
    let groups: Vec<i64> = order.iter().filter(|&&id| id != 24).map(|id| id % 4).collect();
    assert_eq!(groups.chunk_by(|a, b| a == b).count(), 4, "{order:?}");
    let outliers: Vec<_> =
        adapters.iter().filter(|line| line["outlier"] == true).map(|line| &line["id"]).collect();
    assert_eq!(outliers, [24]);
    assert_eq!(found["merges"].as_array().unwrap().len(), 24);
    let last = &found["merges"][23];
    assert!(number(&last["mean_adjusted"]) < 0.02 && last["merge"] == 24, "{last}");

    // The tables say the same.
    let table = fs::read_to_string(folder.path().join("report/adapters.csv")).unwrap();
    let ids: Vec<i64> =
        table.lines().skip(1).map(|line| line.split(',').nth(1).unwrap().parse().unwrap()).collect();
    assert_eq!(ids, order);
    let pairs = fs::read_to_string(folder.path().join("report/pairs.csv")).unwrap();
    assert_eq!(
        pairs.lines().next().unwrap(),
        "a,b,n_modules,mean_adjusted,mean_phi_full,mean_linear_cka,shared_init,other_base,side"
    );
    assert_eq!(pairs.lines().count(), 1 + 300);
    let output = report(folder.path(), &["-q"]);
    assert!(text(&output.stdout).contains("outliers"), "{}", text(&output.stdout));
}

#[test]
fn numbers_that_are_missing_leave_their_row_out() {
    let folder = folder();
    let rows = vec![
        Row::new(0, 1, 0.5),
        Row::new(0, 2, f32::NAN),
        Row { linear_cka: f32::NAN, ..Row::new(1, 2, 0.3) },
    ];
    let modules = BTreeMap::from([("conv_in".to_owned(), rows)]);
    write(folder.path(), &seeds(3), &modules);
    let found = findings(folder.path(), &[]);
    assert_eq!((&found["counts"]["rows"], &found["counts"]["skipped_rows"]), (&2.into(), &1.into()));
    assert_eq!(
        (&found["layers"][0]["layer"], &found["projections"][0]["projection"]),
        (&"conv_in".into(), &"–".into())
    );
    assert_near(&found["mean_phi_full"], 0.4);
    // Not a mean over the modules that happen to have it.
    assert_eq!(found["layers"][0]["mean_linear_cka"], Value::Null);
    assert_eq!(found["warnings"][0]["code"], "rows-without-value");
    assert_eq!(found["counts"]["not_compared_pairs"]["unknown"], 1);
    let by_cka = findings(folder.path(), &["--by", "linear_cka"]);
    assert_eq!((&by_cka["counts"]["rows"], &by_cka["counts"]["skipped_rows"]), (&1.into(), &2.into()));
}

#[test]
fn an_empty_scan_and_a_single_adapter_give_tables_with_headers_and_no_pictures() {
    for n in [0, 1] {
        let folder = folder();
        write(folder.path(), &seeds(n), &BTreeMap::new());
        fs::remove_dir(folder.path().join("pairs")).unwrap();
        let output = report(folder.path(), &["-q"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(text(&output.stdout).contains("0 adapters, 0 pairs, 0 rows"), "{}", text(&output.stdout));
        let mut names: Vec<_> = fs::read_dir(folder.path().join("report"))
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert!(!names.iter().any(|name| name.ends_with(".png")) && names.len() == 15, "{names:?}");
        let page = fs::read_to_string(folder.path().join("report/report.md")).unwrap();
        assert!(!page.contains("!["), "{page}");
        let drift = fs::read_to_string(folder.path().join("report/drift.csv")).unwrap();
        assert!(drift.starts_with("run,projection,id,step,") && drift.lines().count() == 1, "{drift}");
    }
}

#[test]
fn adapters_without_pairs_are_counted_and_stand_in_no_picture() {
    let folder = folder();
    let mut adapters = seeds(5);
    for id in [0, 3] {
        adapters[id].problem = Some("no basis of 1 module".to_owned());
    }
    let rows = vec![Row::new(1, 2, 0.5), Row::new(2, 4, 0.4), Row::new(1, 4, 0.3), Row::new(0, 1, 0.2)];
    write(folder.path(), &adapters, &BTreeMap::from([("q".to_owned(), rows)]));
    let found = findings(folder.path(), &[]);
    let counts = &found["counts"];
    let counted = ["adapters", "adapters_without_pairs", "adapters_with_problems"];
    assert_eq!(counted.map(|name| counts[name].as_u64().unwrap()), [4, 1, 2]);
    assert_eq!(found["adapters"].as_array().unwrap().len(), 4);
    let output = report(folder.path(), &["-q"]);
    assert!(text(&output.stdout).contains("not among these: 1 adapter without a pair"));
}

#[test]
fn drift_goes_from_each_checkpoint_of_a_run_to_the_next_by_number() {
    let folder = folder();
    runs(folder.path());
    let found = findings(folder.path(), &[]);
    let drift = found["drift"].as_array().unwrap();
    let whole: Vec<&Value> = drift.iter().filter(|point| point["projection"].is_null()).collect();
    let steps: Vec<(&str, Option<i64>, i64)> = whole
        .iter()
        .map(|point| {
            (point["run"].as_str().unwrap(), point["step_before"].as_i64(), point["step"].as_i64().unwrap())
        })
        .collect();
    let of = |run| [(run, None, 50), (run, Some(50), 100), (run, Some(100), 200), (run, Some(200), 1000)];
    assert_eq!(steps, [of("runs/seed9"), of("runs/seed10")].concat());
    // 1 − φ over 1 − chance: the mean over the two modules, of 0.05 · ln 2 times 1 and 2, and times 2 and 3.
    let near = |n: usize, key: &str, drift: f64| assert_near(&whole[n][key], drift / (1.0 - BASELINE));
    near(1, "from_previous", 0.05 * 2f64.ln() * 1.5);
    near(5, "from_previous", 0.05 * 2f64.ln() * 2.5);
    near(1, "per_1000_steps", 0.05 * 2f64.ln() * 1.5 / 0.05);
    near(3, "per_1000_steps", 0.05 * 5f64.ln() * 1.5 / 0.8);
    near(3, "from_first", 0.05 * 20f64.ln() * 1.5);
    near(0, "to_last", 0.05 * 20f64.ln() * 1.5);
    near(2, "to_last", 0.05 * 5f64.ln() * 1.5);
    assert!(
        whole[0]["from_previous"].is_null()
            && whole[0]["from_first"].is_null()
            && whole[3]["to_last"].is_null()
    );
    // By kind of module: q stands in the first and k in the second.
    let of_kind =
        |kind: &str| drift.iter().find(|point| point["projection"] == kind && point["step"] == 1000).unwrap();
    assert_near(&of_kind("q")["from_first"], 0.05 * 20f64.ln() / (1.0 - BASELINE));
    assert_near(&of_kind("k")["from_first"], 0.1 * 20f64.ln() / (1.0 - BASELINE));
    let table = fs::read_to_string(folder.path().join("report/drift.csv")).unwrap();
    assert_eq!(table.lines().count(), 1 + 24);
    let output = report(folder.path(), &["-q"]);
    for expected in ["seed9, steps 50 to 1000", "drift by 1,000 steps too", "by projection: q 0.257, k 0.428"]
    {
        assert!(text(&output.stdout).contains(expected), "{}", text(&output.stdout));
    }
}

#[test]
fn two_checkpoints_of_one_step_are_no_step_of_drift() {
    let folder = folder();
    let steps = [100, 100, 200, 300, 300];
    let adapters: Vec<AdapterRow> =
        (0..).zip(steps).map(|(id, step)| adapter(id, "seed1", Some(step))).collect();
    write(
        folder.path(),
        &adapters,
        &everywhere(&modules(1, &["q_proj"]), |_, a, b| Row::new(a, b, phi(0, a, b)), 5),
    );
    let found = findings(folder.path(), &[]);
    let drift: Vec<(Option<i64>, i64, i64)> = found["drift"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|point| point["projection"].is_null())
        .map(|point| {
            (point["step_before"].as_i64(), point["step"].as_i64().unwrap(), point["id"].as_i64().unwrap())
        })
        .collect();
    assert_eq!(drift, [(None, 100, 0), (Some(100), 200, 2), (Some(200), 300, 3)]);
}

#[test]
fn a_run_begins_with_the_first_checkpoint_that_was_compared() {
    let folder = folder();
    let adapters: Vec<AdapterRow> =
        (0..4).map(|id| adapter(id, "seed1", Some(i64::from(id) * 100))).collect();
    let rows = vec![Row::new(1, 2, 0.8), Row::new(2, 3, 0.9), Row::new(1, 3, 0.7)];
    write(folder.path(), &adapters, &BTreeMap::from([("layers.0.q_proj".to_owned(), rows)]));
    let found = findings(folder.path(), &[]);
    let last = &found["drift"][2];
    assert_eq!((&last["step"], &found["drift"][0]["step"]), (&300.into(), &100.into()));
    assert_near(&last["from_first"], 1.0 - adjusted(f64::from(0.7f32)));
}

#[test]
fn only_the_adapters_that_were_asked_for_count() {
    let folder = folder();
    runs(folder.path());
    let found = findings(folder.path(), &["--adapter", "runs/seed10/*", "--adapter", "*checkpoint-50"]);
    assert_eq!((&found["counts"]["adapters"], &found["counts"]["pairs"]), (&5.into(), &10.into()));
    assert_eq!(found["drift"].as_array().unwrap().len(), 3 * 4);
    // By the end of a path, and by number.
    let found = findings(
        folder.path(),
        &["--adapter", "checkpoint-50", "--adapter", "8", "--adapter", "seed9/checkpoint-100"],
    );
    let mut ids: Vec<i64> =
        found["adapters"].as_array().unwrap().iter().map(|line| line["id"].as_i64().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, [1, 3, 5, 8]);
}

#[test]
fn an_adapter_that_is_not_there_leaves_the_report_as_it_was() {
    let folder = folder();
    runs(folder.path());
    report(folder.path(), &["-q"]);
    let read = || -> BTreeMap<String, Vec<u8>> {
        let files = fs::read_dir(folder.path().join("report")).unwrap().map(|file| file.unwrap().path());
        files.map(|path| (path.display().to_string(), fs::read(path).unwrap())).collect()
    };
    let before = read();
    assert!(before.len() > 14);
    let lines = failure(folder.path(), &["--adapter", "seed9/*", "--adapter", "seed11/*"]);
    assert!(
        lines[0].ends_with("adapter: found none named `seed11/*`, expected adapters of the scan"),
        "{lines:?}"
    );
    assert!(
        lines[1].starts_with("hint: give a path, the end of one, a glob, or a number: runs/seed9/"),
        "{lines:?}"
    );
    failure(folder.path(), &["--by", "phi_7"]);
    assert!(read() == before);
    // A picture that no longer holds goes with the report that it belonged to.
    report(folder.path(), &["-q", "--adapter", "checkpoint-50"]);
    assert!(
        !folder.path().join("report/drift.png").exists()
            && folder.path().join("report/adapters.png").exists()
    );
}

#[test]
fn folders_that_are_no_whole_scan_are_told_in_a_line_with_a_way_out() {
    let folder = folder();
    let lines = failure(folder.path(), &[]);
    assert!(
        lines[0].ends_with("found no adapters.parquet, expected the output folder of a scan that is done")
    );
    assert!(lines[1].starts_with("hint: make one with `lorascope scan CHECKPOINT... -o "), "{lines:?}");
    fs::write(folder.path().join("plan.json"), "{}").unwrap();
    assert!(failure(folder.path(), &[])[0].contains("plan.json: found no schema"));
    fs::remove_file(folder.path().join("plan.json")).unwrap();

    let rows = vec![Row::new(0, 7, 0.5)];
    write(folder.path(), &seeds(2), &BTreeMap::from([("q".to_owned(), rows)]));
    let lines = failure(folder.path(), &[]);
    let expected = "block-0000.parquet: a pair: found adapter 7, expected one of the scan's adapters";
    assert!(lines[0].ends_with(expected) && lines.len() == 2, "{lines:?}");
}

#[test]
fn damaged_tables_are_a_line_with_a_way_out() {
    let folder = folder();
    planted(folder.path(), 3);
    let path = folder.path().join("pairs/block-0001.parquet");
    let whole = fs::read(&path).unwrap();
    for bytes in [&b""[..], b"PAR1", &whole[..whole.len() - 1], &whole[1..]] {
        fs::write(&path, bytes).unwrap();
        let lines = failure(folder.path(), &[]);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].contains("block-0001.parquet: found damage ("), "{lines:?}");
        assert!(lines[1].starts_with("hint: remove the file and run the scan again"), "{lines:?}");
    }
    // Pages are noise: the reader of Parquet may panic, and nobody sees it.
    let mut noise = whole;
    let third = noise.len() / 3;
    noise[4..third].fill(0x5a);
    fs::write(&path, noise).unwrap();
    assert_eq!(failure(folder.path(), &[]).len(), 2);
}

#[test]
fn adapters_that_are_too_many_to_be_clustered_have_all_other_tables() {
    let folder = folder();
    for (n, is_drawn) in [(5000, true), (5001, false)] {
        // A chain, so that each adapter is in a pair.
        let rows =
            |m: usize| (0..n - 1).map(|a| Row::new(a, a + 1, phi(m, a % 90, a % 90 + 1))).collect::<Vec<_>>();
        let modules = modules(1, &["q_proj", "v_proj"]);
        write(
            folder.path(),
            &seeds(n),
            &modules.iter().cloned().enumerate().map(|(m, name)| (name, rows(m))).collect(),
        );
        let found = findings(folder.path(), &["--top", "3"]);
        let counts = ["adapters", "pairs", "rows"].map(|key| found["counts"][key].as_i64().unwrap());
        assert_eq!(counts, [n, n - 1, 2 * (n - 1)].map(i64::from));
        let lengths = ["adapters", "most_alike", "least_alike", "layers", "projections"];
        assert_eq!(lengths.map(|key| found[key].as_array().unwrap().len()), [n as usize, 3, 3, 1, 2]);
        let values: Vec<f64> = (0..n - 1)
            .map(|a| mean((0..2).map(|m| adjusted(f64::from(phi(m, a % 90, a % 90 + 1))))))
            .collect();
        assert_near(&found["mean_adjusted"], mean(values));
        let codes: Vec<&Value> =
            found["warnings"].as_array().unwrap().iter().map(|one| &one["code"]).collect();
        assert_eq!(codes.contains(&&Value::from("too-many-to-cluster")), !is_drawn, "{codes:?}");
        let pairs = fs::read_to_string(folder.path().join("report/pairs.csv")).unwrap();
        assert_eq!(pairs.lines().count(), n as usize);
        for file in ["adapters.png", "matrix.npy", "names.txt"] {
            assert_eq!(folder.path().join("report").join(file).exists(), is_drawn, "{n} {file}");
        }
    }
    let some = findings(folder.path(), &["--adapter", "runs/seed1?"]);
    assert_eq!(["adapters", "pairs"].map(|key| some["counts"][key].as_u64().unwrap()), [10, 9]);
    assert!(folder.path().join("report/adapters.png").exists());
}

#[test]
fn a_scan_of_real_checkpoints_has_a_report() {
    let folder = folder();
    let out = folder.path().join("out");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lorascope"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["scan", "-q", "--engine", "cpu", "--no-cache"]);
    command.args(["tests/data/adapters/trajectory", "tests/data/adapters/seed0-r64-layer5", "-o"]).arg(&out);
    let scanned = command.output().unwrap();
    assert!(scanned.status.success(), "{}", text(&scanned.stderr));
    let found = findings(&out, &[]);
    assert_eq!(found["counts"]["adapters"], 3, "{found}");
    let points: Vec<&Value> =
        found["drift"].as_array().unwrap().iter().filter(|point| point["projection"].is_null()).collect();
    assert_eq!(points.len(), 2);
    assert_eq!(found["side"], "a");
}
