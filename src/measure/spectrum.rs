//! The shape of a pair and what its singular values say.
//!
//! - formula: r is the rank of a factor; q ≤ min(r, d) its numerical rank, the singular values σ over the noise that rounding
//!   to the stored type leaves (`basis/noise.rs`); d the dimension of the space. Effective rank: exp(−Σ pₖ·ln pₖ), pₖ = σₖ/Σσ.
//! - source: effective rank, Roy & Vetterli 2007.
//! - range: 1 ≤ q ≤ r and q ≤ d; 1 ≤ effective rank ≤ q.
//! - chance: none.
//! - columns: `r_a`, `r_b`, `q_a`, `q_b`, `d`, whole numbers. The effective rank is `inspect`'s.
//! - needs: the two bases.

use super::needs::Needs;
use super::statistic::{Column, Columns, Kind, Statistic};

pub(super) const STATISTIC: Statistic = Statistic {
    key: "shape",
    needs: Needs::Spectra,
    columns: Columns::Fixed(&[
        Column { name: "r_a", kind: Kind::Int },
        Column { name: "r_b", kind: Kind::Int },
        Column { name: "q_a", kind: Kind::Int },
        Column { name: "q_b", kind: Kind::Int },
        Column { name: "d", kind: Kind::Int },
    ]),
    text: None,
    values: |batch| {
        Ok(vec![
            batch.ints(|pair| pair.a.basis.r()),
            batch.ints(|pair| pair.b.basis.r()),
            batch.ints(|pair| pair.a.basis.q()),
            batch.ints(|pair| pair.b.basis.q()),
            batch.ints(|pair| pair.d()),
        ])
    },
};

/// How many directions a spectrum has, by weight; 0 for none.
pub fn effective_rank(sigma: &[f64]) -> f64 {
    if sigma.is_empty() {
        return 0.0;
    }
    // Relative to the largest, so that the sum does not overflow.
    let largest = sigma.iter().fold(0.0, |largest: f64, &sigma| largest.max(sigma));
    let relative = || sigma.iter().map(|sigma| sigma / largest);
    let sum: f64 = relative().sum();
    // p·ln p of what vanishes next to the largest is 0.
    let entropy: f64 = relative().map(|x| x / sum).filter(|&p| p > 0.0).map(|p| -p * p.ln()).sum();
    entropy.exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_effective_rank_is_the_exponential_of_the_natural_entropy() {
        assert_eq!((effective_rank(&[]), effective_rank(&[7.0])), (0.0, 1.0));
        assert!((effective_rank(&[2.0; 5]) - 5.0).abs() < 1e-12);
        // Entropy 0.75·ln(4/3) + 0.25·ln 4 = 0.562335: another base of the logarithm would give another number.
        for unit in [1.0, 1e-300, 5e307] {
            assert!((effective_rank(&[3.0 * unit, unit]) - 1.754_765).abs() < 1e-6, "{unit:e}");
        }
        assert_eq!(effective_rank(&[1e300, 1e-300]), 1.0);
    }
}
