//! `lorascope compare BASE CHECKPOINT... --side w-right|w-left`: the directions of a base model's weights next to those of updates, or of
//! the weights after training.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use serde::Serialize;

use super::against::Asked;
use super::args::With;
use super::weight_sides_rows::{Of, Row};
use super::weight_sides_text::{csv, text};
use crate::changes::{Change, Changes, Each, SideBasis};
use crate::cli::Outcome;
use crate::cli::adapters::{AdapterFacts, Adapters, Caution};
use crate::cli::console::Console;
use crate::cli::diagonal;
use crate::cli::left_out::LeftOut;
use crate::cli::options::ComputeArgs;
use crate::cli::output::TextFormat;
use crate::cli::sink::Sink;
use crate::cli::summary_table::EngineFacts;
use crate::engine::{self, Engine, Pair, Work};
use crate::error::Fault;
use crate::measure::adjusted::adjusted;
use crate::measure::chance;
use crate::sync::lock;
use crate::text::counted;
use crate::{Basis, Grid, Side};

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    version: &'static str,
    engine: EngineFacts<'a>,
    base: String,
    checkpoints: Vec<AdapterFacts<'a>>,
    #[serde(flatten)]
    of: &'a Of,
    modules: &'a [Row],
    /// Modules whose weight the base model does not have, and those without a direction.
    left_out: &'a [LeftOut],
    warnings: &'a [Caution],
}

/// The directions of a weight and those next to them.
struct Two {
    w: Arc<SideBasis>,
    other: Basis,
}

pub(in crate::cli) fn run(
    asked: Asked<'_>,
    compute: &ComputeArgs,
    grids: bool,
    console: &Console,
) -> Result<Outcome> {
    let base = &asked.base;
    let adapters = Adapters::open_with(&asked.checkpoints, &asked.selection.against(base), console)?;
    let all = super::changes_of(base, &adapters.all, asked.selection.modules(), console)?;
    let sink = Sink::open_text(&asked.output.to)?;
    let found = Finder { asked: &asked, side: compute.side(), own: Mutex::default() };
    let opened = engine::open(&compute.request(), Work { flop: found.flop(&all), max_numbers: 0 }).wait()?;
    console.engine(opened.engine.info(), opened.reason.as_deref(), opened.warning.as_ref());
    let engine = opened.engine.as_ref();

    let (mut rows, mut unreadable, mut empty) = (vec![], vec![], vec![]);
    for ((name, changes), adapter) in adapters.short_names().into_iter().zip(&all).zip(&adapters.all) {
        let Each { done: both, left_out, .. } = super::each(changes, console, |change| found.both(change))?;
        unreadable.extend(left_out);
        let path = adapter.path().display().to_string();
        for (change, both) in changes.changes.iter().zip(&both) {
            if both.as_ref().is_some_and(Option::is_none) {
                empty.push(LeftOut::of_reason(change.name(), &path, NO_DIRECTION));
            }
        }
        let named: Vec<(&Change, Two)> =
            changes.changes.iter().zip(both).filter_map(|(change, both)| Some((change, both??))).collect();
        rows.extend(found.rows(&name, &named, engine, grids)?);
    }
    engine.take_warnings().into_iter().for_each(|warning| console.warning(warning));
    if rows.is_empty() {
        let fault = Fault::new("zeros", "a weight and an update with directions").at(base.path());
        return Err(fault.invalid().into());
    }
    let mut left_out = super::without_weights(&all, &unreadable, console);
    left_out.append(&mut empty);
    let mut warnings = super::cautions(&adapters, &all, &left_out, console);
    if let Some(caution) = in_noise(&rows) {
        console.warning(&caution.message);
        warnings.push(caution);
    }
    let args = asked.args;
    let of = Of {
        side: compute.side.to_string(),
        of: args.of().key(),
        with: match args.with() {
            With::Update => "update",
            With::Tuned => "tuned",
        },
        seed: args.seed(),
    };
    let printed = match asked.format {
        TextFormat::Json => {
            let document = Document {
                schema: 1,
                version: env!("CARGO_PKG_VERSION"),
                engine: EngineFacts::from(engine.info()),
                base: base.path().display().to_string(),
                checkpoints: AdapterFacts::of(&adapters.all),
                of: &of,
                modules: &rows,
                left_out: &left_out,
                warnings: &warnings,
            };
            serde_json::to_string_pretty(&document)? + "\n"
        }
        TextFormat::Csv => csv(&rows)?,
        _ => text(&rows, &of, adapters.all.len() == 1),
    };
    sink.fill_text(&printed)?;
    Ok(adapters.outcome)
}

