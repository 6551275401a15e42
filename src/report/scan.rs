//! Reads a scan's folder: its adapters, and the sums of its pairs.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::adapters::AdapterRow;
use super::by::By;
use super::cut::Cut;
use super::derived::Derived;
use super::drift::DriftRows;
use super::groups::GroupSums;
use super::pairs::{N_QUANTITIES, OTHER_BASE, PairMean, PairSums, RowValues, SHARED_INIT};
use super::source::Source;
use super::{MAX_ADAPTERS, MAX_PAIRS};
use crate::adapter::Side;
use crate::error::{Error, Fault, Remedy, Result};
use crate::measure;
use crate::scan::absent::WhyAbsent;
use crate::scan::finished::Unfinished;
use crate::scan::naming::numbered;
use crate::table::{Batch, HINT, TableFile};
use crate::text::quoted;

/// What is read of a scan.
#[derive(Debug, Clone, Default)]
pub(super) struct Reading {
    pub(super) by: By,
    /// Names of adapters; none for all.
    pub(super) names: Vec<String>,
    /// Whether the scan need not be finished.
    pub(super) partial: bool,
}

/// What was read of a scan.
pub(super) struct ScanSums {
    pub(super) path: PathBuf,
    pub(super) by: By,
    /// The side that was compared, where it is known.
    pub(super) side: Option<Side>,
    /// What is missing of a scan that is not finished.
    pub(super) unfinished: Option<Unfinished>,
    /// Of a scan that kept only the most alike pairs, and not all.
    pub(super) cut: Option<Cut>,
    /// Whether it has a plan, without which nothing tells that all of it is there.
    pub(super) is_planned: bool,
    /// Every adapter of the scan, also those that were not chosen.
    pub(super) all_adapters: Vec<AdapterRow>,
    /// Those that were chosen and compared with others, in the order of their numbers.
    pub(super) adapters: Vec<AdapterRow>,
    /// Adapters that were chosen and not compared with another.
    pub(super) n_alone: usize,
    /// Adapters that were chosen and have modules without a basis.
    pub(super) problems: Vec<AdapterRow>,
    /// Adapters that were chosen and have parts of their update that are not read.
    pub(super) unread: Vec<AdapterRow>,
    pub(super) pairs: PairSums,
    /// Pairs of chosen adapters that were not compared, by reason.
    pub(super) absent: BTreeMap<WhyAbsent, u64>,
    /// Names of the modules, by the numbers that the groups have for them.
    pub(super) modules: Vec<String>,
    pub(super) groups: GroupSums,
    /// Copies, multiples and parts among the adapters.
    pub(super) derived: Derived,
    pub(super) drift: DriftRows,
    /// Rows that counted, and rows without a value of the chosen quantity, which are left out.
    pub(super) n_rows: u64,
    pub(super) n_skipped: u64,
}

/// Columns that stand before those of the quantities, and the place of the third.
const COLUMNS: [&str; 3] = ["a", "b", "module"];
const MODULE: usize = 2;
/// What marks pairs.
const MARKS: [&str; 4] = ["a", "b", measure::shared_init::STATISTIC.key, measure::other_base::STATISTIC.key];
/// Columns with the norms of the two updates, which go with the cosine.
const NORMS: [&str; 2] = ["norm_a", "norm_b"];

