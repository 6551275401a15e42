//! `lorascope compare BASE CHECKPOINT...`: what training changed of each weight.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use clap::Args as ArgGroup;
use serde::Serialize;

use super::{against_csv, against_text};
use crate::changes::{Change, Changes};
use crate::cli::Outcome;
use crate::cli::adapters::{AdapterFacts, Adapters, Caution};
use crate::cli::console::Console;
use crate::cli::left_out::LeftOut;
use crate::cli::options::SelectionArgs;
use crate::cli::output::{TextFormat, TextOutput};
use crate::cli::sink::Sink;
use crate::measure::against_base::{Alignment, IntruderOptions, Intruders, UpdateFacts, WeightPhi};
use crate::range_finder::SingularVectors;
use crate::{BaseModel, Selection, Side};

#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "Against a base model")]
pub(in crate::cli) struct AgainstArgs {
    /// Count intruder dimensions
    ///
    /// Strong directions of W + ΔW that W does not have (Shuttleworth et al. 2024), by the definition of PEFT: the largest |cosine|
    /// with all left singular vectors of W is below --epsilon. Takes a whole SVD of each weight.
    #[arg(long)]
    pub(in crate::cli) intruders: bool,
    /// How many directions of W + ΔW are looked at
    #[arg(long, value_name = "N", default_value = "10", requires = "intruders")]
    top: NonZeroUsize,
    /// Below which |cosine| a direction is an intruder
    #[arg(long, value_name = "EPSILON", default_value = "0.5", value_parser = epsilon, requires = "intruders")]
    epsilon: f64,
    /// Add which of W's directions ΔW uses
    ///
    /// The share of ΔW's energy in W's top r directions, and φ of ΔW's top r with W's top r, its last r, and r random ones. Takes a
    /// whole SVD of each weight.
    #[arg(long)]
    pub(in crate::cli) alignment: bool,
    /// Random seed of the random directions
    #[arg(long, value_name = "N", default_value_t = 0, requires = "alignment")]
    seed: u64,
}

impl AgainstArgs {
    /// Whether something that needs a base model is asked for.
    pub(in crate::cli) fn is_asked(&self) -> bool {
        self.intruders || self.alignment
    }
}

fn epsilon(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value <= 1.0 => Ok(value),
        _ => Err("expected a number above 0, at most 1".to_owned()),
    }
}

/// What was asked for.
pub(in crate::cli) struct Asked<'a> {
    pub(in crate::cli) base: BaseModel,
    pub(in crate::cli) checkpoints: Vec<PathBuf>,
    pub(in crate::cli) args: &'a AgainstArgs,
    pub(in crate::cli) selection: &'a SelectionArgs,
    pub(in crate::cli) output: &'a TextOutput,
    pub(in crate::cli) format: TextFormat,
}

/// One module of one checkpoint.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) checkpoint: String,
    pub(super) module: String,
    pub(super) d_out: usize,
    pub(super) d_in: usize,
    #[serde(flatten)]
    pub(super) facts: UpdateFacts,
    pub(super) assumed_scaling: bool,
    pub(super) intruders: Option<IntruderRow>,
    pub(super) alignment: Option<AlignmentRow>,
}

#[derive(Debug, Serialize)]
pub(super) struct IntruderRow {
    pub(super) count: usize,
    #[serde(flatten)]
    pub(super) found: Intruders,
}

/// Which of W's directions an update uses.
#[derive(Debug, Serialize)]
pub(super) struct AlignmentRow {
    /// Directions of ΔW, those above the noise.
    pub(super) r: usize,
    /// Shares of ΔW's energy in W's top k directions, at r and at powers of two.
    pub(super) shares: Vec<Share>,
    /// φ of the top r of ΔW, of the right side and then of the left one.
    pub(super) phi: Vec<WeightPhi>,
}

#[derive(Debug, Serialize)]
pub(super) struct Share {
    pub(super) k: usize,
    pub(super) right: f64,
    pub(super) right_by_chance: f64,
    pub(super) left: f64,
    pub(super) left_by_chance: f64,
}

/// A checkpoint as a whole.
#[derive(Debug, Serialize)]
pub(super) struct Whole {
    pub(super) checkpoint: String,
    pub(super) n_modules: usize,
    /// The norms of all modules as one vector.
    pub(super) norm_w: f64,
    pub(super) norm_update: f64,
    pub(super) ratio: Option<f64>,
    pub(super) n_intruders: Option<usize>,
}

