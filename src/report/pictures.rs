//! The findings as pictures.

use std::io::Write;

use super::names::short;
use super::scan::Scan;
use super::summary::Findings;
use crate::engine::Engine;
use crate::error::Result;
use crate::figure::{Heatmap, Line, LineChart, Palette};
use crate::text::counted;

/// A picture of a report.
pub(crate) enum Picture {
    Heatmap(Heatmap),
    LineChart(LineChart),
}

impl Picture {
    pub(crate) fn write_png(&self, engine: &dyn Engine, writer: impl Write) -> Result<()> {
        match self {
            Self::Heatmap(picture) => picture.write_png(engine, writer),
            Self::LineChart(picture) => picture.write_png(engine, writer),
        }
    }
}

/// The pictures of a report by the names of their files; those that would be empty are left out.
///
/// # Errors
/// None that findings can cause.
pub(crate) fn pictures(
    scan: &Scan,
    findings: &Findings,
    palette: Palette,
    dpi: f64,
) -> Result<Vec<(&'static str, Picture)>> {
    let mut pictures = vec![];
    if findings.counts.pairs > 0 {
        let adapters = adapters(scan, findings)?.palette(palette).dpi(dpi);
        pictures.push(("adapters.png", Picture::Heatmap(adapters)));
        let layers = layers(findings)?.palette(palette).dpi(dpi);
        pictures.push(("layers.png", Picture::Heatmap(layers)));
    }
    if !findings.drift.is_empty() {
        pictures.push(("drift.png", Picture::LineChart(drift(findings)?.dpi(dpi))));
    }
    Ok(pictures)
}

/// The N × N matrix of mean excess, in the order of the clustering.
fn adapters(scan: &Scan, findings: &Findings) -> Result<Heatmap> {
    let order = &findings.order;
    let mut values = Vec::with_capacity(order.len() * order.len());
    let mut largest = 0.0f32;
    let mut has_gaps = false;
    for &a in order {
        for &b in order {
            let value = match scan.pairs.get(a, b) {
                Some(pair) => {
                    largest = largest.max(pair.excess as f32);
                    pair.excess as f32
                }
                // An adapter agrees with itself as much as can be.
                None if a == b => f32::MAX,
                None => {
                    has_gaps = true;
                    f32::NAN
                }
            };
            values.push(value);
        }
    }
    let names = short(order.iter().map(|&place| scan.adapters[place].path.as_str()));
    let note = match has_gaps {
        true => "Columns in the order of the rows. Grey: not compared.",
        false => "Columns in the order of the rows.",
    };
    Ok(Heatmap::square(names, values)?
        .title(format!("Mean of ϕ(r, r) − baseline over modules, {}", counted(order.len(), "adapter")))
        .note(note)
        .tree(findings.tree.clone())
        .range(0.0, next_tenth(largest)))
}

/// Layer × projection.
fn layers(findings: &Findings) -> Result<Heatmap> {
    let groups = &findings.groups;
    let mut values = vec![];
    let mut largest = 0.0f32;
    for &layer in groups.layers.keys() {
        for projection in groups.projections.keys() {
            let value = groups
                .cells
                .get(&(layer, projection.clone()))
                .map_or(f32::NAN, |sum| sum.mean_excess() as f32);
            largest = largest.max(value);
            values.push(value);
        }
    }
    let layers = groups.layers.keys().map(|layer| layer.name()).collect();
    let projections = groups.projections.keys().map(|projection| projection.name().to_owned()).collect();
    let n_pairs = findings.counts.pairs - findings.counts.left_out_pairs;
    Ok(Heatmap::named(layers, projections, values)?
        .title(format!("Mean of ϕ(r, r) − baseline, {}", counted(n_pairs as usize, "pair")))
        .axes("layer", "projection")
        .range(0.0, next_tenth(largest)))
}

/// A line for each run.
fn drift(findings: &Findings) -> Result<LineChart> {
    let runs: Vec<_> = findings.drift.chunk_by(|a, b| a.run == b.run).collect();
    let names = short(runs.iter().map(|points| points[0].run.as_str()));
    let line = |(points, name): (&&[_], String)| Line {
        name,
        points: points
            .iter()
            .map(|point: &super::drift::DriftPoint| (point.step as f64, point.drift))
            .collect(),
    };
    Ok(LineChart::new(runs.iter().zip(names).map(line).collect())?
        .title("Drift from one checkpoint to the next")
        .axes("step", "1 − ϕ(r, r), mean over modules"))
}

/// The upper end of the colours: a whole tenth, 0.1 at least.
fn next_tenth(largest: f32) -> f64 {
    ((f64::from(largest) * 10.0 - 1e-3).ceil() / 10.0).max(0.1)
}
