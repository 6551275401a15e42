//! Which of many names somebody may have meant who wrote another one.

use std::collections::HashSet;

/// The names in the order in which a message lists them for a glob or a name that fits none: the nearest first, but one of each
/// kind before the next of that kind. Names are of one kind where only their numbers differ.
pub fn by_nearness<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted: Vec<char> = wanted.chars().take(MAX_CHARS).collect();
    let mut ranked: Vec<(usize, &str)> =
        names.into_iter().map(|name| (distance(&wanted, name), name)).collect();
    // Stable: names that are equally near stay in the order that they came in.
    ranked.sort_by_key(|&(distance, _)| distance);
    let mut kinds = HashSet::new();
    let (mut firsts, others): (Vec<_>, Vec<_>) =
        ranked.into_iter().map(|(_, name)| name).partition(|name| kinds.insert(kind(name)));
    firsts.extend(others);
    firsts
}

/// Longer names are compared by their beginning: a file may hold one of any length.
const MAX_CHARS: usize = 200;

/// Characters to insert, to remove or to change until the glob fits the name. `*` is a run of any characters and `?` is any
/// one; sets in brackets are taken as they are written, which costs a little.
fn distance(glob: &[char], name: &str) -> usize {
    let name: Vec<char> = name.chars().take(MAX_CHARS).collect();
    // Of the first i characters of the glob to each beginning of the name.
    let mut row: Vec<usize> = (0..=name.len()).collect();
    for (i, &wanted) in glob.iter().enumerate() {
        let before = row.clone();
        let is_run = wanted == '*';
        row[0] = if is_run { before[0] } else { i + 1 };
        for (j, &found) in name.iter().enumerate() {
            let change = usize::from(!(is_run || wanted == '?' || wanted == found));
            let remove = if is_run { before[j + 1] } else { before[j + 1] + 1 };
            let insert = if is_run { row[j] } else { row[j] + 1 };
            row[j + 1] = (before[j] + change).min(remove).min(insert);
        }
    }
    row[name.len()]
}

/// The name without its numbers.
fn kind(name: &str) -> String {
    name.chars().filter(|c| !c.is_ascii_digit()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(glob: &str, name: &str) -> usize {
        distance(&glob.chars().collect::<Vec<_>>(), name)
    }

    #[test]
    fn a_glob_costs_what_must_be_changed_until_it_fits() {
        for (glob, name, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("*", "anything", 0),
            ("*", "", 0),
            ("*.v_proj", "layers.0.self_attn.v_proj", 0),
            ("*.v_prj", "layers.0.self_attn.v_proj", 1),
            ("h.?.q", "h.7.q", 0),
            ("H.*", "h.0.q", 1),
            ("a*c", "abd", 1),
        ] {
            assert_eq!(cost(glob, name), expected, "{glob} {name}");
        }
    }

    #[test]
    fn the_nearest_of_each_kind_comes_first() {
        let names = ["layers.0.q_proj", "layers.0.v_proj", "layers.1.q_proj", "layers.1.v_proj", "lm_head"];
        assert_eq!(
            by_nearness("layers.1.v_prog", names),
            ["layers.1.v_proj", "layers.1.q_proj", "lm_head", "layers.0.v_proj", "layers.0.q_proj"]
        );
        assert_eq!(by_nearness("q", []), Vec::<&str>::new());
    }

    #[test]
    fn a_name_of_any_length_is_compared_in_a_moment() {
        let long = "x".repeat(1 << 20);
        assert_eq!(by_nearness(&long, [long.as_str(), "y"]), [long.as_str(), "y"]);
    }
}
