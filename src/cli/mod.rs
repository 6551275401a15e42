//! The command line: the only part of the crate that prints.

mod adapters;
mod animate;
mod arrangement;
mod atlas;
mod axis_args;
mod base;
mod cache;
mod compare;
mod console;
mod dates;
mod demo;
mod destination;
mod devices;
mod diagonal;
mod drawing;
mod drawing_values;
pub mod embedded;
mod figure;
mod grammar;
mod host;
mod hub_names;
mod inspect;
mod job;
mod kind;
mod left_out;
mod limits;
mod listing;
mod matches;
mod merge_check;
mod meta;
mod npz;
mod options;
mod output;
mod picture;
mod places;
mod preview;
mod progress;
mod recipe;
mod recipe_args;
mod remedies;
mod report;
mod same_file;
mod scan;
mod search;
mod shared;
mod side;
mod sink;
mod status;
mod steps;
mod summary_table;
mod target;
mod tuned;
mod usage;
mod warnings;

use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::error::ErrorKind;
use clap::{ArgMatches, CommandFactory, FromArgMatches};
use serde::Serialize;

use self::console::Console;
use self::grammar::{Args, Command};
use self::host::Stdout;
use self::tuned::table7;
use self::usage::Usage;
use crate::error::Error;

/// Runs the command line of this process and returns its exit code.
pub fn main() -> ExitCode {
    ExitCode::from(main_of(std::env::args_os().collect()))
}

/// Runs a command line, whose first word is the program's name, and returns its exit code.
pub fn main_of(words: Vec<OsString>) -> u8 {
    let matches = match Args::command().try_get_matches_from(&words) {
        Ok(matches) => matches,
        Err(said) => return print_said(&said),
    };
    let (args, recipe) = match parsed(matches, &words) {
        Ok(parsed) => parsed,
        Err(error) => {
            Console::plain().error(&error);
            return FAILURE;
        }
    };
    crate::files::raise_limit();
    let console =
        Console::new(&args.common, matches!(&args.command, Command::Scan(scan) if scan.logs_json()));
    match run(args, recipe.as_deref(), &console) {
        Ok(Outcome::Done) => SUCCESS,
        Ok(Outcome::Skipped) => 3,
        Ok(Outcome::Stopped(code)) => code,
        // Whoever reads our output has seen enough.
        Err(error) if is_closed_pipe(&error) => SUCCESS,
        Err(error) => match error.downcast_ref::<Usage>() {
            Some(usage) => {
                // Nowhere is left to report that stderr is closed.
                let _ = Args::command().error(ErrorKind::ArgumentConflict, usage).print();
                2
            }
            None => {
                console.error(&error);
                FAILURE
            }
        },
    }
}

/// Prints what the command line asked for or has wrong, and returns the exit code.
fn print_said(said: &clap::Error) -> u8 {
    match said.print() {
        // Help is a result, and a result that could not be written is an error.
        Err(error) if !said.use_stderr() && error.kind() != io::ErrorKind::BrokenPipe => {
            // Nowhere is left to report that stderr is closed.
            let _ = writeln!(io::stderr(), "error: cannot write to stdout: {error}");
            FAILURE
        }
        _ => u8::try_from(said.exit_code()).unwrap_or(2),
    }
}

const SUCCESS: u8 = 0;
const FAILURE: u8 = 1;

/// How a command that did not fail ended.
enum Outcome {
    Done,
    /// Some inputs were bad and skipped.
    Skipped,
    /// A signal stopped it between two parts of its work: the exit code.
    Stopped(u8),
}

/// The arguments with those of a recipe, and the recipe of what they draw.
fn parsed(matches: ArgMatches, words: &[OsString]) -> anyhow::Result<(Args, Option<String>)> {
    let matches = recipe::expanded(matches, words)?;
    hub_names::check(&matches)?;
    let recipe = recipe::recorded(&matches);
    Ok((Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit()), recipe))
}

fn run(args: Args, recipe: Option<&str>, console: &Console) -> anyhow::Result<Outcome> {
    limits::set(&args.common.limits);
    if let Some(threads) = args.common.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads.into())
            .build_global()
            .with_context(|| format!("cannot start {threads} threads"))?;
    }
    run_command(args.command, recipe, console)
}

fn run_command(command: Command, recipe: Option<&str>, console: &Console) -> anyhow::Result<Outcome> {
    match command {
        Command::Compare(args) => return compare::run(&args, console),
        Command::Inspect(args) => return inspect::run(&args, console),
        Command::Scan(args) => return scan::run(&args, console),
        Command::MergeCheck(args) => return merge_check::run(&args, console),
        Command::Shared(args) => return shared::run(&args, console),
        Command::Status(args) => status::run(&args, console),
        Command::Demo(args) => demo::run(&args, console),
        Command::Figure(args) => figure::run(&args, recipe, console),
        Command::Atlas(args) => atlas::run(&args, recipe, console),
        Command::Animate(args) => animate::run(&args, recipe, console),
        Command::Table7(args) => table7::run(&args, console),
        Command::Search(args) => search::run(&args, console),
        Command::Report(args) => report::run(&args, console),
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
    let mut stdout = BufWriter::new(Stdout);
    write(&mut stdout).and_then(|()| stdout.flush()).context("cannot write to stdout")
}

/// Prints a result as JSON.
fn write_json(document: &impl Serialize) -> anyhow::Result<()> {
    write_stdout(|stdout| {
        serde_json::to_writer_pretty(&mut *stdout, document)?;
        writeln!(stdout)
    })
}

/// Prints a result as text: to stderr where a picture goes to stdout.
fn write_text(text: &str, is_picture_on_stdout: bool, console: &Console) -> anyhow::Result<()> {
    if is_picture_on_stdout {
        console.result(text);
        return Ok(());
    }
    write_stdout(|stdout| stdout.write_all(text.as_bytes()))
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
