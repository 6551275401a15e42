//! Natural order: numbers inside names compare as numbers.

use std::cmp::Ordering;

/// Orders names so that `layer.2` comes before `layer.10`. Numbers can have any length; names that differ only in
/// leading zeros are ordered by their bytes, so that only equal names are equal.
pub fn natural_cmp(a: &str, b: &str) -> Ordering {
    let (mut rest_a, mut rest_b) = (a.as_bytes(), b.as_bytes());
    while let (Some((chunk_a, tail_a)), Some((chunk_b, tail_b))) = (chunk(rest_a), chunk(rest_b)) {
        let by_chunk = match (number(chunk_a), number(chunk_b)) {
            (Some(x), Some(y)) => x.len().cmp(&y.len()).then_with(|| x.cmp(y)),
            _ => chunk_a.cmp(chunk_b),
        };
        if by_chunk.is_ne() {
            return by_chunk;
        }
        (rest_a, rest_b) = (tail_a, tail_b);
    }
    rest_a.len().cmp(&rest_b.len()).then_with(|| a.cmp(b))
}

/// The digits at the start of the name, or everything up to the next digit; and the rest.
fn chunk(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let first = name.first()?.is_ascii_digit();
    let end = name.iter().position(|byte| byte.is_ascii_digit() != first).unwrap_or(name.len());
    Some(name.split_at(end))
}

/// A number's digits without leading zeros.
fn number(chunk: &[u8]) -> Option<&[u8]> {
    chunk[0].is_ascii_digit().then(|| {
        let zeros = chunk.iter().take_while(|&&byte| byte == b'0').count();
        &chunk[zeros..]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_numbers_as_numbers() {
        let sorted = [
            "",
            "checkpoint-0",
            "checkpoint-9",
            "checkpoint-10",
            "checkpoint-99999999999999999999998",
            "checkpoint-99999999999999999999999",
            "layer",
            "layer.2.k",
            "layer.2.q",
            "layer.10.k",
            "layer.a",
        ];
        for (i, x) in sorted.iter().enumerate() {
            for (j, y) in sorted.iter().enumerate() {
                assert_eq!(natural_cmp(x, y), i.cmp(&j), "{x} against {y}");
            }
        }
    }

    #[test]
    fn leading_zeros_break_ties_only() {
        assert_eq!(natural_cmp("h.01.z", "h.1.a"), Ordering::Greater);
        assert_eq!(natural_cmp("h.01.a", "h.1.a"), Ordering::Less);
        assert_eq!(natural_cmp("h.01.a", "h.01.a"), Ordering::Equal);
        assert_eq!(natural_cmp("h.00", "h.0"), Ordering::Greater);
    }
}
