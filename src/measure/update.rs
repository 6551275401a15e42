//! The two updates ΔW = s·B·A themselves: their directions, signed, and their lengths.
//!
//! - formula: cosine = ⟨ΔW₁, ΔW₂⟩_F / (‖ΔW₁‖·‖ΔW₂‖), norm = ‖ΔW‖_F with the scaling s, cosine_z = cosine·√(d_in·d_out).
//!   ΔW is never formed: ⟨ΔW₁, ΔW₂⟩ = s₁·s₂·Σ_kl (B₁ᵀ·B₂)_kl·(A₁·A₂ᵀ)_kl. Of a whole model:
//!   Σ⟨ΔW₁, ΔW₂⟩ / √(Σ‖ΔW₁‖²·Σ‖ΔW₂‖²) over its modules ([`whole`]).
//! - source: the cosine of task vectors, Ilharco et al. 2023, on the update that an adapter adds to a weight.
//! - range: the cosine is in \[−1, 1\], clamped here: 1 for the same update at any scale, −1 for its negation. Norms are 0 or
//!   more. The cosine is null where one update is zero, or the two have different shapes.
//! - chance: for updates turned at random and independently, the cosine has mean 0 and variance 1/(d_in·d_out), whatever
//!   the ranks and singular values, so that cosine_z has variance 1.
//! - error: at most 1e-5 for the cosine of a scan, from factors in f32; `compare` computes in f64.
//! - columns: `cosine`, `cosine_z`, `norm_a` and `norm_b`, numbers or null, for those who ask for them.
//! - needs: A and B of both.

use super::batch::{Member, PairView};
use super::needs::Needs;
use super::statistic::{Column, Columns, Kind, Statistic, Text};

/// Above the cosines in a table for people.
pub(crate) const COSINE_HEADING: &str = "cos ΔW (z)";
/// Above the norms.
pub(crate) const NORMS_HEADING: &str = "‖ΔW‖ a, b";

/// A cosine and its z in a table for people.
pub(crate) fn cosine_text(values: &[f64]) -> String {
    format!("{:+.3} ({:.1})", values[0], values[1])
}

/// Two norms.
pub(crate) fn norms_text(values: &[f64]) -> String {
    values.iter().map(|&norm| norm_text(norm, 3)).collect::<Vec<_>>().join(", ")
}

/// A norm in so many decimals, where they say something and do not fill the line.
pub(crate) fn norm_text(norm: f64, decimals: usize) -> String {
    let least = 0.5 * 10f64.powi(-(decimals as i32));
    if norm == 0.0 || (least..1e6).contains(&norm) || !norm.is_finite() {
        format!("{norm:.decimals$}")
    } else {
        format!("{norm:.2e}")
    }
}

pub(super) const COSINE: Statistic = Statistic {
    key: "cosine",
    needs: Needs::Updates,
    columns: Columns::Optional {
        columns: &[
            Column { name: "cosine", kind: Kind::OptionalFloat },
            Column { name: "cosine_z", kind: Kind::OptionalFloat },
        ],
        is_wanted: |wanted| wanted.update,
    },
    text: Some(Text { heading: COSINE_HEADING, cell: cosine_text }),
    values: |batch| {
        if !batch.wanted.update {
            return Ok(vec![]);
        }
        let root =
            |pair: &PairView<'_>| pair.a.update.map_or(f64::NAN, |update| (update.n_weights as f64).sqrt());
        Ok(vec![batch.numbers(|pair| cosine(&pair)), batch.numbers(|pair| cosine(&pair) * root(&pair))])
    },
};

pub(super) const NORMS: Statistic = Statistic {
    key: "norms",
    needs: Needs::Updates,
    columns: Columns::Optional {
        columns: &[
            Column { name: "norm_a", kind: Kind::OptionalDouble },
            Column { name: "norm_b", kind: Kind::OptionalDouble },
        ],
        is_wanted: |wanted| wanted.update,
    },
    text: Some(Text { heading: NORMS_HEADING, cell: norms_text }),
    values: |batch| {
        if !batch.wanted.update {
            return Ok(vec![]);
        }
        let norm = |member: &Member<'_>| member.update.map_or(f64::NAN, |update| update.norm);
        Ok(vec![batch.numbers(|pair| norm(pair.a)), batch.numbers(|pair| norm(pair.b))])
    },
};

