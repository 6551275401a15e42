//! `lorascope search`: the adapters of a scan that are the nearest to checkpoints.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ArgGroup;
use serde::Serialize;

use super::adapters::Caution;
use super::console::Console;
use super::left_out::{self, LeftOut};
use super::summary_table::{Align, MISSING, aligned_by};
use super::warnings::{FEW_MEET, few_meet_names};
use super::write_stdout;
use crate::Side;
use crate::adapter::unread;
use crate::hub;
use crate::relation::Relation;
use crate::report::By;
use crate::scan::inputs::expand;
use crate::search::{Found, FoundQuery, Neighbour, Search};
use crate::text::{counted, printable};

pub(super) const SEARCH_HELP: &str = "\
OUT is the output folder of a scan. Each QUERY is compared with all adapters of the scan, on the scan's side and in the modules \
that both have, from the bases in the cache: only the query itself is factorised. Bases that are not there any more are made \
from their checkpoint again. Computes on the CPU.

adjusted, linear CKA and φ full are means over the modules, as in report; adjusted is 0 at chance and 1 where one subspace \
contains the other. cosine is that of the whole updates ΔW, with its sign; it needs a scan with --update, and --by cosine puts \
the negated ones last. The relation is what compare says of the two files: a copy, a scaled, negated or resized one, steps of one \
run, the same start, or by chance (unrelated). It is found for the adapters that are listed, and – where the file is gone or \
was changed since the scan.

Examples:
  lorascope search runs/new --in out
  lorascope search runs/new --in out --by cosine --top 3
  lorascope search 'incoming/*' --in out --csv > nearest.csv";

#[derive(Debug, ArgGroup)]
pub(super) struct SearchArgs {
    /// Checkpoints, or globs of them, whose neighbours are wanted
    #[arg(value_name = "QUERY", required = true)]
    queries: Vec<PathBuf>,
    /// Output folder of the scan
    #[arg(long = "in", value_name = "OUT")]
    scan: PathBuf,
    /// Number of adapters to list for each query
    #[arg(long, value_name = "N", default_value = "10")]
    top: NonZeroUsize,
    /// What to rank by: adjusted, cosine, linear_cka, phi_full, phi_1, phi_8 ...
    ///
    /// phi_N is φ(N, N). cosine needs a scan with --update.
    #[arg(long, value_name = "QUANTITY", default_value = "adjusted")]
    by: By,
    /// Cache that the scan used [default: the user's cache folder]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Search in a scan that is not finished
    #[arg(long)]
    partial: bool,
    /// Print the result as CSV
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &SearchArgs, console: &Console) -> Result<()> {
    let queries: Vec<Vec<PathBuf>> =
        args.queries.iter().map(|query| expand(query)).collect::<Result<_, _>>()?;
    let mut search = Search::new(&args.scan).top(args.top.get()).by(args.by).partial(args.partial);
    if let Some(cache) = &args.cache {
        search = search.cache(cache);
    }
    let found = search.run(&queries.concat())?;
    if found.n_factorised > 0 {
        let of = counted(found.n_adapters, "adapter");
        console.note(
            "note",
            format!("{} of {of} were not in the cache and were factorised again", found.n_factorised),
        );
    }
    let cautions = cautions(&found);
    cautions.iter().for_each(|caution| console.warning(&caution.message));
    let text = match (args.json, args.csv) {
        (true, _) => serde_json::to_string_pretty(&Document::of(args, &found, &cautions))? + "\n",
        (_, true) => csv(&found)?,
        _ => found.queries.iter().map(|query| text(&found, query)).collect::<Vec<_>>().join("\n"),
    };
    write_stdout(|stdout| stdout.write_all(text.as_bytes()))
}

