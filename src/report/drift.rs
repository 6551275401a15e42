//! How far a training run turns from one checkpoint to the next.
//!
//! Checkpoints of one run share their start, which is no reason to leave them out here: the change is the question.

use serde::Serialize;

use super::adapters::AdapterRow;
use super::pairs::PairSums;
use super::rounding::rounded;
use crate::names::natural_cmp;

/// A checkpoint beside the one before it in its run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct DriftPoint {
    /// The run's folder.
    pub(crate) run: String,
    pub(crate) step_before: i64,
    pub(crate) step: i64,
    /// Numbers of the two adapters.
    pub(crate) a: i64,
    pub(crate) b: i64,
    pub(crate) n_modules: u32,
    /// Means over modules.
    pub(crate) mean_phi: f64,
    pub(crate) mean_excess: f64,
    /// 1 − mean φ(r, r).
    pub(crate) drift: f64,
    /// The same to the run's first checkpoint, where that pair was compared.
    pub(crate) drift_from_first: Option<f64>,
}

/// All pairs of a run's checkpoints that follow each other and were compared, run by run, by rising step.
pub(super) fn drift(adapters: &[AdapterRow], pairs: &PairSums) -> Vec<DriftPoint> {
    let mut steps: Vec<(&str, i64, usize)> = adapters
        .iter()
        .enumerate()
        .filter_map(|(place, adapter)| Some((adapter.run.as_str(), adapter.step?, place)))
        .collect();
    steps.sort_by(|a, b| natural_cmp(a.0, b.0).then_with(|| (a.1, a.2).cmp(&(b.1, b.2))));
    let mut points = vec![];
    for run in steps.chunk_by(|a, b| a.0 == b.0) {
        let first = run[0].2;
        for two in run.windows(2) {
            let [(_, step_before, before), (_, step, now)] = two else { continue };
            let Some(pair) = pairs.get(*before, *now).filter(|_| step_before < step) else { continue };
            points.push(DriftPoint {
                run: run[0].0.to_owned(),
                step_before: *step_before,
                step: *step,
                a: adapters[*before].id,
                b: adapters[*now].id,
                n_modules: pair.n_modules,
                mean_phi: rounded(pair.phi),
                mean_excess: rounded(pair.excess),
                drift: rounded(1.0 - pair.phi),
                drift_from_first: pairs.get(first, *now).map(|pair| rounded(1.0 - pair.phi)),
            });
        }
    }
    points
}
