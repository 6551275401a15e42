//! `lorascope table7`: the LoRA paper's table 7 for a checkpoint and its base model.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use clap::Args as ArgGroup;
use serde::Serialize;

use crate::changes::{Change, Each};
use crate::cli::Outcome;
use crate::cli::adapters::{Adapters, Caution};
use crate::cli::base;
use crate::cli::console::Console;
use crate::cli::left_out::LeftOut;
use crate::cli::options::{ModuleArgs, open_options};
use crate::cli::output::{self, TextFormat, TextOutput};
use crate::cli::sink::Sink;
use crate::cli::usage::Usage;
use crate::measure::against_base::Table7;
use crate::measure::against_base::output::{Named, csv, latex, text};
use crate::range_finder::SingularVectors;

pub(in crate::cli) const TABLE7_HELP: &str = "\
For each module, ‖UᵀWV‖_F with U and V the top r left- and right-singular vectors of ΔW, of W itself, and of a random matrix \
(Hu et al. 2021, section 7.3). W is the weight of the base model and ΔW what training changed of it. The amplification \
‖ΔW‖/‖UᵀWV‖, with those of ΔW, says how much training strengthened directions that W does little in: the paper found 21.5 at \
r = 4 and 2 at r = 64 for GPT-3's layer 48. `chance` is the root of the mean square over random matrices, r·‖W‖/√(d_out·d_in): \
where ‖UᵀWV‖ with ΔW is near it, the amplification only says how small the update is against the weight.

r is the rank of each module's update, as in the paper (of a full fine-tune, the directions above the rounding noise, at most \
--rank), or one row for each of --ranks. `in the rounding noise`: rounding to \
the stored type could have made some of these directions of ΔW. – or an empty field: there are fewer directions.

Examples:
  lorascope table7 models/base runs/seed0
  lorascope table7 models/base runs/seed0 --layer 47 --projections q --ranks 4,8,64
  lorascope table7 models/base models/finetuned --rank 16 -o table7.tex";

#[derive(Debug, ArgGroup)]
pub(in crate::cli) struct Table7Args {
    /// Base model: a file, or a folder, in shards too
    #[arg(value_name = "BASE")]
    base: PathBuf,
    /// Checkpoint that was trained from it: an adapter or a full model
    #[arg(value_name = "CHECKPOINT")]
    checkpoint: PathBuf,
    /// Numbers of singular vectors, such as 4,8,64 [default: the rank]
    ///
    /// By default the rank of each update; of a full fine-tune, the directions above the rounding noise, at most --rank.
    #[arg(long, value_name = "R,...", value_delimiter = ',')]
    ranks: Vec<NonZeroUsize>,
    /// .txt, .csv, .json or .tex file, or - for stdout
    ///
    /// Where to write the table, in the format that the suffix names.
    #[arg(short, long, value_name = "FILE", default_value = "-", value_parser = output::printed_table())]
    output: TextOutput,
    /// Print the table as JSON
    #[arg(long, conflicts_with_all = ["csv", "latex"])]
    json: bool,
    /// Print the table as CSV, with all digits
    #[arg(long, conflicts_with = "latex")]
    csv: bool,
    /// Print a LaTeX table
    ///
    /// A tabular for the package booktabs.
    #[arg(long)]
    latex: bool,
    /// Random seed of the random matrix
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    modules: ModuleArgs,
    /// Name of the adapter, for files that hold several
    #[arg(long, value_name = "NAME", help_heading = "Which modules")]
    adapter_name: Option<String>,
    /// Directions of each weight's change that are kept of a full model, at most
    #[arg(long, value_name = "K", default_value = "64", help_heading = "Full fine-tunes")]
    rank: NonZeroUsize,
}

impl Table7Args {
    fn format(&self) -> Result<TextFormat, Usage> {
        let by_option = match (self.json, self.csv, self.latex) {
            (true, ..) => Some(TextFormat::Json),
            (_, true, _) => Some(TextFormat::Csv),
            (_, _, true) => Some(TextFormat::Latex),
            _ => None,
        };
        let two = "--json, --csv or --latex, and the suffix of -o, name two formats";
        self.output.format(by_option, two)
    }

    /// The r of a module's rows: of a change that is not B·A as many as it has above the rounding.
    fn ranks_of(&self, change: &Change, update: &SingularVectors) -> Vec<usize> {
        match self.ranks.is_empty() {
            true if change.module().full_rank().is_some() => {
                vec![update.n_above_floor().clamp(1, self.rank.get())]
            }
            true => vec![change.module().rank()],
            false => self.ranks.iter().map(|r| r.get()).collect(),
        }
    }

    fn table(&self, change: &Change) -> crate::Result<Table7> {
        let numbers = change.read()?;
        let longest = self.ranks.iter().copied().max().map_or(0, NonZeroUsize::get);
        let update = numbers.update_vectors(self.rank.get().max(longest))?;
        let ranks = self.ranks_of(change, &update);
        let own = numbers.weight_vectors(ranks.iter().copied().max())?;
        Table7::of(numbers.w(), &own, &update, &ranks, self.seed)
    }
}

pub(in crate::cli) fn run(args: &Table7Args, console: &Console) -> Result<()> {
    let format = args.format()?;
    let base = Arc::new(base::open(&args.base)?);
    // Changes are read whole.
    let options = open_options(args.adapter_name.as_deref()).base(Arc::clone(&base), base::WHOLE);
    let adapters = Adapters { all: vec![options.open(&args.checkpoint)?], outcome: Outcome::Done };
    let changes = super::changes_of(&base, &adapters.all, &args.modules, console)?;
    let sink = Sink::open_text(&args.output.to)?;
    let Each { done: tables, left_out: unreadable, .. } =
        super::each(&changes[0], console, |change| args.table(change))?;
    let named: Vec<Named<'_>> = changes[0]
        .changes
        .iter()
        .zip(&tables)
        .filter_map(|(change, table)| Some(Named { module: change.name(), table: table.as_ref()? }))
        .collect();
    let left_out = super::without_weights(&changes, &unreadable, console);
    let warnings = super::cautions(&adapters, &changes, &left_out, console);
    let text = match format {
        TextFormat::Table => text(&named),
        TextFormat::Csv => csv(&named),
        TextFormat::Latex => latex(&named),
        TextFormat::Json => {
            let document = Document {
                schema: 1,
                version: env!("CARGO_PKG_VERSION"),
                base: base.path().display().to_string(),
                checkpoint: adapters.all[0].path().display().to_string(),
                seed: args.seed,
                modules: &named,
                left_out: &left_out,
                warnings: &warnings,
            };
            serde_json::to_string_pretty(&document)? + "\n"
        }
    };
    Ok(sink.fill_text(&text)?)
}

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    version: &'static str,
    base: String,
    checkpoint: String,
    seed: u64,
    modules: &'a [Named<'a>],
    left_out: &'a [LeftOut],
    warnings: &'a [Caution],
}
