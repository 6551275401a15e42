//! `lorascope inspect`: what checkpoints hold, from their headers, and their spectra on demand.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;
use rayon::prelude::*;
use serde::Serialize;

use super::args::InspectArgs;
use super::report::Report;
use super::summary_table::{MISSING, aligned};
use super::{Outcome, write_stdout};
use crate::listing::printable;
use crate::{Adapter, Basis, Factor, Module, Side};

pub(super) fn run(args: &InspectArgs, report: &Report) -> Result<Outcome> {
    let mut outcome = Outcome::Done;
    let mut inspected = vec![];
    for run in &args.runs {
        // A bad run does not hide the others.
        match Inspection::of(run, args.spectra) {
            Ok(inspection) => inspected.push(inspection),
            Err(error) => {
                report.error(&error.into());
                outcome = Outcome::Skipped;
            }
        }
    }
    if args.json {
        let document = Document { schema: 1, runs: &inspected };
        write_stdout(|stdout| {
            serde_json::to_writer_pretty(&mut *stdout, &document)?;
            writeln!(stdout)
        })?;
    } else {
        let texts: Vec<String> = inspected.iter().map(Inspection::text).collect();
        write_stdout(|stdout| stdout.write_all(texts.join("\n").as_bytes()))?;
    }
    Ok(outcome)
}

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    runs: &'a [Inspection],
}

/// One checkpoint.
#[derive(Serialize)]
struct Inspection {
    path: String,
    format: String,
    container: String,
    base_model: Option<String>,
    n_modules: usize,
    modules: Vec<Row>,
}

/// One module.
#[derive(Serialize)]
struct Row {
    name: String,
    tensor_a: String,
    tensor_b: String,
    rank: usize,
    d_in: usize,
    d_out: usize,
    dtype_a: String,
    dtype_b: String,
    alpha: Option<f64>,
    scaling: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    spectrum_a: Option<Spectrum>,
    #[serde(skip_serializing_if = "Option::is_none")]
    spectrum_b: Option<Spectrum>,
}

/// The singular values of one factor.
#[derive(Serialize)]
struct Spectrum {
    /// Directions above the rounding noise; 0 for a factor of zeros.
    numerical_rank: usize,
    sigma_first: f64,
    sigma_last: f64,
    /// exp(−Σ pₖ·ln pₖ), pₖ = σₖ/Σσ (Roy & Vetterli 2007): how many directions there are, by weight.
    effective_rank: f64,
}

impl Inspection {
    fn of(run: &Path, with_spectra: bool) -> crate::Result<Self> {
        let adapter = Adapter::open(run)?;
        let row = |module: &Module| Row::of(module, with_spectra);
        let modules = adapter.modules().par_iter().map(row).collect::<crate::Result<Vec<_>>>()?;
        Ok(Self {
            path: run.display().to_string(),
            format: adapter.format().to_string(),
            container: adapter.container().to_string(),
            base_model: adapter.base_model().map(str::to_owned),
            n_modules: modules.len(),
            modules,
        })
    }

    /// A line on the whole, and a row a module.
    fn text(&self) -> String {
        let distinct = |value: &dyn Fn(&Row) -> String| {
            let values: BTreeSet<String> = self.modules.iter().map(value).collect();
            values.into_iter().collect::<Vec<_>>().join(", ")
        };
        let ranks: BTreeSet<usize> = self.modules.iter().map(|row| row.rank).collect();
        let ranks: Vec<String> = ranks.iter().map(ToString::to_string).collect();
        let mut text = format!(
            "{}: {} names in {}, {} modules, rank {}, {}\n",
            printable(&self.path, 200),
            self.format,
            self.container,
            self.n_modules,
            ranks.join(", "),
            distinct(&|row| row.dtype_a.clone()),
        );
        text += &format!(
            "base model: {}\n\n",
            self.base_model.as_deref().map_or(MISSING.to_owned(), |name| printable(name, 200))
        );
        let with_spectra = self.modules.iter().any(|row| row.spectrum_a.is_some());
        let mut header: Vec<String> =
            ["module", "r", "d_in", "d_out", "dtype", "alpha", "scaling"].map(String::from).into();
        if with_spectra {
            for factor in ["A", "B"] {
                header.extend(["rank", "σ₁", "σ_q", "effective"].map(|what| format!("{factor} {what}")));
            }
        }
        let mut rows = vec![header];
        rows.extend(self.modules.iter().map(|row| row.cells(with_spectra)));
        text + &aligned(&rows)
    }
}

impl Row {
    fn of(module: &Module, with_spectra: bool) -> crate::Result<Self> {
        let spectrum = |factor: &Factor, side: Side| match with_spectra {
            true => Spectrum::of(factor, side).map(Some),
            false => Ok(None),
        };
        Ok(Self {
            name: module.name.clone(),
            tensor_a: module.a.name.clone(),
            tensor_b: module.b.name.clone(),
            rank: module.rank(),
            d_in: module.d_in(),
            d_out: module.d_out(),
            dtype_a: module.a.dtype.to_string(),
            dtype_b: module.b.dtype.to_string(),
            alpha: module.alpha,
            scaling: module.scaling,
            spectrum_a: spectrum(&module.a, Side::A)?,
            spectrum_b: spectrum(&module.b, Side::B)?,
        })
    }

    fn cells(&self, with_spectra: bool) -> Vec<String> {
        let dtype = match self.dtype_a == self.dtype_b {
            true => self.dtype_a.clone(),
            false => format!("{}, {}", self.dtype_a, self.dtype_b),
        };
        let number = |value: Option<f64>| value.map_or(MISSING.to_owned(), |value| value.to_string());
        let mut cells = vec![
            printable(&self.name, 100),
            self.rank.to_string(),
            self.d_in.to_string(),
            self.d_out.to_string(),
            dtype,
            number(self.alpha),
            number(self.scaling),
        ];
        if with_spectra {
            for spectrum in [&self.spectrum_a, &self.spectrum_b] {
                cells.extend(spectrum.as_ref().map_or([(); 4].map(|()| MISSING.to_owned()), Spectrum::cells));
            }
        }
        cells
    }
}

impl Spectrum {
    /// Reads and factorises one factor. An untrained B is no error here: it has no direction.
    fn of(factor: &Factor, side: Side) -> crate::Result<Self> {
        let matrix = factor.read()?;
        if matrix.values.iter().all(|&value| value == 0.0) {
            return Ok(Self { numerical_rank: 0, sigma_first: 0.0, sigma_last: 0.0, effective_rank: 0.0 });
        }
        let basis = Basis::of_matrix(&matrix, side)?;
        let sigma = basis.sigma();
        let sum: f64 = sigma.iter().sum();
        let entropy: f64 = sigma.iter().map(|sigma| sigma / sum).map(|p| -p * p.ln()).sum();
        Ok(Self {
            numerical_rank: basis.q(),
            sigma_first: sigma[0],
            sigma_last: sigma[sigma.len() - 1],
            effective_rank: entropy.exp(),
        })
    }

    fn cells(&self) -> [String; 4] {
        [
            self.numerical_rank.to_string(),
            format!("{:.3e}", self.sigma_first),
            format!("{:.3e}", self.sigma_last),
            format!("{:.1}", self.effective_rank),
        ]
    }
}
