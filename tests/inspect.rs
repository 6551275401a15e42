//! `lorascope inspect`: headers, spectra, and runs that cannot be read.

mod common;

use std::process::{Command, Output};

use serde_json::Value;

const TRAINED: &str = "tests/data/adapters/seed0-r8-layer5";
const UNTRAINED: &str = "tests/data/adapters/trajectory/checkpoint-0";

fn inspect(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lorascope"));
    command.arg("inspect").args(args).current_dir(env!("CARGO_MANIFEST_DIR"));
    command.output().unwrap()
}

fn json(args: &[&str]) -> Value {
    serde_json::from_slice(&inspect(&[args, &["--json"]].concat()).stdout).unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_run_is_described_from_its_headers() {
    let output = inspect(&[TRAINED]);
    assert!(output.status.success());
    let expected = "\
tests/data/adapters/seed0-r8-layer5: PEFT names in safetensors, 2 modules, rank 8, F32, 49.7 kB
base model: sentence-transformers/all-MiniLM-L6-v2
trainer: PEFT 0.21.2

module                                r  d_in  d_out  dtype  alpha  scaling  in the file
encoder.layer.5.attention.self.query  8   384    384    F32     16        2  base_model.model.encoder.layer.5.attention.self.query
encoder.layer.5.attention.self.value  8   384    384    F32     16        2  base_model.model.encoder.layer.5.attention.self.value
";
    assert_eq!(text(&output.stdout), expected);
}

#[test]
fn a_bare_file_has_no_base_model_and_no_scaling() {
    let document = json(&["tests/data/adapters/bare/seed0-r8-bf16.safetensors"]);
    let run = &document["checkpoints"][0];
    assert_eq!(run["base_model"], Value::Null);
    let module = &run["modules"][0];
    assert_eq!(
        (&module["dtype_a"], &module["alpha"], &module["scaling"]),
        (&"BF16".into(), &Value::Null, &Value::Null)
    );
    assert_eq!(module.get("spectrum_a"), None);
}

#[test]
fn spectra_tell_a_trained_factor_from_an_untrained_one() {
    let document = json(&["--spectra", TRAINED, UNTRAINED]);
    let spectrum = |run: usize, factor: &str, key: &str| {
        document["checkpoints"][run]["modules"][0][format!("spectrum_{factor}")][key].as_f64().unwrap()
    };
    assert_eq!((spectrum(0, "a", "numerical_rank"), spectrum(0, "b", "numerical_rank")), (8.0, 8.0));
    assert!(spectrum(0, "b", "effective_rank") < spectrum(0, "a", "effective_rank"));
    assert!((1.0..=8.0).contains(&spectrum(0, "b", "effective_rank")));
    assert!(spectrum(0, "a", "sigma_first") > spectrum(0, "a", "sigma_last"));
    // All directions of a random start weigh alike; a B of zeros has none.
    assert!(spectrum(1, "a", "effective_rank") > 60.0);
    assert_eq!((spectrum(1, "b", "numerical_rank"), spectrum(1, "b", "effective_rank")), (0.0, 0.0));
}

#[test]
fn spectra_say_how_many_directions_hold_an_update_and_which_modules_are_dead() {
    // numpy says 1, 1, 1 and 5, 6, 7 directions, and stable ranks of 1.0021 and 3.0259: reference/against_base.json.
    let document = json(&["--spectra", TRAINED]);
    let update = |module: usize, key: &str| {
        document["checkpoints"][0]["modules"][module]["spectrum_update"][key].as_f64().unwrap()
    };
    assert_eq!(["k90", "k95", "k99"].map(|key| update(0, key)), [1.0, 1.0, 1.0]);
    assert_eq!(["k90", "k95", "k99"].map(|key| update(1, key)), [5.0, 6.0, 7.0]);
    let reference: Value =
        serde_json::from_str(&std::fs::read_to_string("tests/data/reference/against_base.json").unwrap())
            .unwrap();
    for (module, name) in ["query", "value"].into_iter().enumerate() {
        let expected =
            reference["modules"][format!("seed0-r8-layer5 {name}")]["stable_rank"].as_f64().unwrap();
        assert!((update(module, "stable_rank") / expected - 1.0).abs() < 1e-6);
    }
    let trained = inspect(&["--spectra", TRAINED]);
    let line = "99 % of the energy of ΔW: in 1 of 8 directions (median of 2 modules, 1 to 7)\n";
    assert!(text(&trained.stdout).contains(line), "{}", text(&trained.stdout));
    assert!(!text(&trained.stdout).contains("dead"));
    let untrained = inspect(&["--spectra", UNTRAINED]);
    assert!(
        text(&untrained.stdout).contains("dead, as ΔW is zero or not above rounding: "),
        "{}",
        text(&untrained.stdout)
    );
    assert!(!text(&untrained.stdout).contains("99 % of"));
    let rows = inspect(&["--csv", "--spectra", TRAINED, UNTRAINED]);
    let mut reader = csv::Reader::from_reader(&rows.stdout[..]);
    let columns = reader.headers().unwrap().clone();
    let place = columns.iter().position(|column| column == "update_k99").unwrap();
    let k99: Vec<String> = reader.records().map(|record| record.unwrap()[place].to_owned()).collect();
    assert_eq!(k99, ["1", "7", "0"]);
}

#[test]
fn a_bad_run_is_reported_and_the_others_are_shown() {
    let output = inspect(&["nothing/here", TRAINED, "tests/data/adapters/peft-unilora"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stdout).contains("seed0-r8-layer5: PEFT names"));
    let errors = text(&output.stderr);
    assert!(errors.contains("error: nothing/here: no such file or directory"), "{errors}");
    assert!(
        errors.contains("error: tests/data/adapters/peft-unilora/adapter_config.json: peft_type"),
        "{errors}"
    );
}

#[test]
fn a_folder_has_a_row_for_each_run_whatever_wrote_it() {
    let output = inspect(&[
        "tests/data/libraries/mlx",
        "tests/data/libraries/kohya-sd",
        "tests/data/libraries/peft-dora",
    ]);
    assert_eq!(output.status.code(), Some(0));
    let table = text(&output.stdout);
    let row = |run: &str| {
        let line =
            table.lines().find(|line| line.contains(run)).unwrap_or_else(|| panic!("no {run} in {table}"));
        line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
    };
    // The date of a file is when it was checked out; that of a training is recorded.
    assert!(row("libraries/mlx").starts_with("MLX MLX tiny 3 – 4 F32 "), "{table}");
    let kohya = row("kohya-sd.safetensors");
    assert!(kohya.starts_with("kohya sd-scripts (lycoris.kohya) tiny 2 1–1.5 "), "{table}");
    assert!(kohya.ends_with(" kB 2023-11-14"), "{table}");
    assert!(row("peft-dora").starts_with("PEFT DoRA PEFT 0."), "{table}");
}

#[test]
fn every_adapter_of_a_file_has_its_own_row() {
    let file = "tests/data/libraries/peft-several/two.safetensors";
    let document = json(&[file]);
    let names: Vec<&str> = document["checkpoints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["adapter_name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["face", "style"]);
    assert!(text(&inspect(&[file]).stdout).contains("two.safetensors (style)  PEFT"));
    let one = text(&inspect(&[file, "--adapter-name", "style"]).stdout).to_owned();
    assert!(one.contains("layers.0.self_attn.q_proj  3 "), "{one}");
}

#[test]
fn other_files_are_counted_and_bad_ones_come_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let copy = |from: &str, to: &str| std::fs::copy(from, folder.path().join(to)).unwrap();
    copy("tests/data/libraries/by-hand/megatron.safetensors", "run.safetensors");
    copy("tests/data/libraries/refused/oft/adapter_model.safetensors", "oft.safetensors");
    std::fs::write(folder.path().join("notes.txt"), "rank 8 was too small").unwrap();
    std::fs::write(folder.path().join("model.safetensors"), "version https://git-lfs.github.com/spec/v1\n")
        .unwrap();
    let path = folder.path().to_str().unwrap();
    let output = inspect(&[path, "-v"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stdout).contains("run.safetensors: Megatron names in safetensors, 3 modules"));
    let errors = text(&output.stderr);
    for part in ["ignored: 1 file of other kinds", "notes.txt: ", "OFT, whose", "a Git LFS pointer"] {
        assert!(errors.contains(part), "no {part} in {errors}");
    }
    assert!(!text(&inspect(&[path]).stderr).contains("notes.txt"));
    let document = json(&[path]);
    let count = |key: &str| document[key].as_array().unwrap().len();
    assert_eq!((count("checkpoints"), count("bad"), count("ignored")), (1, 2, 1));
}

