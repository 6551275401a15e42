//! The one quantity that adapters are ranked by, of a module that was just read with those of the queries.

use std::collections::BTreeMap;

use super::mean::Mean;
use super::queries::Queries;
use crate::basis::{Basis, UpdateFactors};
use crate::engine::{PackedBases, PackedScratch, Precision};
use crate::error::Result;
use crate::measure::update::UpdateSums;
use crate::measure::{Member, MemberUpdate, OneColumn, PairBatch, Wanted};
use crate::report::By;
use crate::scan::cache::{CachedModule, Entry};

/// What is ranked by.
pub(super) enum Quantity {
    /// The mean of a column.
    Column { column: OneColumn, wanted: Wanted },
    /// The cosine of the whole updates.
    Cosine,
}

/// What some queries have of a module, in one shape.
pub(super) struct Packed<'a> {
    rows: PackedBases,
    /// Of the updates, where these are compared.
    shape: Option<[usize; 2]>,
    /// Their places among all queries.
    queries: Vec<usize>,
    members: Vec<Member<'a>>,
}

/// The place of a query among all, and what it has of a module.
type QueryRows<'a> = (usize, Member<'a>, &'a Basis);

/// What is read of a module of an adapter.
pub(super) enum Rows {
    Subspace(Basis),
    Update(UpdateFactors),
}

/// What the modules of an adapter and a query add up to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    pub(super) n_modules: usize,
    mean: Mean,
    updates: UpdateSums,
}

impl Quantity {
    /// `max_rank`: of any adapter and query.
    pub(super) fn of(by: By, max_rank: usize) -> Self {
        let wanted = Wanted { cells: by.cells(), max_rank, ..Wanted::default() };
        match OneColumn::find(&by.column(), &wanted) {
            Some(column) => Self::Column { column, wanted },
            None => Self::Cosine,
        }
    }

    /// Packs what the queries with these numbers have of a module.
    pub(super) fn pack<'a>(
        &self,
        queries: &Queries,
        ids: &[u32],
        records: &'a [CachedModule],
    ) -> Vec<Packed<'a>> {
        let mut shapes: BTreeMap<Option<[usize; 2]>, Vec<QueryRows<'a>>> = BTreeMap::new();
        for (&id, record) in ids.iter().zip(records) {
            let CachedModule::Basis { basis, update, .. } = record else { continue };
            let (shape, rows) = match (self, update) {
                (Self::Cosine, Some(update)) => (Some(update.shape()), update.joined()),
                _ => (None, basis),
            };
            let member = Member { basis, base_model: None, update: update.as_ref().map(MemberUpdate::of) };
            shapes.entry(shape).or_default().push(((id - queries.n_adapters) as usize, member, rows));
        }
        let precision = match self {
            Self::Column { .. } => queries.plan.options.precision,
            Self::Cosine => Precision::F32,
        };
        let packed = shapes.into_iter().map(|(shape, of_shape)| Packed {
            rows: PackedBases::new(&of_shape.iter().map(|(.., rows)| *rows).collect::<Vec<_>>(), precision),
            shape,
            queries: of_shape.iter().map(|(query, ..)| *query).collect(),
            members: of_shape.iter().map(|(_, member, _)| *member).collect(),
        });
        packed.collect()
    }

    /// Reads the module at this place into `numbers`, over what is in there. `None` where it has no basis.
    pub(super) fn read(&self, entry: &Entry, place: usize, numbers: Vec<f32>) -> Result<Option<Rows>> {
        let summary = entry.summary(place)?;
        Ok(match self {
            Self::Column { .. } => entry.basis(place, &summary, numbers)?.map(Rows::Subspace),
            Self::Cosine => entry.update(place, &summary, numbers)?.map(Rows::Update),
        })
    }

    /// The same of a module that was read whole.
    pub(super) fn rows(&self, record: &CachedModule) -> Option<Rows> {
        match (self, record) {
            (_, CachedModule::Missing(_)) => None,
            (Self::Column { .. }, CachedModule::Basis { basis, .. }) => Some(Rows::Subspace(basis.clone())),
            (Self::Cosine, CachedModule::Basis { update, .. }) => update.clone().map(Rows::Update),
        }
    }

    /// Adds a module to the sums of the queries that have it too.
    ///
    /// # Errors
    /// As [`measure::values`](crate::measure::values).
    pub(super) fn add(
        &self,
        packed: &Packed<'_>,
        rows: &Rows,
        sums: &mut [Sums],
        scratch: &mut PackedScratch,
    ) -> Result<()> {
        packed.queries.iter().for_each(|&query| sums[query].n_modules += 1);
        match (self, rows) {
            (Self::Column { column, wanted }, Rows::Subspace(basis)) => {
                let places: Vec<(usize, usize)> = (0..packed.members.len()).map(|at| (at, 0)).collect();
                let batch = PairBatch {
                    wanted,
                    a: &packed.members,
                    b: &[Member { basis, base_model: None, update: None }],
                    places: &places,
                    stats: &packed.rows.stats(basis, &wanted.cells, scratch)?,
                    init_cosines: &vec![f64::NAN; places.len()],
                    cosines: &[],
                    grids: &|_| Ok(vec![]),
                };
                let values = column.values(&batch)?;
                for (at, &query) in packed.queries.iter().enumerate() {
                    sums[query].mean.add(values.number(at));
                }
            }
            (Self::Cosine, Rows::Update(update)) => {
                // Updates of other shapes have no cosine.
                let is_one_shape = packed.shape == Some(update.shape());
                let cosines = if is_one_shape { packed.rows.cosines(update, scratch)? } else { vec![] };
                for (at, (&query, member)) in packed.queries.iter().zip(&packed.members).enumerate() {
                    let norms = [member.update.map_or(f64::NAN, |own| own.norm), update.norm()];
                    let are_there = norms.iter().all(|&norm| norm > 0.0);
                    let cosine = cosines.get(at).filter(|cosine| are_there && cosine.is_finite());
                    let cosine = cosine.map(|&cosine| f64::from(cosine).clamp(-1.0, 1.0));
                    sums[query].updates.add(cosine, norms, 1);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What the sums give.
    pub(super) fn value(&self, sums: &Sums) -> Option<f64> {
        match self {
            Self::Column { .. } => sums.mean.value(),
            Self::Cosine => sums.updates.whole().cosine,
        }
    }
}

impl Rows {
    /// The memory, for the next module.
    pub(super) fn into_numbers(self) -> Vec<f32> {
        match self {
            Self::Subspace(basis) => basis.into_rows(),
            Self::Update(update) => update.into_rows(),
        }
    }
}