impl Row {
    fn of(checkpoint: &str, change: &Change, asked: &Asked<'_>) -> crate::Result<Self> {
        let AgainstArgs { intruders, top, epsilon, alignment, seed } = *asked.args;
        let numbers = change.read()?;
        let update = numbers.update_vectors(asked.selection.rank())?;
        let facts = UpdateFacts::of(numbers.norm_w(), &update);
        let own = match intruders || alignment {
            true => Some(numbers.weight_vectors(None)?),
            false => None,
        };
        let intruders = match own.as_ref().filter(|own| intruders && own.n() > 0) {
            Some(own) => {
                let options = IntruderOptions { top: top.get(), epsilon };
                let found = Intruders::of(own, &numbers.tuned_vectors(top.get())?, options)?;
                Some(IntruderRow { count: found.count(), found })
            }
            None => None,
        };
        let alignment =
            match own.as_ref().filter(|own| alignment && own.n() > 0 && update.n_above_floor() > 0) {
                Some(own) => {
                    let curve = Alignment::of(own, &*numbers.update()?)?;
                    Some(AlignmentRow::of(own, &update, &curve, seed)?)
                }
                None => None,
            };
        Ok(Self {
            checkpoint: checkpoint.to_owned(),
            module: change.name().to_owned(),
            d_out: change.weight().d_out(),
            d_in: change.weight().d_in(),
            facts,
            assumed_scaling: change.assumed_scaling(),
            intruders,
            alignment,
        })
    }
}

impl AlignmentRow {
    fn of(
        own: &SingularVectors,
        update: &SingularVectors,
        curve: &Alignment,
        seed: u64,
    ) -> crate::Result<Self> {
        let r = update.n_above_floor();
        let phi = WeightPhi::of(own, update, &[r], seed)?;
        let powers = std::iter::successors(Some(1), |k| Some(2 * k)).take_while(|&k| k < own.n());
        let mut ks: Vec<usize> = powers.chain([r, own.n()]).collect();
        ks.sort_unstable();
        ks.dedup();
        let share = |k: usize| {
            Some(Share {
                k,
                right: *curve.right.get(k - 1)?,
                right_by_chance: curve.random_right(k),
                left: *curve.left.get(k - 1)?,
                left_by_chance: curve.random_left(k),
            })
        };
        Ok(Self { r, shares: ks.into_iter().filter_map(share).collect(), phi })
    }

    /// The shares in W's top r directions.
    pub(super) fn at_r(&self) -> Option<&Share> {
        self.shares.iter().find(|share| share.k == self.r)
    }

    /// φ of the right side and of the left one.
    pub(super) fn sides(&self) -> [Option<&WeightPhi>; 2] {
        [Side::DwRight, Side::DwLeft].map(|side| self.phi.iter().find(|phi| phi.side == side))
    }
}

impl Whole {
    fn of(checkpoint: &str, rows: &[Row]) -> Self {
        let norm =
            |of: fn(&UpdateFacts) -> f64| rows.iter().map(|row| of(&row.facts).powi(2)).sum::<f64>().sqrt();
        let (norm_w, norm_update) = (norm(|facts| facts.norm_w), norm(|facts| facts.norm_update));
        let counts: Option<Vec<usize>> =
            rows.iter().map(|row| row.intruders.as_ref().map(|found| found.count)).collect();
        Self {
            checkpoint: checkpoint.to_owned(),
            n_modules: rows.len(),
            norm_w,
            norm_update,
            ratio: (norm_w > 0.0).then(|| norm_update / norm_w),
            n_intruders: counts.map(|counts| counts.iter().sum()),
        }
    }
}

pub(in crate::cli) fn run(asked: Asked<'_>, console: &Console) -> Result<Outcome> {
    let base = Arc::new(asked.base.clone());
    let adapters = Adapters::open_with(&asked.checkpoints, &asked.selection.against(&base), console)?;
    let selection = asked.selection.modules().of(Selection::new().all())?;
    let mut all = vec![];
    for adapter in &adapters.all {
        let changes = Changes::of(&base, adapter, &selection)?;
        if let Some(note) = &changes.note {
            console.note("note", note);
        }
        all.push(changes);
    }
    let sink = Sink::open_text(&asked.output.to)?;
    let (mut rows, mut wholes) = (vec![], vec![]);
    for (name, changes) in adapters.short_names().into_iter().zip(&all) {
        let bar = super::bar(console, changes);
        let of_checkpoint = changes.each(|change| {
            let row = Row::of(&name, change, &asked);
            bar.inc(1);
            row
        });
        bar.finish_and_clear();
        let of_checkpoint = of_checkpoint?;
        wholes.push(Whole::of(&name, &of_checkpoint));
        rows.extend(of_checkpoint);
    }
    let left_out = super::without_weights(&base, &all, console);
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
