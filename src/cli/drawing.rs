//! The options of how a picture is drawn.

use clap::{Args as ArgGroup, value_parser};

use super::axis_args::AxisArgs;
use super::console::Console;
use super::drawing_values::{Vmax, Width, font, palette, phi, positive};
use super::preview;
use super::sink::Sink;
use super::usage::Usage;
use crate::Error;
use crate::engine::CpuPainter;
use crate::figure::{Figure, Font, Look, Output, Palette, Plot, Quantity, Scene, Style};

#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "How it is drawn")]
pub(super) struct PictureArgs {
    #[command(flatten)]
    pub(super) page: PageArgs,
    #[command(flatten)]
    pub(super) axes: AxisArgs,
    /// What cells show: phi, excess, adjusted or z [default: phi]
    ///
    /// excess: φ − max(i, j)/d, what is over chance. adjusted: the same as a share of what is left, 1 where one subspace contains the
    /// other. z: standard deviations over chance. All three have 0 in the middle of their colours (coolwarm).
    #[arg(long, value_name = "VALUE")]
    value: Option<Quantity>,
    /// Contour lines at these values, such as 0.1,0.2,0.3
    #[arg(long, value_name = "LIST", value_delimiter = ',', allow_negative_numbers = true, value_parser = phi)]
    contours: Vec<f64>,
    /// Draw the line i = j
    #[arg(long)]
    diagonal: bool,
    /// Hatch cells that are arbitrary
    ///
    /// Those that part directions of equal singular values, which rounding to the stored type could have turned into each other.
    #[arg(long)]
    pub(super) show_ties: bool,
    /// Title of a panel; may be given several times, for one after another
    #[arg(long, value_name = "TEXT")]
    pub(super) panel_title: Vec<String>,
    /// Panels side by side at most [default: 4, or fewer on a narrow page]
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=100))]
    columns: Option<u16>,
}

/// What holds for every picture of two checkpoints.
#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "How it is drawn")]
pub(super) struct PageArgs {
    /// Value at the dark end of the colours [default: 0]
    #[arg(long, value_name = "PHI", allow_negative_numbers = true, value_parser = phi)]
    vmin: Option<f64>,
    /// Value at the light end, or auto [default: 0.5; 1 for --kind ranks]
    ///
    /// auto: the largest value of the modules, rounded up to a tenth.
    #[arg(long, value_name = "PHI", allow_negative_numbers = true)]
    vmax: Option<Vmax>,
    /// Width in print: column, text or full, or 3.25in, 90mm, 234pt
    ///
    /// column, text and full are 3.25, 5.5 and 7 in. A number alone is in inches. Under 10 in, type and lines shrink with the width.
    /// Default: 4 in for each panel in a row, or 3 where every layer has a row.
    #[arg(long, value_name = "WIDTH")]
    width: Option<Width>,
    /// Title of the whole
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    #[command(flatten)]
    pub(super) style: StyleArgs,
}

/// What holds for every picture.
#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "How it is drawn")]
pub(super) struct StyleArgs {
    /// Colours, such as viridis or coolwarm [default: rocket]
    ///
    /// rocket, viridis, magma, inferno, cividis, grey or coolwarm; viridis, magma, inferno, cividis and grey can be read with colour
    /// blindness too. Or a .txt file with a colour RRGGBB on each line, 2 to 256 from the low end to the high end.
    #[arg(long, value_name = "NAME", value_parser = palette)]
    palette: Option<Palette>,
    /// For a paper, slides or a dark screen
    ///
    /// paper, slides (larger type), or dark (the same on a dark ground).
    #[arg(long, value_name = "LOOK", default_value = "paper")]
    style: Look,
    /// Font of the text: a .ttf or .otf file [default: DejaVu Sans]
    ///
    /// Embedded and subset in a PDF, as outlines in an SVG. It must have every letter of the figure.
    #[arg(long, value_name = "FILE", value_parser = font)]
    font: Option<Font>,
    /// Font of the letters of mathematics [default: DejaVu Sans Oblique]
    ///
    /// A .ttf or .otf file with Latin letters and ϕ or φ, such as ϕ(A, A′, i, j) has.
    #[arg(long, value_name = "FILE", value_parser = font)]
    italic_font: Option<Font>,
    /// Pixels per inch
    ///
    /// Of a PNG, and of the cells' images in PDF and SVG, which are as sharp at any size.
    #[arg(long, default_value = "300", value_parser = positive)]
    pub(super) dpi: f64,
}

/// In which form a picture leaves the program.
#[derive(Debug, Clone, ArgGroup)]
#[command(next_help_heading = "How it is drawn")]
pub(super) struct ShownArgs {
    /// Format: png, pdf or svg [default: by the suffix of -o, else png]
    #[arg(long, value_name = "FORMAT")]
    pub(super) format: Option<Output>,
    /// Show the picture in the terminal too
    ///
    /// As an image in terminals that show them (kitty, Ghostty, WezTerm, Konsole, iTerm2, and those with sixel), else in half-blocks of
    /// colour, or in shades with NO_COLOR. Nothing is shown where neither stdout nor stderr is a terminal. LORASCOPE_PREVIEW=kitty,
    /// iterm, sixel or blocks takes one of these ways.
    #[arg(long)]
    pub(super) preview: bool,
}

