//! Output folders of scans with planted numbers.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use lorascope::Side;
use lorascope::engine::Precision;
use lorascope::internals::plan::{
    Fingerprint, Layout, Plan, PlannedAdapter, PlannedModule, SCHEMA, ScanOptions,
};
use lorascope::internals::table::{AdapterRow, PairRows, PairTable, write_adapters};
use lorascope::measure::{Values, Wanted};
use lorascope::scan::{Keep, PairChoice};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, FloatType, Int32Type};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

/// Ranks and dimension of every module, so that the baseline is 8/64.
pub const RANK: i32 = 8;
pub const D: usize = 64;
pub const BASELINE: f64 = 0.125;

/// One row of a pairs' file.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    pub a: i32,
    pub b: i32,
    /// φ at full ranks, of which `adjusted` follows.
    pub phi: f32,
    /// φ(1, 1).
    pub phi_1: f32,
    pub linear_cka: f32,
    pub shared_init: bool,
    pub other_base: Option<bool>,
}

impl Row {
    pub fn new(a: i32, b: i32, phi: f32) -> Self {
        Self { a, b, phi, phi_1: f32::NAN, linear_cka: phi, shared_init: false, other_base: Some(false) }
    }
}

/// φ corrected for the chance of every module.
pub fn adjusted(phi: f64) -> f64 {
    (phi - BASELINE) / (1.0 - BASELINE)
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
        n_left_out: 0,
        problem: None,
        unread: None,
    }
}

/// Every pair a < b of n adapters.
pub fn all_pairs(n: i32) -> Vec<(i32, i32)> {
    (0..n).flat_map(|b| (0..b).map(move |a| (a, b))).collect()
}

/// Writes a folder as a scan leaves it, a file for each module.
pub fn write(folder: &Path, adapters: &[AdapterRow], modules: &BTreeMap<String, Vec<Row>>) {
    write_tables(folder, adapters, modules, true);
}

