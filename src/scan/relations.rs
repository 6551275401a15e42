//! `relations.parquet`: the pairs of adapters that are copies of each other, parts of each other, or of one run or start.
//!
//! The rows of the pairs' table say which adapters could be copies; these are then read again, since the cosine of a scan,
//! which is within 1e-5, cannot tell rounding from noise.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rayon::prelude::*;

use super::claim::Claim;
use super::folder::Folder;
use super::journal::records::Journal;
use super::memory::N_PAIR_BYTES;
use super::module_size::ModuleSize;
use super::plan::Plan;
use super::side_modules::SideModules;
use super::survey::Survey;
use crate::adapter::Adapter;
use crate::compare::evidence_of_files;
use crate::error::{Fault, Result};
use crate::files::Durability;
use crate::formats::run_and_step;
use crate::measure::update::{UpdateSums, WholeUpdate};
use crate::relation::{Evidence, NEAR, Relation};
use crate::sync::Room;
use crate::sync::stop;
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

/// Rows that are written together.
const GROUP_ROWS: usize = 1 << 16;

/// Finds and writes the relations of a finished scan that has the updates, within a room: the sums of some pairs of adapters at a
/// time, since those of all grow with the square of their number.
///
/// # Errors
/// `Io` when the system refuses, `Malformed` for a damaged table, `Stopped` when it was told to stop; as [`Claim::check`].
pub(super) fn write_relations(of: &Relations<'_>) -> Result<()> {
    let &Relations { plan, survey, folder, records, claim, stop, room } = of;
    let n_adapters = plan.adapters.len() as u32;
    let n_pairs = (room.all() / N_PAIR_BYTES).min(1 << 22);
    let n_at_once = u32::try_from(n_pairs / u64::from(n_adapters).max(1)).unwrap_or(u32::MAX).max(1);
    let firsts = (0..n_adapters).step_by(n_at_once as usize);
    let mut tiles = firsts.map(|first| first..n_adapters.min(first.saturating_add(n_at_once)));
    let mut files: Vec<(PathBuf, Range<u32>)> = vec![];
    for block in survey.done() {
        if let Some(firsts) = survey.blocks.first_adapters(&block) {
            stop::check(stop)?;
            survey.verify_one(&block)?;
            files.push((folder.block_file(&block.name()), firsts));
        }
    }
    let modules = plan.options.side_modules()?;
    let finder = Finder { plan, modules: &modules, records, stop, room, n_read_again: AtomicUsize::new(0) };
    let mut found = VecDeque::new();
    let mut is_first = true;
    let groups = std::iter::from_fn(|| {
        while found.len() < GROUP_ROWS {
            let Some(tile) = tiles.next() else { break };
            let there =
                files.iter().filter(|(_, adapters)| adapters.start < tile.end && tile.start < adapters.end);
            let rows = sums_of_pairs(there.map(|(path, _)| path), &tile, n_adapters)
                .and_then(|sums| finder.rows(sums));
            match rows {
                Ok(rows) => found.extend(rows),
                Err(error) => return Some(Err(error)),
            }
        }
        let rows: Vec<Row> = found.drain(..found.len().min(GROUP_ROWS)).collect();
        // A table without rows has one group, too.
        let is_there = !rows.is_empty() || std::mem::take(&mut is_first);
        is_first = false;
        is_there.then(|| Ok(columns(&rows)))
    });
    table::write(
        &folder.relations_file(),
        Durability::PowerCut,
        &relations_schema(),
        groups.chain(claim.refusal()),
        vec![],
    )
}

/// What the relations of a scan are found from.
pub(super) struct Relations<'a> {
    pub(super) plan: &'a Plan,
    pub(super) survey: &'a Survey<'a>,
    pub(super) folder: &'a Folder,
    pub(super) records: &'a Journal,
    pub(super) claim: &'a Claim<'a>,
    pub(super) stop: &'a AtomicBool,
    /// The memory for what happens at once.
    pub(super) room: &'a Room,
}

/// Says what pairs are to each other.
struct Finder<'a> {
    plan: &'a Plan,
    modules: &'a SideModules,
    records: &'a Journal,
    stop: &'a AtomicBool,
    room: &'a Room,
    n_read_again: AtomicUsize,
}

