//! What training changed of each weight, as CSV.

use super::against::Row;
use crate::measure::against_base::WeightPhi;

const HEADER: [&str; 28] = [
    "checkpoint",
    "module",
    "d_out",
    "d_in",
    "norm_w",
    "norm_update",
    "ratio",
    "stable_rank",
    "k90",
    "k95",
    "k99",
    "effective_rank",
    "q",
    "is_complete",
    "share_above_noise",
    "noise_floor",
    "intruders",
    "share_right",
    "share_left",
    "phi_top_right",
    "phi_last_right",
    "phi_random_right",
    "baseline_right",
    "phi_top_left",
    "phi_last_left",
    "phi_random_left",
    "baseline_left",
    "assumed_scaling",
];

/// A row for each module of each checkpoint, with all digits. What is not known or was not asked for is empty.
pub(super) fn text(rows: &[Row]) -> anyhow::Result<String> {
    let mut writer = csv::Writer::from_writer(vec![]);
    writer.write_record(HEADER)?;
    for row in rows {
        writer.write_record(record(row))?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

fn record(row: &Row) -> Vec<String> {
    let facts = &row.facts;
    let number = |x: Option<f64>| x.map(|x| x.to_string()).unwrap_or_default();
    let count = |n: Option<usize>| n.map(|n| n.to_string()).unwrap_or_default();
    let mut record =
        vec![row.checkpoint.clone(), row.module.clone(), row.d_out.to_string(), row.d_in.to_string()];
    record.extend([Some(facts.norm_w), Some(facts.norm_update), facts.ratio, facts.stable_rank].map(number));
    record.extend([facts.k90, facts.k95, facts.k99].map(count));
    record.push(number(facts.effective_rank));
    record.push(facts.n_above_noise.to_string());
    record.push(facts.is_complete.to_string());
    record.extend([facts.share_above_noise, facts.noise_floor].map(|x| x.to_string()));
    record.push(count(row.intruders.as_ref().map(|found| found.count)));
    let at_r = row.alignment.as_ref().and_then(|alignment| alignment.at_r());
    record.extend([at_r.map(|share| share.right), at_r.map(|share| share.left)].map(number));
    let sides = row.alignment.as_ref().map_or([None; 2], |alignment| alignment.sides());
    let of_side = |side: Option<&WeightPhi>| {
        let Some(side) = side else { return [None; 4] };
        [side.top, side.bottom, side.random, Some(side.baseline)]
    };
    record.extend(sides.into_iter().flat_map(of_side).map(number));
    record.push(row.assumed_scaling.to_string());
    record
}
