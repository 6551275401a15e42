//! A short projection of A, by which two adapters' starts are compared without keeping A.

use pulp::{Arch, Simd, WithSimd};

use crate::adapter::Matrix;
use crate::simd;

/// Numbers of a projection.
pub const N_PROJECTED: usize = 512;

/// Entries that stay next to each other: as many as have signs in two words.
const RUN: usize = 128;

/// A/‖A‖_F, vectorised, in 512 numbers: every entry is added, with a random sign, to one of them (a count sketch, Charikar
/// et al. 2002). Runs of 128 entries go to places that a random turn decides, so that the entries of one column meet
/// elsewhere in every row. Signs and turns depend only on the entry's place, so that the dot product of two projections
/// estimates cos(vec A₁, vec A₂) without bias and with a standard deviation of some √((1 + cos²)/512). Zeros for an A of
/// zeros.
pub fn start_projection(a: &Matrix) -> [f32; N_PROJECTED] {
    let squares = |inverse: f64| simd::sum(&a.values, |value| (value * inverse) * (value * inverse));
    let (mut inverse, mut square) = (1.0, squares(1.0));
    if !simd::SAFE_SQUARES.contains(&square) {
        let largest = simd::largest(&a.values);
        if largest == 0.0 || !largest.is_finite() {
            return [0.0; N_PROJECTED];
        }
        inverse = 1.0 / simd::unit_near(largest);
        square = squares(inverse);
    }
    let sums = Arch::new().dispatch(Runs { values: &a.values, inverse });
    let norm = square.sqrt();
    std::array::from_fn(|place| ((sums[place] + sums[place + N_PROJECTED]) / norm) as f32)
}

/// The sums of turned runs, with room after the last place, so that a turned one needs no second loop. A type of its own: see
/// [`simd`].
struct Runs<'a> {
    values: &'a [f64],
    inverse: f64,
}

impl WithSimd for Runs<'_> {
    type Output = [f64; 2 * N_PROJECTED];

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Self::Output {
        let mut sums = [0.0; 2 * N_PROJECTED];
        for (run, values) in (0u64..).zip(self.values.chunks(RUN)) {
            let turn = (scrambled(3 * run) % N_PROJECTED as u64) as usize;
            let signs = [scrambled(3 * run + 1), scrambled(3 * run + 2)];
            add_signed(&mut sums[turn..][..values.len()], values, signs, self.inverse);
        }
        sums
    }
}

/// Adds up to 128 values in other units, each with the sign that its bit says.
#[inline(always)]
fn add_signed(sums: &mut [f64], values: &[f64], signs: [u64; 2], inverse: f64) {
    let halves = sums.chunks_mut(64).zip(values.chunks(64)).zip(signs);
    for ((sums, values), signs) in halves {
        for (bit, (sum, value)) in sums.iter_mut().zip(values).enumerate() {
            let sign = (signs >> bit) << 63;
            *sum += f64::from_bits((value * inverse).to_bits() ^ sign);
        }
    }
}

/// The estimate of cos(vec A₁, vec A₂) from two projections; NaN where one is of zeros.
pub fn cosine(a: &[f32; N_PROJECTED], b: &[f32; N_PROJECTED]) -> f32 {
    let is_zero = |projection: &[f32]| projection.iter().all(|&value| value == 0.0);
    if is_zero(a) || is_zero(b) {
        return f32::NAN;
    }
    // Many sums, so that none waits for itself at every step: a scan does this for every pair.
    let mut sums = [0.0; 32];
    for (a, b) in a.as_chunks::<32>().0.iter().zip(b.as_chunks::<32>().0) {
        for (sum, (x, y)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += x * y;
        }
    }
    sums.iter().sum::<f32>().clamp(-1.0, 1.0)
}

/// The same for factors of these shapes; NaN also where these differ.
pub(crate) fn init_cosine<T: PartialEq>(
    [shape_1, shape_2]: [T; 2],
    projection_1: &[f32; N_PROJECTED],
    projection_2: &[f32; N_PROJECTED],
) -> f64 {
    if shape_1 == shape_2 { f64::from(cosine(projection_1, projection_2)) } else { f64::NAN }
}