#[test]
fn csv_has_a_line_a_run_or_a_line_a_module() {
    let runs = inspect(&["--csv", TRAINED, UNTRAINED]);
    let lines: Vec<&str> = text(&runs.stdout).lines().collect();
    assert!(
        lines[0].starts_with(
            "path,adapter_name,naming_scheme,method,file_format,trainer,base_model,r_min,r_max,"
        )
    );
    assert!(
        lines[1].starts_with("tests/data/adapters/seed0-r8-layer5,,PEFT,LoRA,safetensors,PEFT 0.21.2,"),
        "{lines:?}"
    );
    let modules = inspect(&["--csv", "--spectra", TRAINED, UNTRAINED]);
    let mut reader = csv::Reader::from_reader(&modules.stdout[..]);
    let columns = reader.headers().unwrap().clone();
    let column = |name: &str| columns.iter().position(|column| column == name).unwrap();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 3);
    assert_eq!((&rows[0][column("update_rank")], &rows[2][column("update_rank")]), ("8", "0"));
    assert_eq!(&rows[0][column("module")], "encoder.layer.5.attention.self.query");
}

#[test]
fn the_norms_of_an_update_are_those_of_the_dense_product() {
    let run = &json(&["--spectra", "tests/data/libraries/peft-plain"])["checkpoints"][0];
    for (row, update) in run["modules"].as_array().unwrap().iter().zip(common::update::expected("peft-plain"))
    {
        assert_eq!(row["name"], update.0);
        let sigma = update.1.singular_values().unwrap();
        let value = |key: &str| row[key].as_f64().unwrap();
        assert!((value("update_norm_f") / update.1.norm_l2() - 1.0).abs() < 1e-6);
        assert!((value("update_norm_2") / sigma[0] - 1.0).abs() < 1e-6);
        assert_eq!(row["spectrum_update"]["numerical_rank"], 4);
    }
}

#[test]
fn an_update_that_an_alpha_of_0_turns_off_has_rank_0_and_no_norm() {
    let folder = tempfile::tempdir().unwrap();
    let model = "adapter_model.safetensors";
    std::fs::copy(format!("{TRAINED}/{model}"), folder.path().join(model)).unwrap();
    let config = r#"{"peft_type": "LORA", "r": 8, "lora_alpha": 0}"#;
    std::fs::write(folder.path().join("adapter_config.json"), config).unwrap();
    let document = json(&["--spectra", folder.path().to_str().unwrap()]);
    let module = &document["checkpoints"][0]["modules"][0];
    assert_eq!(module["scaling"], 0.0);
    for norm in ["update_norm_f", "update_norm_2"] {
        assert_eq!(module[norm].to_string(), "0.0");
    }
    let update = &module["spectrum_update"];
    assert_eq!((&update["numerical_rank"], &update["effective_rank"]), (&0.into(), &0.0.into()));
    assert_eq!(module["spectrum_b"]["numerical_rank"], 8);
}
