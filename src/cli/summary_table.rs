//! The summary as a table for people and as JSON for machines.

use serde::Serialize;

use super::job::Control;
use super::left_out::LeftOut;
use super::warnings::Warning;
use crate::engine::EngineInfo;
use crate::measure::PairStatistics;
use crate::measure::summary::{Band, CORNER, Cell, DEPTH_Z, Peak, SPARSE, Summary};
use crate::text::printable;
use crate::{Basis, Comparison, Grid, Module, Side};

/// One column of the table: a panel and what it shows.
#[derive(Debug, Serialize)]
pub(super) struct Column {
    /// The panel's title in plain letters.
    pub(super) title: String,
    /// Canonical name; `None` for the control.
    pub(super) module: Option<String>,
    pub(super) tensors_a: Option<Vec<String>>,
    pub(super) tensors_b: Option<Vec<String>>,
    pub(super) n_uncertain_a: usize,
    pub(super) n_uncertain_b: usize,
    /// r₁, r₂ and d, which JSON has among the statistics.
    #[serde(skip)]
    pub(super) shape: [usize; 3],
    #[serde(flatten)]
    pub(super) statistics: Option<PairStatistics>,
    #[serde(flatten)]
    pub(super) summary: Summary,
}

impl Column {
    /// A module's panel.
    pub(super) fn of(comparison: &Comparison, statistics: Option<PairStatistics>, side: Side) -> Self {
        let Comparison { factorised, grid } = comparison;
        let pair = &factorised.pair;
        let tensors =
            |module: &Module| side.factors(module).into_iter().map(|factor| factor.name.clone()).collect();
        let mut column = Self::new(&factorised.a, &factorised.b, grid, statistics);
        column.title = format!("ΔW_{}", pair.label());
        column.module = Some(pair.name().to_owned());
        column.tensors_a = Some(tensors(&pair.first));
        column.tensors_b = Some(tensors(&pair.second));
        if factorised.has_shared_init() {
            column.summary = column.summary.of_dependent();
        }
        column
    }

    /// The control's panel.
    pub(super) fn control(control: &Control) -> Self {
        let Control { a, b, grid, statistics } = control;
        Self::new(a, b, grid, statistics.clone())
    }

    /// A panel of a weight's directions and those of an update, or for no module of a random one.
    pub(super) fn of_weight(
        title: String,
        module: Option<&str>,
        [w, update]: [&Basis; 2],
        grid: &Grid,
    ) -> Self {
        Self { title, module: module.map(str::to_owned), ..Self::new(w, update, grid, None) }
    }

    fn new(a: &Basis, b: &Basis, grid: &Grid, statistics: Option<PairStatistics>) -> Self {
        Self {
            title: "Random Gaussian".to_owned(),
            module: None,
            tensors_a: None,
            tensors_b: None,
            n_uncertain_a: a.n_uncertain(),
            n_uncertain_b: b.n_uncertain(),
            shape: [a.r(), b.r(), grid.d()],
            statistics,
            summary: Summary::of(grid),
        }
    }
}

/// Everything that `--json` prints.
#[derive(Debug, Serialize)]
pub(super) struct Document<'a> {
    pub(super) schema: u32,
    pub(super) version: &'static str,
    pub(super) figure: FigureFacts,
    pub(super) engine: EngineFacts<'a>,
    pub(super) run_a: String,
    pub(super) run_b: String,
    pub(super) side: String,
    pub(super) seed: Option<u64>,
    pub(super) panels: &'a [Column],
    /// Modules that were chosen and have no subspace in one of the two.
    pub(super) left_out: &'a [LeftOut],
    pub(super) warnings: &'a [Warning],
}

#[derive(Debug, Serialize)]
pub(super) struct FigureFacts {
    pub(super) path: Option<String>,
    pub(super) format: &'static str,
    pub(super) width_px: usize,
    pub(super) height_px: usize,
    pub(super) dpi: f64,
}

#[derive(Debug, Serialize)]
pub(super) struct EngineFacts<'a> {
    kind: String,
    device: &'a str,
    driver: &'a str,
    precision: String,
}

impl<'a> From<&'a EngineInfo> for EngineFacts<'a> {
    fn from(info: &'a EngineInfo) -> Self {
        Self {
            kind: info.kind.to_string(),
            device: &info.device,
            driver: &info.driver,
            precision: info.precision.to_string(),
        }
    }
}

/// What stands for a cell that does not exist.
pub(super) const MISSING: &str = "–";

/// Columns that fit a terminal side by side; more panels make more tables.
const MAX_COLUMNS: usize = 4;

/// Which module each column is, and the summary, one column a panel.
pub(super) fn table(columns: &[Column]) -> String {
    let mut text = String::new();
    for columns in columns.chunks(MAX_COLUMNS) {
        for column in columns {
            if let Some(module) = &column.module {
                text += &format!("{}: {}\n", title(column), printable(module, MAX_NAME_CHARS));
            }
        }
        text.push('\n');
        text += &aligned(&rows(columns));
        text.push('\n');
    }
    text
}

