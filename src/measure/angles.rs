//! The principal angles of a pair, for those who ask for them.
//!
//! - formula: θ_k = arccos of the singular values of P = V₁ᵀ·V₂, m = min(q_a, q_b) of them. Distances of the smaller subspace
//!   from the nearest one of its dimension in the larger: geodesic ‖θ‖₂ in radians, the length of the shortest path on the
//!   Grassmannian; chordal √Σ sin²θ_k = √(m·(1 − φ(q_a, q_b))), a 1/√2 of the Frobenius distance of the two projections where the
//!   ranks are equal; and the largest angle.
//! - source: angles, Björck & Golub 1973; geodesic, Edelman, Arias & Smith 1998, section 4.3; chordal, Conway, Hardin & Sloane
//!   1996.
//! - range: angles 0° to 90°, the smallest first; null past the pair's ranks. 0 ≤ geodesic ≤ √m·π/2, 0 ≤ chordal ≤ √m; both are
//!   0 for a subspace that contains the other.
//! - chance: the squared cosines are those of a Jacobi ensemble; their mean is `baseline_full`, so that E chordal² is
//!   m·(1 − max(q_a, q_b)/d).
//! - columns: `angle_K`, numbers or null; `geodesic`, `chordal`, `angle_max`, numbers.
//! - needs: the bases, for an SVD of its own for every pair.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};
use rayon::prelude::*;

use super::needs::Needs;
use super::statistic::{Column, Columns, Kind, Statistic, Text};
use super::values::Values;
use crate::basis::Basis;
use crate::error::{Fault, Result};

pub(super) const STATISTIC: Statistic = Statistic {
    key: "angles",
    needs: Needs::Bases,
    columns: Columns::Family {
        patterns: &["angle_K"],
        kind: Kind::OptionalFloat,
        names: |wanted| {
            let n_angles = if wanted.angles { wanted.max_rank } else { 0 };
            (1..=n_angles).map(|k| format!("angle_{k}")).collect()
        },
        also: &[
            Column { name: "geodesic", kind: Kind::Float },
            Column { name: "chordal", kind: Kind::Float },
            Column { name: "angle_max", kind: Kind::Float },
        ],
    },
    text: Some(Text {
        heading: "angles, degrees",
        cell: |values| format!("{:.1} to {:.1}", values[0], values[values.len() - 1]),
    }),
    values: |batch| {
        if !batch.wanted.angles {
            return Ok(vec![]);
        }
        let of = |&(a, b): &(usize, usize)| principal_angles(batch.a[a].basis, batch.b[b].basis);
        let angles: Vec<Vec<f64>> = batch.places.par_iter().map(of).collect::<Result<_>>()?;
        let column = |of: &dyn Fn(&[f64]) -> f64| {
            Values::Floats(angles.iter().map(|angles| of(angles) as f32).collect())
        };
        let angle = |k: usize| column(&|angles| angles.get(k).map_or(f64::NAN, |angle| angle.to_degrees()));
        let mut columns: Vec<Values> = (0..batch.wanted.max_rank).map(angle).collect();
        if !columns.is_empty() {
            columns.extend([
                column(&geodesic),
                column(&chordal),
                column(&|angles| largest(angles).to_degrees()),
            ]);
        }
        Ok(columns)
    },
};

/// ‖θ‖₂, in radians as the angles are.
fn geodesic(angles: &[f64]) -> f64 {
    angles.iter().map(|angle| angle * angle).sum::<f64>().sqrt()
}

/// √Σ sin²θ.
fn chordal(angles: &[f64]) -> f64 {
    angles.iter().map(|angle| angle.sin() * angle.sin()).sum::<f64>().sqrt()
}

fn largest(angles: &[f64]) -> f64 {
    angles.last().copied().unwrap_or(f64::NAN)
}

