//! How far a training run turns: from each checkpoint to the next, from its first and to its last, as a whole and by kind of
//! module.
//!
//! Checkpoints of one run share their start, which is not a reason to leave them out here: the change is the question.

use std::collections::{BTreeMap, HashMap};

use super::adapters::AdapterRow;
use super::pairs::RowValues;
use super::places::{Kind, places};
use super::rounding::rounded;
use crate::names::natural_cmp;
use crate::simd::unit_near;

/// A checkpoint of a run. A drift is 1 − the mean over modules of what the report compares by; `None` where the two were not
/// compared.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DriftPoint {
    /// The run's folder.
    pub(crate) run: String,
    /// The kind of module that it is about; `None` for all.
    pub(crate) kind: Option<String>,
    /// The checkpoint's number, and its step.
    pub(crate) id: i64,
    pub(crate) step: i64,
    /// The step before.
    pub(crate) step_before: Option<i64>,
    pub(crate) from_previous: Option<f64>,
    /// The same by the length of the step.
    pub(crate) per_1000_steps: Option<f64>,
    pub(crate) from_first: Option<f64>,
    pub(crate) to_last: Option<f64>,
}

/// The pairs of checkpoints that drift is about, with their rows.
#[derive(Default)]
pub(super) struct DriftRows {
    /// Numbers and steps of each run's checkpoints, by rising step, a step once.
    runs: Vec<(String, Vec<(i64, i64)>)>,
    /// The run of each adapter, by its place.
    run_of: Vec<Option<usize>>,
    ids: Vec<i64>,
    rows: HashMap<(i64, i64), Vec<(usize, RowValues)>>,
}

impl DriftRows {
    /// Of the adapters that were compared at all: a run begins with its first such checkpoint, and ends with its last.
    pub(super) fn new(adapters: &[AdapterRow], is_compared: &[bool]) -> Self {
        let compared = adapters.iter().zip(is_compared).filter(|(_, is_compared)| **is_compared);
        let mut steps: Vec<(&str, i64, i64)> =
            compared.filter_map(|(adapter, _)| Some((&*adapter.run, adapter.step?, adapter.id))).collect();
        steps.sort_by(|a, b| natural_cmp(a.0, b.0).then_with(|| (a.1, a.2).cmp(&(b.1, b.2))));
        let runs: Vec<(String, Vec<(i64, i64)>)> = steps
            .chunk_by(|a, b| a.0 == b.0)
            .map(|run| {
                let mut of_run: Vec<(i64, i64)> = run.iter().map(|&(_, step, id)| (id, step)).collect();
                of_run.dedup_by_key(|(_, step)| *step);
                (run[0].0.to_owned(), of_run)
            })
            .filter(|(_, run)| run.len() > 1)
            .collect();
        let places: HashMap<i64, usize> = runs
            .iter()
            .enumerate()
            .flat_map(|(n, (_, run))| run.iter().map(move |&(id, _)| (id, n)))
            .collect();
        let mut rows = HashMap::new();
        for (_, run) in &runs {
            let (first, last) = (run[0].0, run[run.len() - 1].0);
            rows.extend(run.windows(2).map(|two| (key(two[0].0, two[1].0), vec![])));
            rows.extend(run[1..].iter().map(|&(id, _)| (key(first, id), vec![])));
            rows.extend(run[..run.len() - 1].iter().map(|&(id, _)| (key(id, last), vec![])));
        }
        Self {
            runs,
            run_of: adapters.iter().map(|adapter| places.get(&adapter.id).copied()).collect(),
            ids: adapters.iter().map(|adapter| adapter.id).collect(),
            rows,
        }
    }

    /// Takes a row of a module of a pair, by the places of its adapters, where it is about drift.
    pub(super) fn add(&mut self, a: usize, b: usize, module: usize, row: &RowValues) {
        if self.run_of[a].is_none() || self.run_of[a] != self.run_of[b] {
            return;
        }
        if let Some(rows) = self.rows.get_mut(&key(self.ids[a], self.ids[b])) {
            rows.push((module, *row));
        }
    }

