//! Figures of a base model's weights, against `compare` and where the answer is known.

use std::path::Path;

use faer::Mat;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;

use super::common::planted::{self, Planted};
use super::figures::{drawn, json, refused};
use super::{folder, run, stdout, text};

const BASE: &str = "tests/data/weights/query-value-f16.safetensors";
const LAYER_2: &str = "tests/data/adapters/seed0-r8-layer2";
const LAYER_5: &str = "tests/data/adapters/seed0-r8-layer5";
const R64: &str = "tests/data/adapters/seed0-r64-layer5";

fn compared(args: &[&str]) -> Vec<Value> {
    let output = run(&[&["compare", "-q", "--json", BASE], args].concat());
    let document: Value = serde_json::from_str(stdout(&output)).unwrap();
    document["modules"].as_array().unwrap().clone()
}

fn svg(args: &[&str]) -> String {
    String::from_utf8(drawn("x.svg", args).0).unwrap()
}

fn has_label(svg: &str, label: &str) -> bool {
    svg.contains(&format!("aria-label=\"{label}\""))
}

#[test]
fn base_has_the_phi_that_compare_has_of_each_side_and_each_choice_of_directions() {
    let expected = compared(&[LAYER_5, "--alignment", "--seed", "3"]);
    for (at, side) in ["dw-right", "dw-left"].into_iter().enumerate() {
        for of in ["top", "bottom", "random"] {
            let args = ["--kind", "base", BASE, LAYER_5, "--side", side, "--of", of, "--seed", "3"];
            let found = json(&args);
            let panels = found["panels"].as_array().unwrap();
            assert_eq!((panels.len(), &found["side"], &found["of"]), (3, &side.into(), &of.into()));
            for (panel, module) in panels.iter().zip(&expected) {
                assert_eq!(panel["module"], module["module"]);
                let [shown, known] = [&panel["phi_8_8"]["phi"], &module["alignment"]["phi"][at][of]]
                    .map(|phi| phi.as_f64().unwrap());
                assert!((shown - known).abs() < 1e-5, "{side} {of}: {shown} for {known}");
            }
            // A random update has what chance gives, within four standard deviations.
            assert!(panels[2]["module"].is_null() && panels[2]["checkpoint"].is_null());
            assert!(panels[2]["phi_8_8"]["z"].as_f64().unwrap().abs() < 4.0, "{}", panels[2]);
        }
    }
}

#[test]
fn several_checkpoints_have_a_column_each_and_axes_say_what_they_are() {
    let args = ["--kind", "base", BASE, LAYER_5, R64];
    let found = json(&args);
    let panels = found["panels"].as_array().unwrap();
    let of: Vec<&str> = panels.iter().map(|panel| panel["checkpoint"].as_str().unwrap_or("–")).collect();
    assert_eq!(of, ["seed0-r8-layer5", "seed0-r64-layer5", "–"].repeat(2));
    let svg = svg(&args);
    for label in
        ["seed0-r8-layer5, r = 8", "seed0-r64-layer5, r = 64", "q, layer 5", "i (W)", "j (ΔW)", "Random ΔW"]
    {
        assert!(has_label(&svg, label), "{label}");
    }
    assert!(svg.contains("<title>ϕ(W,ΔW,i,j)</title>"));
    // As many of W's directions as the larger has, or as many as are asked for.
    let (_, table) = drawn("x.pdf", &args);
    assert!(table.contains("64 × 8, 384") && table.contains("64 × 64, 384"), "{table}");
    let (_, table) =
        drawn("x.png", &["--kind", "base", BASE, LAYER_5, "--directions", "100", "--control", "none"]);
    assert!(table.contains("100 × 8, 384") && !table.contains("Random"), "{table}");
}

/// A weight diag(12, 11, …, 1) in each of so many layers, q and v.
fn diagonal_base(path: &Path, n_layers: usize) {
    diagonal_model(path, n_layers, 0.0);
}

