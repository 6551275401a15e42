//! From pairs of modules to the picture and its summary: what `demo` and `figure` share.

use std::time::Instant;

use anyhow::Result;

pub(super) use super::arrangement::Arrangement;
use super::console::Console;
use super::destination::Destination;
use super::drawing::{PictureArgs, ShownArgs};
use super::job::{Done, Extent, Job};
use super::meta::{Meta, save};
use super::options::{ComputeArgs, Control, ControlArgs};
use super::output::PictureOutput;
use super::sink::Sink;
use super::summary_table::{Column, Document, FigureFacts, table};
use super::{write_json, write_text};
use crate::basis::WholeSpectrum;
use crate::error::{Remedy, Result as CrateResult};
use crate::figure::{Figure, Output, Panel, Plot};
use crate::scan::finished::CachedPair;
use crate::text::{printable, some_of};
use crate::{Adapter, FewMeet, Grid, Module, ModulePair, Side};

/// What to draw, and where to.
pub(super) struct Picture<'a> {
    pub(super) arrangement: Arrangement,
    /// What the picture records of its making.
    pub(super) recipe: Option<&'a str>,
    pub(super) runs: [&'a Adapter; 2],
    pub(super) pairs: &'a [ModulePair],
    pub(super) few_meet: Option<&'a FewMeet>,
    /// Bases that are there already.
    pub(super) cached: Option<&'a CachedPair<'a>>,
    pub(super) output: &'a PictureOutput,
    pub(super) save: Option<&'a Destination>,
    pub(super) compute: &'a ComputeArgs,
    pub(super) control: &'a ControlArgs,
    pub(super) picture: &'a PictureArgs,
    pub(super) shown: &'a ShownArgs,
    /// Principal angles too.
    pub(super) angles: bool,
    /// As a [`Job`] has it.
    pub(super) instead: &'a (dyn Fn() -> Option<Remedy> + Sync),
}

impl<'a> Picture<'a> {
    /// Computes, draws, writes and sums up.
    pub(super) fn draw(&self, console: &Console) -> Result<()> {
        self.picture.axes.check_cells()?;
        let (sink, format) = self.output.open(self.shown.format)?;
        let save_to = self.save.map(Sink::open).transpose()?;
        self.check_drawing()?;
        let control = self.has_control().then_some(self.control.seed);
        let Self { runs, pairs, few_meet, cached, compute, .. } = *self;
        let extent = match (self.angles, compute.json) {
            (true, _) => Extent::Angles,
            (false, true) => Extent::Statistics,
            (false, false) => Extent::Grids,
        };
        let job = Job { runs, pairs, few_meet, cached, compute, control, extent, instead: self.instead };
        let done = job.run(console)?;

        let started = Instant::now();
        let bases = done.comparisons.iter().map(|one| (one.factorised.a.r(), one.factorised.b.r()));
        let ranks: Vec<_> =
            bases.chain(done.control.iter().map(|control| (control.a.r(), control.b.r()))).collect();
        let grids: Vec<&Grid> = done
            .comparisons
            .iter()
            .map(|one| &one.grid)
            .chain(done.control.iter().map(|control| &control.grid))
            .collect();
        let drawn: Vec<&ModulePair> = done.comparisons.iter().map(|one| &one.factorised.pair).collect();
        let figure = self.figure(&drawn, &ranks, &grids, &self.ties(&done)?)?;
        let scene = figure.scene()?.recipe(self.recipe);
        sink.fill(|writer| format.write(&scene, done.engine.as_ref(), writer))?;
        console.detail("time", format!("{:.1?} to draw and write", started.elapsed()));

        let path = self.output.to.path();
        let (width_px, height_px, dpi) = (scene.width_px(), scene.height_px(), self.picture.page.style.dpi);
        let size = match format {
            Output::Png => format!("{width_px} × {height_px} pixels, {dpi} dpi"),
            _ => format!("{:.2} × {:.2} in", width_px as f64 / dpi, height_px as f64 / dpi),
        };
        console.note("wrote", format!("{} ({size})", path.as_deref().unwrap_or("stdout")));
        self.shown.preview(&scene, console)?;

        if let Some(save_to) = save_to {
            save(save_to, &done, &Meta::new(self.runs, self.side(), control, done.engine.info())?)?;
        }
        let columns = self.columns(&done);
        if let Some(note) = over_vmax(&figure, &columns, &grids) {
            console.note("note", note);
        }
        if self.compute.json {
            let document = Document {
                schema: 1,
                version: env!("CARGO_PKG_VERSION"),
                figure: FigureFacts { path, format: format.suffix(), width_px, height_px, dpi },
                engine: done.engine.info().into(),
                run_a: self.runs[0].path().display().to_string(),
                run_b: self.runs[1].path().display().to_string(),
                side: self.compute.side().to_string(),
                seed: control,
                panels: &columns,
                left_out: &done.left_out,
                warnings: &done.warnings,
            };
            write_json(&document)
        } else {
            write_text(&table(&columns), self.output.to == Destination::Stdout, console)
        }
    }

