//! ΔW by the rules of each method.

use std::path::Path;

use faer::Mat;

use super::butterfly;
use super::found::{Found, at, mat};
use super::multiplied::{bounded, multiplied, sparse};
use super::rotations::{block_size, rotation_less_one, skew};
use crate::adapter::by_method::{ByMethod, Cayley, How};
use crate::adapter::{Dtype, Factor, Matrix};
use crate::basis::range_finder::Dense;
use crate::error::{Fault, Result};

/// ΔW of a module.
///
/// # Errors
/// Those of [`Factor::read`].
pub(in crate::formats) fn numbers(of: &ByMethod) -> Result<Found> {
    let parts: Vec<Matrix> = of.parts.iter().map(Factor::read).collect::<Result<_>>()?;
    let weight = of.weight.as_ref().map(Factor::read).transpose()?;
    let made = match (of.how, parts.as_slice(), weight) {
        (How::VectorBank { top_k }, [a, b, bank], None) => vector_bank(a, b, bank, top_k),
        (How::Circulant { block }, [kernel], None) => Found::Whole(circulant(kernel, block)),
        (How::RandomBases, [lambda, gamma, short, long], None) => {
            Found::Whole(random_bases(lambda, gamma, short, long, of.shape))
        }
        (How::Shards, [block], None) => shards(block, of.shape),
        (How::Batched, [block], Some(weight)) => Found::Whole(batched(block, &weight)),
        (How::Scaled { by_outputs, is_change }, [scale], Some(weight)) => {
            Found::Difference(scaled(scale, weight, by_outputs, is_change)?)
        }
        (How::Rotated { cayley, at_most }, [vectors], Some(weight)) => {
            Found::Whole(rotated(&rotations(vectors, cayley, at_most), &weight))
        }
        (How::RotatedAndScaled { block, n_factors }, [blocks, scale], Some(weight)) => {
            let rotations = full_rotations(blocks, block, |x, y| 0.5 * (x - y), None);
            let factors = factors(rotations, n_factors, weight.cols, butterfly::of_halves);
            let change = butterfly::turned(&mat(&weight).transpose().to_owned(), &factors);
            Found::Whole(rescaled(change.transpose().to_owned(), &weight, scale))
        }
        (How::OutputsRotated { block, n_factors, at_most }, [blocks, scale @ ..], Some(weight)) => {
            // (1 + Q)·(1 − Q)⁻¹ of a butterfly, and its transpose of the others.
            let sign = if n_factors.is_some() { -1.0 } else { 1.0 };
            let rotations = full_rotations(blocks, block, |x, y| sign * (x - y), at_most);
            let factors = match n_factors {
                Some(n) => factors(rotations, n, weight.rows, butterfly::of_pairs),
                None => vec![(rotations, butterfly::neighbours(weight.rows))],
            };
            let change = butterfly::turned(&mat(&weight), &factors);
            Found::Whole(match scale {
                [scale] => rescaled(change, &weight, scale),
                _ => change,
            })
        }
        (How::Multiplied { n_scale, n_shift }, parts, weight) if n_scale + n_shift == parts.len() => {
            multiplied(parts.split_at(n_scale), weight.as_ref(), of.shape)
        }
        (How::Bounded, [a, b, lambda, norms], None) => bounded(a, b, lambda, norms),
        (How::Sparse, [values, places], None) => {
            let stored = of.parts.last().map(|part| (part.path(), part.name.as_str()));
            Found::Whole(sparse(values, places, of.shape, stored.unwrap_or((Path::new(""), "")))?)
        }
        (How::Reflected { orthogonal }, [vectors], Some(weight)) => reflected(vectors, &weight, orthogonal),
        (How::Generalised, [a1, a2, b1, b2], Some(weight)) => generalised([a1, a2, b1, b2], &weight),
        _ => {
            let path = of.parts.first().map(|part| part.path().to_owned()).unwrap_or_default();
            return Err(Fault::new("other tensors", "those of one update").at(path).malformed());
        }
    };
    Ok(made)
}

/// The pieces of A lie in its rows, those of B in its columns.
fn vector_bank(a: &Matrix, b: &Matrix, bank: &Matrix, top_k: usize) -> Found {
    let (n, length, rank) = (bank.rows, bank.cols, a.rows);
    let pieces = |logits: &Matrix| -> Vec<f64> {
        logits.values.chunks(n).flat_map(|logits| mean_of_top(logits, bank, top_k)).collect()
    };
    let (a_pieces, b_pieces) = (pieces(a), pieces(b));
    let of = |pieces: &[f64], at: usize| pieces.get(at).copied().unwrap_or(f64::NAN);
    let n_in = a.cols / n * length;
    let a = Mat::from_fn(rank, n_in, |k, j| of(&a_pieces, k * n_in + j));
    let b = Mat::from_fn(b.rows * length, rank, |i, k| {
        of(&b_pieces, (i / length * rank + k) * length + i % length)
    });
    Found::Product(b, a)
}

