//! `lorascope report`: a scan in tables and pictures.

use std::fs;
use std::path::Path;

use anyhow::Result;
use rayon::prelude::*;

use super::args::ReportArgs;
use super::output::Output;
use super::report::Report;
use super::sink::Sink;
use super::write_stdout;
use crate::engine::CpuEngine;
use crate::error::{Error, Result as CrateResult};
use crate::report::{Options, Scan, findings, pictures, tables, text};

pub(super) fn run(args: &ReportArgs, report: &Report) -> Result<()> {
    let scan = Scan::read(&args.scan, &Options { adapters: args.adapter.clone() })?;
    let findings = findings(&scan, args.top.into());
    let dir = args.output.clone().unwrap_or_else(|| args.scan.join("report"));
    fs::create_dir_all(&dir).map_err(|error| Error::io("make the folder", &dir, error))?;

    let open = |name: &str| Sink::open(&Output::File(dir.join(name)));
    let pictures = pictures(&scan, &findings, args.palette, args.dpi)?;
    let engine = CpuEngine::new();
    pictures.par_iter().try_for_each(|(name, picture)| -> CrateResult<()> {
        open(name)?.fill(|writer| picture.write_png(&engine, writer))
    })?;
    let tables = tables(&scan, &findings);
    for (name, fill) in &tables {
        open(name)?.fill(|writer| fill(writer))?;
    }
    let json = serde_json::to_string_pretty(&findings).map_err(std::io::Error::from)? + "\n";
    open("report.json")?.fill_text(&json)?;

    let names: Vec<&str> = pictures.iter().map(|(name, _)| *name).chain(["report.json"]).collect();
    report.note("wrote", format!("{} and {} tables in {}", names.join(", "), tables.len(), shown(&dir)));
    let printed = if args.json { json } else { text(&findings) };
    write_stdout(|stdout| stdout.write_all(printed.as_bytes()))
}

fn shown(dir: &Path) -> String {
    dir.display().to_string()
}
