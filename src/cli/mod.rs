//! The command line: the only part of the crate that prints.

mod args;
mod bytes;
mod cache;
mod compare;
mod dates;
mod demo;
mod devices;
mod figure;
mod inspect;
mod job;
mod matches;
mod meta;
mod npz;
mod output;
mod picture;
mod progress;
mod report;
mod scan;
mod scan_report;
mod sink;
mod status;
mod summary_table;
mod warnings;

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::{CommandFactory, Parser};

use self::args::{Args, Command};
use self::report::Report;
use crate::error::Error;

/// Runs the command line of this process and returns its exit code.
pub fn main() -> ExitCode {
    let args = Args::parse();
    let report = Report::new(&args.common, matches!(&args.command, Command::Scan(scan) if scan.logs_json()));
    match run(args, &report) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Skipped) => ExitCode::from(3),
        Ok(Outcome::Stopped(code)) => ExitCode::from(code),
        // Whoever reads our output has seen enough.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            report.error(&error);
            ExitCode::FAILURE
        }
    }
}

/// How a command that did not fail ended.
enum Outcome {
    Done,
    /// Some inputs were bad and skipped.
    Skipped,
    /// A signal stopped it between two parts of its work: the exit code.
    Stopped(u8),
}

fn run(args: Args, report: &Report) -> anyhow::Result<Outcome> {
    if let Some(threads) = args.common.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads.into())
            .build_global()
            .with_context(|| format!("cannot start {threads} threads"))?;
    }
    match args.command {
        Command::Inspect(args) => return inspect::run(&args, report),
        Command::Scan(args) => return scan::run(&args, report),
        Command::Status(args) => status::run(&args, report),
        Command::Demo(args) => demo::run(&args, report),
        Command::Figure(args) => figure::run(&args, report),
        Command::Compare(args) => compare::run(&args, report),
        Command::Report(args) => scan_report::run(&args, report),
        Command::Cache(args) => cache::run(&args),
        Command::Devices(args) => devices::run(&args),
        Command::Completions { shell } => {
            let mut script = vec![];
            clap_complete::generate(shell, &mut Args::command(), "lorascope", &mut script);
            write_stdout(|stdout| stdout.write_all(&script))
        }
    }?;
    Ok(Outcome::Done)
}

/// Prints a result.
fn write_stdout(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<()> {
    let mut stdout = BufWriter::new(io::stdout().lock());
    write(&mut stdout).and_then(|()| stdout.flush()).context("cannot write to stdout")
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io = match cause.downcast_ref::<Error>() {
            Some(Error::Io { cause, .. }) => Some(cause),
            _ => cause.downcast_ref::<io::Error>(),
        };
        io.is_some_and(|io| io.kind() == io::ErrorKind::BrokenPipe)
    })
}
