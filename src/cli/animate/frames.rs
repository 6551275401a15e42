//! The frames of an animation: what each checkpoint shares with the reference, and the figure of it.

use std::sync::Arc;

use anyhow::Result;

use super::AnimateArgs;
use super::kept_grids::KeptGrids;
use crate::cli::adapters::Adapters;
use crate::cli::arrangement::Arrangement;
use crate::cli::console::Console;
use crate::cli::figure::has_basis;
use crate::cli::kind::Kind;
use crate::cli::left_out::LeftOut;
use crate::cli::listing::{Cell, Listing};
use crate::cli::progress;
use crate::cli::steps::in_order;
use crate::cli::warnings::{self, Warning, same_holds_for};
use crate::engine::Engine;
use crate::error::{Error, Fault, Result as CrateResult};
use crate::figure::{Figure, Panel, Plot};
use crate::measure::summary::Summary;
use crate::text::counted;
use crate::{Adapter, Factorised, Grid, ModulePair, Selection, grids};

/// What is drawn, and the numbers of it.
pub(super) struct Frames<'a> {
    args: &'a AnimateArgs,
    arrangement: Arrangement,
    /// Modules of the last checkpoint, which all frames have, with those of the reference.
    pairs: Vec<ModulePair>,
    steps: Vec<u64>,
    /// Of each frame, those of its modules.
    grids: KeptGrids,
    /// The ranks of each of these.
    ranks: Vec<(usize, usize)>,
    /// The least and the largest value, and the largest of modules.
    span: (f32, f32),
    largest: f64,
    pub(super) listing: Listing,
    /// Checkpoints without a frame, and why.
    pub(super) left_out: Vec<String>,
    pub(super) warnings: Vec<Warning>,
}

impl<'a> Frames<'a> {
    /// Compares every checkpoint with the reference.
    ///
    /// # Errors
    /// When fewer than two checkpoints have the modules, with subspaces; what reading and computing answer.
    pub(super) fn compute(
        args: &'a AnimateArgs,
        run: &Adapters,
        reference: &Adapter,
        engine: &dyn Engine,
        console: &Console,
    ) -> Result<Self> {
        let side = args.compute.side();
        let run = in_order(&run.all)?;
        let Some((_, last)) = run.last() else {
            return Err(Fault::new("no checkpoint", "those of a run").of("run").invalid().into());
        };
        let selection = args.selection.of(Selection::new())?;
        let selected = selection.select_usable(last, reference, side, &|pair| has_basis(pair, side))?;
        if let Some(note) = &selected.note {
            console.note("note", note);
        }
        let pairs = selected.pairs;
        let headings = ["step", "module", "phi 1", "phi r", "horizontal", "vertical", "sparsity"];
        let mut frames = Self {
            args,
            arrangement: Arrangement::of(Kind::Seeds, &pairs),
            steps: vec![],
            grids: KeptGrids::new()?,
            ranks: vec![],
            span: (f32::INFINITY, f32::NEG_INFINITY),
            largest: 0.0,
            listing: Listing::new(&headings),
            left_out: vec![],
            warnings: vec![],
            pairs,
        };
        frames.check_drawing(run.iter().map(|(step, _)| *step).max().unwrap_or(0))?;
        let mut said: Vec<(Warning, usize)> = vec![];
        // A factorisation costs some tens of r²·d.
        let flop = |pair: &ModulePair| 20.0 * (pair.first.rank().pow(2) * side.d(&pair.first)) as f64;
        let flop = frames.pairs.iter().map(flop).sum::<f64>() * run.len() as f64;
        let bar = progress::bar(console, "comparing", run.len(), flop);
        for (step, adapter) in run {
            let added = frames.add(step, adapter, reference, engine)?;
            bar.inc(1);
            match added {
                Err(why) => frames.left_out.push(format!("{}: {why}", adapter.path().display())),
                Ok(warnings) => {
                    for warning in warnings {
                        match said.iter_mut().find(|(other, _)| other.code == warning.code) {
                            Some((_, n)) => *n += 1,
                            None => said.push((warning, 0)),
                        }
                    }
                }
            }
        }
        bar.finish_and_clear();
        engine.take_warnings().into_iter().for_each(|warning| console.warning(warning));
        frames.left_out.iter().for_each(|line| console.note("left out", line));
        frames.warnings = said
            .into_iter()
            .map(|(warning, n)| Warning {
                message: format!("{}{}", warning.message, same_holds_for(n, "other frame")),
                ..warning
            })
            .collect();
        frames.warnings.iter().for_each(|warning| console.warning(warning));
        let vmax = args.picture.style(frames.arrangement.vmax(), frames.largest);
        let vmax = Figure::new("").style(vmax).vmax();
        if frames.largest > vmax + 1e-3 {
            console.note(
                "note",
                format!("values go up to {:.2}, and colours to {vmax}: --vmax auto", frames.largest),
            );
        }
        if frames.steps.len() < 2 {
            let found = counted(frames.steps.len(), "checkpoint");
            let fault = Fault::new(found, "two or more of a run that have these modules, with subspaces");
            return Err(fault.of(format!("side {side}")).unsupported().into());
        }
        Ok(frames)
    }

    /// Frames that there are.
    pub(super) fn n(&self) -> usize {
        self.steps.len()
    }

