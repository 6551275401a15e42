//! The eigenvalues and eigenvectors of a mean projector, from the bases or from their Gram matrix, whichever is smaller.

use faer::linalg::evd::EvdError;
use faer::linalg::matmul::triangular::{BlockStructure, matmul};
use faer::{Accum, Mat, MatRef, Par, Side};

use crate::basis::Basis;
use crate::error::{Error, Fault, Result};

/// Eigenvalues of the Gram matrix under this share of the largest are rounding: a basis is kept in f32, which leaves copies
/// 1e-14 apart.
const ROUNDING: f64 = 1e-10;

/// Eigenvalues closer than this are one: any directions of their space are as good as others.
const TIE: f64 = 1e-6;

/// The spectrum of (1/N)·Σ Vᵢ·Vᵢᵀ.
pub(super) struct Spectrum {
    /// The n eigenvalues that are not 0, falling.
    pub(super) values: Vec<f64>,
    /// Every adapter's basis in the coordinates of the eigenvectors, (n, qᵢ).
    pub(super) coordinates: Vec<Mat<f64>>,
    /// The eigenvectors, (d, n).
    pub(super) vectors: Mat<f64>,
}

impl Spectrum {
    /// Of bases of one d.
    ///
    /// # Errors
    /// `Invalid` where the eigenvalues do not converge.
    pub(super) fn of(bases: &[Basis]) -> Result<Self> {
        let (stack, n_adapters) = (stack(bases), bases.len() as f64);
        let (values, vectors, all) = if stack.ncols() <= stack.nrows() {
            let (values, mut w) = eigen(&product(stack.transpose(), stack.as_ref()))?;
            let vectors = {
                for (k, value) in values.iter().enumerate() {
                    w.col_mut(k).iter_mut().for_each(|x| *x /= value.sqrt());
                }
                &stack * &w
            };
            // Vᵀ·S = Λ^(−1/2)·Wᵀ·G = Λ^(1/2)·Wᵀ, and w is divided by the root already.
            let all = Mat::from_fn(values.len(), stack.ncols(), |k, at| w[(at, k)] * values[k]);
            (values, vectors, all)
        } else {
            let (values, vectors) = eigen(&product(stack.as_ref(), stack.transpose()))?;
            let all = vectors.transpose() * &stack;
            (values, vectors, all)
        };
        let mut start = 0;
        let coordinates = bases.iter().map(|basis| {
            let columns = all.subcols(start, basis.q()).to_owned();
            start += basis.q();
            columns
        });
        let coordinates = coordinates.collect();
        Ok(Self {
            values: values.into_iter().map(|value| value / n_adapters).collect(),
            coordinates,
            vectors,
        })
    }

    /// The share of each adapter's space that the first k directions hold, ‖UₖᵀVᵢ‖²/qᵢ, k past ties; and that k.
    pub(super) fn coverage(&self, k: usize) -> (Vec<f64>, usize) {
        let k = past_ties(&self.values, k);
        let coverage = self.coordinates.iter().map(|c| share(c.subrows(0, k.min(c.nrows()))));
        (coverage.collect(), k)
    }

    /// The share of each adapter's space in the first k directions of the mean projector of adapters without it: of all
    /// others, or of those outside its fold where there are many. With each the number of directions, past ties.
    ///
    /// # Errors
    /// As [`Spectrum::of`].
    pub(super) fn held_out(&self, k: usize, n_folds: usize) -> Result<Vec<(f64, usize)>> {
        let (n, n_adapters) = (self.values.len(), self.coordinates.len());
        let mut found = vec![(0.0, 0); n_adapters];
        for fold in 0..n_folds.min(n_adapters) {
            let members: Vec<usize> = (fold..n_adapters).step_by(n_folds).collect();
            let mut others =
                Mat::from_fn(n, n, |i, j| if i == j { n_adapters as f64 * self.values[i] } else { 0.0 });
            for &at in &members {
                let c = &self.coordinates[at];
                add_product(&mut others, -1.0, c.as_ref(), c.transpose());
            }
            let (values, vectors) = eigen(&others)?;
            let rest = (n_adapters - members.len()) as f64;
            let values: Vec<f64> = values.into_iter().map(|value| value / rest).collect();
            let k = past_ties(&values, k);
            for at in members {
                let inside = vectors.subcols(0, k).transpose() * &self.coordinates[at];
                found[at] = (share(inside.as_ref()), k);
            }
        }
        Ok(found)
    }
}

/// Only the eigenvalues, all min(Σqᵢ, d) of them.
///
/// # Errors
/// `Invalid` where they do not converge.
pub(super) fn eigenvalues(bases: &[Basis]) -> Result<Vec<f64>> {
    let stack = stack(bases);
    let gram = match stack.ncols() <= stack.nrows() {
        true => product(stack.transpose(), stack.as_ref()),
        false => product(stack.as_ref(), stack.transpose()),
    };
    let values = gram.self_adjoint_eigenvalues(Side::Lower).map_err(|error| not_converged(error, &gram))?;
    Ok(values.into_iter().rev().map(|value| value.max(0.0) / bases.len() as f64).collect())
}

/// All bases, transposed: a basis vector a column.
fn stack(bases: &[Basis]) -> Mat<f64> {
    let d = bases[0].d();
    let rows: Vec<&[f32]> = bases.iter().flat_map(|basis| basis.rows().chunks_exact(d)).collect();
    Mat::from_fn(d, rows.len(), |i, k| f64::from(rows[k][i]))
}

