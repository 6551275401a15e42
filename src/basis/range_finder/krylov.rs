//! A space that holds the leading singular vectors: block Golub–Kahan bidiagonalisation (Golub, Luk & Overton 1981) in f32 from
//! a Gaussian start, with every block orthogonal to all before it.
//!
//! A·Q = P·H with orthonormal P and Q and a small H; each step adds a block to both. It is the randomised block Krylov method of Musco &
//! Musco (2015), which needs fewer products than power iterations where the spectrum falls slowly.

use faer::linalg::solvers::Qr;
use faer::{Mat, MatRef};

use super::map::{Unit, narrow, widen};
use super::product::{columns, product};
use crate::basis::svd::thin_svd;
use crate::basis::{eigen, random};
use crate::error::Result;

/// A column that shrinks to this by taking the others out of it is rounding.
const NOTHING: f64 = 1e-6;

pub(super) struct Krylov<'a> {
    map: &'a Unit<'a>,
    seed: u64,
    /// Streams of random numbers that are used up.
    stream: u64,
    /// Q with the block that comes next, a column after the other.
    right: Vec<f32>,
    /// P.
    left: Vec<f32>,
    /// The columns of H, each as long as P was wide then.
    h: Vec<Vec<f64>>,
    /// Aᵀ·P = Q·Hᵀ + next·coupling for the last block of P.
    coupling: Mat<f64>,
}

/// What a Krylov space knows of the singular values, falling.
pub(super) struct Guess {
    pub(super) sigma: Vec<f64>,
    /// The right singular vectors of H, as columns.
    vectors: Mat<f64>,
    /// E·Eᵀ of the residuals of the leading ones, as in [`super::angles::Residuals`].
    pub(super) gram: Mat<f64>,
}

impl<'a> Krylov<'a> {
    /// Starts with `width` Gaussian vectors. Streams from 0 on are used of the seed.
    pub(super) fn new(map: &'a Unit<'a>, width: usize, seed: u64) -> Self {
        let coupling = Mat::zeros(width, 0);
        let mut new = Self { map, seed, stream: 0, right: vec![], left: vec![], h: vec![], coupling };
        let start = new.gaussian(width, map.d_in());
        new.right = new.block(start, true).vectors;
        new
    }

    /// Vectors in Q·H, without the next block.
    pub(super) fn n(&self) -> usize {
        self.h.len()
    }

    /// Vectors that the next step adds.
    pub(super) fn width(&self) -> usize {
        self.right.len() / self.map.d_in() - self.n()
    }

    /// Adds a block to both sides.
    pub(super) fn step(&mut self) {
        let (d_in, d_out) = (self.map.d_in(), self.map.d_out());
        let (n, width) = (self.n(), self.width());
        let image = self.map.times_f32(&self.right[n * d_in..]);
        let block = self.block(image, false);
        for k in 0..width {
            self.h.push((0..n + width).map(|i| block.coefficients[(i, k)]).collect());
        }
        self.left.extend(&block.vectors);
        let image = self.map.transposed_times_f32(&self.left[n * d_out..]);
        let block = self.block(image, true);
        let all = n + width;
        self.coupling = block.coefficients.subrows(all, width).to_owned();
        self.right.extend(&block.vectors);
    }

    /// Takes more vectors into the next block: directions that the space has missed.
    pub(super) fn widen_by(&mut self, vectors: &[f64]) {
        let block = self.block(narrow(vectors), true);
        self.right.extend(&block.vectors);
        let old = &self.coupling;
        let get = |i, k| if i < old.nrows() { old[(i, k)] } else { 0.0 };
        self.coupling = Mat::from_fn(self.width(), old.ncols(), get);
    }

