//! The same facts as CSV, with full names and numbers.

use serde::Serialize;

use super::facts::{Row, Run};
use super::spectrum::Spectra;

/// One line of the list of checkpoints.
#[derive(Serialize)]
struct RunLine<'a> {
    path: &'a str,
    adapter_name: Option<&'a str>,
    naming_scheme: &'a str,
    method: &'a str,
    file_format: &'a str,
    trainer: Option<&'a str>,
    base_model: Option<&'a str>,
    r_min: Option<usize>,
    r_max: Option<usize>,
    alpha_min: Option<f64>,
    alpha_max: Option<f64>,
    n_modules: usize,
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
    update_norm_f: Option<f64>,
    update_norm_2: Option<f64>,
}

/// One line for each checkpoint.
pub(super) fn runs(runs: &[Run]) -> anyhow::Result<Vec<u8>> {
    lines(runs.iter().map(|run| RunLine {
        path: &run.path,
        adapter_name: run.adapter_name.as_deref(),
        naming_scheme: &run.naming_scheme,
        method: &run.method,
        file_format: &run.file_format,
        trainer: run.trainer.as_deref(),
        base_model: run.base_model.as_deref(),
        r_min: run.ranks.first().copied(),
        r_max: run.ranks.last().copied(),
        alpha_min: run.alphas.first().copied(),
        alpha_max: run.alphas.last().copied(),
        n_modules: run.n_modules,
        n_other_tensors: run.n_other_tensors,
        dtypes: run.dtypes.join(" "),
        n_bytes: run.n_bytes,
        modified: run.modified.as_deref(),
        training_started: run.training_started.as_deref(),
        training_finished: run.training_finished.as_deref(),
    }))
}

/// One line for each module.
pub(super) fn modules(runs: &[Run]) -> anyhow::Result<Vec<u8>> {
    lines(runs.iter().flat_map(|run| run.modules.iter().map(move |row| module(run, row))))
}

fn module<'a>(run: &'a Run, row: &'a Row) -> ModuleLine<'a> {
    let spectra = row.spectra.as_ref();
    let value = |value: fn(&Spectra) -> f64| spectra.map(value);
    ModuleLine {
        path: &run.path,
        adapter_name: run.adapter_name.as_deref(),
        module: &row.name,
        original: &row.original,
        r: row.rank,
        d_in: row.d_in,
        d_out: row.d_out,
        dtype_a: &row.dtype_a,
        dtype_b: &row.dtype_b,
        alpha: row.alpha,
        scaling: row.scaling,
        a_rank: spectra.map(|spectra| spectra.a.numerical_rank),
        a_sigma_first: value(|spectra| spectra.a.sigma_first),
        a_sigma_last: value(|spectra| spectra.a.sigma_last),
        a_effective_rank: value(|spectra| spectra.a.effective_rank),
        b_rank: spectra.map(|spectra| spectra.b.numerical_rank),
        b_sigma_first: value(|spectra| spectra.b.sigma_first),
        b_sigma_last: value(|spectra| spectra.b.sigma_last),
        b_effective_rank: value(|spectra| spectra.b.effective_rank),
        update_rank: spectra.map(|spectra| spectra.update.numerical_rank),
        update_effective_rank: value(|spectra| spectra.update.effective_rank),
        update_norm_f: value(|spectra| spectra.update_norm_f),
        update_norm_2: value(|spectra| spectra.update_norm_2),
    }
}

fn lines(lines: impl Iterator<Item = impl Serialize>) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(vec![]);
    for line in lines {
        writer.serialize(line)?;
    }
    Ok(writer.into_inner()?)
}
