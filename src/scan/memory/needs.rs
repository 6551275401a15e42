//! What the parts of a scan need, counted from headers.

use crate::measure::Wanted;
use crate::scan::keep::Keep;
use crate::scan::module_size::ModuleSize;
use crate::scan::plan::{PairChoice, Plan};
use crate::scan::table::PairTable;

/// What the process takes before anything is read.
const PROCESS_BYTES: u64 = 24 << 20;

/// What a plan and the search for inputs hold of an adapter.
const ADAPTER_BYTES: u64 = 2 << 10;

/// What the header of a module takes.
const MODULE_BYTES: u64 = 1 << 10;

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
    /// Of the headers of all adapters, which need not be held.
    pub(super) headers_bytes: u64,
}

impl Needs {
    pub(super) fn of(plan: &Plan, largest: ModuleSize) -> Self {
        let mut factor_bytes = largest.factor_bytes();
        if plan.options.update {
            factor_bytes = factor_bytes.max(largest.relation_bytes());
        }
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
            let size = ModuleSize { basis: rank * d as u64, ..largest };
            block_bytes(plan, &table, n_adapters, size)
        };
        let sizes = of_modules.iter().zip(plan.modules.iter().map(|module| module.d));
        let n_modules: u64 =
            plan.layouts.iter().zip(&n_of_layouts).map(|(layout, n)| n * layout.modules.len() as u64).sum();
        let n_kept: usize = plan.layouts.iter().map(|layout| layout.modules.len()).sum();
        Self {
            fixed_bytes: PROCESS_BYTES
                + ADAPTER_BYTES * plan.adapters.len() as u64
                + MODULE_BYTES * (plan.modules.len() + n_kept) as u64,
            block_bytes: sizes.map(of_module).max().unwrap_or(0),
            factor_bytes,
            headers_bytes: n_modules * MODULE_BYTES,
        }
    }

    /// The least that a scan can do with.
    pub(super) fn least_bytes(&self, n_engines: u64) -> u64 {
        self.fixed_bytes + n_engines * self.block_bytes + self.factor_bytes
    }
}

/// Of a block of a module that so many adapters have.
fn block_bytes(plan: &Plan, table: &PairTable, n_adapters: u64, size: ModuleSize) -> u64 {
    let n = n_adapters.min(plan.block as u64);
    // Only pairs within one list of adapters share their bases.
    let is_triangle = n_adapters <= plan.block as u64 && plan.options.pairs == PairChoice::All;
    let (n_bases, n_pairs) = match is_triangle {
        true => (n, n * n.saturating_sub(1) / 2),
        false => (2 * n, n * n),
    };
    let rows_bytes = n_pairs * (table.memory_bytes() as u64 + extra_bytes(&plan.options.keep, &table.wanted));
    let bases_bytes = n_bases * size.block_bytes();
    // Rounding to panels of rows.
    bases_bytes + bases_bytes / 8 + rows_bytes + group_bytes(&table.wanted)
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