    /// The singular values of H, with the residuals of the leading `n`.
    pub(super) fn guess(&self, n: usize) -> Result<Guess> {
        let all = self.n();
        let h = Mat::from_fn(all, all, |i, k| self.h[k].get(i).copied().unwrap_or(0.0));
        let squares = columns(&product(h.transpose(), h.as_ref()), all).to_owned();
        let (sigma, vectors): (Vec<f64>, _) = match eigen::symmetric(&squares) {
            Some((squares, vectors)) => {
                (squares.iter().map(|square| square.max(0.0).sqrt()).collect(), vectors)
            }
            None => {
                let svd = thin_svd(h.as_ref())?;
                (svd.sigma, svd.right)
            }
        };
        let n = n.min(all);
        // The last block of H·W is that of P's combinations, times the singular values.
        let last = self.coupling.ncols();
        let least = sigma[0] * 1e-8;
        let ends = h.subrows(all - last, last) * vectors.subcols(0, n);
        let ends = Mat::from_fn(last, n, |i, k| ends[(i, k)] / sigma[k].max(least));
        let residual = &self.coupling * ends;
        let gram = residual.transpose() * &residual;
        Ok(Guess { sigma, vectors, gram })
    }

    /// The leading `n` right singular vectors, orthonormal within f32.
    pub(super) fn vectors(&self, guess: &Guess, n: usize) -> Vec<f64> {
        let weights = guess.vectors.subcols(0, n);
        let weights = Mat::from_fn(weights.nrows(), n, |i, k| weights[(i, k)] as f32);
        widen(&product(self.basis(true).subcols(0, self.n()), weights.as_ref()))
    }

    fn basis(&self, right: bool) -> MatRef<'_, f32> {
        match right {
            true => columns(&self.right, self.map.d_in()),
            false => columns(&self.left, self.map.d_out()),
        }
    }

    /// What vectors add to a basis: twice, all that is in it is taken out, and the rest made orthonormal. Gaussian vectors take the
    /// place of those that are nothing but rounding, so that a space which is invariant goes on.
    fn block(&mut self, mut vectors: Vec<f32>, right: bool) -> Block {
        let d = if right { self.map.d_in() } else { self.map.d_out() };
        let width = vectors.len() / d;
        let norms: Vec<f64> = vectors.chunks_exact(d).map(norm).collect();
        let mut inside = take_out(self.basis(right), &mut vectors, d);
        let (mut q, mut r) = orthonormal(&vectors, d);
        for k in 0..width {
            if r[(k, k)].abs() <= NOTHING * norms[k] {
                q[k * d..][..d].copy_from_slice(&self.gaussian(1, d));
                (0..width).for_each(|j| r[(k, j)] = 0.0);
            }
        }
        let again = take_out(self.basis(right), &mut q, d);
        inside += &again * &r;
        let (vectors, turn) = orthonormal(&q, d);
        let r = turn * r;
        let n = inside.nrows();
        let coefficients =
            Mat::from_fn(n + width, width, |i, k| if i < n { inside[(i, k)] } else { r[(i - n, k)] });
        Block { vectors, coefficients }
    }

    fn gaussian(&mut self, n: usize, d: usize) -> Vec<f32> {
        let unit = 1.0 / (d as f64).sqrt();
        self.stream += 1;
        let values = random::gaussian(n, d, self.seed, self.stream - 1).values;
        values.iter().map(|value| (value * unit) as f32).collect()
    }
}

/// New vectors of a basis, and those that they were made from in terms of the basis and them.
struct Block {
    vectors: Vec<f32>,
    coefficients: Mat<f64>,
}

/// Takes the part within a basis out of some vectors, and gives its coefficients.
fn take_out(basis: MatRef<'_, f32>, vectors: &mut [f32], d: usize) -> Mat<f64> {
    let n = basis.ncols();
    let width = vectors.len() / d;
    if n == 0 {
        return Mat::zeros(0, width);
    }
    let inside = product(basis.transpose(), columns(vectors, d));
    let part = product(basis, columns(&inside, n));
    vectors.iter_mut().zip(&part).for_each(|(value, part)| *value -= part);
    Mat::from_fn(n, width, |i, k| f64::from(inside[k * n + i]))
}

fn orthonormal(vectors: &[f32], d: usize) -> (Vec<f32>, Mat<f64>) {
    let qr = Qr::new(columns(vectors, d));
    let q = qr.compute_thin_Q();
    let r = qr.thin_R();
    let r = Mat::from_fn(r.nrows(), r.ncols(), |i, k| if i <= k { f64::from(r[(i, k)]) } else { 0.0 });
    (q.col_iter().flat_map(|column| column.iter().copied()).collect(), r)
}

fn norm(vector: &[f32]) -> f64 {
    vector.iter().map(|&value| f64::from(value) * f64::from(value)).sum::<f64>().sqrt()
}
