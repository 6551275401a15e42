//! Checkpoints with their base model: `compare BASE CHECKPOINT`, `table7`, and `--base` in the commands that take it.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use common::files::container;
use half::f16;
use lorascope::range_finder::HowMany;
use lorascope::{Adapter, BaseModel, OpenOptions};
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
    // As many as there are, not as many as are kept.
    assert_eq!(rows(&["table7", BASE, merged, "--layer", "5"]), [(8, true), (8, true)]);
    assert_eq!(rows(&["table7", BASE, merged, "--layer", "5", "--rank", "3"]), [(3, true), (3, true)]);
    let more = ["table7", BASE, merged, "--layer", "5", "--projections", "v", "--ranks", "8,9"];
    assert_eq!(rows(&more), [(8, true), (9, false)]);
    let text = stdout(&[&more[..], &["-q"]].concat());
    assert!(text.lines().last().unwrap().ends_with("in the rounding noise"), "{text}");
}

/// The base with a number that is not one in each of these tensors, by their places in the file.
fn broken(folder: &Path, weights: &[&str]) -> String {
    let mut bytes = fs::read(BASE).unwrap();
    let n_header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + n_header]).unwrap();
    for weight in weights {
        let place = header[format!("{weight}.weight")]["data_offsets"][0].as_u64().unwrap() as usize;
        bytes[8 + n_header + place..][..2].copy_from_slice(&f16::NAN.to_le_bytes());
    }
    let path = folder.join(format!("broken-{}.safetensors", weights.len()));
    fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_weight_with_a_number_that_is_not_one_is_left_out_and_the_others_are_measured() {
    let folder = tempfile::tempdir().unwrap();
    let [query, value] =
        ["query", "value"].map(|projection| format!("encoder.layer.5.attention.self.{projection}"));
    let base = broken(folder.path(), &[&query]);
    let picture = folder.path().join("x.svg");
    let picture = picture.to_str().unwrap();
    for args in [
        &["compare", &base, LAYER_5][..],
        &["compare", &base, LAYER_5, "--side", "w-left"],
        &["table7", &base, LAYER_5],
    ] {
        let found = json_of(args);
        assert_eq!(found["modules"].as_array().unwrap().len(), 1, "{args:?}");
        assert_eq!(found["modules"][0]["module"], value.as_str());
        let left_out = &found["left_out"][0];
        assert_eq!(
            (&left_out["module"], &left_out["checkpoint"], &left_out["reason"]),
            (&query.as_str().into(), &base.as_str().into(), &"a tensor with NaN".into())
        );
        assert!(left_out["message"].as_str().unwrap().contains("found NaN at [0, 0]"), "{left_out}");
        let warning = found["warnings"][0]["message"].as_str().unwrap();
        assert!(warning.contains("1 of 2 modules left out: a tensor with NaN in "), "{warning}");
    }
    for kind in ["base", "intruders"] {
        let output = lorascope(&["figure", "--kind", kind, &base, LAYER_5, "-o", picture]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && said.contains(&format!("left out: module `{query}`: ")), "{said}");
        assert!(String::from_utf8(output.stdout).unwrap().contains(&value));
    }
    // Where none is left, it is an error with the tensor.
    let all = broken(folder.path(), &[&query, &value]);
    for args in [&["compare", &all, LAYER_5][..], &["table7", &all, LAYER_5]] {
        let message = stderr_of(args, 1);
        assert!(message.contains(&format!("tensor `{query}.weight`: found NaN at [0, 0]")), "{message}");
    }
    // A full model's change is called by its name.
    let merged = merged(folder.path(), &[LAYER_2, LAYER_5]);
    let args = ["compare", "--base", &base, merged.to_str().unwrap(), LAYER_5, "--side", "dw-left"];
    let message = stderr_of(&args, 0);
    assert!(message.contains("1 of 2 modules left out: ΔW has NaN in "), "{message}");
}

