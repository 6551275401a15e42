//! What can be drawn.

use std::io::Write;

use super::output::{Output, Pixels};
use super::scene::Scene;
use crate::engine::CpuPainter;
use crate::error::Result;

/// What can be drawn.
///
/// ```
/// use lorascope::figure::{Line, LineChart, Output, Plot, Style};
///
/// # fn main() -> lorascope::Result<()> {
/// let line = Line { name: "seed0".to_owned(), points: vec![(100.0, 0.4), (200.0, 0.1)] };
/// let chart = LineChart::new(vec![line])?.style(Style::new().title("Drift").dpi(100.0));
/// let mut png = Vec::new();
/// chart.write(Output::Png, &mut png)?;
/// assert!(png.starts_with(b"\x89PNG"));
/// # Ok(())
/// # }
/// ```
pub trait Plot: Send + Sync {
    /// Lays the plot out at the width and resolution of its style.
    ///
    /// # Errors
    /// `Invalid` when there is nothing to draw, the ends of the range are not in order, the resolution is under 20, or
    /// the width leaves no room; `Limit` when a side is over 32,767 pixels or the whole over 2²⁹.
    fn scene(&self) -> Result<Scene<'_>>;

    /// Writes the plot to a file of this format. The CPU paints its cells; [`Output::write`] takes another painter.
    ///
    /// # Errors
    /// As [`Plot::scene`]; `Io` when the writer fails.
    fn write(&self, output: Output, writer: &mut dyn Write) -> Result<()> {
        output.write(&self.scene()?, &CpuPainter, writer)
    }

    /// The pixels that [`Plot::write`] puts into a PNG.
    ///
    /// # Errors
    /// As [`Plot::scene`].
    fn pixels(&self) -> Result<Pixels> {
        Pixels::of(&self.scene()?, &CpuPainter)
    }
}
