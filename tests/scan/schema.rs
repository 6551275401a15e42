//! The schema of the tables, as the README documents it, read by DuckDB and Polars.

use std::process::Command;

use crate::common::checkpoints::Checkpoint;
use crate::common::scans::{Place, ended};

/// Runs the reader of `tests/scan/read.py` over a scan.
fn read(place: &Place, out: &str, angles: usize, has_grids: bool, has_update: bool) {
    let python = std::env::var("LORASCOPE_PYTHON").unwrap_or_else(|_| "python3".into());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scan/read.py");
    let mut command = Command::new(python);
    command.arg(script).arg(out).arg(angles.to_string()).arg(has_grids.to_string());
    command.arg(has_update.to_string());
    let read = ended(&command.current_dir(place.root()).output().unwrap());
    assert_eq!(read.code, Some(0), "{}{}", read.stdout, read.stderr);
    assert!(read.stdout.contains("read by DuckDB and Polars"), "{}", read.stdout);
}

#[test]
fn duckdb_and_polars_read_one_schema_over_all_files() {
    let place = Place::mixed();
    for (out, args, angles, has_grids, has_update) in [
        ("powers", "", 0, false, false),
        ("angles", "--angles", 8, false, false),
        ("grid", "--keep grid", 0, true, false),
        ("update", "--update", 0, false, true),
        ("base", "--same-base", 0, false, false),
    ] {
        place.done(&format!("runs -o planned-{out} {args}"));
        place.replan(&format!("planned-{out}"), out, 2);
        place.done(&format!("runs -o {out} {args}"));
        read(&place, out, angles, has_grids, has_update);
    }
}

#[test]
fn files_of_later_generations_and_blocks_without_rows_have_the_same_schema() {
    let place = Place::new();
    for seed in 1..4 {
        Checkpoint::new(seed).r(8).write(&place.path(&format!("runs/{seed}")));
    }
    place.done("runs -o out");
    Checkpoint { untrained: vec!["q_proj", "v_proj"], ..Checkpoint::new(5) }.write(&place.path("runs/5"));
    Checkpoint::new(6).r(2).write(&place.path("runs/6"));
    place.done("runs -o out");
    read(&place, "out", 0, false, false);
    place.run("runs -o none --side b --pairs against runs/5");
    assert!(place.table("none").is_empty());
    read(&place, "none", 0, false, false);
}
