//! What training did to the weights of a base model: each weight W that a checkpoint changes, next to its change ΔW.
//!
//! The checkpoint is an adapter, or a full fine-tune that was opened with [`OpenOptions::base`](crate::OpenOptions::base). The
//! measures are those of [`measure::against_base`](crate::measure::against_base).
//!
//! ```no_run
//! use lorascope::changes::Changes;
//! use lorascope::measure::against_base::UpdateFacts;
//! use lorascope::{Adapter, BaseModel, Selection};
//!
//! let base = BaseModel::open("models/base")?;
//! let adapter = Adapter::open("runs/seed0")?;
//! for change in &Changes::of(&base, &adapter, &Selection::new().all())?.changes {
//!     let numbers = change.read()?;
//!     let facts = UpdateFacts::of(numbers.norm_w(), &numbers.update_vectors(64)?);
//!     println!("{}: {:?}", change.name(), facts.ratio);
//! }
//! # Ok::<(), lorascope::Error>(())
//! ```

mod directions;
mod numbers;

use std::path::PathBuf;
use std::sync::Arc;

use rayon::prelude::*;

pub use self::directions::{SideBasis, WeightDirections};
pub use self::numbers::ChangeNumbers;
use crate::adapter::{Adapter, Module};
use crate::error::{Error, Fault, Result};
use crate::formats::{BaseModel, Weight};
use crate::select::Selection;
use crate::text::quoted;

/// The weights that a checkpoint changes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Changes {
    /// In natural order of the modules' names.
    pub changes: Vec<Change>,
    /// Modules whose weight cannot be had from the base model.
    pub left_out: Vec<WithoutWeight>,
    /// What was asked for and is not there, in words.
    pub note: Option<String>,
}

/// A module whose weight, or whose numbers, cannot be had.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WithoutWeight {
    /// The module's canonical name.
    pub module: String,
    /// The base model, or the file with the numbers that cannot be read.
    pub path: PathBuf,
    /// Why, the same words for all modules with this reason.
    pub reason: String,
    /// The same with what was found.
    pub message: String,
}

/// A weight and its change: which numbers of which files they are.
#[derive(Debug, Clone)]
pub struct Change {
    module: Arc<Module>,
    weight: Weight,
}

impl Changes {
    /// The selected modules of a checkpoint, each with the weight of the base model that it changes.
    ///
    /// # Errors
    /// As [`Selection::select`]; `Invalid` when the base model has the weight of none of them; `Io` when it cannot be read.
    pub fn of(base: &BaseModel, checkpoint: &Adapter, selection: &Selection) -> Result<Self> {
        // A selection is of what two checkpoints have in common.
        let selected = selection.select_of_base(checkpoint, &|module| has_weight(base, module))?;
        let (mut changes, mut left_out) = (vec![], vec![]);
        for pair in selected.pairs {
            let module = pair.first;
            match weight_of(base, &module)? {
                Ok(weight) => changes.push(Change { module, weight }),
                Err(without) => left_out.push(without),
            }
        }
        if let (true, Some(first)) = (changes.is_empty(), left_out.first()) {
            let found = format!("{} for module {}", first.message, quoted(&first.module));
            let expected = "the base model of the checkpoint";
            let hint = format!("the checkpoint is {}", checkpoint.path().display());
            return Err(Fault::new(found, expected).at(base.path()).hint(hint).invalid());
        }
        Ok(Self { changes, left_out, note: selected.note })
    }

