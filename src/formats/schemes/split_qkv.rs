//! Fused weights whose parts were trained as adapters of their own and merged for storage, as sd-scripts (`split_qkv`) and
//! converters from diffusers' names do for Flux: A stacks the A of all parts, and B is block-diagonal.
//!
//! Nothing in the names or shapes tells this from one adapter of the fused weight, so numbers decide: a few rows of B in each
//! part. What training leaves in a dense B is never zero at all these places.

use std::ops::Range;

use super::pair::{Pair, StoredAlpha};
use crate::adapter::{Factor, Source};

/// Rows of B that are read at the start and at the end of each part.
const N_ROWS: usize = 4;

/// The A and B of each part, given by its rows of B; `None` if the parts share one A.
pub(super) fn blocks(pair: &Pair, parts: &[Range<usize>]) -> Option<Vec<[Factor; 2]>> {
    let rank = pair.a.rows;
    if parts.len() < 2 || pair.b.cols != rank || !rank.is_multiple_of(parts.len()) || !is_cheap(&pair.b) {
        return None;
    }
    let each = rank / parts.len();
    let columns = |part: usize| part * each..(part + 1) * each;
    let mut is_trained = false;
    for (part, rows) in parts.iter().enumerate() {
        is_trained |= is_only_in(&pair.b, rows, columns(part))?;
    }
    // All of an untrained B is zero, whatever it is.
    is_trained.then(|| {
        let block = |(part, rows): (usize, &Range<usize>)| {
            let b = pair.b.clone().row_range(rows.clone());
            [pair.a.clone().row_range(columns(part)), b.transposed().row_range(columns(part)).transposed()]
        };
        parts.iter().enumerate().map(block).collect()
    })
}

/// What the parts' scaling is, as a multiple of alpha over the rank of all. sd-scripts trains each part with alpha over the
/// part's own rank and stores that alpha; converters store the rank of all.
pub(super) fn rescaled(pair: &Pair, n_parts: usize) -> f64 {
    match pair.alpha {
        StoredAlpha::Of(alpha) if alpha != pair.a.rows as f64 => n_parts as f64,
        _ => 1.0,
    }
}

/// Whether reading a few rows does not need all that is stored before them.
fn is_cheap(b: &Factor) -> bool {
    !matches!(b.source, Source::Deflated(_)) && b.made.is_none()
}

/// Whether some of a part's rows are not zero; `None` if they are not zero outside these columns, or cannot be read.
fn is_only_in(b: &Factor, rows: &Range<usize>, columns: Range<usize>) -> Option<bool> {
    let mut is_trained = false;
    for start in [rows.start, rows.end.saturating_sub(N_ROWS).max(rows.start)] {
        let some = b.clone().row_range(start..rows.end.min(start + N_ROWS)).read().ok()?;
        for row in some.values.chunks_exact(some.cols) {
            let (inside, outside): (Vec<_>, Vec<_>) =
                row.iter().enumerate().partition(|(column, _)| columns.contains(column));
            if outside.iter().any(|(_, value)| **value != 0.0) {
                return None;
            }
            is_trained |= inside.iter().any(|(_, value)| **value != 0.0);
        }
    }
    Some(is_trained)
}
