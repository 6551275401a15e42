//! Rotations of blocks whose members lie apart: the factors of a butterfly, one after the other.

use faer::Mat;

/// A factor turns blocks of these rows: those of block k from k·size on.
pub(super) type Places = Vec<usize>;

/// (M − 1)·X for the product M of all factors, the first of which is applied first. Each has a rotation less one for each block.
pub(super) fn turned(x: &Mat<f64>, factors: &[(Vec<Mat<f64>>, Places)]) -> Mat<f64> {
    let mut now = x.clone();
    for (rotations, places) in factors {
        let size = rotations.first().map_or(1, Mat::nrows).max(1);
        let mut after = now.clone();
        for (rotation, rows) in rotations.iter().zip(places.chunks_exact(size)) {
            let block =
                Mat::from_fn(size, now.ncols(), |i, j| rows.get(i).map_or(f64::NAN, |&row| now[(row, j)]));
            let change = rotation * block;
            for (i, &row) in rows.iter().enumerate() {
                for j in 0..now.ncols() {
                    after[(row, j)] += change[(i, j)];
                }
            }
        }
        now = after;
    }
    now - x
}

/// Every row in its place: one factor, whose blocks are of neighbours.
pub(super) fn neighbours(n: usize) -> Places {
    (0..n).collect()
}

/// PEFT's factor number `level` of n rows in blocks of `size`: of each group of 2^level blocks, a half block of the first half and one
/// of the second in turn.
pub(super) fn of_halves(n: usize, size: usize, level: u32) -> Places {
    let (half, n_halves) = ((size / 2).max(1), 2usize << level);
    let group = half * n_halves;
    let place = |at: usize| {
        let (start, which) = (at / group * group, at % group / half);
        start + (which / 2 + which % 2 * n_halves / 2) * half + at % half
    };
    (0..n).map(place).collect()
}

/// LyCORIS's: rows that are `size/2`·2^level apart come together.
pub(super) fn of_pairs(n: usize, size: usize, level: u32) -> Places {
    let apart = (size / 2).max(1) << level;
    (0..n).map(|at| at / (2 * apart) * 2 * apart + at % 2 * apart + at % (2 * apart) / 2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factors_of_both_libraries_have_the_rows_that_these_put_together() {
        // By `block_butterfly_perm` of PEFT, and by LyCORIS's `unflatten`, of 16 rows in blocks of 4.
        assert_eq!(of_halves(16, 4, 0), neighbours(16));
        assert_eq!(of_halves(16, 4, 1), [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15]);
        assert_eq!(of_halves(48, 6, 3)[..9], [0, 1, 2, 24, 25, 26, 3, 4, 5]);
        assert_eq!(of_pairs(16, 4, 0), [0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15]);
        assert_eq!(of_pairs(16, 4, 1), [0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15]);
        for places in [of_halves(24, 6, 1), of_halves(48, 6, 3), of_pairs(48, 6, 3)] {
            let mut sorted = places.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, neighbours(places.len()));
        }
    }

    #[test]
    fn rotations_keep_lengths_and_one_that_changes_nothing_is_nothing() {
        let x = Mat::from_fn(8, 3, |i, j| (i + 2 * j) as f64);
        let nothing = vec![(vec![Mat::zeros(4, 4); 2], of_pairs(8, 4, 1))];
        assert_eq!(turned(&x, &nothing).norm_max(), 0.0);
        // A quarter turn in each pair of a block of two, less one.
        let quarter = Mat::from_fn(2, 2, |i, j| if i == j { -1.0 } else { i as f64 - j as f64 });
        let factors = vec![(vec![quarter; 4], neighbours(8)); 2];
        let half = turned(&x, &factors) + &x;
        assert!((half + &x).norm_max() < 1e-12, "two quarters are a half turn");
    }
}