/// The same, with a column of grids in the first file if that is asked for.
fn write_tables(
    folder: &Path,
    adapters: &[AdapterRow],
    modules: &BTreeMap<String, Vec<Row>>,
    with_grid: bool,
) {
    fs::create_dir_all(folder.join("pairs")).unwrap();
    write_adapters(&folder.join("adapters.parquet"), adapters.iter().cloned().map(Ok)).unwrap();
    for (n, (module, rows)) in modules.iter().enumerate() {
        let wanted = Wanted {
            cells: vec![(1, 1)],
            max_rank: RANK as usize,
            grid: with_grid && n == 0,
            ..Wanted::default()
        };
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

/// Writes the same folder with the plan that it belongs to: all pairs on a side, of which blocks may be missing.
pub fn write_planned(
    folder: &Path,
    adapters: &[AdapterRow],
    modules: &BTreeMap<String, Vec<Row>>,
    side: Side,
) {
    write_tables(folder, adapters, modules, false);
    let names: Vec<&String> = modules.keys().collect();
    for n in 0..names.len() {
        let block = folder.join(format!("pairs/m{n:04}-r000000-c000000.parquet"));
        fs::rename(folder.join(format!("pairs/block-{n:04}.parquet")), block).unwrap();
    }
    let module = |name: &&String| PlannedModule { name: (*name).clone(), is_numbered: false, d: D };
    let adapter = |adapter: &AdapterRow| PlannedAdapter {
        path: adapter.path.clone().into(),
        layout: 0,
        base_model: None,
        step: None,
        naming_scheme: "PEFT".to_owned(),
        fingerprint: Fingerprint::of(b""),
        n_bytes: 1,
        n_turned: 0,
        n_above_size: 0,
        unread: None,
    };
    let options = ScanOptions {
        side,
        pairs: PairChoice::All,
        same_base: false,
        modules: vec![],
        layers: None,
        projections: vec![],
        keep: Keep::Cells(vec![(1, 1)]),
        angles: false,
        update: false,
        precision: Precision::F32,
        base: None,
    };
    let plan = Plan {
        schema: SCHEMA,
        id: String::new(),
        version: "test".to_owned(),
        options,
        engine: None,
        block: 512,
        max_rank: RANK as usize,
        modules: names.iter().map(module).collect(),
        layouts: vec![Layout {
            modules: (0..names.len() as u32).map(|n| (n, RANK as u32)).collect(),
            widths: vec![],
        }],
        base_models: vec![],
        adapters: adapters.iter().map(adapter).collect(),
        generations: vec![adapters.len() as u32],
        forgotten: vec![],
    };
    fs::write(folder.join("plan.json"), serde_json::to_vec(&plan).unwrap()).unwrap();
}

/// A file of pairs that a scan with the update's cosine leaves: (a, b, cosine, ‖ΔW_a‖, ‖ΔW_b‖) of a module.
pub fn write_cosines(folder: &Path, file: &str, module: &str, rows: &[(i32, i32, f32, f32, f32)]) {
    let schema = "message schema { required int32 a; required int32 b; required binary module (UTF8); \
                  required boolean shared_init; optional boolean other_base; optional float cosine; \
                  required float adjusted; required float phi_full; required float linear_cka; \
                  required float norm_a; required float norm_b; }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    fs::create_dir_all(folder.join("pairs")).unwrap();
    let file = fs::File::create(folder.join("pairs").join(file)).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let n = rows.len();
    let numbers = |of: fn(&(i32, i32, f32, f32, f32)) -> f32| rows.iter().map(of).collect::<Vec<f32>>();
    for column in 0.. {
        let Some(mut to) = group.next_column().unwrap() else { break };
        let levels = vec![1i16; n];
        match column {
            0 => to.typed::<Int32Type>().write_batch(
                &rows.iter().map(|row| row.0).collect::<Vec<_>>(),
                None,
                None,
            ),
            1 => to.typed::<Int32Type>().write_batch(
                &rows.iter().map(|row| row.1).collect::<Vec<_>>(),
                None,
                None,
            ),
            2 => to.typed::<ByteArrayType>().write_batch(&vec![ByteArray::from(module); n], None, None),
            3 => to.typed::<BoolType>().write_batch(&vec![false; n], None, None),
            4 => to.typed::<BoolType>().write_batch(&vec![false; n], Some(&levels), None),
            5 => to.typed::<FloatType>().write_batch(&numbers(|row| row.2), Some(&levels), None),
            9 => to.typed::<FloatType>().write_batch(&numbers(|row| row.3), None, None),
            10 => to.typed::<FloatType>().write_batch(&numbers(|row| row.4), None, None),
            _ => to.typed::<FloatType>().write_batch(&vec![0.5; n], None, None),
        }
        .unwrap();
        to.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
}

/// A column of these rows.
fn planted(name: &str, rows: &[Row]) -> Values {
    let n_cells = (RANK * RANK) as usize;
    match name {
        "r_a" | "r_b" | "q_a" | "q_b" => Values::Ints(vec![RANK; rows.len()]),
        "d" => Values::Ints(vec![D as i32; rows.len()]),
        "phi_r" | "phi_full" => Values::Floats(rows.iter().map(|row| row.phi).collect()),
        "adjusted" => Values::Numbers(rows.iter().map(|row| adjusted(row.phi.into())).collect()),
        "linear_cka" => Values::Floats(rows.iter().map(|row| row.linear_cka).collect()),
        "baseline" | "baseline_full" => Values::Numbers(vec![BASELINE; rows.len()]),
        "shared_init" => Values::Flags(rows.iter().map(|row| Some(row.shared_init)).collect()),
        "other_base" => Values::Flags(rows.iter().map(|row| row.other_base).collect()),
        "phi" => {
            Values::Lists { lengths: vec![n_cells; rows.len()], values: vec![0.5; rows.len() * n_cells] }
        }
        "phi_1" => Values::Floats(rows.iter().map(|row| row.phi_1).collect()),
        "z" | "z_full" | "init_cosine" => Values::Numbers(vec![f64::NAN; rows.len()]),
        other => panic!("no planted values for {other}"),
    }
}
