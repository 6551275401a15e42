//! `lorascope report`: its numbers beside plain sums, its marks, its pictures, and folders that are no whole scan.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use common::image::assert_golden;
use common::tables::{BASELINE, Row, adapter, all_pairs, write};
use lorascope::internals::table::AdapterRow;
use serde_json::Value;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn report(scan: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lorascope"));
    command.arg("report").arg(scan).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The report's JSON.
fn findings(scan: &Path, args: &[&str]) -> Value {
    let output = report(scan, &[&["--json", "-q"], args].concat());
    assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The error's lines.
fn failure(scan: &Path, args: &[&str]) -> Vec<String> {
    let output = report(scan, args);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""));
    text(&output.stderr).lines().map(str::to_owned).collect()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn assert_near(found: &Value, expected: f64) {
    assert!((number(found) - expected).abs() < 1e-6, "{found} is not {expected}");
}

/// Numbers in [0, 1) that look random and are the same everywhere.
fn phi(module: usize, a: i32, b: i32) -> f32 {
    let mixed = (module as u64 * 7919 + a as u64 * 104_729 + b as u64 * 1_299_709)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 40) as f32 / (1u64 << 24) as f32
}

fn modules(layers: usize, projections: &[&str]) -> Vec<String> {
    let name = |layer: usize, projection: &&str| format!("model.layers.{layer}.self_attn.{projection}");
    (0..layers).flat_map(|layer| projections.iter().map(move |projection| name(layer, projection))).collect()
}

/// The same rows for every module.
fn everywhere(
    modules: &[String],
    row: impl Fn(usize, i32, i32) -> Row,
    n: i32,
) -> BTreeMap<String, Vec<Row>> {
    let rows = |m: usize| all_pairs(n).into_iter().map(|(a, b)| row(m, a, b)).collect();
    modules.iter().enumerate().map(|(m, module)| (module.clone(), rows(m))).collect()
}

fn seeds(n: i32) -> Vec<AdapterRow> {
    (0..n).map(|id| adapter(id, &format!("seed{id}"), None)).collect()
}

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
    let excess_in = |m: usize, (a, b): (i32, i32)| f64::from(phi(m, a, b)) - BASELINE;
    let excess = |pair: (i32, i32)| mean((0..modules.len()).map(|m| excess_in(m, pair)));
    let counts = &found["counts"];
    let counted = ["adapters", "pairs", "rows", "shared_init_pairs", "other_base_pairs", "left_out_pairs"];
    assert_eq!(counted.map(|name| counts[name].as_u64().unwrap()), [12, 66, 396, 1, 1, 2]);
    assert_near(&found["mean_excess"], mean(pairs.iter().map(|&pair| excess(pair))));
    assert_near(&found["mean_phi"], mean(pairs.iter().map(|&pair| excess(pair) + BASELINE)));

    for (layer, line) in found["layers"].as_array().unwrap().iter().enumerate() {
        let of_layer = [2 * layer, 2 * layer + 1];
        let expected = mean(pairs.iter().flat_map(|&pair| of_layer.map(|m| excess_in(m, pair))));
        assert_eq!((&line["layer"], &line["n_rows"]), (&layer.to_string().into(), &128.into()));
        assert_near(&line["mean_excess"], expected);
        assert_near(&line["mean_linear_cka"], expected + BASELINE);
    }
    for (at, projection) in ["q", "v"].into_iter().enumerate() {
        let line = &found["projections"][at];
        assert_eq!(line["projection"], projection);
        let of_projection = [at, at + 2, at + 4];
        assert_near(
            &line["mean_excess"],
            mean(pairs.iter().flat_map(|&pair| of_projection.map(|m| excess_in(m, pair)))),
        );
    }
    assert_near(
        &found["layer_projections"][3]["mean_excess"],
        mean(pairs.iter().map(|&pair| excess_in(3, pair))),
    );

    let mut sorted = pairs.clone();
    sorted.sort_by(|&a, &b| excess(b).total_cmp(&excess(a)));
    let ids = |list: &str| -> Vec<(i32, i32)> {
        let lines = found[list].as_array().unwrap().iter();
        lines.map(|line| (line["a"].as_i64().unwrap() as i32, line["b"].as_i64().unwrap() as i32)).collect()
    };
    assert_eq!(ids("most_alike"), sorted[..5]);
    assert_eq!(ids("least_alike"), sorted.iter().rev().take(5).copied().collect::<Vec<_>>());

    for line in found["adapters"].as_array().unwrap() {
        let id = line["id"].as_i64().unwrap() as i32;
        let of_adapter: Vec<_> = pairs.iter().filter(|(a, b)| *a == id || *b == id).collect();
        assert_eq!(line["n_pairs"], of_adapter.len());
        assert_near(&line["mean_excess"], mean(of_adapter.into_iter().map(|&pair| excess(pair))));
    }
}