const NO_DIRECTION: &str = "the weight or the update has no direction";

/// Finds both bases of a module.
struct Finder<'a> {
    asked: &'a Asked<'a>,
    side: Side,
    /// W's bases, by module and number of directions: the next checkpoint needs them again.
    own: Mutex<HashMap<(String, usize), Arc<SideBasis>>>,
}

impl Finder<'_> {
    /// `None` where the weight or what it is compared with has no direction.
    fn both(&self, change: &Change) -> crate::Result<Option<Two>> {
        let (args, numbers) = (self.asked.args, change.read()?);
        let rank = self.asked.selection.rank();
        let n_asked = args.directions.map(std::num::NonZeroUsize::get);
        let other = match args.with() {
            With::Update => numbers.update_basis(self.side, rank)?,
            With::Tuned => numbers.tuned_basis(self.side, n_asked.unwrap_or(rank))?,
        };
        let Some(SideBasis { basis: other, .. }) = other else { return Ok(None) };
        let n = n_asked.unwrap_or(other.q());
        let key = (change.name().to_owned(), n);
        let known = lock(&self.own).get(&key).cloned();
        let w = match known {
            Some(known) => Some(known),
            None => {
                let which = args.of().directions(args.seed());
                let found = numbers.weight_basis(self.side, which, n)?.map(Arc::new);
                if let Some(found) = &found {
                    lock(&self.own).insert(key, Arc::clone(found));
                }
                found
            }
        };
        Ok(w.map(|w| Two { w, other }))
    }

    /// Work of all products, from headers.
    fn flop(&self, all: &[Changes]) -> f64 {
        let n_asked = self.asked.args.directions.map(std::num::NonZeroUsize::get);
        let of = |change: &Change| {
            let rank = change.module().rank();
            2.0 * (n_asked.unwrap_or(rank) * rank * self.side.d(change.module())) as f64
        };
        all.iter().flat_map(|changes| &changes.changes).map(of).sum()
    }

    fn rows(
        &self,
        checkpoint: &str,
        all: &[(&Change, Two)],
        engine: &dyn Engine,
        grids: bool,
    ) -> crate::Result<Vec<Row>> {
        let pairs: Vec<Pair<'_>> =
            all.iter().map(|(_, both)| Pair { a: &both.w.basis, b: &both.other }).collect();
        let found = engine.grids(&pairs)?;
        // W is a part of the weight after training.
        let is_independent = self.asked.args.with() == With::Update;
        let row = |((change, both), grid): (&(&Change, Two), &Grid)| Row {
            checkpoint: checkpoint.to_owned(),
            module: change.name().to_owned(),
            d: grid.d(),
            n_w: grid.n_rows(),
            n_w_in_noise: both.w.n_in_noise,
            q: grid.n_cols(),
            diagonal: diagonal::diagonal(grid, is_independent),
            phi_full: full(grid),
            baseline_full: baseline(grid),
            adjusted: adjusted(full(grid), baseline(grid)),
            phi: grids.then(|| diagonal::rows(grid)),
        };
        Ok(all.iter().zip(&found).map(row).collect())
    }
}

fn full(grid: &Grid) -> f64 {
    grid.phi(grid.n_rows(), grid.n_cols()).unwrap_or(0.0)
}

fn baseline(grid: &Grid) -> f64 {
    chance::baseline(grid.n_rows(), grid.n_cols(), grid.d())
}

/// Where some of W's directions are what rounding could have made.
fn in_noise(rows: &[Row]) -> Option<Caution> {
    let n = rows.iter().filter(|row| row.n_w_in_noise > 0).count();
    (n > 0).then(|| Caution {
        code: "weight-in-noise",
        message: format!(
            "in {n} of {}, rounding the weight to its stored type could have made some of the directions of W that are compared",
            counted(rows.len(), "row")
        ),
    })
}
