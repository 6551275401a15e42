//! The principal angles of a pair, for those who ask for them.
//!
//! - formula: arccos of the singular values of P = V₁ᵀ·V₂, min(q_a, q_b) of them.
//! - source: Björck & Golub 1973.
//! - range: 0° to 90°, the smallest first; null past the pair's ranks.
//! - chance: the squared cosines are those of a Jacobi ensemble; their mean is `baseline` for equal ranks.
//! - columns: `angle_K`, numbers or null.
//! - needs: the bases, for an SVD of its own for every pair.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};
use rayon::prelude::*;

use super::needs::Needs;
use super::statistic::{Columns, Kind, Statistic, Text};
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
        let angles: Vec<Vec<f32>> = batch.places.par_iter().map(of).collect::<Result<_>>()?;
        let column =
            |k: usize| angles.iter().map(|angles| angles.get(k).copied().unwrap_or(f32::NAN)).collect();
        Ok((0..batch.wanted.max_rank).map(|k| Values::Floats(column(k))).collect())
    },
};

/// The min(q_a, q_b) principal angles between two bases in degrees, the smallest first, in f64 from the f32 bases: angles
/// under 0.02° are lost in their rounding.
///
/// # Errors
/// `Invalid` when the bases have different d.
pub fn principal_angles(a: &Basis, b: &Basis) -> Result<Vec<f32>> {
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
    Ok(cosines.iter().map(|cosine| cosine.clamp(0.0, 1.0).acos().to_degrees() as f32).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planted_angles_come_back_smallest_first() {
        let (sin, cos) = 60f32.to_radians().sin_cos();
        let a = Basis::from_rows(4, vec![1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0], vec![2.0, 1.0]).unwrap();
        let b = Basis::from_rows(4, vec![cos, 0.0, sin, 0.0, 0.0, 1.0, 0.0, 0.0], vec![2.0, 1.0]).unwrap();
        let angles = principal_angles(&a, &b).unwrap();
        assert!((angles[0] - 0.0).abs() < 1e-3 && (angles[1] - 60.0).abs() < 1e-3, "{angles:?}");
        let one = Basis::from_rows(4, vec![0.0, 0.0, 0.0, 1.0], vec![1.0]).unwrap();
        assert_eq!(principal_angles(&a, &one).unwrap(), [90.0]);
    }

    #[test]
    fn a_basis_makes_no_angle_with_itself_though_its_rows_are_rounded() {
        for seed in 0..8 {
            let basis = Basis::gaussian(12, 300, seed).unwrap();
            let angles = principal_angles(&basis, &basis).unwrap();
            assert_eq!(angles.len(), 12);
            assert!(angles.iter().all(|angle| (0.0..0.05).contains(angle)), "{angles:?}");
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
