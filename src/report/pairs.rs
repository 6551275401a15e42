//! Sums over the modules of every pair of adapters.

use std::collections::BTreeMap;

use super::by::By;

/// Why a pair is left out of averages.
pub(super) const SHARED_INIT: u8 = 1;
pub(super) const OTHER_BASE: u8 = 2;

/// The most quantities of a pair: what was chosen, and those that every report has.
pub(super) const N_QUANTITIES: usize = 4;

/// What a module says of a pair: a value of each quantity, the chosen one first, NaN past the last.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct RowValues {
    pub(super) values: [f64; N_QUANTITIES],
    /// ‖ΔW‖ of the two updates, for the cosine; NaN without it.
    pub(super) norms: [f64; 2],
}

/// Pairs of more adapters than this are kept only where they were compared: most of them were not.
const MAX_DENSE: usize = 10_000;

/// Sums of unordered pairs of n adapters.
pub(crate) struct PairSums {
    n: usize,
    by: By,
    n_quantities: usize,
    /// Where each pair stands, unless all of them do.
    places: Option<BTreeMap<(u32, u32), usize>>,
    /// `n_quantities` numbers a pair.
    sums: Vec<f64>,
    /// √Σ‖ΔW‖² of either adapter of a pair, for the cosine only, whose sum is that of the whole updates.
    norms: Vec<[f64; 2]>,
    n_modules: Vec<u32>,
    marks: Vec<u8>,
}

/// A pair of two adapters, by their places, and its means over modules.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PairMean {
    pub(super) a: usize,
    pub(super) b: usize,
    /// Of each quantity, the chosen one first.
    pub(super) means: [f64; N_QUANTITIES],
    pub(super) n_modules: u32,
    pub(super) marks: u8,
}

impl PairMean {
    /// The mean of the chosen quantity.
    pub(super) fn value(&self) -> f64 {
        self.means[0]
    }

    pub(super) fn has_shared_init(&self) -> bool {
        self.marks & SHARED_INIT != 0
    }

    pub(super) fn has_other_base(&self) -> bool {
        self.marks & OTHER_BASE != 0
    }
}

impl PairSums {
    pub(super) fn new(n: usize, by: By) -> Self {
        Self::with_limit(n, by, MAX_DENSE)
    }

    fn with_limit(n: usize, by: By, max_dense: usize) -> Self {
        let is_dense = n <= max_dense;
        let n_pairs = if is_dense { n * n.saturating_sub(1) / 2 } else { 0 };
        let n_quantities = by.and_others().len();
        Self {
            n,
            by,
            n_quantities,
            places: (!is_dense).then(BTreeMap::new),
            sums: vec![0.0; n_pairs * n_quantities],
            norms: if by == By::Cosine { vec![[0.0; 2]; n_pairs] } else { vec![] },
            n_modules: vec![0; n_pairs],
            marks: vec![0; n_pairs],
        }
    }

    /// The adapters.
    pub(super) fn n(&self) -> usize {
        self.n
    }

    /// How many pairs take memory.
    pub(super) fn n_kept(&self) -> usize {
        self.marks.len()
    }

    /// Where a pair of two different adapters stands: the upper triangle, row by row; or as they came. `None`: nothing was said
    /// of it.
    fn place(&self, a: usize, b: usize) -> Option<usize> {
        let (a, b) = (a.min(b), a.max(b));
        match &self.places {
            None => Some(a * (2 * self.n - a - 1) / 2 + b - a - 1),
            Some(places) => places.get(&(a as u32, b as u32)).copied(),
        }
    }

    /// The same, and makes a place for it.
    fn place_for(&mut self, a: usize, b: usize) -> usize {
        if let Some(place) = self.place(a, b) {
            return place;
        }
        let place = self.marks.len();
        if let Some(places) = &mut self.places {
            places.insert((a.min(b) as u32, a.max(b) as u32), place);
        }
        self.sums.extend(std::iter::repeat_n(0.0, self.n_quantities));
        self.norms.extend((self.by == By::Cosine).then_some([0.0; 2]));
        self.n_modules.push(0);
        self.marks.push(0);
        place
    }

    /// Marks a pair.
    pub(super) fn mark(&mut self, a: usize, b: usize, marks: u8) {
        let place = self.place_for(a, b);
        self.marks[place] |= marks;
    }

