//! Pictures of drift.

use std::collections::BTreeMap;

use super::drift::{DriftPoint, has_unequal_steps};
use super::names::{fitted, short};
use super::outliers::quantile;
use super::scan::ScanSums;
use super::subject::subject;
use super::summary::Findings;
use super::warnings::DRIFT_NOT_VISIBLE;
use crate::error::Result;
use crate::figure::{Line, LineChart, LinePanel, Style};
use crate::text::counted;

/// More runs than this are drawn as their median and quartiles.
const MOST_LINES: usize = 7;
/// Fewer runs than this have no quartiles.
const LEAST_SPREAD: usize = 3;
const NAME_CHARS: usize = 36;

/// A drift of a point.
type Drift = fn(&DriftPoint) -> Option<f64>;

const FROM_PREVIOUS: (&str, Drift) = ("from the previous", |point| point.from_previous);
const FROM_FIRST: (&str, Drift) = ("from the first", |point| point.from_first);
const TO_LAST: (&str, Drift) = ("to the last", |point| point.to_last);
const PER_1000: (&str, Drift) = ("from the previous, by 1,000 steps", |point| point.per_1000_steps);

/// A frame for each drift, with a line for each run, or, of many, their median and quartiles over all of them in grey.
/// `None` without drift.
pub(super) fn runs(scan: &ScanSums, findings: &Findings, style: &Style) -> Result<Option<LineChart>> {
    let points: &[DriftPoint] = &findings.drift;
    let runs: Vec<&[DriftPoint]> = points
        .chunk_by(|a, b| a.run == b.run && a.kind == b.kind)
        .filter(|run| run[0].kind.is_none())
        .collect();
    if runs.is_empty() {
        return Ok(None);
    }
    let mut drifts = vec![FROM_PREVIOUS, FROM_FIRST, TO_LAST];
    if has_unequal_steps(points) {
        drifts.insert(1, PER_1000);
    }
    let names = fitted(short(runs.iter().map(|run| run[0].run.as_str())), NAME_CHARS);
    let panel = |(title, drift): (&str, Drift)| {
        let lines: Vec<Line> = runs
            .iter()
            .zip(&names)
            .map(|(run, name)| Line { name: name.clone(), points: line(run, drift) })
            .collect();
        let (lines, behind) = if runs.len() > MOST_LINES { (spread(&lines), lines) } else { (lines, vec![]) };
        LinePanel { title: title.to_owned(), y_name: y_name(scan, title), lines, behind, marks: vec![] }
    };
    let title = format!("Drift of {}, {}", counted(runs.len(), "run"), subject(scan));
    let note = match runs.len() > MOST_LINES {
        true => format!("Grey: single runs. {}", note(findings)),
        false => note(findings).to_owned(),
    };
    let chart = LineChart::of_panels(drifts.into_iter().map(panel).collect())?;
    Ok(Some(chart.x("step").note(note).style(style.clone().title(title))))
}

/// A frame for each kind of module, with the median over runs of each drift. `None` where there are not two kinds.
pub(super) fn projections(scan: &ScanSums, findings: &Findings, style: &Style) -> Result<Option<LineChart>> {
    let points: &[DriftPoint] = &findings.drift;
    let mut kinds: Vec<&str> = vec![];
    for kind in points.iter().filter_map(|point| point.kind.as_deref()) {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    if kinds.len() < 2 {
        return Ok(None);
    }
    let panel = |kind: &&str| {
        let lines = [FROM_PREVIOUS, FROM_FIRST, TO_LAST].map(|(name, drift)| {
            let of_kind = points.iter().filter(|point| point.kind.as_deref() == Some(*kind));
            let by_step = by_step(of_kind.filter_map(|point| Some((point.step, drift(point)?))));
            let points = by_step.into_iter().map(|(step, values)| (step as f64, quantile(values, 0.5)));
            Line { name: name.to_owned(), points: points.collect() }
        });
        LinePanel {
            title: (*kind).to_owned(),
            y_name: y_name(scan, ""),
            lines: lines.into(),
            ..LinePanel::default()
        }
    };
    let mut runs: Vec<&str> = points.iter().map(|point| point.run.as_str()).collect();
    runs.dedup();
    let of = if runs.len() == 1 { "1 run".to_owned() } else { format!("median of {} runs", runs.len()) };
    let title = format!("Drift by projection, {of}, {}", subject(scan));
    let chart = LineChart::of_panels(kinds.iter().map(panel).collect())?;
    Ok(Some(chart.x("step").note(note(findings)).style(style.clone().title(title))))
}

fn y_name(scan: &ScanSums, title: &str) -> String {
    let by = scan.by.title();
    if title == PER_1000.0 { format!("(1 − {by}) · 1000 / steps") } else { format!("1 − {by}") }
}

/// What to be careful of.
fn note(findings: &Findings) -> &'static str {
    match findings.warnings.iter().any(|warning| warning.code == DRIFT_NOT_VISIBLE) {
        true => {
            "A hardly leaves the start that a run shares, so this side shows little of what was learnt: side b does."
        }
        false => "",
    }
}

fn line(run: &[DriftPoint], drift: Drift) -> Vec<(f64, f64)> {
    run.iter().filter_map(|point| Some((point.step as f64, drift(point)?))).collect()
}

fn by_step(points: impl Iterator<Item = (i64, f64)>) -> BTreeMap<i64, Vec<f64>> {
    let mut steps: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    points.for_each(|(step, value)| steps.entry(step).or_default().push(value));
    steps
}

/// The median and the quartiles at the steps that enough lines have.
fn spread(lines: &[Line]) -> Vec<Line> {
    let points = lines.iter().flat_map(|line| &line.points).map(|&(step, value)| (step as i64, value));
    let mut steps = by_step(points);
    steps.retain(|_, values| values.len() >= LEAST_SPREAD);
    let of = |name: &str, share: f64| Line {
        name: name.to_owned(),
        points: steps.iter().map(|(&step, values)| (step as f64, quantile(values.clone(), share))).collect(),
    };
    vec![of("median of runs", 0.5), of("quartiles", 0.25), of("quartiles", 0.75)]
}
