//! `--dry-run`: the plan from headers only, with what it will take.

use anyhow::Result;
use indicatif::{BinaryBytes, HumanDuration};

use crate::cli::write_stdout;
use crate::scan::DryRun;
use crate::text::counted;

/// Prints a fact a line.
pub(super) fn print(run: &DryRun) -> Result<()> {
    let (counts, n_bad) = (run.counts, run.skipped.len());
    let forgotten = match run.n_forgotten {
        0 => String::new(),
        n => format!(", {n} forgotten"),
    };
    let left_out = match counts.n_rows_left_out {
        0 => String::new(),
        n => format!(", {n} left out"),
    };
    let facts = [
        (
            "checkpoints",
            format!(
                "{} ({} new, {n_bad} bad, {} other files{})",
                run.n_adapters, run.n_added, run.n_ignored, forgotten
            ),
        ),
        ("modules", run.n_modules.to_string()),
        ("largest rank", run.max_rank.to_string()),
        ("pairs", run.n_pairs.to_string()),
        ("rows", format!("{} ({} to do{left_out})", counts.n_rows, counts.n_rows_left)),
        (
            "blocks",
            format!(
                "{} ({} to do), of up to {}² rows",
                counts.n_blocks,
                counts.n_blocks - counts.n_done,
                run.block_side
            ),
        ),
        ("products", format!("{:.3e} FLOP", run.flop)),
        ("to read", BinaryBytes(run.n_factor_bytes).to_string()),
        ("bases", BinaryBytes(run.n_basis_bytes).to_string()),
        ("table", format!("about {}", BinaryBytes(run.n_table_bytes))),
        (
            "memory",
            format!(
                "at most {}, with {} in flight",
                BinaryBytes(run.memory_bytes),
                counted(run.n_in_flight, "block")
            ),
        ),
        ("time", format!("about {}", HumanDuration(run.duration))),
    ];
    write_stdout(|stdout| {
        let width = facts.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
        facts.iter().try_for_each(|(label, fact)| writeln!(stdout, "{label:width$}  {fact}"))
    })
}
