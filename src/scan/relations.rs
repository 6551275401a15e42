//! `relations.parquet`: the pairs of adapters that are copies of each other, parts of each other, or of one run or start.
//!
//! The rows of the pairs' table say which adapters could be copies; these are then read again, since the cosine of a scan,
//! which is within 1e-5, cannot tell rounding from noise.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use rayon::prelude::*;

use super::claim::Claim;
use super::folder::Folder;
use super::journal::records::Journal;
use super::plan::Plan;
use super::side_modules::SideModules;
use super::stop;
use super::survey::Survey;
use crate::adapter::Adapter;
use crate::compare::evidence_of_files;
use crate::error::Result;
use crate::formats::run_and_step;
use crate::measure::update::{UpdateSums, WholeUpdate};
use crate::relation::{Evidence, NEAR, Relation};
use crate::table::{self, Batch, Cells, ColumnType, Field, Schema, TableFile, Values};

/// Pairs that are read again, at most.
const MAX_READ_AGAIN: usize = 5000;

/// How much nearer to a copy than [`NEAR`] a pair may be by the scan's own cosine and not be read again.
const SLACK: f64 = 1e-4;

/// A pair of adapters that is more than two updates that point the same way.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    a: i32,
    b: i32,
    relation: Relation,
    sums: PairSums,
    /// Whether the files were read again.
    is_exact: bool,
}

/// What the rows of a pair add up to.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct PairSums {
    updates: UpdateSums,
    n_modules: u32,
    n_shared_init: u32,
}

/// The columns of the table.
pub fn relations_schema() -> Schema {
    Schema::new([
        Field::new("a", ColumnType::Int32),
        Field::new("b", ColumnType::Int32),
        Field::new("relation", ColumnType::Text),
        Field::new("factor", ColumnType::Float32).nullable(),
        Field::new("energy", ColumnType::Float32).nullable(),
        Field::new("difference", ColumnType::Float32).nullable(),
        Field::new("cosine", ColumnType::Float32).nullable(),
        Field::new("n_modules", ColumnType::Int32),
        Field::new("exact", ColumnType::Bool),
    ])
}

/// Finds and writes the relations of a finished scan that has the updates.
///
/// # Errors
/// `Io` when the system refuses, `Malformed` for a damaged table, `Stopped` when it was told to stop; as [`Claim::check`].
pub(super) fn write_relations(
    plan: &Plan,
    survey: &Survey<'_>,
    folder: &Folder,
    records: &Journal,
    claim: &Claim<'_>,
    stop: &AtomicBool,
) -> Result<()> {
    let pairs = sums_of_pairs(survey.files())?;
    let mut rows = vec![];
    let mut candidates = vec![];
    for ((a, b), sums) in pairs {
        if sums.could_be_derived() {
            candidates.push((a, b, sums));
        } else if let Some(relation) = by_name_or_start(plan, a, b, sums) {
            rows.push(Row { a, b, relation, sums, is_exact: true });
        }
    }
    let modules = plan.options.side_modules()?;
    let inputs = Inputs { plan, modules: &modules, records };
    let again = candidates.par_iter().enumerate().map(|(n, &(a, b, sums))| {
        stop::check(stop)?;
        let exact = (n < MAX_READ_AGAIN).then(|| inputs.read_again([a, b], sums)).flatten();
        let relation = exact.or_else(|| by_name_or_start(plan, a, b, sums)).or_else(|| sums.nearly());
        let relation = relation.filter(|relation| relation.is_related());
        Ok(relation.map(|relation| Row { a, b, relation, sums, is_exact: exact.is_some() }))
    });
    let again: Vec<Option<Row>> = again.collect::<Result<_>>()?;
    rows.extend(again.into_iter().flatten());
    rows.sort_by_key(|row| (row.a, row.b));
    write(&folder.relations_file(), &rows, claim.refusal())
}

impl PairSums {
    /// Whether the two share their start in most of their rows.
    fn has_shared_init(&self) -> bool {
        2 * self.n_shared_init > self.n_modules
    }

    /// Whether one may be the other up to scale, or a part of it.
    fn could_be_derived(&self) -> bool {
        let WholeUpdate { cosine: Some(cosine), norms: [a, b], .. } = self.updates.whole() else {
            return false;
        };
        let least = (1.0 - NEAR * NEAR).sqrt() - SLACK;
        // The inner product over the square of the smaller norm.
        let part = cosine * a.max(b) / a.min(b);
        cosine.abs() >= least || (part - 1.0).abs() <= 0.01
    }

