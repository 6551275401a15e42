//! From pairs of modules to their grids: what every command that compares does, with its progress, notes and warnings.

use std::time::Instant;

use anyhow::Result;
use rayon::prelude::*;

use super::console::Console;
use super::left_out::{self, LeftOut};
use super::options::ComputeArgs;
use super::progress;
use super::warnings::{self, Warning};
use crate::compare::{LeftOutPair, Two, nothing_left, parted, statistics_of};
use crate::engine::{self, Engine, Work};
use crate::error::{Error, Remedy, Result as CrateResult};
use crate::measure::{Member, PairStatistics};
use crate::scan::finished::CachedPair;
use crate::{
    Adapter, Basis, Compared, Comparison, Factorised, FewMeet, Grid, ModulePair, Selected, Side, grids,
    similarity, statistics,
};

/// What to compare.
pub(super) struct Job<'a> {
    pub(super) runs: [&'a Adapter; 2],
    pub(super) pairs: &'a [ModulePair],
    pub(super) few_meet: Option<&'a FewMeet>,
    /// Bases that are there already.
    pub(super) cached: Option<&'a CachedPair<'a>>,
    pub(super) compute: &'a ComputeArgs,
    /// The seed of a Gaussian control of the first pair's shape, if there is to be one.
    pub(super) control: Option<u64>,
    pub(super) extent: Extent,
    /// What can be compared instead, for the hint when none of the modules can.
    pub(super) instead: &'a (dyn Fn() -> Option<Remedy> + Sync),
}

impl<'a> Job<'a> {
    /// The selected modules of two checkpoints, without a control.
    pub(super) fn of(
        runs: [&'a Adapter; 2],
        selected: &'a Selected,
        compute: &'a ComputeArgs,
        extent: Extent,
    ) -> Self {
        let (pairs, few_meet) = (selected.pairs.as_slice(), selected.few_meet.as_ref());
        Self { runs, pairs, few_meet, cached: None, compute, control: None, extent, instead: &|| None }
    }
}

/// What the bases of a part of a model may take.
const PART_BYTES: usize = 64 << 20;

/// What is computed of every pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// Its grid.
    Grids,
    /// The grid, and every statistic but the principal angles.
    Statistics,
    /// All of it.
    Angles,
}

/// What came of it.
pub(super) struct Done {
    pub(super) engine: Box<dyn Engine>,
    pub(super) comparisons: Compared,
    /// Modules that are not among them.
    pub(super) left_out: Vec<LeftOut>,
    /// Of each comparison, where they were asked for.
    pub(super) statistics: Vec<PairStatistics>,
    pub(super) control: Option<Control>,
    pub(super) warnings: Vec<Warning>,
}

/// A module that can be compared, or one that is left out.
type Made = CrateResult<Factorised, LeftOutPair>;

/// Two random bases and their grid.
pub(super) struct Control {
    pub(super) a: Basis,
    pub(super) b: Basis,
    pub(super) grid: Grid,
    pub(super) statistics: Option<PairStatistics>,
}

impl<'a> Job<'a> {
    /// Computes while the engine is being opened, and says on stderr what ran and what to be careful of.
    pub(super) fn run(&self, console: &Console) -> Result<Done> {
        let flop = self.flop();
        let opening = engine::open(&self.compute.request(), Work { flop, max_numbers: self.max_numbers() });

        let started = Instant::now();
        let (made, control) = self.factorise(console, flop)?;
        let (factorised, left_out_pairs) = parted(made).map_err(|error| self.with_others(error))?;
        let control = self.of_first(&factorised, control)?;
        console.detail("time", format!("{:.1?} to read and factorise", started.elapsed()));
        let left_out = LeftOut::of_pairs(self.runs, &left_out_pairs);
        let warnings = self.warn(&factorised, &left_out, console);
        let engine = opening.wait()?;
        console.engine(engine.engine.info(), engine.reason.as_deref(), engine.warning.as_ref());
        let engine = engine.engine;

        let started = Instant::now();
        let comparisons = Compared { modules: grids(engine.as_ref(), factorised)?, left_out: left_out_pairs };
        let statistics = self.statistics(engine.as_ref(), &comparisons)?;
        let control = match control {
            Some([a, b]) => Some(self.control(engine.as_ref(), a, b)?),
            None => None,
        };
        // What the CPU engine had to make in a GPU's place.
        engine.take_warnings().into_iter().for_each(|warning| console.warning(warning));
        console.detail("time", format!("{:.1?} to compute {} grids", started.elapsed(), comparisons.len()));
        Ok(Done { engine, comparisons, left_out, statistics, control, warnings })
    }

