//! The root of the command line's grammar: the commands, and the options that all of them take.

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use super::animate::{ANIMATE_HELP, AnimateArgs};
use super::atlas::{ATLAS_HELP, AtlasArgs};
use super::cache::{CACHE_HELP, CacheArgs};
use super::compare::{COMPARE_HELP, CompareArgs};
use super::console::CommonArgs;
use super::demo::{DEMO_HELP, DemoArgs};
use super::devices::{DEVICES_HELP, DevicesArgs};
use super::figure::{FigureArgs, figure_help};
use super::inspect::{INSPECT_HELP, InspectArgs};
use super::merge_check::{MERGE_CHECK_HELP, MergeCheckArgs};
use super::report::{REPORT_HELP, ReportArgs};
use super::scan::{SCAN_HELP, ScanArgs};
use super::search::{SEARCH_HELP, SearchArgs};
use super::shared::{SHARED_HELP, SharedArgs};
use super::status::{STATUS_HELP, StatusArgs};
use super::tuned::table7::{TABLE7_HELP, Table7Args};

/// The version with the commit that it was built from, where the source was a checkout.
const VERSION: &str = git_version::git_version!(
    prefix = concat!(env!("CARGO_PKG_VERSION"), " (commit "),
    suffix = ")",
    args = ["--always", "--dirty=-modified", "--abbrev=10", "--exclude=*"],
    fallback = "unknown"
);

/// Measure how much LoRA checkpoints agree: the subspace similarity φ(i, j) of the LoRA paper (Hu et al. 2021) for every
/// (i, j), as numbers and as the paper's figure.
#[derive(Debug, Parser)]
#[command(name = "lorascope", version = VERSION, after_help = AFTER_HELP, arg_required_else_help = true)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Command,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

const AFTER_HELP: &str = "\
Examples:
  lorascope demo
  lorascope figure runs/seed0 runs/seed1 -o fig4.png
  lorascope figure runs/seed0 runs/seed1 --layer 47 --projections q,v -o fig4.png
  lorascope compare runs/seed0 runs/seed1
  lorascope scan runs/ -o out

Results go to stdout, everything else to stderr. NO_COLOR=1 turns colours off.
Exit codes: 0 done, 1 failed, 2 usage error, 3 done but with skipped inputs,
130 and 143 stopped by Ctrl-C and SIGTERM.";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Draw the paper's figure from two built-in adapters
    #[command(after_long_help = DEMO_HELP)]
    Demo(DemoArgs),
    /// Draw the paper's figures for checkpoints and print what they show
    #[command(after_long_help = figure_help())]
    Figure(FigureArgs),
    /// Draw the whole model on one sheet: a small figure for every module of two checkpoints
    #[command(after_long_help = ATLAS_HELP)]
    Atlas(AtlasArgs),
    /// Draw the paper's figure over the checkpoints of a run, as an animation
    #[command(after_long_help = ANIMATE_HELP)]
    Animate(AnimateArgs),
    /// Compare two checkpoints in numbers: one row for each module that both have
    #[command(after_long_help = COMPARE_HELP)]
    Compare(CompareArgs),
    /// Print the paper's table 7: how much a checkpoint amplifies what its base model's weights do
    #[command(name = "table7", after_long_help = TABLE7_HELP)]
    Table7(Table7Args),
    /// Show what becomes of checkpoints that are merged: do they add up, cancel, or repeat each other
    #[command(after_long_help = MERGE_CHECK_HELP)]
    MergeCheck(MergeCheckArgs),
    /// Show how much of several checkpoints lies in one space, module by module
    #[command(after_long_help = SHARED_HELP)]
    Shared(SharedArgs),
    /// Compare every pair of a folder of checkpoints and write Parquet tables
    #[command(after_long_help = SCAN_HELP)]
    Scan(ScanArgs),
    /// Find the adapters of a finished scan that are the nearest to a checkpoint
    #[command(after_long_help = SEARCH_HELP)]
    Search(SearchArgs),
    /// Show a scan's progress, which process did what, and what is missing
    #[command(after_long_help = STATUS_HELP)]
    Status(StatusArgs),
    /// Show what checkpoints contain: format, base model, modules, ranks, shapes, types, scaling
    #[command(after_long_help = INSPECT_HELP)]
    Inspect(InspectArgs),
    /// List the GPUs, test every kernel on each, and show which engine auto takes and why
    #[command(after_long_help = DEVICES_HELP)]
    Devices(DevicesArgs),
    /// Summarise a scan in tables and pictures: what is alike, where in the model, what stands out
    #[command(after_long_help = REPORT_HELP)]
    Report(ReportArgs),
    /// Show what the cache of bases contains, or empty it
    #[command(after_long_help = CACHE_HELP)]
    Cache(CacheArgs),
    /// Print a shell completion script
    #[command(
        after_help = "Example: lorascope completions bash > ~/.local/share/bash-completion/completions/lorascope"
    )]
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn short_help_has_one_line_for_each_option_and_no_more_than_that() {
        let mut grammar = Args::command();
        grammar.build();
        for command in grammar.get_subcommands_mut() {
            let name = command.get_name().to_owned();
            let help = command.clone().term_width(100).render_help().to_string();
            for line in help.lines() {
                // Of an option, of an argument, of a command; else it is a heading or the text above.
                let is_entry = line.trim_start().starts_with(['-', '<', '[']) || name == "help";
                assert!(is_entry || !line.starts_with(' '), "{name}: an entry goes on with {line:?}");
                assert!(line.chars().count() <= 100, "{name}: {line}");
            }
            assert!(!help.contains("Examples:"), "{name}");
        }
    }
}
