//! `lorascope animate`: the paper's figure over the checkpoints of a run, as an animation.

mod frames;
mod kept_grids;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ArgGroup;
use serde_json::{Value, json};

use self::frames::Frames;
use super::adapters::Adapters;
use super::console::Console;
use super::destination::Destination;
use super::drawing::PictureArgs;
use super::options::{ComputeArgs, SelectionArgs};
use super::output::{self, AnimationOutput};
use super::recipe_args::RecipeArgs;
use super::usage::Usage;
use super::{write_json, write_text};
use crate::engine::{self, Work};
use crate::figure::{Animation, AnimationFormat};

pub(super) const ANIMATE_HELP: &str = "\
A frame for each checkpoint of the run, in the order of the training steps in their names, each compared with REF as figure compares \
two checkpoints: its directions are the rows, i, those of REF the columns, j. All frames have the same panels, sizes and colours, \
and the animation goes on for ever. Checkpoints in which a module has no subspace are left out, as step 0 is on side b.

REF is any checkpoint of the same base model: the last one of the run shows when its subspaces were found, another seed's last one \
when two runs met. Checkpoints of one run share the random start of A, so that side a is bright from the start: --side b.

APNG (.png, .apng) has every colour of the figure; browsers show it, and other programs its first frame. GIF (.gif) has 256 colours, \
of which cells have about 220, and is shown by slides too.

Examples:
  lorascope animate 'runs/seed0/checkpoint-*' runs/seed0/checkpoint-5000 --side b -o training.png
  lorascope animate 'runs/seed0/checkpoint-*' runs/seed1 --vmax auto --frame-time 0.2 -o training.gif";

#[derive(Debug, ArgGroup)]
#[command(mut_arg("dpi", |dpi| dpi.default_value("100")))]
#[command(mut_arg("show_ties", |ties| ties.hide(true)))]
pub(super) struct AnimateArgs {
    /// Checkpoints of a run, and then the one to compare them with
    ///
    /// Those of the run as paths, a folder or a glob.
    #[arg(value_name = "CHECKPOINT", required_unless_present = "recipe")]
    checkpoints: Vec<PathBuf>,
    #[arg(short, long, value_name = "FILE", default_value = "lorascope-animation.png")]
    #[arg(value_parser = output::animation(), help = output::ANIMATION_HELP)]
    output: AnimationOutput,
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    compute: ComputeArgs,
    #[command(flatten)]
    picture: PictureArgs,
    /// Seconds that each frame is shown
    #[arg(long, value_name = "SECONDS", default_value = "0.5", help_heading = "How it is drawn")]
    frame_time: f64,
    /// Format: apng or gif [default: by the suffix of -o, else apng]
    #[arg(long, value_name = "FORMAT", help_heading = "How it is drawn")]
    format: Option<AnimationFormat>,
    #[command(flatten)]
    recipe: RecipeArgs,
}

pub(super) fn run(args: &AnimateArgs, recipe: Option<&str>, console: &Console) -> Result<()> {
    args.compute.check()?;
    args.compute.check_side()?;
    let is_stdout = args.output.to == Destination::Stdout;
    if args.compute.json && is_stdout {
        return Err(Usage("--json and -o - would both write to stdout").into());
    }
    if args.picture.show_ties {
        return Err(Usage("--show-ties is for figure --kind seeds and ranks").into());
    }
    args.picture.axes.check_cells()?;
    let (sink, format) = args.output.open(args.format)?;
    let (run, reference) = match &args.checkpoints[..] {
        [run @ .., reference] if !run.is_empty() => (run, reference),
        _ => {
            return Err(Usage(
                "animate takes the checkpoints of a run, and then the one to compare them with",
            )
            .into());
        }
    };
    let reference = Adapters::open(std::slice::from_ref(reference), &args.selection, console)?;
    let [reference] = &reference.all[..] else {
        return Err(Usage(
            "the last CHECKPOINT is what all others are compared with, and must be a single one",
        )
        .into());
    };
    let run = Adapters::open(run, &args.selection, console)?;
    let opened = engine::open(&args.compute.request(), Work { flop: 0.0, max_numbers: 0 }).wait()?;
    console.engine(opened.engine.info(), opened.reason.as_deref(), opened.warning.as_ref());
    let painter = opened.engine.as_ref();

    let frames = Frames::compute(args, &run, reference, painter, console)?;
    let animation = Animation::new(format, frames.n()).frame_s(args.frame_time).recipe(recipe);
    let mut size = None;
    sink.fill(|writer| {
        size = Some(animation.write(&|n| frames.plot(n), painter, writer)?);
        Ok(())
    })?;
    let (width_px, height_px) = size.map_or((0, 0), |size| (size.width_px, size.height_px));
    let path = args.output.to.path();
    let n = frames.n();
    let shown = path.as_deref().unwrap_or("stdout");
    console.note(
        "wrote",
        format!("{shown} ({n} frames of {width_px} × {height_px} pixels, {} s each)", args.frame_time),
    );
    let listing = &frames.listing;
    if args.compute.json {
        let document = json!({
            "schema": 1,
            "version": env!("CARGO_PKG_VERSION"),
            "animation": {
                "path": path, "format": format.name(), "frames": n, "frame_s": args.frame_time,
                "width_px": width_px, "height_px": height_px
            },
            "side": args.compute.side().to_string(),
            "reference": reference.path().display().to_string(),
            "rows": listing.json(),
            "left_out": frames.left_out.iter().map(|line| Value::from(line.as_str())).collect::<Vec<_>>(),
            "warnings": serde_json::to_value(&frames.warnings)?,
        });
        write_json(&document)?;
    } else {
        write_text(&listing.text(), is_stdout, console)?;
    }
    Ok(args.recipe.save(recipe)?)
}
