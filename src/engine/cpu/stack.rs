//! Bases on their way into a product: their rows stacked, small ranks next to each other, in panels of 16 rows.
//!
//! A panel holds its rows column by column, [d][16], so that the product reads one register or one number at a time, in
//! order. Several bases form a group, which starts with a new panel; only the end of a group is padded.

use std::ops::Range;

use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

use super::product::{PANEL, Step};
use crate::basis::Basis;
use crate::engine::Precision;
use crate::kernels::similarity::HalfRows;
use crate::measure::linear_cka::weights as weights_of;

/// Rows of a group, unless a single basis has more: a tile of 192 × 192 and a slice of its factors fit a second cache of
/// 512 KiB.
const GROUP: usize = 192;

/// The fewest rows that keep the product's registers full.
const SMALL_GROUP: usize = 48;

/// Bases that are multiplied together.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Group {
    /// Their places in the list.
    pub(super) bases: Range<usize>,
    /// Their panels in the stack.
    pub(super) panels: Range<usize>,
}

impl Group {
    /// Rows with their padding.
    pub(super) fn n_rows(&self) -> usize {
        self.panels.len() * PANEL
    }
}

/// The bases of a list, packed.
pub(super) struct Stack {
    pub(super) d: usize,
    pub(super) groups: Vec<Group>,
    /// First packed row of each basis.
    pub(super) starts: Vec<usize>,
    /// Ranks.
    pub(super) ranks: Vec<usize>,
    /// What a product's row is to be multiplied by: 1 for f32, see [`HalfRows`] for f16.
    pub(super) scales: Vec<f32>,
    /// σ²/√Σσ⁴ of each row: what it weighs in the linear CKA.
    pub(super) weights: Vec<f64>,
    /// All panels, d steps each.
    pub(super) steps: Vec<Step>,
}

impl Stack {
    /// Packs bases into `steps`, over what is in there. With `together` small ranks share groups, of a size that leaves
    /// every thread several; else each basis is a group.
    pub(super) fn new(bases: &[&Basis], together: bool, precision: Precision, mut steps: Vec<Step>) -> Self {
        let d = bases.first().map_or(1, |basis| basis.d());
        let ranks: Vec<usize> = bases.iter().map(|basis| basis.q()).collect();
        let share = ranks.iter().sum::<usize>() / (4 * rayon::current_num_threads());
        let groups = groups(&ranks, if together { share.clamp(SMALL_GROUP, GROUP) } else { 1 });
        let mut starts = Vec::with_capacity(bases.len());
        for group in &groups {
            let mut row = group.panels.start * PANEL;
            for &rank in &ranks[group.bases.clone()] {
                starts.push(row);
                row += rank;
            }
        }
        let n_panels = groups.last().map_or(0, |group| group.panels.end);
        let rounded: Vec<Option<Rounded>> = match precision {
            Precision::F32 => bases.iter().map(|_| None).collect(),
            Precision::F16 => bases.par_iter().map(|basis| Some(Rounded::of(basis))).collect(),
        };
        let zeros = vec![0.0; d];
        let mut rows = vec![&zeros[..]; n_panels * PANEL];
        let mut scales = vec![1.0; rows.len()];
        for ((&basis, &start), rounded) in bases.iter().zip(&starts).zip(&rounded) {
            let place = start..start + basis.q();
            let numbers = match rounded {
                None => basis.rows(),
                Some(rounded) => {
                    scales[place.clone()].copy_from_slice(&rounded.scales);
                    &rounded.numbers
                }
            };
            rows[place].iter_mut().zip(numbers.chunks_exact(d)).for_each(|(row, numbers)| *row = numbers);
        }
        steps.resize(n_panels * d, [0.0; PANEL]);
        let panels = steps.par_chunks_exact_mut(d).zip(rows.par_chunks_exact(PANEL));
        panels.for_each(|(panel, rows)| pack(panel, rows));
        let weights = vec![0.0; n_panels * PANEL];
        let mut stack = Self { d, groups, starts, ranks, scales, weights, steps };
        stack.weigh(bases);
        stack
    }

    /// Takes the weights of the rows from these bases, of the ranks of those that were packed.
    pub(super) fn weigh(&mut self, bases: &[&Basis]) {
        for (basis, &start) in bases.iter().zip(&self.starts) {
            self.weights[start..start + basis.q()].copy_from_slice(&weights_of(basis.sigma()));
        }
    }

