//! Reads `families.txt`, whose first lines say what each of its lines means.

use super::{Family, Part, Rule, Target};

/// The families in their order.
///
/// # Panics
/// For a line that means nothing. The text is a part of the program, and a test reads it.
pub(super) fn families(text: &'static str) -> Vec<Family> {
    let mut families: Vec<Family> = vec![];
    // Paths of the blocks that rules hold in, on both sides.
    let mut fronts: Vec<[&str; 2]> = vec![];
    let mut is_rule_before = true;
    for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        let words = line.trim_start();
        if words.starts_with('#') {
            continue;
        }
        let is_rule = words.len() < line.len();
        let (keyword, rest) = words.split_once(' ').unwrap_or((words, ""));
        if is_rule {
            let family = families.last_mut().expect("rules stand in a family");
            for front in &fronts {
                family.rules.push(rule(words, *front).unwrap_or_else(|| panic!("families.txt: {line}")));
            }
        } else if keyword == "family" {
            families.push(Family { name: rest, ..Family::default() });
            fronts = vec![["", ""]];
        } else {
            let family = families.last_mut().expect("lines stand in a family");
            match keyword {
                "source" => family.sources.push(rest),
                "only" => {
                    let paths = rest.strip_prefix("with ").expect("paths after `only with`");
                    family.only_with.extend(paths.split(' ').map(str::to_owned));
                }
                "text" => family.text.push(sides(rest)),
                "in" if is_rule_before => fronts = vec![sides(rest)],
                "in" => fronts.push(sides(rest)),
                "everywhere" => fronts = vec![["", ""]],
                "parts" => family.parts.extend(rest.split(' ')),
                _ => panic!("families.txt: {line}"),
            }
        }
        is_rule_before = keyword != "in" || is_rule;
    }
    families
}

/// `A = B`, or `A` on both sides.
fn sides(text: &'static str) -> [&'static str; 2] {
    let (here, there) = text.split_once(" = ").unwrap_or((text, text));
    [here, there]
}

fn rule(text: &'static str, [here, there]: [&str; 2]) -> Option<Rule> {
    let below = |front: &str, path: &str| match front {
        "" => path.to_owned(),
        front => format!("{front}.{path}"),
    };
    let is_in_block = !here.is_empty();
    if let Some((from, to)) = text.split_once(" != ") {
        return Some(Rule {
            from: below(here, from),
            to: Target::Permuted(below(there, to)),
            ratio: None,
            is_in_block,
        });
    }
    let [left, right] = sides(text);
    let (left, parts) = match left.split_once(" [") {
        Some((left, parts)) => (left, Some(parts.strip_suffix(']')?)),
        None => (left, None),
    };
    let (from, ratio) = match left.split_once(" (") {
        Some((from, ratio)) => {
            let (d_in, d_out) = ratio.strip_suffix(')')?.split_once(':')?;
            (from, Some([d_in.parse().ok()?, d_out.parse().ok()?]))
        }
        None => (left, None),
    };
    let to = match parts {
        None => Target::Name(below(there, right)),
        Some(parts) => {
            let (parts, names) = (parts.split(", "), right.split(", "));
            if parts.clone().count() != names.clone().count() {
                return None;
            }
            Target::Parts(
                parts.zip(names).map(|(part, to)| parsed(part, below(there, to))).collect::<Option<_>>()?,
            )
        }
    };
    let is_path = |path: &str| !path.contains(|c: char| c.is_whitespace() || "[]()=!,:".contains(c));
    let are_paths = is_path(from) && right.split(", ").all(is_path);
    are_paths.then(|| Rule { from: below(here, from), to, ratio, is_in_block })
}

/// `q d` or `q *`.
fn parsed(part: &'static str, to: String) -> Option<Part> {
    let (name, rows) = part.split_once(' ')?;
    let is_square = match rows {
        "d" => true,
        "*" => false,
        _ => return None,
    };
    Some(Part { name, is_square, to })
}