fn not_converged(error: EvdError, matrix: &Mat<f64>) -> Error {
    let n = matrix.nrows();
    Fault::new(format!("{error:?} for {n} × {n}"), "eigenvalues that converge").invalid()
}

/// ‖C‖²_F over its columns.
fn share(c: MatRef<'_, f64>) -> f64 {
    c.squared_norm_l2() / c.ncols() as f64
}

/// The number of directions from k on that does not cut through equal eigenvalues, at most all of them.
fn past_ties(values: &[f64], k: usize) -> usize {
    let is_cut = |k: usize| k < values.len() && values[k - 1] - values[k] <= TIE;
    (k.max(1)..).find(|&k| !is_cut(k)).unwrap_or(values.len()).min(values.len())
}

/// The eigenvalues that are not rounding, falling, and their vectors as columns, of the symmetric matrix whose lower half
/// is given.
fn eigen(matrix: &Mat<f64>) -> Result<(Vec<f64>, Mat<f64>)> {
    let n = matrix.nrows();
    let found = matrix.self_adjoint_eigen(Side::Lower).map_err(|error| not_converged(error, matrix))?;
    // faer orders eigenvalues upwards.
    let mut values: Vec<f64> = found.S().column_vector().iter().rev().copied().collect();
    let largest = values[0];
    values.retain(|&value| value > ROUNDING * largest);
    let vectors = found.U();
    let vectors = Mat::from_fn(n, values.len(), |i, k| vectors[(i, n - 1 - k)]);
    Ok((values, vectors))
}

/// The lower half of a symmetric product.
fn product(left: MatRef<'_, f64>, right: MatRef<'_, f64>) -> Mat<f64> {
    let mut product = Mat::zeros(left.nrows(), right.ncols());
    add_product(&mut product, 1.0, left, right);
    product
}

/// Adds a multiple of the lower half of a symmetric product.
fn add_product(to: &mut Mat<f64>, factor: f64, left: MatRef<'_, f64>, right: MatRef<'_, f64>) {
    let (lower, whole) = (BlockStructure::TriangularLower, BlockStructure::Rectangular);
    matmul(to, lower, Accum::Add, left, whole, right, whole, factor, Par::Seq);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows k of the identity of d dimensions.
    fn axes(d: usize, axes: &[usize]) -> Basis {
        let rows = axes.iter().flat_map(|&axis| (0..d).map(move |i| f32::from(u8::from(i == axis))));
        Basis::from_rows(d, rows.collect(), vec![1.0; axes.len()]).unwrap()
    }

    #[test]
    fn planted_axes_have_the_share_of_adapters_that_hold_them() {
        // From the bases, d = 9 ≥ 6 rows, and from the d × d matrix, d = 5.
        for d in [9, 5] {
            let bases = [axes(d, &[0, 1]), axes(d, &[0, 1, 2]), axes(d, &[0, 4])];
            let spectrum = Spectrum::of(&bases).unwrap();
            let expected = [1.0, 2.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0];
            assert_eq!(spectrum.values.len(), 4, "{d}");
            for (value, expected) in spectrum.values.iter().zip(expected) {
                assert!((value - expected).abs() < 1e-12, "{d}: {value}");
            }
            let (coverage, k) = spectrum.coverage(2);
            assert_eq!(k, 2);
            for (found, expected) in coverage.iter().zip([1.0, 2.0 / 3.0, 0.5]) {
                assert!((found - expected).abs() < 1e-12, "{d}: {found}");
            }
            // The third direction ties with the fourth.
            assert_eq!(spectrum.coverage(3).1, 4);
            // The others of the last adapter hold axes 0 and 1 both, and 2 half.
            let held_out = spectrum.held_out(2, 8).unwrap();
            assert!((held_out[2].0 - 0.5).abs() < 1e-12 && held_out[2].1 == 2, "{d}: {held_out:?}");
        }
    }

    #[test]
    fn the_vectors_are_orthonormal_and_the_coordinates_are_those_in_them() {
        for (n, q, d) in [(5, 4, 40), (20, 4, 40), (3, 13, 39)] {
            let bases: Vec<Basis> = (0..n).map(|seed| Basis::gaussian(q, d, seed).unwrap()).collect();
            let Spectrum { values, coordinates, vectors } = Spectrum::of(&bases).unwrap();
            assert!((values.iter().sum::<f64>() - q as f64).abs() < 1e-5);
            let gram = vectors.transpose() * &vectors;
            for (basis, c) in bases.iter().zip(&coordinates) {
                for (k, row) in basis.rows().chunks_exact(d).enumerate() {
                    for j in 0..values.len() {
                        assert!((gram[(j, j)] - 1.0).abs() < 1e-9);
                        let dot: f64 = (0..d).map(|i| vectors[(i, j)] * f64::from(row[i])).sum();
                        assert!((dot - c[(j, k)]).abs() < 1e-9, "{n} {q} {d}: {dot} {}", c[(j, k)]);
                    }
                }
            }
        }
    }

    #[test]
    fn copies_have_one_space_and_no_direction_of_rounding() {
        let basis = Basis::gaussian(6, 50, 3).unwrap();
        let spectrum = Spectrum::of(&vec![basis; 7]).unwrap();
        assert_eq!(spectrum.values.len(), 6);
        assert!(spectrum.values.iter().all(|value| (value - 1.0).abs() < 1e-6));
        assert!(
            spectrum.held_out(6, 8).unwrap().iter().all(|(share, k)| (share - 1.0).abs() < 1e-6 && *k == 6)
        );
    }
}
