//! `lorascope figure`: the paper's figure from two checkpoints.

use anyhow::Result;

use super::args::FigureArgs;
use super::picture::{Picture, check_usage};
use super::report::Report;
use crate::{Adapter, Selection};

pub(super) fn run(args: &FigureArgs, report: &Report) -> Result<()> {
    check_usage(&args.output, &args.compute);
    let (a, b) = (Adapter::open(&args.run_a)?, Adapter::open(&args.run_b)?);
    let mut selection =
        Selection::new().projections(&args.selection.projections).modules(&args.selection.module)?;
    if let Some(layer) = args.selection.layer {
        selection = selection.layer(layer);
    }
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
