//! Checkpoints with their base model: `compare BASE CHECKPOINT`, `table7`, and `--base` in the commands that take it.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::files::container;
use half::f16;
use lorascope::{Adapter, BaseModel};
use serde_json::{Value, json};

const BASE: &str = "tests/data/weights/query-value-f16.safetensors";
const LAYER_2: &str = "tests/data/adapters/seed0-r8-layer2";
const LAYER_5: &str = "tests/data/adapters/seed0-r8-layer5";

fn lorascope(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lorascope"));
    command.args(args).current_dir(env!("CARGO_MANIFEST_DIR"));
    command.output().unwrap()
}

fn stdout(args: &[&str]) -> String {
    let output = lorascope(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json_of(args: &[&str]) -> Value {
    serde_json::from_str(&stdout(&[args, &["--json", "-q"]].concat())).unwrap()
}

fn stderr_of(args: &[&str], code: i32) -> String {
    let output = lorascope(args);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
    text
}

fn strings(value: &Value, key: &str) -> Vec<String> {
    value.as_array().unwrap().iter().map(|one| one[key].as_str().unwrap().to_owned()).collect()
}

/// A full model of the base's weights with the adapters merged into them, rounded to f16, and its path.
fn merged(folder: &Path, adapters: &[&str]) -> PathBuf {
    let base = BaseModel::open(BASE).unwrap();
    let (mut header, mut data) = (serde_json::Map::new(), vec![]);
    for layer in [2, 5] {
        for projection in ["query", "value"] {
            let name = format!("encoder.layer.{layer}.attention.self.{projection}");
            let weight = base.weight(&name).unwrap().unwrap();
            let mut values = weight.read().unwrap().values;
            for adapter in adapters {
                let adapter = Adapter::open(adapter).unwrap();
                let Some(module) = adapter.module(&name) else { continue };
                let (a, b) = (module.a.read().unwrap(), module.b.read().unwrap());
                for (row, b) in values.chunks_exact_mut(a.cols).zip(b.values.chunks_exact(b.cols)) {
                    for (a, b) in a.values.chunks_exact(a.cols).zip(b) {
                        row.iter_mut().zip(a).for_each(|(w, a)| *w += module.scaling.unwrap() * b * a);
                    }
                }
            }
            let start = data.len();
            data.extend(values.iter().flat_map(|&value| f16::from_f64(value).to_le_bytes()));
            let facts = json!({
                "dtype": "F16", "shape": [weight.d_out(), weight.d_in()], "data_offsets": [start, data.len()],
            });
            header.insert(weight.tensor().to_owned(), facts);
        }
    }
    let path = folder.join("merged.safetensors");
    let mut file = container(Value::Object(header).to_string(), 0);
    file.extend(data);
    fs::write(&path, file).unwrap();
    path
}

#[test]
fn intruders_of_each_module_are_as_many_as_pefts_own_function_counts() {
    let text = fs::read_to_string("tests/data/reference/peft_intruders.json").unwrap();
    let expected: Value = serde_json::from_str(&text).unwrap();
    let adapters = expected["adapters"].as_object().unwrap();
    assert_eq!(adapters.len(), 4);
    for (adapter, counts) in adapters {
        let adapter = format!("tests/data/adapters/{adapter}");
        let found = json_of(&["compare", BASE, &adapter, "--intruders"]);
        let modules = found["modules"].as_array().unwrap();
        assert_eq!(modules.len(), counts.as_object().unwrap().len());
        for module in modules {
            let name = module["module"].as_str().unwrap();
            assert_eq!(module["intruders"]["count"], counts[name], "{adapter} {name}");
        }
    }
}

#[test]
fn the_table_has_norms_ranks_and_intruders_of_each_module_and_of_the_whole() {
    let found = stdout(&["compare", BASE, LAYER_5, "--intruders", "-q"]);
    // numpy says the norms, 37.8586 and 11.5935 for the whole, and the ranks: reference/against_base.json.
    let expected = "\
module                                d_out × d_in     ‖W‖    ‖ΔW‖  ‖ΔW‖/‖W‖  stable rank  k90  k95  k99  effective rank  q  noise floor  intruders
encoder.layer.5.attention.self.query     384 × 384  29.218  10.234    0.3503         1.00    1    1    1            1.73  8       4.6e-7    1 of 10
encoder.layer.5.attention.self.value     384 × 384  24.074   5.447    0.2262         3.03    5    6    7            6.89  8       2.7e-7    3 of 10
whole model                                         37.859  11.594    0.3062                                                                      4
";
    assert_eq!(found, expected);
    let fewer = json_of(&["compare", BASE, LAYER_5, "--intruders", "--top", "3", "--epsilon", "0.05"]);
    let counts: Vec<&Value> =
        fewer["modules"].as_array().unwrap().iter().map(|module| &module["intruders"]["count"]).collect();
    assert_eq!(counts, [0, 0]);
    assert_eq!(fewer["modules"][0]["intruders"]["cosines"].as_array().unwrap().len(), 3);
}

#[test]
fn several_checkpoints_have_rows_of_their_own_and_what_the_base_lacks_is_said() {
    let output =
        lorascope(&["compare", BASE, LAYER_2, LAYER_5, "tests/data/adapters/seed0-r64-layer2", "--csv"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split(',').collect()).collect();
    let checkpoints: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    let [two, five, large] = ["seed0-r8-layer2", "seed0-r8-layer5", "seed0-r64-layer2"];
    assert_eq!(checkpoints, [two, two, five, five, large, large]);
    // What was not asked for is empty, and every row has as many fields as the header.
    let header: Vec<&str> = text.lines().next().unwrap().split(',').collect();
    assert!(rows.iter().all(|row| row.len() == header.len()));
    let intruders = header.iter().position(|name| *name == "intruders").unwrap();
    assert!(rows.iter().all(|row| row[intruders].is_empty()));

    let missing = stderr_of(&["compare", BASE, "tests/data/adapters/seed0-r64-layer0"], 1);
    let expected = "error: tests/data/weights/query-value-f16.safetensors: found no such weight for module \
                    `encoder.layer.0.attention.self.query`, expected the base model of the checkpoint\nhint: the checkpoint is \
                    tests/data/adapters/seed0-r64-layer0\n";
    assert_eq!(missing, expected);
}

#[test]
fn alignment_has_the_shares_and_phi_of_numpy() {
    let text = fs::read_to_string("tests/data/reference/against_base.json").unwrap();
    let expected: Value = serde_json::from_str(&text).unwrap();
    let expected = &expected["modules"]["seed0-r8-layer5 query"];
    let found = json_of(&["compare", BASE, LAYER_5, "--alignment", "--projections", "q"]);
    let alignment = &found["modules"][0]["alignment"];
    assert_eq!(alignment["r"], 8);
    let close = |found: &Value, expected: &Value, what: &str| {
        let (found, expected) = (found.as_f64().unwrap(), expected.as_f64().unwrap());
        assert!((found - expected).abs() < 1e-9, "{what}: {found} for {expected}");
    };
    let shares = alignment["shares"].as_array().unwrap();
    // numpy has k = 8 and 64.
    for (at, k) in [(0, 8), (1, 64)] {
        let share = shares.iter().find(|share| share["k"] == k).unwrap();
        close(&share["right"], &expected["right"][at], "right");
        close(&share["left"], &expected["left"][at], "left");
        close(&share["left_by_chance"], &json!(k as f64 / 384.0), "chance");
    }
    // All of W's directions hold all of the update.
    close(&shares.last().unwrap()["right"], &json!(1.0), "all");
    for (at, side) in ["dw-right", "dw-left"].into_iter().enumerate() {
        let phi = &alignment["phi"][at];
        assert_eq!(phi["side"], side);
        close(&phi["top"], &expected["phi_top"][at], "top");
        close(&phi["bottom"], &expected["phi_bottom"][at], "bottom");
    }
    let seeds = ["0", "0", "1"].map(|seed| {
        let args = ["compare", BASE, LAYER_5, "--alignment", "--projections", "q", "--seed", seed];
        json_of(&args)["modules"][0]["alignment"]["phi"][0]["random"].as_f64().unwrap()
    });
    assert!(seeds[0] == seeds[1] && seeds[0] != seeds[2]);
}

#[test]
fn a_merged_model_shows_the_update_that_was_merged_into_it() {
    let folder = tempfile::tempdir().unwrap();
    let merged = merged(folder.path(), &[LAYER_2, LAYER_5]);
    let merged = merged.to_str().unwrap();

    // Next to its base: the ranks and intruders of the adapter, and not one direction more.
    let found = json_of(&["compare", BASE, merged, "--intruders"]);
    let modules = found["modules"].as_array().unwrap();
    let of = |key: &str| -> Vec<Value> { modules.iter().map(|module| module[key].clone()).collect() };
    assert_eq!(of("n_above_noise"), [8, 8, 8, 8]);
    assert_eq!(of("k99"), [6, 5, 1, 7]);
    let counts: Vec<&Value> = modules.iter().map(|module| &module["intruders"]["count"]).collect();
    assert_eq!(counts, [0, 1, 1, 3]);
    assert_eq!(found["warnings"], json!([]));

    // Next to the adapter: the same spaces, the same update up to rounding.
    let found = json_of(&["compare", "--base", BASE, merged, LAYER_5, "--side", "dw-left"]);
    assert_eq!(found["relation"]["word"], "same update", "{}", found["relation"]);
    for module in found["modules"].as_array().unwrap() {
        let (phi, cosine) = (module["phi_full"].as_f64().unwrap(), module["cosine"].as_f64().unwrap());
        assert!(phi > 0.9999 && cosine > 0.999_99, "{module}");
    }
}

#[test]
fn every_command_with_base_takes_a_full_model() {
    let folder = tempfile::tempdir().unwrap();
    let merged = merged(folder.path(), &[LAYER_2, LAYER_5]);
    let merged = merged.to_str().unwrap();
    let picture = folder.path().join("figure.png");
    let figure =
        ["figure", "--base", BASE, merged, LAYER_5, "--side", "dw-right", "-o", picture.to_str().unwrap()];
    assert!(stdout(&figure).contains("encoder.layer.5.attention.self.value"));
    assert!(picture.exists());

    let check = json_of(&["merge-check", "--base", BASE, merged, LAYER_5]);
    let words: Vec<&Value> =
        check["modules"].as_array().unwrap().iter().map(|module| &module["word"]).collect();
    assert_eq!(words, ["redundant", "redundant"]);

    let shared = json_of(&["shared", "--base", BASE, merged, LAYER_5, "--side", "dw-left", "-k", "8"]);
    for module in shared["modules"].as_array().unwrap() {
        assert!(module["eigenvalues"][7].as_f64().unwrap() > 0.9999, "{module}");
    }

    let inspected = json_of(&["inspect", "--base", BASE, merged]);
    let names = strings(&inspected["checkpoints"][0]["modules"], "name");
    let expected = [2, 5].into_iter().flat_map(|layer| {
        ["query", "value"].map(|projection| format!("encoder.layer.{layer}.attention.self.{projection}"))
    });
    assert_eq!(names, expected.collect::<Vec<_>>());
}

#[test]
fn table_7_is_the_same_in_every_format() {
    let args = ["table7", BASE, LAYER_5, "--ranks", "1,8"];
    let text = stdout(&[&args[..], &["-q"]].concat());
    // numpy's norms with the vectors of ΔW and of W: reference/against_base.json.
    let expected = "\
‖UᵀWV‖_F with the top r singular vectors of:
module                                r       ΔW      W   random   chance    ‖W‖   ‖ΔW‖  amplification
encoder.layer.5.attention.self.query  1   0.3204  4.976  0.04010  0.07609  29.22  10.23          31.94
encoder.layer.5.attention.self.query  8   0.8120  11.08   0.6697   0.6087  29.22  10.23          12.60
encoder.layer.5.attention.self.value  1  0.07789  2.962  0.05538  0.06269  24.07  5.447          69.93
encoder.layer.5.attention.self.value  8   0.4757  7.614   0.5477   0.5015  24.07  5.447          11.45
";
    assert_eq!(text, expected);

    let document = json_of(&args);
    let csv = stdout(&[&args[..], &["--csv", "-q"]].concat());
    let mut lines = csv.lines().skip(1);
    for module in document["modules"].as_array().unwrap() {
        for row in module["rows"].as_array().unwrap() {
            let fields: Vec<&str> = lines.next().unwrap().split(',').collect();
            assert_eq!((fields[0], fields[1]), (module["module"].as_str().unwrap(), &*row["r"].to_string()));
            for (at, key) in [(2, "update"), (3, "own"), (4, "random"), (5, "chance"), (8, "amplification")] {
                // The JSON that is read here is off by the last digit.
                let ratio = fields[at].parse::<f64>().unwrap() / row[key].as_f64().unwrap();
                assert!((ratio - 1.0).abs() < 1e-15, "{key}: {ratio}");
            }
        }
    }
    assert_eq!(lines.next(), None);

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("table7.tex");
    assert_eq!(stdout(&[&args[..], &["-o", file.to_str().unwrap()]].concat()), "");
    let latex = fs::read_to_string(&file).unwrap();
    assert_eq!(latex, stdout(&[&args[..], &["--latex", "-q"]].concat()));
    assert!(latex.contains(r"encoder.layer.5.attention.self.query & 1 & 0.3204 & 4.976 &"), "{latex}");
}

#[test]
fn table_7_takes_the_rank_of_each_update_and_marks_rounding_noise() {
    let rows = |args: &[&str]| -> Vec<(u64, bool)> {
        let found = json_of(args);
        let modules = found["modules"].as_array().unwrap().clone();
        let rows = modules.iter().flat_map(|module| module["rows"].as_array().unwrap().clone());
        rows.map(|row| (row["r"].as_u64().unwrap(), row["is_above_noise"].as_bool().unwrap())).collect()
    };
    assert_eq!(rows(&["table7", BASE, LAYER_5]), [(8, true), (8, true)]);
    assert_eq!(rows(&["table7", BASE, "tests/data/adapters/seed0-r64-layer5"]), [(64, true), (64, true)]);
    let folder = tempfile::tempdir().unwrap();
    let merged = merged(folder.path(), &[LAYER_5]);
    let merged = merged.to_str().unwrap();
    assert_eq!(rows(&["table7", BASE, merged, "--layer", "5", "--rank", "8"]), [(8, true), (8, true)]);
    let more = ["table7", BASE, merged, "--layer", "5", "--projections", "v", "--ranks", "8,9"];
    assert_eq!(rows(&more), [(8, true), (9, false)]);
    let text = stdout(&[&more[..], &["-q"]].concat());
    assert!(text.lines().last().unwrap().ends_with("in the rounding noise"), "{text}");
}

#[test]
fn what_is_not_a_base_model_or_not_next_to_one_is_an_error() {
    let order = stderr_of(&["compare", LAYER_5, BASE], 1);
    assert!(order.contains("it goes first: lorascope compare BASE CHECKPOINT"), "{order}");
    let same = stderr_of(&["compare", BASE, BASE], 1);
    assert!(
        same.contains("found the base model itself, expected a model that was trained from it"),
        "{same}"
    );
    let adapter = stderr_of(&["table7", LAYER_5, LAYER_5], 1);
    assert!(adapter.contains("found an adapter, expected a full model"), "{adapter}");
    for (args, expected) in [
        (
            &["compare", LAYER_2, LAYER_5, LAYER_5][..],
            "compare takes two checkpoints, or a base model and any number",
        ),
        (&["compare", LAYER_5, LAYER_5, "--intruders"], "--intruders and --alignment are for a base model"),
        (&["compare", BASE, LAYER_5, "--angles"], "--grids, --angles and --save are for two checkpoints"),
        (&["compare", LAYER_5], "<CHECKPOINT_B>"),
        (&["compare", BASE, LAYER_5, "--epsilon", "0.5"], "--intruders"),
        (&["table7", BASE, LAYER_5, "--json", "-o", "table7.tex"], "name two formats"),
    ] {
        let text = stderr_of(args, 2);
        assert!(text.contains(expected), "{args:?}: {text}");
    }
}
