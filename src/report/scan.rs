//! Reads a scan's folder: its adapters, and the sums of its pairs.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use glob::Pattern;
use serde::Deserialize;

use super::MAX_ADAPTERS;
use super::adapters::{self, AdapterRow};
use super::groups::{GroupSums, Layer};
use super::pairs::{OTHER_BASE, PairMean, PairSums, SHARED_INIT};
use crate::adapter::Side;
use crate::error::{Error, Fault, Remedy, Result};
use crate::measure;
use crate::table::{Batch, TableFile};

/// What was read of a scan.
pub(super) struct ScanSums {
    pub(super) path: PathBuf,
    /// Those that were compared with others, in the order of their numbers.
    pub(super) adapters: Vec<AdapterRow>,
    /// Adapters that were not, and all that have modules without a basis.
    pub(super) n_alone: usize,
    pub(super) n_problems: usize,
    pub(super) pairs: PairSums,
    pub(super) groups: GroupSums,
    /// Whether a shared start alone makes φ bright on the scan's side.
    start_shows: bool,
    /// Rows that counted.
    pub(super) n_rows: u64,
    /// Rows without a finite φ(r, r), which are left out.
    pub(super) n_skipped: u64,
}

const COLUMNS: [&str; 9] = [
    "a",
    "b",
    measure::phi_r::STATISTIC.key,
    measure::baseline::STATISTIC.key,
    "layer",
    "projection",
    measure::linear_cka::STATISTIC.key,
    measure::shared_init::STATISTIC.key,
    measure::other_base::STATISTIC.key,
];
const N_REQUIRED: usize = 4;

impl ScanSums {
    /// Reads `adapters.parquet` and every file of `pairs` in a folder, of the adapters whose path matches a glob; of all for
    /// no globs.
    ///
    /// # Errors
    /// `Invalid` for a folder that is no scan's; `Limit` for more than 5,000 adapters; `Malformed` for damaged files;
    /// `Io` when the system refuses to read.
    pub(super) fn read(path: &Path, globs: &[Pattern]) -> Result<Self> {
        let all = adapters::read(path)?;
        let is_wanted = |adapter: &AdapterRow| {
            globs.is_empty() || globs.iter().any(|pattern| pattern.matches(&adapter.path))
        };
        let ids: Vec<i64> = all.iter().map(|adapter| adapter.id).collect();
        let mut adapters: Vec<_> = all.into_iter().filter(is_wanted).collect();
        adapters.sort_by_key(|adapter| adapter.id);
        if adapters.len() > MAX_ADAPTERS {
            return Err(Fault::new(
                format!("{} adapters", adapters.len()),
                format!("at most {MAX_ADAPTERS}"),
            )
            .at(path)
            .remedy(Remedy::ChooseAdapters)
            .limit());
        }
        let pairs = PairSums::new(adapters.len());
        let mut places: HashMap<i64, Option<usize>> = ids.into_iter().map(|id| (id, None)).collect();
        places.extend(adapters.iter().enumerate().map(|(place, adapter)| (adapter.id, Some(place))));
        let mut scan = Self {
            path: path.to_owned(),
            adapters,
            n_alone: 0,
            n_problems: 0,
            pairs,
            groups: GroupSums::default(),
            start_shows: start_shows(path),
            n_rows: 0,
            n_skipped: 0,
        };
        for file in files(&path.join("pairs"))? {
            let table = TableFile::open(&file)?;
            table.read(&COLUMNS, N_REQUIRED, |batch| {
                (0..batch.n_rows).try_for_each(|row| scan.add(&batch, row, &places, &file))
            })?;
        }
        scan.n_problems = scan.adapters.iter().filter(|adapter| adapter.problem.is_some()).count();
        scan.drop_alone();
        Ok(scan)
    }

    /// Drops adapters that were compared with none: they would be empty rows of pictures.
    fn drop_alone(&mut self) {
        let mut is_compared = vec![false; self.adapters.len()];
        for pair in self.pairs.iter() {
            (is_compared[pair.a], is_compared[pair.b]) = (true, true);
        }
        let kept: Vec<usize> = (0..is_compared.len()).filter(|&place| is_compared[place]).collect();
        self.n_alone = self.adapters.len() - kept.len();
        if self.n_alone > 0 {
            self.pairs = self.pairs.only(&kept);
            self.adapters = kept.iter().map(|&place| self.adapters[place].clone()).collect();
        }
    }

    /// Whether averages are better without the pair.
    pub(super) fn spoils(&self, pair: &PairMean) -> bool {
        self.mark_spoils(pair.marks)
    }

    fn mark_spoils(&self, marks: u8) -> bool {
        marks & OTHER_BASE != 0 || (self.start_shows && marks & SHARED_INIT != 0)
    }

    fn add(
        &mut self,
        batch: &Batch,
        row: usize,
        places: &HashMap<i64, Option<usize>>,
        file: &Path,
    ) -> Result<()> {
        let place = |c: usize| {
            let id = batch.integer(c, row);
            id.and_then(|id| places.get(&id).copied()).ok_or_else(|| {
                let found = id.map_or("no adapter".to_owned(), |id| format!("adapter {id}"));
                Fault::new(found, "one of adapters.parquet")
                    .at(file)
                    .of("a pair")
                    .hint("the folder has grown and the scan is not done: run it again")
                    .malformed()
            })
        };
        let (Some(a), Some(b)) = (place(0)?, place(1)?) else { return Ok(()) };
        let (phi, baseline) = (batch.number(2, row), batch.number(3, row));
        if a == b || !phi.is_finite() || !baseline.is_finite() {
            self.n_skipped += 1;
            return Ok(());
        }
        let mark = |c: usize, mark: u8| if batch.flag(c, row) == Some(true) { mark } else { 0 };
        let marks = mark(7, SHARED_INIT) | mark(8, OTHER_BASE);
        let (spoils, excess) = (self.mark_spoils(marks), phi - baseline);
        self.n_rows += 1;
        self.pairs.add(a, b, phi, excess, marks);
        let layer = Layer::from(batch.integer(4, row));
        self.groups.add(layer, batch.bytes(5, row), spoils, [phi, excess, batch.number(6, row)]);
        Ok(())
    }
}

/// The pairs' files, in the order of their names; none when nothing was compared yet.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let named = |error| Error::io("list", folder, error);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
        entries => entries.map_err(named)?,
    };
    let mut files = vec![];
    for entry in entries {
        let path = entry.map_err(named)?.path();
        if path.extension().is_some_and(|end| end == "parquet") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// What is asked of a plan.
#[derive(Deserialize)]
struct PlanSide {
    options: SideOption,
}

#[derive(Deserialize)]
struct SideOption {
    side: Side,
}

/// Whether a shared start alone makes φ bright: not on side b, which starts at zero, nor on dw-left, which has B's column
/// space. The plan has the side; without it the answer is yes.
fn start_shows(scan: &Path) -> bool {
    let plan = fs::read(scan.join("plan.json")).ok();
    let plan = plan.and_then(|bytes| serde_json::from_slice::<PlanSide>(&bytes).ok());
    !matches!(plan.map(|plan| plan.options.side), Some(Side::B | Side::DwLeft))
}
