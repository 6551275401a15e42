//! `lorascope demo`: the paper's figure from two real adapters that are part of the binary.

use anyhow::Result;
use clap::Args as ArgGroup;

use super::console::Console;
use super::drawing::{PictureArgs, ShownArgs};
use super::kind::Kind;
use super::options::{ComputeArgs, ControlArgs};
use super::output::{self, PictureOutput};
use super::picture::{Arrangement, Picture};
use crate::{Adapter, Selection};

pub(super) const DEMO_HELP: &str = "\
The two adapters were trained on the same task and base model (all-MiniLM-L6-v2, d = 384) with two seeds, at rank 64. The \
panels are the query and value projections of layer 5, and a Gaussian control.";

#[derive(Debug, ArgGroup)]
pub(super) struct DemoArgs {
    #[arg(short, long, value_name = "FILE", default_value = "lorascope-demo.png")]
    #[arg(value_parser = output::picture(), help = output::picture_help())]
    output: PictureOutput,
    #[command(flatten)]
    compute: ComputeArgs,
    #[command(flatten)]
    control: ControlArgs,
    #[command(flatten)]
    picture: PictureArgs,
    #[command(flatten)]
    shown: ShownArgs,
}

const SEED0: &[u8] = include_bytes!("../../assets/demo/seed0.safetensors");
const SEED1: &[u8] = include_bytes!("../../assets/demo/seed1.safetensors");

pub(super) fn run(args: &DemoArgs, console: &Console) -> Result<()> {
    args.output.check(&args.compute)?;
    args.compute.check_side()?;
    let (a, b) = (Adapter::from_bytes("demo/seed0", SEED0)?, Adapter::from_bytes("demo/seed1", SEED1)?);
    let selected = Selection::new().layer(5).select(&a, &b, args.compute.side())?;
    Picture {
        recipe: None,
        arrangement: Arrangement::of(Kind::Seeds, &selected.pairs),
        runs: [&a, &b],
        pairs: &selected.pairs,
        few_meet: None,
        cached: None,
        output: &args.output,
        save: None,
        compute: &args.compute,
        control: &args.control,
        picture: &args.picture,
        shown: &args.shown,
        angles: false,
        instead: &|| None,
    }
    .draw(console)
}
