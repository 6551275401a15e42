//! Tables for people: a row a run, or a row a module; and the same rows as CSV.

use super::facts::{Row, Run};
use super::spectrum::Spectrum;
use crate::cli::summary_table::{Align, MISSING, aligned_by};
use crate::text::{counted, printable};

/// Names are cut here: a file may hold one of any length.
const MAX_NAME_CHARS: usize = 100;

/// A row for each run.
pub(super) fn runs(runs: &[Run]) -> String {
    use Align::{Left, Right};
    let columns = [
        ("run", Left),
        ("format", Left),
        ("trainer", Left),
        ("base model", Left),
        ("r", Right),
        ("alpha", Right),
        ("modules", Right),
        ("dtype", Left),
        ("size", Right),
        ("date", Left),
    ];
    let mut rows = vec![columns.map(|(name, _)| name.to_owned()).to_vec()];
    rows.extend(runs.iter().map(|run| {
        vec![
            name(run),
            format(run),
            said(run.trainer.as_deref(), 40),
            said(run.base_model.as_deref(), 40),
            span(&run.ranks),
            span(&run.alphas),
            run.n_modules.to_string(),
            run.dtypes.join(", "),
            size(run.n_bytes),
            run.date().unwrap_or(MISSING).to_owned(),
        ]
    }));
    aligned_by(&rows, &columns.map(|(_, align)| align))
}

/// A few lines on the whole run, and a row for each module.
pub(super) fn modules(run: &Run) -> String {
    let mut text = format!(
        "{}: {} names in {}, {}, rank {}, {}, {}\n",
        name(run),
        format(run),
        run.container,
        counted(run.n_modules, "module"),
        span(&run.ranks),
        run.dtypes.join(", "),
        size(run.n_bytes),
    );
    text += &format!("base model: {}\n", said(run.base_model.as_deref(), 200));
    let trained = run.training_finished.as_deref().map(|time| format!(", finished {time}"));
    let trained = format!("{}{}", said(run.trainer.as_deref(), 200), trained.unwrap_or_default());
    text += &format!("trainer: {trained}\n");
    let mut left_out = vec![];
    if run.n_magnitudes > 0 {
        left_out.push(counted(run.n_magnitudes, "DoRA magnitude vector"));
    }
    if run.n_other_tensors > 0 {
        left_out.push(format!("{} outside the modules", counted(run.n_other_tensors, "tensor")));
    }
    if !left_out.is_empty() {
        text += &format!("left out: {}\n", left_out.join(", "));
    }
    let (header, rows) = module_rows(run, MAX_NAME_CHARS);
    let mut all = vec![header.iter().map(|(name, _)| (*name).to_owned()).collect()];
    all.extend(rows);
    let aligns: Vec<Align> = header.iter().map(|(_, align)| *align).collect();
    format!("{text}\n{}", aligned_by(&all, &aligns))
}

/// The columns of a module's row, with their alignment, and the rows.
fn module_rows(run: &Run, max_chars: usize) -> (Vec<(&'static str, Align)>, Vec<Vec<String>>) {
    use Align::{Left, Right};
    let mut header = vec![("module", Left)];
    header.extend(["r", "d_in", "d_out", "dtype", "alpha", "scaling"].map(|name| (name, Right)));
    if run.modules.iter().any(|row| row.spectra.is_some()) {
        for names in [
            ["A rank", "A σ₁", "A σ_q", "A effective"],
            ["B rank", "B σ₁", "B σ_q", "B effective"],
            ["ΔW rank", "ΔW effective", "‖ΔW‖_F", "‖ΔW‖₂"],
        ] {
            header.extend(names.map(|name| (name, Right)));
        }
    }
    header.push(("in the file", Left));
    let rows = run.modules.iter().map(|row| {
        let mut cells = row.cells(max_chars);
        if let Some(spectra) = &row.spectra {
            cells.extend([&spectra.a, &spectra.b].into_iter().flat_map(Spectrum::cells));
            cells.extend([
                spectra.update.numerical_rank.to_string(),
                format!("{:.1}", spectra.update.effective_rank),
                format!("{:.3e}", spectra.update_norm_f),
                format!("{:.3e}", spectra.update_norm_2),
            ]);
        }
        cells.push(printable(&row.original, max_chars));
        cells
    });
    (header, rows.collect())
}

impl Row {
    fn cells(&self, max_chars: usize) -> Vec<String> {
        let dtype = match self.dtype_a == self.dtype_b {
            true => self.dtype_a.clone(),
            false => format!("{}, {}", self.dtype_a, self.dtype_b),
        };
        let number = |value: Option<f64>| value.map_or(MISSING.to_owned(), rounded);
        vec![
            printable(&self.name, max_chars),
            self.rank.to_string(),
            self.d_in.to_string(),
            self.d_out.to_string(),
            dtype,
            number(self.alpha),
            number(self.scaling),
        ]
    }
}

impl Spectrum {
    fn cells(&self) -> [String; 4] {
        [
            self.numerical_rank.to_string(),
            format!("{:.3e}", self.sigma_first),
            format!("{:.3e}", self.sigma_last),
            format!("{:.1}", self.effective_rank),
        ]
    }
}

/// Six digits, without zeros behind them.
fn rounded(value: f64) -> String {
    let digits = 5 - value.abs().max(1e-300).log10().floor() as i32;
    let scale = 10f64.powi(digits.clamp(0, 15));
    ((value * scale).round() / scale).to_string()
}

fn name(run: &Run) -> String {
    match &run.adapter_name {
        Some(adapter) => format!("{} ({})", printable(&run.path, 200), printable(adapter, 40)),
        None => printable(&run.path, 200),
    }
}

/// The naming scheme, and the method where it is not LoRA itself.
fn format(run: &Run) -> String {
    if run.method == "LoRA" { run.format.clone() } else { format!("{} {}", run.format, run.method) }
}

fn said(text: Option<&str>, max_chars: usize) -> String {
    text.map_or(MISSING.to_owned(), |text| printable(text, max_chars))
}

/// `8`, or `2–16`.
fn span<T: ToString>(rising: &[T]) -> String {
    match rising {
        [] => MISSING.to_owned(),
        [one] => one.to_string(),
        [first, .., last] => format!("{}–{}", first.to_string(), last.to_string()),
    }
}

/// `1.6 MB`: thousands, as disks count.
fn size(n_bytes: u64) -> String {
    let (mut value, mut unit) = (n_bytes as f64, "B");
    for next in ["kB", "MB", "GB", "TB"] {
        if value < 999.5 {
            break;
        }
        (value, unit) = (value / 1000.0, next);
    }
    if unit == "B" || value >= 99.95 { format!("{value:.0} {unit}") } else { format!("{value:.1} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_numbers_are_short() {
        let sizes = [0, 999, 1000, 12_340, 999_499, 999_500, 3_400_000_000].map(size);
        assert_eq!(sizes, ["0 B", "999 B", "1.0 kB", "12.3 kB", "999 kB", "1.0 MB", "3.4 GB"]);
        assert_eq!(
            [2.0, 1.0 / 3.0, 123_456.789, 0.0, -1.5].map(rounded),
            ["2", "0.333333", "123457", "0", "-1.5"]
        );
        assert_eq!(span::<usize>(&[]), MISSING);
        assert_eq!(span(&[2, 8, 16]), "2–16");
    }
}
