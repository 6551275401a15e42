//! The findings in short, for people.

use super::by::By;
use super::derived::Member;
use super::drift::DriftPoint;
use super::groups::Sum;
use super::names::{fitted, short};
use super::outliers::median;
use super::pairs::PairMean;
use super::places::short_blocks;
use super::scan::ScanSums;
use super::subject::side;
use super::summary::Findings;
use crate::scan::absent::WhyAbsent;
use crate::text::{counted, printable};

/// Pairs that the text lists of each kind; the tables have more.
const N_PAIRS: usize = 5;
const N_OUTLIERS: usize = 10;
const N_DERIVED: usize = 10;
const N_RUNS: usize = 10;
const N_GROUPS: usize = 12;
const N_LABELS: usize = 10;
const PATH_CHARS: usize = 200;
/// Names of adapters: longer ones are cut where they agree.
const NAME_CHARS: usize = 50;
/// Width of the first column.
const INDENT: usize = 22;

/// A few paragraphs.
pub(super) fn text(scan: &ScanSums, findings: &Findings) -> String {
    let text = Text { scan, findings, names: names(scan), lines: vec![] };
    text.write()
}

/// The adapters' short names by their places.
fn names(scan: &ScanSums) -> Vec<String> {
    let names = fitted(short(scan.adapters.iter().map(|adapter| adapter.path.as_str())), NAME_CHARS);
    names.iter().map(|name| printable(name, PATH_CHARS)).collect()
}

struct Text<'a> {
    scan: &'a ScanSums,
    findings: &'a Findings,
    names: Vec<String>,
    lines: Vec<String>,
}