    /// Compares a checkpoint, and says what to be careful of, or why it has no frame.
    fn add(
        &mut self,
        step: u64,
        adapter: &Adapter,
        reference: &Adapter,
        engine: &dyn Engine,
    ) -> Result<Result<Vec<Warning>, String>> {
        let side = self.args.compute.side();
        let mut factorised = vec![];
        for pair in &self.pairs {
            let Some(module) = adapter.module(&pair.first.name) else {
                return Ok(Err(format!("no module {}", pair.first.name)));
            };
            let [here, there] = [module, &pair.second].map(|module| side.d(module));
            if here != there {
                let fault =
                    Fault::new(format!("{} = {here}", side.d_name()), format!("{there} as in the reference"));
                return Err(fault.at(adapter.path()).of(format!("module {}", module.name)).invalid().into());
            }
            let pair = ModulePair { first: Arc::clone(module), second: Arc::clone(&pair.second) };
            match Factorised::or_left_out(pair, side, false)? {
                Ok(one) => factorised.push(one),
                Err(one) => {
                    let reasons = LeftOut::of_pairs([adapter, reference], &[one]);
                    return Ok(Err(crate::cli::left_out::reasons(&reasons)));
                }
            }
        }
        let warnings = warnings::of([adapter, reference], side, &factorised, &[], false, None);
        let compared = grids(engine, factorised)?;
        let ranks: Vec<_> = compared.iter().map(|one| (one.factorised.a.r(), one.factorised.b.r())).collect();
        let of_frame: Vec<Grid> = compared.iter().map(|one| one.grid.clone()).collect();
        let figure = self.figure(&ranks, of_frame, &[], Default::default())?;
        let span = figure.span();
        self.span = (self.span.0.min(span.0), self.span.1.max(span.1));
        self.largest = self.largest.max(figure.largest());
        for one in &compared {
            let mut summary = Summary::of(&one.grid);
            if one.factorised.has_shared_init() {
                summary = summary.of_dependent();
            }
            self.listing.row(vec![
                Cell::Count(step),
                Cell::Text(one.factorised.pair.name().to_owned()),
                Cell::Number(summary.phi_1_1.phi),
                Cell::Number(summary.phi_r_r.phi),
                Cell::Text(summary.horizontal.strength.to_string()),
                Cell::Text(summary.vertical.strength.to_string()),
                Cell::Number(summary.sparsity),
            ]);
            self.grids.add(&one.grid)?;
        }
        self.ranks.extend(ranks);
        self.steps.push(step);
        Ok(Ok(warnings))
    }

    /// The figure of a frame, in the colours and the room of all of them.
    ///
    /// # Errors
    /// `Io` when the system refuses to read what it kept.
    pub(super) fn plot(&self, n: usize) -> CrateResult<Box<dyn Plot>> {
        let n_panels = self.pairs.len();
        let of_frame = n * n_panels..(n + 1) * n_panels;
        let grids = of_frame.clone().map(|at| self.grids.get(at)).collect::<CrateResult<Vec<_>>>()?;
        let room = |panel: usize| {
            let of_panel = (panel..self.ranks.len()).step_by(n_panels).map(|at| self.grids.shape(at));
            of_panel.fold((0, 0), |(rows, cols), shape| (rows.max(shape.0), cols.max(shape.1)))
        };
        let rooms: Vec<_> = (0..n_panels).map(room).collect();
        let figure = self.figure(&self.ranks[of_frame], grids, &rooms, self.title_end(n))?;
        let style = self.args.picture.style(self.arrangement.vmax(), self.largest);
        Ok(Box::new(figure.style(style.with_values(self.span.0, self.span.1))))
    }

    /// The step, in as much room as the longest takes, so that the title stays in its place.
    fn title_end(&self, n: usize) -> [String; 2] {
        // Digits are all of one width.
        [self.steps[n], self.steps.iter().copied().max().unwrap_or(0)].map(|step| format!(", step {step}"))
    }

    fn figure(
        &self,
        ranks: &[(usize, usize)],
        grids: Vec<Grid>,
        rooms: &[(usize, usize)],
        [title_end, longest]: [String; 2],
    ) -> CrateResult<Figure> {
        let picture = &self.args.picture;
        let mut titles = picture.panel_title.iter();
        let mut panels = vec![];
        for (at, ((pair, grid), &(r_a, r_b))) in self.pairs.iter().zip(grids).zip(ranks).enumerate() {
            let mut panel = Panel::module(pair.name(), grid).ranks(r_a, r_b).quantity(picture.quantity());
            if let Some(&(n_rows, n_cols)) = rooms.get(at) {
                panel = panel.padded(n_rows, n_cols);
            }
            panels.push(match titles.next() {
                Some(title) => panel.title(title),
                None => panel,
            });
        }
        let pairs: Vec<&ModulePair> = self.pairs.iter().collect();
        let figure = self.arrangement.figure(self.args.compute.side().symbol(), &pairs, panels, None)?;
        picture.with_lines(figure.title_end(title_end, longest))
    }

    /// Lays a frame out with empty grids, so that a size or a range that cannot be drawn is known before the work.
    fn check_drawing(&self, step: u64) -> Result<(), Error> {
        let side = self.args.compute.side();
        let empty = |pair: &ModulePair| {
            let d = side.d(&pair.first);
            let (n_rows, n_cols) = (pair.first.rank().min(d), pair.second.rank().min(d));
            Grid::new(n_rows, n_cols, d, vec![0.0; n_rows * n_cols])
        };
        let grids = self.pairs.iter().map(empty).collect::<CrateResult<Vec<_>>>()?;
        let ranks: Vec<_> = self.pairs.iter().map(|pair| (pair.first.rank(), pair.second.rank())).collect();
        let figure = self.figure(&ranks, grids, &[], [", step 1".to_owned(), format!(", step {step}")])?;
        let style = self.args.picture.style(self.arrangement.vmax(), 0.0);
        figure.style(style).scene().map(drop)
    }
}
