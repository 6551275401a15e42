//! The same facts as CSV, with full names and numbers.

use serde::Serialize;

use super::facts::{Checkpoint, Row, as_text};
use super::spectrum::{Spectra, Spectrum};
use crate::Method;

/// One line of the list of checkpoints.
#[derive(Serialize)]
struct CheckpointLine<'a> {
    path: &'a str,
    adapter_name: Option<&'a str>,
    naming_scheme: &'a str,
    #[serde(serialize_with = "as_text")]
    method: Method,
    file_format: &'a str,
    trainer: Option<&'a str>,
    base_model: Option<&'a str>,
    r_min: Option<usize>,
    r_max: Option<usize>,
    alpha_min: Option<f64>,
    alpha_max: Option<f64>,
    n_modules: usize,
    n_unread: usize,
    n_other_tensors: usize,
    dtypes: String,
    n_bytes: u64,
    modified: Option<&'a str>,
    training_started: Option<&'a str>,
    training_finished: Option<&'a str>,
}

/// One line of the list of modules.
#[derive(Serialize)]
struct ModuleLine<'a> {
    path: &'a str,
    adapter_name: Option<&'a str>,
    module: &'a str,
    original: &'a str,
    r: usize,
    d_in: usize,
    d_out: usize,
    dtype_a: &'a str,
    dtype_b: &'a str,
    alpha: Option<f64>,
    scaling: Option<f64>,
    a_rank: Option<usize>,
    a_sigma_first: Option<f64>,
    a_sigma_last: Option<f64>,
    a_effective_rank: Option<f64>,
    b_rank: Option<usize>,
    b_sigma_first: Option<f64>,
    b_sigma_last: Option<f64>,
    b_effective_rank: Option<f64>,
    update_rank: Option<usize>,
    update_effective_rank: Option<f64>,
    update_stable_rank: Option<f64>,
    update_k90: Option<usize>,
    update_k95: Option<usize>,
    update_k99: Option<usize>,
    update_norm_f: Option<f64>,
    update_norm_2: Option<f64>,
}

/// One line for each checkpoint.
pub(super) fn checkpoints(checkpoints: &[Checkpoint]) -> anyhow::Result<Vec<u8>> {
    lines(checkpoints.iter().map(|checkpoint| CheckpointLine {
        path: &checkpoint.path,
        adapter_name: checkpoint.adapter_name.as_deref(),
        naming_scheme: &checkpoint.naming_scheme,
        method: checkpoint.method,
        file_format: &checkpoint.file_format,
        trainer: checkpoint.trainer.as_deref(),
        base_model: checkpoint.base_model.as_deref(),
        r_min: checkpoint.ranks.first().copied(),
        r_max: checkpoint.ranks.last().copied(),
        alpha_min: checkpoint.alphas.first().copied(),
        alpha_max: checkpoint.alphas.last().copied(),
        n_modules: checkpoint.n_modules,
        n_unread: checkpoint.unread.len(),
        n_other_tensors: checkpoint.n_other_tensors,
        dtypes: checkpoint.dtypes.join(" "),
        n_bytes: checkpoint.n_bytes,
        modified: checkpoint.modified.as_deref(),
        training_started: checkpoint.training_started.as_deref(),
        training_finished: checkpoint.training_finished.as_deref(),
    }))
}

/// One line for each module.
pub(super) fn modules(checkpoints: &[Checkpoint]) -> anyhow::Result<Vec<u8>> {
    lines(
        checkpoints
            .iter()
            .flat_map(|checkpoint| checkpoint.modules.iter().map(move |row| module(checkpoint, row))),
    )
}

fn module<'a>(checkpoint: &'a Checkpoint, row: &'a Row) -> ModuleLine<'a> {
    let spectra = row.spectra.as_ref();
    let of = |part: fn(&Spectra) -> Option<&Spectrum>| spectra.and_then(part);
    let (a, b) = (of(|spectra| spectra.a.as_ref()), of(|spectra| spectra.b.as_ref()));
    let update = of(|spectra| spectra.update.as_ref());
    ModuleLine {
        path: &checkpoint.path,
        adapter_name: checkpoint.adapter_name.as_deref(),
        module: &row.name,
        original: &row.original,
        r: row.rank,
        d_in: row.d_in,
        d_out: row.d_out,
        dtype_a: &row.dtype_a,
        dtype_b: &row.dtype_b,
        alpha: row.alpha,
        scaling: row.scaling,
        a_rank: a.map(|a| a.numerical_rank),
        a_sigma_first: a.map(|a| a.sigma_first),
        a_sigma_last: a.map(|a| a.sigma_last),
        a_effective_rank: a.map(|a| a.effective_rank),
        b_rank: b.map(|b| b.numerical_rank),
        b_sigma_first: b.map(|b| b.sigma_first),
        b_sigma_last: b.map(|b| b.sigma_last),
        b_effective_rank: b.map(|b| b.effective_rank),
        update_rank: update.map(|update| update.numerical_rank),
        update_effective_rank: update.map(|update| update.effective_rank),
        update_stable_rank: update.and_then(|update| update.stable_rank),
        update_k90: update.map(|update| update.k90),
        update_k95: update.map(|update| update.k95),
        update_k99: update.map(|update| update.k99),
        update_norm_f: spectra.and_then(|spectra| spectra.update_norm_f),
        update_norm_2: spectra.and_then(|spectra| spectra.update_norm_2),
    }
}

fn lines(lines: impl Iterator<Item = impl Serialize>) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(vec![]);
    for line in lines {
        writer.serialize(line)?;
    }
    Ok(writer.into_inner()?)
}