/// The min(q_a, q_b) principal angles between two bases in radians, the smallest first, in f64 from the f32 bases: angles
/// under 3e-4, or 0.02°, are lost in their rounding.
///
/// # Errors
/// `Invalid` when the bases have different d.
fn principal_angles(a: &Basis, b: &Basis) -> Result<Vec<f64>> {
    if a.d() != b.d() {
        let found = format!("bases in {} and {} dimensions", a.d(), b.d());
        return Err(Fault::new(found, "the same d for both").of("pair").invalid());
    }
    let wide = |basis: &Basis| basis.rows().iter().map(|&value| f64::from(value)).collect::<Vec<f64>>();
    let (rows_a, rows_b) = (wide(a), wide(b));
    let mut product = Mat::<f64>::zeros(a.q(), b.q());
    matmul(
        product.as_mut(),
        Accum::Replace,
        MatRef::from_row_major_slice(&rows_a, a.q(), a.d()),
        MatRef::from_row_major_slice(&rows_b, b.q(), b.d()).transpose(),
        1.0,
        Par::Seq,
    );
    let cosines = product.singular_values().map_err(|error| {
        Fault::new(format!("{error:?}"), "an SVD that converges").of("principal angles").invalid()
    })?;
    Ok(cosines.iter().map(|cosine| cosine.clamp(0.0, 1.0).acos()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn degrees(a: &Basis, b: &Basis) -> Vec<f64> {
        principal_angles(a, b).unwrap().iter().map(|angle| angle.to_degrees()).collect()
    }

    #[test]
    fn planted_angles_come_back_smallest_first() {
        let (sin, cos) = 60f32.to_radians().sin_cos();
        let a = Basis::from_rows(4, vec![1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0], vec![2.0, 1.0]).unwrap();
        let b = Basis::from_rows(4, vec![cos, 0.0, sin, 0.0, 0.0, 1.0, 0.0, 0.0], vec![2.0, 1.0]).unwrap();
        let angles = degrees(&a, &b);
        assert!((angles[0] - 0.0).abs() < 1e-3 && (angles[1] - 60.0).abs() < 1e-3, "{angles:?}");
        let one = Basis::from_rows(4, vec![0.0, 0.0, 0.0, 1.0], vec![1.0]).unwrap();
        assert_eq!(degrees(&a, &one), [90.0]);
    }

    #[test]
    fn a_basis_makes_no_angle_with_itself_though_its_rows_are_rounded() {
        for seed in 0..8 {
            let basis = Basis::gaussian(12, 300, seed).unwrap();
            let angles = degrees(&basis, &basis);
            assert_eq!(angles.len(), 12);
            assert!(angles.iter().all(|angle| (0.0..0.05).contains(angle)), "{angles:?}");
        }
    }

    #[test]
    fn distances_are_those_of_planted_angles() {
        let degrees = [0.0f64, 30.0, 60.0, 90.0];
        let angles: Vec<f64> = degrees.iter().map(|angle| angle.to_radians()).collect();
        // (1 + 4 + 9)·(π/6)²; 1/4 + 3/4 + 1.
        let expected = 14f64.sqrt() * std::f64::consts::FRAC_PI_6;
        assert!((geodesic(&angles) - expected).abs() < 1e-12);
        assert!((chordal(&angles) - 2f64.sqrt()).abs() < 1e-12);
        assert_eq!(largest(&angles).to_degrees(), 90.0);
        // Within a larger subspace there is no distance.
        assert_eq!((geodesic(&[0.0, 0.0]), chordal(&[0.0, 0.0]), largest(&[0.0, 0.0])), (0.0, 0.0, 0.0));
    }

    #[test]
    fn the_chordal_distance_is_that_of_phi_and_of_the_projections() {
        for (q_a, q_b) in [(5, 5), (3, 7)] {
            let (a, b) = (Basis::gaussian(q_a, 20, 1).unwrap(), Basis::gaussian(q_b, 20, 2).unwrap());
            let dot = |k: usize, l: usize| -> f64 {
                let rows = a.rows()[k * 20..(k + 1) * 20].iter().zip(&b.rows()[l * 20..(l + 1) * 20]);
                rows.map(|(&x, &y)| f64::from(x) * f64::from(y)).sum()
            };
            let cells = (0..q_a).flat_map(|k| (0..q_b).map(move |l| (k, l)));
            let sum: f64 = cells.map(|(k, l)| dot(k, l).powi(2)).sum();
            let found = chordal(&principal_angles(&a, &b).unwrap());
            // m·(1 − φ) with φ = ‖P‖²_F/m.
            assert!((found - (q_a.min(q_b) as f64 - sum).sqrt()).abs() < 1e-6, "{found}");
            // ‖V₁V₁ᵀ − V₂V₂ᵀ‖²_F = q_a + q_b − 2‖P‖²_F, which for equal ranks is twice the square.
            let frobenius = ((q_a + q_b) as f64 - 2.0 * sum).sqrt();
            assert_eq!(q_a == q_b, (found - frobenius / 2f64.sqrt()).abs() < 1e-6);
        }
    }

    #[test]
    fn bases_of_two_spaces_make_none() {
        let [a, b] = [4, 5].map(|d| Basis::gaussian(2, d, 0).unwrap());
        let error = principal_angles(&a, &b).unwrap_err();
        assert_eq!(
            error.to_string(),
            "pair: found bases in 4 and 5 dimensions, expected the same d for both"
        );
    }
}