#[test]
fn a_model_of_another_shape_is_told_from_one_of_other_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.safetensors");
    let write = |name: &str| {
        let header = json!({name: {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]}});
        let mut file = container(header.to_string(), 0);
        file.extend([0; 12]);
        fs::write(&path, file).unwrap();
    };
    let name = "encoder.layer.5.attention.self.query";
    write(&format!("{name}.weight"));
    let message = stderr_of(&["compare", BASE, path.to_str().unwrap()], 1);
    let found = format!(
        "found no weight of the base model's shape: `{name}` is 2 × 3, for 384 × 384, expected a model that"
    );
    assert!(message.contains(&found) && message.contains(BASE), "{message}");
    write("blocks.7.weight");
    let message = stderr_of(&["compare", BASE, path.to_str().unwrap()], 1);
    assert!(message.contains("found no weight of the base model, expected a model that"), "{message}");
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

/// A safetensors file of F32 matrices, row by row.
fn write_matrices(path: &Path, matrices: &[(&str, [usize; 2], &[f64])]) {
    let (mut header, mut data) = (serde_json::Map::new(), vec![]);
    for (name, shape, values) in matrices {
        let start = data.len();
        data.extend(values.iter().flat_map(|&value| (value as f32).to_le_bytes()));
        let facts = json!({"dtype": "F32", "shape": shape, "data_offsets": [start, data.len()]});
        header.insert((*name).to_owned(), facts);
    }
    let mut file = container(Value::Object(header).to_string(), 0);
    file.extend(data);
    fs::write(path, file).unwrap();
}

/// Numbers without a pattern that f32 holds, between -1 and 1.
fn numbers(n: usize, seed: usize) -> Vec<f64> {
    (0..n)
        .map(|at| (((at + 1) * (seed * 7919 + 104_729) % 2003) as f64 / 1001.0 - 1.0) as f32)
        .map(f64::from)
        .collect()
}

fn product(b: &[f64], a: &[f64], rank: usize) -> Vec<f64> {
    let d_in = a.len() / rank;
    let entry = |i: usize, j: usize| (0..rank).map(|k| b[i * rank + k] * a[k * d_in + j]).sum::<f64>();
    (0..b.len() / rank).flat_map(|i| (0..d_in).map(move |j| (i, j))).map(|(i, j)| entry(i, j)).collect()
}

const D_OUT: usize = 9;
const D_IN: usize = 7;
const RANK: usize = 2;

/// A base, a DoRA adapter of it whose magnitudes are 1.5 times the norms of W, and both merged as DoRA applies it: rows of the tuned
/// weight scaled to the magnitudes, or columns.
struct DoraCase {
    folder: tempfile::TempDir,
    scales: Vec<f64>,
    a: Vec<f64>,
    b: Vec<f64>,
}