    /// As [`Job::run`] without a control and without statistics, some modules at a time: of the bases only singular values stay, so
    /// that a whole model takes little memory.
    pub(super) fn run_in_parts(&self, console: &Console) -> Result<Done> {
        let flop = self.flop();
        let opening = engine::open(&self.compute.request(), Work { flop, max_numbers: self.max_numbers() });
        let opened = opening.wait()?;
        console.engine(opened.engine.info(), opened.reason.as_deref(), opened.warning.as_ref());
        let engine = opened.engine;

        let started = Instant::now();
        let bar = progress::bar(console, "comparing", self.pairs.len(), 20.0 * flop);
        let (mut modules, mut left_out_pairs): (Vec<Comparison>, Vec<LeftOutPair>) = (vec![], vec![]);
        for part in self.pairs.chunks(self.n_at_once()) {
            let made = part.par_iter().map(|pair| Factorised::or_left_out(pair.clone(), self.side(), false));
            let mut factorised = vec![];
            for one in made.collect::<CrateResult<Vec<_>>>()? {
                match one {
                    Ok(one) => factorised.push(one),
                    Err(one) => left_out_pairs.push(one),
                }
            }
            modules.extend(grids(engine.as_ref(), factorised)?.into_iter().map(|mut one| {
                one.factorised.a.forget_rows();
                one.factorised.b.forget_rows();
                one
            }));
            bar.inc(part.len() as u64);
        }
        bar.finish_and_clear();
        if modules.is_empty() {
            return Err(self.with_others(nothing_left(&left_out_pairs)).into());
        }
        engine.take_warnings().into_iter().for_each(|warning| console.warning(warning));
        console.detail("time", format!("{:.1?} to compare {} modules", started.elapsed(), modules.len()));
        let left_out = LeftOut::of_pairs(self.runs, &left_out_pairs);
        self.runs.into_iter().for_each(|run| warnings::list_unread(run, console));
        left_out::details(&left_out, console);
        // Small copies: the vectors are gone.
        let factorised: Vec<Factorised> = modules.iter().map(|one| one.factorised.clone()).collect();
        let warnings = warnings::of(self.runs, self.side(), &factorised, &left_out, false, self.few_meet);
        warnings.iter().for_each(|warning| console.warning(warning));
        let comparisons = Compared { modules, left_out: left_out_pairs };
        Ok(Done { engine, comparisons, left_out, statistics: vec![], control: None, warnings })
    }

    /// Modules whose bases are kept together.
    fn n_at_once(&self) -> usize {
        let bytes = |pair: &ModulePair| {
            let ranks = pair.first.rank() + pair.second.rank();
            4 * ranks * self.side().d(&pair.first)
        };
        let largest = self.pairs.iter().map(bytes).max().unwrap_or(0);
        (PART_BYTES / largest.max(1)).max(1)
    }

    fn statistics(
        &self,
        engine: &dyn Engine,
        comparisons: &[Comparison],
    ) -> CrateResult<Vec<PairStatistics>> {
        if self.extent == Extent::Grids {
            return Ok(vec![]);
        }
        statistics(engine, comparisons, self.runs, self.extent == Extent::Angles)
    }

    fn control(&self, engine: &dyn Engine, a: Basis, b: Basis) -> CrateResult<Control> {
        let grid = similarity(engine, &a, &b)?;
        let statistics = if self.extent == Extent::Grids {
            None
        } else {
            let members = [&a, &b].map(|basis| Member { basis, base_model: None, update: None });
            let pair = Two { members, init_cosine: None, cosine: None };
            statistics_of(engine, &[pair], self.extent == Extent::Angles)?.pop()
        };
        Ok(Control { a, b, grid, statistics })
    }

    fn side(&self) -> Side {
        self.compute.side()
    }

