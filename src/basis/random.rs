//! The Gaussian control's matrix, the same on every machine for the same seed.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

use crate::adapter::{Dtype, Matrix};

/// A rows × cols matrix of independent standard normal numbers; the streams of one seed are independent.
pub(super) fn gaussian(rows: usize, cols: usize, seed: u64, stream: u64) -> Matrix {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    let values = (0..rows * cols).map(|_| StandardNormal.sample(&mut rng)).collect();
    Matrix { rows, cols, dtype: Dtype::F64, values }
}