#[test]
fn a_shared_start_spoils_side_a_and_not_side_b_and_marked_pairs_are_better_than_none() {
    let folder = folder();
    let row = |_, a, b| Row { shared_init: a == 0, ..Row::new(a, b, if a == 0 { 0.9 } else { 0.2 }) };
    write(folder.path(), &seeds(4), &everywhere(&modules(1, &["q_proj"]), row, 4));
    let mean = |found: &Value| number(&found["mean_phi"]);
    assert!((mean(&findings(folder.path(), &[])) - 0.2).abs() < 1e-6);
    for (side, expected) in [("a", 0.2), ("dw-right", 0.2), ("b", 0.55), ("dw-left", 0.55)] {
        let plan = format!(r#"{{"options": {{"side": "{side}"}}}}"#);
        fs::write(folder.path().join("plan.json"), plan).unwrap();
        let found = findings(folder.path(), &[]);
        assert!((mean(&found) - expected).abs() < 1e-6, "{side}: {}", mean(&found));
        assert_eq!(found["counts"]["shared_init_pairs"], 3);
    }
    let all = |_, a, b| Row { shared_init: true, ..Row::new(a, b, 0.9) };
    write(folder.path(), &seeds(4), &everywhere(&modules(1, &["q_proj"]), all, 4));
    fs::remove_file(folder.path().join("plan.json")).unwrap();
    let output = report(folder.path(), &["-q"]);
    let summary = text(&output.stdout);
    assert!(
        summary.contains("marked: 6 pairs with a shared start; none left out of what follows"),
        "{summary}"
    );
    assert!(summary.contains("mean φ(r, r) 0.900, excess over the baseline +0.775"), "{summary}");
}

/// Four groups dealt out in turn, and a last adapter that is like none.
fn planted(folder: &Path, n: i32) {
    let row = |m: usize, a: i32, b: i32| {
        let (noise, rise) = (0.02 * phi(m, a, b), 0.02 * m as f32);
        let phi = match (a % 4 == b % 4, b == n - 1) {
            (_, true) => BASELINE as f32,
            (true, _) => 0.6 + rise,
            (false, _) => 0.3 + rise,
        };
        Row::new(a, b, phi + noise)
    };
    write(folder, &seeds(n), &everywhere(&modules(4, &["q_proj", "v_proj", "up_proj"]), row, n));
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
    assert!(number(&last["mean_excess"]) < 0.02 && last["merge"] == 24, "{last}");

    // The tables say the same.
    let table = fs::read_to_string(folder.path().join("report/adapters.csv")).unwrap();
    let ids: Vec<i64> =
        table.lines().skip(1).map(|line| line.split(',').nth(1).unwrap().parse().unwrap()).collect();
    assert_eq!(ids, order);
    let pairs = fs::read_to_string(folder.path().join("report/pairs.csv")).unwrap();
    assert_eq!(pairs.lines().next().unwrap(), "a,b,n_modules,mean_phi,mean_excess,shared_init,other_base");
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
        (&"–".into(), &"–".into())
    );
    assert_near(&found["mean_phi"], 0.4);
    assert_near(&found["layers"][0]["mean_linear_cka"], 0.5);
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
        assert!(!names.iter().any(|name| name.ends_with(".png")) && names.len() == 10, "{names:?}");
        let drift = fs::read_to_string(folder.path().join("report/drift.csv")).unwrap();
        assert!(drift.starts_with("run,step_before,step,") && drift.lines().count() == 1, "{drift}");
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

/// Two runs of four checkpoints in an order that is not numeric by name, the second of which a sort by letters would put
/// first, and a checkpoint without a step.
fn runs(folder: &Path) {
    let mut adapters = vec![];
    for run in ["seed9", "seed10"] {
        for step in [1000, 50, 200, 100] {
            adapters.push(adapter(adapters.len() as i32, run, Some(step)));
        }
    }
    adapters.push(adapter(8, "seed9", None));
    let steps: Vec<Option<i64>> = adapters.iter().map(|adapter| adapter.step).collect();
    let row = |m: usize, a: i32, b: i32| {
        let apart = match (steps[a as usize], steps[b as usize]) {
            (Some(a), Some(b)) => (a as f32 / b as f32).ln().abs(),
            _ => 4.0,
        };
        let is_one_run = a / 4 == b / 4;
        let phi = if is_one_run { 1.0 - 0.05 * apart * (1 + a / 4 + m as i32) as f32 } else { 0.2 };
        Row { shared_init: is_one_run, ..Row::new(a, b, phi) }
    };
    write(folder, &adapters, &everywhere(&modules(2, &["q_proj"]), row, 9));
}

#[test]
fn drift_goes_from_each_checkpoint_of_a_run_to_the_next_by_number() {
    let folder = folder();
    runs(folder.path());
    let found = findings(folder.path(), &[]);
    let drift = found["drift"].as_array().unwrap();
    let steps: Vec<(&str, i64, i64)> = drift
        .iter()
        .map(|point| {
            let step = |name: &str| point[name].as_i64().unwrap();
            (point["run"].as_str().unwrap(), step("step_before"), step("step"))
        })
        .collect();
    let of = |run| [(run, 50, 100), (run, 100, 200), (run, 200, 1000)];
    assert_eq!(steps, [of("runs/seed9"), of("runs/seed10")].concat());
    // The mean over the two modules, of 0.05 · ln 2 times 1 and 2, and times 2 and 3.
    assert_near(&drift[0]["drift"], 0.05 * 2f64.ln() * 1.5);
    assert_near(&drift[3]["drift"], 0.05 * 2f64.ln() * 2.5);
    assert_near(&drift[2]["drift_from_first"], 0.05 * 20f64.ln() * 1.5);
    let table = fs::read_to_string(folder.path().join("report/drift.csv")).unwrap();
    assert_eq!(table.lines().count(), 7);
    let output = report(folder.path(), &["-q"]);
    assert!(text(&output.stdout).contains("seed9, steps 50 to 1000"), "{}", text(&output.stdout));
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
    let drift: Vec<[i64; 4]> = found["drift"]
        .as_array()
        .unwrap()
        .iter()
        .map(|point| ["step_before", "step", "a", "b"].map(|key| point[key].as_i64().unwrap()))
        .collect();
    assert_eq!(drift, [[100, 200, 1, 2], [200, 300, 2, 3]]);
}

#[test]
fn only_the_adapters_that_were_asked_for_count() {
    let folder = folder();
    runs(folder.path());
    let found = findings(folder.path(), &["--adapter", "runs/seed10/*", "--adapter", "*checkpoint-50"]);
    assert_eq!((&found["counts"]["adapters"], &found["counts"]["pairs"]), (&5.into(), &10.into()));
    assert_eq!(found["drift"].as_array().unwrap().len(), 3);
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
    assert!(
        failure(folder.path(), &[])[1]
            .contains("the scan is not finished: run it again, or see `lorascope status")
    );

    let rows = vec![Row::new(0, 7, 0.5)];
    write(folder.path(), &seeds(2), &BTreeMap::from([("q".to_owned(), rows)]));
    let lines = failure(folder.path(), &[]);
    let expected = "block-0000.parquet: a pair: found adapter 7, expected one of adapters.parquet";
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
fn too_many_adapters_are_refused_before_their_pairs_are_read() {
    let folder = folder();
    write(folder.path(), &seeds(5001), &BTreeMap::new());
    let lines = failure(folder.path(), &[]);
    assert!(lines[0].ends_with("found 5001 adapters, expected at most 5000"), "{lines:?}");
    assert!(lines[1].contains("--adapter GLOB"), "{lines:?}");
    assert_eq!(
        findings(folder.path(), &["--adapter", "runs/seed1?"])["counts"]["adapters_without_pairs"],
        10
    );
}

fn assert_picture(scan: &Path, picture: &str, golden: &str) {
    let output = report(scan, &["--dpi", "60", "-q"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_golden(golden, &fs::read(scan.join("report").join(picture)).unwrap());
}

#[test]
fn the_picture_of_adapters_is_as_it_was() {
    let folder = folder();
    planted(folder.path(), 21);
    assert_picture(folder.path(), "adapters.png", "report_adapters");
}

#[test]
fn the_picture_of_layers_is_as_it_was() {
    let folder = folder();
    planted(folder.path(), 21);
    assert_picture(folder.path(), "layers.png", "report_layers");
}

#[test]
fn the_picture_of_drift_is_as_it_was() {
    let folder = folder();
    runs(folder.path());
    assert_picture(folder.path(), "drift.png", "report_drift");
}

#[test]
fn few_pairs_are_drawn_without_a_tree_and_grey_where_nothing_is() {
    let folder = folder();
    let rows = vec![Row::new(0, 1, 0.5), Row::new(1, 2, 0.4), Row::new(3, 4, 0.9)];
    write(folder.path(), &seeds(5), &BTreeMap::from([("model.layers.3.attn.weird".to_owned(), rows)]));
    assert_eq!(findings(folder.path(), &[])["merges"].as_array().unwrap().len(), 0);
    assert_picture(folder.path(), "adapters.png", "report_few");
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
    assert_eq!(found["drift"].as_array().unwrap().len(), 1);
}
