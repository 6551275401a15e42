//! What the parts of a scan need, counted from headers.

use crate::engine::Precision;
use crate::measure::Wanted;
use crate::scan::keep::Keep;
use crate::scan::module_size::ModuleSize;
use crate::scan::plan::{PairChoice, Plan};
use crate::scan::table::PairTable;

/// What the process takes before anything is read.
const PROCESS_BYTES: u64 = 26 << 20;

/// What a plan and the search for inputs hold of an adapter.
const ADAPTER_BYTES: u64 = 2 << 10;

/// Rows that engines pack together.
const PANEL: u64 = 16;

/// What the header of a module takes.
const MODULE_BYTES: u64 = 1 << 10;

/// What opening a checkpoint takes for each of its modules; a thread that has opened one keeps it for the next.
const OPEN_BYTES: u64 = 2560;

/// What the sums of a pair of adapters take until their relation is known.
pub(in crate::scan) const N_PAIR_BYTES: u64 = 256;

/// Bytes that the parts of a scan take at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Needs {
    /// What is there all the time.
    pub(super) fixed_bytes: u64,
    /// Of a block with its rows.
    pub(super) block_bytes: u64,
    /// Of a factorisation.
    pub(super) factor_bytes: u64,
    /// How many there are.
    pub(super) n_factors: u64,
    /// Modules of two adapters, whose headers are held besides.
    pub(super) n_modules_of_two: u64,
    /// Of the headers of all adapters, which need not be held.
    pub(super) headers_bytes: u64,
}

impl Needs {
    pub(super) fn of(plan: &Plan, largest: ModuleSize, n_threads: u64) -> Self {
        // How many adapters have each module, and its largest rank.
        let mut of_modules = vec![(0u64, 0u64); plan.modules.len()];
        let mut n_of_layouts = vec![0u64; plan.layouts.len()];
        for adapter in &plan.adapters {
            n_of_layouts.get_mut(adapter.layout as usize).into_iter().for_each(|n| *n += 1);
        }
        for (layout, n) in plan.layouts.iter().zip(&n_of_layouts) {
            for &(module, r) in &layout.modules {
                if let Some((n_adapters, rank)) = of_modules.get_mut(module as usize) {
                    (*n_adapters, *rank) = (*n_adapters + n, u64::from(r).max(*rank));
                }
            }
        }
        let table = PairTable::of(plan);
        let of_module = |(&(n_adapters, rank), d): (&(u64, u64), usize)| {
            let of_basis = BasisBytes::of(plan, rank, rank * d as u64, largest.update);
            block_bytes(plan, &table, n_adapters, of_basis)
        };
        let sizes = of_modules.iter().zip(plan.modules.iter().map(|module| module.d));
        let n_modules: u64 =
            plan.layouts.iter().zip(&n_of_layouts).map(|(layout, n)| n * layout.modules.len() as u64).sum();
        let n_modules_of_two =
            2 * plan.layouts.iter().map(|layout| layout.modules.len() as u64).max().unwrap_or(0);
        let n_kept: usize = plan.layouts.iter().map(|layout| layout.modules.len()).sum();
        Self {
            fixed_bytes: PROCESS_BYTES
                + ADAPTER_BYTES * plan.adapters.len() as u64
                + MODULE_BYTES * ((plan.modules.len() + n_kept) as u64 + n_modules_of_two)
                // The threads of the scan, and those that factorise and compare.
                + OPEN_BYTES * n_modules_of_two / 2 * (n_threads + 2),
            block_bytes: sizes.map(of_module).max().unwrap_or(0),
            factor_bytes: largest.factor_bytes.max(largest.relation_bytes),
            n_factors: n_modules,
            n_modules_of_two,
            headers_bytes: n_modules * MODULE_BYTES,
        }
    }

    /// The least that a scan can do with.
    pub(super) fn least_bytes(&self, n_engines: u64) -> u64 {
        self.fixed_bytes + n_engines * self.block_bytes + self.factor_bytes
    }
}

/// Of a block of a module that so many adapters have.
fn block_bytes(plan: &Plan, table: &PairTable, n_adapters: u64, of_basis: BasisBytes) -> u64 {
    let n = n_adapters.min(plan.block as u64);
    // Only pairs within one list of adapters share their bases.
    let is_triangle = n_adapters <= plan.block as u64 && plan.options.pairs == PairChoice::All;
    let (n_bases, n_pairs) = match plan.options.pairs {
        _ if is_triangle => (n, n * n.saturating_sub(1) / 2),
        // Rows and columns are different ones.
        PairChoice::All => (n_adapters.min(2 * n), n * n),
        _ => (2 * n, n * n),
    };
    let n_packed = if is_triangle { n } else { 2 * n };
    let rows_bytes = n_pairs * (table.memory_bytes() as u64 + extra_bytes(&plan.options.keep, &table.wanted));
    let BasisBytes { read, packed, rounded } = of_basis;
    n_bases * read + n_packed * packed + n * rounded + rows_bytes + group_bytes(&table.wanted)
}

/// Bytes of a basis in a block.
#[derive(Debug, Clone, Copy)]
struct BasisBytes {
    /// As it is read, with the update.
    read: u64,
    /// As an engine packs it.
    packed: u64,
    /// While an engine packs it.
    rounded: u64,
}

impl BasisBytes {
    /// Of a basis of so many rows and numbers, with the numbers of the update.
    fn of(plan: &Plan, rank: u64, basis: u64, update: u64) -> Self {
        let packed = 4 * basis.max(update);
        // Small ranks share panels of rows, but in blocks of listed pairs.
        let is_listed = matches!(plan.options.pairs, PairChoice::Consecutive | PairChoice::Against(_))
            || plan.options.same_base
            || plan.n_forgotten() > 0;
        let packed = match is_listed {
            true => packed / rank.max(1) * rank.next_multiple_of(PANEL),
            false => packed + packed / 8,
        };
        let rounded = if plan.options.precision == Precision::F16 { 6 * basis } else { 0 };
        Self { read: 4 * (basis + update), packed, rounded }
    }
}

/// Of a row, besides its values.
fn extra_bytes(keep: &Keep, wanted: &Wanted) -> u64 {
    let angles = if wanted.angles { 8 * wanted.max_rank as u64 + 24 } else { 0 };
    // Each pair stands in the lists of two adapters, and is copied once.
    let tops = if matches!(keep, Keep::Top(_)) { 64 } else { 0 };
    angles + tops
}

/// Of a row group of whole grids: as an engine makes them, as values, and encoded.
fn group_bytes(wanted: &Wanted) -> u64 {
    match wanted.grid {
        true => 5 * 4 * (PairTable::grids_at_once(wanted) * wanted.max_rank * wanted.max_rank) as u64,
        false => 0,
    }
}
