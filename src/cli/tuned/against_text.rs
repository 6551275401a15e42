//! What training changed of each weight, as a table for people.

use super::against::{AlignmentRow, IntruderRow, Row, Whole};
use crate::cli::summary_table::{MISSING, numbers};
use crate::measure::update::norm_text;
use crate::text::printable;

/// A row for each module of each checkpoint, and one for each checkpoint as a whole.
pub(super) fn text(rows: &[Row], wholes: &[Whole]) -> String {
    let is_one = wholes.len() == 1;
    let with = |has: fn(&Row) -> bool| rows.iter().any(has);
    let (intruders, alignment) = (with(|row| row.intruders.is_some()), with(|row| row.alignment.is_some()));
    let mut header: Vec<&str> = if is_one { vec![] } else { vec!["checkpoint"] };
    header.extend(["module", "d_out × d_in", "‖W‖", "‖ΔW‖", "‖ΔW‖/‖W‖", "stable rank", "k90", "k95", "k99"]);
    header.extend(["effective rank", "q", "noise floor"]);
    if intruders {
        header.push("intruders");
    }
    if alignment {
        header.extend(["in W's top q", "by chance", "φ with W's top, last, random q", "by chance"]);
    }
    let mut table = vec![header.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    for whole in wholes {
        for row in rows.iter().filter(|row| row.checkpoint == whole.checkpoint) {
            let mut cells = if is_one { vec![] } else { vec![printable(&row.checkpoint, 100)] };
            cells.extend(facts(row));
            cells.extend(intruders.then(|| row.intruders.as_ref().map_or(MISSING.to_owned(), counted)));
            if alignment {
                cells.extend(row.alignment.as_ref().map_or([MISSING; 4].map(str::to_owned), aligned));
            }
            table.push(cells);
        }
        let mut cells = if is_one { vec![] } else { vec![printable(&whole.checkpoint, 100)] };
        cells.extend(["whole model".to_owned(), String::new()]);
        cells.extend([norm_text(whole.norm_w, 3), norm_text(whole.norm_update, 3), ratio(whole.ratio)]);
        cells.extend(std::iter::repeat_n(String::new(), 6));
        cells.push(String::new());
        cells.extend(intruders.then(|| whole.n_intruders.map_or(MISSING.to_owned(), |n| n.to_string())));
        cells.resize(table[0].len(), String::new());
        table.push(cells);
    }
    numbers(&table)
}

fn facts(row: &Row) -> Vec<String> {
    let facts = &row.facts;
    let count = |n: Option<usize>| n.map_or(MISSING.to_owned(), |n| n.to_string());
    let decimal = |x: Option<f64>| x.map_or(MISSING.to_owned(), |x| format!("{x:.2}"));
    // Where directions are left that may be above the noise, there are at least so many.
    let q =
        if facts.is_complete { String::new() } else { "≥ ".to_owned() } + &facts.n_above_noise.to_string();
    vec![
        printable(&row.module, 100),
        format!("{} × {}", row.d_out, row.d_in),
        norm_text(facts.norm_w, 3),
        norm_text(facts.norm_update, 3),
        ratio(facts.ratio),
        decimal(facts.stable_rank),
        count(facts.k90),
        count(facts.k95),
        count(facts.k99),
        decimal(facts.effective_rank),
        q,
        format!("{:.1e}", facts.noise_floor),
    ]
}

fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or(MISSING.to_owned(), |ratio| norm_text(ratio, 4))
}

fn counted(found: &IntruderRow) -> String {
    format!("{} of {}", found.count, found.found.cosines.len())
}

/// Right and left, as `right, left`.
fn aligned(row: &AlignmentRow) -> [String; 4] {
    let both = |of: [Option<f64>; 2]| {
        of.map(|share| share.map_or(MISSING.to_owned(), |share| format!("{share:.3}"))).join(", ")
    };
    let at_r = row.at_r();
    let share = both([at_r.map(|share| share.right), at_r.map(|share| share.left)]);
    let chance = both([at_r.map(|share| share.right_by_chance), at_r.map(|share| share.left_by_chance)]);
    let phi = row.sides().map(|side| {
        let of = |phi: Option<f64>| phi.map_or(MISSING.to_owned(), |phi| format!("{phi:.3}"));
        side.map_or(MISSING.to_owned(), |side| [of(side.top), of(side.bottom), of(side.random)].join(" "))
    });
    let baseline = both(row.sides().map(|side| side.map(|side| side.baseline)));
    [share, chance, phi.join(", "), baseline]
}
