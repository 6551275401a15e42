//! Output folders of scans with planted numbers.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use lorascope::internals::table::{AdapterRow, PairRows, PairTable, write_adapters};
use lorascope::measure::{Values, Wanted};

/// Ranks and dimension of every module, so that the baseline is 8/64.
pub const RANK: i32 = 8;
pub const D: usize = 64;
pub const BASELINE: f64 = 0.125;

/// One row of a pairs' file.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    pub a: i32,
    pub b: i32,
    pub phi: f32,
    pub linear_cka: f32,
    pub shared_init: bool,
    pub other_base: Option<bool>,
}

impl Row {
    pub fn new(a: i32, b: i32, phi: f32) -> Self {
        Self { a, b, phi, linear_cka: phi, shared_init: false, other_base: Some(false) }
    }
}

/// An adapter `runs/RUN/checkpoint-STEP`, or `runs/RUN` without a step.
pub fn adapter(id: i32, run: &str, step: Option<i64>) -> AdapterRow {
    let run = format!("runs/{run}");
    AdapterRow {
        id,
        path: step.map_or(run.clone(), |step| format!("{run}/checkpoint-{step}")),
        run,
        step,
        base_model: Some("base".to_owned()),
        naming_scheme: "PEFT".to_owned(),
        n_modules: 1,
        rank: RANK,
        digest: None,
        problem: None,
    }
}

/// Every pair a < b of n adapters.
pub fn all_pairs(n: i32) -> Vec<(i32, i32)> {
    (0..n).flat_map(|b| (0..b).map(move |a| (a, b))).collect()
}

/// Writes a folder as a scan leaves it, a file for each module.
pub fn write(folder: &Path, adapters: &[AdapterRow], modules: &BTreeMap<String, Vec<Row>>) {
    fs::create_dir_all(folder.join("pairs")).unwrap();
    write_adapters(&folder.join("adapters.parquet"), adapters.iter().cloned().map(Ok)).unwrap();
    for (n, (module, rows)) in modules.iter().enumerate() {
        let wanted =
            Wanted { cells: vec![(1, 1)], max_rank: RANK as usize, grid: n == 0, ..Wanted::default() };
        let mut columns = PairRows::none(module, &wanted);
        columns.a = rows.iter().map(|row| row.a).collect();
        columns.b = rows.iter().map(|row| row.b).collect();
        for (name, _, values) in &mut columns.statistics {
            *values = planted(name, rows);
        }
        let table = PairTable { wanted };
        table.write(&folder.join(format!("pairs/block-{n:04}.parquet")), columns).unwrap();
    }
}

/// A column of these rows.
fn planted(name: &str, rows: &[Row]) -> Values {
    let n_cells = (RANK * RANK) as usize;
    match name {
        "r_a" | "r_b" | "q_a" | "q_b" => Values::Ints(vec![RANK; rows.len()]),
        "d" => Values::Ints(vec![D as i32; rows.len()]),
        "phi_r" => Values::Floats(rows.iter().map(|row| row.phi).collect()),
        "linear_cka" => Values::Floats(rows.iter().map(|row| row.linear_cka).collect()),
        "baseline" => Values::Numbers(vec![BASELINE; rows.len()]),
        "shared_init" => Values::Flags(rows.iter().map(|row| Some(row.shared_init)).collect()),
        "other_base" => Values::Flags(rows.iter().map(|row| row.other_base).collect()),
        "phi" => {
            Values::Lists { lengths: vec![n_cells; rows.len()], values: vec![0.5; rows.len() * n_cells] }
        }
        "phi_1" | "z" | "init_cosine" => Values::Numbers(vec![f64::NAN; rows.len()]),
        other => panic!("no planted values for {other}"),
    }
}
