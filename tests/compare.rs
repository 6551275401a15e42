//! `lorascope compare`: its table, its JSON, what it saves, and what it warns of.

mod common;

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Output};

use common::files::container;
use serde_json::{Value, json};

const SEED_0: &str = "tests/data/adapters/seed0-r64-layer5";
const SEED_1: &str = "tests/data/adapters/seed1-r64-layer5";
const STEP_0: &str = "tests/data/adapters/trajectory/checkpoint-0";
const STEP_50: &str = "tests/data/adapters/trajectory/checkpoint-50";

fn compare(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lorascope"));
    command.arg("compare").args(args).current_dir(env!("CARGO_MANIFEST_DIR"));
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn json_of(args: &[&str]) -> Value {
    let output = compare(&[args, &["--json", "-q"]].concat());
    assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn codes(document: &Value) -> Vec<&str> {
    document["warnings"].as_array().unwrap().iter().map(|warning| warning["code"].as_str().unwrap()).collect()
}

#[test]
fn the_table_has_a_row_a_module_and_a_column_a_power_of_two() {
    let output = compare(&[SEED_0, SEED_1, "-q"]);
    // The reference grids of these checkpoints say 0.4423, 0.2357, 0.2573 and 0.1910 for query.
    // numpy says 0.029 and 0.118 for adjusted, 0.4635 and 0.5891 for the cosines, and the norms.
    let expected = "\
module                                r_a  r_b    d  φ(1, 1)  φ(2, 2)  φ(4, 4)  φ(8, 8)  φ(16, 16)  φ(32, 32)  φ(64, 64)  φ(r, r)  baseline     z    φ(k90_a, k90_b)  φ(q_a, q_b)  adjusted  linear CKA      cos ΔW (z)       ‖ΔW‖ a, b  init cosine
encoder.layer.5.attention.self.query   64   64  384    0.442    0.236    0.333    0.257      0.172      0.147      0.191    0.191     0.167   7.9  0.163 at (46, 45)        0.191     0.029       0.411  +0.464 (178.3)  14.537, 13.909       -0.017
encoder.layer.5.attention.self.value   64   64  384    0.524    0.336    0.452    0.425      0.390      0.306      0.265    0.265     0.167  31.9  0.269 at (44, 44)        0.265     0.118       0.493  +0.589 (226.2)    8.848, 8.793        0.024
whole model                                                                                                                                                                                              +0.499 (247.6)  17.018, 16.455
relation: alike: the updates point the same way by more than chance
";
    assert_eq!(text(&output.stdout), expected);
}

/// A file of square modules of these ranks, d = 6, whose A is the first rows of the identity and whose B is zero.
fn write_run(path: &Path, modules: &[(&str, usize)]) {
    let d = 6;
    let (mut header, mut data) = (serde_json::Map::new(), vec![]);
    for &(name, r) in modules {
        let a = (0..r * d).map(|at| f32::from(u8::from(at / d == at % d)));
        for (factor, shape, numbers) in [("A", [r, d], a.collect()), ("B", [d, r], vec![0.0; d * r])] {
            let start = data.len();
            data.extend(numbers.iter().flat_map(|x: &f32| x.to_le_bytes()));
            header.insert(
                format!("base_model.model.{name}.lora_{factor}.weight"),
                json!({"dtype": "F32", "shape": shape, "data_offsets": [start, data.len()]}),
            );
        }
    }
    let mut bytes = container(Value::Object(header).to_string(), 0);
    bytes.extend(data);
    fs::write(path, bytes).unwrap();
}

#[test]
fn digits_stand_under_digits_and_a_cell_that_one_module_lacks_is_a_dash() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let [x, y] = ["x", "y"].map(|name| folder.path().join(format!("{name}.safetensors")));
    write_run(&x, &[("first", 1), ("second.longer", 5)]);
    write_run(&y, &[("first", 1), ("second.longer", 3)]);
    let output = compare(&[x.to_str().unwrap(), y.to_str().unwrap(), "-q"]);
    // Spans of the same axes: φ = 1. The first pair is equal, so it shares its start and has no z; the other two A have
    // different shapes and no cosine: z = (1 − 3/6)/√(2·3·3·3·3/(36·5·8·9)) = 4.472. Linear CKA: 3/√(5·3) = 0.775.
    let expected = "\
module         r_a  r_b  d  φ(1, 1)  φ(2, 2)  φ(r, r)  baseline    z  φ(k90_a, k90_b)  φ(q_a, q_b)  adjusted  linear CKA  cos ΔW (z)     ‖ΔW‖ a, b  init cosine
first            1    1  6    1.000        –    1.000     0.167    –  1.000 at (1, 1)        1.000     1.000       1.000           –  0.000, 0.000        1.000
second.longer    5    3  6    1.000    1.000    1.000     0.500  4.5  1.000 at (5, 3)        1.000     1.000       0.775           –  0.000, 0.000            –
whole model                                                                                                                        –  0.000, 0.000
relation: unknown: an update is zero, or was not read
";
    assert_eq!(text(&output.stdout), expected, "{}", text(&output.stderr));
}

#[test]
fn angles_stand_in_the_table_and_in_the_summary_of_a_figure_from_the_smallest_to_the_largest() {
    let runs = [SEED_0, "tests/data/adapters/seed1-r8-layer5"];
    let document = json_of(&[&runs[..], &["--angles"]].concat());
    let table = compare(&[&runs[..], &["--angles", "-q"]].concat());
    let table: Vec<&str> = text(&table.stdout).lines().collect();
    assert!(table[0].ends_with("  angles, degrees  geodesic  chordal  angle_max"), "{}", table[0]);
    let mut shown = vec![];
    for (module, row) in document["modules"].as_array().unwrap().iter().zip(&table[1..]) {
        let angles: Vec<f64> =
            module["angles"].as_array().unwrap().iter().map(|angle| angle.as_f64().unwrap()).collect();
        assert!(
            angles.len() == 8 && angles.is_sorted() && angles[0] > 0.0 && angles[7] <= 90.0,
            "{angles:?}"
        );
        // φ at full rank is the mean of cos² over the first 8 directions of each; these are of all 64 of one.
        let mean = angles.iter().map(|angle| angle.to_radians().cos().powi(2)).sum::<f64>() / 8.0;
        assert!(mean > module["phi_r"].as_f64().unwrap(), "{mean}");
        shown.push(format!("{:.1} to {:.1}", angles[0], angles[7]));
        // Of the definition, from the angles: ‖θ‖₂ in radians, √Σ sin²θ, the last one.
        let radians = angles.iter().map(|angle| angle.to_radians());
        let geodesic = radians.clone().map(|angle| angle * angle).sum::<f64>().sqrt();
        let chordal = radians.map(|angle| angle.sin().powi(2)).sum::<f64>().sqrt();
        for (key, expected) in [("geodesic", geodesic), ("chordal", chordal), ("angle_max", angles[7])] {
            let found = module[key].as_f64().unwrap();
            assert!((found - expected).abs() < 1e-5, "{key} {found}, not {expected}");
        }
        let phi_full = module["phi_full"].as_f64().unwrap();
        assert!((chordal - (8.0 * (1.0 - phi_full)).sqrt()).abs() < 1e-4, "{chordal} of {phi_full}");
        let end =
            format!("{}     {geodesic:.3}    {chordal:.3}     {:.3}", shown[shown.len() - 1], angles[7]);
        assert!(row.ends_with(&end), "{row}, not {end}");
    }

    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let figure = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lorascope"));
        let png = folder.path().join("x.png");
        command.arg("figure").args(runs).args(["-q", "-o", png.to_str().unwrap()]).args(more);
        text(&command.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap().stdout).to_owned()
    };
    let (without, with) = (figure(&[]), figure(&["--angles"]));
    assert!(!without.contains("angles"), "{without}");
    let row = with.lines().find(|line| line.starts_with("angles, degrees")).unwrap();
    assert!(shown.iter().all(|angles| row.contains(angles)), "{row}");
}

