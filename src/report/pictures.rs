//! The findings as pictures.

use super::MAX_ADAPTERS;
use super::colors::Colors;
use super::drift_pictures;
use super::names::{fitted, short};
use super::places::short_blocks;
use super::scan::ScanSums;
use super::subject::subject;
use super::summary::Findings;
use crate::error::Result;
use crate::figure::{Heatmap, Plot, Strip, Style};
use crate::text::counted;

/// Every picture that a report may have.
pub(super) const PICTURES: [&str; 4] = ["adapters", "layers", "drift", "drift_projections"];

/// Characters of a row's name, about: longer ones are cut where they agree.
const ROW_CHARS: usize = 40;
/// The most adapters whose cells can show their numbers.
const MOST_NUMBERED: usize = 40;

/// The pictures of a report by the names of their files without a suffix; those that would be empty are left out.
///
/// # Errors
/// None that findings can cause.
pub(super) fn pictures(
    scan: &ScanSums,
    findings: &Findings,
    style: &Style,
    colors: Colors,
) -> Result<Vec<(&'static str, Box<dyn Plot>)>> {
    let mut pictures: Vec<(_, Box<dyn Plot>)> = vec![];
    if findings.counts.pairs > 0 {
        if scan.adapters.len() <= MAX_ADAPTERS {
            pictures.push(("adapters", Box::new(adapters(scan, findings, style, colors)?)));
        }
        if scan.cut.is_none() {
            pictures.push(("layers", Box::new(layers(scan, findings, style, colors)?)));
        }
    }
    if let Some(picture) = drift_pictures::runs(scan, findings, style)? {
        pictures.push(("drift", Box::new(picture)));
    }
    if let Some(picture) = drift_pictures::projections(scan, findings, style)? {
        pictures.push(("drift_projections", Box::new(picture)));
    }
    Ok(pictures)
}

/// The N × N matrix of means, in the order of the clustering.
fn adapters(scan: &ScanSums, findings: &Findings, style: &Style, colors: Colors) -> Result<Heatmap> {
    let order = &findings.clustering.order;
    let mut values = Vec::with_capacity(order.len() * order.len());
    let mut has_gaps = false;
    for &a in order {
        for &b in order {
            let value = match scan.pairs.get(a, b) {
                Some(pair) => pair.value() as f32,
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
    let names = fitted(short(order.iter().map(|&place| scan.adapters[place].path.as_str())), ROW_CHARS);
    let mut note = "Columns in the order of the rows.".to_owned();
    // One that another stands for is marked, and named in the text.
    let stands_for = |place: &usize| scan.derived.stands_for(*place).is_some();
    let names: Vec<String> = names
        .into_iter()
        .zip(order)
        .map(|(name, place)| if stands_for(place) { format!("{name} *") } else { name })
        .collect();
    if order.iter().any(stands_for) {
        note += " *: a copy, a multiple or a part of another one.";
    }
    if has_gaps {
        note += if scan.cut.is_some() { " Grey: not kept." } else { " Grey: not compared." };
    }
    if findings.clustering.ends.len() > 1 {
        note += " Trees apart: no pair across was compared.";
    }
    if findings.counts.left_out_pairs.shared_init + findings.counts.left_out_pairs.both > 0 {
        note += " Pairs with a shared start are drawn too.";
    }
    let adapters = counted(order.len(), "adapter");
    let title = format!("Mean of {} over modules, {adapters}, {}", scan.by.title(), subject(scan));
    let shown = values.iter().copied().filter(|value| *value != f32::MAX);
    let style = colors.style(scan.by, shown, style.clone().title(title));
    let numbers = numbers(&values, order.len() <= MOST_NUMBERED);
    let mut heatmap = Heatmap::square(names, values)?
        .note(note)
        .numbers(numbers)
        .tree(findings.clustering.merges.clone())
        .style(style);
    if let Some((labels, _)) = &findings.labels {
        let of = order.iter().map(|&place| labels.of[place]).collect();
        heatmap = heatmap.strip(Strip { names: labels.names.clone(), of });
    }
    Ok(heatmap)
}

/// Block × projection.
fn layers(scan: &ScanSums, findings: &Findings, style: &Style, colors: Colors) -> Result<Heatmap> {
    let groups = &findings.groups;
    let (mut values, mut numbers) = (vec![], vec![]);
    for block in groups.layers.keys() {
        for kind in groups.kinds.keys() {
            let sum = groups.cells.get(&(block.clone(), kind.clone()));
            let value = sum.map_or(f32::NAN, |sum| sum.value() as f32);
            values.push(value);
            numbers.push(match sum.map(|sum| sum.n_pairs) {
                None => String::new(),
                Some(_) if groups.same_pairs => number(value),
                Some([least, most]) if least == most => format!("{} ({most})", number(value)),
                Some([least, most]) => format!("{} ({least}–{most})", number(value)),
            });
        }
    }
    let note = match groups.same_pairs {
        true => "",
        false => "In parentheses: pairs, which are not the same in all modules; see layer_projections.csv.",
    };
    let projections = groups.kinds.keys().map(|kind| kind.name().to_owned()).collect();
    let n_pairs = findings.counts.pairs - findings.counts.left_out_pairs.total();
    let pairs = counted(n_pairs as usize, "pair");
    let title = format!("Mean of {}, {pairs}, {}", scan.by.title(), subject(scan));
    let style = colors.style(scan.by, values.iter().copied(), style.clone().title(title));
    Ok(Heatmap::named(fitted(short_blocks(groups.layers.keys()), ROW_CHARS), projections, values)?
        .axes("layer", "projection")
        .note(note)
        .numbers(numbers)
        .style(style))
}

/// A value in two decimals.
fn number(value: f32) -> String {
    match format!("{value:.2}").as_str() {
        "-0.00" => "0.00".to_owned(),
        text => text.replace('-', "−"),
    }
}

/// A text for each value of a matrix whose diagonal has none; no texts where there are too many to be read.
fn numbers(values: &[f32], are_few: bool) -> Vec<String> {
    let text = |&value: &f32| if value.is_nan() || value == f32::MAX { String::new() } else { number(value) };
    if are_few { values.iter().map(text).collect() } else { vec![] }
}