    /// The marks of a pair of two different adapters.
    pub(super) fn marks(&self, a: usize, b: usize) -> u8 {
        self.place(a, b).map_or(0, |place| self.marks[place])
    }

    pub(super) fn add(&mut self, a: usize, b: usize, row: &RowValues) {
        let place = self.place_for(a, b);
        let mut values = row.values;
        let sums = &mut self.sums[place * self.n_quantities..][..self.n_quantities];
        if let Some(norms) = self.norms.get_mut(place) {
            // By adapter, not by column: the table may have the pair in either order.
            let added = if a < b { row.norms } else { [row.norms[1], row.norms[0]] };
            sums[0] = grown_cosine(sums[0], norms, values[0], added);
            values[0] = 0.0;
        }
        sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        self.n_modules[place] += 1;
    }

    /// Adds a module without a cosine, since an update of it is zero: it is a part of the whole updates all the same. One that
    /// is not known counts nowhere.
    pub(super) fn add_zero(&mut self, a: usize, b: usize, norms: [f64; 2]) {
        let place = self.place_for(a, b);
        let is_zero = norms.contains(&0.0) && !norms.iter().any(|norm| norm.is_nan());
        if let Some(whole) = self.norms.get_mut(place)
            && is_zero
        {
            let added = if a < b { norms } else { [norms[1], norms[0]] };
            let sum = &mut self.sums[place * self.n_quantities];
            *sum = grown_cosine(*sum, whole, 0.0, added);
        }
    }

    /// The means of a pair; `None` when it was not compared, or is one adapter twice.
    pub(super) fn get(&self, a: usize, b: usize) -> Option<PairMean> {
        if a == b {
            return None;
        }
        self.at(a.min(b), a.max(b), self.place(a, b)?)
    }

    fn at(&self, a: usize, b: usize, place: usize) -> Option<PairMean> {
        let n_modules = self.n_modules[place];
        if n_modules == 0 {
            return None;
        }
        let mut means = [f64::NAN; N_QUANTITIES];
        let sums = &self.sums[place * self.n_quantities..][..self.n_quantities];
        means.iter_mut().zip(sums).for_each(|(mean, sum)| *mean = sum / f64::from(n_modules));
        if !self.norms.is_empty() {
            means[0] = sums[0];
        }
        Some(PairMean { a, b, means, n_modules, marks: self.marks[place] })
    }

    /// The pairs among some adapters, which stand in rising order.
    pub(super) fn only(&self, kept: &[usize]) -> Self {
        let mut is_at = vec![None; self.n];
        kept.iter().enumerate().for_each(|(at, &adapter)| is_at[adapter] = Some(at));
        let mut only =
            Self::with_limit(kept.len(), self.by, if self.places.is_some() { 0 } else { MAX_DENSE });
        for (a, b, place) in self.all() {
            let (Some(x), Some(y)) = (is_at[a], is_at[b]) else { continue };
            let to = only.place_for(x, y);
            let n = self.n_quantities;
            only.sums[to * n..][..n].copy_from_slice(&self.sums[place * n..][..n]);
            only.n_modules[to] = self.n_modules[place];
            only.marks[to] = self.marks[place];
            if let (Some(to), Some(from)) = (only.norms.get_mut(to), self.norms.get(place)) {
                *to = *from;
            }
        }
        only
    }

    /// All pairs that were compared, by their places.
    pub(super) fn iter(&self) -> impl Iterator<Item = PairMean> + '_ {
        self.all().filter_map(|(a, b, place)| self.at(a, b, place))
    }

    /// Every pair that has a place, a < b, row by row.
    fn all(&self) -> Box<dyn Iterator<Item = (usize, usize, usize)> + '_> {
        match &self.places {
            None => {
                let pairs = (0..self.n).flat_map(move |a| (a + 1..self.n).map(move |b| (a, b)));
                Box::new(pairs.enumerate().map(|(place, (a, b))| (a, b, place)))
            }
            Some(places) => Box::new(places.iter().map(|(&(a, b), &place)| (a as usize, b as usize, place))),
        }
    }
}