#[test]
fn grids_never_share_an_output_with_the_other_result() {
    let refused = |args: &[&str], complaint: &str| {
        let output = compare(&[&[SEED_0, SEED_1], args].concat());
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{args:?}");
        assert!(text(&output.stderr).contains(complaint), "{}", text(&output.stderr));
    };
    refused(&["--save", "-"], "grids cannot go to stdout, which has the other result");
    refused(&["-o", "grids.npz"], "--save");
    refused(&["-o", "grids.parquet"], "a comparison cannot be written as .parquet; use .txt, .csv or .json");
    refused(&["-o", "x.csv", "--json"], "--json or --csv, and the suffix of -o, name two formats");
    refused(&["-o", "x.json", "--csv"], "--json or --csv, and the suffix of -o, name two formats");
    refused(&["-o", "x.txt", "--csv"], "--json or --csv, and the suffix of -o, name two formats");
    refused(&["--json", "--csv"], "cannot be used with");
    refused(&["--grids"], "--grids is for JSON: add --json, or name a .json file with -o");
    refused(&["--grids", "-o", "x.csv"], "--grids is for JSON");
}

#[test]
fn the_suffix_of_the_output_names_its_format() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let runs = [SEED_0, SEED_1, "-q"];
    let of_file = |name: &str, more: &[&str]| {
        let file = folder.path().join(name);
        let output = compare(&[&runs[..], more, &["-o", file.to_str().unwrap()]].concat());
        assert!(output.status.success() && output.stdout.is_empty(), "{}", text(&output.stderr));
        fs::read_to_string(file).unwrap()
    };
    let of_stdout = |more: &[&str]| text(&compare(&[&runs[..], more].concat()).stdout).to_owned();
    assert_eq!(of_file("x.csv", &[]), of_stdout(&["--csv"]));
    assert_eq!(of_file("x.CSV", &["--csv"]), of_stdout(&["--csv"]));
    assert_eq!(of_file("x.json", &["--grids"]), of_stdout(&["--json", "--grids"]));
    assert_eq!(of_file("x.txt", &[]), of_stdout(&[]));
    assert_eq!(of_file("without", &["--csv"]), of_stdout(&["--csv"]));
}