/// In [−1, 1], or NaN.
#[inline(always)]
fn cosine(pair: &PairView<'_>) -> f64 {
    pair.cosine.clamp(-1.0, 1.0)
}

/// The cosine and the two norms of one module's updates.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct UpdatePair {
    /// cos(ΔW₁, ΔW₂); `None` where one is zero or the shapes differ.
    pub cosine: Option<f64>,
    /// ‖ΔW₁‖_F and ‖ΔW₂‖_F; NaN where the numbers are not finite, so that the update is not known.
    pub norms: [f64; 2],
    /// d_in·d_out.
    pub n_weights: usize,
    /// The norm of the error that rounding A and B to their storage type is expected to have left in each update.
    pub rounding: [f64; 2],
    /// The ranks of the factors.
    pub ranks: [usize; 2],
    /// Whether A, B and the scaling of the two are equal, number by number.
    pub same_factors: bool,
}

impl UpdatePair {
    /// Whether both updates are known, zero or not.
    pub fn is_known(&self) -> bool {
        !self.norms.iter().any(|norm| norm.is_nan())
    }
}

/// The updates of whole models: of the modules in which both are known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WholeUpdate {
    /// How many modules that is.
    pub n_modules: usize,
    /// Σ⟨ΔW₁, ΔW₂⟩ / √(Σ‖ΔW₁‖²·Σ‖ΔW₂‖²); `None` where a module has no cosine, unless an update of it is zero.
    pub cosine: Option<f64>,
    /// √Σ‖ΔW‖² of each.
    pub norms: [f64; 2],
    /// Σ⟨ΔW₁, ΔW₂⟩ in its standard deviations for independent updates, √Σ(‖ΔW₁‖²·‖ΔW₂‖²/(d_in·d_out)).
    pub z: Option<f64>,
}

/// The updates of these modules, taken as one vector, without those that are not known in one of the two.
pub fn whole(pairs: impl IntoIterator<Item = UpdatePair>) -> WholeUpdate {
    let mut sums = UpdateSums::default();
    pairs.into_iter().for_each(|pair| sums.add(pair.cosine, pair.norms, pair.n_weights));
    sums.whole()
}

/// What the modules of two adapters add up to, for [`whole`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct UpdateSums {
    n_modules: usize,
    /// Σ⟨ΔW₁, ΔW₂⟩.
    inner: Option<f64>,
    /// Σ‖ΔW‖² of each.
    squares: [f64; 2],
    /// Σ(‖ΔW₁‖²·‖ΔW₂‖²/(d_in·d_out)).
    variance: f64,
    /// What the norms of each are in units of: the powers of two at the largest so far, so that no power of theirs vanishes or
    /// overflows.
    units: [f64; 2],
}

impl Default for UpdateSums {
    fn default() -> Self {
        Self { n_modules: 0, inner: Some(0.0), squares: [0.0; 2], variance: 0.0, units: [0.0; 2] }
    }
}

impl UpdateSums {
    /// Adds a module, unless an update of it is not known: its norm is NaN.
    pub(crate) fn add(&mut self, cosine: Option<f64>, norms: [f64; 2], n_weights: usize) {
        if norms.iter().any(|norm| norm.is_nan()) {
            return;
        }
        self.n_modules += 1;
        let is_zero = norms.contains(&0.0);
        let norms = [0, 1].map(|side| self.in_units(side, norms[side]));
        let product = norms[0] * norms[1];
        let term = if is_zero { Some(0.0) } else { cosine.map(|cosine| cosine * product) };
        self.variance += product * product / n_weights as f64;
        self.inner = self.inner.zip(term).map(|(inner, term)| inner + term);
        self.squares.iter_mut().zip(norms).for_each(|(sum, norm)| *sum += norm * norm);
    }

    /// The norm in units of a side, which become larger for a larger one, as do the sums.
    fn in_units(&mut self, side: usize, norm: f64) -> f64 {
        if norm == 0.0 {
            return 0.0;
        }
        let unit = norm.log2().floor().clamp(-1022.0, 1023.0).exp2();
        if unit > self.units[side] {
            let shrink = self.units[side] / unit;
            self.squares[side] *= shrink * shrink;
            self.variance *= shrink * shrink;
            self.inner = self.inner.map(|inner| inner * shrink);
            self.units[side] = unit;
        }
        norm / self.units[side]
    }

