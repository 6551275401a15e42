//! Numbers as the report shows them.

/// To seven decimals, which is finer than any φ.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1e7).round() / 1e7
}

/// The same; `None` for what is not finite, which JSON cannot hold.
pub(super) fn finite(value: f64) -> Option<f64> {
    value.is_finite().then(|| rounded(value))
}
