//! What becomes of adapters that are merged or stacked, from the inner products of their updates.
//!
//! The merge is Σ wᵢ·ΔWᵢ. Its **energy ratio**, ‖Σ wᵢΔWᵢ‖²_F / Σ ‖wᵢΔWᵢ‖²_F, is 1 for orthogonal updates, N for N equal ones
//! with equal weights, below 1 where they cancel and 0 where they undo each other. The cosine of two updates is
//! ⟨ΔW₁, ΔW₂⟩_F / (‖ΔW₁‖_F·‖ΔW₂‖_F), and z = cosine·√(d_in·d_out): for independent rotations of both sides the cosine has
//! mean 0 and variance 1/(d_in·d_out). No ΔW is formed.

mod verdict;

use std::path::PathBuf;
use std::sync::Arc;

use rayon::prelude::*;

use self::verdict::Weighted;
pub use self::verdict::{COPY_COSINE, DOMINANCE, NOTABLE_COSINE, NOTABLE_Z, Reason, Verdict, Word};
use crate::adapter::{Adapter, Matrix, Module, Side};
use crate::basis::{FlawedModule, Numbers, UpdateSvd, Wanted};
use crate::engine::{CpuEngine, UpdateOverlap};
use crate::error::{Fault, Result};
use crate::measure::adjusted::adjusted;
use crate::measure::chance;
use crate::select::InAll;
use crate::shared_space::shared_init;
use crate::simd::unit_near;

/// What becomes of some adapters in a merge.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MergeCheck {
    /// The adapters' paths, in their order everywhere.
    pub adapters: Vec<PathBuf>,
    /// Their weights.
    pub weights: Vec<f64>,
    /// The modules that all adapters have, in natural order of the names.
    pub modules: Vec<ModuleMerge>,
    /// All of these modules as one update.
    pub whole: Merge,
    /// Modules that not all adapters have.
    pub left_out: Vec<String>,
    /// Modules in which an adapter's update is not known, such as one with NaN in a factor, and why: they are in none of the
    /// sums. An update of zeros is known.
    pub without_update: Vec<FlawedModule>,
}

/// A merge in one module.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ModuleMerge {
    /// The first adapter's canonical name of it.
    pub name: String,
    /// Dimension of its input.
    pub d_in: usize,
    /// Dimension of its output.
    pub d_out: usize,
    /// The merge.
    pub merge: Merge,
    /// φ of each pair at full ranks, corrected for chance ([`adjusted`]), of the left-singular spaces of the updates; NaN
    /// for an update of zeros and for a space that is the whole one. In the order of [`pairs`].
    pub overlap_left: Vec<f64>,
    /// The same of the right-singular spaces.
    pub overlap_right: Vec<f64>,
    /// Whether an adapter's A shares the random start of another's, which makes their right-singular spaces alike.
    pub shared_init: Vec<bool>,
    /// Whether the files do not determine an adapter's scaling, so that 1 is assumed.
    pub assumed_scaling: Vec<bool>,
}

/// A merge of updates.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Merge {
    /// ‖ΔW‖_F of each adapter, without its weight.
    pub norms: Vec<f64>,
    /// The cosine of each pair, without the weights, in [−1, 1]; NaN for an update of zeros. In the order of [`pairs`].
    pub cosine: Vec<f64>,
    /// Its distance from chance in standard deviations.
    pub z: Vec<f64>,
    /// ‖Σ wᵢΔWᵢ‖² / Σ ‖wᵢΔWᵢ‖², from 0 to `most`; NaN where no adapter changes anything.
    pub energy_ratio: f64,
    /// What the energy ratio would be if all weighted updates pointed the same way: (Σ ‖wᵢΔWᵢ‖)² / Σ ‖wᵢΔWᵢ‖², from 1 to N.
    pub most: f64,
    /// What the merge does.
    pub verdict: Verdict,
}

impl MergeCheck {
    /// How many modules are in none of the sums, since an update is not known there.
    pub fn n_without_update(&self) -> usize {
        self.without_update.chunk_by(|one, next| one.module == next.module).count()
    }
}

/// The pairs of n adapters in the order in which values of pairs stand: (0, 1), (0, 2), …, (1, 2), ….
pub fn pairs(n: usize) -> impl Iterator<Item = [usize; 2]> + Clone {
    (0..n).flat_map(move |a| (a + 1..n).map(move |b| [a, b]))
}