/// What to be careful of, each kind once.
fn cautions(found: &Found) -> Vec<Caution> {
    let mut cautions = vec![];
    let listed = || found.queries.iter().flat_map(|query| &query.nearest);
    let mut warn = |code, message| cautions.push(Caution { code, message });
    if let Some(missing) = &found.unfinished {
        warn(
            "unfinished",
            format!("the scan is not finished: {missing}; all adapters of its plan are searched"),
        );
    }
    let n_listed = listed().count();
    let n_shared = listed().filter(|one| one.shared_init).count();
    if n_shared > 0 && found.by != By::Cosine && matches!(found.side, Side::A | Side::DwRight) {
        let share = if n_shared == 1 { "shares" } else { "share" };
        warn(
            "shared-init",
            format!(
                "{n_shared} of {n_listed} listed {share} the query's random start of A, so on side {} they look alike whatever \
                 was learnt: a scan of side b, which starts at zero, says more",
                found.side
            ),
        );
    }
    let n_other = listed().filter(|one| one.other_base).count();
    if n_other > 0 {
        let name = if n_other == 1 { "names" } else { "name" };
        let other = format!("{n_other} of {n_listed} listed {name} another base model than the query");
        warn("base-models-differ", other);
    }
    for query in &found.queries {
        if let Some(summary) = unread::summary(&query.unread) {
            warn("parts-unread", format!("{}: {summary}", query.path.display()));
        }
        if let Some(line) = left_out::line(&left_out(query), query.n_in_scan) {
            warn("missing-modules", line);
        }
        if let Some((place, few)) = &query.few_meet {
            let neighbour = &query.nearest[*place].path;
            warn(FEW_MEET, few_meet_names([&query.path, neighbour], few));
        }
    }
    cautions
}

/// The query's modules without a basis.
fn left_out(query: &FoundQuery) -> Vec<LeftOut> {
    let path = query.path.display();
    query.without_basis.iter().map(|(module, reason)| LeftOut::of_reason(module, &path, reason)).collect()
}

/// A heading for the query, and a row for each neighbour.
fn text(found: &Found, query: &FoundQuery) -> String {
    let has_cosine = query.nearest.iter().any(|one| one.cosine.is_some());
    let mut header = vec![""];
    let chosen = found.by.words();
    let is_cell = matches!(found.by, By::Cell(..));
    if is_cell {
        header.push(&chosen);
    }
    header.push("adjusted");
    if has_cosine {
        header.push("cosine");
    }
    header.extend(["linear CKA", "φ full", "modules", "relation", "adapter"]);
    let n_numbers = header.len() - 2;
    let mut rows = vec![header.into_iter().map(String::from).collect::<Vec<_>>()];
    for (rank, one) in (1..).zip(&query.nearest) {
        let shown = |by: By, value: Option<f64>| value.map_or(MISSING.to_owned(), |value| by.shown(value));
        let mut row = vec![rank.to_string()];
        if is_cell {
            row.push(shown(found.by, one.value));
        }
        row.push(shown(By::Adjusted, one.adjusted));
        if has_cosine {
            row.push(shown(By::Cosine, one.cosine));
        }
        row.push(shown(By::LinearCka, one.linear_cka));
        row.push(shown(By::PhiFull, one.phi_full));
        row.push(one.n_modules.to_string());
        row.push(one.relation.map_or(MISSING.to_owned(), short));
        row.push(printable(&hub::display(&one.path), 200));
        rows.push(row);
    }
    let mut aligns = vec![Align::Right; n_numbers];
    aligns.extend([Align::Left; 2]);
    format!(
        "{}: {} of its {} in the scan; {} of {} by {} on side {} ({})\n{}",
        printable(&hub::display(&query.path), 200),
        query.n_in_scan,
        counted(query.n_modules, "module"),
        match query.nearest.len() {
            1 => "the nearest".to_owned(),
            n => format!("the {n} nearest"),
        },
        counted(query.n_compared, "adapter"),
        chosen,
        found.side,
        found.by.meaning(),
        aligned_by(&rows, &aligns)
    )
}

