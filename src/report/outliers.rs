//! Which values stand apart from the others.

/// A value is an outlier when its robust z passes this (Iglewicz and Hoaglin 1993).
const OUTLIER_Z: f64 = 3.5;
/// The fewest values among which one can stand apart.
const OUTLIERS_FROM: usize = 8;
/// Of a normal distribution the standard deviation is this many times the median absolute deviation.
const MAD_TO_SIGMA: f64 = 1.4826;

/// Whether a robust z is an outlier's.
pub(super) fn is_outlier(z: f64) -> bool {
    z.abs() > OUTLIER_Z
}

/// A smaller spread counts as this one: quantities are shown with three digits.
const LEAST_SPREAD: f64 = 1e-3;

/// How many robust standard deviations each value lies from the median; `None` for all where most are equal, or under
/// eight are there. Values that `counts` is false for do not decide the median and the spread: they repeat others.
pub(super) fn robust_z(values: &[Option<f64>], counts: impl Fn(usize) -> bool) -> Vec<Option<f64>> {
    let known = values.iter().enumerate().filter(|(place, _)| counts(*place));
    let known: Vec<f64> = known.filter_map(|(_, value)| *value).collect();
    let middle = median(known.clone());
    let spread = MAD_TO_SIGMA * median(known.iter().map(|value| (value - middle).abs()).collect());
    let has_scale = spread > 1e-9 && known.len() >= OUTLIERS_FROM;
    let spread = spread.max(LEAST_SPREAD);
    values.iter().map(|value| value.filter(|_| has_scale).map(|value| (value - middle) / spread)).collect()
}

/// NaN for no values.
pub(super) fn median(values: Vec<f64>) -> f64 {
    quantile(values, 0.5)
}

/// The value below which a share of the values lies, between two of them by a line; NaN for no values.
pub(super) fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let Some(last) = values.len().checked_sub(1) else { return f64::NAN };
    let at = share * last as f64;
    let (low, high) = (values[at.floor() as usize], values[at.ceil() as usize]);
    low + (high - low) * at.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_robust_z_is_by_median_and_mad() {
        let values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 100.0].map(Some);
        let scores = robust_z(&[&values[..], &[None]].concat(), |_| true);
        assert!((scores[7].unwrap() - 95.5 / (2.0 * 1.4826)).abs() < 1e-9);
        assert!(scores[0].unwrap() < 0.0 && scores[8].is_none());
        assert_eq!(robust_z(&values[1..], |_| true), [None; 7], "too few");
        // Most are equal: there is no scale to measure by.
        assert_eq!(robust_z(&[&[Some(1.0); 8][..], &[Some(9.0)]].concat(), |_| true), [None; 9]);
        assert_eq!(robust_z(&[], |_| true), []);
        // Copies of the first, which would make the spread zero, leave the scale to the others.
        let with_copies = [&values[..], &[Some(1.0); 20]].concat();
        let scores = robust_z(&with_copies, |place| place < 8);
        assert!((scores[7].unwrap() - 95.5 / (2.0 * 1.4826)).abs() < 1e-9 && scores[0] == scores[27]);
    }

    #[test]
    fn quantiles_lie_between_values() {
        let values = vec![4.0, 1.0, 3.0, 2.0];
        assert_eq!([0.0, 0.25, 0.5, 1.0].map(|share| quantile(values.clone(), share)), [1.0, 1.75, 2.5, 4.0]);
        assert!(quantile(vec![], 0.5).is_nan());
    }
}
