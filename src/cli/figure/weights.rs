//! What the figures of a base model's weights share: their options, and the weights with what checkpoints change of them.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use clap::Args as ArgGroup;

use super::FigureArgs;
use crate::changes::{Changes, has_weight};
use crate::cli::adapters::Adapters;
use crate::cli::base;
use crate::cli::console::Console;
use crate::cli::kind::Kind;
use crate::cli::tuned::{
    self,
    args::{Of, epsilon},
};
use crate::cli::usage::Usage;
use crate::error::Fault;
use crate::measure::against_base::IntruderOptions;
use crate::names::{label, layer};
use crate::{BaseModel, ModulePair, Selection, Side};

#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "Against a base model")]
pub(super) struct WeightArgs {
    /// W's directions for --kind base: top, bottom or random [default: top]
    ///
    /// The strongest; the weakest, from the last one up, which takes a whole SVD of each weight; or random ones in their place.
    #[arg(long, value_name = "WHICH", value_enum, hide_possible_values = true)]
    of: Option<Of>,
    /// How many of them [default: as many as the largest update has]
    #[arg(long, value_name = "N")]
    pub(super) directions: Option<NonZeroUsize>,
    /// Directions of W + ΔW that --kind intruders looks at [default: 10]
    #[arg(long, value_name = "N")]
    top: Option<NonZeroUsize>,
    /// Below which |cosine| --kind intruders counts one [default: 0.5]
    #[arg(long, value_name = "EPSILON", value_parser = epsilon)]
    epsilon: Option<f64>,
}

impl WeightArgs {
    /// Checks that the kind of figure has what is asked for.
    ///
    /// # Errors
    /// When it has not.
    pub(super) fn check(&self, kind: Kind) -> Result<(), Usage> {
        if kind != Kind::Base && (self.of.is_some() || self.directions.is_some()) {
            return Err(Usage("--of and --directions belong to --kind base"));
        }
        if kind != Kind::Intruders && (self.top.is_some() || self.epsilon.is_some()) {
            return Err(Usage("--top and --epsilon belong to --kind intruders"));
        }
        Ok(())
    }

    pub(super) fn of(&self) -> Of {
        self.of.unwrap_or(Of::Top)
    }

    /// What is an intruder.
    pub(super) fn intruders(&self) -> IntruderOptions {
        let default = IntruderOptions::default();
        IntruderOptions {
            top: self.top.map_or(default.top, NonZeroUsize::get),
            epsilon: self.epsilon.unwrap_or(default.epsilon),
        }
    }
}

/// A base model, and checkpoints with the chosen weights that each changes.
pub(super) struct Weights {
    pub(super) base: Arc<BaseModel>,
    pub(super) adapters: Adapters,
    /// Of each checkpoint.
    pub(super) changes: Vec<Changes>,
}

impl Weights {
    /// Opens what is drawn: the base model, which `--base` names or which comes first, and the checkpoints.
    ///
    /// # Errors
    /// As [`Adapters::open_with`] and [`Changes::of`].
    pub(super) fn open(args: &FigureArgs, console: &Console) -> Result<Self> {
        let (base, runs) = match (args.selection.base(), &args.checkpoints[..]) {
            (Some(base), runs) => (base, runs),
            (None, [base, runs @ ..]) => (base.as_path(), runs),
            (None, []) => (Path::new(""), &[][..]),
        };
        if runs.is_empty() {
            return Err(Usage(
                "--kind base and intruders take a base model, and then what was trained from it",
            )
            .into());
        }
        let base = Arc::new(base::open(base)?);
        let adapters = Adapters::open_with(runs, &args.selection.against(&base), console)?;
        let selection = args.selection.modules().of(Selection::new())?;
        let changes = match &adapters.all[..] {
            [one] => vec![tuned::noted_changes(&base, one, &selection, console)?],
            all => {
                let is_in_base = |pair: &ModulePair| has_weight(&base, &pair.first);
                let chosen = selection.select_in_all_usable(all, Side::A, &is_in_base)?;
                adapters.report_left_out(&chosen, console);
                let names: Vec<&str> = chosen.modules.iter().map(|one| one[0].name.as_str()).collect();
                all.iter().map(|one| of_these(&base, one, &names)).collect::<Result<_>>()?
            }
        };
        tuned::without_weights(&changes, &[], console);
        Ok(Self { base, adapters, changes })
    }
}

/// The changes of these modules, in their order.
fn of_these(base: &BaseModel, checkpoint: &crate::Adapter, names: &[&str]) -> Result<Changes> {
    let mut changes = Changes::of(base, checkpoint, &Selection::new().all())?;
    let place = |name: &str| names.iter().position(|other| *other == name);
    changes.changes.retain(|change| place(change.name()).is_some());
    changes.changes.sort_by_key(|change| place(change.name()));
    changes.left_out.retain(|without| place(&without.module).is_some());
    match changes.left_out.first().filter(|_| changes.changes.is_empty()) {
        Some(first) => {
            let fault = Fault::new(first.to_string(), "the base model of the checkpoints").at(base.path());
            Err(fault.invalid().into())
        }
        None => Ok(changes),
    }
}

/// What modules are called in a picture: by projection and layer, or by their whole names where two would have one.
pub(super) fn titles(names: &[&str]) -> Vec<String> {
    let short = |name: &&str| match layer(name) {
        Some(layer) => format!("{}, layer {layer}", label(name)),
        None => (*name).to_owned(),
    };
    let titles: Vec<String> = names.iter().map(short).collect();
    let mut sorted = titles.clone();
    sorted.sort_unstable();
    if sorted.windows(2).any(|two| two[0] == two[1]) {
        return names.iter().map(|name| (*name).to_owned()).collect();
    }
    titles
}
