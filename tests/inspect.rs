//! `lorascope inspect`: headers, spectra, and runs that cannot be read.

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
tests/data/adapters/seed0-r8-layer5: PEFT names in safetensors, 2 modules, rank 8, F32
base model: sentence-transformers/all-MiniLM-L6-v2

module                                r  d_in  d_out  dtype  alpha  scaling
encoder.layer.5.attention.self.query  8  384   384    F32    16     2
encoder.layer.5.attention.self.value  8  384   384    F32    16     2
";
    assert_eq!(text(&output.stdout), expected);
}

#[test]
fn a_bare_file_has_no_base_model_and_no_scaling() {
    let document = json(&["tests/data/adapters/bare/seed0-r8-bf16.safetensors"]);
    let run = &document["runs"][0];
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
        document["runs"][run]["modules"][0][format!("spectrum_{factor}")][key].as_f64().unwrap()
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
fn a_bad_run_is_reported_and_the_others_are_shown() {
    let output = inspect(&["nothing/here", TRAINED, "tests/data/adapters/peft-unilora"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stdout).contains("seed0-r8-layer5: PEFT names"));
    let errors = text(&output.stderr);
    assert!(errors.contains("error: nothing/here: found nothing there"), "{errors}");
    assert!(
        errors.contains("error: tests/data/adapters/peft-unilora/adapter_config.json: peft_type"),
        "{errors}"
    );
}
