//! Adapters that are copies, multiples or parts of each other, so that one of a group stands for all.

use std::path::Path;

use serde::Serialize;

use super::adapters::AdapterRow;
use crate::error::Result;
use crate::table::TableFile;

/// What a scan knows of copies.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Derived {
    /// Whether the scan kept the updates: else copies in another form cannot be told.
    pub(super) is_known: bool,
    /// The largest group first.
    pub(super) groups: Vec<Group>,
    /// Pairs with another relation, and how many.
    pub(super) others: Vec<(String, usize)>,
}

/// Adapters of which each is another one in another form.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Group {
    /// The place of the one to keep: none that was cut down, then the one whose numbers take most bytes, which are the most
    /// precise, then the one with the lowest number.
    pub(super) keep: usize,
    /// The others.
    pub(super) members: Vec<Member>,
}

/// An adapter that another one stands for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Member {
    /// Its place.
    pub(super) place: usize,
    /// What it is to `to`, such as `scaled`.
    pub(super) relation: String,
    /// ‖ΔW‖ of it relative to that of `to`, negative for a negation; where they differ.
    pub(super) factor: Option<f64>,
    /// The one to keep, unless the relation is to another of the group.
    pub(super) to: usize,
}

/// A row of `relations.parquet`, by the places of its adapters.
struct Row {
    pair: [usize; 2],
    relation: String,
    factor: Option<f64>,
}

/// Words of relations in which one of the two adds nothing.
const DERIVED: [&str; 6] = ["same file", "same factors", "same update", "scaled", "negated", "resized"];

impl Derived {
    /// Reads the table of a scan's relations, for these adapters, whose factors take so many bytes by their numbers.
    ///
    /// # Errors
    /// `Malformed` for a damaged table, `Io` when the system refuses to read.
    pub(super) fn read(scan: &Path, adapters: &[AdapterRow], n_bytes: impl Fn(i64) -> u64) -> Result<Self> {
        let path = scan.join("relations.parquet");
        if !path.exists() {
            return Ok(Self::default());
        }
        let place = |id: Option<i64>| adapters.iter().position(|adapter| Some(adapter.id) == id);
        let (mut rows, mut others) = (vec![], std::collections::BTreeMap::<String, usize>::new());
        const COLUMNS: [&str; 4] = ["a", "b", "relation", "factor"];
        let table = TableFile::open(&path)?;
        table.verify()?;
        table.read(&COLUMNS, COLUMNS.len(), |batch| {
            for row in 0..batch.n_rows {
                let (a, b) = (place(batch.integer(0, row)), place(batch.integer(1, row)));
                let (Some(a), Some(b)) = (a, b) else { continue };
                let relation = batch.text(2, row).unwrap_or_default();
                if DERIVED.contains(&relation.as_str()) {
                    let factor = Some(batch.number(3, row)).filter(|factor| !factor.is_nan());
                    rows.push(Row { pair: [a, b], relation, factor });
                } else {
                    *others.entry(relation).or_default() += 1;
                }
            }
            Ok(())
        })?;
        let sizes: Vec<u64> = adapters.iter().map(|adapter| n_bytes(adapter.id)).collect();
        Ok(Self { is_known: true, groups: groups(&rows, &sizes), others: others.into_iter().collect() })
    }

    /// The adapter that stands for this one, if another one does.
    pub(super) fn stands_for(&self, place: usize) -> Option<usize> {
        let has = |group: &&Group| group.members.iter().any(|member| member.place == place);
        self.groups.iter().find(has).map(|group| group.keep)
    }
}