/// The same with this number in row 2, column 1, both from 0.
fn diagonal_model(path: &Path, n_layers: usize, change: f32) {
    let value = |at: usize| match (at / 12, at % 12) {
        (i, j) if i == j => 12.0 - i as f32,
        (2, 1) => change,
        _ => 0.0,
    };
    let values: Vec<u8> = (0..144).flat_map(|at| value(at).to_le_bytes()).collect();
    let names = (0..n_layers).flat_map(|layer| {
        ["q", "v"].map(|name| format!("model.layers.{layer}.self_attn.{name}_proj.weight"))
    });
    let view = || TensorView::new(Dtype::F32, vec![12, 12], &values).unwrap();
    let bytes = safetensors::serialize(names.map(|name| (name, view())), None).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// ΔW = 6·e₃·e₂ᵀ: it reads the second direction of the weight and writes the third.
fn update(name: &'static str) -> Planted {
    let unit =
        |rows, cols, at: usize, x: f64| Mat::from_fn(rows, cols, |i, j| if i + j == at { x } else { 0.0 });
    Planted { name, a: unit(1, 12, 1, 1.0), b: unit(12, 1, 2, 6.0) }
}

#[test]
fn an_update_along_one_direction_of_the_weight_is_found_at_its_place() {
    let folder = folder();
    let (base, adapter) = (folder.path().join("base.safetensors"), folder.path().join("run"));
    diagonal_base(&base, 1);
    planted::write(&adapter, &[update("model.layers.0.self_attn.q_proj")], 1.0);
    // A full model with the same change.
    let tuned = folder.path().join("tuned.safetensors");
    diagonal_model(&tuned, 1, 6.0);
    let (base, adapter, tuned) = (text(&base), text(&adapter), text(&tuned));
    // From the row of the direction on, φ(i, 1) is 1: the vertical band has their share.
    for (side, of, n_rows) in [
        ("dw-right", "top", 11.0),
        ("dw-left", "top", 10.0),
        ("dw-right", "bottom", 2.0),
        ("dw-left", "bottom", 3.0),
    ] {
        for run in [&adapter, &tuned] {
            let args = ["--kind", "base", &base, run, "--side", side, "--of", of, "--directions", "12"];
            let found = json(&[&args[..], &["--projections", "q"]].concat());
            let band = found["panels"][0]["vertical"]["mean"].as_f64().unwrap();
            assert!((12.0 * band - n_rows).abs() < 1e-4, "{run} {side} {of}: {found}");
        }
    }
    // Both have the same intruders.
    let intruders =
        |run: &str| json(&["--kind", "intruders", &base, run, "--projections", "q"])["rows"].clone();
    let cosines = |run: &str| -> Vec<f64> {
        let cosines = intruders(run)[0]["cosines"].clone();
        cosines.as_array().unwrap().iter().map(|cosine| cosine.as_f64().unwrap()).collect()
    };
    let (of_adapter, of_tuned) = (cosines(&adapter), cosines(&tuned));
    assert_eq!(of_adapter.len(), 10);
    for (a, b) in of_adapter.iter().zip(&of_tuned) {
        assert!((a - b).abs() < 1e-5, "{of_adapter:?} {of_tuned:?}");
    }
}

#[test]
fn intruders_have_the_cosines_that_compare_has_and_their_counts_in_the_legend() {
    for (adapter, layer, counts) in [(LAYER_2, 2, [0, 1]), (LAYER_5, 5, [1, 3])] {
        let expected = compared(&[adapter, "--intruders"]);
        let args = ["--kind", "intruders", BASE, adapter];
        let found = json(&args);
        let rows = found["rows"].as_array().unwrap();
        assert_eq!(rows.iter().map(|row| row["count"].as_u64().unwrap()).collect::<Vec<_>>(), counts);
        for (row, module) in rows.iter().zip(&expected) {
            assert_eq!((&row["module"], &row["layer"]), (&module["module"], &layer.into()));
            assert_eq!(row["cosines"], module["intruders"]["cosines"]);
        }
        let svg = svg(&args);
        for (name, count) in ["q", "v"].into_iter().zip(counts) {
            assert!(has_label(&svg, &format!("{name}, layer {layer}: {count} of 10")), "{svg}");
        }
        assert!(svg.contains(&format!("{} of 20 directions are intruders", counts[0] + counts[1])));
    }
    let fewer = json(&["--kind", "intruders", BASE, LAYER_5, "--top", "2", "--epsilon", "0.2"]);
    let rows: Vec<(usize, u64)> = fewer["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["cosines"].as_array().unwrap().len(), row["count"].as_u64().unwrap()))
        .collect();
    assert_eq!(rows, [(2, 1), (2, 0)]);
}

#[test]
fn many_modules_are_a_heat_map_in_which_intruders_have_numbers() {
    const NAMES: [&str; 10] = [
        "model.layers.0.self_attn.q_proj",
        "model.layers.0.self_attn.v_proj",
        "model.layers.1.self_attn.q_proj",
        "model.layers.1.self_attn.v_proj",
        "model.layers.2.self_attn.q_proj",
        "model.layers.2.self_attn.v_proj",
        "model.layers.3.self_attn.q_proj",
        "model.layers.3.self_attn.v_proj",
        "model.layers.4.self_attn.q_proj",
        "model.layers.4.self_attn.v_proj",
    ];
    let folder = folder();
    let (base, adapter) = (folder.path().join("base.safetensors"), folder.path().join("run"));
    diagonal_base(&base, 5);
    // One module whose first direction the update leaves far from any of the weight's.
    let mut modules = NAMES.map(|name| update(name).times(0.01));
    modules[7] = update(NAMES[7]);
    planted::write(&adapter, &modules, 1.0);
    let args = ["--kind", "intruders", &text(&base), &text(&adapter), "--layers", "all", "--epsilon", "0.9"];
    let found = json(&args);
    let counts: Vec<u64> =
        found["rows"].as_array().unwrap().iter().map(|row| row["count"].as_u64().unwrap()).collect();
    assert!(counts[7] >= 2 && counts.iter().sum::<u64>() == counts[7], "{counts:?}");
    let svg = svg(&args);
    assert!(
        has_label(&svg, "q, layer 3: 0 of 10")
            && has_label(&svg, &format!("v, layer 3: {} of 10", counts[7]))
    );
    assert!(svg.contains("intruders, in 1 of 10 modules"), "{svg}");
    let numbers = (0..90).filter(|n| has_label(&svg, &format!("0.{n:02}"))).count();
    assert!(numbers >= 1, "an intruder's cell has its number");
    for (name, start) in [("x.png", &b"\x89PNG"[..]), ("x.pdf", b"%PDF")] {
        assert!(drawn(name, &args).0.starts_with(start));
    }
}

const LAYERS: [&str; 6] = [
    "model.layers.0.self_attn.q_proj",
    "model.layers.0.self_attn.v_proj",
    "model.layers.1.self_attn.q_proj",
    "model.layers.1.self_attn.v_proj",
    "model.layers.2.self_attn.q_proj",
    "model.layers.2.self_attn.v_proj",
];

/// The middle one of the checkpoint's three blocks is not in the base model.
#[test]
fn the_block_that_is_taken_by_default_is_one_that_the_base_model_has() {
    let folder = folder();
    let base = folder.path().join("base.safetensors");
    diagonal_base(&base, 1);
    let mut run = vec![];
    for name in ["a", "b"] {
        let path = folder.path().join(name);
        planted::write(&path, &LAYERS.map(update), 1.0);
        run.push(text(&path));
    }
    let base = text(&base);
    for kind in ["base", "intruders"] {
        for runs in [&run[..1], &run[..]] {
            if kind == "intruders" && runs.len() > 1 {
                continue;
            }
            let mut args = vec!["--kind", kind, &base];
            args.extend(runs.iter().map(String::as_str));
            let found = json(&args).to_string();
            assert!(found.contains("layers.0.") && !found.contains("layers.1."), "{kind}: {found}");
        }
    }
}

#[test]
fn figures_of_weights_refuse_what_they_cannot_show() {
    for (args, expected) in [
        (
            &["--kind", "base", BASE, LAYER_5, "--side", "a"][..],
            "which the weight W does not have: --side dw-right",
        ),
        (&["--kind", "base", BASE, LAYER_5, "--side", "b"], "sides a and b are of an adapter's factors"),
        (&["--kind", "base", BASE], "take a base model, and then what was trained from it"),
        (&["--kind", "base", LAYER_5, BASE], "found an adapter, expected a full model"),
        (&["--kind", "base", BASE, LAYER_5, "--top", "3"], "--top and --epsilon belong to --kind intruders"),
        (&["--kind", "base", BASE, LAYER_5, "--show-ties"], "--show-ties is for"),
        (&["--kind", "intruders", BASE, LAYER_5, R64], "takes a base model and one checkpoint"),
        (&["--kind", "intruders", BASE, LAYER_5, "--side", "dw-right"], "counted by left-singular vectors"),
        (&["--kind", "intruders", BASE, LAYER_5, "--epsilon", "1.5"], "expected a number above 0, at most 1"),
        (
            &["--kind", "intruders", BASE, LAYER_5, "--of", "top"],
            "--of and --directions belong to --kind base",
        ),
        (&[LAYER_5, R64, "--directions", "3"], "--of and --directions belong to --kind base"),
        (
            &["--kind", "base", BASE, "tests/data/adapters/seed0-r64-layer0"],
            "found no such weight for module `encoder.layer.0.attention.self.query`",
        ),
    ] {
        let message = refused(&[&["figure"], args].concat());
        assert!(message.contains(expected), "{args:?}: {message}");
    }
}
