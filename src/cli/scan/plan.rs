//! From the arguments to a plan that is in the output folder.

use std::collections::HashSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::args::ScanArgs;
use crate::Limits;
use crate::cli::console::Console;
use crate::error::{Error, Fault, Remedy};
use crate::scan::blocks::Blocks;
use crate::scan::finish::{Counts, adapters_table};
use crate::scan::folder::Folder;
use crate::scan::header::HeaderSummary;
use crate::scan::inputs::{Finder, of_list, place};
use crate::scan::plan::{Extension, Options, PairChoice, Plan};
use crate::scan::record::check_unchanged;
use crate::scan::selection::Selection;
use crate::scan::shard::Shard;
use crate::text::counted;

/// Every input's header.
pub(super) struct Inputs {
    pub(super) opened: Vec<HeaderSummary>,
    pub(super) pairs: PairChoice,
    /// Checkpoints that were skipped.
    pub(super) n_bad: usize,
    /// Files that are no checkpoints.
    pub(super) n_ignored: usize,
}

/// A plan that is in place.
pub(super) struct Planned {
    pub(super) plan: Plan,
    pub(super) extension: Extension,
}

/// Finds the inputs and opens their headers; bad ones are reported.
pub(super) fn open_inputs(args: &ScanArgs, selection: &Selection, console: &Console) -> Result<Inputs> {
    let (mut named, mut pairs) = pair_choice(args)?;
    if let Some(list) = &args.list {
        named.extend(of_list(&read_list(list)?));
    }
    if named.is_empty() {
        return Err(Fault::new("no RUN", "checkpoints, folders of them, or globs")
            .of("scan")
            .invalid()
            .into());
    }
    let finder = Finder::new(selection, Limits::default());
    let mut found = finder.find(&named)?;
    for (path, what) in &found.ignored {
        console.detail("ignored", format!("{}: {what}", path.display()));
    }
    if let PairChoice::Against(references) = &mut pairs {
        let of_references = finder.find(references)?;
        // A reference that is also an input may have been named in another way.
        let places: HashSet<PathBuf> = of_references.runs.iter().map(|run| place(&run.path)).collect();
        found.join(of_references);
        let chosen = found.runs.iter().filter(|run| places.contains(&place(&run.path)));
        *references = chosen.map(|run| run.path.clone()).collect();
    }
    let (n_bad, n_ignored) = (found.bad.len(), found.ignored.len());
    for (_, error) in found.bad {
        if args.how.strict {
            return Err(error.into());
        }
        console.error(&error.into());
    }
    Ok(Inputs { opened: found.runs, pairs, n_bad, n_ignored })
}

/// What to pair, and the inputs: words behind `--pairs all` are inputs.
fn pair_choice(args: &ScanArgs) -> Result<(Vec<PathBuf>, PairChoice)> {
    let mut named = args.runs.clone();
    if let (Some(left), Some(right)) = (&args.which.left, &args.which.right) {
        return Ok((named, PairChoice::LeftRight(left.clone(), right.clone())));
    }
    let Some((first, rest)) = args.which.pairs.split_first() else { return Ok((named, PairChoice::All)) };
    let rest: Vec<PathBuf> = rest.iter().map(PathBuf::from).collect();
    let choice = match first.as_str() {
        "all" => PairChoice::All,
        "consecutive" => PairChoice::Consecutive,
        "against" if rest.is_empty() => {
            let hint = "lorascope scan RUNS... --pairs against REF... -o OUT";
            return Err(Fault::new("no REF", "one behind `against`")
                .of("--pairs")
                .hint(hint)
                .invalid()
                .into());
        }
        "against" => return Ok((named, PairChoice::Against(rest))),
        other => {
            let found = crate::text::quoted(other);
            return Err(Fault::new(found, "`all`, `consecutive` or `against REF...`")
                .of("--pairs")
                .invalid()
                .into());
        }
    };
    named.extend(rest);
    Ok((named, choice))
}

fn read_list(path: &Path) -> Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read the list from stdin")?;
        return Ok(text);
    }
    Ok(std::fs::read_to_string(path).map_err(|error| Error::io("read", path, error))?)
}

