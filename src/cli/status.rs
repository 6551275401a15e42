//! `lorascope status`: how far a scan is, by whom, and what is missing.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use clap::Args as ArgGroup;
use indicatif::HumanDuration;

use super::console::Console;
use super::summary_table::numbers;
use super::{write_json, write_stdout};
use crate::scan::{Process, Status};
use crate::text::{counted, printable, some_of};

pub(super) const STATUS_HELP: &str = "\
Reads the plan, the names of the result files, and the log in OUT/work/log, the only place with machines and times. With -v, \
every missing block is named.

Example: lorascope status out";

#[derive(Debug, ArgGroup)]
pub(super) struct StatusArgs {
    /// Output folder of a scan
    #[arg(value_name = "OUT")]
    pub(super) output: PathBuf,
    /// Print the result as JSON
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) fn run(args: &StatusArgs, console: &Console) -> Result<()> {
    let status = Status::read(&args.output)?;
    if args.json {
        return write_json(&status);
    }
    for block in &status.missing {
        console.detail("missing", block);
    }
    write_stdout(|stdout| stdout.write_all(text(&status).as_bytes()))
}

fn text(status: &Status) -> String {
    let counts = status.counts;
    let done = counts.n_rows - counts.n_rows_left;
    let mut text = format!(
        "{}, {}, {}\nblocks: {} of {} done, rows: {done} of {}\n",
        counted(status.n_adapters, "checkpoint"),
        counted(status.n_modules, "module"),
        counted(status.n_pairs as usize, "pair"),
        counts.n_done,
        counts.n_blocks,
        counts.n_rows
    );
    if status.n_forgotten > 0 {
        let (checkpoints, rows) =
            (counted(status.n_forgotten, "checkpoint"), counted(counts.n_rows_left_out as usize, "row"));
        text += &format!("forgotten: {checkpoints}, {rows} left out\n");
    }
    if !status.missing.is_empty() {
        text += &format!("missing: {}\n", some_of(status.missing.iter().cloned()));
    }
    if let Some(shares) = status.shares.as_ref().filter(|shares| !shares.unfinished.is_empty()) {
        let list: Vec<String> = shares.unfinished.iter().map(|k| format!("{k}/{}", shares.n)).collect();
        text += &format!("unfinished shares: {}\n", list.join(", "));
    }
    if !status.processes.is_empty() {
        let mut rows = vec![["host", "process", "share", "blocks", "last result"].map(String::from).to_vec()];
        rows.extend(status.processes.iter().map(row));
        text += "\n";
        text += &numbers(&rows);
    }
    text
}

fn row(process: &Process) -> Vec<String> {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let ago = Duration::from_secs(now_s.saturating_sub(process.last_s));
    let (k, n) = process.shard;
    vec![
        printable(&process.host, 60),
        process.pid.to_string(),
        format!("{k}/{n}"),
        process.n_blocks.to_string(),
        format!("{} ago", HumanDuration(ago)),
    ]
}
