//! `--side w-right` and `w-left`: the directions of a base model's weights next to those of updates, against a dense SVD.

use std::path::Path;

use faer::Mat;
use lorascope::{Adapter, BaseModel};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;

use super::common::oracle::Oracle;
use super::common::planted::{self, Planted};
use super::figures::{drawn, json, refused};
use super::{folder, run, stderr, stdout, text};

const BASE: &str = "tests/data/weights/query-value-f16.safetensors";
const LAYER_5: &str = "tests/data/adapters/seed0-r8-layer5";
const OTHER: &str = "tests/data/adapters/seed1-r8-layer5";
const R64: &str = "tests/data/adapters/seed0-r64-layer5";

/// φ of f32 bases.
const TOLERANCE: f64 = 1e-5;

fn document(args: &[&str]) -> Value {
    let output = run(&[&["compare", "-q", "--json"], args].concat());
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    serde_json::from_str(stdout(&output)).unwrap()
}

fn matrix(values: &[f64], rows: usize, cols: usize) -> Mat<f64> {
    Mat::from_fn(rows, cols, |i, j| values[i * cols + j])
}

/// W of a module of the base.
fn weight(base: &str, module: &str) -> Mat<f64> {
    let weight = BaseModel::open(base).unwrap().weight(module).unwrap().unwrap();
    matrix(&weight.read().unwrap().values, weight.d_out(), weight.d_in())
}

/// s·B·A of a module of the adapter.
fn update(adapter: &str, module: &str) -> Mat<f64> {
    let adapter = Adapter::open(adapter).unwrap();
    let module = adapter.module(module).unwrap();
    let (a, b) = (module.a.read().unwrap(), module.b.read().unwrap());
    let scaling = faer::Scale(module.scaling.unwrap());
    matrix(&b.values, b.rows, b.cols) * matrix(&a.values, a.rows, a.cols) * scaling
}

/// Singular vectors at these places, as rows.
fn vectors(of: &Mat<f64>, right: bool, places: impl Iterator<Item = usize>) -> Vec<f32> {
    let svd = of.thin_svd().unwrap();
    let all = if right { svd.V() } else { svd.U() };
    places.flat_map(|at| (0..all.nrows()).map(move |i| all[(i, at)] as f32)).collect()
}

fn phi(module: &Value) -> Vec<f32> {
    let rows = module["phi"].as_array().unwrap().iter();
    rows.flat_map(|row| row.as_array().unwrap().iter().map(|phi| phi.as_f64().unwrap() as f32)).collect()
}

#[test]
fn every_cell_is_that_of_a_dense_svd_on_each_side_and_of_each_choice_of_directions() {
    for (side, right) in [("w-right", true), ("w-left", false)] {
        for (of, n) in [("top", 8), ("bottom", 8), ("top", 20), ("bottom", 3)] {
            let n_text = n.to_string();
            let args = ["--base", BASE, LAYER_5, "--side", side, "--of", of, "--grids"];
            let more: &[&str] = if n == 8 { &[] } else { &["--directions", &n_text] };
            let found = document(&[&args[..], more].concat());
            assert_eq!(
                (&found["side"], &found["of"], &found["with"]),
                (&side.into(), &of.into(), &"update".into())
            );
            let modules = found["modules"].as_array().unwrap();
            assert_eq!(modules.len(), 2);
            for module in modules {
                let name = module["module"].as_str().unwrap();
                assert_eq!((&module["n_w"], &module["q"], &module["d"]), (&n.into(), &8.into(), &384.into()));
                let (w, change) = (weight(BASE, name), update(LAYER_5, name));
                let places: Vec<usize> =
                    if of == "top" { (0..n).collect() } else { (384 - n..384).rev().collect() };
                let (u, v) = (vectors(&w, right, places.into_iter()), vectors(&change, right, 0..8));
                let oracle = Oracle::new(&u, &v, 384);
                let worst = oracle.worst(&phi(module));
                assert!(worst < TOLERANCE, "{side} {of} {name}: {worst:e}");
                // The numbers of the table are cells of the grid.
                let full = module["phi_full"].as_f64().unwrap();
                assert!((full - oracle.phi(n, 8)).abs() < TOLERANCE);
                assert_eq!(module["baseline_full"].as_f64(), Some(n.max(8) as f64 / 384.0));
                let last = module["diagonal"].as_array().unwrap().last().unwrap();
                assert_eq!(last["k"], n.min(8));
                assert!((last["phi"].as_f64().unwrap() - oracle.phi(n.min(8), n.min(8))).abs() < TOLERANCE);
            }
        }
    }
}

