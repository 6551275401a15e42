//! The directions of weights next to those of updates, as a table and as CSV.

use super::weight_sides_rows::{Of, Row};
use crate::cli::diagonal::powers;
use crate::cli::summary_table::{MISSING, numbers, shown_z};
use crate::text::printable;

/// What is compared on one line, and a row for each module of each checkpoint.
pub(super) fn text(rows: &[Row], of: &Of, is_one: bool) -> String {
    let deepest = rows.iter().map(|row| row.n_w.min(row.q)).max().unwrap_or(0);
    let depths: Vec<usize> = powers(deepest).collect();
    let mut header: Vec<String> = if is_one { vec![] } else { vec!["checkpoint".to_owned()] };
    header.extend(
        ["module", "of W", if of.with == "tuned" { "of W + ΔW" } else { "of ΔW" }, "d"].map(str::to_owned),
    );
    header.extend(depths.iter().map(|k| format!("φ({k}, {k})")));
    header.extend(["φ(r, r)", "baseline", "z", "φ full", "its baseline", "adjusted"].map(str::to_owned));
    let mut table = vec![header];
    for row in rows {
        let mut cells = if is_one { vec![] } else { vec![printable(&row.checkpoint, 100)] };
        cells.push(printable(&row.module, 100));
        cells.extend([row.n_w, row.q, row.d].map(|n| n.to_string()));
        let at = |k: usize| row.diagonal.iter().find(|cell| cell.k == k);
        cells.extend(depths.iter().map(|&k| decimal(at(k).map(|cell| cell.phi))));
        let last = row.diagonal.last();
        cells.extend([decimal(last.map(|cell| cell.phi)), decimal(last.map(|cell| cell.baseline))]);
        cells.push(shown_z(last.and_then(|cell| cell.z)));
        cells.extend([Some(row.phi_full), Some(row.baseline_full), row.adjusted].map(decimal));
        table.push(cells);
    }
    format!("{}\n{}", of.sentence(), numbers(&table))
}

impl Of {
    fn sentence(&self) -> String {
        let side = if self.side == "w-left" { "left (output)" } else { "right (input)" };
        let of = match self.of {
            "bottom" => format!("the weakest {side} directions of W, the weakest first"),
            "random" => format!("random {side} directions in place of W's"),
            _ => format!("the strongest {side} directions of W"),
        };
        let with = if self.with == "tuned" { "W + ΔW" } else { "ΔW" };
        format!("φ(i, j): i of {of}; j of the strongest of {with}")
    }
}

fn decimal(x: Option<f64>) -> String {
    x.map_or(MISSING.to_owned(), |x| format!("{x:.3}"))
}

/// A row for each module of each checkpoint, with all digits: φ(k, k) at the powers of two that the largest has, and at r.
pub(super) fn csv(rows: &[Row]) -> anyhow::Result<String> {
    let deepest = rows.iter().map(|row| row.n_w.min(row.q)).max().unwrap_or(0);
    let depths: Vec<usize> = powers(deepest).collect();
    let mut header = ["checkpoint", "module", "d", "n_w", "n_w_in_noise", "q"].map(str::to_owned).to_vec();
    header.extend(depths.iter().map(|k| format!("phi_{k}")));
    header.extend(["phi_r", "baseline", "z", "phi_full", "baseline_full", "adjusted"].map(str::to_owned));
    let mut writer = csv::Writer::from_writer(vec![]);
    writer.write_record(&header)?;
    let number = |x: Option<f64>| x.map(|x| x.to_string()).unwrap_or_default();
    for row in rows {
        let mut record = vec![row.checkpoint.clone(), row.module.clone()];
        record.extend([row.d, row.n_w, row.n_w_in_noise, row.q].map(|n| n.to_string()));
        let at = |k: usize| row.diagonal.iter().find(|cell| cell.k == k);
        record.extend(depths.iter().map(|&k| number(at(k).map(|cell| cell.phi))));
        let last = row.diagonal.last();
        record.extend([last.map(|cell| cell.phi), last.map(|cell| cell.baseline)].map(number));
        record.push(number(last.and_then(|cell| cell.z)));
        record.extend([Some(row.phi_full), Some(row.baseline_full), row.adjusted].map(number));
        writer.write_record(&record)?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}
