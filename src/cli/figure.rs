//! `lorascope figure`: the paper's figure from two checkpoints.

use anyhow::Result;

use super::args::FigureArgs;
use super::picture::{Picture, check_usage};
use super::report::Report;
use crate::Selection;

pub(super) fn run(args: &FigureArgs, report: &Report) -> Result<()> {
    check_usage(&args.output, &args.compute);
    let (a, b) = (args.selection.open(&args.run_a)?, args.selection.open(&args.run_b)?);
    let selection = args.selection.of(Selection::new())?;
    let selected = selection.select(&a, &b, args.compute.side)?;
    if let Some(note) = &selected.note {
        report.note("note", note);
    }
    Picture {
        runs: [&a, &b],
        pairs: &selected.pairs,
        output: &args.output,
        save: args.save.as_ref(),
        compute: &args.compute,
        control: &args.control,
        picture: &args.picture,
    }
    .draw(report)
}
