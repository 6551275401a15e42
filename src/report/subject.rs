//! What a report is about, in the words of its titles.

use super::scan::ScanSums;

/// The side that was compared.
pub(super) fn side(scan: &ScanSums) -> String {
    scan.side.map_or("side unknown".to_owned(), |side| format!("side {side}"))
}

/// What every title ends with: the side, and whether the scan is finished.
pub(super) fn subject(scan: &ScanSums) -> String {
    let partial = if scan.unfinished.is_some() { ", UNFINISHED SCAN" } else { "" };
    format!("{}{partial}", side(scan))
}
