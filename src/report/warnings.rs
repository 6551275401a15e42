//! What to be careful of with a report.

use serde::Serialize;

use super::MAX_ADAPTERS;
use super::counts::ReportCounts;
use super::scan::ScanSums;
use crate::adapter::{Side, unread};
use crate::scan::without_basis::{WithoutBasis, line};
use crate::text::{counted, some_of};

/// The code of a drift that the scan's side does not show.
pub(super) const DRIFT_NOT_VISIBLE: &str = "drift-not-visible";

/// One thing to be careful of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Warning {
    /// For machines.
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

/// Everything to be careful of, each kind once.
pub(super) fn warnings(scan: &ScanSums, counts: &ReportCounts, has_drift: bool) -> Vec<Warning> {
    let mut warnings = vec![];
    let mut warn = |code, message| warnings.push(Warning { code, message });
    if let Some(unfinished) = scan.unfinished {
        warn(
            "unfinished",
            format!("the scan is not finished: {}; what follows is of what is there", unfinished.words()),
        );
    }
    if let Some(cut) = scan.cut {
        warn("most-alike-only", cut.words());
    }
    if scan.adapters.len() > MAX_ADAPTERS {
        let found = counted(scan.adapters.len(), "adapter");
        let parts = "the clustering, its picture and the matrix are left out";
        warn("too-many-to-cluster", format!("{found} are more than {MAX_ADAPTERS}: {parts}"));
    }
    let pairs = |n: u64, one: &str, many: &str| {
        let verb = if n == 1 { one } else { many };
        format!("{n} of {} {verb}", counted(counts.pairs as usize, "pair"))
    };
    if counts.shared_init_pairs > 0 {
        let meaning = match (scan.side, scan.start_shows()) {
            (Some(Side::B | Side::DwLeft), _) => "which side a would show; this side holds what was learnt",
            (_, false) => "which the cosine of the updates does not show",
            (Some(_), true) => {
                "so they look alike on this side whatever was learnt: side b, which starts at zero, does not"
            }
            (None, true) => {
                "so they look alike on side a whatever was learnt: side b, which starts at zero, does not"
            }
        };
        let share = pairs(counts.shared_init_pairs, "shares", "share");
        warn("shared-init", format!("{share} the random start of A in some module, {meaning}"));
    }
    if counts.other_base_pairs > 0 {
        let compare = pairs(counts.other_base_pairs, "compares", "compare");
        warn("base-models-differ", format!("{compare} adapters of different base models"));
    }
    let (without_basis, others): (Vec<_>, Vec<_>) =
        scan.problems.iter().partition(|adapter| adapter.n_left_out > 0);
    let left_out: Vec<WithoutBasis<'_>> = without_basis
        .iter()
        .map(|adapter| WithoutBasis {
            path: &adapter.path,
            problem: adapter.problem.as_deref().unwrap_or_default(),
            n_modules: adapter.n_left_out,
        })
        .collect();
    if let Some(line) = line(&left_out, scan.n_chosen()) {
        warn("missing-modules", line);
    }
    if !others.is_empty() {
        let lines = others
            .iter()
            .map(|adapter| format!("{}: {}", adapter.path, adapter.problem.as_deref().unwrap_or_default()));
        let have = if others.len() == 1 { "has" } else { "have" };
        let adapters = counted(others.len(), "adapter");
        warn("missing-rows", format!("{adapters} {have} rows that are missing: {}", some_of(lines)));
    }
    let parts = scan.unread.iter().map(|one| (&one.path, one.unread.as_deref().unwrap_or_default()));
    let parts: Vec<(&String, &str)> = parts.collect();
    if let Some(line) = unread::of_all(&parts, scan.n_chosen()) {
        warn("parts-unread", line);
    }
    if counts.skipped_rows > 0 {
        let rows = counted(counts.skipped_rows as usize, "row");
        let (has, quantity, why) =
            (if counts.skipped_rows == 1 { "has" } else { "have" }, scan.by.words(), scan.by.without_value());
        warn(
            "rows-without-value",
            format!("{rows} {has} no value of {quantity} and count in no mean: {why}"),
        );
    }
    if has_drift && scan.start_shows() && counts.shared_init_pairs > 0 {
        let message = "A hardly leaves the start that the checkpoints of a run share, so the drift on this side is small \
                       whatever was learnt: side b shows it";
        warn(DRIFT_NOT_VISIBLE, message.to_owned());
    }
    if !scan.is_planned {
        warn("no-plan", "no plan.json, so nothing tells whether these tables are all of a scan".to_owned());
    }
    warnings
}