/// Names are cut here: a file may hold one of any length.
const MAX_NAME_CHARS: usize = 200;

/// A column's heading, as short as its numbers are wide at the most.
fn title(column: &Column) -> String {
    printable(&column.title, 40)
}

fn rows(columns: &[Column]) -> Vec<Vec<String>> {
    let row = |label: &str, cell: &dyn Fn(&Column) -> String| {
        [label.to_owned()].into_iter().chain(columns.iter().map(cell)).collect()
    };
    let mut rows = vec![
        row("", &title),
        row("r₁ × r₂, d", &|column| {
            let [r_a, r_b, d] = column.shape;
            format!("{r_a} × {r_b}, {d}")
        }),
        row(&format!("peak φ of the top-left {CORNER} × {CORNER}"), &|column| {
            peak(&column.summary.peak_8x8)
        }),
        row("peak of the excess φ − baseline", &|column| peak(&column.summary.excess_peak)),
        row("horizontal band: φ(1, j), excess", &|column| band(&column.summary.horizontal)),
        row("vertical band: φ(i, 1), excess", &|column| band(&column.summary.vertical)),
        row(&format!("sparsity: cells with excess < {SPARSE}"), &|column| {
            format!("{:.1} %", 100.0 * column.summary.sparsity)
        }),
        row(&format!("depth: z(k, k) > {DEPTH_Z} up to k"), &|column| {
            column.summary.depth.map_or(MISSING.to_owned(), |depth| depth.to_string())
        }),
        row("φ(1, 1), baseline, z", &|column| cell(Some(&column.summary.phi_1_1))),
        row("φ(8, 8), baseline, z", &|column| cell(column.summary.phi_8_8.as_ref())),
        row("φ(r, r), baseline, z; r = min(r₁, r₂)", &|column| cell(Some(&column.summary.phi_r_r))),
    ];
    let texts =
        |column: &Column| -> Vec<_> { column.statistics.iter().flat_map(PairStatistics::texts).collect() };
    let of_first = columns.first().map_or(vec![], texts);
    rows.extend(of_first.iter().map(|(text, _)| {
        row(text.heading, &|column| {
            // The control has no update.
            let found = texts(column).into_iter().find(|(of, _)| of.heading == text.heading);
            found.and_then(|(_, text)| text).unwrap_or_else(|| MISSING.to_owned())
        })
    }));
    rows
}

/// Where a column's cells stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// Columns of equal width, two spaces apart, to the left.
fn aligned(rows: &[Vec<String>]) -> String {
    columns(rows, |_, width, cell| format!("{cell:width$}"))
}

/// As [`aligned`], but all columns save the first, which has names, to the right: digits stand under digits.
pub(super) fn numbers(rows: &[Vec<String>]) -> String {
    let aligns: Vec<Align> = (0..rows.first().map_or(0, Vec::len))
        .map(|at| if at == 0 { Align::Left } else { Align::Right })
        .collect();
    aligned_by(rows, &aligns)
}

/// Columns of equal width, two spaces apart, each aligned as told.
pub(super) fn aligned_by(rows: &[Vec<String>], aligns: &[Align]) -> String {
    columns(rows, |at, width, cell| match aligns[at] {
        Align::Left => format!("{cell:width$}"),
        Align::Right => format!("{cell:>width$}"),
    })
}

fn columns(rows: &[Vec<String>], pad: impl Fn(usize, usize, &str) -> String) -> String {
    let n_columns = rows.first().map_or(0, Vec::len);
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..n_columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(at, (cell, &width))| pad(at, width, cell));
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text
}

fn peak(peak: &Peak) -> String {
    format!("{:.3} at ({}, {})", peak.value, peak.i, peak.j)
}

fn band(band: &Band) -> String {
    format!("{:.3} {:+.3} {}", band.mean, band.excess, band.strength)
}

fn cell(cell: Option<&Cell>) -> String {
    let Some(cell) = cell else { return MISSING.to_owned() };
    format!("{:.3} {:.3} {}", cell.phi, cell.baseline, shown_z(cell.z))
}

/// z to one decimal, without a minus before zero.
pub(super) fn shown_z(z: Option<f64>) -> String {
    let Some(z) = z else { return MISSING.to_owned() };
    let text = format!("{z:.1}");
    if text == "-0.0" { "0.0".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_z_that_rounds_to_zero_has_no_sign() {
        let shown = [-0.04, -0.06, 0.04, -12.0].map(|z| shown_z(Some(z)));
        assert_eq!(shown, ["0.0", "-0.1", "0.0", "-12.0"]);
        assert_eq!(shown_z(None), MISSING);
    }
}
