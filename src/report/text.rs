//! The findings in short, for people.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::names::short;
use super::summary::{AdapterLine, Findings, GroupLine, PairLine, ReportCounts};
use crate::text::{counted, printable};

/// Pairs that the text lists of each kind; the tables have more.
const N_PAIRS: usize = 5;
const N_OUTLIERS: usize = 10;
const N_RUNS: usize = 10;
const PATH_CHARS: usize = 200;

/// A few paragraphs.
pub(crate) fn text(findings: &Findings) -> String {
    let ReportCounts { adapters, adapters_without_pairs, adapters_with_problems, pairs, rows, .. } =
        findings.counts;
    let mut text = format!(
        "{}: {}, {}, {} (module, a, b)\n",
        printable(&findings.scan, PATH_CHARS),
        counted(adapters, "adapter"),
        counted(pairs as usize, "pair"),
        counted(rows as usize, "row")
    );
    if adapters_without_pairs > 0 {
        line(
            &mut text,
            &format!("not among these: {} without a pair", counted(adapters_without_pairs, "adapter")),
        );
    }
    if adapters_with_problems > 0 {
        let adapters = counted(adapters_with_problems, "adapter");
        line(&mut text, &format!("missing: modules of {adapters}; adapters.parquet says why"));
    }
    marks(&mut text, &findings.counts);
    if let (Some(phi), Some(excess)) = (findings.mean_phi, findings.mean_excess) {
        line(&mut text, &format!("mean φ(r, r) {phi:.3}, excess over the baseline {excess:+.3}"));
    }
    let names = Names::new(findings);
    alike(&mut text, "most alike", &findings.most_alike, &names);
    if findings.most_alike.len() > N_PAIRS {
        alike(&mut text, "least alike", &findings.least_alike, &names);
    }
    groups(&mut text, findings);
    outliers(&mut text, &findings.adapters, &names);
    drift(&mut text, findings);
    text
}

/// The adapters' short names by their numbers.
struct Names(HashMap<i64, String>);

impl Names {
    fn new(findings: &Findings) -> Self {
        let names = short(findings.adapters.iter().map(|adapter| adapter.path.as_str()));
        let ids = findings.adapters.iter().map(|adapter| adapter.id);
        Self(ids.zip(names.iter().map(|name| printable(name, PATH_CHARS))).collect())
    }

    fn of(&self, id: i64) -> &str {
        self.0.get(&id).map_or("", String::as_str)
    }
}

fn line(text: &mut String, content: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{content}");
}

fn marks(text: &mut String, counts: &ReportCounts) {
    let marked = [(counts.shared_init_pairs, "a shared start"), (counts.other_base_pairs, "two base models")];
    let marked: Vec<String> = marked
        .into_iter()
        .filter(|&(n, _)| n > 0)
        .map(|(n, what)| format!("{} with {what}", counted(n as usize, "pair")))
        .collect();
    if marked.is_empty() {
        return;
    }
    let left_out = match counts.left_out_pairs {
        0 => "none left out of what follows".to_owned(),
        n => format!("{n} left out of what follows"),
    };
    line(text, &format!("marked: {}; {left_out}", marked.join(", ")));
}

fn alike(text: &mut String, title: &str, pairs: &[PairLine], names: &Names) {
    if pairs.is_empty() {
        return;
    }
    line(text, &format!("\n{title:<13} φ(r, r)  excess"));
    for pair in pairs.iter().take(N_PAIRS) {
        let (a, b) = (names.of(pair.a), names.of(pair.b));
        line(text, &format!("{:13} {:7.3}  {:+6.3}  {a}  {b}", "", pair.mean_phi, pair.mean_excess));
    }
}

fn groups(text: &mut String, findings: &Findings) {
    let named = |lines: &[GroupLine], name: fn(&GroupLine) -> &Option<String>| {
        let lines = lines.iter().map(|line| {
            let name = printable(name(line).as_deref().unwrap_or("–"), 40);
            format!("{name} {:+.3}", line.mean_excess)
        });
        lines.collect::<Vec<_>>()
    };
    let projections = named(&findings.projections, |line| &line.projection);
    if !projections.is_empty() {
        line(text, &format!("\nexcess by projection: {}", projections.join(", ")));
    }
    let mut layers: Vec<&GroupLine> = findings.layers.iter().collect();
    layers.sort_by(|a, b| b.mean_excess.total_cmp(&a.mean_excess));
    if let [highest, .., lowest] = layers[..] {
        let name = |line: &GroupLine| line.layer.clone().unwrap_or_default();
        line(
            text,
            &format!(
                "excess by layer: highest {:+.3} in layer {}, lowest {:+.3} in layer {}",
                highest.mean_excess,
                name(highest),
                lowest.mean_excess,
                name(lowest)
            ),
        );
    }
}

fn outliers(text: &mut String, adapters: &[AdapterLine], names: &Names) {
    let mut outliers: Vec<_> = adapters.iter().filter(|adapter| adapter.outlier).collect();
    let z = |adapter: &AdapterLine| adapter.robust_z.unwrap_or(0.0).abs();
    outliers.sort_by(|a, b| z(b).total_cmp(&z(a)));
    if outliers.is_empty() {
        return;
    }
    line(text, "\noutliers      excess  robust z");
    for adapter in outliers.iter().take(N_OUTLIERS) {
        let (excess, z) = (adapter.mean_excess.unwrap_or(f64::NAN), adapter.robust_z.unwrap_or(f64::NAN));
        line(text, &format!("{:13} {excess:+6.3}  {z:+8.1}  {}", "", names.of(adapter.id)));
    }
    more(text, outliers.len(), N_OUTLIERS);
}

fn drift(text: &mut String, findings: &Findings) {
    let runs: Vec<_> = findings.drift.chunk_by(|a, b| a.run == b.run).collect();
    if runs.is_empty() {
        return;
    }
    line(text, "\ndrift, 1 − φ(r, r) from one checkpoint to the next: first, last");
    let names = short(runs.iter().map(|points| points[0].run.as_str()));
    for (points, name) in runs.iter().zip(names).take(N_RUNS) {
        let ([first, ..], [.., last]) = (points, points) else { continue };
        let steps = format!("steps {} to {}", first.step_before, last.step);
        let run = printable(&name, PATH_CHARS);
        line(text, &format!("{:13} {:6.3}  {:6.3}  {run}, {steps}", "", first.drift, last.drift));
    }
    more(text, runs.len(), N_RUNS);
}

fn more(text: &mut String, n: usize, n_shown: usize) {
    if n > n_shown {
        line(text, &format!("{:13} and {} more", "", n - n_shown));
    }
}