impl DoraCase {
    fn new(of_columns: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (w, a, b) = (numbers(D_OUT * D_IN, 1), numbers(RANK * D_IN, 2), numbers(D_OUT * RANK, 3));
        let scaling = 2.0;
        let update = product(&b, &a, RANK);
        let tuned: Vec<f64> = w.iter().zip(&update).map(|(w, change)| w + scaling * change).collect();
        let n = if of_columns { D_IN } else { D_OUT };
        let line = |at: usize| if of_columns { at % D_IN } else { at / D_IN };
        let norms = |values: &[f64]| -> Vec<f64> {
            let mut squares = vec![0.0; n];
            values.iter().enumerate().for_each(|(at, value)| squares[line(at)] += value * value);
            squares.into_iter().map(f64::sqrt).collect()
        };
        let magnitudes: Vec<f64> = norms(&w).iter().map(|norm| f64::from((1.5 * norm) as f32)).collect();
        let scales: Vec<f64> = magnitudes.iter().zip(norms(&tuned)).map(|(m, norm)| m / norm).collect();
        let merged: Vec<f64> = tuned.iter().enumerate().map(|(at, value)| value * scales[line(at)]).collect();
        let path = |name: &str| folder.path().join(name);
        write_matrices(&path("base.safetensors"), &[("layers.0.self_attn.q_proj.weight", [D_OUT, D_IN], &w)]);
        write_matrices(
            &path("merged.safetensors"),
            &[("layers.0.self_attn.q_proj.weight", [D_OUT, D_IN], &merged)],
        );
        let alpha = [RANK as f64 * scaling];
        if of_columns {
            let kohya = "lora_unet_layers_0_self_attn_q_proj";
            write_matrices(
                &path("dora.safetensors"),
                &[
                    (&format!("{kohya}.lora_down.weight"), [RANK, D_IN], &a),
                    (&format!("{kohya}.lora_up.weight"), [D_OUT, RANK], &b),
                    (&format!("{kohya}.alpha"), [1, 1], &alpha),
                    (&format!("{kohya}.dora_scale"), [1, n], &magnitudes),
                ],
            );
        } else {
            let peft = "base_model.model.layers.0.self_attn.q_proj";
            fs::create_dir(path("dora")).unwrap();
            write_matrices(
                &path("dora/adapter_model.safetensors"),
                &[
                    (&format!("{peft}.lora_A.weight"), [RANK, D_IN], &a),
                    (&format!("{peft}.lora_B.weight"), [D_OUT, RANK], &b),
                    (&format!("{peft}.lora_magnitude_vector"), [n, 1], &magnitudes),
                ],
            );
            let config = json!({"peft_type": "LORA", "r": RANK, "lora_alpha": alpha[0], "use_dora": true});
            fs::write(path("dora/adapter_config.json"), config.to_string()).unwrap();
        }
        Self { folder, scales, a, b }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }
}

#[test]
fn with_its_base_dora_has_the_rows_of_b_as_they_are_applied() {
    let case = DoraCase::new(false);
    let (base, dora) = (case.path("base.safetensors"), case.path("dora"));
    let options = OpenOptions::new()
        .base(Arc::new(BaseModel::open(&base).unwrap()), HowMany::AboveNoise { at_most: 64 });
    let adapter = options.open(&dora).unwrap();
    assert_eq!((adapter.n_magnitudes(), adapter.n_rescaled()), (1, 1));
    let module = &adapter.modules()[0];
    assert_eq!(module.a.read().unwrap().values, case.a);
    let expected = case.b.iter().enumerate().map(|(at, b)| b * case.scales[at / RANK]);
    for (found, expected) in module.b.read().unwrap().values.into_iter().zip(expected) {
        assert!((found - expected).abs() < 1e-7, "{found} for {expected}");
    }
    // Without it, B is as stored, and that is said.
    let plain = Adapter::open(&dora).unwrap();
    assert_eq!((plain.n_rescaled(), &plain.modules()[0].b.read().unwrap().values), (0, &case.b));
    assert!(
        stderr_of(&["compare", &dora, &dora, "--engine", "cpu"], 0)
            .contains("is DoRA: 1 magnitude vector left out")
    );
    assert!(!stderr_of(&["compare", "--base", &base, &dora, &dora, "--engine", "cpu"], 0).contains("DoRA"));
}

#[test]
fn columns_of_a_are_rescaled_where_lycoris_keeps_their_norms() {
    let case = DoraCase::new(true);
    let base = BaseModel::open(case.path("base.safetensors")).unwrap();
    let options = OpenOptions::new().base(Arc::new(base), HowMany::AboveNoise { at_most: 64 });
    let adapter = options.open(case.path("dora.safetensors")).unwrap();
    assert_eq!(adapter.n_rescaled(), 1, "{:?}", adapter.unread_parts());
    let module = &adapter.modules()[0];
    assert_eq!(module.b.read().unwrap().values, case.b);
    let expected = case.a.iter().enumerate().map(|(at, a)| a * case.scales[at % D_IN]);
    for (found, expected) in module.a.read().unwrap().values.into_iter().zip(expected) {
        assert!((found - expected).abs() < 1e-7, "{found} for {expected}");
    }
}

