//! The findings as pictures.

use super::names::short;
use super::scan::ScanSums;
use super::summary::Findings;
use crate::error::Result;
use crate::figure::{Heatmap, Line, LineChart, Plot, Style};
use crate::text::counted;

/// The pictures of a report by the names of their files without a suffix; those that would be empty are left out.
///
/// # Errors
/// None that findings can cause.
pub(crate) fn pictures(
    scan: &ScanSums,
    findings: &Findings,
    style: &Style,
) -> Result<Vec<(&'static str, Box<dyn Plot>)>> {
    let mut pictures: Vec<(_, Box<dyn Plot>)> = vec![];
    if findings.counts.pairs > 0 {
        pictures.push(("adapters", Box::new(adapters(scan, findings, style)?)));
        pictures.push(("layers", Box::new(layers(findings, style)?)));
    }
    if !findings.drift.is_empty() {
        pictures.push(("drift", Box::new(drift(findings, style)?)));
    }
    Ok(pictures)
}

/// The N × N matrix of mean excess, in the order of the clustering.
fn adapters(scan: &ScanSums, findings: &Findings, style: &Style) -> Result<Heatmap> {
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
    let title = format!("Mean of ϕ(r, r) − baseline over modules, {}", counted(order.len(), "adapter"));
    let style = style.clone().title(title).range_up_to(0.0, largest.into());
    Ok(Heatmap::square(names, values)?.note(note).tree(findings.tree.clone()).style(style))
}

/// Layer × projection.
fn layers(findings: &Findings, style: &Style) -> Result<Heatmap> {
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
    let title = format!("Mean of ϕ(r, r) − baseline, {}", counted(n_pairs as usize, "pair"));
    let style = style.clone().title(title).range_up_to(0.0, largest.into());
    Ok(Heatmap::named(layers, projections, values)?.axes("layer", "projection").style(style))
}

/// A line for each run.
fn drift(findings: &Findings, style: &Style) -> Result<LineChart> {
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
        .axes("step", "1 − ϕ(r, r), mean over modules")
        .style(style.clone().title("Drift from one checkpoint to the next")))
}