#[test]
fn random_directions_have_chances_phi_and_follow_the_seed() {
    let of = |seed: &str| {
        let args = [BASE, R64, "--side", "w-right", "--of", "random", "--seed", seed, "--projections", "q"];
        document(&args)["modules"][0].clone()
    };
    let (first, second) = (of("3"), of("4"));
    assert_eq!(first, of("3"));
    assert_ne!(first["phi_full"], second["phi_full"]);
    for module in [first, second] {
        assert_eq!((&module["n_w"], &module["n_w_in_noise"]), (&64.into(), &0.into()));
        let z = module["diagonal"].as_array().unwrap().last().unwrap()["z"].as_f64().unwrap();
        assert!(z.abs() < 4.0, "{z}");
    }
}

#[test]
fn the_weight_after_training_is_compared_with_the_weight_before() {
    let found =
        document(&[BASE, LAYER_5, "--side", "w-left", "--with", "tuned", "--directions", "12", "--grids"]);
    for module in found["modules"].as_array().unwrap() {
        let name = module["module"].as_str().unwrap();
        let (before, change) = (weight(BASE, name), update(LAYER_5, name));
        let after = &before + &change;
        let (u, v) = (vectors(&before, false, 0..12), vectors(&after, false, 0..12));
        let worst = Oracle::new(&u, &v, 384).worst(&phi(module));
        assert!(worst < TOLERANCE, "{name}: {worst:e}");
        // They are not independent, so that chance says nothing.
        assert!(module["diagonal"].as_array().unwrap().iter().all(|cell| cell["z"].is_null()));
    }
    // A full model after another one, of which neither is an adapter: its own directions, and those that training left.
    let folder = folder();
    let (before, after) = (folder.path().join("before.safetensors"), folder.path().join("after.safetensors"));
    diagonal(&before, Dtype::F32, |i| 12.0 - i as f32);
    // The second and the third direction have changed places.
    diagonal(&after, Dtype::F32, |i| match i {
        1 => 10.0,
        2 => 11.0,
        _ => 12.0 - i as f32,
    });
    let args = [&text(&before), &text(&after), "--side", "w-right", "--with", "tuned", "--grids"];
    let found = document(&args.map(|text| text as &str));
    let phi: Vec<f64> = found["modules"][0]["diagonal"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cell| cell["phi"].as_f64().unwrap())
        .collect();
    assert_eq!(found["modules"][0]["n_w"], 12);
    // φ(1, 1), φ(2, 2), φ(4, 4), φ(8, 8) and φ(12, 12).
    assert!(
        phi.iter().zip([1.0, 0.5, 1.0, 1.0, 1.0]).all(|(phi, known)| (phi - known).abs() < 1e-6),
        "{phi:?}"
    );
}