    /// Work of all products, from headers only.
    fn flop(&self) -> f64 {
        let pair = |pair: &ModulePair| {
            let ranks = pair.first.rank() as f64 * pair.second.rank() as f64;
            2.0 * ranks * self.side().d(&pair.first) as f64
        };
        let control = self.pairs.first().filter(|_| self.control.is_some());
        self.pairs.iter().chain(control).map(pair).sum()
    }

    /// Numbers in the largest basis or grid, from headers only.
    fn max_numbers(&self) -> usize {
        let pair = |pair: &ModulePair| {
            let (r_a, r_b) = (pair.first.rank(), pair.second.rank());
            (r_a.max(r_b) * self.side().d(&pair.first)).max(r_a * r_b)
        };
        self.pairs.iter().map(pair).max().unwrap_or(0)
    }

    /// Every pair's bases, and the control's.
    fn factorise(&self, console: &Console, flop: f64) -> Result<(Vec<Made>, Option<[Basis; 2]>)> {
        // A factorisation costs some tens of r²·d.
        let bar = progress::bar(console, "factorising", self.pairs.len(), 20.0 * flop);
        let factorise = |pair: &ModulePair| {
            let cached = self.cached.map(|cached| cached.factorised(pair.clone())).transpose()?.flatten();
            let updates = self.extent != Extent::Grids;
            let make = || Factorised::or_left_out(pair.clone(), self.side(), updates);
            let factorised = cached.map_or_else(make, |cached| Ok(Ok(cached)));
            bar.inc(1);
            factorised
        };
        let (factorised, control) = rayon::join(
            || self.pairs.par_iter().map(factorise).collect::<CrateResult<Vec<_>>>(),
            || self.control.map(|seed| self.random_bases(&self.pairs[0], seed)).transpose(),
        );
        bar.finish_and_clear();
        Ok((factorised?, control?))
    }

    /// The control of the first module that is compared, which is another one where the first is left out.
    fn of_first(
        &self,
        factorised: &[Factorised],
        control: Option<[Basis; 2]>,
    ) -> CrateResult<Option<[Basis; 2]>> {
        match (factorised.first(), self.control) {
            (Some(first), Some(seed)) if first.pair.name() != self.pairs[0].name() => {
                self.random_bases(&first.pair, seed).map(Some)
            }
            _ => Ok(control),
        }
    }

    /// The error when no module can be compared, with those that can.
    fn with_others(&self, error: Error) -> Error {
        match (self.instead)() {
            Some(remedy) => error.with_remedy(remedy),
            None => error,
        }
    }

    /// Two random bases of a module's shape.
    fn random_bases(&self, shape: &ModulePair, seed: u64) -> CrateResult<[Basis; 2]> {
        let d = self.side().d(&shape.first);
        let (a, b) = rayon::join(
            || Basis::gaussian(shape.first.rank(), d, seed),
            || Basis::gaussian_other(shape.second.rank(), d, seed),
        );
        Ok([a?, b?])
    }

    /// Says what is compared, and warns of what would mislead.
    fn warn(&self, factorised: &[Factorised], left_out: &[LeftOut], console: &Console) -> Vec<Warning> {
        for both in factorised {
            let modules = [&both.pair.first, &both.pair.second];
            for ((run, module), basis) in self.runs.iter().zip(modules).zip([&both.a, &both.b]) {
                let factors = self.side().factors(module);
                let names: Vec<&str> = factors.iter().map(|factor| factor.name.as_str()).collect();
                let (largest, smallest) = (basis.sigma()[0], basis.sigma()[basis.q() - 1]);
                console.detail(
                    "module",
                    format!(
                        "{}: {} ({}, r = {}, d = {}, σ {largest:.3e} to {smallest:.3e})",
                        run.path().display(),
                        names.join(" and "),
                        factors[0].dtype,
                        basis.r(),
                        basis.d()
                    ),
                );
            }
        }
        self.runs.into_iter().for_each(|run| warnings::list_unread(run, console));
        left_out::details(left_out, console);
        let warnings = warnings::of(
            self.runs,
            self.side(),
            factorised,
            left_out,
            self.extent != Extent::Grids,
            self.few_meet,
        );
        for warning in &warnings {
            console.warning(warning);
        }
        warnings
    }
}
