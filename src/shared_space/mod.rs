//! How much of N adapters lies in one space: the mean projector (1/N)·Σ Vᵢ·Vᵢᵀ of a module's subspaces.
//!
//! An eigenvalue is the mean over the adapters of cos² between its direction and their subspaces: 1 where every adapter
//! holds the direction, 1/N where one of N does. All eigenvalues sum to the mean rank q̄, and the first k of them over q̄
//! are the mean share of the adapters' subspaces that k shared directions hold, weighted by rank. [`Chance`] has what
//! independent random subspaces would show.

mod basis_file;
mod law;
pub(crate) mod shared_init;
mod spectrum;

use std::path::PathBuf;
use std::sync::Arc;

use rayon::prelude::*;
use serde::Serialize;

pub use self::law::Chance;
use self::spectrum::Spectrum;
use crate::adapter::{Adapter, Matrix, Module, Side};
use crate::basis::{Basis, FlawedModule, Numbers, Wanted};
use crate::error::{Fault, Result};
use crate::measure::chance;
use crate::select::InAll;

/// Adapters are left out one at a time up to this many, else in as many groups.
pub const N_FOLDS: usize = 8;

/// What some adapters share, module by module.
#[derive(Debug)]
#[non_exhaustive]
pub struct SharedSpace {
    /// The side that is compared.
    pub side: Side,
    /// The adapters' paths, in their order everywhere.
    pub adapters: Vec<PathBuf>,
    /// The modules that all adapters have, in natural order of the names.
    pub modules: Vec<ModuleSpace>,
    /// Modules that not all adapters have.
    pub left_out: Vec<String>,
    /// Modules in which an adapter has no subspace, such as one whose B was never trained, and why. They are left out in all.
    pub without_basis: Vec<FlawedModule>,
}

/// What the adapters share in one module.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ModuleSpace {
    /// The first adapter's canonical name of it.
    pub name: String,
    /// Dimension of the space, see [`Side::d`].
    pub d: usize,
    /// The numerical rank of each adapter.
    pub q: Vec<usize>,
    /// Eigenvalues of the mean projector, in (0, 1], falling; their sum is the mean of `q`.
    pub eigenvalues: Vec<f64>,
    /// What random subspaces of these ranks would show; `None` where one of them is the whole space.
    pub chance: Option<Chance>,
    /// How many eigenvalues are over [`Chance::threshold`].
    pub n_above_chance: Option<usize>,
    /// The number of shared directions, which does not cut through equal eigenvalues.
    pub k: usize,
    /// How much of each adapter these hold.
    pub coverage: Vec<Coverage>,
    /// The first k shared directions, (k, d) row-major, orthonormal. Their signs are arbitrary.
    #[serde(skip)]
    pub directions: Vec<f32>,
}

/// How much of an adapter's subspace some shared directions hold: ‖UₖᵀV‖²/q, in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Coverage {
    /// By the first k directions of all adapters, of which this one is a part: high for few adapters even by chance.
    pub of_all: f64,
    /// By the first directions of adapters without this one: all others, or those outside its group ([`N_FOLDS`]).
    pub held_out: f64,
    /// How many directions that were: k, fewer where the others have no more, more where k cuts through equal eigenvalues.
    pub k_held_out: usize,
    /// What `held_out` can be: min(k_held_out, q)/q, which is under 1 for an adapter of a higher rank than the others.
    pub most: f64,
    /// The mean of `held_out` for an independent random subspace, exactly: k_held_out/d.
    pub chance: f64,
    /// How many standard deviations `held_out` lies above that. `None` where chance decides nothing, and for an adapter that
    /// shares its random start.
    pub z: Option<f64>,
    /// Whether its A shares the random start of another adapter's ([`SHARED_INIT`](crate::measure::init_cosine::SHARED_INIT)).
    /// Known on sides a and dw-right, where a start that is shared makes the subspaces alike.
    pub shared_init: bool,
}

impl ModuleSpace {
    /// How many of the first directions hold this share of all subspaces.
    pub fn directions_for(&self, share: f64) -> usize {
        directions_for(&self.eigenvalues, share)
    }

    /// The mean numerical rank.
    pub fn mean_q(&self) -> f64 {
        self.q.iter().sum::<usize>() as f64 / self.q.len() as f64
    }
}

impl Chance {
    /// How many of the first directions hold this share of random subspaces.
    pub fn directions_for(&self, share: f64) -> usize {
        directions_for(&self.eigenvalues, share)
    }
}

fn directions_for(eigenvalues: &[f64], share: f64) -> usize {
    let total: f64 = eigenvalues.iter().sum();
    let mut sum = 0.0;
    // What rounding leaves of the total does not count as a direction.
    let reaches = |value: &f64| {
        sum += value;
        sum >= share * total * (1.0 - 1e-9)
    };
    eigenvalues.iter().position(reaches).map_or(eigenvalues.len(), |at| at + 1)
}

