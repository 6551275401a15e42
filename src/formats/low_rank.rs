//! Pairs of matrices that could be the factors of a low-rank update, by their shapes and names.

use std::collections::{BTreeMap, HashMap};

/// A factor's inner size is at most this, and less than a fourth of the outer sizes: the two matrices of a feed-forward
/// layer fit each other too, but their inner size is the model's.
const MAX_RANK: u64 = 512;

/// A name differs from its partner's in one of its last words.
const MAX_WORDS: usize = 8;

/// Name and shape.
type Matrix<'a> = (&'a str, [u64; 2]);

/// Two tensors whose names differ in one word and whose shapes are (r, d_in) and (d_out, r), or the transposes, with a
/// small r. Each tensor is in one pair.
pub(super) fn pairs<'a>(tensors: impl IntoIterator<Item = (&'a str, &'a [u64])>) -> Vec<[&'a str; 2]> {
    let mut groups: HashMap<[&str; 2], Vec<Matrix<'_>>> = HashMap::new();
    for (name, shape) in tensors {
        let &[rows, cols] = shape else { continue };
        for key in around_words(name) {
            groups.entry(key).or_default().push((name, [rows, cols]));
        }
    }
    let mut partner: BTreeMap<&str, &str> = BTreeMap::new();
    let of_two = groups.into_values().filter_map(|group| <[Matrix<'_>; 2]>::try_from(group).ok());
    let mut of_two: Vec<_> = of_two.filter(|[(_, first), (_, second)]| fit(*first, *second)).collect();
    of_two.sort_unstable();
    for [(first, _), (second, _)] in of_two {
        if !partner.contains_key(first) && !partner.contains_key(second) {
            partner.insert(first, second);
            partner.insert(second, first);
        }
    }
    partner
        .into_iter()
        .filter(|(first, second)| first < second)
        .map(|(first, second)| [first, second])
        .collect()
}

/// What stands before and after each of the last words of a name.
fn around_words(name: &str) -> impl Iterator<Item = [&str; 2]> {
    let is_end = |c: char| matches!(c, '.' | '_' | ':');
    let mut end = Some(name.len());
    std::iter::from_fn(move || {
        let to = end?;
        let from = name[..to].rfind(is_end).map_or(0, |at| at + 1);
        end = (from > 0).then(|| from - 1);
        Some([&name[..from], &name[to..]])
    })
    .take(MAX_WORDS)
}

fn fit(first: [u64; 2], second: [u64; 2]) -> bool {
    let is_low = |r: u64, outer: [u64; 2]| (1..=MAX_RANK).contains(&r) && outer.iter().all(|&d| d / 4 > r);
    let [a, b] = first;
    let [c, d] = second;
    (b == c && is_low(b, [a, d])) || (a == d && is_low(a, [b, c]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_differs_in_a_word_and_has_a_small_inner_size() {
        let tensors: &[(&str, &[u64])] = &[
            ("x.linear_a_q.weight", &[4, 64]),
            ("x.linear_b_q.weight", &[64, 4]),
            ("x.linear_a_v.weight", &[4, 64]),
            ("x.linear_b_v.weight", &[64, 4]),
            ("x.up.weight", &[256, 64]),
            ("x.down.weight", &[64, 256]),
            ("x.norm", &[64]),
        ];
        let found = pairs(tensors.iter().map(|&(name, shape)| (name, shape)));
        assert_eq!(
            found,
            [["x.linear_a_q.weight", "x.linear_b_q.weight"], ["x.linear_a_v.weight", "x.linear_b_v.weight"]]
        );
    }
}
