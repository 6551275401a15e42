//! Intruder dimensions: strong directions of a tuned weight that the weight before did not have.
//!
//! - formula: for each of the first `top` left singular vectors u′ of W + ΔW, the largest |⟨u′, u⟩| over all min(d_out, d_in) left
//!   singular vectors u of W; below ε the direction is an intruder.
//! - source: Shuttleworth et al. 2024, "LoRA vs full fine-tuning: an illusion of equivalence"; the definition and both defaults are
//!   those of PEFT 0.21's `peft.tuners.lora.intruders`.
//! - range: 0 ≤ cosine ≤ 1; 0 ≤ count ≤ `top`.
//! - chance: a random direction has a largest |cosine| near √(2·ln(d)/d), 0.18 in 384 dimensions.
//! - needs: all left singular vectors of W and the first of W + ΔW.
//!
//! Where singular values of W are equal or nearly so, any update turns their vectors within the space that they span, and this
//! definition then counts a direction that W had as an intruder.

use serde::Serialize;

use super::{dot, same_shape};
use crate::basis::range_finder::SingularVectors;
use crate::error::{Fault, Result};

/// What is an intruder.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IntruderOptions {
    /// How many directions of the tuned weight are looked at: 10 in PEFT.
    pub top: usize,
    /// ε, above 0 and up to 1: 0.5 in PEFT.
    pub epsilon: f64,
}

impl Default for IntruderOptions {
    fn default() -> Self {
        Self { top: 10, epsilon: 0.5 }
    }
}

/// The first directions of a tuned weight next to all of the weight before.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Intruders {
    /// ε.
    pub epsilon: f64,
    /// For each direction the largest |cosine| with a known direction of W.
    pub cosines: Vec<f64>,
    /// The same with any direction of W, at most. It is the cosine where all of W's are known, and else at most what the known ones
    /// leave of the direction, √(1 − Σ cos²).
    pub at_most: Vec<f64>,
}

impl Intruders {
    /// Of the singular vectors of W, all of them or the first, and at least the first `top` of W + ΔW.
    ///
    /// # Errors
    /// `Invalid` when the shapes differ, for options out of range, for a W of zeros and for a tuned weight of which fewer directions
    /// are known.
    pub fn of(w: &SingularVectors, tuned: &SingularVectors, options: IntruderOptions) -> Result<Self> {
        let IntruderOptions { top, epsilon } = options;
        same_shape((w.d_out(), w.d_in()), (tuned.d_out(), tuned.d_in()))?;
        if top == 0 || !(epsilon > 0.0 && epsilon <= 1.0) {
            let found = format!("the top {top} directions and ε = {epsilon}");
            return Err(Fault::new(found, "1 or more, and ε above 0 and up to 1").of("intruders").invalid());
        }
        if w.n() == 0 {
            return Err(Fault::new("zeros", "a weight with directions").of("weight").invalid());
        }
        let (d_out, all) = (w.d_out(), w.d_out().min(w.d_in()));
        let n = top.min(all);
        if tuned.n() < n {
            let found = format!("{} directions", tuned.n());
            return Err(Fault::new(found, format!("the first {n}")).of("tuned weight").invalid());
        }
        let (mut cosines, mut at_most) = (vec![], vec![]);
        for direction in tuned.left().chunks_exact(d_out).take(n) {
            let (mut largest, mut squares) = (0.0f64, 0.0);
            for own in w.left().chunks_exact(d_out) {
                let cosine = dot(direction, own).abs();
                largest = largest.max(cosine);
                squares += cosine * cosine;
            }
            let largest = largest.min(1.0);
            let rest = if w.n() == all { 0.0 } else { (1.0 - squares).max(0.0).sqrt() };
            cosines.push(largest);
            at_most.push(largest.max(rest));
        }
        Ok(Self { epsilon, cosines, at_most })
    }

    /// How many directions are intruders for certain.
    pub fn count(&self) -> usize {
        self.at_most.iter().filter(|&&cosine| cosine < self.epsilon).count()
    }

