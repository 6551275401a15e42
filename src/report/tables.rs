//! The findings as tables: what CSV and JSON share.

use std::borrow::Cow;
use std::io::{self, Write};

use csv::WriterBuilder;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::groups::Sum;
use super::pairs::{N_QUANTITIES, PairMean};
use super::rounding::finite;
use super::scan::ScanSums;
use super::summary::Findings;
use crate::error::{Error, Result};

/// What a cell holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell<'a> {
    Integer(i64),
    Number(f64),
    Text(Cow<'a, str>),
    Flag(bool),
    /// `null` in JSON, empty in CSV.
    None,
}

impl From<Option<f64>> for Cell<'_> {
    fn from(value: Option<f64>) -> Self {
        value.and_then(finite).map_or(Self::None, Self::Number)
    }
}

impl From<f64> for Cell<'_> {
    fn from(value: f64) -> Self {
        Some(value).into()
    }
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text.into())
    }
}

impl<'a> From<Option<&'a str>> for Cell<'a> {
    fn from(text: Option<&'a str>) -> Self {
        text.map_or(Self::None, Self::from)
    }
}

impl From<Option<i64>> for Cell<'_> {
    fn from(value: Option<i64>) -> Self {
        value.map_or(Self::None, Self::Integer)
    }
}

impl From<u64> for Cell<'_> {
    fn from(value: u64) -> Self {
        Self::Integer(value as i64)
    }
}

impl Serialize for Cell<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Integer(value) => serializer.serialize_i64(*value),
            Self::Number(value) => serializer.serialize_f64(*value),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Flag(value) => serializer.serialize_bool(*value),
            Self::None => serializer.serialize_none(),
        }
    }
}

type Row<'a> = Vec<Cell<'a>>;
type Rows<'a> = Box<dyn Iterator<Item = Row<'a>> + 'a>;

/// A table: its name, its columns, and its rows, which are made one by one since pairs may be many.
pub(crate) struct Table<'a> {
    pub(crate) name: &'static str,
    head: Vec<String>,
    rows: Box<dyn Fn() -> Rows<'a> + 'a>,
}

impl Table<'_> {
    /// Writes a CSV file: a header, which is there without rows too, and the rows, with the side of the scan in the last
    /// column.
    ///
    /// # Errors
    /// `Io` when the writer fails.
    pub(super) fn write(&self, side: &str, to: &mut dyn Write) -> Result<()> {
        let mut writer = WriterBuilder::new().has_headers(false).from_writer(to);
        let mut write = || -> io::Result<()> {
            writer.write_record(self.head.iter().map(String::as_str).chain(["side"]))?;
            for row in (self.rows)() {
                writer.serialize((row, side))?;
            }
            writer.flush()
        };
        write().map_err(|error| Error::io("write", "table", error))
    }
}

/// In JSON, a list of objects.
impl Serialize for Table<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        struct Object<'a>(&'a [String], Row<'a>);
        impl Serialize for Object<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(None)?;
                self.0.iter().zip(&self.1).try_for_each(|(key, cell)| map.serialize_entry(key, cell))?;
                map.end()
            }
        }
        let mut list = serializer.serialize_seq(None)?;
        for row in (self.rows)() {
            list.serialize_element(&Object(&self.head, row))?;
        }
        list.end()
    }
}

/// `pairs`, which JSON does not have.
pub(super) fn pairs(scan: &ScanSums) -> Table<'_> {
    let rows = move || Box::new(scan.pairs.iter().map(move |pair| pair_row(scan, &pair, false))) as Rows<'_>;
    Table {
        name: "pairs",
        head: head(scan, &["a", "b", "n_modules"], &["shared_init", "other_base"]),
        rows: Box::new(rows),
    }
}

