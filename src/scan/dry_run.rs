//! A plan from headers only, with what it will take.

use std::time::{Duration, Instant};

use faer::MatRef;

use super::bases::n_basis_bytes;
use super::blocks::Blocks;
use super::builder::Scan;
use super::engines;
use super::event::SkippedInput;
use super::finish::BlockCounts;
use super::folder::Folder;
use super::memory::largest;
use super::plan::Plan;
use super::settle::Settled;
use super::survey::Survey;
use super::table::PairTable;
use crate::adapter::{Matrix, Side};
use crate::basis::{Basis, gaussian_matrix, thin_svd};
use crate::engine::{Block, Engine, EngineInfo, Pairs};
use crate::error::Result;

/// What a scan would do, and what it would take.
#[derive(Debug)]
#[non_exhaustive]
pub struct DryRun {
    /// Adapters of the plan.
    pub n_adapters: usize,
    /// Adapters that are new; all of them in a first run.
    pub n_added: usize,
    /// Adapters whose files are gone and that the scan goes on without.
    pub n_forgotten: usize,
    /// Checkpoints that cannot be read and would be left out.
    pub skipped: Vec<SkippedInput>,
    /// Files of searched folders that are not checkpoints.
    pub n_ignored: usize,
    /// Modules that are compared.
    pub n_modules: usize,
    /// Pairs of adapters that have a module to compare; each gives a row for each of those.
    pub n_pairs: u64,
    /// The largest rank.
    pub max_rank: usize,
    /// Blocks and rows of this process's share.
    pub counts: BlockCounts,
    /// Adapters a side of a block, at most.
    pub block_side: usize,
    /// Work of the products that are left, twice the multiply-adds.
    pub flop: f64,
    /// Bytes of the factors that are read.
    pub n_factor_bytes: u64,
    /// Bytes of all bases.
    pub n_basis_bytes: u64,
    /// Bytes of the table of pairs, about.
    pub n_table_bytes: u64,
    /// Bytes of memory that the scan takes at most, about.
    pub memory_bytes: u64,
    /// How many blocks would be in flight for each engine.
    pub n_in_flight: usize,
    /// What would compute; one for each GPU, or the CPU engine.
    pub engines: Vec<EngineInfo>,
    /// How long it would take, about.
    pub duration: Duration,
}

impl Scan<'_> {
    /// Plans the scan from headers only, and estimates what it takes. Nothing is made in the output folder.
    ///
    /// # Errors
    /// As [`Scan::run`].
    pub fn dry_run(&self) -> Result<DryRun> {
        let modules = self.side_modules()?;
        let found = self.find_inputs(&modules)?;
        let folder = Folder::at(&self.output);
        let settling = self.settling(&modules);
        let largest = largest(&found.opened);
        let svd_work: f64 = found.opened.iter().map(|opened| opened.svd_work).sum();
        let Settled { plan, extension, .. } =
            settling.extended(&folder, folder.read_plan()?, self.options(found.pairs), found.opened)?;
        self.warn_of_plan(&plan)?;
        let blocks = Blocks::of(&plan)?;
        let (shard, _) = self.share(&folder)?;
        let counts = BlockCounts::of(&Survey::of(&blocks, &folder), |place| shard.has(place));
        let memory = self.memory(&plan, largest)?;
        let work = engines::work(&plan, counts.n_rows_left);
        let engines = self.wait(self.engine.open(&plan, work)?)?;
        let seconds = expected_seconds(&plan, engines[0].as_ref(), work.flop / engines.len() as f64)?
            + svd_seconds(svd_work)?;
        Ok(DryRun {
            n_adapters: plan.adapters.len(),
            n_added: extension.n_added,
            n_forgotten: plan.n_forgotten(),
            skipped: found.skipped,
            n_ignored: found.n_ignored,
            n_modules: plan.modules.len(),
            n_pairs: plan.n_pairs()?,
            max_rank: plan.max_rank,
            counts,
            block_side: plan.block,
            flop: work.flop,
            n_factor_bytes: plan.adapters.iter().map(|adapter| adapter.n_bytes).fold(0, u64::saturating_add),
            n_basis_bytes: n_basis_bytes(&plan),
            n_table_bytes: (PairTable::of(&plan).row_bytes() as u64).saturating_mul(counts.n_rows),
            memory_bytes: memory.peak_bytes,
            n_in_flight: memory.n_in_flight.get(),
            engines: engines.iter().map(|engine| engine.info().clone()).collect(),
            duration: Duration::from_secs_f64(seconds),
        })
    }
}

