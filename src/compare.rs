//! Modules of two adapters, factorised and compared: what a library user calls for more than one pair.

use rayon::prelude::*;

use crate::adapter::Side;
use crate::basis::Basis;
use crate::engine::{Engine, Pair};
use crate::error::Result;
use crate::measure::Grid;
use crate::measure::init_cosine;
use crate::select::ModulePair;

/// The two bases of one module, before any engine has seen them.
#[derive(Debug, Clone)]
pub struct Factorised {
    /// The module in both adapters.
    pub pair: ModulePair,
    /// The first adapter's basis.
    pub a: Basis,
    /// The second adapter's.
    pub b: Basis,
    /// cos(vec A₁, vec A₂), see [`init_cosine::cosine`].
    pub init_cosine: Option<f64>,
}

impl Factorised {
    /// Reads and factorises both; A is read on every side, for the cosine.
    ///
    /// # Errors
    /// As [`Basis::of`].
    pub fn of(pair: ModulePair, side: Side) -> Result<Self> {
        let (first, second) =
            rayon::join(|| Basis::with_a(&pair.first, side), || Basis::with_a(&pair.second, side));
        let ((a, a_1), (b, a_2)) = (first?, second?);
        Ok(Self { pair, a, b, init_cosine: init_cosine::cosine(&a_1, &a_2) })
    }

    /// Whether the two share their random start, [`init_cosine::SHARED_INIT`].
    pub fn has_shared_init(&self) -> bool {
        self.init_cosine.is_some_and(|cosine| cosine > init_cosine::SHARED_INIT)
    }
}

/// One module of two adapters, compared. It shares the modules with the adapters and outlives them.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// The bases.
    pub factorised: Factorised,
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
///     assert!(!comparison.factorised.has_shared_init());
/// }
/// # Ok::<(), lorascope::Error>(())
/// ```
///
/// # Errors
/// As [`Factorised::of`] and [`Engine::grids`].
pub fn compare(engine: &dyn Engine, pairs: &[ModulePair], side: Side) -> Result<Vec<Comparison>> {
    let factorised: Result<Vec<_>> =
        pairs.par_iter().map(|pair| Factorised::of(pair.clone(), side)).collect();
    grids(engine, factorised?)
}

/// The grids of bases that are there already.
///
/// # Errors
/// As [`Engine::grids`].
pub fn grids(engine: &dyn Engine, factorised: Vec<Factorised>) -> Result<Vec<Comparison>> {
    let pairs: Vec<Pair<'_>> = factorised.iter().map(|both| Pair { a: &both.a, b: &both.b }).collect();
    let grids = engine.grids(&pairs)?;
    Ok(factorised.into_iter().zip(grids).map(|(factorised, grid)| Comparison { factorised, grid }).collect())
}

/// The grid of one pair. For many pairs [`Engine::grids`] is faster.
///
/// # Errors
/// `Invalid` when the bases have different d; `Limit` and `Gpu` from a GPU engine.
pub fn similarity(engine: &dyn Engine, a: &Basis, b: &Basis) -> Result<Grid> {
    let mut grids = engine.grids(&[Pair { a, b }])?;
    Ok(grids.pop().expect("an engine returns one grid for each pair"))
}