/// `edges`, as programs for graphs read it.
pub(super) fn edges(scan: &ScanSums) -> Table<'_> {
    let head = ["Source", "Target", "Weight", "quantity"].map(str::to_owned).into();
    let quantity = scan.by.column();
    let row = move |pair: PairMean| {
        let [a, b] = [pair.a, pair.b].map(|place| scan.adapters[place].path.as_str().into());
        vec![a, b, pair.value().into(), Cell::Text(quantity.clone().into())]
    };
    let row = std::rc::Rc::new(row);
    let rows = move || {
        let row = std::rc::Rc::clone(&row);
        Box::new(scan.pairs.iter().map(move |pair| row(pair))) as Rows<'_>
    };
    Table { name: "edges", head, rows: Box::new(rows) }
}

/// The tables that JSON has too.
pub(super) fn tables<'a>(scan: &'a ScanSums, findings: &'a Findings) -> Vec<Table<'a>> {
    let alike = |name, pairs: &'a [PairMean]| {
        let keys = ["a", "b", "path_a", "path_b", "n_modules"];
        let rows = move || Box::new(pairs.iter().map(move |pair| pair_row(scan, pair, true))) as Rows<'a>;
        Table { name, head: head(scan, &keys, &["shared_init", "other_base"]), rows: Box::new(rows) }
    };
    let groups = &findings.groups;
    let group = |name, keys: &[&'static str], rows: Vec<(Vec<&'a str>, &'a Sum)>| {
        let keys = [keys, &["n_modules", "n_rows", "n_pairs_least", "n_pairs_most"]].concat();
        let n_quantities = scan.by.and_others().len();
        let row = move |(keys, sum): &(Vec<&'a str>, &'a Sum)| group_row(keys, sum, n_quantities);
        let rows = move || Box::new(rows.iter().map(row).collect::<Vec<_>>().into_iter()) as Rows<'a>;
        Table { name, head: head(scan, &keys, &[]), rows: Box::new(rows) }
    };
    let mut tables = vec![
        alike("most_alike", &findings.most_alike),
        alike("most_alike_unmarked", &findings.most_alike_unmarked),
        alike("least_alike", &findings.least_alike),
        group(
            "layers",
            &["layer"],
            groups.layers.iter().map(|(block, sum)| (vec![block.path()], sum)).collect(),
        ),
        group(
            "projections",
            &["projection"],
            groups.kinds.iter().map(|(kind, sum)| (vec![kind.name()], sum)).collect(),
        ),
        group(
            "layer_projections",
            &["layer", "projection"],
            groups.cells.iter().map(|((block, kind), sum)| (vec![block.path(), kind.name()], sum)).collect(),
        ),
        adapters(scan, findings),
        merges(scan, findings),
        drift(findings),
    ];
    if findings.labels.is_some() {
        tables.push(labels(scan, findings));
    }
    tables
}

/// Keys, then the means of every quantity, then more.
fn head(scan: &ScanSums, keys: &[&str], more: &[&str]) -> Vec<String> {
    let means = scan.by.and_others().into_iter().map(|by| by.key());
    let own = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
    own(keys).into_iter().chain(means).chain(own(more)).collect()
}

fn pair_row<'a>(scan: &'a ScanSums, pair: &PairMean, has_paths: bool) -> Row<'a> {
    let (a, b) = (&scan.adapters[pair.a], &scan.adapters[pair.b]);
    let mut row = vec![Cell::Integer(a.id), Cell::Integer(b.id)];
    if has_paths {
        row.extend([a.path.as_str().into(), b.path.as_str().into()]);
    }
    row.push(u64::from(pair.n_modules).into());
    row.extend(pair.means.iter().take(scan.by.and_others().len()).map(|&mean| mean.into()));
    row.extend([Cell::Flag(pair.has_shared_init()), Cell::Flag(pair.has_other_base())]);
    row
}

