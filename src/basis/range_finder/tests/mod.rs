//! Planted spectra and real weights, against the whole SVD in f64.

mod maps;
mod spectra;

use faer::{Mat, MatRef};

use super::product::columns;
use super::*;
use crate::adapter::{Dtype, Matrix};
use crate::basis::random;
use crate::basis::svd::thin_svd;

/// Numbers in f64, so that equal singular values stay equal.
struct Exact(Mat<f64>);

impl LinearMap for Exact {
    fn d_out(&self) -> usize {
        self.0.nrows()
    }

    fn d_in(&self) -> usize {
        self.0.ncols()
    }

    fn norm(&self) -> f64 {
        self.0.norm_l2()
    }

    fn times(&self, x: &[f64]) -> Vec<f64> {
        super::product::product(self.0.as_ref(), columns(x, self.d_in()))
    }

    fn transposed_times(&self, y: &[f64]) -> Vec<f64> {
        super::product::product(self.0.transpose(), columns(y, self.d_out()))
    }
}

/// U·diag(σ)·Vᵀ with random orthonormal U and V, rounded to f32.
fn planted(d_out: usize, d_in: usize, sigma: &[f64], seed: u64) -> Dense<'static> {
    dense(exact(d_out, d_in, sigma, seed).0.as_ref())
}

/// The same in f64.
fn exact(d_out: usize, d_in: usize, sigma: &[f64], seed: u64) -> Exact {
    let orthonormal = |d: usize, stream| {
        let gaussian = random::gaussian(sigma.len(), d, seed, stream).values;
        columns(&super::ritz::orthonormal(&gaussian, d), d).to_owned()
    };
    let (u, v) = (orthonormal(d_out, 1), orthonormal(d_in, 2));
    let scaled = Mat::from_fn(d_in, sigma.len(), |i, k| v[(i, k)] * sigma[k]);
    Exact(u * scaled.transpose())
}

fn dense(matrix: MatRef<'_, f64>) -> Dense<'static> {
    let values = (0..matrix.nrows()).flat_map(|i| (0..matrix.ncols()).map(move |j| matrix[(i, j)] as f32));
    Dense::new(matrix.ncols(), values.collect::<Vec<_>>(), Dtype::F32).unwrap()
}

/// The matrix as it is multiplied, from its products with unit vectors.
fn formed(map: &dyn LinearMap) -> Mat<f64> {
    let n = map.d_in();
    let units: Vec<f64> = (0..n * n).map(|at| f64::from(u8::from(at / n == at % n))).collect();
    columns(&map.times(&units), map.d_out()).to_owned()
}

/// The sine of the largest angle between the spaces of some rows, which are nearly orthonormal, and of some columns.
fn sine(rows: &[f32], d: usize, columns_: MatRef<'_, f64>) -> f64 {
    let rows: Vec<f64> = rows.iter().map(|&value| f64::from(value)).collect();
    let rows = super::ritz::orthonormal(&rows, d);
    let rows = columns(&rows, d);
    let outside = columns_ - rows * (rows.transpose() * columns_);
    outside.singular_values().unwrap().first().copied().unwrap_or(0.0)
}

/// The true sine of each leading subspace, the larger one of both sides.
fn sines(map: &dyn LinearMap, found: &Directions) -> Vec<f64> {
    let matrix = formed(map);
    let unit = matrix.norm_max();
    let matrix = Mat::from_fn(matrix.nrows(), matrix.ncols(), |i, j| matrix[(i, j)] / unit);
    let svd = thin_svd(matrix.as_ref()).unwrap();
    let sine = |k: usize| {
        let left = sine(&found.left()[..k * found.d_out()], found.d_out(), svd.left.subcols(0, k));
        let right = sine(&found.right()[..k * found.d_in()], found.d_in(), svd.right.subcols(0, k));
        left.max(right)
    };
    (1..=found.sigma().len()).map(sine).collect()
}

/// Finds directions and checks whatever is stated of them.
fn check(map: &dyn LinearMap, how_many: HowMany, what: &str) -> Directions {
    let found = RangeFinder::new(how_many).find(map).unwrap();
    let n = found.sigma().len();
    assert_eq!((found.left().len(), found.right().len()), (n * map.d_out(), n * map.d_in()), "{what}");
    let sines = sines(map, &found);
    for (k, (sine, bound)) in sines.iter().zip(found.bounds()).enumerate() {
        assert!(sine <= bound, "{what}: {sine:e} above its bound of {bound:e} at k = {}", k + 1);
    }
    let matrix = formed(map);
    for k in 0..n {
        let right: Vec<f64> =
            found.right()[k * map.d_in()..][..map.d_in()].iter().map(|&x| x.into()).collect();
        let left: Vec<f64> =
            found.left()[k * map.d_out()..][..map.d_out()].iter().map(|&x| x.into()).collect();
        let image = &matrix * columns(&right, map.d_in());
        let off = (image - columns(&left, map.d_out()) * faer::Scale(found.sigma()[k])).norm_l2();
        assert!(off <= 1e-6 * found.sigma()[0], "{what}: vectors {} do not belong together, {off:e}", k + 1);
    }
    found
}