    /// Lays the figure out with empty grids, so that a size or a range that cannot be drawn is known before the work.
    fn check_drawing(&self) -> CrateResult<()> {
        let empty = |pair: &ModulePair| {
            let d = self.side().d(&pair.first);
            let (n_rows, n_cols) = (pair.first.rank().min(d), pair.second.rank().min(d));
            Grid::new(n_rows, n_cols, d, vec![0.0; n_rows * n_cols])
        };
        let control = self.pairs.first().filter(|_| self.has_control());
        let grids: CrateResult<Vec<Grid>> = self.pairs.iter().chain(control).map(empty).collect();
        let ranks = |pair: &ModulePair| (pair.first.rank(), pair.second.rank());
        let ranks: Vec<_> = self.pairs.iter().chain(control).map(ranks).collect();
        let grids = grids?;
        let pairs: Vec<&ModulePair> = self.pairs.iter().collect();
        self.figure(&pairs, &ranks, &grids.iter().collect::<Vec<_>>(), &[])
            .and_then(|figure| figure.scene().map(drop))
    }

    fn has_control(&self) -> bool {
        match self.control.control {
            Some(control) => control == Control::Gaussian,
            None => self.arrangement.has_control(),
        }
    }

    fn side(&self) -> Side {
        self.compute.side()
    }

    fn figure(
        &self,
        pairs: &[&ModulePair],
        ranks: &[(usize, usize)],
        grids: &[&Grid],
        ties: &[[Vec<bool>; 2]],
    ) -> CrateResult<Figure> {
        let mut titles = self.picture.panel_title.iter();
        let mut panels: Vec<Panel> = vec![];
        for (at, (&(r_a, r_b), &grid)) in ranks.iter().zip(grids).enumerate() {
            let panel = match pairs.get(at) {
                Some(pair) => Panel::module(pair.name(), grid.clone()),
                None => Panel::control(grid.clone()),
            };
            let mut panel = panel.ranks(r_a, r_b).quantity(self.picture.quantity());
            if let Some([rows, cols]) = ties.get(at) {
                panel = panel.ties(rows.clone(), cols.clone());
            }
            panels.push(match titles.next() {
                Some(title) => panel.title(title),
                None => panel,
            });
        }
        let control = (panels.len() > pairs.len()).then(|| panels.pop()).flatten();
        let figure = self.arrangement.figure(self.side().symbol(), pairs, panels, control)?;
        let style = self.picture.style(self.arrangement.vmax(), figure.largest());
        self.picture.with_lines(figure.style(style))
    }

    /// Which rows and columns of each module part equal singular values, where the user wants to know.
    fn ties(&self, done: &Done) -> CrateResult<Vec<[Vec<bool>; 2]>> {
        if !self.picture.show_ties {
            return Ok(vec![]);
        }
        let of_module = |module: &Module| -> CrateResult<Vec<bool>> {
            Ok(WholeSpectrum::of(module, self.side())?.map_or_else(|_| vec![], |spectrum| spectrum.ties()))
        };
        let of_pair = |pair: &ModulePair| Ok([of_module(&pair.first)?, of_module(&pair.second)?]);
        done.comparisons.iter().map(|one| of_pair(&one.factorised.pair)).collect()
    }

    fn columns(&self, done: &Done) -> Vec<Column> {
        let mut statistics = done.statistics.iter().cloned();
        let modules =
            done.comparisons.iter().map(|comparison| Column::of(comparison, statistics.next(), self.side()));
        let control = done.control.iter().map(Column::control);
        let layers: Vec<Option<usize>> =
            done.comparisons.iter().map(|one| one.factorised.pair.layer()).collect();
        with_distinct_titles(modules.chain(control).collect(), &layers)
    }
}

/// Says which panels have cells over the upper end of the colours, where all look the same.
pub(super) fn over_vmax(figure: &Figure, columns: &[Column], grids: &[&Grid]) -> Option<String> {
    let vmax = figure.vmax();
    let shares = grids.iter().map(|grid| figure.share_over(grid));
    let over: Vec<String> = columns
        .iter()
        .zip(shares)
        .filter(|(_, share)| *share > 0.0)
        .map(|(column, share)| {
            // Rounded, neither none of them nor all.
            let percent = match (100.0 * share).round() {
                0.0 => "under 1".to_owned(),
                100.0 if share < 1.0 => "over 99".to_owned(),
                percent => percent.to_string(),
            };
            format!("{percent} % of {}", printable(&column.title, 40))
        })
        .collect();
    let verb = if over.len() == 1 { "is" } else { "are" };
    (!over.is_empty()).then(|| format!("{} {verb} over {vmax}: --vmax auto", some_of(over)))
}

/// Adds the layer to titles that stand on several columns, and a number where that is not enough.
fn with_distinct_titles(mut columns: Vec<Column>, layers: &[Option<usize>]) -> Vec<Column> {
    let layer = |at: usize| layers.get(at).copied().flatten();
    tell_apart(&mut columns, |at, _| layer(at).map(|layer| format!(", layer {layer}")));
    tell_apart(&mut columns, |_, nth| Some(format!(" ({nth})")));
    columns
}

/// Adds a suffix to each title that stands on several columns, from the column's place and its count among them.
fn tell_apart(columns: &mut [Column], suffix: impl Fn(usize, usize) -> Option<String>) {
    let titles: Vec<String> = columns.iter().map(|column| column.title.clone()).collect();
    for (at, column) in columns.iter_mut().enumerate() {
        let same = |title: &&String| **title == titles[at];
        if titles.iter().filter(same).count() > 1 {
            let nth = titles[..=at].iter().filter(same).count();
            column.title += &suffix(at, nth).unwrap_or_default();
        }
    }
}
