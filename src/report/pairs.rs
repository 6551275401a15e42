//! Sums over the modules of every pair of adapters.

/// Why a pair is left out of averages.
pub(super) const SHARED_INIT: u8 = 1;
pub(super) const OTHER_BASE: u8 = 2;

/// Sums of all unordered pairs of n adapters.
pub(crate) struct PairSums {
    n: usize,
    phi: Vec<f64>,
    excess: Vec<f64>,
    n_modules: Vec<u32>,
    marks: Vec<u8>,
}

/// A pair of two adapters, by their places, and its means over modules.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PairMean {
    pub(super) a: usize,
    pub(super) b: usize,
    pub(super) phi: f64,
    pub(super) excess: f64,
    pub(super) n_modules: u32,
    pub(super) marks: u8,
}

impl PairMean {
    pub(super) fn has_shared_init(&self) -> bool {
        self.marks & SHARED_INIT != 0
    }

    pub(super) fn has_other_base(&self) -> bool {
        self.marks & OTHER_BASE != 0
    }
}

impl PairSums {
    pub(super) fn new(n: usize) -> Self {
        let n_pairs = n * n.saturating_sub(1) / 2;
        Self {
            n,
            phi: vec![0.0; n_pairs],
            excess: vec![0.0; n_pairs],
            n_modules: vec![0; n_pairs],
            marks: vec![0; n_pairs],
        }
    }

    /// The adapters.
    pub(super) fn n(&self) -> usize {
        self.n
    }

    /// Where a pair of two different adapters stands: the upper triangle, row by row.
    fn place(&self, a: usize, b: usize) -> usize {
        let (a, b) = (a.min(b), a.max(b));
        a * (2 * self.n - a - 1) / 2 + b - a - 1
    }

    pub(super) fn add(&mut self, a: usize, b: usize, phi: f64, excess: f64, marks: u8) {
        let place = self.place(a, b);
        self.phi[place] += phi;
        self.excess[place] += excess;
        self.n_modules[place] += 1;
        self.marks[place] |= marks;
    }

    /// The means of a pair; `None` when it was not compared, or is one adapter twice.
    pub(super) fn get(&self, a: usize, b: usize) -> Option<PairMean> {
        if a == b {
            return None;
        }
        self.at(a.min(b), a.max(b), self.place(a, b))
    }

    fn at(&self, a: usize, b: usize, place: usize) -> Option<PairMean> {
        let n_modules = self.n_modules[place];
        let mean = |sum: f64| sum / f64::from(n_modules);
        let (phi, excess) = (mean(self.phi[place]), mean(self.excess[place]));
        (n_modules > 0).then_some(PairMean { a, b, phi, excess, n_modules, marks: self.marks[place] })
    }

    /// The pairs among some adapters, which stand in rising order.
    pub(super) fn only(&self, kept: &[usize]) -> Self {
        let places = kept.iter().enumerate().flat_map(|(n, &a)| kept[n + 1..].iter().map(move |&b| (a, b)));
        let places: Vec<usize> = places.map(|(a, b)| self.place(a, b)).collect();
        fn only<T: Copy>(values: &[T], places: &[usize]) -> Vec<T> {
            places.iter().map(|&place| values[place]).collect()
        }
        Self {
            n: kept.len(),
            phi: only(&self.phi, &places),
            excess: only(&self.excess, &places),
            n_modules: only(&self.n_modules, &places),
            marks: only(&self.marks, &places),
        }
    }

    /// All pairs that were compared, by their places.
    pub(super) fn iter(&self) -> impl Iterator<Item = PairMean> + '_ {
        let places = (0..self.n).flat_map(move |a| (a + 1..self.n).map(move |b| (a, b)));
        places.enumerate().filter_map(|(place, (a, b))| self.at(a, b, place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_has_a_place_of_its_own_in_either_order() {
        for n in [0, 1, 2, 3, 7] {
            let mut sums = PairSums::new(n);
            for a in 0..n {
                for b in 0..a {
                    sums.add(a, b, (a * 10 + b) as f64, 0.5, 0);
                    sums.add(b, a, (a * 10 + b) as f64, 1.5, SHARED_INIT);
                }
            }
            assert_eq!(sums.iter().count(), n * n.saturating_sub(1) / 2);
            for pair in sums.iter() {
                assert!(pair.a < pair.b && pair.n_modules == 2 && pair.has_shared_init());
                assert_eq!((pair.phi, pair.excess), ((pair.b * 10 + pair.a) as f64, 1.0));
                assert_eq!(sums.get(pair.b, pair.a), Some(pair));
            }
        }
        assert_eq!(PairSums::new(3).get(0, 2), None);
        assert_eq!(PairSums::new(3).get(1, 1), None);
    }

    #[test]
    fn the_pairs_among_some_adapters_keep_their_sums() {
        let mut sums = PairSums::new(5);
        for (a, b) in [(0, 1), (1, 3), (3, 4), (1, 4), (2, 4)] {
            sums.add(a, b, (10 * a + b) as f64, 0.0, 0);
        }
        let some = sums.only(&[1, 3, 4]);
        let phi: Vec<_> = some.iter().map(|pair| (pair.a, pair.b, pair.phi)).collect();
        assert_eq!(phi, [(0, 1, 13.0), (0, 2, 14.0), (1, 2, 34.0)]);
    }
}