/// What the adapters share of these modules, on one side. `k` is the number of shared directions, by default the largest
/// rank of a module's adapters. `done` is called after each module, from any thread.
///
/// ```
/// use lorascope::shared_space::shared_space;
/// use lorascope::{Adapter, Selection, Side};
///
/// let paths = ["seed0-r8-layer5", "seed1-r8-layer5", "seed0-r64-layer5"];
/// let open = |name: &&str| Adapter::open(format!("tests/data/adapters/{name}"));
/// let adapters = paths.iter().map(open).collect::<Result<Vec<_>, _>>()?;
/// let modules = Selection::new().all().select_in_all(&adapters, Side::B)?;
/// let shared = shared_space(&adapters, &modules, Side::B, Some(8), || ())?;
/// let value = &shared.modules[1];
/// assert!(value.eigenvalues[0] > value.chance.as_ref().unwrap().threshold);
/// assert!(value.coverage.iter().all(|one| one.held_out > 3.0 * one.chance));
/// # Ok::<(), lorascope::Error>(())
/// ```
///
/// # Errors
/// `Io` from reading; `Invalid` when a file changed since it was opened, and for k = 0; the first flaw when every module is without
/// a subspace in some adapter.
pub fn shared_space(
    adapters: &[Adapter],
    modules: &InAll,
    side: Side,
    k: Option<usize>,
    done: impl Fn() + Sync,
) -> Result<SharedSpace> {
    if k == Some(0) {
        return Err(Fault::new("0", "at least 1").of("shared directions").invalid());
    }
    let numbers = |group: &[Arc<Module>]| {
        let rows: usize = group.iter().map(|module| module.rank()).sum();
        let (d, n) = (side.d(&group[0]), rows.min(side.d(&group[0])));
        2 * rows * d + rows * n + 4 * n * n
    };
    let found = modules.each(numbers, |group| {
        let space = of_module(group, side, k);
        done();
        space
    })?;
    let (mut spaces, mut without_basis) = (vec![], vec![]);
    for one in found {
        match one {
            Ok(space) => spaces.push(space),
            Err(flaws) => without_basis.extend(flaws),
        }
    }
    if spaces.is_empty()
        && let Some(first) = without_basis.first()
    {
        return Err(first.flaw.clone().into_error_of_all(modules.modules.len()));
    }
    add_chance(&mut spaces)?;
    Ok(SharedSpace {
        side,
        adapters: adapters.iter().map(|adapter| adapter.path().to_owned()).collect(),
        modules: spaces,
        left_out: modules.left_out.clone(),
        without_basis,
    })
}

/// Adds what random subspaces would show: modules of one shape are compared with the same ones.
fn add_chance(spaces: &mut [ModuleSpace]) -> Result<()> {
    let shapes: Vec<(Vec<usize>, usize)> = spaces.iter().map(|space| (space.q.clone(), space.d)).collect();
    let mut distinct = shapes.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let chances: Vec<Option<Chance>> =
        distinct.par_iter().map(|(q, d)| Chance::of(q, *d)).collect::<Result<_>>()?;
    for (space, shape) in spaces.iter_mut().zip(&shapes) {
        let Ok(place) = distinct.binary_search(shape) else { continue };
        space.chance = chances[place].clone();
        let is_above =
            |chance: &Chance| space.eigenvalues.iter().filter(|&&value| value > chance.threshold).count();
        space.n_above_chance = space.chance.as_ref().map(is_above);
    }
    Ok(())
}

fn of_module(
    group: &[Arc<Module>],
    side: Side,
    k: Option<usize>,
) -> Result<Result<ModuleSpace, Vec<FlawedModule>>> {
    // On the other sides a shared start decides nothing.
    let by_start = matches!(side, Side::A | Side::DwRight);
    let wanted = if by_start { Wanted::SideAndA } else { Wanted::Side };
    let read = |module: &Arc<Module>| {
        let numbers = Numbers::read(module, side, wanted)?;
        Ok(numbers.basis(side).map(|basis| (basis, numbers.into_a().filter(|_| by_start))))
    };
    let read: Vec<_> = group.par_iter().map(read).collect::<Result<_>>()?;
    let read = match FlawedModule::none_of(&group[0].name, read) {
        Ok(read) => read,
        Err(flaws) => return Ok(Err(flaws)),
    };
    let (bases, starts): (Vec<Basis>, Vec<Option<Matrix>>) = read.into_iter().unzip();
    let shared_init = if by_start { shared_init::of(&starts) } else { vec![false; bases.len()] };

    let (d, q): (usize, Vec<usize>) = (bases[0].d(), bases.iter().map(Basis::q).collect());
    let wanted = k.unwrap_or_else(|| q.iter().copied().max().unwrap_or(1));
    let spectrum = Spectrum::of(&bases)?;
    let (of_all, k) = spectrum.coverage(wanted);
    let held_out = spectrum.held_out(wanted, N_FOLDS)?;
    let coverage = |at: usize| {
        let (held_out, k) = held_out[at];
        // φ(q, k) is over min(q, k) and not over q.
        let phi = held_out * q[at] as f64 / q[at].min(k) as f64;
        let z = chance::z_of(phi, q[at], k, d).filter(|_| !shared_init[at]);
        let chance = chance::baseline(k, 1, d);
        let most = q[at].min(k) as f64 / q[at] as f64;
        Coverage {
            of_all: of_all[at],
            held_out,
            k_held_out: k,
            most,
            chance,
            z,
            shared_init: shared_init[at],
        }
    };
    Ok(Ok(ModuleSpace {
        name: group[0].name.clone(),
        d,
        n_above_chance: None,
        chance: None,
        k,
        coverage: (0..bases.len()).map(coverage).collect(),
        directions: (0..k).flat_map(|k| spectrum.vectors.col_as_slice(k).iter().map(|&x| x as f32)).collect(),
        eigenvalues: spectrum.values,
        q,
    }))
}