#[test]
fn csv_has_the_numbers_of_json_and_their_mean_in_the_last_row() {
    // Ranks 1 and 3 of 6 dimensions, and a module without a cosine.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let [x, y] = ["x", "y"].map(|name| folder.path().join(format!("{name}.safetensors")));
    write_run(&x, &[("first", 1), ("second", 5)]);
    write_run(&y, &[("first", 1), ("second", 3)]);
    let runs = [x.to_str().unwrap(), y.to_str().unwrap(), "--angles"];
    let output = compare(&[&runs[..], &["--csv", "-q"]].concat());
    let rows: Vec<Vec<&str>> =
        text(&output.stdout).lines().map(|line| line.split(',').collect::<Vec<_>>()).collect();
    let [header, first, second, mean] = &rows[..] else { panic!("{rows:?}") };
    assert!(rows.iter().all(|row| row.len() == header.len()), "{rows:?}");
    assert_eq!([first[0], second[0], mean[0]], ["first", "second", "mean"]);
    assert_eq!(
        header[..9],
        ["module", "r_a", "r_b", "q_a", "q_b", "d", "phi_1", "phi_2", "phi_r"],
        "{header:?}"
    );
    let document = json_of(&runs);
    for (at, &column) in header.iter().enumerate() {
        let values = [first[at], second[at]];
        for (module, value) in document["modules"].as_array().unwrap().iter().zip(values) {
            if let Some(expected) = module.get(column) {
                let expected = match expected {
                    Value::Null => String::new(),
                    Value::String(text) => text.clone(),
                    Value::Bool(flag) => flag.to_string(),
                    number => number.as_f64().unwrap().to_string(),
                };
                assert_eq!(value, expected, "{column}");
            }
        }
        let numbers: Vec<f64> = values.iter().filter_map(|value| value.parse().ok()).collect();
        let expected = match numbers.len() {
            0 => {
                if at == 0 {
                    "mean".to_owned()
                } else {
                    String::new()
                }
            }
            n => (numbers.iter().sum::<f64>() / n as f64).to_string(),
        };
        assert_eq!(mean[at], expected, "{column}");
    }
    let cell =
        |row: &[&str], column: &str| row[header.iter().position(|name| *name == column).unwrap()].to_owned();
    // What one module lacks is empty, and the mean is that of the others.
    assert_eq!(["phi_2", "angle_3", "init_cosine"].map(|name| cell(first, name)), ["", "", "1"]);
    assert_eq!(["phi_2", "angle_3", "init_cosine"].map(|name| cell(second, name)), ["1", "0", ""]);
    assert_eq!(["phi_2", "angle_3", "init_cosine"].map(|name| cell(mean, name)), ["1", "0", "1"]);
    assert_eq!(["r_a", "r_b", "shared_init", "name_a"].map(|name| cell(mean, name)), ["3", "2", "", ""]);
}