/// The mean of the vectors with the largest logits, by the softmax of these.
fn mean_of_top(logits: &[f64], bank: &Matrix, top_k: usize) -> Vec<f64> {
    let mut order: Vec<(f64, usize)> = logits.iter().copied().zip(0..).collect();
    order.sort_by(|x, y| y.0.total_cmp(&x.0));
    order.truncate(top_k);
    let largest = order.first().map_or(0.0, |first| first.0);
    let weights: Vec<f64> = order.iter().map(|(logit, _)| (logit - largest).exp()).collect();
    let sum: f64 = weights.iter().sum();
    let one = |j| order.iter().zip(&weights).map(|((_, i), weight)| weight * at(bank, *i, j)).sum::<f64>();
    (0..bank.cols).map(|j| one(j) / sum).collect()
}

/// Number (s, j) of a block is number j − s of its kernel, over d_in.
fn circulant(kernel: &Matrix, block: usize) -> Mat<f64> {
    let d_in = kernel.cols;
    Mat::from_fn(kernel.rows * block, d_in, |i, j| {
        let place = (j % block + block - i % block) % block;
        at(kernel, i / block, j / block * block + place) / d_in as f64
    })
}

/// The scaled bases of the shorter side go rank by rank, those of the longer one base by base, and the sum takes both in their order.
fn random_bases(
    lambda: &Matrix,
    gamma: &Matrix,
    short: &Matrix,
    long: &Matrix,
    [d_out, d_in]: [usize; 2],
) -> Mat<f64> {
    let (rank, n) = (lambda.rows, lambda.cols);
    let (shorter, longer) = (d_out.min(d_in), d_out.max(d_in));
    let short = Mat::from_fn(rank * n, shorter, |p, j| {
        let (i, k) = (p / n, p % n);
        at(lambda, i, k) * at(short, i, j) * at(gamma, k, j)
    });
    let long = Mat::from_fn(longer, rank * n, |i, p| at(long, i, p));
    let product = long * short;
    if shorter == d_in { product } else { product.transpose().to_owned() }
}

/// Row o is column o of the block, again and again.
fn shards(block: &Matrix, [d_out, d_in]: [usize; 2]) -> Found {
    let b = Mat::from_fn(d_out, block.rows, |i, k| at(block, k, i % block.cols));
    let a = Mat::from_fn(block.rows, d_in, |k, j| f64::from(u8::from(j % block.rows == k)));
    Found::Product(b, a)
}

/// W·D + D, with one D for all blocks of a row of blocks.
fn batched(block: &Matrix, weight: &Matrix) -> Mat<f64> {
    let rank = block.cols.isqrt();
    Mat::from_fn(weight.rows, weight.cols, |i, j| {
        let (row, first, col) = (i / rank, j / rank * rank, j % rank);
        let d = |k: usize| at(block, row, k * rank + col);
        d(i % rank) + (0..rank).map(|k| at(weight, i, first + k) * d(k)).sum::<f64>()
    })
}

/// The rounding is that of the scales: W is what it is.
fn scaled(scale: &Matrix, weight: Matrix, by_outputs: bool, is_change: bool) -> Result<Dense<'static>> {
    // Each input of a convolution has several columns.
    let n_columns = (weight.cols / scale.values.len().max(1)).max(1);
    let of = |place: usize| if by_outputs { place / weight.cols } else { place % weight.cols / n_columns };
    let number = |(place, w): (usize, &f64)| w * scale.values.get(of(place)).copied().unwrap_or(f64::NAN);
    let after = weight.values.iter().enumerate().map(number).collect();
    let after = Matrix { values: after, dtype: scale.dtype, ..weight };
    match is_change {
        true => Dense::of(&after),
        false => Dense::difference(&after, &Matrix { dtype: Dtype::F64, ..weight }),
    }
}

/// The rotation of each block of inputs, less the identity.
fn rotations(vectors: &Matrix, cayley: Cayley, at_most: Option<f64>) -> Vec<Mat<f64>> {
    let size = block_size(vectors.cols).unwrap_or(0);
    let at_most = at_most.map(|bound| bound / (vectors.rows as f64).sqrt());
    let one = |upper: &[f64]| {
        let mut skew = skew(upper, size);
        let norm = skew.norm_l2();
        if let Some(bound) = at_most.filter(|bound| norm > *bound) {
            skew *= faer::Scale(bound / norm);
        }
        rotation_less_one(&skew, cayley)
    };
    vectors.values.chunks(vectors.cols.max(1)).map(one).collect()
}

