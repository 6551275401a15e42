//! What every form of output shows of a checkpoint and of its modules.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use rayon::prelude::*;
use serde::{Serialize, Serializer};

use super::flaws;
use super::spectrum::Spectra;
use crate::cli::dates;
use crate::cli::left_out::LeftOut;
use crate::{Adapter, Method, Module, UnreadPart};

/// One adapter.
#[derive(Debug, Serialize)]
pub(super) struct Checkpoint {
    pub(super) path: String,
    /// If the file names it.
    pub(super) adapter_name: Option<String>,
    pub(super) naming_scheme: String,
    #[serde(serialize_with = "as_text")]
    pub(super) method: Method,
    pub(super) file_format: String,
    pub(super) trainer: Option<String>,
    pub(super) base_model: Option<String>,
    /// Each value once, in rising order.
    pub(super) ranks: Vec<usize>,
    pub(super) alphas: Vec<f64>,
    pub(super) dtypes: Vec<String>,
    pub(super) n_modules: usize,
    /// Parts of the update that are not read.
    pub(super) unread: Vec<Part>,
    /// Tensors that belong to no update.
    pub(super) n_other_tensors: usize,
    /// Magnitude vectors of DoRA.
    pub(super) n_magnitudes: usize,
    /// Modules to which they are applied, which takes a base model.
    pub(super) n_rescaled: usize,
    /// Modules whose factors are stored the other way round than usual.
    pub(super) n_turned: usize,
    /// Modules with a rank above their d_in or d_out.
    pub(super) n_above_size: usize,
    pub(super) n_bytes: u64,
    /// Times are in UTC.
    pub(super) modified: Option<String>,
    pub(super) training_started: Option<String>,
    pub(super) training_finished: Option<String>,
    pub(super) modules: Vec<Row>,
    /// Modules whose spectra are missing, all of them or in part, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) without_spectra: Vec<LeftOut>,
    /// Modules of zeros, NaN or infinities, where the numbers were looked at; those of [`Self::without_spectra`] are not among them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) flawed: Vec<LeftOut>,
}

/// One module.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) original: String,
    pub(super) tensor_a: String,
    pub(super) tensor_b: String,
    pub(super) rank: usize,
    pub(super) d_in: usize,
    pub(super) d_out: usize,
    pub(super) dtype_a: String,
    pub(super) dtype_b: String,
    pub(super) alpha: Option<f64>,
    pub(super) scaling: Option<f64>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(super) spectra: Option<Spectra>,
}

/// A part of the update that is not read.
#[derive(Debug, Serialize)]
pub(super) struct Part {
    /// As the file has it.
    pub(super) name: String,
    pub(super) reason: String,
    pub(super) found: Option<String>,
    pub(super) n_tensors: usize,
}

impl Part {
    fn of(part: &UnreadPart) -> Self {
        let UnreadPart { name, reason, found, n_tensors, .. } = part.clone();
        Self { name, reason, found, n_tensors }
    }
}

/// As it is shown to people.
pub(super) fn as_text<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// How much of a checkpoint is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    Checkpoint,
    Modules,
    Spectra,
}

/// How much is read of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Depth {
    pub(super) detail: Detail,
    /// Whether the numbers are looked at where no spectra are made of them.
    pub(super) looks_at_numbers: bool,
}

