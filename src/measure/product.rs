//! Sums over the squares of the product P = V₁ᵀ·V₂ of a pair.

/// A sum over the squares of P, which every engine makes for every pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProductSum {
    /// What is added up.
    pub terms: Terms,
    /// Up to where.
    pub corner: Corner,
}

/// The terms of a sum over a corner of i × j cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terms {
    /// P²ᵢⱼ / min(i, j): the sum is φ(i, j).
    Phi,
    /// wᵢ·wⱼ·P²ᵢⱼ, w = σ² / √Σσ⁴ over the basis.
    Weighted,
}

/// A corner of the product of a basis of q_a vectors with one of q_b.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Corner {
    /// m × m, m = min(q_a, q_b).
    Square,
    /// All of it.
    Whole,
}

impl Corner {
    /// Its last cell (i, j), counted from 1.
    #[inline(always)]
    pub fn cell(self, q_a: usize, q_b: usize) -> (usize, usize) {
        match self {
            Self::Square => (q_a.min(q_b), q_a.min(q_b)),
            Self::Whole => (q_a, q_b),
        }
    }
}
