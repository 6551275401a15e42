//! `figure --kind spectra`: the singular values of any number of checkpoints, a frame for each module.

use std::sync::Arc;

use anyhow::Result;

use super::FigureArgs;
use crate::adapter::Module;
use crate::basis::WholeSpectrum;
use crate::cli::adapters::Adapters;
use crate::cli::console::Console;
use crate::cli::listing::{Cell, Listing};
use crate::cli::target::Target;
use crate::engine::CpuPainter;
use crate::figure::{Line, LineChart, LinePanel};
use crate::measure::k90::k90;
use crate::names::{label, layer};
use crate::{Selection, Side};

/// A floor this far under the smallest value is said, and not drawn.
const FAR_BELOW: f64 = 1e-3;
/// Frames, of which any more would be too small to be read.
const MOST_FRAMES: usize = 64;

pub(super) fn run(args: &FigureArgs, recipe: Option<&str>, console: &Console) -> Result<()> {
    let target = Target::open(&args.output, &args.shown, args.picture.page.style.dpi, recipe)?;
    let adapters = Adapters::open(&args.checkpoints, &args.selection, console)?;
    let mut modules = modules(args, &adapters)?;
    if modules.len() > MOST_FRAMES {
        console.note("note", format!("the first {MOST_FRAMES} of {} modules are drawn", modules.len()));
        modules.truncate(MOST_FRAMES);
    }
    let names = adapters.short_names();
    let mut listing = Listing::new(&["module", "checkpoint", "k90", "kept", "sigma 1", "sigma r", "floor"]);
    let mut panels = vec![];
    let mut floors = (f64::MAX, 0.0f64);
    for module in &modules {
        let mut panel =
            LinePanel {
                title: title(module[0].as_ref()), y_name: "σ(k)".to_owned(), ..LinePanel::default()
            };
        for (name, module) in names.iter().zip(module) {
            let spectrum = match WholeSpectrum::of(module, args.compute.side())? {
                Ok(spectrum) => spectrum,
                Err(flaw) => {
                    console.note("left out", flaw);
                    continue;
                }
            };
            let WholeSpectrum { sigma, floor } = &spectrum;
            let kept: Vec<f64> = sigma.iter().copied().filter(|sigma| sigma > floor).collect();
            let k = k90(&kept);
            listing.row(vec![
                Cell::Text(module.name.clone()),
                Cell::Text(name.clone()),
                Cell::Count(k as u64),
                Cell::Count(kept.len() as u64),
                Cell::Size(sigma[0]),
                Cell::Size(sigma[sigma.len() - 1]),
                Cell::Size(*floor),
            ]);
            floors = (floors.0.min(*floor), floors.1.max(*floor));
            if k > 0 {
                panel.marks.push((panel.lines.len(), k as f64, sigma[k - 1]));
            }
            if *floor > FAR_BELOW * sigma[sigma.len() - 1] {
                let points = vec![(1.0, *floor), (sigma.len() as f64, *floor)];
                panel.behind.push(Line { name: String::new(), points });
            }
            let points = (1..).zip(sigma).map(|(k, sigma)| (f64::from(k), *sigma)).collect();
            panel.lines.push(Line { name: name.clone(), points });
        }
        panels.push(panel);
    }
    let is_drawn = panels.iter().any(|panel| !panel.behind.is_empty());
    let floor = match is_drawn {
        true => "Grey: what rounding to the stored type may have made.".to_owned(),
        false => format!("Rounding to the stored type makes up to {:.0e}, far below.", floors.1),
    };
    let of = match args.compute.side() {
        Side::A => "A",
        Side::B => "B",
        Side::DwRight | Side::DwLeft => "ΔW",
    };
    let chart = LineChart::of_panels(panels)?
        .log_y()?
        .x("k")
        .note(format!("Rings: nine tenths of the energy. {floor}"))
        .style(args.picture.chart_style(&format!("Singular values of {of}"))?);
    target.fill(&chart, &CpuPainter, &listing, args.compute.side(), args.compute.json, console)
}

/// The modules that all have, as each has them.
fn modules(args: &FigureArgs, adapters: &Adapters) -> Result<Vec<Vec<Arc<Module>>>> {
    let selection = args.selection.of(Selection::new())?;
    Ok(match &adapters.all[..] {
        [one] => {
            let pairs = selection.select(one, one, args.compute.side())?.pairs;
            pairs.into_iter().map(|pair| vec![pair.first]).collect()
        }
        all => selection.select_in_all(all, args.compute.side())?.modules,
    })
}

fn title(module: &Module) -> String {
    match layer(&module.name) {
        Some(layer) => format!("{}, layer {layer}", label(&module.name)),
        None => module.name.clone(),
    }
}