#[test]
fn nine_tenths_of_the_energy_and_phi_there_follow_from_the_singular_values_and_the_grid() {
    let document = json_of(&[SEED_0, "tests/data/adapters/seed1-r8-layer5", "--grids"]);
    let table = compare(&[SEED_0, "tests/data/adapters/seed1-r8-layer5", "-q"]);
    let lines: Vec<&str> = text(&table.stdout).lines().collect();
    assert!(lines[0].contains("  φ(k90_a, k90_b)  "), "{}", lines[0]);
    for (module, line) in document["modules"].as_array().unwrap().iter().zip(&lines[1..]) {
        let k90 = |key: &str| {
            let energies: Vec<f64> =
                module[key].as_array().unwrap().iter().map(|sigma| sigma.as_f64().unwrap().powi(2)).collect();
            let whole: f64 = energies.iter().sum();
            (1..).find(|&k| energies[..k].iter().sum::<f64>() / whole >= 0.9).unwrap()
        };
        let (a, b) = (k90("sigma_a"), k90("sigma_b"));
        assert!(a > 8 && a < 64 && b < 8, "{a} {b}: the checkpoints do not test it");
        assert_eq!((&module["k90_a"], &module["k90_b"]), (&a.into(), &b.into()));
        assert_eq!(module["phi_k90"], module["phi"][a - 1][b - 1]);
        assert!((module["baseline_k90"].as_f64().unwrap() - a.max(b) as f64 / 384.0).abs() < 1e-12);
        let shown = format!("  {:.3} at ({a}, {b})  ", module["phi_k90"].as_f64().unwrap());
        assert!(line.contains(&shown), "{line}, not {shown}");
    }
}

#[test]
fn json_has_the_stated_keys_and_the_grid_on_demand() {
    let document = json_of(&[SEED_0, "tests/data/adapters/seed1-r8-layer5"]);
    assert_eq!(document["schema"], 1);
    let module = &document["modules"][1];
    assert_eq!(module["name"], "encoder.layer.5.attention.self.value");
    assert_eq!(module["name_b"], "base_model.model.encoder.layer.5.attention.self.value.lora_A.weight");
    assert_eq!((&module["r_a"], &module["r_b"], &module["d"]), (&64.into(), &8.into(), &384.into()));
    let sigma = |key: &str| module[key].as_array().unwrap().len();
    assert_eq!((sigma("sigma_a"), sigma("sigma_b")), (64, 8));
    assert_eq!(module.get("phi"), None);
    let made_by = &document["made_by"];
    assert_eq!((&made_by["side"], &made_by["engine"]), (&"a".into(), &"cpu".into()));
    assert_eq!(
        made_by["file_a"]["sha256"],
        "deff0eac3b08e8b5b37dc74fbdc31c7ae1e7484b6dc444ef8b8bb73f52590ef3"
    );

    let document = json_of(&[SEED_0, "tests/data/adapters/seed1-r8-layer5", "--grids"]);
    let grid = document["modules"][1]["phi"].as_array().unwrap();
    assert_eq!((grid.len(), grid[63].as_array().unwrap().len()), (64, 8));
    let diagonal = document["modules"][1]["diagonal"].as_array().unwrap();
    assert_eq!(grid[7][7], diagonal.last().unwrap()["phi"]);
}

#[test]
fn every_side_names_the_tensors_it_comes_from() {
    for (side, tensors, d) in [("a", "lora_A", 896), ("b", "lora_B", 128), ("dw-right", "lora_A,lora_B", 896)]
    {
        let runs =
            ["tests/data/adapters/day21-r8/checkpoint-23", "tests/data/adapters/day21-r8/checkpoint-69"];
        let document = json_of(&[&runs[..], &["--module", "*20*v_proj", "--side", side]].concat());
        let module = &document["modules"][0];
        let name = module["name_a"].as_str().unwrap();
        let kinds: Vec<&str> = name.split(',').map(|name| name.rsplit('.').nth(1).unwrap()).collect();
        assert_eq!((kinds.join(","), module["d"].as_u64().unwrap()), (tensors.to_owned(), d), "{side}");
    }
}

