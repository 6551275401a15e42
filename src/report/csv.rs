//! The findings as CSV files.

use std::io::{self, Write};

use csv::{Writer, WriterBuilder};
use serde::Serialize;

use super::rounding::rounded;
use super::scan::ScanSums;
use super::summary::Findings;
use crate::error::{Error, Result};

/// Writes one table.
pub(crate) type Fill<'a> = Box<dyn Fn(&mut dyn Write) -> Result<()> + 'a>;

/// A row of `pairs.csv`; the adapters' paths are in `adapters.csv`.
#[derive(Serialize)]
struct PairRow {
    a: i64,
    b: i64,
    n_modules: u32,
    mean_phi: f64,
    mean_excess: f64,
    shared_init: bool,
    other_base: bool,
}

const PAIRS: &[&str] = &["a", "b", "n_modules", "mean_phi", "mean_excess", "shared_init", "other_base"];
const ALIKE: &[&str] =
    &["a", "b", "path_a", "path_b", "n_modules", "mean_phi", "mean_excess", "shared_init", "other_base"];
const ADAPTERS: &[&str] =
    &["position", "id", "path", "run", "step", "base_model", "n_pairs", "mean_excess", "robust_z", "outlier"];
const MERGES: &[&str] = &["merge", "first", "second", "mean_excess"];
const DRIFT: &[&str] = &[
    "run",
    "step_before",
    "step",
    "a",
    "b",
    "n_modules",
    "mean_phi",
    "mean_excess",
    "drift",
    "drift_from_first",
];

/// The tables of a report by the names of their files.
pub(crate) fn tables<'a>(scan: &'a ScanSums, findings: &'a Findings) -> Vec<(&'static str, Fill<'a>)> {
    let group =
        |keys: &[&'static str]| [keys, &["n_rows", "mean_phi", "mean_excess", "mean_linear_cka"]].concat();
    vec![
        ("pairs.csv", Box::new(move |to| rows(to, PAIRS, pair_rows(scan)))),
        ("most_alike.csv", Box::new(move |to| rows(to, ALIKE, findings.most_alike.iter()))),
        ("least_alike.csv", Box::new(move |to| rows(to, ALIKE, findings.least_alike.iter()))),
        ("layers.csv", Box::new(move |to| rows(to, &group(&["layer"]), findings.layers.iter()))),
        (
            "projections.csv",
            Box::new(move |to| rows(to, &group(&["projection"]), findings.projections.iter())),
        ),
        (
            "layer_projections.csv",
            Box::new(move |to| rows(to, &group(&["layer", "projection"]), findings.layer_projections.iter())),
        ),
        ("adapters.csv", Box::new(move |to| rows(to, ADAPTERS, findings.adapters.iter()))),
        ("merges.csv", Box::new(move |to| rows(to, MERGES, findings.merges.iter()))),
        ("drift.csv", Box::new(move |to| rows(to, DRIFT, findings.drift.iter()))),
    ]
}

fn pair_rows(scan: &ScanSums) -> impl Iterator<Item = PairRow> + '_ {
    scan.pairs.iter().map(|pair| PairRow {
        a: scan.adapters[pair.a].id,
        b: scan.adapters[pair.b].id,
        n_modules: pair.n_modules,
        mean_phi: rounded(pair.phi),
        mean_excess: rounded(pair.excess),
        shared_init: pair.has_shared_init(),
        other_base: pair.has_other_base(),
    })
}

/// A header, which is there without rows too, and the rows.
fn rows(to: &mut dyn Write, header: &[&str], rows: impl Iterator<Item = impl Serialize>) -> Result<()> {
    let mut writer = WriterBuilder::new().has_headers(false).from_writer(to);
    write(&mut writer, header, rows).map_err(|error| Error::io("write", "table", error))
}

fn write(
    writer: &mut Writer<&mut dyn Write>,
    header: &[&str],
    rows: impl Iterator<Item = impl Serialize>,
) -> io::Result<()> {
    writer.write_record(header)?;
    for row in rows {
        writer.serialize(row)?;
    }
    writer.flush()
}
