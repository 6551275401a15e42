//! How a scan that was begun goes on: its inputs and its options, as data that a command line can word.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::base::PlannedBase;
use super::folder::Folder;
use super::keep::Keep;
use super::plan::{PairChoice, Plan, ScanOptions};
use crate::adapter::Side;
use crate::basis::range_finder::HowMany;
use crate::engine::Precision;
use crate::error::Remedy;
use crate::formats::{Limits, discover};

/// Paths that a message can hold, and checkpoints that a folder is searched for.
const N_PATHS: usize = 12;
const N_SEARCHED: usize = 2000;

/// The way to finish a scan.
pub(super) fn remedy(plan: &Plan, folder: &Folder) -> Remedy {
    Remedy::FinishScan {
        inputs: inputs(plan).unwrap_or_default(),
        options: options(&plan.options),
        output: folder.path().display().to_string(),
    }
}

/// What finds the adapters of a plan and no others: a folder that holds them all, or their paths. `None` where a message
/// cannot hold it.
fn inputs(plan: &Plan) -> Option<Vec<String>> {
    let paths: BTreeSet<&Path> = plan.adapters.iter().map(|adapter| adapter.path.as_path()).collect();
    let folder = common_folder(&paths).filter(|_| (2..=N_SEARCHED).contains(&paths.len()));
    let found = folder.as_ref().and_then(|folder| discover(folder, &Limits::default()).ok());
    let is_it = found.is_some_and(|found| {
        found.checkpoints.iter().map(PathBuf::as_path).collect::<BTreeSet<_>>() == paths
    });
    match folder {
        Some(folder) if is_it => Some(vec![folder.display().to_string()]),
        _ if paths.len() <= N_PATHS => Some(paths.iter().map(|path| path.display().to_string()).collect()),
        _ => None,
    }
}

/// As an option names it.
fn rank_text(how_many: HowMany) -> String {
    match how_many {
        HowMany::Energy { .. } => "auto".to_owned(),
        HowMany::Top(at_most) | HowMany::AboveNoise { at_most } => at_most.to_string(),
    }
}

fn common_folder(paths: &BTreeSet<&Path>) -> Option<PathBuf> {
    // Of sorted paths, what the first and the last have in common all have.
    let (first, last) = (paths.first()?.parent()?, paths.last()?.parent()?);
    let common = first.components().zip(last.components()).take_while(|(a, b)| a == b).map(|(a, _)| a);
    let common: PathBuf = common.collect();
    (!common.as_os_str().is_empty()).then_some(common)
}

/// What was asked for besides what a scan does by itself: names of options with their values.
fn options(options: &ScanOptions) -> Vec<(&'static str, Vec<String>)> {
    let ScanOptions {
        side,
        pairs,
        same_base,
        modules,
        layers,
        projections,
        keep,
        angles,
        update,
        precision,
        base,
    } = options;
    let mut stated = vec![];
    if *side != Side::A {
        stated.push(("side", vec![side.to_string()]));
    }
    match pairs {
        PairChoice::All => {}
        PairChoice::Consecutive => stated.push(("pairs", vec!["consecutive".to_owned()])),
        PairChoice::Against(references) => {
            let references = references.iter().map(|path| path.display().to_string());
            stated.push(("pairs", std::iter::once("against".to_owned()).chain(references).collect()));
        }
        PairChoice::LeftRight(left, right) => {
            stated.extend([("left", vec![left.clone()]), ("right", vec![right.clone()])]);
        }
    }
    stated.extend(modules.iter().map(|glob| ("module", vec![glob.clone()])));
    stated.extend(layers.iter().map(|layers| ("layer", vec![layers.clone()])));
    if !projections.is_empty() {
        stated.push(("projections", vec![projections.join(",")]));
    }
    if *keep != Keep::default() {
        stated.push(("keep", vec![keep.to_string()]));
    }
    if *precision != Precision::default() {
        stated.push(("precision", vec![precision.to_string()]));
    }
    if let Some(PlannedBase { path, how_many }) = base {
        stated.push(("base", vec![path.display().to_string()]));
        stated.push(("rank", vec![rank_text(*how_many)]));
    }
    stated.extend(same_base.then(|| ("same-base", vec![])));
    stated.extend(angles.then(|| ("angles", vec![])));
    stated.extend(update.then(|| ("update", vec![])));
    stated
}