/// What becomes of adapters in these modules when they are merged with these weights. `done` is called after each module,
/// from any thread.
///
/// ```
/// use lorascope::merge_check::{Word, merge_check};
/// use lorascope::{Adapter, Selection, Side};
///
/// let open = |name: &str| Adapter::open(format!("tests/data/adapters/{name}"));
/// let adapters = [open("seed0-r64-layer5")?, open("seed1-r64-layer5")?];
/// let modules = Selection::new().all().select_in_all(&adapters, Side::A)?;
/// let check = merge_check(&adapters, &modules, &[1.0, 1.0], || ())?;
/// assert_eq!(check.whole.verdict.word, Word::Reinforcing);
/// assert!((check.modules[1].merge.cosine[0] - 0.58908).abs() < 1e-5);
/// # Ok::<(), lorascope::Error>(())
/// ```
///
/// # Errors
/// `Io` from reading; the first flaw when no module's updates are known; `Invalid` when a file changed since it was opened, when
/// an adapter's update has another shape, and unless there is a finite weight for each adapter that is not 0.
pub fn merge_check(
    adapters: &[Adapter],
    modules: &InAll,
    weights: &[f64],
    done: impl Fn() + Sync,
) -> Result<MergeCheck> {
    let is_weight = |weight: &f64| weight.is_finite() && *weight != 0.0;
    if weights.len() != adapters.len() || !weights.iter().all(is_weight) {
        let found = format!("{weights:?} for {} adapters", adapters.len());
        return Err(Fault::new(found, "a finite number that is not 0 for each").of("weights").invalid());
    }
    for group in &modules.modules {
        same_shape(adapters, group)?;
    }
    let numbers = |group: &[Arc<Module>]| {
        let rows: usize = group.iter().map(|module| module.rank()).sum();
        2 * rows * (group[0].d_in() + group[0].d_out())
    };
    let engine = CpuEngine::new();
    let found = modules.each(numbers, |group| {
        let module = of_module(&engine, group, weights)?;
        done();
        Ok(module)
    })?;
    let (mut modules_done, mut cosines, mut without_update) = (vec![], vec![], vec![]);
    for one in found {
        match one {
            Ok((module, of_pairs)) => {
                modules_done.push(module);
                cosines.push(of_pairs);
            }
            Err(flaws) => without_update.extend(flaws),
        }
    }
    if modules_done.is_empty()
        && let Some(first) = without_update.first()
    {
        return Err(first.flaw.clone().into_error_of_all(modules.modules.len()));
    }
    let whole = whole(&modules_done, &cosines, weights);
    Ok(MergeCheck {
        adapters: adapters.iter().map(|adapter| adapter.path().to_owned()).collect(),
        weights: weights.to_vec(),
        modules: modules_done,
        whole,
        left_out: modules.left_out.clone(),
        without_update,
    })
}

/// Updates of other shapes cannot be added.
fn same_shape(adapters: &[Adapter], group: &[Arc<Module>]) -> Result<()> {
    let shape = |module: &Module| format!("{} × {}", module.d_out(), module.d_in());
    for (adapter, module) in adapters.iter().zip(group) {
        if (module.d_in(), module.d_out()) != (group[0].d_in(), group[0].d_out()) {
            let expected = format!("{} as in {}", shape(&group[0]), adapters[0].path().display());
            let fault = Fault::new(shape(module), expected).at(adapter.path());
            return Err(fault.of(format!("module {}", crate::text::quoted(&module.name))).invalid());
        }
    }
    Ok(())
}

/// A module with the cosines of its pairs, 0 for updates of zeros, or in which adapters the update is not known.
type Merged = Result<(ModuleMerge, Vec<f64>), Vec<FlawedModule>>;

/// One module.
fn of_module(engine: &CpuEngine, group: &[Arc<Module>], weights: &[f64]) -> Result<Merged> {
    let read = |module: &Arc<Module>| {
        let numbers = Numbers::read(module, Side::DwLeft, Wanted::Both)?;
        Ok(UpdateSvd::of(module, &numbers).map(|update| (update, numbers.into_a())))
    };
    let read: Vec<_> = group.par_iter().map(read).collect::<Result<_>>()?;
    let read = match FlawedModule::none_of(&group[0].name, read) {
        Ok(read) => read,
        Err(flaws) => return Ok(Err(flaws)),
    };
    let (updates, starts): (Vec<UpdateSvd>, Vec<Option<Matrix>>) = read.into_iter().unzip();
    let (d_in, d_out) = (group[0].d_in(), group[0].d_out());
    let norms: Vec<f64> = updates.iter().map(UpdateSvd::norm).collect();
    let overlaps = engine.update_overlaps(&updates)?;
    let cosines: Vec<f64> = overlaps.iter().map(|pair| pair.cosine).collect();
    let (scaled, unit) = in_units(&norms);
    let inner = cosines.iter().zip(pairs(group.len()));
    let inner: Vec<f64> = inner.map(|(cosine, [a, b])| cosine * (scaled[a] * scaled[b])).collect();
    let spread = |[a, b]: [usize; 2]| scaled[a] * scaled[b] / ((d_in * d_out) as f64).sqrt();
    let merge = Merge::of(&scaled, unit, &inner, spread, weights);
    let overlap = |side: usize, d: usize| {
        let of_pair = |(pair, [a, b]): (&UpdateOverlap, [usize; 2])| {
            let baseline = chance::baseline(updates[a].q(), updates[b].q(), d);
            adjusted(pair.phi[side], baseline).unwrap_or(f64::NAN)
        };
        overlaps.iter().zip(pairs(group.len())).map(of_pair).collect()
    };
    let module = ModuleMerge {
        name: group[0].name.clone(),
        d_in,
        d_out,
        merge,
        overlap_left: overlap(0, d_out),
        overlap_right: overlap(1, d_in),
        shared_init: shared_init::of(&starts),
        assumed_scaling: group.iter().map(|module| module.scaling.is_none()).collect(),
    };
    Ok(Ok((module, cosines)))
}