/// The cosine of two whole updates with one more module: as ratios of norms, whose squares might vanish or overflow.
fn grown_cosine(cosine: f64, norms: &mut [f64; 2], added: f64, added_norms: [f64; 2]) -> f64 {
    let (mut before, mut now) = (cosine, added);
    for (norm, added) in norms.iter_mut().zip(added_norms) {
        let whole = norm.hypot(added);
        if whole > 0.0 {
            before *= *norm / whole;
            now *= added / whole;
        }
        *norm = whole;
    }
    before + now
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A row whose chosen quantity is this.
    pub(in crate::report) fn row(value: f64) -> RowValues {
        RowValues { values: [value, 0.5, 0.25, f64::NAN], norms: [f64::NAN; 2] }
    }

    #[test]
    fn every_pair_has_a_place_of_its_own_in_either_order() {
        for n in [0, 1, 2, 3, 7] {
            for max_dense in [0, 10] {
                let mut sums = PairSums::with_limit(n, By::Adjusted, max_dense);
                for a in 0..n {
                    for b in 0..a {
                        sums.add(a, b, &row((a * 10 + b) as f64 + 0.5));
                        sums.add(b, a, &row((a * 10 + b) as f64 - 0.5));
                        sums.mark(b, a, SHARED_INIT);
                        assert_eq!(sums.marks(a, b), SHARED_INIT);
                    }
                }
                assert_eq!(sums.iter().count(), n * n.saturating_sub(1) / 2);
                for pair in sums.iter() {
                    assert!(pair.a < pair.b && pair.n_modules == 2 && pair.has_shared_init());
                    assert_eq!(pair.means[..3], [(pair.b * 10 + pair.a) as f64, 0.5, 0.25]);
                    let other = sums.get(pair.b, pair.a).unwrap();
                    assert_eq!((other.a, other.b, other.value()), (pair.a, pair.b, pair.value()));
                }
            }
        }
        assert!(PairSums::new(3, By::Adjusted).get(0, 2).is_none());
        assert!(PairSums::new(3, By::Adjusted).get(1, 1).is_none());
    }

    #[test]
    fn the_cosine_of_a_pair_is_that_of_the_whole_updates() {
        // Modules of other sizes: the mean of the two cosines would be 0.
        let rows = [(1.0, [3.0, 4.0]), (-1.0, [1.0, 0.5])];
        for max_dense in [0, 3] {
            let mut sums = PairSums::with_limit(3, By::Cosine, max_dense);
            for (cosine, norms) in rows {
                sums.add(2, 1, &RowValues { values: [cosine, 0.2, 0.3, 0.4], norms: [norms[1], norms[0]] });
                sums.add(0, 1, &RowValues { values: [cosine, 0.2, 0.3, 0.4], norms });
            }
            // A module that only one has trained, and one of NaN.
            sums.add_zero(0, 1, [2.0, 0.0]);
            sums.add_zero(2, 1, [0.0, 2.0]);
            sums.add_zero(0, 1, [f64::NAN, 1.0]);
            let expected = (3.0 * 4.0 - 0.5) / ((9.0f64 + 1.0 + 4.0) * (16.0 + 0.25)).sqrt();
            // Whose squares are no numbers.
            for unit in [1e-300, 1e300] {
                let mut sums = PairSums::with_limit(2, By::Cosine, max_dense);
                for (cosine, norms) in rows {
                    let norms = norms.map(|norm| norm * unit);
                    sums.add(0, 1, &RowValues { values: [cosine, 0.2, 0.3, 0.4], norms });
                }
                sums.add_zero(0, 1, [2.0 * unit, 0.0]);
                assert!((sums.get(0, 1).unwrap().means[0] - expected).abs() < 1e-12);
            }
            for pair in [sums.get(0, 1), sums.get(1, 2), sums.only(&[1, 2]).get(0, 1)] {
                let means = pair.unwrap().means;
                assert!((means[0] - expected).abs() < 1e-12, "{means:?}");
                assert!((means[1] - 0.2).abs() < 1e-12 && (means[3] - 0.4).abs() < 1e-12, "{means:?}");
            }
        }
    }

    #[test]
    fn the_pairs_among_some_adapters_keep_their_sums() {
        for max_dense in [0, 5] {
            let mut sums = PairSums::with_limit(5, By::PhiFull, max_dense);
            for (a, b) in [(0, 1), (1, 3), (3, 4), (1, 4), (2, 4)] {
                sums.add(a, b, &row((10 * a + b) as f64));
            }
            let some = sums.only(&[1, 3, 4]);
            let values: Vec<_> = some.iter().map(|pair| (pair.a, pair.b, pair.value())).collect();
            assert_eq!(values, [(0, 1, 13.0), (0, 2, 14.0), (1, 2, 34.0)]);
        }
    }
}
