//! `lorascope demo`: the paper's figure from two real adapters that are part of the binary.

use anyhow::Result;

use super::console::Console;
use super::options::DemoArgs;
use super::picture::{Picture, check_usage};
use crate::{Adapter, Selection};

const SEED0: &[u8] = include_bytes!("../../assets/demo/seed0.safetensors");
const SEED1: &[u8] = include_bytes!("../../assets/demo/seed1.safetensors");

pub(super) fn run(args: &DemoArgs, console: &Console) -> Result<()> {
    check_usage(&args.output, &args.compute);
    let (a, b) = (Adapter::from_bytes("demo/seed0", SEED0)?, Adapter::from_bytes("demo/seed1", SEED1)?);
    let selected = Selection::new().layer(5).select(&a, &b, args.compute.side)?;
    Picture {
        runs: [&a, &b],
        pairs: &selected.pairs,
        cached: None,
        output: &args.output,
        save: None,
        compute: &args.compute,
        control: &args.control,
        picture: &args.picture,
        angles: false,
    }
    .draw(console)
}
