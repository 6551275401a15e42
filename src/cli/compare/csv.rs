//! A comparison as CSV: a row for each module, and their mean.

use super::Row;
use crate::measure::Cell;

/// A field of a row.
enum Field<'a> {
    Text(&'a str),
    Number(Option<f64>),
    Flag(Option<bool>),
}

/// The rows under one header. The last one, whose module is `mean`, has the mean of each column of numbers over the modules
/// that have one.
pub(super) fn text(rows: &[Row<'_>]) -> anyhow::Result<String> {
    let rows: Vec<Vec<(String, Field<'_>)>> = rows.iter().map(fields).collect();
    // Columns for φ and for angles reach up to a module's own rank, and those of the largest have all others.
    let header: Vec<&str> = match rows.iter().max_by_key(|row| row.len()) {
        Some(row) => row.iter().map(|(name, _)| name.as_str()).collect(),
        None => vec![],
    };
    let mut writer = csv::Writer::from_writer(vec![]);
    writer.write_record(&header)?;
    let mut sums = vec![(0.0, 0usize); header.len()];
    for row in &rows {
        let mut record = vec![];
        for (name, (sum, n)) in header.iter().zip(&mut sums) {
            let field = row.iter().find(|(column, _)| column == name).map(|(_, field)| field);
            if let Some(Field::Number(Some(number))) = field {
                *sum += number;
                *n += 1;
            }
            record.push(field.map(Field::shown).unwrap_or_default());
        }
        writer.write_record(&record)?;
    }
    let means = sums
        .iter()
        .skip(1)
        .map(|&(sum, n)| if n == 0 { String::new() } else { (sum / n as f64).to_string() });
    writer.write_record(["mean".to_owned()].into_iter().chain(means))?;
    Ok(String::from_utf8(writer.into_inner()?)?)
}

impl Field<'_> {
    fn shown(&self) -> String {
        match self {
            Self::Text(text) => (*text).to_owned(),
            Self::Number(number) => number.map(|number| number.to_string()).unwrap_or_default(),
            Self::Flag(flag) => flag.map(|flag| flag.to_string()).unwrap_or_default(),
        }
    }
}

/// The fields of a module: shape, φ(k, k) at powers of two, statistics, and where they come from.
fn fields<'a>(row: &'a Row<'_>) -> Vec<(String, Field<'a>)> {
    let mut fields = vec![("module".to_owned(), Field::Text(row.name))];
    for (name, cell) in row.statistics.cells() {
        let field = match cell {
            Cell::Number(number) => Field::Number(number),
            Cell::Flag(flag) => Field::Flag(flag),
        };
        fields.push((name.to_owned(), field));
        if name == "d" {
            let powers = row.diagonal.iter().filter(|cell| cell.k.is_power_of_two());
            fields.extend(powers.map(|cell| (format!("phi_{}", cell.k), Field::Number(Some(cell.phi)))));
        }
    }
    let k90 = row.k90;
    let more = [
        ("k90_a", k90.k90_a as f64),
        ("k90_b", k90.k90_b as f64),
        ("phi_k90", k90.phi_k90),
        ("baseline_k90", k90.baseline_k90),
        ("n_uncertain_a", row.n_uncertain_a as f64),
        ("n_uncertain_b", row.n_uncertain_b as f64),
    ];
    fields.extend(more.map(|(name, number)| (name.to_owned(), Field::Number(Some(number)))));
    fields.push(("name_a".to_owned(), Field::Text(&row.name_a)));
    fields.push(("name_b".to_owned(), Field::Text(&row.name_b)));
    fields
}
