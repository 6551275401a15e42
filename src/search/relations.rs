//! What the nearest are to a query, by the files of both.

use rayon::prelude::*;

use super::Neighbour;
use crate::adapter::Adapter;
use crate::compare::evidence_of_files;
use crate::relation::Relation;
use crate::scan::bases::FinishedBases;

/// Sets the relations of these neighbours.
pub(super) fn find(bases: &FinishedBases<'_>, query: &Adapter, nearest: &mut [Neighbour]) {
    nearest.par_iter_mut().for_each(|neighbour| {
        neighbour.relation = relation(bases, query, neighbour);
    });
}

fn relation(bases: &FinishedBases<'_>, query: &Adapter, neighbour: &Neighbour) -> Option<Relation> {
    let other = Adapter::open(&neighbour.path).ok()?;
    if !bases.is_unchanged(neighbour.id, &other) {
        return None;
    }
    if query.has_files_of(&other) {
        return Some(Relation::SameFile);
    }
    Some(evidence_of_files(query, &other).ok()?.relation())
}