impl Checkpoint {
    /// Reads factors only for spectra, and to look at them.
    ///
    /// # Errors
    /// `Io` from reading, and the first flaw where no number can be measured.
    pub(super) fn of(path: &Path, adapter: &Adapter, depth: Depth) -> crate::Result<Self> {
        let Depth { detail, looks_at_numbers } = depth;
        let modules = adapter.modules();
        let rows = match detail {
            Detail::Checkpoint => vec![],
            Detail::Modules => modules.iter().map(|module| Row::of(module)).collect(),
            Detail::Spectra => modules
                .par_iter()
                .map(|module| Row::with_spectra(module))
                .collect::<crate::Result<Vec<_>>>()?,
        };
        let without_spectra = without_spectra(path, &rows)?;
        let flawed = match detail {
            Detail::Spectra => of_spectra(path, &rows),
            _ if looks_at_numbers => of_numbers(path, modules)?,
            _ => vec![],
        };
        let mut alphas: Vec<f64> = modules.iter().filter_map(|module| module.alpha).collect();
        alphas.sort_by(f64::total_cmp);
        alphas.dedup();
        let ranks: BTreeSet<usize> = modules.iter().map(|module| module.rank()).collect();
        let factors = modules.iter().flat_map(|module| [&module.a, &module.b]);
        let dtypes: BTreeSet<String> = factors.map(|factor| factor.dtype.to_string()).collect();
        let modified = adapter.modified().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let training = adapter.training();
        Ok(Self {
            path: path.display().to_string(),
            adapter_name: adapter.adapter_name().map(str::to_owned),
            naming_scheme: adapter.naming_scheme().to_string(),
            method: adapter.method(),
            file_format: adapter.file_format().to_string(),
            trainer: training.trainer.clone(),
            base_model: adapter.base_model().map(str::to_owned),
            ranks: ranks.into_iter().collect(),
            alphas,
            dtypes: dtypes.into_iter().collect(),
            n_modules: modules.len(),
            unread: adapter.unread_parts().iter().map(Part::of).collect(),
            n_other_tensors: adapter.n_other_tensors(),
            n_magnitudes: adapter.n_magnitudes(),
            n_rescaled: adapter.n_rescaled(),
            n_turned: adapter.n_turned(),
            n_above_size: adapter.n_above_size(),
            n_bytes: adapter.n_bytes(),
            modified: modified.and_then(|since| dates::stamp(since.as_secs_f64())),
            training_started: training.started_s.and_then(dates::stamp),
            training_finished: training.finished_s.and_then(dates::stamp),
            modules: rows,
            without_spectra,
            flawed,
        })
    }

    /// When training ended, if that is recorded, else when the file was last written.
    pub(super) fn date(&self) -> Option<&str> {
        self.training_finished.as_ref().or(self.modified.as_ref())?.get(..10)
    }
}

/// The modules with a spectrum that has no direction.
fn of_spectra(path: &Path, rows: &[Row]) -> Vec<LeftOut> {
    let of_row = |row: &Row| {
        let flaws = row.spectra.iter().flat_map(|spectra| &spectra.without_direction);
        flaws.map(|flaw| LeftOut::new(&row.name, path.display(), flaw)).collect::<Vec<_>>()
    };
    rows.iter().flat_map(of_row).collect()
}

/// The modules of zeros, NaN or infinities.
///
/// # Errors
/// As [`flaws::of`].
fn of_numbers(path: &Path, modules: &[Arc<Module>]) -> crate::Result<Vec<LeftOut>> {
    let of_module = |module: &Arc<Module>| -> crate::Result<Vec<LeftOut>> {
        let flaws = flaws::of(module)?;
        Ok(flaws.iter().map(|flaw| LeftOut::new(&module.name, path.display(), flaw)).collect())
    };
    Ok(modules.par_iter().map(of_module).collect::<crate::Result<Vec<_>>>()?.concat())
}

/// The modules whose numbers cannot be measured.
///
/// # Errors
/// The first flaw where that is every number of every module.
fn without_spectra(path: &Path, rows: &[Row]) -> crate::Result<Vec<LeftOut>> {
    let spectra = || rows.iter().filter_map(|row| row.spectra.as_ref());
    if let Some(flaw) = spectra().flat_map(|spectra| &spectra.flaws).next()
        && spectra().all(Spectra::is_empty)
    {
        return Err(flaw.clone().into_error_of_all(rows.len()));
    }
    let of_row = |row: &Row| {
        let flaws = row.spectra.iter().flat_map(|spectra| &spectra.flaws);
        flaws.map(|flaw| LeftOut::new(&row.name, path.display(), flaw)).collect::<Vec<_>>()
    };
    Ok(rows.iter().flat_map(of_row).collect())
}

impl Row {
    fn of(module: &Module) -> Self {
        Self {
            name: module.name.clone(),
            original: module.original.clone(),
            tensor_a: module.a.name.clone(),
            tensor_b: module.b.name.clone(),
            rank: module.rank(),
            d_in: module.d_in(),
            d_out: module.d_out(),
            dtype_a: module.a.dtype.to_string(),
            dtype_b: module.b.dtype.to_string(),
            alpha: module.alpha,
            scaling: module.scaling,
            spectra: None,
        }
    }

    fn with_spectra(module: &Module) -> crate::Result<Self> {
        Ok(Self { spectra: Some(Spectra::of(module)?), ..Self::of(module) })
    }
}