/// A relation in a column: what the adapter is to the query.
fn short(relation: Relation) -> String {
    match relation {
        Relation::Scaled { factor } => format!("scaled by {factor:.4}"),
        Relation::Negated { factor } if (factor - 1.0).abs() > 5e-5 => format!("negated, by {factor:.4}"),
        Relation::Resized { smaller_is_b: true, share } => {
            format!("resized: {:.1} % of the query's energy", 100.0 * share)
        }
        Relation::Resized { smaller_is_b: false, share } => {
            format!("resized: the query has {:.1} % of its energy", 100.0 * share)
        }
        other => other.word().to_owned(),
    }
}

fn csv(found: &Found) -> Result<String> {
    let mut writer = csv::Writer::from_writer(vec![]);
    let mut header =
        "query rank id path relation n_modules adjusted cosine linear_cka phi_full shared_init other_base"
            .split(' ')
            .map(str::to_owned)
            .collect::<Vec<_>>();
    let is_cell = matches!(found.by, By::Cell(..));
    if is_cell {
        header.push(found.by.column());
    }
    writer.write_record(&header)?;
    for query in &found.queries {
        for (rank, one) in (1usize..).zip(&query.nearest) {
            let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
            let mut record = vec![
                query.path.display().to_string(),
                rank.to_string(),
                one.id.to_string(),
                one.path.display().to_string(),
                one.relation.map(Relation::word).unwrap_or_default().to_owned(),
                one.n_modules.to_string(),
                number(one.adjusted),
                number(one.cosine),
                number(one.linear_cka),
                number(one.phi_full),
                one.shared_init.to_string(),
                one.other_base.to_string(),
            ];
            if is_cell {
                record.push(number(one.value));
            }
            writer.write_record(&record)?;
        }
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    version: &'static str,
    scan: String,
    side: String,
    by: String,
    n_adapters: usize,
    queries: Vec<QueryFacts>,
    warnings: &'a [Caution],
}

#[derive(Serialize)]
struct QueryFacts {
    path: String,
    n_modules: usize,
    n_in_scan: usize,
    n_compared: usize,
    /// Modules of the query without a basis.
    left_out: Vec<LeftOut>,
    nearest: Vec<NeighbourFacts>,
}

#[derive(Serialize)]
struct NeighbourFacts {
    id: u32,
    path: String,
    /// The query is a, the neighbour b.
    relation: Option<Related>,
    n_modules: usize,
    /// What they are ranked by.
    value: Option<f64>,
    adjusted: Option<f64>,
    cosine: Option<f64>,
    linear_cka: Option<f64>,
    phi_full: Option<f64>,
    shared_init: bool,
    other_base: bool,
}

#[derive(Serialize)]
struct Related {
    word: &'static str,
    text: String,
}

impl<'a> Document<'a> {
    fn of(args: &SearchArgs, found: &Found, warnings: &'a [Caution]) -> Self {
        Self {
            schema: 1,
            version: env!("CARGO_PKG_VERSION"),
            scan: args.scan.display().to_string(),
            side: found.side.to_string(),
            by: found.by.to_string(),
            n_adapters: found.n_adapters,
            queries: found.queries.iter().map(QueryFacts::of).collect(),
            warnings,
        }
    }
}

impl QueryFacts {
    fn of(query: &FoundQuery) -> Self {
        Self {
            path: query.path.display().to_string(),
            n_modules: query.n_modules,
            n_in_scan: query.n_in_scan,
            n_compared: query.n_compared,
            left_out: left_out(query),
            nearest: query.nearest.iter().map(NeighbourFacts::of).collect(),
        }
    }
}

impl NeighbourFacts {
    fn of(one: &Neighbour) -> Self {
        let related = |relation: Relation| Related { word: relation.word(), text: relation.to_string() };
        Self {
            id: one.id,
            path: one.path.display().to_string(),
            relation: one.relation.map(related),
            n_modules: one.n_modules,
            value: one.value,
            adjusted: one.adjusted,
            cosine: one.cosine,
            linear_cka: one.linear_cka,
            phi_full: one.phi_full,
            shared_init: one.shared_init,
            other_base: one.other_base,
        }
    }
}
