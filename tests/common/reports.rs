//! Reports of scans with planted numbers.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use lorascope::internals::table::AdapterRow;
use serde_json::Value;

use super::tables::{BASELINE, Row, adapter, all_pairs, write};

pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

pub fn report(scan: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lorascope"));
    command.arg("report").arg(scan).args(args).output().unwrap()
}

pub fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The report's JSON.
pub fn findings(scan: &Path, args: &[&str]) -> Value {
    let output = report(scan, &[&["--json", "-q"], args].concat());
    assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The error's lines.
pub fn failure(scan: &Path, args: &[&str]) -> Vec<String> {
    let output = report(scan, args);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""));
    text(&output.stderr).lines().map(str::to_owned).collect()
}

pub fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

pub fn assert_near(found: &Value, expected: f64) {
    assert!((number(found) - expected).abs() < 1e-6, "{found} is not {expected}");
}

/// Numbers in [0, 1) that look random and are the same everywhere.
pub fn phi(module: usize, a: i32, b: i32) -> f32 {
    let mixed = (module as u64 * 7919 + a as u64 * 104_729 + b as u64 * 1_299_709)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 40) as f32 / (1u64 << 24) as f32
}

pub fn modules(layers: usize, projections: &[&str]) -> Vec<String> {
    let name = |layer: usize, projection: &&str| format!("model.layers.{layer}.self_attn.{projection}");
    (0..layers).flat_map(|layer| projections.iter().map(move |projection| name(layer, projection))).collect()
}

/// The same rows for every module.
pub fn everywhere(
    modules: &[String],
    row: impl Fn(usize, i32, i32) -> Row,
    n: i32,
) -> BTreeMap<String, Vec<Row>> {
    let rows = |m: usize| all_pairs(n).into_iter().map(|(a, b)| row(m, a, b)).collect();
    modules.iter().enumerate().map(|(m, module)| (module.clone(), rows(m))).collect()
}

pub fn seeds(n: i32) -> Vec<AdapterRow> {
    (0..n).map(|id| adapter(id, &format!("seed{id}"), None)).collect()
}

/// Four groups dealt out in turn, and a last adapter that is like none.
pub fn planted(folder: &Path, n: i32) {
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

/// Two runs of four checkpoints in an order that is not numeric by name, the second of which a sort by letters would put
/// first, and a checkpoint without a step.
pub fn runs(folder: &Path) {
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
    let modules = ["layers.0.q_proj", "layers.1.k_proj"].map(str::to_owned);
    write(folder, &adapters, &everywhere(&modules, row, 9));
}