    /// How many more may be: directions of W that are not known would decide. 0 where all are known.
    pub fn n_undecided(&self) -> usize {
        self.cosines.iter().filter(|&&cosine| cosine < self.epsilon).count() - self.count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::{Dtype, Matrix};
    use crate::basis::range_finder::{HowMany, LinearMap, RangeFinder};

    const OPTIONS: IntruderOptions = IntruderOptions { top: 3, epsilon: 0.5 };

    /// σₖ·(cos θₖ·e₂ₖ + sin θₖ·e₂ₖ₊₁)·eₖᵀ: W has the even directions and, weaker, the odd ones.
    fn turned(angles: &[f64], odd: f64) -> Matrix {
        let d = 2 * angles.len();
        let mut matrix = Matrix { rows: d, cols: d, dtype: Dtype::F64, values: vec![0.0; d * d] };
        for (k, angle) in angles.iter().enumerate() {
            let sigma = 20.0 - k as f64;
            matrix.values[2 * k * d + k] = sigma * angle.to_radians().cos();
            matrix.values[(2 * k + 1) * d + k] = sigma * angle.to_radians().sin();
            matrix.values[2 * k * d + angles.len() + k] = -odd * (k + 1) as f64 * angle.to_radians().sin();
            matrix.values[(2 * k + 1) * d + angles.len() + k] =
                odd * (k + 1) as f64 * angle.to_radians().cos();
        }
        matrix
    }

    #[test]
    fn turned_directions_have_the_cosine_of_the_nearer_one() {
        let w = SingularVectors::of(&turned(&[0.0; 4], 0.1)).unwrap();
        let tuned = SingularVectors::of(&turned(&[10.0, 45.0, 80.0, 20.0], 0.1)).unwrap();
        let found = Intruders::of(&w, &tuned, OPTIONS).unwrap();
        let expected = [10f64, 45.0, 10.0].map(|angle| angle.to_radians().cos());
        assert_eq!(found.cosines, found.at_most);
        for (found, expected) in found.cosines.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} for {expected}");
        }
        assert_eq!((found.count(), found.n_undecided()), (0, 0));
        let stricter = Intruders::of(&w, &tuned, IntruderOptions { top: 2, epsilon: 0.75 }).unwrap();
        assert_eq!((stricter.count(), stricter.cosines.len()), (1, 2));
    }

    #[test]
    fn a_direction_outside_of_a_narrow_weight_intrudes() {
        // W is 6 × 2, on e₁ and e₂; the tuned weight has e₅ first, with right directions that are as they were.
        let matrix = |values: [(usize, f64); 2]| {
            let mut matrix = Matrix { rows: 6, cols: 2, dtype: Dtype::F32, values: vec![0.0; 12] };
            values.into_iter().for_each(|(at, value)| matrix.values[at] = value);
            SingularVectors::of(&matrix).unwrap()
        };
        let (w, tuned) = (matrix([(0, 2.0), (3, 1.0)]), matrix([(8, 5.0), (3, 1.0)]));
        let found = Intruders::of(&w, &tuned, IntruderOptions::default()).unwrap();
        assert_eq!((found.cosines.len(), found.count()), (2, 1));
        assert!(found.cosines[0] < 1e-15 && (found.cosines[1] - 1.0).abs() < 1e-12);
        assert_eq!(Intruders::of(&w, &w, IntruderOptions::default()).unwrap().count(), 0);
    }

    #[test]
    fn some_directions_of_the_weight_decide_what_they_can() {
        let matrix = turned(&[0.0; 4], 0.1);
        let first = |n| {
            let found = RangeFinder::new(HowMany::Top(n)).find(&matrix as &dyn LinearMap).unwrap();
            SingularVectors::from(&found)
        };
        // 70° from the first one, so that what is left, 0.94, may be one direction or several; 5° from the second.
        let tuned = SingularVectors::of(&turned(&[70.0, 5.0, 5.0, 5.0], 0.1)).unwrap();
        let found = Intruders::of(&first(4), &tuned, OPTIONS).unwrap();
        assert_eq!((found.count(), found.n_undecided()), (0, 1));
        assert!((found.at_most[0] - 70f64.to_radians().sin()).abs() < 1e-5, "{found:?}");
        let all = Intruders::of(&SingularVectors::of(&matrix).unwrap(), &tuned, OPTIONS).unwrap();
        assert_eq!((all.count(), all.n_undecided()), (0, 0));
    }

    #[test]
    fn options_out_of_range_and_other_shapes_are_refused() {
        let w = SingularVectors::of(&turned(&[0.0; 4], 0.1)).unwrap();
        for options in [IntruderOptions { top: 0, ..OPTIONS }, IntruderOptions { epsilon: 0.0, ..OPTIONS }] {
            assert!(Intruders::of(&w, &w, options).is_err());
        }
        assert!(Intruders::of(&w, &w, IntruderOptions { epsilon: f64::NAN, ..OPTIONS }).is_err());
        let other = SingularVectors::of(&turned(&[0.0; 3], 0.1)).unwrap();
        let message = Intruders::of(&w, &other, OPTIONS).unwrap_err().to_string();
        assert_eq!(message, "update of a weight: found 6 × 6, expected 8 × 8");
    }
}
