//! From pairs of modules to the picture and its summary: what `demo` and `figure` share.

use std::time::Instant;

use anyhow::Result;
use clap::CommandFactory;
use clap::error::ErrorKind;
use rayon::prelude::*;

use super::args::{Args, ComputeArgs, Control, PictureArgs, Vmax};
use super::output::Output;
use super::report::Report;
use super::sink::Sink;
use super::summary_table::{Column, Document, FigureFacts, table};
use super::{progress, write_stdout};
use crate::engine::{self, Pair, Work};
use crate::error::Result as CrateResult;
use crate::figure::{Figure, Panel};
use crate::{Adapter, Basis, Grid, ModulePair, Side};

/// What to draw, and where to.
pub(super) struct Picture<'a> {
    pub(super) runs: [&'a Adapter; 2],
    pub(super) pairs: Vec<ModulePair<'a>>,
    pub(super) output: &'a Output,
    pub(super) compute: &'a ComputeArgs,
    pub(super) picture: &'a PictureArgs,
}

/// Both bases of a panel.
type Bases = [Basis; 2];

/// Checks what the grammar cannot, before anything is read.
pub(super) fn check_usage(output: &Output, compute: &ComputeArgs) {
    if compute.json && *output == Output::Stdout {
        let message = "--json and -o - both write to stdout";
        Args::command().error(ErrorKind::ArgumentConflict, message).exit();
    }
}

