//! What it takes to make A and B of an update of another form: copies of it in f64, and an SVD.

use crate::adapter::Factor;
use crate::adapter::made::{Form, MadeUpdate, StoredMatrix};

/// Bytes while both factors are made, at most.
pub(super) fn bytes(update: &MadeUpdate) -> u128 {
    let Some(shape) = update.form.shape() else { return 0 };
    // Each as it is read and as a matrix.
    let read = |factor: &Factor| match update.form {
        // Some rows of each at once, where they follow each other.
        Form::Difference(_) if factor.is_dense() => (12 * numbers(factor.rows, factor.cols)).min(16 << 20),
        _ => 16 * numbers(factor.rows, factor.cols),
    };
    let stored: u128 = update.form.factors().map(read).sum();
    let kept = numbers(update.n_kept, shape[0].saturating_add(shape[1]));
    let svd = match &update.form {
        Form::Kronecker(both) => {
            let pairs = numbers(both[0].rank(), both[1].rank());
            both.iter().map(|matrix| Svd::of_matrix(matrix, 0).bytes()).sum::<u128>() + 36 * pairs
        }
        _ => Svd::of(update).bytes(),
    };
    // The vectors, the factors, and their numbers row by row.
    stored + svd + 24 * kept
}

/// Multiply-adds of the SVDs that making the factors takes, about.
pub fn svd_work(update: &MadeUpdate) -> f64 {
    match &update.form {
        Form::Kronecker(both) => both.iter().map(|matrix| Svd::of_matrix(matrix, 0).work()).sum(),
        _ => Svd::of(update).work(),
    }
}

/// How the strongest directions are found.
enum Svd {
    /// All that there are are kept, as (rows, rank) and (rank, cols).
    None { shape: [usize; 2], rank: usize },
    /// By QR of both factors.
    OfProduct { shape: [usize; 2], rank: usize },
    /// Of the whole matrix, from so many others.
    Dense { shape: [usize; 2], n_others: u128 },
    /// By the range finder, from so many copies in f64.
    Search { shape: [usize; 2], n_copies: u128, n_kept: usize },
}

impl Svd {
    /// Of a form that is not a Kronecker product.
    fn of(update: &MadeUpdate) -> Self {
        let (shape, n_kept) = (update.form.shape().unwrap_or_default(), update.n_kept);
        match &update.form {
            Form::Difference(_) => Self::Search { shape, n_copies: 0, n_kept },
            Form::RowScale { .. } => Self::None { shape, rank: 1 },
            Form::Plain(StoredMatrix::Whole(_)) if update.is_searched() => {
                Self::Search { shape, n_copies: 1, n_kept }
            }
            Form::Plain(matrix) => Self::of_matrix(matrix, update.n_kept),
            form => {
                let whole = match update.is_searched() {
                    true => Self::Search { shape, n_copies: 4, n_kept },
                    false => Self::Dense { shape, n_others: 2 },
                };
                let Form::Hadamard(both) = form else { return whole };
                let is_product = both.iter().all(|matrix| !matches!(matrix, StoredMatrix::Whole(_)));
                let rank = both.iter().fold(1usize, |n, matrix| n.saturating_mul(matrix.rank()));
                match rank {
                    rank if !is_product || rank > shape[0].min(shape[1]) => whole,
                    rank if rank <= update.n_kept => Self::None { shape, rank },
                    rank => Self::OfProduct { shape, rank },
                }
            }
        }
    }

    fn of_matrix(matrix: &StoredMatrix, n_kept: usize) -> Self {
        let (shape, rank) = (matrix.shape().unwrap_or_default(), matrix.rank());
        match matrix {
            StoredMatrix::Whole(_) => Self::Dense { shape, n_others: 0 },
            _ if rank <= n_kept => Self::None { shape, rank },
            _ if rank <= shape[0].min(shape[1]) => Self::OfProduct { shape, rank },
            _ => Self::Dense { shape, n_others: 1 },
        }
    }

    /// Measured, with a tenth more.
    fn bytes(&self) -> u128 {
        match *self {
            Self::None { shape: [rows, cols], rank } => 8 * numbers(rank, rows.saturating_add(cols)),
            Self::OfProduct { shape: [rows, cols], rank } => {
                48 * numbers(rank, rows.saturating_add(cols)) + 110 * numbers(rank, rank)
            }
            Self::Dense { shape: [rows, cols], n_others } => {
                let least = rows.min(cols);
                (32 + 8 * n_others) * numbers(rows, cols) + 56 * numbers(least, least)
            }
            Self::Search { shape: [rows, cols], n_copies, n_kept } => {
                let sides = rows.saturating_add(cols);
                (4 + 8 * n_copies) * numbers(rows, cols) + 100 * numbers(n_kept.saturating_add(8), sides)
            }
        }
    }

    fn work(&self) -> f64 {
        let product = |x: usize, y: usize, z: usize| x as f64 * y as f64 * z as f64;
        match *self {
            Self::None { .. } => 0.0,
            Self::OfProduct { shape: [rows, cols], rank } => product(rank, rank, rows.max(cols)),
            Self::Dense { shape: [rows, cols], .. } => product(rows, cols, rows.min(cols)),
            // A dozen products with a block of vectors.
            Self::Search { shape: [rows, cols], n_kept, .. } => 12.0 * product(rows, cols, n_kept + 8),
        }
    }
}

fn numbers(rows: usize, cols: usize) -> u128 {
    (rows as u128 * cols as u128).min(1 << 96)
}