#[test]
fn modules_of_one_file_alone_are_counted_and_with_v_listed() {
    let runs = ["tests/data/adapters/seed0-r64-layer5", STEP_50];
    let normal = compare(&runs);
    assert!(text(&normal.stderr).contains("note: 1 module only in tests/data/adapters/seed0-r64-layer5"));
    assert!(!text(&normal.stderr).contains("self.value"));
    let verbose = compare(&[&runs[..], &["-v"]].concat());
    let only = "only: tests/data/adapters/seed0-r64-layer5: encoder.layer.5.attention.self.value";
    assert!(text(&verbose.stderr).contains(only), "{}", text(&verbose.stderr));
}

#[test]
fn checkpoints_of_one_start_are_marked_and_two_seeds_are_not() {
    let same = json_of(&[STEP_0, STEP_50]);
    assert_eq!(codes(&same), ["shared-init"]);
    assert_eq!(same["warnings"][0]["modules"][0], "encoder.layer.5.attention.self.query");
    assert!(same["modules"][0]["init_cosine"].as_f64().unwrap() > 0.5);
    assert_eq!(same["modules"][0]["diagonal"][0]["z"], Value::Null);
    let words = compare(&[STEP_0, STEP_50]);
    assert!(text(&words.stderr).contains("warning: 1 of 1 module shares the random start of A"));
    assert!(text(&words.stderr).contains("--side b"));

    let seeds = json_of(&[SEED_0, SEED_1]);
    assert!(codes(&seeds).is_empty());
    assert!(seeds["modules"][0]["init_cosine"].as_f64().unwrap().abs() < 0.1);
    assert!(seeds["modules"][0]["diagonal"][0]["z"].is_number());
}

#[test]
fn a_figure_of_one_start_is_marked_too() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let png = folder.path().join("x.png");
    let output = Command::new(env!("CARGO_BIN_EXE_lorascope"))
        .args(["figure", STEP_0, STEP_50, "--json", "-o", png.to_str().unwrap()])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(text(&output.stderr).contains("shares the random start of A"), "{}", text(&output.stderr));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(codes(&document), ["shared-init"]);
    let panel = &document["panels"][0];
    assert_eq!((&panel["phi_1_1"]["z"], &panel["depth"]), (&Value::Null, &Value::Null));
    assert!(document["panels"][1]["phi_1_1"]["z"].is_number(), "the control is independent");
}

#[test]
fn an_untrained_b_is_an_error_on_every_side_that_needs_it() {
    for side in ["b", "dw-right", "dw-left"] {
        let output = compare(&[STEP_0, STEP_50, "--side", side]);
        assert_eq!(output.status.code(), Some(1));
        let tensor = "tensor `base_model.model.encoder.layer.5.attention.self.query.lora_B.weight`: found nothing but zeros";
        assert!(text(&output.stderr).contains(tensor), "{side}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains("hint: "), "{side}: {}", text(&output.stderr));
    }
}

#[test]
fn two_base_models_are_named() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let other = folder.path().join("other");
    fs::create_dir(&other).unwrap();
    let run = format!("{}/{SEED_1}", env!("CARGO_MANIFEST_DIR"));
    fs::copy(format!("{run}/adapter_model.safetensors"), other.join("adapter_model.safetensors")).unwrap();
    fs::write(
        other.join("adapter_config.json"),
        r#"{"peft_type": "LORA", "base_model_name_or_path": "bert"}"#,
    )
    .unwrap();
    let document = json_of(&[SEED_0, other.to_str().unwrap()]);
    // Without a config that has it, alpha is not known.
    assert_eq!(codes(&document), ["base-models-differ", "alpha-missing"]);
    let message = document["warnings"][0]["message"].as_str().unwrap();
    assert!(message.contains("`sentence-transformers/all-MiniLM-L6-v2`, `bert`"), "{message}");
}