/// A weight of 12 × 12 with this diagonal.
fn diagonal(path: &Path, dtype: Dtype, of: impl Fn(usize) -> f32) {
    let number = |at: usize| if at.is_multiple_of(13) { of(at / 13) } else { 0.0 };
    let values: Vec<u8> = match dtype {
        Dtype::F16 => (0..144).flat_map(|at| half::f16::from_f32(number(at)).to_le_bytes()).collect(),
        _ => (0..144).flat_map(|at| number(at).to_le_bytes()).collect(),
    };
    let view = TensorView::new(dtype, vec![12, 12], &values).unwrap();
    let bytes = safetensors::serialize([("model.layers.0.self_attn.q_proj.weight", view)], None).unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn an_update_of_the_weakest_directions_is_found_there_and_nowhere_else() {
    let folder = folder();
    let (base, adapter) = (folder.path().join("base.safetensors"), folder.path().join("run"));
    diagonal(&base, Dtype::F32, |i| 12.0 - i as f32);
    // ΔW reads inputs 12 and 11 and writes outputs 1 and 2.
    let place = |i: usize, j: usize, at: [usize; 2]| f64::from(u8::from(i == at[0] && j == at[1]));
    let name = "model.layers.0.self_attn.q_proj";
    let a = Mat::from_fn(2, 12, |i, j| 2.0 * place(i, j, [0, 11]) + place(i, j, [1, 10]));
    let b = Mat::from_fn(12, 2, |i, j| place(i, j, [0, 0]) + place(i, j, [1, 1]));
    planted::write(&adapter, &[Planted { name, a, b }], 2.0);
    let (base, adapter) = (text(&base), text(&adapter));
    for (side, of, expected) in [
        ("w-right", "top", 0.0),
        ("w-right", "bottom", 1.0),
        ("w-left", "top", 1.0),
        ("w-left", "bottom", 0.0),
    ] {
        let output = run(&["compare", "-q", &base, &adapter, "--side", side, "--of", of]);
        let table = stdout(&output);
        let (title, rows) = table.split_once('\n').unwrap();
        assert!(title.contains(if side == "w-left" { "left (output)" } else { "right (input)" }), "{title}");
        assert!(title.contains(if of == "top" { "the strongest" } else { "the weakest first" }), "{title}");
        let shown = format!("{expected:.3}");
        let cells: Vec<&str> = rows.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(
            cells[..7],
            ["layers.0.self_attn.q_proj", "2", "2", "12", &shown, &shown, &shown],
            "{table}"
        );
    }
    // The same with figure, which draws it as --kind base.
    let panels = |args: &[&str]| {
        json(&[&[&base as &str, &adapter, "--of", "bottom"], args].concat())["panels"].clone()
    };
    assert_eq!(panels(&["--side", "w-right"]), panels(&["--kind", "base", "--side", "dw-right"]));
    assert_eq!(
        panels(&["--kind", "base", "--side", "w-left"]),
        panels(&["--kind", "base", "--side", "dw-left"])
    );
    assert_eq!(json(&[&base, &adapter, "--side", "w-left"])["side"], "w-left");
}

#[test]
fn directions_of_a_weight_that_rounding_could_have_made_are_counted_and_said() {
    let folder = folder();
    let (base, adapter) = (folder.path().join("base.safetensors"), folder.path().join("run"));
    // Four directions; the others are far below half a unit in the last place of the first.
    diagonal(&base, Dtype::F16, |i| if i < 4 { 12.0 - i as f32 } else { 1e-6 * (12.0 - i as f32) });
    let run_of = Planted::random("model.layers.0.self_attn.q_proj", 2, 12, 12, 7);
    planted::write(&adapter, &[run_of], 2.0);
    let (base, adapter) = (text(&base), text(&adapter));
    for (of, n_in_noise) in [("bottom", 3), ("top", 0)] {
        let args = [&base, &adapter, "--side", "w-right", "--directions", "3", "--of", of];
        let found = document(&args.map(|text| text as &str));
        assert_eq!(found["modules"][0]["n_w_in_noise"], n_in_noise);
        let warnings = found["warnings"].as_array().unwrap();
        let is_said = warnings.iter().any(|warning| warning["code"] == "weight-in-noise");
        assert_eq!(is_said, n_in_noise > 0, "{warnings:?}");
    }
}

#[test]
fn several_checkpoints_have_rows_of_their_own_in_the_table_and_as_csv() {
    for named in [&[BASE, LAYER_5, R64, OTHER][..], &["--base", BASE, LAYER_5, R64, OTHER]] {
        let output = run(&[&["compare", "-q", "--side", "w-left", "--csv"], named].concat());
        let csv = stdout(&output);
        let rows: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
        let checkpoints: Vec<&str> = rows[1..].iter().map(|row| row[0]).collect();
        let names = ["seed0-r8-layer5", "seed0-r64-layer5", "seed1-r8-layer5"];
        assert_eq!(checkpoints, names.map(|name| [name; 2]).concat());
        assert!(rows.iter().all(|row| row.len() == rows[0].len()), "{csv}");
        let found = document(&[&["--side", "w-left"], named].concat());
        let at = rows[0].iter().position(|name| *name == "phi_full").unwrap();
        for (row, module) in rows[1..].iter().zip(found["modules"].as_array().unwrap()) {
            let ratio = row[at].parse::<f64>().unwrap() / module["phi_full"].as_f64().unwrap();
            assert!((ratio - 1.0).abs() < 1e-15);
        }
        let output = run(&[&["compare", "-q", "--side", "w-left"], named].concat());
        assert!(stdout(&output).contains("seed0-r64-layer5"), "{}", stdout(&output));
    }
}

#[test]
fn rank_bounds_the_directions_of_a_full_models_change_however_the_base_is_named() {
    let folder = folder();
    let (before, after) = (folder.path().join("before.safetensors"), folder.path().join("after.safetensors"));
    diagonal(&before, Dtype::F32, |i| 12.0 - i as f32);
    diagonal(&after, Dtype::F32, |i| 13.0 + i as f32);
    let (before, after) = (text(&before), text(&after));
    for named in [&[&before as &str, &after][..], &["--base", &before, &after]] {
        let found = document(&[named, &["--side", "w-right", "--rank", "3"]].concat());
        assert_eq!((&found["modules"][0]["q"], &found["modules"][0]["n_w"]), (&3.into(), &3.into()));
        document(&[named, &["--rank", "3"]].concat());
    }
    let (_, table) = drawn("x.svg", &[&before, &after, "--side", "w-left", "--rank", "3"]);
    assert!(table.contains("3 × 3, 12"), "{table}");
    for args in [
        &["compare", LAYER_5, OTHER][..],
        &["figure", LAYER_5, OTHER],
        &["atlas", LAYER_5, OTHER],
        &["shared", LAYER_5, OTHER],
        &["merge-check", LAYER_5, OTHER],
        &["inspect", LAYER_5],
        &["scan", LAYER_5, "-o", "never"],
    ] {
        let message = refused(&[args, &["--rank", "3"]].concat());
        assert!(message.contains("--rank is for what changed of a base model"), "{args:?}: {message}");
    }
}

#[test]
fn the_weights_own_sides_are_refused_where_there_is_none() {
    let no_weight = "name the base model first, or with --base";
    let of_weight = "--of, --directions and --with belong to --side w-right and w-left";
    for (args, expected) in [
        (&["compare", LAYER_5, OTHER, "--side", "w-right"][..], no_weight),
        (&["compare", BASE, LAYER_5, "--of", "bottom"], of_weight),
        (&["compare", LAYER_5, OTHER, "--directions", "4"], of_weight),
        (&["compare", BASE, LAYER_5, "--with", "tuned"], of_weight),
        (&["compare", BASE, LAYER_5, "--seed", "4"], "--seed belongs to --alignment and to --of random"),
        (&["compare", BASE, LAYER_5, "--side", "w-left", "--alignment"], "a comparison of its own"),
        (
            &["compare", BASE, LAYER_5, "--side", "w-left", "--with", "tuned", "--of", "bottom"],
            "strongest directions of both",
        ),
        (&["compare", BASE, LAYER_5, "--side", "w-left", "--angles"], "are for two checkpoints"),
        (&["compare", BASE, LAYER_5, "--grids", "--json"], "are for two checkpoints"),
        (&["compare", BASE, LAYER_5, "--side", "w"], "with a base model w-right or w-left"),
        (&["atlas", LAYER_5, OTHER, "--side", "w-right"], "compare BASE CHECKPOINT and figure --kind base"),
        (&["demo", "--side", "w-left"], "compare BASE CHECKPOINT and figure --kind base"),
        (&["figure", "--kind", "ranks", LAYER_5, R64, "--side", "w-left"], "figure --kind base"),
        (&["figure", "--kind", "intruders", BASE, R64, "--side", "w-left"], "figure --kind base"),
        (&["figure", LAYER_5, OTHER, "--side", "w-left"], "found an adapter, expected a full model"),
        (&["shared", LAYER_5, OTHER, "--side", "w-left"], "dw-left is the update's"),
        (&["scan", LAYER_5, "-o", "never", "--side", "w-right"], "dw-right is the update's"),
    ] {
        let message = refused(args);
        assert!(message.contains(expected), "{args:?}: {message}");
    }
}