/// The finaliser of splitmix64: every bit of the place decides every bit of the hash.
#[inline(always)]
fn scrambled(place: u64) -> u64 {
    let x = place.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::Dtype;
    use crate::basis::gaussian_matrix;
    use crate::measure::init_cosine;

    #[test]
    fn estimates_the_cosine_within_a_few_standard_deviations() {
        let [a, b] = [gaussian_matrix(8, 300, 1), gaussian_matrix(8, 300, 2)];
        let (own, other) = (start_projection(&a), start_projection(&b));
        assert!((cosine(&own, &own) - 1.0).abs() < 0.5);
        let mut worst: f64 = 0.0;
        for share in [0.0, 0.3, 0.7, 0.95] {
            let values = a.values.iter().zip(&b.values).map(|(x, y)| share * x + (1.0 - share) * y);
            let mixed = Matrix { values: values.collect(), ..a.clone() };
            let exact = init_cosine::cosine(&a, &mixed).unwrap();
            worst = worst.max((f64::from(cosine(&own, &start_projection(&mixed))) - exact).abs());
        }
        assert!(worst < 4.0 * (2.0 / N_PROJECTED as f64).sqrt(), "{worst}");
        assert!(f64::from(cosine(&own, &other)).abs() < init_cosine::SHARED_INIT);
    }

    #[test]
    fn is_unbiased_over_many_pairs() {
        let n = 200;
        let errors: Vec<f64> = (0..n)
            .map(|seed| {
                let [a, b] = [gaussian_matrix(4, 128, seed), gaussian_matrix(4, 128, seed + n)];
                f64::from(cosine(&start_projection(&a), &start_projection(&b)))
                    - init_cosine::cosine(&a, &b).unwrap()
            })
            .collect();
        let mean = errors.iter().sum::<f64>() / n as f64;
        let deviation = (errors.iter().map(|error| error * error).sum::<f64>() / n as f64).sqrt();
        assert!(mean.abs() < 4.0 * deviation / (n as f64).sqrt(), "{mean}");
        assert!(deviation < 1.2 / (N_PROJECTED as f64).sqrt(), "{deviation}");
    }

    #[test]
    fn zeros_have_no_cosine_and_scale_changes_nothing() {
        let zero = Matrix { rows: 1, cols: 2, dtype: Dtype::F64, values: vec![0.0, 0.0] };
        let one = Matrix { values: vec![3e-300, 4e-300], ..zero.clone() };
        let large = Matrix { values: vec![3e200, 4e200], ..zero.clone() };
        assert!(cosine(&start_projection(&zero), &start_projection(&one)).is_nan());
        assert_eq!(start_projection(&one), start_projection(&large));
        assert!((cosine(&start_projection(&one), &start_projection(&large)) - 1.0).abs() < 1e-6);
        assert_eq!(start_projection(&zero), [0.0; N_PROJECTED]);
        let infinite = Matrix { values: vec![f64::INFINITY, 1.0], ..zero.clone() };
        assert_eq!(start_projection(&infinite), [0.0; N_PROJECTED]);
        // Numbers whose inverse would be infinite.
        let subnormal = Matrix { values: [3, 4].map(f64::from_bits).to_vec(), ..zero };
        assert_eq!(start_projection(&subnormal), start_projection(&one));
    }

    /// The place and the sign of the entry at `at` of n.
    fn place(at: usize, n: usize) -> (usize, f32) {
        let mut a = Matrix { rows: 1, cols: n, dtype: Dtype::F64, values: vec![0.0; n] };
        a.values[at] = 2.0;
        let projection = start_projection(&a);
        let places: Vec<usize> = (0..N_PROJECTED).filter(|&place| projection[place] != 0.0).collect();
        assert_eq!(places.len(), 1, "entry {at} of {n}");
        assert_eq!(projection[places[0]].abs(), 1.0, "entry {at} of {n}");
        (places[0], projection[places[0]])
    }

    #[test]
    fn every_entry_goes_with_a_sign_to_one_place_and_those_of_a_run_to_different_ones() {
        let n = 5 * RUN + 70;
        let found: Vec<(usize, f32)> = (0..n).map(|at| place(at, n)).collect();
        for run in found.chunks(RUN) {
            let mut places: Vec<usize> = run.iter().map(|(place, _)| *place).collect();
            places.sort_unstable();
            places.dedup();
            assert_eq!(places.len(), run.len());
            let n_negative = run.iter().filter(|(_, sign)| *sign < 0.0).count();
            assert!((run.len() / 4..run.len() * 3 / 4).contains(&n_negative), "{n_negative}");
        }
        let first: Vec<usize> = found.iter().step_by(RUN).map(|(place, _)| *place).collect();
        assert!(first.windows(2).all(|pair| pair[0] != pair[1]), "{first:?}");
    }

    #[test]
    fn places_and_signs_are_those_of_every_version_since_bases_are_kept_with_them() {
        let found = [0, 1, 63, 64, 127, 128, 300, 699].map(|at| place(at, 700));
        assert_eq!(
            found,
            [
                (431, 1.0),
                (432, 1.0),
                (494, 1.0),
                (495, -1.0),
                (46, 1.0),
                (492, -1.0),
                (269, -1.0),
                (230, -1.0)
            ]
        );
    }
}