#[test]
fn what_is_saved_is_a_zip_of_arrays_with_the_stated_names_and_shapes() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let npz = folder.path().join("grids.npz");
    let output =
        compare(&[SEED_0, "tests/data/adapters/seed1-r8-layer5", "-q", "--save", npz.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let mut zip = zip::ZipArchive::new(fs::File::open(&npz).unwrap()).unwrap();
    let name = "encoder.layer.5.attention.self.value";
    let mut array = |key: &str| {
        let mut bytes = vec![];
        zip.by_name(&format!("{key}.npy")).unwrap().read_to_end(&mut bytes).unwrap();
        let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        (text(&bytes[10..start]).trim_end().to_owned(), bytes[start..].to_vec())
    };
    let (header, numbers) = array(&format!("phi/{name}"));
    assert_eq!(header, "{'descr': '<f4', 'fortran_order': False, 'shape': (64, 8), }");
    assert_eq!(numbers.len(), 4 * 64 * 8);
    let (header, _) = array(&format!("sigma_b/{name}"));
    assert_eq!(header, "{'descr': '<f8', 'fortran_order': False, 'shape': (8,), }");
    let (header, meta) = array("meta");
    assert!(header.contains("'<U") && header.contains("'shape': (), "), "{header}");
    let meta: String = meta
        .chunks_exact(4)
        .map(|c| char::from_u32(u32::from_le_bytes(c.try_into().unwrap())).unwrap())
        .collect();
    assert_eq!(serde_json::from_str::<Value>(&meta).unwrap()["side"], "a");
}

/// Needs numpy: `LORASCOPE_PYTHON` names an interpreter that has it, as tests/run.sh sees to.
#[test]
fn numpy_opens_what_figure_saves() {
    let Some(python) = std::env::var_os("LORASCOPE_PYTHON") else {
        println!("skipped: LORASCOPE_PYTHON names no interpreter with numpy");
        return;
    };
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (png, npz) = (folder.path().join("x.png"), folder.path().join("grids.npz"));
    let status = Command::new(env!("CARGO_BIN_EXE_lorascope"))
        .args(["figure", SEED_0, SEED_1, "-q", "-o", png.to_str().unwrap(), "--save", npz.to_str().unwrap()])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let script = "\
import json, sys, numpy
z = numpy.load(sys.argv[1])
phi = z['phi/encoder.layer.5.attention.self.value']
assert phi.shape == (64, 64) and phi.dtype == numpy.float32
reference = numpy.load('tests/data/reference/phi_seed0-r64_seed1-r64_layer5_value_A.npy')
assert abs(phi - reference).max() <= 1e-5
assert (numpy.diff(z['sigma_a/encoder.layer.5.attention.self.value']) <= 0).all()
assert z['phi/control'].shape == (64, 64)
meta = json.loads(str(z['meta']))
assert meta['seed'] == 0 and len(meta['file_a']['sha256']) == 64
";
    let output = Command::new(python)
        .args(["-c", script, npz.to_str().unwrap()])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn a_dash_and_a_file_get_the_same_table() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let file = folder.path().join("table.txt");
    let dash = compare(&[SEED_0, SEED_1, "-q", "-o", "-"]);
    let to_file = compare(&[SEED_0, SEED_1, "-q", "-o", file.to_str().unwrap()]);
    assert!(to_file.status.success() && to_file.stdout.is_empty());
    assert_eq!(fs::read(file).unwrap(), dash.stdout);
    assert!(!dash.stdout.is_empty());
}

#[test]
fn folders_of_other_libraries_are_compared_as_they_are_inspected() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["pytorch_lora_weights.safetensors", "adapters.safetensors", "some/lora.safetensors"];
    for (name, seed) in names.iter().flat_map(|name| [(name, "seed0-r8-layer5"), (name, "seed1-r8-layer5")]) {
        let file = folder.path().join(&name[..4]).join(seed).join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::copy(format!("tests/data/adapters/{seed}/adapter_model.safetensors"), file).unwrap();
    }
    let whole = json_of(&["tests/data/adapters/seed0-r8-layer5", "tests/data/adapters/seed1-r8-layer5"]);
    for name in names {
        let [a, b] = ["seed0-r8-layer5", "seed1-r8-layer5"]
            .map(|seed| folder.path().join(&name[..4]).join(seed).to_str().unwrap().to_owned());
        let found = json_of(&[&a, &b]);
        let of = |document: &Value| document["modules"][0]["phi_r"].clone();
        assert!(of(&found).is_number() && of(&found) == of(&whole), "{name}: {found}");
    }
}
