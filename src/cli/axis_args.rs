//! The options of a picture's axes.

use clap::Args as ArgGroup;

use super::drawing_values::phi;
use super::usage::Usage;
use crate::figure::{AxisStyle, Figure, Style};

/// Names, ticks and ranges in place of the plot's own.
#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "How it is drawn")]
pub(super) struct AxisArgs {
    /// Name of the axis to the right, in place of j
    #[arg(long, value_name = "TEXT")]
    x_label: Option<String>,
    /// Name of the axis that runs down or up, in place of i
    #[arg(long, value_name = "TEXT")]
    y_label: Option<String>,
    /// Ticks of the axis to the right, such as 1,8,16
    ///
    /// Cells, counted from 1, or values. Those that the axis does not reach are left out.
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = number, allow_negative_numbers = true)]
    x_ticks: Option<Vec<f64>>,
    /// Ticks of the axis that runs down or up
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = number, allow_negative_numbers = true)]
    y_ticks: Option<Vec<f64>>,
    /// Ticks of the colour bar, such as 0,0.25,0.5
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = phi, allow_negative_numbers = true)]
    bar_ticks: Option<Vec<f64>>,
    /// Only the first cells: N for N × N, or I,J
    ///
    /// Of heatmaps of φ(i, j): i up to I, j up to J. The ranks in the title stay.
    #[arg(long, value_name = "I,J")]
    cells: Option<Cells>,
    /// First and last value of the axis to the right, of a chart
    #[arg(long, value_name = "LOW,HIGH", value_parser = range, allow_negative_numbers = true)]
    x_range: Option<(f64, f64)>,
    /// First and last value of the axis that runs up, of a chart
    #[arg(long, value_name = "LOW,HIGH", value_parser = range, allow_negative_numbers = true)]
    y_range: Option<(f64, f64)>,
}

impl AxisArgs {
    /// The style with these axes.
    pub(super) fn on(&self, style: Style) -> Style {
        let axis = |label: &Option<String>, ticks: &Option<Vec<f64>>, range| AxisStyle {
            label: label.clone(),
            ticks: ticks.clone(),
            range,
        };
        let style = style.x_axis(axis(&self.x_label, &self.x_ticks, self.x_range));
        let style = style.y_axis(axis(&self.y_label, &self.y_ticks, self.y_range));
        self.bar_ticks.iter().fold(style, |style, ticks| style.bar_ticks(ticks.clone()))
    }

    /// The figure with the cells that are asked for.
    ///
    /// # Errors
    /// None that arguments can cause.
    pub(super) fn cells(&self, figure: Figure) -> crate::Result<Figure> {
        match self.cells {
            Some(Cells { n_rows, n_cols }) => figure.cells(n_rows, n_cols),
            None => Ok(figure),
        }
    }

    /// Checks that a heatmap of φ(i, j) has what is asked for.
    ///
    /// # Errors
    /// When it has not.
    pub(super) fn check_cells(&self) -> Result<(), Usage> {
        match (self.x_range, self.y_range) {
            (None, None) => Ok(()),
            _ => Err(Usage("--x-range and --y-range are for charts with lines; heatmaps have --cells")),
        }
    }

    /// The same of a chart with lines.
    ///
    /// # Errors
    /// When it has not.
    pub(super) fn check_chart(&self) -> Result<(), Usage> {
        match (self.cells, &self.bar_ticks) {
            (None, None) => Ok(()),
            _ => Err(Usage("--cells and --bar-ticks are for heatmaps")),
        }
    }

    /// The same of a heatmap whose rows and columns have names.
    ///
    /// # Errors
    /// When it has not.
    pub(super) fn check_named(&self) -> Result<(), Usage> {
        if self.cells.is_some() || self.x_ticks.is_some() || self.y_ticks.is_some() {
            return Err(Usage(
                "--cells, --x-ticks and --y-ticks are for axes with numbers; these have names",
            ));
        }
        self.check_cells()
    }
}

/// The first cells.
#[derive(Debug, Clone, Copy)]
struct Cells {
    n_rows: usize,
    n_cols: usize,
}

impl std::str::FromStr for Cells {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (rows, cols) = text.split_once(',').unwrap_or((text, text));
        let number = |text: &str| text.trim().parse().ok().filter(|n| *n > 0);
        let both = number(rows).zip(number(cols));
        both.map(|(n_rows, n_cols)| Self { n_rows, n_cols })
            .ok_or("expected a number from 1, or two, such as 8,64")
    }
}

fn number(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err("expected a number".to_owned()),
    }
}

fn range(text: &str) -> Result<(f64, f64), String> {
    let ends = text.split_once(',').and_then(|(low, high)| Some((number(low).ok()?, number(high).ok()?)));
    ends.filter(|(low, high)| low < high)
        .ok_or("expected two numbers, the smaller first, such as 0,1000".to_owned())
}
