//! Tables for people: one row for each checkpoint, or one for each module.

use super::facts::{Checkpoint, Row};
use super::spectrum::Spectrum;
use crate::Method;
use crate::cli::summary_table::{Align, MISSING, aligned_by};
use crate::text::{counted, listed, printable};

/// Longer names are cut: a file may have names of any length.
const MAX_NAME_CHARS: usize = 100;

/// One row for each checkpoint.
pub(super) fn checkpoints(checkpoints: &[Checkpoint]) -> String {
    use Align::{Left, Right};
    let columns = [
        ("checkpoint", Left),
        ("names", Left),
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
    rows.extend(checkpoints.iter().map(|checkpoint| {
        vec![
            name(checkpoint),
            names(checkpoint),
            or_missing(checkpoint.trainer.as_deref(), 40),
            or_missing(checkpoint.base_model.as_deref(), 40),
            span(&checkpoint.ranks),
            span(&checkpoint.alphas),
            checkpoint.n_modules.to_string(),
            checkpoint.dtypes.join(", "),
            size(checkpoint.n_bytes),
            checkpoint.date().unwrap_or(MISSING).to_owned(),
        ]
    }));
    aligned_by(&rows, &columns.map(|(_, align)| align))
}

/// A few lines about the checkpoint, and one row for each module.
pub(super) fn modules(checkpoint: &Checkpoint) -> String {
    let mut text = format!(
        "{}: {} names in {}, {}, rank {}, {}, {}\n",
        name(checkpoint),
        names(checkpoint),
        checkpoint.file_format,
        counted(checkpoint.n_modules, "module"),
        span(&checkpoint.ranks),
        checkpoint.dtypes.join(", "),
        size(checkpoint.n_bytes),
    );
    text += &format!("base model: {}\n", or_missing(checkpoint.base_model.as_deref(), 200));
    let trained = checkpoint.training_finished.as_deref().map(|time| format!(", finished {time}"));
    let trained =
        format!("{}{}", or_missing(checkpoint.trainer.as_deref(), 200), trained.unwrap_or_default());
    text += &format!("trainer: {trained}\n");
    let mut left_out = vec![];
    if checkpoint.n_magnitudes > checkpoint.n_rescaled {
        left_out.push(counted(checkpoint.n_magnitudes - checkpoint.n_rescaled, "DoRA magnitude vector"));
    }
    if !checkpoint.unread.is_empty() {
        left_out.push(format!("{} of the update", counted(checkpoint.unread.len(), "part")));
    }
    if checkpoint.n_other_tensors > 0 {
        left_out.push(format!("{} outside the modules", counted(checkpoint.n_other_tensors, "tensor")));
    }
    if !left_out.is_empty() {
        text += &format!("left out: {}\n", left_out.join(", "));
    }
    if checkpoint.n_turned > 0 {
        let modules = counted(checkpoint.n_turned, "module");
        text += &format!("transposed: A and B of {modules}, as their shapes show\n");
    }
    if checkpoint.n_above_size > 0 {
        let modules = counted(checkpoint.n_above_size, "module");
        text += &format!("rank above d_in or d_out: {modules}\n");
    }
    text += &of_updates(checkpoint);
    let (header, rows) = module_rows(checkpoint, MAX_NAME_CHARS);
    let mut all = vec![header.iter().map(|(name, _)| (*name).to_owned()).collect()];
    all.extend(rows);
    let aligns: Vec<Align> = header.iter().map(|(_, align)| *align).collect();
    format!("{text}\n{}", aligned_by(&all, &aligns))
}

/// How many directions hold the updates, and which modules have none.
fn of_updates(checkpoint: &Checkpoint) -> String {
    let updates = || {
        let update = |row: &'_ Row| Some((row.rank, row.spectra.as_ref()?.update.as_ref()?.k99));
        checkpoint.modules.iter().filter_map(update)
    };
    let mut text = String::new();
    let mut held: Vec<usize> = updates().map(|(_, k99)| k99).filter(|&k99| k99 > 0).collect();
    held.sort_unstable();
    if let (Some(least), Some(most)) = (held.first(), held.last()) {
        let modules = counted(held.len(), "module");
        let median = held[(held.len() - 1) / 2];
        let ranks = span(&checkpoint.ranks);
        let spread = format!("median of {modules}, {least} to {most}");
        text += &format!("99 % of the energy of ΔW: in {median} of {ranks} directions ({spread})\n");
    }
    let dead = checkpoint.modules.iter().filter(|row| {
        let update = row.spectra.as_ref().and_then(|spectra| spectra.update.as_ref());
        update.is_some_and(|update| update.numerical_rank == 0)
    });
    let dead: Vec<&str> = dead.map(|row| row.name.as_str()).collect();
    if !dead.is_empty() {
        let modules = counted(dead.len(), "module");
        text += &format!("dead, as ΔW is zero or not above rounding: {modules} ({})\n", listed(dead));
    }
    text
}

/// The columns of a module's row with their alignment, and the rows.
fn module_rows(checkpoint: &Checkpoint, max_chars: usize) -> (Vec<(&'static str, Align)>, Vec<Vec<String>>) {
    use Align::{Left, Right};
    let mut header = vec![("module", Left)];
    header.extend(["r", "d_in", "d_out", "dtype", "alpha", "scaling"].map(|name| (name, Right)));
    if checkpoint.modules.iter().any(|row| row.spectra.is_some()) {
        for names in [["A rank", "A σ₁", "A σ_q", "A effective"], ["B rank", "B σ₁", "B σ_q", "B effective"]]
        {
            header.extend(names.map(|name| (name, Right)));
        }
        let of_update = ["ΔW rank", "ΔW effective", "ΔW stable", "k90", "k95", "k99", "‖ΔW‖_F", "‖ΔW‖₂"];
        header.extend(of_update.map(|name| (name, Right)));
    }
    header.push(("in the file", Left));
    let rows = checkpoint.modules.iter().map(|row| {
        let mut cells = row.cells(max_chars);
        if let Some(spectra) = &row.spectra {
            let missing = || MISSING.to_owned();
            for factor in [&spectra.a, &spectra.b] {
                cells.extend(factor.as_ref().map_or_else(|| [(); 4].map(|()| missing()), Spectrum::cells));
            }
            let update = spectra.update.as_ref();
            let norm = |norm: Option<f64>| norm.map_or_else(missing, |norm| format!("{norm:.3e}"));
            cells.extend([
                update.map_or_else(missing, |update| update.numerical_rank.to_string()),
                update.map_or_else(missing, |update| format!("{:.1}", update.effective_rank)),
                update
                    .and_then(|update| update.stable_rank)
                    .map_or_else(missing, |rank| format!("{rank:.1}")),
                update.map_or_else(missing, |update| update.k90.to_string()),
                update.map_or_else(missing, |update| update.k95.to_string()),
                update.map_or_else(missing, |update| update.k99.to_string()),
                norm(spectra.update_norm_f),
                norm(spectra.update_norm_2),
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

/// Six digits, without trailing zeros.
fn rounded(value: f64) -> String {
    let digits = 5 - value.abs().max(1e-300).log10().floor() as i32;
    let scale = 10f64.powi(digits.clamp(0, 15));
    ((value * scale).round() / scale).to_string()
}

fn name(checkpoint: &Checkpoint) -> String {
    match &checkpoint.adapter_name {
        Some(adapter) => format!("{} ({})", printable(&checkpoint.path, 200), printable(adapter, 40)),
        None => printable(&checkpoint.path, 200),
    }
}

/// The naming scheme, and the method if it is not plain LoRA.
fn names(checkpoint: &Checkpoint) -> String {
    match checkpoint.method {
        Method::Lora => checkpoint.naming_scheme.clone(),
        method => format!("{} {method}", checkpoint.naming_scheme),
    }
}

fn or_missing(text: Option<&str>, max_chars: usize) -> String {
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

/// `1.6 MB`, in powers of 1000.
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