    /// All points, run by run, all modules first and then kind by kind, by rising step; `modules` are the names.
    pub(super) fn finish(&self, modules: &[String]) -> Vec<DriftPoint> {
        let kinds: Vec<Kind> = places(modules).into_iter().map(|(_, kind)| kind).collect();
        let drifts: HashMap<(i64, i64), BTreeMap<Option<&Kind>, f64>> =
            self.rows.iter().map(|(&pair, rows)| (pair, by_kind(rows, &kinds))).collect();
        let mut points = vec![];
        for (name, run) in &self.runs {
            let of_run = run.iter().flat_map(|&(first, _)| run.iter().map(move |&(id, _)| key(first, id)));
            let mut of_kinds: Vec<Option<&Kind>> =
                of_run.filter_map(|pair| drifts.get(&pair)).flat_map(|drift| drift.keys().copied()).collect();
            of_kinds.sort();
            of_kinds.dedup();
            for kind in of_kinds {
                let drift = |a: i64, b: i64| {
                    if a == b { None } else { drifts.get(&key(a, b))?.get(&kind).copied().map(rounded) }
                };
                for (place, &(id, step)) in run.iter().enumerate() {
                    let before = place.checked_sub(1).map(|before| run[before]);
                    let from_previous = before.and_then(|(before, _)| drift(before, id));
                    let length = before.map(|(_, before)| (step - before) as f64 / 1000.0);
                    let point = DriftPoint {
                        run: name.clone(),
                        kind: kind.map(|kind| kind.name().to_owned()),
                        id,
                        step,
                        step_before: before.map(|(_, step)| step),
                        from_previous,
                        per_1000_steps: from_previous
                            .zip(length)
                            .map(|(drift, steps)| rounded(drift / steps)),
                        from_first: drift(run[0].0, id),
                        to_last: drift(id, run[run.len() - 1].0),
                    };
                    let drifts = [point.from_previous, point.from_first, point.to_last];
                    if drifts.iter().any(Option::is_some) {
                        points.push(point);
                    }
                }
            }
        }
        points
    }
}

/// Whether some checkpoint follows the one before by more or fewer steps than others do.
pub(super) fn has_unequal_steps(points: &[DriftPoint]) -> bool {
    let mut lengths = points.iter().filter_map(|point| Some(point.step - point.step_before?));
    let first = lengths.next();
    lengths.any(|length| Some(length) != first)
}

fn key(a: i64, b: i64) -> (i64, i64) {
    (a.min(b), a.max(b))
}

/// 1 − the mean of a pair over all of its modules, and over those of each kind.
fn by_kind<'a>(rows: &[(usize, RowValues)], kinds: &'a [Kind]) -> BTreeMap<Option<&'a Kind>, f64> {
    let largest = rows.iter().flat_map(|(_, row)| row.norms).fold(0.0, f64::max);
    let unit = unit_near(largest);
    let mut sums: BTreeMap<Option<&Kind>, (f64, [f64; 2])> = BTreeMap::new();
    for (module, row) in rows {
        for kind in [None, Some(&kinds[*module])] {
            let (sum, weights) = sums.entry(kind).or_default();
            // As for pairs: modules count alike, and those of a cosine by the norms of their updates.
            let [a, b] = if row.norms[0].is_nan() { [1.0; 2] } else { row.norms.map(|norm| norm / unit) };
            *sum += row.values[0] * a * b;
            weights[0] += a * a;
            weights[1] += b * b;
        }
    }
    sums.into_iter().map(|(kind, (sum, [a, b]))| (kind, 1.0 - sum / (a * b).sqrt())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_counts_by_its_length_too() {
        let point = |step_before, step| DriftPoint {
            run: String::new(),
            kind: None,
            id: 0,
            step,
            step_before,
            from_previous: None,
            per_1000_steps: None,
            from_first: None,
            to_last: None,
        };
        assert!(!has_unequal_steps(&[point(None, 0), point(Some(0), 50), point(Some(50), 100)]));
        assert!(has_unequal_steps(&[point(None, 0), point(Some(0), 50), point(Some(50), 200)]));
        assert!(!has_unequal_steps(&[]));
    }

    #[test]
    fn a_cosine_counts_modules_by_their_norms() {
        let kinds: Vec<Kind> = places(&["layers.0.q_proj", "layers.0.v_proj"].map(str::to_owned))
            .into_iter()
            .map(|(_, kind)| kind)
            .collect();
        let row = |value, norm| RowValues { values: [value, 0.0, 0.0, 0.0], norms: [norm; 2] };
        let of = |rows: &[(usize, RowValues)]| by_kind(rows, &kinds).into_values().collect::<Vec<_>>();
        assert_eq!(of(&[(0, row(1.0, 3.0)), (1, row(0.0, 1.0))]), [1.0 - 0.9, 0.0, 1.0]);
        assert_eq!(of(&[(0, row(1.0, f64::NAN)), (1, row(0.0, f64::NAN))]), [0.5, 0.0, 1.0]);
    }
}