impl Picture<'_> {
    /// Computes, draws, writes and sums up.
    pub(super) fn draw(&self, report: &Report) -> Result<()> {
        let sink = Sink::open(self.output)?;
        self.check_drawing()?;
        let flop = self.flop();
        let opening = engine::open(&self.compute.request(), Work { flop });

        let started = Instant::now();
        let bases = self.bases(report)?;
        report.detail("time", format!("{:.1?} to read and factorise", started.elapsed()));
        let (engine, reason) = opening.wait()?;
        let reason = reason.map(|reason| format!(", {reason}")).unwrap_or_default();
        report.note("engine", format!("{}{reason}", engine.info()));

        let started = Instant::now();
        let pairs: Vec<Pair<'_>> = bases.iter().map(|[a, b]| Pair { a, b }).collect();
        let grids = engine.grids(&pairs)?;
        report.detail("time", format!("{:.1?} to compute {} grids", started.elapsed(), grids.len()));

        let started = Instant::now();
        let ranks: Vec<_> = bases.iter().map(|[a, b]| (a.r(), b.r())).collect();
        let figure = self.figure(&ranks, &grids);
        sink.fill(|writer| figure.write_png(engine.as_ref(), writer))?;
        report.detail("time", format!("{:.1?} to draw and write", started.elapsed()));

        let areas = figure.areas()?;
        let path = match self.output {
            Output::Stdout => None,
            Output::File(path) => Some(path.display().to_string()),
        };
        let (width_px, height_px, dpi) = (areas.width_px, areas.height_px, self.picture.dpi);
        let shown = path.as_deref().unwrap_or("stdout");
        report.note("wrote", format!("{shown} ({width_px} × {height_px} pixels, {dpi} dpi)"));

        let columns = self.columns(&bases, &grids);
        if self.compute.json {
            let document = Document {
                schema: 1,
                version: env!("CARGO_PKG_VERSION"),
                figure: FigureFacts { path, width_px, height_px, dpi },
                engine: engine.info().into(),
                run_a: self.runs[0].path().display().to_string(),
                run_b: self.runs[1].path().display().to_string(),
                side: self.compute.side.to_string(),
                seed: self.has_control().then_some(self.compute.seed),
                panels: &columns,
            };
            write_stdout(|stdout| {
                serde_json::to_writer_pretty(&mut *stdout, &document)?;
                writeln!(stdout)
            })
        } else if *self.output == Output::Stdout {
            report.result(&table(&columns));
            Ok(())
        } else {
            write_stdout(|stdout| stdout.write_all(table(&columns).as_bytes()))
        }
    }

    /// Lays the figure out with empty grids, so that a size or a range that cannot be drawn is known before the work.
    fn check_drawing(&self) -> CrateResult<()> {
        let empty = |pair: &ModulePair<'_>| {
            let d = self.side().d(pair.first);
            let (n_rows, n_cols) = (pair.first.rank().min(d), pair.second.rank().min(d));
            Grid::new(n_rows, n_cols, d, vec![0.0; n_rows * n_cols])
        };
        let control = self.pairs.first().filter(|_| self.has_control());
        let grids: CrateResult<Vec<Grid>> = self.pairs.iter().chain(control).map(empty).collect();
        let ranks = |pair: &ModulePair<'_>| (pair.first.rank(), pair.second.rank());
        let ranks: Vec<_> = self.pairs.iter().chain(control).map(ranks).collect();
        self.figure(&ranks, &grids?).areas().map(drop)
    }

    fn has_control(&self) -> bool {
        self.compute.control == Control::Gaussian
    }

    fn side(&self) -> Side {
        self.compute.side
    }

    /// Work of all products, from headers alone.
    fn flop(&self) -> f64 {
        let pair = |pair: &ModulePair<'_>| {
            let ranks = pair.first.rank() as f64 * pair.second.rank() as f64;
            2.0 * ranks * self.side().d(pair.first) as f64
        };
        self.pairs.iter().map(pair).sum::<f64>()
            + if self.has_control() { self.pairs.first().map_or(0.0, pair) } else { 0.0 }
    }

    /// Every panel's bases, the control's last; one factorisation a thread.
    fn bases(&self, report: &Report) -> Result<Vec<Bases>> {
        let n = 2 * (self.pairs.len() + usize::from(self.has_control()));
        // QR and the small SVD cost some tens of r²·d.
        let flop = self.flop() * 20.0;
        let bar = progress::bar(report, "factorising", n, flop);
        let basis = |at: usize| -> CrateResult<Basis> {
            let basis = match self.pairs.get(at / 2) {
                Some(pair) => Basis::of(if at % 2 == 0 { pair.first } else { pair.second }, self.side()),
                None => self.control(at % 2),
            };
            bar.inc(1);
            basis
        };
        let bases: CrateResult<Vec<Basis>> = (0..n).into_par_iter().map(basis).collect();
        bar.finish_and_clear();
        let mut bases = bases?.into_iter();
        let mut panels = vec![];
        while let (Some(a), Some(b)) = (bases.next(), bases.next()) {
            panels.push([a, b]);
        }
        for (pair, bases) in self.pairs.iter().zip(&panels) {
            self.explain(pair, bases, report);
        }
        Ok(panels)
    }

    /// One of the two random matrices, of the first panel's shape.
    fn control(&self, which: usize) -> CrateResult<Basis> {
        let shape = &self.pairs[0];
        let module = if which == 0 { shape.first } else { shape.second };
        let gaussian = if which == 0 { Basis::gaussian } else { Basis::gaussian_other };
        gaussian(module.rank(), self.side().d(module), self.compute.seed)
    }

    /// Says what is compared, and warns of directions that are missing or doubtful.
    fn explain(&self, pair: &ModulePair<'_>, bases: &Bases, report: &Report) {
        for ((run, module), basis) in self.runs.iter().zip([pair.first, pair.second]).zip(bases) {
            let factors = self.side().factors(module);
            let names: Vec<&str> = factors.iter().map(|factor| factor.name.as_str()).collect();
            let dtype = factors[0].dtype;
            let (largest, smallest) = (basis.sigma()[0], basis.sigma()[basis.q() - 1]);
            report.detail(
                "module",
                format!(
                    "{}: {} ({}, r = {}, d = {}, σ {largest:.3e} to {smallest:.3e})",
                    run.path().display(),
                    names.join(" and "),
                    dtype,
                    basis.r(),
                    basis.d()
                ),
            );
            let name = format!("{}: {}", run.path().display(), module.name);
            if basis.n_dropped() > 0 {
                report.warning(format!(
                    "{name}: numerical rank {} of {}: the other directions could be the rounding of {}, so the grid \
                     ends there",
                    basis.q(),
                    basis.r().min(basis.d()),
                    dtype
                ));
            }
            if basis.n_uncertain() > 0 {
                report.warning(format!(
                    "{name}: the last {} of {} directions lie near the rounding noise of {} and are uncertain",
                    basis.n_uncertain(),
                    basis.q(),
                    dtype
                ));
            }
        }
    }

    fn figure(&self, ranks: &[(usize, usize)], grids: &[Grid]) -> Figure {
        let mut figure =
            Figure::new(self.side().symbol()).palette(self.picture.palette).dpi(self.picture.dpi);
        for (at, (&(r_a, r_b), grid)) in ranks.iter().zip(grids).enumerate() {
            let panel = match self.pairs.get(at) {
                Some(pair) => Panel::module(pair.name(), grid.clone()),
                None => Panel::control(grid.clone()),
            };
            figure = figure.panel(panel.ranks(r_a, r_b));
        }
        if let Some(width_in) = self.picture.width_in {
            figure = figure.width_in(width_in);
        }
        match self.picture.vmax {
            Vmax::Auto => figure.range_from(self.picture.vmin),
            Vmax::Value(vmax) => figure.range(self.picture.vmin, vmax),
        }
    }

    fn columns(&self, bases: &[Bases], grids: &[Grid]) -> Vec<Column> {
        let columns = bases.iter().zip(grids).enumerate().map(|(at, ([a, b], grid))| {
            let pair = self.pairs.get(at);
            Column::new(pair.map(|pair| (pair, self.side())), [a, b], grid)
        });
        with_distinct_titles(columns.collect(), &self.pairs)
    }
}

/// Adds the layer to titles that stand on several columns, and a number where that is not enough.
fn with_distinct_titles(mut columns: Vec<Column>, pairs: &[ModulePair<'_>]) -> Vec<Column> {
    let layer = |at: usize| pairs.get(at).and_then(ModulePair::layer);
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
