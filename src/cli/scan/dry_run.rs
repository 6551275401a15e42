//! `--dry-run`: the plan from headers alone, with what it will take.

use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{BinaryBytes, HumanDuration};

use super::args::ScanArgs;
use super::plan::{self, Planned};
use super::{engines, free_memory, selection, shard};
use crate::basis::gaussian_matrix;
use crate::cli::console::Console;
use crate::cli::{Outcome, write_stdout};
use crate::engine::{Block, Engine, Pairs};
use crate::scan::bases::{n_basis_bytes, n_in_flight};
use crate::scan::blocks::Blocks;
use crate::scan::finish::Counts;
use crate::scan::folder::Folder;
use crate::scan::plan::Plan;
use crate::scan::table::PairTable;
use crate::{Basis, Matrix, Side};

pub(super) fn run(args: &ScanArgs, console: &Console) -> Result<Outcome> {
    let inputs = plan::open_inputs(args, &selection(args)?, console)?;
    let (n_bad, n_ignored) = (inputs.n_bad, inputs.n_ignored);
    // Whatever is in the folder is read, and nothing is made there.
    let folder = Folder::at(&args.output);
    let options = plan::options(args, inputs.pairs);
    let Planned { plan, extension } = plan::extended(folder.read_plan()?, options, inputs.opened)?;
    let blocks = Blocks::of(&plan)?;
    let (shard, _) = shard(args, &folder)?;
    let counts = Counts::of(&blocks, &folder, |place| shard.has(place));
    let memory_bytes = args.how.memory.unwrap_or_else(free_memory);
    let in_flight = n_in_flight(&plan, memory_bytes);
    let work = engines::work(&plan, counts.n_pairs_left);
    let engines = engines::open(args, &plan, work)?.wait(console)?;
    let seconds = expected_seconds(&plan, engines[0].as_ref(), work.flop / engines.len() as f64)?;
    let n_bytes: u64 = plan.adapters.iter().map(|adapter| adapter.n_bytes).sum();
    let facts = [
        (
            "checkpoints",
            format!(
                "{} ({} new, {n_bad} bad, {n_ignored} other files)",
                plan.adapters.len(),
                extension.n_added
            ),
        ),
        ("modules", plan.modules.len().to_string()),
        ("largest rank", plan.max_rank.to_string()),
        ("pairs", format!("{} ({} to do)", counts.n_pairs, counts.n_pairs_left)),
        (
            "blocks",
            format!(
                "{} ({} to do), of up to {}² pairs",
                counts.n_blocks,
                counts.n_blocks - counts.n_done,
                plan.block
            ),
        ),
        ("products", format!("{:.3e} FLOP", work.flop)),
        ("to read", BinaryBytes(n_bytes).to_string()),
        ("bases", BinaryBytes(n_basis_bytes(&plan)).to_string()),
        ("table", format!("about {}", BinaryBytes(PairTable::of(&plan).row_bytes() as u64 * counts.n_pairs))),
        ("memory", format!("{} for {in_flight} blocks in flight", BinaryBytes(memory_bytes))),
        ("time", format!("about {}", HumanDuration(Duration::from_secs_f64(seconds)))),
    ];
    write_stdout(|stdout| {
        let width = facts.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
        facts.iter().try_for_each(|(label, fact)| writeln!(stdout, "{label:width$}  {fact}"))
    })?;
    Ok(if n_bad > 0 { Outcome::Skipped } else { Outcome::Done })
}

/// Seconds that the factorisations and the products will take, from a few of each on random matrices of the plan's most
/// frequent shape.
fn expected_seconds(plan: &Plan, engine: &dyn Engine, flop: f64) -> Result<f64> {
    let mut n_adapters = vec![0; plan.layouts.len()];
    plan.adapters.iter().for_each(|adapter| n_adapters[adapter.layout as usize] += 1);
    let layouts = plan.layouts.iter().zip(n_adapters);
    let shapes = layouts.filter_map(|(layout, n)| Some((n * layout.modules.len(), layout.modules.first()?)));
    let Some((_, &(module, r))) = shapes.max_by_key(|&(n, _)| n) else { return Ok(0.0) };
    let (r, d) = (r as usize, plan.modules[module as usize].d);
    let n = 8;
    let matrices: Vec<Matrix> = (0..n).map(|seed| gaussian_matrix(r, d, seed)).collect();
    let started = Instant::now();
    let bases = matrices.iter().map(|matrix| Basis::of_matrix(matrix, Side::A));
    let bases: Vec<Basis> = bases.collect::<crate::Result<_>>()?;
    let seconds_a_basis = started.elapsed().as_secs_f64() / n as f64;
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
