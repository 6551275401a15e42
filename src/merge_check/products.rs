//! Inner products of N updates and the overlaps of their spaces, from two Gram matrices of singular vectors.
//!
//! With ΔWᵢ = Uᵢ·diag(σᵢ)·Vᵢᵀ, ⟨ΔW₁, ΔW₂⟩ = Σ_kl σ₁ₖ·σ₂ₗ·(U₁ᵀU₂)_kl·(V₁ᵀV₂)_kl, and φ of the two spaces at full rank is
//! ‖V₁ᵀV₂‖²_F / min(q₁, q₂). Orthonormal vectors lose no digits in f32, however small a singular value is.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};
use rayon::prelude::*;

use crate::basis::UpdateSvd;

/// Columns of a tile of a Gram matrix: its two tiles stay in the second cache.
const TILE: usize = 256;

/// Numbers that are summed in one go: one f32 sum over all of d may be off by 4e-4.
const SLICE: usize = 256;

/// What two updates have of each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Product {
    /// ⟨ΔW₁, ΔW₂⟩.
    pub(super) inner: f64,
    /// φ at full ranks of the left and of the right spaces; NaN for an update of zeros.
    pub(super) phi: [f64; 2],
}

/// Every pair of N updates, i < j, in the order (0, 1), (0, 2), …, (1, 2), ….
pub(super) fn of_all(updates: &[UpdateSvd]) -> Vec<Product> {
    let n = updates.len();
    // A singular vector a column.
    let stacks = [stack(updates, |update| &update.left), stack(updates, |update| &update.right)];
    let starts: Vec<usize> = updates
        .iter()
        .scan(0, |start, update| Some(std::mem::replace(start, *start + update.sigma.len())))
        .collect();
    let n_columns: usize = updates.iter().map(|update| update.sigma.len()).sum();
    let tiles = tiles(updates);
    let pairs: Vec<_> = (0..tiles.len()).flat_map(|i| (i..tiles.len()).map(move |j| (i, j))).collect();
    let of_tiles = |&(i, j): &(usize, usize)| {
        let columns = |adapters: &std::ops::Range<usize>| {
            let last = adapters.end - 1;
            starts[adapters.start]..starts[last] + updates[last].sigma.len()
        };
        let (rows, cols) = (columns(&tiles[i]), columns(&tiles[j]));
        let gram = |stack: &[f32]| {
            let stack = MatRef::from_column_major_slice(stack, stack.len() / n_columns.max(1), n_columns);
            gram(stack, rows.clone(), cols.clone())
        };
        let grams = stacks.each_ref().map(|stack| gram(stack));
        let mut found = vec![];
        for a in tiles[i].clone() {
            for b in tiles[j].clone().filter(|&b| b > a) {
                let place = (starts[a] - rows.start, starts[b] - cols.start);
                found.push((a, b, of_pair([&updates[a], &updates[b]], &grams, place)));
            }
        }
        found
    };
    let found: Vec<Vec<_>> = pairs.par_iter().map(of_tiles).collect();
    let nothing = Product { inner: 0.0, phi: [f64::NAN; 2] };
    let mut products = vec![nothing; n * n.saturating_sub(1) / 2];
    for (a, b, product) in found.into_iter().flatten() {
        products[super::place(a, b, n)] = product;
    }
    products
}

fn of_pair(updates: [&UpdateSvd; 2], grams: &[Mat<f32>; 2], (row, col): (usize, usize)) -> Product {
    let [a, b] = updates;
    let (mut inner, mut phi) = (0.0, [0.0; 2]);
    for (l, &tau) in b.sigma.iter().enumerate() {
        let columns = grams.each_ref().map(|gram| &gram.col_as_slice(col + l)[row..row + a.sigma.len()]);
        let mut sum = 0.0;
        for ((&sigma, &u), &v) in a.sigma.iter().zip(columns[0]).zip(columns[1]) {
            sum += sigma * (f64::from(u) * f64::from(v));
        }
        inner += tau * sum;
        if l < b.q {
            for (phi, column) in phi.iter_mut().zip(columns) {
                *phi += column[..a.q].iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
            }
        }
    }
    let least = a.q.min(b.q) as f64;
    Product { inner, phi: phi.map(|phi| if least > 0.0 { (phi / least).min(1.0) } else { f64::NAN }) }
}

/// All singular vectors of one side, one after another.
fn stack(updates: &[UpdateSvd], side: impl Fn(&UpdateSvd) -> &Vec<f32>) -> Vec<f32> {
    updates.iter().flat_map(|update| side(update).iter().copied()).collect()
}

/// Runs of adapters with some [`TILE`] columns each.
fn tiles(updates: &[UpdateSvd]) -> Vec<std::ops::Range<usize>> {
    let mut tiles: Vec<std::ops::Range<usize>> = vec![];
    let mut n_columns = usize::MAX;
    for (at, update) in updates.iter().enumerate() {
        let n = update.sigma.len();
        match tiles.last_mut() {
            Some(tile) if n_columns + n <= TILE => {
                tile.end = at + 1;
                n_columns += n;
            }
            _ => {
                tiles.push(at..at + 1);
                n_columns = n;
            }
        }
    }
    tiles
}

fn gram(stack: MatRef<'_, f32>, rows: std::ops::Range<usize>, cols: std::ops::Range<usize>) -> Mat<f32> {
    let mut gram = Mat::zeros(rows.len(), cols.len());
    for start in (0..stack.nrows()).step_by(SLICE) {
        let slice = stack.subrows(start, SLICE.min(stack.nrows() - start));
        let left = slice.subcols(rows.start, rows.len());
        let right = slice.subcols(cols.start, cols.len());
        matmul(&mut gram, Accum::Add, left.transpose(), right, 1.0, Par::Seq);
    }
    gram
}