    /// `work` on each, several at once as far as memory allows, in their order. A change whose numbers are not finite is left out.
    ///
    /// # Errors
    /// The first of `work`, but for `Malformed`, which is an error only where nothing is left.
    pub fn each<T: Send>(&self, work: impl Fn(&Change) -> Result<T> + Sync) -> Result<Each<T>> {
        let largest = self.changes.iter().map(Change::n_numbers).max().unwrap_or(0);
        let n_at_once = (WORK_BYTES / (8 * COPIES * largest).max(1)).clamp(1, rayon::current_num_threads());
        let mut each = Each { done: Vec::with_capacity(self.changes.len()), left_out: vec![] };
        let mut first = None;
        for some in self.changes.chunks(n_at_once) {
            for (change, done) in some.iter().zip(some.par_iter().map(&work).collect::<Vec<_>>()) {
                match done {
                    Ok(done) => each.done.push(Some(done)),
                    Err(Error::Malformed(fault)) => {
                        each.left_out.push(WithoutWeight::unreadable(change.name(), &fault));
                        each.done.push(None);
                        first.get_or_insert(Error::Malformed(fault));
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        match first {
            Some(error) if each.left_out.len() == each.done.len() => Err(error),
            _ => Ok(each),
        }
    }
}

/// What came of the work on each change.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Each<T> {
    /// In the order of the changes; `None` for one that is left out.
    pub done: Vec<Option<T>>,
    /// Why.
    pub left_out: Vec<WithoutWeight>,
}

impl WithoutWeight {
    /// Of numbers that cannot be measured.
    fn unreadable(module: &str, fault: &Fault) -> Self {
        // `NaN at [0, 1]` without its place.
        let what = fault.found.split(" at [").next().unwrap_or_default();
        let what = if matches!(what, "inf" | "-inf") { "an infinity" } else { what };
        Self {
            module: module.to_owned(),
            path: fault.path.clone().unwrap_or_default(),
            reason: format!("a tensor with {what}"),
            message: fault.to_string(),
        }
    }
}

/// What the weights that are worked on at once may take of memory, but for the first of them.
const WORK_BYTES: usize = 2 << 30;

/// W, W + ΔW, and the vectors of both on both sides.
const COPIES: usize = 6;

/// Whether the base model has a module's weight, as far as can be known.
pub(crate) fn has_weight(base: &BaseModel, module: &Module) -> bool {
    weight_of(base, module).is_ok_and(|weight| weight.is_ok())
}

/// The weight, or why there is none.
fn weight_of(base: &BaseModel, module: &Module) -> Result<std::result::Result<Weight, WithoutWeight>> {
    let without = |reason: &str, message: String| {
        let (module, path) = (module.name.clone(), base.path().to_owned());
        Ok(Err(WithoutWeight { module, path, reason: reason.to_owned(), message }))
    };
    match base.weight_of(module) {
        Ok(None) => {
            let reason = "the base model does not have the weight";
            without(reason, "no such weight".to_owned())
        }
        Ok(Some(weight)) if (weight.d_out(), weight.d_in()) != (module.d_out(), module.d_in()) => {
            let shape = |d_out: usize, d_in: usize| format!("{d_out} × {d_in}");
            let [of_base, own] = [shape(weight.d_out(), weight.d_in()), shape(module.d_out(), module.d_in())];
            let reason = "the base model's weight has another shape";
            without(reason, format!("a weight of {of_base} for an update of {own}"))
        }
        Ok(Some(weight)) => Ok(Ok(weight)),
        Err(error @ Error::Io { .. }) => Err(error),
        Err(error) => without("the base model's weight cannot be read", error.to_string()),
    }
}

impl Change {
    /// The canonical name of the module.
    pub fn name(&self) -> &str {
        &self.module.name
    }

    /// The module of the checkpoint.
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// The weight before training.
    pub fn weight(&self) -> &Weight {
        &self.weight
    }

    /// Whether the files do not determine the update's scaling, so that 1 is assumed.
    pub fn assumed_scaling(&self) -> bool {
        self.module.scaling.is_none()
    }

    fn n_numbers(&self) -> usize {
        self.weight.d_out().saturating_mul(self.weight.d_in())
    }
}

impl std::fmt::Display for WithoutWeight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "module {}: {}", quoted(&self.module), self.message)
    }
}
