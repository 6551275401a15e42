//! What engines make of the product P = V₁ᵀ·V₂ of every pair: φ at cells, and the sums that statistics ask for.

use super::STATISTICS;
use super::needs::Needs;
use super::product::{Corner, ProductSum, Terms};

/// How many numbers engines make of a pair, on top of its cells.
pub const N_PRODUCT_SUMS: usize = count(None);

/// How many of these are φ, which come first.
pub const N_PLAIN_SUMS: usize = count(Some(Terms::Phi));

/// The sums that the statistics need, in the order in which engines put them after a pair's cells.
pub const PRODUCT_SUMS: [ProductSum; N_PRODUCT_SUMS] = {
    let mut sums = [ProductSum { terms: Terms::Phi, corner: Corner::Square }; N_PRODUCT_SUMS];
    let (mut k, mut n) = (0, 0);
    while k < STATISTICS.len() {
        if let Needs::Product(sum) = STATISTICS[k].needs {
            sums[n] = sum;
            n += 1;
        }
        k += 1;
    }
    sums
};

// The kernels make the sums of the squares first and those of their weighted terms after them.
const _: () = {
    let mut k = 0;
    while k < N_PRODUCT_SUMS {
        assert!((k < N_PLAIN_SUMS) == matches!(PRODUCT_SUMS[k].terms, Terms::Phi));
        k += 1;
    }
};

/// Sums in the registry, of these terms or of all.
const fn count(terms: Option<Terms>) -> usize {
    let (mut k, mut n) = (0, 0);
    while k < STATISTICS.len() {
        if let Needs::Product(sum) = STATISTICS[k].needs {
            let counts = match terms {
                None => true,
                Some(terms) => terms as u8 == sum.terms as u8,
            };
            n += counts as usize;
        }
        k += 1;
    }
    n
}

impl ProductSum {
    /// Its place in [`PRODUCT_SUMS`].
    ///
    /// # Panics
    /// When no statistic needs it.
    pub const fn place(self) -> usize {
        let mut k = 0;
        while k < N_PRODUCT_SUMS {
            let sum = PRODUCT_SUMS[k];
            if sum.terms as u8 == self.terms as u8 && sum.corner as u8 == self.corner as u8 {
                return k;
            }
            k += 1;
        }
        panic!("a sum that no statistic needs")
    }
}

/// What an engine made of the pairs of a block, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockStats {
    n_cells: usize,
    values: Vec<f32>,
    fallback: Option<String>,
}

/// What an engine made of one pair: rounding may leave a value a few ulp outside its range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairStats<'a> {
    /// φ at the block's cells; NaN for a cell over the pair's ranks.
    pub phi: &'a [f32],
    /// The [`PRODUCT_SUMS`].
    pub sums: &'a [f32],
}

impl PairStats<'_> {
    /// One of the sums.
    ///
    /// # Panics
    /// When no statistic needs it.
    #[inline(always)]
    pub fn sum(&self, sum: ProductSum) -> f32 {
        self.sums[sum.place()]
    }
}

impl BlockStats {
    /// Numbers of a pair, where `n_cells` cells are wanted.
    pub const fn n_numbers(n_cells: usize) -> usize {
        n_cells + N_PRODUCT_SUMS
    }

    /// From the numbers of each pair: φ at the cells, then the [`PRODUCT_SUMS`].
    ///
    /// # Panics
    /// When the count of numbers is not a multiple of [`BlockStats::n_numbers`].
    pub fn new(n_cells: usize, values: Vec<f32>) -> Self {
        assert!(values.len().is_multiple_of(Self::n_numbers(n_cells)), "{} numbers", values.len());
        Self { n_cells, values, fallback: None }
    }

    /// The same, marked as made by another way than the engine's own, and why.
    pub fn by_fallback(self, why: impl Into<String>) -> Self {
        Self { fallback: Some(why.into()), ..self }
    }

    /// The same of the pairs at these places.
    #[cfg(feature = "scan")]
    pub(crate) fn only(&self, places: &[usize]) -> Self {
        let n = Self::n_numbers(self.n_cells);
        let values = places.iter().flat_map(|&at| &self.values[at * n..][..n]).copied().collect();
        Self { n_cells: self.n_cells, values, fallback: self.fallback.clone() }
    }

    /// Which fallback made these numbers, and why the engine could not.
    pub fn fallback(&self) -> Option<&str> {
        self.fallback.as_deref()
    }

    /// How many pairs.
    pub fn n_pairs(&self) -> usize {
        self.values.len() / Self::n_numbers(self.n_cells)
    }

    /// What was made of each pair.
    pub fn pairs(&self) -> impl ExactSizeIterator<Item = PairStats<'_>> {
        self.values.chunks_exact(Self::n_numbers(self.n_cells)).map(|values| {
            let (phi, sums) = values.split_at(self.n_cells);
            PairStats { phi, sums }
        })
    }
}