impl ShownArgs {
    /// Shows the picture in the terminal, if that is asked for.
    ///
    /// # Errors
    /// As [`preview::show`].
    pub(super) fn preview(&self, scene: &Scene<'_>, console: &Console) -> Result<(), Error> {
        if self.preview { preview::show(scene, console) } else { Ok(()) }
    }

    /// Writes a picture where it is to go, if it is to go somewhere, and shows it in the terminal, if that is asked for.
    ///
    /// # Errors
    /// As [`Plot::write`], [`Sink::fill`] and [`preview::show`].
    pub(super) fn draw(
        &self,
        plot: &dyn Plot,
        to: Option<(Sink, Output)>,
        console: &Console,
    ) -> Result<(), Error> {
        let scene = plot.scene()?;
        if let Some((sink, format)) = to {
            sink.fill(|writer| format.write(&scene, &CpuPainter, writer))?;
        }
        self.preview(&scene, console)
    }
}

impl StyleArgs {
    /// The style that these ask for.
    pub(super) fn style(&self) -> Style {
        self.style_with(Palette::default())
    }

    /// The same with this palette if the user has not named one.
    pub(super) fn style_with(&self, palette: Palette) -> Style {
        let style = Style::new().palette(self.palette.unwrap_or(palette)).dpi(self.dpi).look(self.style);
        let style = self.font.iter().fold(style, |style, font| style.font(*font));
        self.italic_font.iter().fold(style, |style, font| style.italic_font(*font))
    }
}

impl PictureArgs {
    /// The style of a picture whose largest value is this, and whose colours end at `vmax` by default.
    pub(super) fn style(&self, vmax: f64, largest: f64) -> Style {
        let style = match self.quantity() {
            Quantity::Phi => self.page.style(vmax, largest),
            // Tens of standard deviations are not rare.
            Quantity::Z => self.page.around_zero((largest / 10.0).ceil().max(1.0) * 10.0),
            _ => self.page.around_zero(vmax),
        };
        match self.columns {
            Some(columns) => self.axes.on(style.columns(columns.into())),
            None => self.axes.on(style),
        }
    }

    /// The style of a chart, with this title if the user has none.
    ///
    /// # Errors
    /// As [`AxisArgs::check_chart`].
    pub(super) fn chart_style(&self, title: &str) -> Result<Style, Usage> {
        self.axes.check_chart()?;
        Ok(self.axes.on(self.page.chart_style(title)))
    }

    /// What cells show.
    pub(super) fn quantity(&self) -> Quantity {
        self.value.unwrap_or_default()
    }

    /// The figure with the lines and the cells that are asked for.
    ///
    /// # Errors
    /// As [`AxisArgs::cells`].
    pub(super) fn with_lines(&self, figure: Figure) -> Result<Figure, Error> {
        self.axes.cells(figure.contours(self.contours.clone()).diagonal(self.diagonal))
    }
}

impl PageArgs {
    /// The style of a figure whose colours go as far to either side of 0, by default to this.
    fn around_zero(&self, end: f64) -> Style {
        self.map_style("", Palette::Coolwarm, true, (-end, end))
    }

    /// The style of a picture whose largest value is this, and whose colours end at `vmax` by default.
    pub(super) fn style(&self, vmax: f64, largest: f64) -> Style {
        let (style, vmin) = (self.chart_style(""), self.vmin.unwrap_or(0.0));
        match self.vmax.unwrap_or(Vmax::Value(vmax)) {
            Vmax::Auto => style.range_up_to(vmin, largest),
            Vmax::Value(vmax) => style.range(vmin, vmax),
        }
    }

    /// Whether the user has given a title.
    pub(super) fn has_title(&self) -> bool {
        self.title.is_some()
    }

    /// The style of a matrix with these least and largest values, on both sides of 0 or not.
    pub(super) fn map_style(
        &self,
        title: &str,
        palette: Palette,
        is_signed: bool,
        (least, largest): (f64, f64),
    ) -> Style {
        let style = self.chart_style(title).palette(self.style.palette.unwrap_or(palette));
        let style = if is_signed {
            let end = ((10.0 * largest.max(-least) - 1e-3).ceil() / 10.0).max(0.1);
            style.range(-end, end)
        } else {
            style.range_up_to(0.0, largest)
        };
        match (self.vmin, self.vmax) {
            (Some(vmin), Some(Vmax::Value(vmax))) => style.range(vmin, vmax),
            (Some(vmin), _) => style.range_up_to(vmin, largest),
            (None, Some(Vmax::Value(vmax))) => style.range(if is_signed { -vmax } else { 0.0 }, vmax),
            (None, _) => style,
        }
    }

    /// The style of a matrix whose colours go from `low` to `high` unless the user says otherwise.
    pub(super) fn style_from(&self, title: &str, palette: Palette, (low, high): (f64, f64)) -> Style {
        let high = match self.vmax {
            Some(Vmax::Value(vmax)) => vmax,
            _ => high,
        };
        let style = self.chart_style(title).palette(self.style.palette.unwrap_or(palette));
        style.range(self.vmin.unwrap_or(low), high)
    }

    /// The style of a chart, with this title if the user has none.
    pub(super) fn chart_style(&self, title: &str) -> Style {
        let mut style = self.style.style();
        if !title.is_empty() {
            style = style.title(title);
        }
        if let Some(width) = self.width {
            style = style.print_width_in(width.inches);
        }
        if let Some(title) = &self.title {
            style = style.title(title);
        }
        style
    }
}
