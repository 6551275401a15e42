//! The choice when no layer and no module was named: one block from the middle.

use std::collections::HashMap;

use crate::error::Result;
use crate::names;
use crate::select::candidates::Candidates;
use crate::select::projections::ProjectionQuery;
use crate::select::{ModulePair, Selected};
use crate::text::{counted, quoted};

/// How many modules are taken when no block has the projections.
const N_FIRST: usize = 2;

/// Blocks that are tried before one is taken that cannot be used.
const N_TRIED: usize = 100;

/// Modules that a block is wanted for.
pub(super) struct Usable<'a> {
    pub(super) is_usable: &'a dyn Fn(&ModulePair) -> bool,
    /// What the block does with all or some of them, such as "that has a subspace of".
    pub(super) that_has: &'static str,
}

/// The projections of block ⌊n/2⌋, counted from 0, of the n that have all of them in both files; without such a block,
/// the first modules in common. If it cannot be used, that of the usable ones which is the nearest to it.
///
/// # Errors
/// `Invalid` when projections were named that no block has.
pub(super) fn middle(
    mut candidates: Candidates<'_>,
    asked: &ProjectionQuery,
    usable: &Usable<'_>,
) -> Result<Selected> {
    let what = asked.shown();
    // A layer as a whole comes second, for projections that lie in different parts of it.
    let keys: [Key; 2] = [|name| Some(names::parent(name)), names::layer_path];
    for key in keys {
        let mut blocks = blocks(&candidates, asked, key);
        let n = blocks.len();
        if n > 0 {
            let (at, with_all) = nearest(&blocks, usable.is_usable);
            let (path, pairs) = blocks.swap_remove(at);
            let which = match n {
                1 => "the only block that has them in both files".into(),
                _ if at == n / 2 => format!("the middle one of {n} blocks that have them in both files"),
                _ => {
                    let all = if with_all { "all" } else { "some" };
                    format!(
                        "of {n} blocks that have them in both files the nearest to the middle {} {all} of them",
                        usable.that_has
                    )
                }
            };
            let note = format!("no layer or module was named: took {what} of {}, {which}", quoted(&path));
            return Ok(Selected {
                pairs,
                note: Some(note),
                only: candidates.only,
                few_meet: candidates.few_meet,
            });
        }
    }
    if !asked.by_default {
        asked.narrow(&mut candidates)?;
    }
    let mut pairs = candidates.pairs;
    let in_common = counted(pairs.len(), "module");
    let first: Vec<ModulePair> =
        pairs.iter().take(N_TRIED).filter(|pair| (usable.is_usable)(pair)).take(N_FIRST).cloned().collect();
    if first.is_empty() {
        pairs.truncate(N_FIRST);
    } else {
        pairs = first;
    }
    let note =
        format!("no block has {what} in both files: took the first {} of {in_common} in common", pairs.len());
    Ok(Selected { pairs, note: Some(note), only: candidates.only, few_meet: candidates.few_meet })
}

/// The place of the block to take: from the middle outwards the first whose modules can all be used, which the answer says, else
/// the first of which one can, else the middle one.
fn nearest(blocks: &[Block], is_usable: &dyn Fn(&ModulePair) -> bool) -> (usize, bool) {
    let middle = blocks.len() / 2;
    let mut outwards: Vec<usize> = (0..blocks.len()).collect();
    outwards.sort_by_key(|place| place.abs_diff(middle));
    let mut partly = None;
    for place in outwards.into_iter().take(N_TRIED) {
        let (_, pairs) = &blocks[place];
        match pairs.iter().filter(|pair| is_usable(pair)).count() {
            n if n == pairs.len() => return (place, true),
            0 => {}
            _ => partly = partly.or(Some(place)),
        }
    }
    (partly.unwrap_or(middle), false)
}

/// The modules under one path.
type Block = (String, Vec<ModulePair>);

/// The path of the block that a module of this name belongs to.
type Key = fn(&str) -> Option<&str>;

/// The blocks that have all the projections, in the natural order of their first modules.
fn blocks(candidates: &Candidates<'_>, asked: &ProjectionQuery, key: Key) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut places = HashMap::new();
    for pair in &candidates.pairs {
        let Some(path) = key(pair.name()) else { continue };
        let place = *places.entry(path).or_insert(blocks.len());
        if place == blocks.len() {
            blocks.push((path.to_owned(), Vec::new()));
        }
        blocks[place].1.push(pair.clone());
    }
    let means = asked.means(candidates);
    blocks.into_iter().filter_map(|(path, pairs)| Some((path, asked.all_of(&means, &pairs)?))).collect()
}