/// The groups that these rows join.
fn groups(rows: &[Row], sizes: &[u64]) -> Vec<Group> {
    let n = sizes.len();
    let mut root: Vec<usize> = (0..n).collect();
    fn find(root: &mut [usize], mut place: usize) -> usize {
        while root[place] != place {
            root[place] = root[root[place]];
            place = root[place];
        }
        place
    }
    for row in rows {
        let [a, b] = row.pair.map(|place| find(&mut root, place));
        root[a.max(b)] = a.min(b);
    }
    // The smaller of a resized pair is never the one to keep.
    let mut is_part = vec![false; n];
    for Row { pair: [a, b], relation, factor } in rows {
        if relation == "resized" {
            is_part[if *factor < Some(1.0) { *b } else { *a }] = true;
        }
    }
    let mut members: Vec<Vec<usize>> = vec![vec![]; n];
    for place in 0..n {
        let root = find(&mut root, place);
        members[root].push(place);
    }
    members.retain(|members| members.len() > 1);
    members.sort_by_key(|members| std::cmp::Reverse(members.len()));
    members.into_iter().map(|members| group(&members, &is_part, sizes, rows)).collect()
}

fn group(places: &[usize], is_part: &[bool], sizes: &[u64], rows: &[Row]) -> Group {
    // Of equal ones the first.
    let worth = |&place: &usize| (!is_part[place], sizes[place], std::cmp::Reverse(place));
    let keep = places.iter().copied().max_by_key(worth).unwrap_or_default();
    let member = |place: usize| {
        let between = |to: usize| rows.iter().find(|row| row.pair == [place.min(to), place.max(to)]);
        let others = places.iter().copied().filter(|&other| other != place && other != keep);
        let (to, row) = std::iter::once(keep).chain(others).find_map(|to| Some((to, between(to)?)))?;
        // The table has b relative to a.
        let factor = row.factor.map(|factor| if row.pair[1] == place { factor } else { 1.0 / factor });
        Some(Member { place, relation: row.relation.clone(), factor, to })
    };
    let members = places.iter().copied().filter(|&place| place != keep).filter_map(member).collect();
    Group { keep, members }
}

/// A group in `report.json`.
#[derive(Serialize)]
pub(super) struct GroupFacts<'a> {
    keep: &'a str,
    keep_id: i64,
    members: Vec<MemberFacts<'a>>,
}

#[derive(Serialize)]
struct MemberFacts<'a> {
    path: &'a str,
    id: i64,
    relation: &'a str,
    /// To which adapter, by its number.
    to: i64,
    factor: Option<f64>,
}

impl<'a> GroupFacts<'a> {
    pub(super) fn of(group: &'a Group, adapters: &'a [AdapterRow]) -> Self {
        let member = |member: &'a Member| MemberFacts {
            path: &adapters[member.place].path,
            id: adapters[member.place].id,
            relation: &member.relation,
            to: adapters[member.to].id,
            factor: member.factor,
        };
        let keep = &adapters[group.keep];
        Self { keep: &keep.path, keep_id: keep.id, members: group.members.iter().map(member).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(a: usize, b: usize, relation: &str, factor: Option<f64>) -> Row {
        Row { pair: [a, b], relation: relation.to_owned(), factor }
    }

    #[test]
    fn groups_are_joined_pair_by_pair_and_the_largest_is_kept() {
        let rows = [
            row(0, 3, "scaled", Some(0.5)),
            row(3, 5, "negated", Some(-1.0)),
            // 1 is a part of 4.
            row(1, 4, "resized", Some(2.0)),
        ];
        // Of 0, 3 and 5, the second takes most bytes.
        let found = groups(&rows, &[4, 4, 4, 8, 4, 4, 4]);
        assert_eq!(found.len(), 2);
        let member = |place, relation: &str, factor, to| Member {
            place,
            relation: relation.to_owned(),
            factor: Some(factor),
            to,
        };
        let first =
            Group { keep: 3, members: vec![member(0, "scaled", 2.0, 3), member(5, "negated", -1.0, 3)] };
        assert_eq!(found[0], first);
        assert_eq!(found[1], Group { keep: 4, members: vec![member(1, "resized", 0.5, 4)] });
        let derived = Derived { is_known: true, groups: found, others: vec![] };
        assert_eq!([0, 5, 1, 2].map(|place| derived.stands_for(place)), [Some(3), Some(3), Some(4), None]);
    }
}