impl Finder<'_> {
    /// The pairs that are more than two updates that point the same way, in order.
    ///
    /// # Errors
    /// `Stopped` when it was told to stop.
    fn rows(&self, pairs: BTreeMap<(i32, i32), PairSums>) -> Result<Vec<Row>> {
        let mut rows = vec![];
        let mut candidates = vec![];
        for ((a, b), sums) in pairs {
            if sums.could_be_derived() {
                candidates.push((a, b, sums));
            } else if let Some(relation) = by_name_or_start(self.plan, a, b, sums) {
                rows.push(Row { a, b, relation, sums, is_exact: true });
            }
        }
        let n_before = self.n_read_again.fetch_add(candidates.len(), Ordering::Relaxed);
        let again = candidates.par_iter().enumerate().map(|(n, &(a, b, sums))| {
            stop::check(self.stop)?;
            let exact = (n_before + n < MAX_READ_AGAIN).then(|| self.read_again([a, b], sums)).flatten();
            let relation =
                exact.or_else(|| by_name_or_start(self.plan, a, b, sums)).or_else(|| sums.nearly());
            let relation = relation.filter(|relation| relation.is_related());
            Ok(relation.map(|relation| Row { a, b, relation, sums, is_exact: exact.is_some() }))
        });
        let again: Vec<Option<Row>> = again.collect::<Result<_>>()?;
        rows.extend(again.into_iter().flatten());
        rows.sort_by_key(|row| (row.a, row.b));
        Ok(rows)
    }

    /// By the files themselves; `None` where one cannot be read any more, or has other bytes than those that were scanned.
    fn read_again(&self, pair: [i32; 2], sums: PairSums) -> Option<Relation> {
        let open = |id: i32| -> Option<Adapter> {
            let path = &self.plan.adapters[id as usize].path;
            let adapter = self.modules.open(path).ok()?;
            let record = self.records.get(id as u32)?;
            record.is_of(&adapter, self.modules).ok()?.then_some(adapter)
        };
        let (a, b) = (open(pair[0])?, open(pair[1])?);
        let sizes = a.modules().iter().chain(b.modules()).map(|module| ModuleSize::of(module, self.modules));
        let largest = sizes.fold(ModuleSize::default(), ModuleSize::max);
        let _room = self.room.take(largest.relation_bytes);
        // Of the start, this table says what that of the pairs says.
        let shared_init = sums.has_shared_init();
        Some(Evidence { shared_init, ..evidence_of_files(&a, &b).ok()? }.relation())
    }
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

/// What the tables have of each pair whose first adapter is among these. What a file says of others than so many adapters is damage.
fn sums_of_pairs<'a>(
    paths: impl Iterator<Item = &'a PathBuf>,
    firsts: &Range<u32>,
    n_adapters: u32,
) -> Result<BTreeMap<(i32, i32), PairSums>> {
    const COLUMNS: [&str; 6] = ["a", "b", "cosine", "norm_a", "norm_b", "shared_init"];
    let mut sums: BTreeMap<(i32, i32), PairSums> = BTreeMap::new();
    for path in paths {
        TableFile::open(path)?.read(&COLUMNS, COLUMNS.len(), |batch| {
            for row in 0..batch.n_rows {
                let [a, b] = [0, 1].map(|column| numbered(batch.integer(column, row), n_adapters, path));
                let pair = (a?, b?);
                if firsts.contains(&pair.0) {
                    add(&mut sums, pair, &batch, row);
                }
            }
            Ok(())
        })?;
    }
    Ok(sums)
}

/// An adapter's number in a row of a file.
///
/// # Errors
/// `Malformed` for one that the plan does not have.
fn numbered(found: Option<i64>, n_adapters: u32, path: &Path) -> Result<u32> {
    let number = found.and_then(|found| u32::try_from(found).ok()).filter(|number| *number < n_adapters);
    number.ok_or_else(|| {
        let found = found.map_or("no adapter".to_owned(), |found| format!("adapter {found}"));
        let fault = Fault::new(found, format!("one of the {n_adapters} of the plan")).at(path);
        fault.of("a pair").hint(table::HINT).malformed()
    })
}

fn add(sums: &mut BTreeMap<(i32, i32), PairSums>, (a, b): (u32, u32), batch: &Batch, row: usize) {
    let sums = sums.entry((a as i32, b as i32)).or_default();
    let [cosine, norm_a, norm_b] = [2, 3, 4].map(|column| batch.number(column, row));
    // The deviation by chance, which needs the number of weights, is not asked for.
    sums.updates.add(Some(cosine).filter(|cosine| !cosine.is_nan()), [norm_a, norm_b], 1);
    sums.n_modules += 1;
    sums.n_shared_init += u32::from(batch.flag(5, row) == Some(true));
}

/// In the order of the schema.
fn columns(rows: &[Row]) -> Vec<Values> {
    let ints = |value: &dyn Fn(&Row) -> i32| Values::Int32(Cells::All(rows.iter().map(value).collect()));
    let floats = |value: &dyn Fn(&Row) -> Option<f64>| {
        Values::Float32(rows.iter().map(|row| value(row).map_or(f32::NAN, |value| value as f32)).collect())
    };
    vec![
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
    ]
}
