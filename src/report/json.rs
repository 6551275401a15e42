//! The findings as `report.json`.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::derived::GroupFacts;
use super::scan::ScanSums;
use super::summary::Findings;
use super::tables::Table;

/// The layout of `report.json`.
const SCHEMA: u32 = 2;

/// Everything but the pairs.
pub(super) struct Json<'a, 't> {
    pub(super) scan: &'a ScanSums,
    pub(super) findings: &'a Findings,
    pub(super) tables: &'a [Table<'t>],
}

impl Serialize for Json<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { scan, findings, tables } = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("schema", &SCHEMA)?;
        map.serialize_entry("version", env!("CARGO_PKG_VERSION"))?;
        map.serialize_entry("scan", &scan.path.display().to_string())?;
        map.serialize_entry("by", &scan.by.to_string())?;
        map.serialize_entry("side", &scan.side)?;
        map.serialize_entry("unfinished", &scan.unfinished)?;
        map.serialize_entry("counts", &findings.counts)?;
        map.serialize_entry("warnings", &findings.warnings)?;
        let derived = &scan.derived;
        map.serialize_entry("derived_known", &derived.is_known)?;
        let groups = derived.groups.iter().map(|group| GroupFacts::of(group, &scan.adapters));
        map.serialize_entry("derived", &groups.collect::<Vec<_>>())?;
        map.serialize_entry("related_pairs", &derived.others.iter().cloned().collect::<BTreeMap<_, _>>())?;
        map.serialize_entry("problems", &scan.problems.iter().map(Problem::of).collect::<Vec<_>>())?;
        for (by, mean) in scan.by.and_others().into_iter().zip(findings.means) {
            map.serialize_entry(&by.key(), &mean)?;
        }
        map.serialize_entry("same_pairs_in_all_modules", &findings.groups.same_pairs)?;
        map.serialize_entry("n_trees", &findings.clustering.ends.len())?;
        if let Some((_, stats)) = &findings.labels {
            map.serialize_entry("label_statistics", &LabelFacts::of(stats))?;
        }
        tables.iter().try_for_each(|table| map.serialize_entry(table.name, table))?;
        map.end()
    }
}

#[derive(Serialize)]
struct Problem<'a> {
    id: i64,
    path: &'a str,
    problem: Option<&'a str>,
    n_left_out: usize,
}

impl<'a> Problem<'a> {
    fn of(adapter: &'a super::adapters::AdapterRow) -> Self {
        Self {
            id: adapter.id,
            path: &adapter.path,
            problem: adapter.problem.as_deref(),
            n_left_out: adapter.n_left_out,
        }
    }
}

#[derive(Serialize)]
struct LabelFacts<'a> {
    adapters: usize,
    mean_within: Option<f64>,
    mean_between: Option<f64>,
    p_value: Option<f64>,
    permutations: usize,
    silhouette: Option<f64>,
    labels: Vec<LabelFact<'a>>,
}

#[derive(Serialize)]
struct LabelFact<'a> {
    label: &'a str,
    adapters: usize,
    silhouette: Option<f64>,
}

impl<'a> LabelFacts<'a> {
    fn of(stats: &'a super::label_stats::LabelStats) -> Self {
        let fact = |label: &'a super::label_stats::OneLabel| LabelFact {
            label: &label.name,
            adapters: label.n_adapters,
            silhouette: label.silhouette,
        };
        Self {
            adapters: stats.n_labelled,
            mean_within: stats.within,
            mean_between: stats.between,
            p_value: stats.p_value,
            permutations: stats.n_permutations,
            silhouette: stats.silhouette,
            labels: stats.labels.iter().map(fact).collect(),
        }
    }
}