    /// Without the files, which may be gone.
    fn nearly(&self) -> Option<Relation> {
        let WholeUpdate { cosine, norms, .. } = self.updates.whole();
        let cosine = cosine?;
        let difference = (1.0 - cosine * cosine).sqrt();
        if cosine < 0.0 && difference <= NEAR {
            return Some(Relation::Negated { factor: norms[1] / norms[0] });
        }
        (difference <= NEAR).then_some(Relation::Near { difference })
    }
}

/// What the names and the starts say.
fn by_name_or_start(plan: &Plan, a: i32, b: i32, sums: PairSums) -> Option<Relation> {
    let [(run_a, step_a), (run_b, step_b)] = [a, b].map(|id| run_and_step(&plan.adapters[id as usize].path));
    if run_a == run_b && step_a.zip(step_b).is_some_and(|(a, b)| a != b) {
        return Some(Relation::StepsOfOneRun);
    }
    sums.has_shared_init().then_some(Relation::SharedInit)
}

/// The checkpoints of a scan, to be read again.
struct Inputs<'a> {
    plan: &'a Plan,
    modules: &'a SideModules,
    records: &'a Journal,
}

impl Inputs<'_> {
    /// By the files themselves; `None` where one cannot be read any more, or has other bytes than those that were scanned.
    fn read_again(&self, pair: [i32; 2], sums: PairSums) -> Option<Relation> {
        let open = |id: i32| -> Option<Adapter> {
            let path = &self.plan.adapters[id as usize].path;
            let adapter = self.modules.open(path).ok()?;
            let record = self.records.get(id as u32)?;
            record.is_of(&adapter, self.modules).ok()?.then_some(adapter)
        };
        let (a, b) = (open(pair[0])?, open(pair[1])?);
        // Of the start, this table says what that of the pairs says.
        let shared_init = sums.has_shared_init();
        Some(Evidence { shared_init, ..evidence_of_files(&a, &b).ok()? }.relation())
    }
}

/// What the table has of each pair of adapters.
fn sums_of_pairs(files: impl Iterator<Item = PathBuf>) -> Result<BTreeMap<(i32, i32), PairSums>> {
    const COLUMNS: [&str; 6] = ["a", "b", "cosine", "norm_a", "norm_b", "shared_init"];
    let mut sums: BTreeMap<(i32, i32), PairSums> = BTreeMap::new();
    for path in files {
        TableFile::open(&path)?.read(&COLUMNS, COLUMNS.len(), |batch| {
            for row in 0..batch.n_rows {
                add(&mut sums, &batch, row);
            }
            Ok(())
        })?;
    }
    Ok(sums)
}

fn add(sums: &mut BTreeMap<(i32, i32), PairSums>, batch: &Batch, row: usize) {
    let (Some(a), Some(b)) = (batch.integer(0, row), batch.integer(1, row)) else { return };
    let sums = sums.entry((a as i32, b as i32)).or_default();
    let [cosine, norm_a, norm_b] = [2, 3, 4].map(|column| batch.number(column, row));
    // The deviation by chance, which needs the number of weights, is not asked for.
    sums.updates.add(Some(cosine).filter(|cosine| !cosine.is_nan()), [norm_a, norm_b], 1);
    sums.n_modules += 1;
    sums.n_shared_init += u32::from(batch.flag(5, row) == Some(true));
}

fn write(path: &Path, rows: &[Row], refusal: impl Iterator<Item = Result<Vec<Values>>>) -> Result<()> {
    let ints = |value: &dyn Fn(&Row) -> i32| Values::Int32(Cells::All(rows.iter().map(value).collect()));
    let floats = |value: &dyn Fn(&Row) -> Option<f64>| {
        Values::Float32(rows.iter().map(|row| value(row).map_or(f32::NAN, |value| value as f32)).collect())
    };
    let columns = vec![
        ints(&|row| row.a),
        ints(&|row| row.b),
        Values::texts(rows.iter().map(|row| row.relation.word().to_owned())),
        floats(&|row| match row.relation {
            Relation::Scaled { factor } => Some(factor),
            Relation::Negated { factor } => Some(-factor),
            Relation::Resized { smaller_is_b: true, share } => Some(share.sqrt()),
            Relation::Resized { smaller_is_b: false, share } => Some(1.0 / share.sqrt()),
            _ => None,
        }),
        floats(&|row| match row.relation {
            Relation::Resized { share, .. } => Some(share),
            _ => None,
        }),
        floats(&|row| match row.relation {
            Relation::Near { difference } => Some(difference),
            _ => None,
        }),
        floats(&|row| row.sums.updates.whole().cosine),
        ints(&|row| row.sums.n_modules as i32),
        Values::Bool(Cells::All(rows.iter().map(|row| row.is_exact).collect())),
    ];
    table::write(path, &relations_schema(), std::iter::once(Ok(columns)).chain(refusal), vec![])
}