    /// Of all modules that were added.
    pub(crate) fn whole(&self) -> WholeUpdate {
        let roots = self.squares.map(f64::sqrt);
        let norms = [0, 1].map(|side| roots[side] * self.units[side]);
        let cosine =
            self.inner.map(|inner| inner / (roots[0] * roots[1])).filter(|cosine| cosine.is_finite());
        let z = cosine.and(self.inner).map(|inner| inner / self.variance.sqrt());
        let cosine = cosine.map(|cosine| cosine.clamp(-1.0, 1.0));
        WholeUpdate { n_modules: self.n_modules, cosine, norms, z }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_model_is_one_vector_of_all_its_modules() {
        let module = |cosine, norms| UpdatePair { cosine, norms, n_weights: 9, ..UpdatePair::default() };
        // (3, 0 | 4, 0) and (3, 0 | 0, 4): inner product 9 of norms 5 and 5.
        let found = whole([module(Some(1.0), [3.0, 3.0]), module(Some(0.0), [4.0, 4.0])]);
        assert_eq!((found.cosine, found.norms), (Some(9.0 / 25.0), [5.0, 5.0]));
        // Inner products of 9 and 0, whose standard deviations are 3 and 16/3.
        assert!((found.z.unwrap() - 9.0 / (9.0f64 + 256.0 / 9.0).sqrt()).abs() < 1e-12);
        // A module that only one has trained adds to its norm.
        let found = whole([module(Some(-1.0), [3.0, 1.0]), module(None, [4.0, 0.0])]);
        assert_eq!((found.cosine, found.norms), (Some(-3.0 / 5.0), [5.0, 1.0]));
        assert_eq!(whole([module(None, [4.0, 1.0])]).cosine, None);
        assert_eq!(whole([module(None, [0.0, 0.0])]).cosine, None);
        assert_eq!(whole([]).cosine, None);
    }

    #[test]
    fn a_whole_model_is_the_same_in_any_unit_and_in_any_order() {
        let modules =
            [(Some(0.5), [3.0, 2.0]), (None, [4.0, 0.0]), (Some(-0.3), [1.0, 7.0]), (None, [0.0, 0.0])];
        let found = |units: [f64; 2], turn: usize| {
            let mut pairs = modules.map(|(cosine, norms)| {
                let norms = [norms[0] * units[0], norms[1] * units[1]];
                UpdatePair { cosine, norms, n_weights: 9, ..UpdatePair::default() }
            });
            pairs.rotate_left(turn);
            whole(pairs)
        };
        let expected = found([1.0, 1.0], 0);
        let near = |x: f64, y: f64| assert!((x / y - 1.0).abs() < 1e-12, "{x} for {y}");
        for units in [[1e150, 1e-150], [1e-300, 1e-300], [1e300, 1e300], [1e-160, 1e76]] {
            for turn in 0..modules.len() {
                let found = found(units, turn);
                near(found.cosine.unwrap(), expected.cosine.unwrap());
                near(found.z.unwrap(), expected.z.unwrap());
                (0..2).for_each(|side| near(found.norms[side] / units[side], expected.norms[side]));
            }
        }
    }

    #[test]
    fn norms_are_shown_with_digits_whatever_their_size() {
        assert_eq!(norms_text(&[1.5, 0.0]), "1.500, 0.000");
        assert_eq!(norms_text(&[123_456.789, 6e-4]), "123456.789, 0.001");
        assert_eq!(norms_text(&[3.25e76, 1.2e-84]), "3.25e76, 1.20e-84");
    }

    #[test]
    fn a_module_whose_update_is_not_known_counts_nowhere_and_a_zero_one_does() {
        let module = |cosine, norms| UpdatePair { cosine, norms, n_weights: 9, ..UpdatePair::default() };
        let known = [module(Some(0.5), [3.0, 2.0]), module(None, [4.0, 0.0])];
        let of_known = whole(known);
        assert_eq!((of_known.n_modules, of_known.norms), (2, [5.0, 2.0]));
        for norms in [[f64::NAN, 7.0], [7.0, f64::NAN], [f64::NAN; 2]] {
            assert_eq!(whole([known[0], module(None, norms), known[1]]), of_known);
        }
    }
}