fn group_row<'a>(keys: &[&'a str], sum: &Sum, n_quantities: usize) -> Row<'a> {
    let mut row: Row<'a> = keys.iter().map(|&key| key.into()).collect();
    row.extend([sum.n_modules, sum.n_rows, sum.n_pairs[0], sum.n_pairs[1]].map(Cell::from));
    let means: [f64; N_QUANTITIES] = sum.means();
    row.extend(means.into_iter().take(n_quantities).map(Cell::from));
    row
}

/// In the order of the picture's rows.
fn adapters<'a>(scan: &'a ScanSums, findings: &'a Findings) -> Table<'a> {
    let mut head: Vec<String> =
        ["position", "id", "path", "run", "step", "base_model", "n_pairs"].map(str::to_owned).into();
    head.extend([scan.by.key(), "robust_z".to_owned(), "outlier".to_owned()]);
    if findings.labels.is_some() {
        head.extend(["label", "silhouette"].map(str::to_owned));
    }
    let row = move |(row, &place): (usize, &'a usize)| {
        let (adapter, finding) = (&scan.adapters[place], &findings.adapters[place]);
        let mut cells = vec![
            Cell::from(row as u64 + 1),
            Cell::Integer(adapter.id),
            adapter.path.as_str().into(),
            adapter.run.as_str().into(),
            adapter.step.into(),
            adapter.base_model.as_deref().into(),
            finding.n_pairs.into(),
            finding.mean.into(),
            finding.robust_z.into(),
            Cell::Flag(finding.is_outlier),
        ];
        if let Some((labels, stats)) = &findings.labels {
            cells.extend([labels.name(place).into(), stats.silhouettes[place].into()]);
        }
        cells
    };
    let rows = move || Box::new(findings.clustering.order.iter().enumerate().map(row)) as Rows<'a>;
    Table { name: "adapters", head, rows: Box::new(rows) }
}

/// Groups 1 to n are the picture's rows, n + k is what merge k made.
fn merges<'a>(scan: &ScanSums, findings: &'a Findings) -> Table<'a> {
    let mut head: Vec<String> = ["merge", "first", "second"].map(str::to_owned).into();
    head.push(scan.by.key());
    let rows = move || {
        Box::new(findings.clustering.merges.iter().enumerate().map(|(k, merge)| {
            let [first, second] = [merge.first, merge.second].map(|group| Cell::from(group as u64 + 1));
            vec![Cell::from(k as u64 + 1), first, second, merge.similarity.into()]
        })) as Rows<'a>
    };
    Table { name: "merges", head, rows: Box::new(rows) }
}

fn drift(findings: &Findings) -> Table<'_> {
    let head = [
        "run",
        "projection",
        "id",
        "step",
        "step_before",
        "from_previous",
        "per_1000_steps",
        "from_first",
        "to_last",
    ];
    let rows = move || {
        Box::new(findings.drift.iter().map(|point| {
            vec![
                point.run.as_str().into(),
                point.kind.as_deref().into(),
                Cell::Integer(point.id),
                Cell::Integer(point.step),
                point.step_before.into(),
                point.from_previous.into(),
                point.per_1000_steps.into(),
                point.from_first.into(),
                point.to_last.into(),
            ]
        })) as Rows<'_>
    };
    Table { name: "drift", head: head.map(str::to_owned).into(), rows: Box::new(rows) }
}

fn labels<'a>(scan: &ScanSums, findings: &'a Findings) -> Table<'a> {
    let mut head: Vec<String> = ["label_a", "label_b", "n_pairs"].map(str::to_owned).into();
    head.push(scan.by.key());
    let rows = move || {
        let means = findings.labels.iter().flat_map(|(labels, stats)| {
            stats.means.iter().map(|&(a, b, n_pairs, mean)| {
                let [a, b] = [a, b].map(|label| labels.names[label].as_str().into());
                vec![a, b, n_pairs.into(), mean.into()]
            })
        });
        Box::new(means) as Rows<'a>
    };
    Table { name: "label_means", head, rows: Box::new(rows) }
}