/// Norms in units of a power of two near the largest, so that no square vanishes or overflows; and that unit.
fn in_units(norms: &[f64]) -> (Vec<f64>, f64) {
    let largest = norms.iter().fold(0.0, |largest: f64, &norm| largest.max(norm));
    let unit = unit_near(largest);
    (norms.iter().map(|norm| norm / unit).collect(), unit)
}

/// All modules as one update: inner products and squared norms add up, and so do the variances of the inner products.
fn whole(modules: &[ModuleMerge], cosines: &[Vec<f64>], weights: &[f64]) -> Merge {
    let n = weights.len();
    // One unit for all.
    let all: Vec<f64> = modules.iter().flat_map(|module| module.merge.norms.iter().copied()).collect();
    let (all, unit) = in_units(&all);
    let of_modules: Vec<&[f64]> = all.chunks_exact(n).collect();
    let sum = |of: &dyn Fn(usize) -> f64| (0..modules.len()).map(of).sum::<f64>();
    let norms: Vec<f64> = (0..n).map(|at| sum(&|module| of_modules[module][at].powi(2)).sqrt()).collect();
    let inner = |pair: usize, [a, b]: [usize; 2]| {
        sum(&|module| cosines[module][pair] * of_modules[module][a] * of_modules[module][b])
    };
    let products: Vec<f64> = pairs(n).enumerate().map(|(pair, both)| inner(pair, both)).collect();
    let spread = |[a, b]: [usize; 2]| {
        let of_module = |module: usize| {
            let ModuleMerge { d_in, d_out, .. } = &modules[module];
            (of_modules[module][a] * of_modules[module][b]).powi(2) / (d_in * d_out) as f64
        };
        sum(&of_module).sqrt()
    };
    Merge::of(&norms, unit, &products, spread, weights)
}

impl Merge {
    /// Of norms in some unit, of inner products in its square, and the standard deviation of the inner product of a pair under
    /// chance.
    fn of(
        norms: &[f64],
        unit: f64,
        inner: &[f64],
        spread: impl Fn([usize; 2]) -> f64,
        weights: &[f64],
    ) -> Self {
        let n = norms.len();
        let mut cosine = Vec::with_capacity(inner.len());
        let mut z = Vec::with_capacity(inner.len());
        let (mut cross, mut crossed) = (0.0, vec![]);
        for (&inner, [a, b]) in inner.iter().zip(pairs(n)) {
            cosine.push((inner / (norms[a] * norms[b])).clamp(-1.0, 1.0));
            z.push(inner / spread([a, b]));
            cross += 2.0 * weights[a] * weights[b] * inner;
            if norms[a] > 0.0 && norms[b] > 0.0 {
                crossed.push((cosine.len() - 1, [a, b]));
            }
        }
        let weighted: Vec<f64> =
            norms.iter().zip(weights).map(|(norm, weight)| norm * weight.abs()).collect();
        let energy: f64 = weighted.iter().map(|norm| norm * norm).sum();
        let pairs = crossed.iter().map(|&(at, pair)| {
            let sign = (weights[pair[0]] * weights[pair[1]]).signum();
            Weighted { pair, cosine: sign * cosine[at], z: sign * z[at] }
        });
        let verdict = Verdict::of(&weighted, pairs);
        Self {
            // A plain `max` would hide a NaN.
            energy_ratio: ((energy + cross) / energy).clamp(0.0, f64::INFINITY),
            most: weighted.iter().sum::<f64>().powi(2) / energy,
            norms: norms.iter().map(|norm| norm * unit).collect(),
            cosine,
            z,
            verdict,
        }
    }
}