/// Numbers of a factor that is timed, at most: eight of them in f64 are 16 MiB.
const MAX_NUMBERS: usize = 1 << 18;

/// Rows and columns of a matrix whose SVD is timed.
const N_TIMED: usize = 192;

/// Seconds that these multiply-adds of SVDs of whole matrices will take, from one of a random matrix.
fn svd_seconds(work: f64) -> Result<f64> {
    if work == 0.0 {
        return Ok(0.0);
    }
    let matrix = gaussian_matrix(N_TIMED, N_TIMED, 0);
    let started = Instant::now();
    thin_svd(MatRef::from_row_major_slice(&matrix.values, N_TIMED, N_TIMED))?;
    let seconds_a_step = started.elapsed().as_secs_f64() / (N_TIMED as f64).powi(3);
    Ok(work * seconds_a_step / rayon::current_num_threads() as f64)
}

/// Seconds that the factorisations and the products will take, from a few of each on random matrices of the plan's most
/// frequent shape.
fn expected_seconds(plan: &Plan, engine: &dyn Engine, flop: f64) -> Result<f64> {
    let mut n_adapters = vec![0; plan.layouts.len()];
    plan.adapters.iter().for_each(|adapter| n_adapters[adapter.layout as usize] += 1);
    let layouts = plan.layouts.iter().zip(n_adapters);
    let shapes = layouts.filter_map(|(layout, n)| Some((n * layout.modules.len(), layout.modules.first()?)));
    let Some((_, &(module, r))) = shapes.max_by_key(|&(n, _)| n) else { return Ok(0.0) };
    let (r, whole_d) = (r as usize, plan.modules[module as usize].d);
    // Both take as many times as long for as many times as many columns.
    let d = whole_d.min(MAX_NUMBERS / r.max(1)).max(1);
    let times = whole_d as f64 / d as f64;
    let n = 8;
    let matrices: Vec<Matrix> = (0..n).map(|seed| gaussian_matrix(r, d, seed)).collect();
    let started = Instant::now();
    let bases: Vec<Basis> =
        matrices.iter().map(|matrix| Basis::of_matrix(matrix, Side::A)).collect::<Result<_>>()?;
    let seconds_a_basis = times * started.elapsed().as_secs_f64() / n as f64;
    // Enough pairs for some tens of milliseconds of products.
    let pairs_a_block = (n * n) as f64;
    let repeats = (1e9 / (pairs_a_block * 2.0 * (r * r * d) as f64)).ceil().clamp(1.0, 64.0) as usize;
    let list: Vec<&Basis> = (0..repeats).flat_map(|_| &bases).collect();
    let block = Block { a: &list, b: &list, pairs: Pairs::All, cells: &[(1, 1)] };
    engine.pair_stats(&block)?;
    let started = Instant::now();
    engine.pair_stats(&block)?;
    let flop_a_second = block.n_pairs() as f64 * 2.0 * (r * r * d) as f64 / started.elapsed().as_secs_f64();
    let n_bases: usize =
        plan.adapters.iter().map(|adapter| plan.layouts[adapter.layout as usize].modules.len()).sum();
    let n_threads = rayon::current_num_threads() as f64;
    Ok(n_bases as f64 * seconds_a_basis / n_threads + flop / flop_a_second)
}
