//! `lorascope compare BASE CHECKPOINT...`: what training changed of each weight.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use serde::Serialize;

use super::args::AgainstArgs;
use super::rows::{Row, Whole};
use super::{against_csv, against_text};
use crate::BaseModel;
use crate::changes::Each;
use crate::cli::Outcome;
use crate::cli::adapters::{AdapterFacts, Adapters, Caution};
use crate::cli::console::Console;
use crate::cli::left_out::LeftOut;
use crate::cli::options::SelectionArgs;
use crate::cli::output::{TextFormat, TextOutput};
use crate::cli::sink::Sink;

/// What was asked for.
pub(in crate::cli) struct Asked<'a> {
    pub(in crate::cli) base: Arc<BaseModel>,
    pub(in crate::cli) checkpoints: Vec<PathBuf>,
    pub(in crate::cli) args: &'a AgainstArgs,
    pub(in crate::cli) selection: &'a SelectionArgs,
    pub(in crate::cli) output: &'a TextOutput,
    pub(in crate::cli) format: TextFormat,
}

pub(in crate::cli) fn run(asked: Asked<'_>, console: &Console) -> Result<Outcome> {
    let base = &asked.base;
    let adapters = Adapters::open_with(&asked.checkpoints, &asked.selection.against(base), console)?;
    let all = super::changes_of(base, &adapters.all, asked.selection.modules(), console)?;
    let sink = Sink::open_text(&asked.output.to)?;
    let (mut rows, mut wholes, mut unreadable) = (vec![], vec![], vec![]);
    for (name, changes) in adapters.short_names().into_iter().zip(&all) {
        let Each { done, left_out, .. } = super::each(changes, console, |change| {
            Row::of(&name, change, asked.args, asked.selection.rank())
        })?;
        unreadable.extend(left_out);
        let of_checkpoint: Vec<Row> = done.into_iter().flatten().collect();
        wholes.push(Whole::of(&name, &of_checkpoint));
        rows.extend(of_checkpoint);
    }
    let left_out = super::without_weights(&all, &unreadable, console);
    let warnings = super::cautions(&adapters, &all, &left_out, console);
    let text = match asked.format {
        TextFormat::Json => {
            let document = Document {
                schema: 1,
                version: env!("CARGO_PKG_VERSION"),
                base: base.path().display().to_string(),
                checkpoints: AdapterFacts::of(&adapters.all),
                modules: &rows,
                whole: &wholes,
                left_out: &left_out,
                warnings: &warnings,
            };
            serde_json::to_string_pretty(&document)? + "\n"
        }
        TextFormat::Csv => against_csv::text(&rows)?,
        _ => against_text::text(&rows, &wholes),
    };
    sink.fill_text(&text)?;
    Ok(adapters.outcome)
}

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    version: &'static str,
    base: String,
    checkpoints: Vec<AdapterFacts<'a>>,
    modules: &'a [Row],
    whole: &'a [Whole],
    /// Modules whose weight the base model does not have.
    left_out: &'a [LeftOut],
    warnings: &'a [Caution],
}