    /// The panels of a group.
    pub(super) fn panels(&self, group: &Group) -> &[Step] {
        &self.steps[group.panels.start * self.d..group.panels.end * self.d]
    }
}

/// A basis in f16, and widened again: products of two f16 are exact in f32, as on a GPU.
pub(super) struct Rounded {
    pub(super) numbers: Vec<f32>,
    pub(super) scales: Vec<f32>,
}

impl Rounded {
    pub(super) fn of(basis: &Basis) -> Self {
        let half = HalfRows::of(basis.rows(), basis.d());
        Self { numbers: half.numbers.to_f32_vec(), scales: half.reciprocals }
    }
}

/// Cuts a list of ranks into groups of `most` rows at most, where one basis has no more.
fn groups(ranks: &[usize], most: usize) -> Vec<Group> {
    let mut groups = Vec::new();
    let (mut first, mut panel) = (0, 0);
    while first < ranks.len() {
        // Of the larger half of all cuts, the one that pads least.
        let (mut rows, mut end, mut n_panels, mut least) = (0, first, 0, f64::INFINITY);
        for (at, rank) in ranks.iter().enumerate().skip(first) {
            rows += rank;
            if at > first && rows > most {
                break;
            }
            let padded = rows.div_ceil(PANEL);
            let padding = (padded * PANEL) as f64 / rows as f64;
            if rows <= most / 2 || padding <= least {
                (end, n_panels) = (at + 1, padded);
                least = if rows <= most / 2 { f64::INFINITY } else { padding };
            }
        }
        groups.push(Group { bases: first..end, panels: panel..panel + n_panels });
        (first, panel) = (end, panel + n_panels);
    }
    groups
}

/// 16 rows to a panel.
fn pack(panel: &mut [Step], rows: &[&[f32]]) {
    /// Columns at once: what is written of a panel stays in the first cache until all rows are in it.
    const COLUMNS: usize = 64;
    for (at, steps) in panel.chunks_mut(COLUMNS).enumerate() {
        for (l, rows) in rows.as_chunks::<4>().0.iter().enumerate() {
            let [a, b, c, d] = rows.map(|row| &row[at * COLUMNS..][..steps.len()]);
            for (((step, a), b), (c, d)) in steps.iter_mut().zip(a).zip(b).zip(c.iter().zip(d)) {
                step.as_chunks_mut().0[l] = [*a, *b, *c, *d];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_hold_every_basis_once_and_pad_little() {
        for rank in [1, 7, 8, 12, 13, 16, 24, 32, 48, 64, 100, 128] {
            let ranks = vec![rank; 1000];
            let groups = groups(&ranks, GROUP);
            let mut next = (0, 0);
            for group in &groups {
                assert_eq!((group.bases.start, group.panels.start), next);
                next = (group.bases.end, group.panels.end);
                let rows = group.bases.len() * rank;
                assert!(rows <= group.n_rows() && rows <= GROUP);
            }
            assert_eq!(next.0, 1000);
            let useful = (1000 * rank) as f64 / (next.1 * PANEL) as f64;
            assert!(useful > 0.95 || rank == 100 && useful > 0.89, "rank {rank}: {useful}");
        }
    }

    #[test]
    fn a_basis_over_the_size_of_a_group_stands_alone() {
        let groups = groups(&[200, 8, 8, 1024], GROUP);
        let bases: Vec<Range<usize>> = groups.iter().map(|group| group.bases.clone()).collect();
        assert_eq!(bases, [0..1, 1..3, 3..4]);
        assert_eq!(groups[2], Group { bases: 3..4, panels: 14..78 });
    }

    #[test]
    fn a_panel_holds_its_rows_column_by_column() {
        let bases = [(3, 1), (15, 2)].map(|(q, seed)| Basis::gaussian(q, 70, seed).unwrap());
        let stack = Stack::new(&bases.each_ref(), true, Precision::F32, vec![[f32::NAN; PANEL]; 3]);
        assert_eq!((stack.starts.as_slice(), stack.steps.len()), ([0, 3].as_slice(), 2 * 70));
        for (basis, start) in bases.iter().zip(&stack.starts) {
            for (i, row) in basis.rows().chunks(70).enumerate() {
                let at = start + i;
                for (k, value) in row.iter().enumerate() {
                    assert_eq!(stack.steps[at / PANEL * 70 + k][at % PANEL], *value);
                }
            }
        }
        assert_eq!(stack.steps[70..].iter().map(|step| step[2..].iter().sum::<f32>()).sum::<f32>(), 0.0);
    }
}
