//! Modules of two adapters, factorised and compared: what a library user calls for more than one pair.

use rayon::prelude::*;

use crate::basis::Basis;
use crate::engine::{Engine, Pair};
use crate::error::Result;
use crate::select::ModulePair;
use crate::side::Side;
use crate::similarity::Grid;
use crate::start;

/// The two bases of one module, before any engine has seen them.
#[derive(Debug, Clone)]
pub struct Factorised<'a> {
    /// The module in both adapters.
    pub pair: ModulePair<'a>,
    /// The first adapter's basis.
    pub a: Basis,
    /// The second adapter's.
    pub b: Basis,
    /// cos(vec A₁, vec A₂), see [`start::cosine`].
    pub start_cosine: Option<f64>,
}

impl<'a> Factorised<'a> {
    /// Reads and factorises both.
    ///
    /// # Errors
    /// As [`Basis::of`].
    pub fn of(pair: ModulePair<'a>, side: Side) -> Result<Self> {
        let (a, b) = rayon::join(|| Basis::of(pair.first, side), || Basis::of(pair.second, side));
        let start_cosine = start::cosine(&pair.first.a.read()?, &pair.second.a.read()?);
        Ok(Self { pair, a: a?, b: b?, start_cosine })
    }

    /// Whether the two share their random start, [`start::SAME_START`].
    pub fn has_same_start(&self) -> bool {
        self.start_cosine.is_some_and(|cosine| cosine > start::SAME_START)
    }
}

/// One module of two adapters, compared.
#[derive(Debug, Clone)]
pub struct Comparison<'a> {
    /// The bases.
    pub factorised: Factorised<'a>,
    /// φ of every (i, j).
    pub grid: Grid,
}

/// Compares modules: factorisations on all threads, then all grids at once.
///
/// ```
/// use lorascope::engine::CpuEngine;
/// use lorascope::{Adapter, Selection, Side, compare};
///
/// let a = Adapter::open("tests/data/adapters/seed0-r8-layer5")?;
/// let b = Adapter::open("tests/data/adapters/seed1-r8-layer5")?;
/// let selected = Selection::new().all().select(&a, &b, Side::A)?;
/// for comparison in compare(&CpuEngine::new(), &selected.pairs, Side::A)? {
///     println!("{}: {:?}", comparison.factorised.pair.name(), comparison.grid.phi(8, 8));
///     assert!(!comparison.factorised.has_same_start());
/// }
/// # Ok::<(), lorascope::Error>(())
/// ```
///
/// # Errors
/// As [`Factorised::of`] and [`Engine::grids`].
pub fn compare<'a>(engine: &dyn Engine, pairs: &[ModulePair<'a>], side: Side) -> Result<Vec<Comparison<'a>>> {
    let factorised: Result<Vec<_>> = pairs.par_iter().map(|&pair| Factorised::of(pair, side)).collect();
    grids(engine, factorised?)
}

/// The grids of bases that are there already.
///
/// # Errors
/// As [`Engine::grids`].
pub fn grids<'a>(engine: &dyn Engine, factorised: Vec<Factorised<'a>>) -> Result<Vec<Comparison<'a>>> {
    let pairs: Vec<Pair<'_>> = factorised.iter().map(|both| Pair { a: &both.a, b: &both.b }).collect();
    let grids = engine.grids(&pairs)?;
    Ok(factorised.into_iter().zip(grids).map(|(factorised, grid)| Comparison { factorised, grid }).collect())
}