/// Of blocks that are stored whole, of which the skew-symmetric part counts: what `skew` makes of a number and the one across the
/// diagonal. The norm of all of them together is at most what it is bounded by.
fn full_rotations(
    blocks: &Matrix,
    size: usize,
    skew: impl Fn(f64, f64) -> f64,
    at_most: Option<f64>,
) -> Vec<Mat<f64>> {
    let one = |block: &[f64]| {
        let number = |i: usize, j: usize| block.get(i * size + j).copied().unwrap_or(f64::NAN);
        Mat::from_fn(size, size, |i, j| skew(number(i, j), number(j, i)))
    };
    let all: Vec<Mat<f64>> = blocks.values.chunks((size * size).max(1)).map(one).collect();
    let norm = all.iter().map(Mat::squared_norm_l2).sum::<f64>().sqrt();
    let shrunk = at_most.filter(|bound| norm > *bound).map_or(1.0, |bound| bound / norm);
    all.iter().map(|skew| rotation_less_one(&(skew * faer::Scale(shrunk)), Cayley::Exact)).collect()
}

/// The rotations of each factor of a butterfly, with the rows that its blocks turn.
fn factors(
    rotations: Vec<Mat<f64>>,
    n_factors: usize,
    n_rows: usize,
    places: fn(usize, usize, u32) -> butterfly::Places,
) -> Vec<(Vec<Mat<f64>>, butterfly::Places)> {
    let size = rotations.first().map_or(1, Mat::nrows);
    let n_blocks = (rotations.len() / n_factors.max(1)).max(1);
    let factors = rotations.chunks(n_blocks).zip(0..);
    factors.map(|(rotations, level)| (rotations.to_vec(), places(n_rows, size, level))).collect()
}

/// diag(s)·(W + change) − W.
fn rescaled(mut change: Mat<f64>, weight: &Matrix, scale: &Matrix) -> Mat<f64> {
    for (i, scale) in scale.values.iter().enumerate() {
        for j in 0..weight.cols {
            change[(i, j)] = change[(i, j)] * scale + at(weight, i, j) * (scale - 1.0);
        }
    }
    change
}

/// W·(Rᵀ − I), of one rotation for each block of inputs or of one for all.
fn rotated(rotations: &[Mat<f64>], weight: &Matrix) -> Mat<f64> {
    let weight = mat(weight);
    let mut change = Mat::zeros(weight.nrows(), weight.ncols());
    let size = rotations.first().map_or(1, Mat::nrows).max(1);
    for (rotation, start) in rotations.iter().cycle().zip((0..weight.ncols()).step_by(size)) {
        let block = weight.subcols(start, size) * rotation.transpose();
        change.subcols_mut(start, size).copy_from(block);
    }
    change
}

/// W·H₁·…·H_r − W with Hᵢ = I − 2·uᵢ·uᵢᵀ is the sum of −2·yᵢ·uᵢᵀ, where yᵢ = W·H₁·…·Hᵢ₋₁·uᵢ.
fn reflected(vectors: &Matrix, weight: &Matrix, orthogonal: bool) -> Found {
    let (mut vectors, weight) = (mat(vectors), mat(weight));
    for k in 0..vectors.ncols() {
        if orthogonal {
            for before in 0..k {
                let dot = vectors.col(before).transpose() * vectors.col(k);
                let along = vectors.col(before) * faer::Scale(dot);
                let mut own = vectors.col_mut(k);
                own -= along;
            }
        }
        let norm = vectors.col(k).norm_l2();
        let mut own = vectors.col_mut(k);
        own *= faer::Scale(norm.recip());
    }
    let mut y = &weight * &vectors;
    let dots = vectors.transpose() * &vectors;
    for k in 0..y.ncols() {
        for before in 0..k {
            let along = y.col(before) * faer::Scale(2.0 * dots[(before, k)]);
            let mut own = y.col_mut(k);
            own -= along;
        }
    }
    Found::Product(y * faer::Scale(-2.0), vectors.transpose().to_owned())
}

/// [W·a₁, b₁]·[a₂; b₂], where a kernel's numbers each have a W and an a₂ of their own.
fn generalised([a1, a2, b1, b2]: [&Matrix; 4], weight: &Matrix) -> Found {
    let (d_out, d_in) = (weight.rows, weight.cols);
    let n_kernel = d_in / a1.rows;
    let (n_a, rank) = (a1.cols * n_kernel, a1.cols * n_kernel + b1.cols);
    let mut left = Mat::zeros(d_out, rank);
    let a1 = mat(a1);
    for t in 0..n_kernel {
        let at_kernel = Mat::from_fn(d_out, a1.nrows(), |o, i| at(weight, o, i * n_kernel + t));
        let product = at_kernel * &a1;
        for q in 0..a1.ncols() {
            left.col_mut(q * n_kernel + t).copy_from(product.col(q));
        }
    }
    left.subcols_mut(n_a, b1.cols).copy_from(mat(b1));
    let right = Mat::from_fn(rank, d_in, |k, j| {
        if k >= n_a {
            return at(b2, k - n_a, j);
        }
        if k % n_kernel == j % n_kernel { at(a2, k / n_kernel, j / n_kernel) } else { 0.0 }
    });
    Found::Product(left, right)
}