impl ScanSums {
    /// Reads a scan's tables.
    ///
    /// # Errors
    /// `Invalid` for a folder that is not a scan's or whose scan is not finished, for a name that no adapter has, and for a
    /// quantity that the scan did not keep; `Limit` for more than 50 million pairs; `Malformed` for damaged files; `Io` when
    /// the system refuses to read.
    pub(super) fn read(path: &Path, reading: &Reading) -> Result<Self> {
        let source = Source::open(path, reading.partial)?;
        let adapters = chosen(path, &source.adapters, &reading.names)?;
        let mut places: HashMap<i64, Option<usize>> =
            source.adapters.iter().map(|adapter| (adapter.id, None)).collect();
        places.extend(adapters.iter().enumerate().map(|(place, adapter)| (adapter.id, Some(place))));
        let mut scan = Self {
            path: path.to_owned(),
            by: reading.by,
            side: source.side(),
            unfinished: source.unfinished,
            cut: None,
            is_planned: source.planned.is_some(),
            problems: adapters.iter().filter(|adapter| adapter.problem.is_some()).cloned().collect(),
            unread: adapters.iter().filter(|adapter| adapter.unread.is_some()).cloned().collect(),
            n_alone: 0,
            pairs: PairSums::new(adapters.len(), reading.by),
            absent: BTreeMap::new(),
            modules: vec![],
            groups: GroupSums::default(),
            derived: Derived::default(),
            drift: DriftRows::default(),
            all_adapters: vec![],
            adapters,
            n_rows: 0,
            n_skipped: 0,
        };
        let files = source.pair_files(path)?;
        // A mark of one module is its pair's, so marks come first: else averages over modules would not be over the same pairs.
        let mut is_compared = vec![false; scan.adapters.len()];
        let mut n_rows_kept = 0;
        for file in &files {
            n_rows_kept += TableFile::open(file)?.n_rows();
            TableFile::open(file)?.read(&MARKS, MARKS.len(), |batch| {
                (0..batch.n_rows).try_for_each(|row| {
                    let Some((a, b)) = pair(&batch, row, &places, file)? else { return Ok(()) };
                    (is_compared[a], is_compared[b]) = (true, true);
                    let mark = |c: usize, mark: u8| if batch.flag(c, row) == Some(true) { mark } else { 0 };
                    let marks = mark(2, SHARED_INIT) | mark(3, OTHER_BASE);
                    if a != b && marks != 0 {
                        scan.pairs.mark(a, b, marks);
                    }
                    scan.check_size()
                })
            })?;
        }
        scan.cut = source.cut(path, n_rows_kept)?;
        scan.drift = DriftRows::new(&scan.adapters, &is_compared);
        let quantities: Vec<String> = reading.by.and_others().into_iter().map(By::column).collect();
        let mut columns = COLUMNS.to_vec();
        columns.extend(quantities.iter().map(String::as_str));
        let n_values = quantities.len();
        if reading.by == By::Cosine {
            columns.extend(NORMS);
        }
        let mut modules = Modules::default();
        for file in &files {
            let table = TableFile::open(file)?;
            if !table.has(&quantities[0]) {
                return Err(not_kept(reading.by, &table, path));
            }
            table.read(&columns, columns.len(), |batch| {
                (0..batch.n_rows).try_for_each(|row| {
                    let Some((a, b)) = pair(&batch, row, &places, file)? else { return Ok(()) };
                    let number = |c: usize| batch.number(COLUMNS.len() + c, row);
                    let mut values = [f64::NAN; N_QUANTITIES];
                    values.iter_mut().take(n_values).enumerate().for_each(|(c, value)| *value = number(c));
                    let norms = match reading.by {
                        By::Cosine => [number(n_values), number(n_values + 1)],
                        _ => [f64::NAN; 2],
                    };
                    let module = modules.number(batch.bytes(MODULE, row).unwrap_or_default());
                    scan.add((a, b), module, &RowValues { values, norms });
                    scan.check_size()
                })
            })?;
        }
        scan.modules = modules.names;
        scan.drop_alone();
        // Its places are those of the adapters that are left.
        scan.derived = Derived::read(path, &scan.adapters, |id| source.n_bytes(id))?;
        scan.count_absent(&source)?;
        scan.all_adapters = source.adapters;
        Ok(scan)
    }

    /// Pairs take memory.
    fn check_size(&self) -> Result<()> {
        if self.pairs.n_kept() <= MAX_PAIRS {
            return Ok(());
        }
        let fault = Fault::new(format!("more than {MAX_PAIRS} pairs of adapters"), "as many at most");
        Err(fault.at(&self.path).remedy(Remedy::ChooseAdapters).limit())
    }