/// What changes the table.
pub(super) fn options(args: &ScanArgs, pairs: PairChoice) -> Options {
    Options {
        side: args.what.side.to_string(),
        pairs,
        same_base: args.which.same_base,
        modules: args.which.module.clone(),
        keep: args.what.keep.clone(),
        angles: args.what.angles,
        precision: args.what.precision.to_string(),
    }
}

/// The plan of a first run, or the one that is there, with what is new.
pub(super) fn extended(there: Option<Plan>, options: Options, opened: Vec<HeaderSummary>) -> Result<Planned> {
    match there {
        None => {
            let plan = Plan::new(options, &opened)?;
            let extension = Extension { n_before: 0, n_added: plan.adapters.len() };
            Ok(Planned { plan, extension })
        }
        Some(mut plan) => {
            check_options(&plan, &options)?;
            let extension = plan.extend(opened)?;
            Ok(Planned { plan, extension })
        }
    }
}

fn check_options(plan: &Plan, options: &Options) -> Result<()> {
    if plan.options == *options {
        return Ok(());
    }
    let [now, first] = options.differing(&plan.options);
    Err(Fault::new(now, format!("{first} as in its first run"))
        .of("options")
        .remedy(Remedy::KeepOptions)
        .invalid()
        .into())
}

/// Settles the plan in the folder, while no other process can. What cannot be planned makes no folder, removes nothing
/// and leaves the plan that is there.
pub(super) fn settle(
    args: &ScanArgs,
    selection: &Selection,
    folder: &Folder,
    inputs: Inputs,
) -> Result<Planned> {
    let Inputs { opened, pairs, .. } = inputs;
    let options = options(args, pairs);
    if args.how.fresh || folder.read_plan()?.is_none() {
        Blocks::of(&Plan::new(options.clone(), &opened)?)?;
    }
    if args.how.fresh {
        folder.clear()?;
    }
    folder.make()?;
    let _lock = folder.lock()?;
    let there = folder.read_plan()?;
    let is_first = there.is_none();
    let is_shared = args.how.shard.is_some() && there.as_ref().is_some_and(|plan| !is_complete(plan, folder));
    if let Some(there) = &there {
        check_options(there, &options)?;
        check_unchanged(folder, there, &opened, selection, &Limits::default())?;
    }
    let planned = extended(there, options, opened)?;
    let n_added = planned.extension.n_added;
    if is_shared && n_added > 0 {
        let found = format!("{} that the other shares do not have", counted(n_added, "checkpoint"));
        return Err(Fault::new(found, "the files that this scan was divided with")
            .of("share")
            .remedy(Remedy::KeepInputsOfShares)
            .invalid()
            .into());
    }
    if is_first || n_added > 0 {
        Blocks::of(&planned.plan)?;
        folder.write_plan(&planned.plan)?;
        // For whoever reads the table before it is complete.
        adapters_table(&planned.plan, folder)?;
    }
    Ok(planned)
}

/// Whether every block of a plan is done; one that cannot be cut is not.
fn is_complete(plan: &Plan, folder: &Folder) -> bool {
    Blocks::of(plan).is_ok_and(|blocks| Counts::of(&blocks, folder, |_| true).is_complete())
}

/// The plan in a line.
pub(super) fn said(plan: &Plan, extension: Extension, whole: Counts, mine: Counts, shard: Shard) -> String {
    let of_shard = match shard {
        Shard::WHOLE => String::new(),
        shard => format!(
            "; share {shard} has {} of them, {} to do",
            counted(mine.n_blocks as usize, "block"),
            mine.n_blocks - mine.n_done
        ),
    };
    let modules = counted(plan.modules.len(), "module");
    if extension.n_before > 0 && extension.n_added > 0 {
        return format!(
            "added {}, {} pairs to do in {modules}{of_shard}",
            extension.n_added, whole.n_pairs_left
        );
    }
    let to_do = match whole.n_pairs_left {
        left if left == whole.n_pairs => String::new(),
        0 => ", all done already".to_owned(),
        left => format!(", {left} to do"),
    };
    format!(
        "{}, {modules}, {} pairs in {}{to_do}{of_shard}",
        counted(plan.adapters.len(), "checkpoint"),
        whole.n_pairs,
        counted(whole.n_blocks as usize, "block")
    )
}