impl Text<'_> {
    fn write(mut self) -> String {
        self.head();
        self.derived();
        self.left_out();
        self.alike();
        self.groups();
        self.outliers();
        self.labels();
        self.drift();
        self.lines.join("\n") + "\n"
    }

    fn line(&mut self, content: impl Into<String>) {
        self.lines.push(content.into());
    }

    fn head(&mut self) {
        let counts = &self.findings.counts;
        let (scan, by) = (self.scan, self.scan.by);
        self.line(format!(
            "{}: {}, {}, {} (module, a, b), {}",
            printable(&scan.path.display().to_string(), PATH_CHARS),
            counted(counts.adapters, "adapter"),
            counted(counts.pairs as usize, "pair"),
            counted(counts.rows as usize, "row"),
            side(scan),
        ));
        self.line(format!("compared by {}: {}", by.words(), by.meaning()));
        for warning in &self.findings.warnings {
            self.lines.push(format!("warning: {}", printable(&warning.message, 600)));
        }
    }

    /// Copies first: what follows counts each of them.
    fn derived(&mut self) {
        let derived = &self.scan.derived;
        if !derived.is_known {
            self.line(
                "identical and derived: not known, since the scan did not keep the updates: copies, multiples, negations and parts \
                 of another adapter are not told",
            );
            return;
        }
        let names = &self.names;
        let mut lines = vec![String::new()];
        match derived.groups.len() {
            0 => lines.push("identical and derived: none".to_owned()),
            n => lines.push(format!(
                "identical and derived: {}, in each of which the first stands for the others; all count in what follows",
                counted(n, "group")
            )),
        }
        for group in derived.groups.iter().take(N_DERIVED) {
            let member = |member: &Member| {
                let factor = member.factor.map_or(String::new(), |factor| format!(" × {factor:.4}"));
                let to = match member.to == group.keep {
                    true => String::new(),
                    false => format!(" to {}", names[member.to]),
                };
                format!("{} ({}{factor}{to})", names[member.place], member.relation)
            };
            let shown: Vec<String> = group.members.iter().take(N_DERIVED).map(member).collect();
            let more = group.members.len().saturating_sub(N_DERIVED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            lines.push(format!("{:INDENT$}{}: {}{more}", "", names[group.keep], shown.join(", ")));
        }
        let n_groups = derived.groups.len();
        let others: Vec<String> =
            derived.others.iter().map(|(word, n)| format!("{} {word}", counted(*n, "pair"))).collect();
        if !others.is_empty() {
            lines.push(format!("related in another way: {}", others.join(", ")));
        }
        self.lines.extend(lines);
        self.more(n_groups, N_DERIVED);
        self.line("");
    }

    fn left_out(&mut self) {
        let counts = &self.findings.counts;
        let mut lines = vec![];
        if counts.adapters_without_pairs > 0 {
            let adapters = counted(counts.adapters_without_pairs, "adapter");
            lines.push(format!("not among these: {adapters} without a pair"));
        }
        let absent: Vec<String> = self
            .scan
            .absent
            .iter()
            .map(|(why, n): (&WhyAbsent, &u64)| format!("{n} {}", why.words()))
            .collect();
        if !absent.is_empty() {
            let n: u64 = self.scan.absent.values().sum();
            let all = n + counts.pairs;
            lines.push(format!(
                "not compared: {n} of {}: {}",
                counted(all as usize, "pair"),
                absent.join(", ")
            ));
        }
        let left_out = counts.left_out_pairs;
        let marked = counts.shared_init_pairs > 0 || counts.other_base_pairs > 0;
        if left_out.total() > 0 {
            let reasons = [
                (left_out.shared_init, "with a shared start"),
                (left_out.other_base, "of two base models"),
                (left_out.both, "with both"),
            ];
            let reasons: Vec<String> =
                reasons.iter().filter(|(n, _)| *n > 0).map(|(n, why)| format!("{n} {why}")).collect();
            let pairs = counted(left_out.total() as usize, "pair");
            lines.push(format!(
                "averages, outliers and the least alike leave out {pairs}: {}",
                reasons.join(", ")
            ));
        } else if marked
            && counts.other_base_pairs + counts.shared_init_pairs >= counts.pairs
            && self.scan.start_shows()
        {
            lines.push("every pair has one of these marks, so averages leave none of them out".to_owned());
        }
        let means: Vec<String> = self
            .quantities()
            .zip(self.findings.means)
            .filter_map(|(by, mean)| Some(format!("{} {}", by.words(), by.shown(mean?))))
            .collect();
        if !means.is_empty() {
            lines.push(format!("mean: {}", means.join(", ")));
        }
        self.lines.extend(lines);
    }

    fn quantities(&self) -> impl Iterator<Item = By> + use<> {
        self.scan.by.and_others().into_iter()
    }

    fn alike(&mut self) {
        let findings = self.findings;
        let n_left_out = findings.counts.left_out_pairs.total();
        let has_both = n_left_out > 0;
        let title = if has_both { "most alike, all" } else { "most alike" };
        self.pairs(title, &findings.most_alike);
        if has_both {
            let why = match findings.counts.left_out_pairs {
                left_out if left_out.shared_init == n_left_out => "without shared start",
                _ => "without a mark",
            };
            self.pairs(why, &findings.most_alike_unmarked);
        }
        if findings.most_alike.len() > N_PAIRS {
            self.pairs("least alike", &findings.least_alike);
        }
    }

    /// A list with the heads of its columns.
    fn pairs(&mut self, title: &str, pairs: &[PairMean]) {
        if pairs.is_empty() {
            return;
        }
        let heads: Vec<String> = self.quantities().map(By::words).collect();
        self.line("");
        self.line(format!("{title:<INDENT$}{}", heads.join("  ")));
        let most = pairs.iter().map(|pair| pair.n_modules).max().unwrap_or(0);
        let has_fewer = pairs.iter().any(|pair| pair.n_modules != most);
        for pair in pairs.iter().take(N_PAIRS) {
            let means = self.quantities().zip(&heads).zip(pair.means);
            let means: Vec<String> = means
                .map(|((by, head), mean)| {
                    let shown = if mean.is_nan() { "–".to_owned() } else { by.shown(mean) };
                    format!("{shown:>width$}", width = head.chars().count())
                })
                .collect();
            let (a, b) = (&self.names[pair.a], &self.names[pair.b]);
            let mut line = format!("{:INDENT$}{}  {a}  {b}", "", means.join("  "));
            if has_fewer {
                line += &format!("  ({})", counted(pair.n_modules as usize, "module"));
            }
            if pair.has_shared_init() {
                line += "  shared start";
            }
            if pair.has_other_base() {
                line += "  two base models";
            }
            self.line(line);
        }
    }

    fn groups(&mut self) {
        let (by, groups) = (self.scan.by, &self.findings.groups);
        let shown = |name: &str, sum: &Sum| {
            let name = printable(name, 60);
            let modules = counted(sum.n_modules as usize, "module");
            let pairs = match sum.n_pairs {
                _ if groups.same_pairs => String::new(),
                [least, most] if least == most => {
                    format!(" ({modules}, {} each)", counted(most as usize, "pair"))
                }
                [least, most] => format!(" ({modules}, {least} to {most} pairs each)"),
            };
            format!("{name} {}{pairs}", by.shown(sum.value()))
        };
        let kinds: Vec<String> = groups.kinds.iter().map(|(kind, sum)| shown(kind.name(), sum)).collect();
        let mut lines = vec![];
        if !kinds.is_empty() {
            let more = kinds.len().saturating_sub(N_GROUPS);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let first = kinds[..kinds.len().min(N_GROUPS)].join(", ");
            lines.push(format!("\n{} by projection: {first}{more}", by.words()));
        }
        let blocks = short_blocks(groups.layers.keys());
        let mut layers: Vec<(&String, &Sum)> = blocks.iter().zip(groups.layers.values()).collect();
        layers.sort_by(|a, b| b.1.value().total_cmp(&a.1.value()));
        if let [highest, .., lowest] = layers[..] {
            let [highest, lowest] = [highest, lowest].map(|(name, sum)| shown(name, sum));
            lines.push(format!("{} by layer, the highest and the lowest: {highest}; {lowest}", by.words()));
        }
        if !groups.same_pairs {
            lines.push("modules were not all compared in the same pairs, so a difference between modules may be one between pairs".to_owned());
        }
        self.lines.extend(lines);
    }

    fn outliers(&mut self) {
        let findings = &self.findings.adapters;
        let mut outliers: Vec<usize> =
            (0..findings.len()).filter(|&place| findings[place].is_outlier).collect();
        let z = |place: usize| findings[place].robust_z.unwrap_or(0.0);
        outliers.sort_by(|&a, &b| z(b).abs().total_cmp(&z(a).abs()));
        if outliers.is_empty() {
            return;
        }
        let by = self.scan.by;
        let head = format!("mean {}", by.words());
        let width = head.chars().count();
        let mut lines = vec![String::new(), format!("{:<INDENT$}{head}  robust z", "outliers")];
        for &place in outliers.iter().take(N_OUTLIERS) {
            let mean = by.shown(findings[place].mean.unwrap_or(f64::NAN));
            lines.push(format!("{:INDENT$}{mean:>width$}  {:+8.1}  {}", "", z(place), self.names[place]));
        }
        self.lines.extend(lines);
        self.more(outliers.len(), N_OUTLIERS);
    }

    fn labels(&mut self) {
        let Some((labels, stats)) = &self.findings.labels else { return };
        let by = self.scan.by;
        let shown = |value: Option<f64>| value.map_or("–".to_owned(), |value| by.shown(value));
        let n_without = self.findings.counts.adapters - stats.n_labelled;
        let without = if n_without > 0 { format!(", {n_without} without a label") } else { String::new() };
        let mut lines = vec![
            String::new(),
            format!(
                "{} of {}{without}; mean {} within a label {}, between labels {}",
                counted(labels.names.len(), "label"),
                counted(stats.n_labelled, "adapter"),
                by.words(),
                shown(stats.within),
                shown(stats.between)
            ),
        ];
        if stats.within.is_none() && self.findings.counts.left_out_pairs.total() > 0 {
            lines.push(format!(
                "{:INDENT$}no pair within a label counts: all of them are left out for their marks",
                ""
            ));
        }
        if let Some(p) = stats.p_value {
            lines.push(format!("{:INDENT$}p = {p:.4} that labels dealt out by chance part the pairs as well, of {} permutations", "", stats.n_permutations));
        }
        if let Some(silhouette) = stats.silhouette {
            lines.push(format!("{:INDENT$}mean silhouette {silhouette:+.3} (1: apart, 0: on the border, below: nearer to another label)", ""));
        }
        let mut by_silhouette: Vec<_> = stats.labels.iter().enumerate().collect();
        by_silhouette
            .sort_by(|a, b| b.1.silhouette.unwrap_or(-2.0).total_cmp(&a.1.silhouette.unwrap_or(-2.0)));
        for (number, label) in by_silhouette.iter().take(N_LABELS) {
            let within = stats
                .means
                .iter()
                .find(|mean| (mean.0, mean.1) == (*number, *number))
                .and_then(|mean| mean.3);
            let silhouette = label.silhouette.map_or("–".to_owned(), |value| format!("{value:+.3}"));
            let name = printable(&label.name, 60);
            let adapters = counted(label.n_adapters, "adapter");
            lines.push(format!(
                "{:INDENT$}{name}: {adapters}, within {}, silhouette {silhouette}",
                "",
                shown(within)
            ));
        }
        let n_labels = stats.labels.len();
        self.lines.extend(lines);
        self.more(n_labels, N_LABELS);
    }

    fn drift(&mut self) {
        let points = &self.findings.drift;
        let runs: Vec<&[DriftPoint]> = points.chunk_by(|a, b| a.run == b.run && a.kind == b.kind).collect();
        let wholes: Vec<&[DriftPoint]> = runs.iter().copied().filter(|run| run[0].kind.is_none()).collect();
        if wholes.is_empty() {
            return;
        }
        let shown = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.3}"));
        let mut lines = vec![
            String::new(),
            format!("drift, 1 − {}, {}", self.scan.by.words(), side(self.scan)),
            format!("{:INDENT$}first step  last step  first to last", ""),
        ];
        let names = short(wholes.iter().map(|run| run[0].run.as_str()));
        for (run, name) in wholes.iter().zip(names).take(N_RUNS) {
            let mut steps = run.iter().filter_map(|point| point.from_previous);
            let first = steps.next();
            let last = steps.next_back().or(first);
            let whole = run[run.len() - 1].from_first;
            let from = run[0].step_before.unwrap_or(run[0].step);
            let steps = format!("steps {from} to {}", run[run.len() - 1].step);
            let name = printable(&name, PATH_CHARS);
            lines.push(format!(
                "{:INDENT$}{:>10}  {:>9}  {:>13}  {name}, {steps}",
                "",
                shown(first),
                shown(last),
                shown(whole)
            ));
        }
        self.lines.extend(lines);
        self.more(wholes.len(), N_RUNS);
        if self.findings.has_unequal_steps() {
            self.line("steps are not all of one length: drift.csv has the drift by 1,000 steps too");
        }
        let by_kind = kinds_of_drift(points);
        if by_kind.len() > 1 {
            let kinds: Vec<String> =
                by_kind.iter().map(|(kind, drift)| format!("{kind} {drift:.3}")).collect();
            self.line(format!("from the first checkpoint to the last, by projection: {}", kinds.join(", ")));
        }
    }

    fn more(&mut self, n: usize, n_shown: usize) {
        if n > n_shown {
            self.line(format!("{:INDENT$}and {} more", "", n - n_shown));
        }
    }
}

/// The median over runs of the drift from the first checkpoint to the last, of each kind of module.
fn kinds_of_drift(points: &[DriftPoint]) -> Vec<(String, f64)> {
    let mut kinds: Vec<(String, Vec<f64>)> = vec![];
    for run in points.chunk_by(|a, b| a.run == b.run && a.kind == b.kind) {
        let (Some(kind), Some(drift)) = (&run[0].kind, run[run.len() - 1].from_first) else { continue };
        match kinds.iter_mut().find(|(name, _)| name == kind) {
            Some((_, drifts)) => drifts.push(drift),
            None => kinds.push((kind.clone(), vec![drift])),
        }
    }
    kinds.into_iter().map(|(kind, drifts)| (kind, median(drifts))).collect()
}