    fn add(&mut self, (a, b): (usize, usize), module: usize, row: &RowValues) {
        if a == b || !row.values[0].is_finite() {
            self.n_skipped += 1;
            if a != b {
                self.pairs.add_zero(a, b, row.norms);
            }
            return;
        }
        self.n_rows += 1;
        self.pairs.add(a, b, row);
        self.groups.add(module, (a, b), self.mark_spoils(self.pairs.marks(a, b)), &row.values);
        self.drift.add(a, b, module, row);
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

    /// Counts the pairs that were not compared, of adapters that were.
    fn count_absent(&mut self, source: &Source) -> Result<()> {
        let n = self.adapters.len();
        if self.pairs.iter().count() == n * n.saturating_sub(1) / 2 {
            return Ok(());
        }
        let planned = source.planned.as_ref();
        if n > MAX_ADAPTERS {
            // Too many to be asked one by one.
            let all = n as u64 * (n as u64 - 1) / 2;
            let why = match (self.cut, self.unfinished) {
                (Some(_), _) => WhyAbsent::NotAmongTop,
                (None, Some(_)) => WhyAbsent::NotYet,
                (None, None) => WhyAbsent::Unknown,
            };
            self.absent.insert(why, all - self.pairs.iter().count() as u64);
            return Ok(());
        }
        let with_problem: HashSet<i64> = source
            .adapters
            .iter()
            .filter(|adapter| adapter.n_left_out > 0)
            .map(|adapter| adapter.id)
            .collect();
        let has_problem = |id: u32| with_problem.contains(&i64::from(id));
        let absences =
            planned.map(|planned| planned.absences(self.unfinished.is_none(), has_problem)).transpose()?;
        for b in 0..n {
            for a in (0..b).filter(|&a| self.pairs.get(a, b).is_none()) {
                let [x, y] = [a, b].map(|place| self.adapters[place].id as u32);
                let why = absences.as_ref().map_or(WhyAbsent::Unknown, |absences| absences.why(x, y));
                *self.absent.entry(why).or_default() += 1;
            }
        }
        Ok(())
    }

    /// How many adapters were chosen.
    pub(super) fn n_chosen(&self) -> usize {
        self.adapters.len() + self.n_alone
    }

    /// Whether averages are better without the pair.
    pub(super) fn spoils(&self, pair: &PairMean) -> bool {
        self.mark_spoils(pair.marks)
    }

    fn mark_spoils(&self, marks: u8) -> bool {
        marks & OTHER_BASE != 0 || (self.start_shows() && marks & SHARED_INIT != 0)
    }

    /// Whether a shared start by itself makes the chosen quantity high: not on side b, which starts at zero, nor on dw-left,
    /// which has B's column space; nor in the cosine of updates, which are 0 at the start. Where the side is not known, the
    /// answer is yes.
    pub(super) fn start_shows(&self) -> bool {
        self.by != By::Cosine && !matches!(self.side, Some(Side::B | Side::DwLeft))
    }
}

/// Numbers of modules, in the order in which they come.
#[derive(Default)]
struct Modules {
    numbers: HashMap<Vec<u8>, usize>,
    names: Vec<String>,
    /// A block of a scan is one module's.
    last: Option<(Vec<u8>, usize)>,
}

impl Modules {
    fn number(&mut self, name: &[u8]) -> usize {
        match &self.last {
            Some((last, number)) if last == name => return *number,
            _ => {}
        }
        let number = *self.numbers.entry(name.to_vec()).or_insert_with(|| {
            self.names.push(String::from_utf8_lossy(name).into_owned());
            self.names.len() - 1
        });
        self.last = Some((name.to_vec(), number));
        number
    }
}

/// The adapters that are named, or all, in the order of their numbers.
fn chosen(scan: &Path, all: &[AdapterRow], names: &[String]) -> Result<Vec<AdapterRow>> {
    if names.is_empty() {
        return Ok(all.to_vec());
    }
    let mut is_chosen = vec![false; all.len()];
    for name in names {
        let paths = all.iter().map(|adapter| Path::new(&adapter.path));
        let places = numbered(paths, all.iter().map(|adapter| adapter.id), name)?;
        if places.is_empty() {
            let some = crate::text::some_of(all.iter().map(|adapter| adapter.path.clone()));
            return Err(Fault::new(format!("none named {}", quoted(name)), "adapters of the scan")
                .at(scan)
                .of("adapter")
                .hint(format!("give a path, the end of one, a glob, or a number: {some}"))
                .invalid());
        }
        places.into_iter().for_each(|place| is_chosen[place] = true);
    }
    Ok(all
        .iter()
        .zip(is_chosen)
        .filter(|(_, is_chosen)| *is_chosen)
        .map(|(adapter, _)| adapter.clone())
        .collect())
}

/// The places of a row's adapters; `None` where one of them was not chosen.
fn pair(
    batch: &Batch,
    row: usize,
    places: &HashMap<i64, Option<usize>>,
    file: &Path,
) -> Result<Option<(usize, usize)>> {
    let place = |c: usize| {
        let id = batch.integer(c, row);
        id.and_then(|id| places.get(&id).copied()).ok_or_else(|| {
            let found = id.map_or("no adapter".to_owned(), |id| format!("adapter {id}"));
            Fault::new(found, "one of the scan's adapters").at(file).of("a pair").hint(HINT).malformed()
        })
    };
    Ok(place(0)?.zip(place(1)?))
}

/// The error for a quantity that a table has no column of.
fn not_kept(by: By, table: &TableFile, scan: &Path) -> Error {
    let found = format!("a table without the column {}", quoted(&by.column()));
    match by {
        By::Cosine => Fault::new(found, "the cosine of the updates, which a scan keeps when it is asked for")
            .at(scan)
            .remedy(Remedy::KeepUpdate)
            .invalid(),
        By::Cell(i, j) => {
            let cells =
                table.column_names().into_iter().filter(|name| matches!(name.parse(), Ok(By::Cell(..))));
            let cells = crate::text::some_of(cells);
            let expected = if cells.is_empty() {
                "a cell that the scan kept".to_owned()
            } else {
                format!("one of {cells}")
            };
            Fault::new(found, expected).at(scan).remedy(Remedy::KeepCell { i, j }).invalid()
        }
        _ => Fault::new(found, "a table as this version writes it")
            .at(scan)
            .remedy(Remedy::StartOver)
            .invalid(),
    }
}
