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
        relate(bases, query, neighbour);
    });
}

/// By the files, whose starts are compared exactly.
fn relate(bases: &FinishedBases<'_>, query: &Adapter, neighbour: &mut Neighbour) {
    let Ok(other) = bases.modules().open_whole(&neighbour.path) else { return };
    if !bases.is_unchanged(neighbour.id, &other) {
        return;
    }
    if query.has_files_of(&other) {
        neighbour.relation = Some(Relation::SameFile);
    } else if let Ok(evidence) = evidence_of_files(query, &other) {
        neighbour.shared_init = evidence.shared_init;
        neighbour.relation = Some(evidence.relation());
    }
}