#[test]
fn next_to_its_base_dora_tunes_the_weight_that_merging_gives() {
    for (of_columns, name) in [(false, "dora"), (true, "dora.safetensors")] {
        let case = DoraCase::new(of_columns);
        let base = case.path("base.safetensors");
        let of = |checkpoint: &str| json_of(&["compare", &base, checkpoint, "--intruders", "--top", "5"]);
        let (dora, merged) = (of(&case.path(name)), of(&case.path("merged.safetensors")));
        let cosines = |found: &Value| -> Vec<f64> {
            let found = found["modules"][0]["intruders"]["cosines"].as_array().unwrap().clone();
            found.iter().map(|cosine| cosine.as_f64().unwrap()).collect()
        };
        assert_eq!(cosines(&dora).len(), 5);
        for (found, expected) in cosines(&dora).into_iter().zip(cosines(&merged)) {
            assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
        }
        let change = dora["modules"][0]["magnitude_change"].as_f64().unwrap();
        assert!((change - 0.5).abs() < 1e-7, "{change}");
        assert_eq!(merged["modules"][0]["magnitude_change"], Value::Null);
        let text = stdout(&["compare", &base, &case.path(name), "-q"]);
        assert!(text.lines().next().unwrap().ends_with("magnitudes") && text.contains("0.5000"), "{text}");
    }
}

#[test]
fn a_scan_with_base_compares_full_models_and_adapters_and_what_follows_it_knows_the_base() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = folder.path().join("runs");
    fs::create_dir(&inputs).unwrap();
    merged(&inputs, &[LAYER_2, LAYER_5]);
    let base_copy = folder.path().join("base.safetensors");
    fs::copy(BASE, &base_copy).unwrap();
    let (out, cache) = (folder.path().join("out"), folder.path().join("cache"));
    let [out, cache, inputs, base] =
        [&out, &cache, &inputs, &base_copy].map(|path| path.to_str().unwrap().to_owned());
    let scan = [
        "scan", &inputs, LAYER_5, "-o", &out, "--base", &base, "--side", "dw-left", "--update", "--cache",
        &cache,
    ];
    let scan = [&scan[..], &["--engine", "cpu"]].concat();
    let said = stderr_of(&scan, 0);
    assert!(said.contains("2 checkpoints"), "{said}");
    let tables = common::scans::files(&Path::new(&out).join("pairs"));
    let rows: Vec<_> = tables.iter().flat_map(|table| common::scans::rows(table)).collect();
    assert_eq!(rows.len(), 2);
    for row in &rows {
        let found = ["phi_full", "cosine"].map(|column| row.number(column));
        assert!(found.iter().all(|number| number.unwrap() > 0.9999), "{found:?}");
    }

    // A second run has nothing to do; one without the base is another scan.
    assert!(stderr_of(&scan, 0).contains("all done already"));
    let without: Vec<&str> = scan.iter().copied().filter(|word| *word != "--base" && *word != base).collect();
    assert_ne!(lorascope(&without).status.code(), Some(0));

    // The tables' merged model is found by its adapter, and drawn.
    let nearest = json_of(&["search", LAYER_5, "--in", &out, "--cache", &cache]);
    let first = &nearest["queries"][0]["nearest"];
    assert!(first.to_string().contains("merged.safetensors"), "{nearest}");
    let picture = folder.path().join("pair.png");
    let drawn = [
        "figure",
        &out,
        "--pair",
        "merged.safetensors",
        LAYER_5,
        "-o",
        picture.to_str().unwrap(),
        "--cache",
        &cache,
    ];
    stdout(&drawn);

    // The base is part of what was scanned.
    let mut bytes = fs::read(&base_copy).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&base_copy, bytes).unwrap();
    let changed = stderr_of(&drawn, 1);
    assert!(changed.contains("found other bytes than when the scan began"), "{changed}");
}
