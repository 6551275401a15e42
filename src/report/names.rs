//! Short names of paths: cut where they agree, not where they differ.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::hub;

/// The paths without the folders that all have in common, at the front and at the end; the last part of each stays where
/// nothing else would.
pub(super) fn short<'a>(paths: impl Iterator<Item = &'a str>) -> Vec<String> {
    let shown: Vec<Cow<'a, str>> =
        paths.map(|path| hub::shown(path).map_or(Cow::Borrowed(path), Cow::Owned)).collect();
    let all: Vec<Vec<&str>> = shown.iter().map(|path| path.split('/').collect()).collect();
    let Some(first) = all.first() else { return vec![] };
    // One part of the shortest stays.
    let most = all.iter().map(Vec::len).min().unwrap_or(1) - 1;
    let is_common =
        |part: &dyn for<'x> Fn(&[&'x str]) -> &'x str| all.iter().all(|path| part(path) == part(first));
    let front = (0..most).take_while(|&at| is_common(&|path| path[at])).count();
    let end = match all.len() {
        1 => 0,
        _ => (0..most - front).take_while(|&at| is_common(&|path| path[path.len() - 1 - at])).count(),
    };
    all.iter().map(|path| path[front..path.len() - end].join("/")).collect()
}

/// Names of at most about `n_chars` characters: longer ones lose what they have in common with all others, first in the
/// middle folders, then within words, where that does not make two of them equal.
pub(super) fn fitted(names: Vec<String>, n_chars: usize) -> Vec<String> {
    let is_long = |names: &[String]| names.iter().any(|name| name.chars().count() > n_chars);
    let is_clear = |names: &[String]| names.iter().collect::<HashSet<_>>().len() == names.len();
    let mut fitted = names;
    for cut in [without_common_folders, without_common_ends] {
        if is_long(&fitted) {
            let shorter = cut(&fitted);
            if is_clear(&shorter) || !is_clear(&fitted) {
                fitted = shorter;
            }
        }
    }
    fitted
}

/// Folders that all names agree on that agree up to them become `…`: nothing is told apart there.
fn without_common_folders(names: &[String]) -> Vec<String> {
    let parts = |name: &'_ String| name.split('/').map(str::to_owned).collect::<Vec<String>>();
    // How many different parts follow each front.
    let mut next: HashMap<Vec<String>, HashSet<String>> = HashMap::new();
    for name in names {
        let parts = parts(name);
        for at in 0..parts.len() {
            next.entry(parts[..at].to_vec()).or_default().insert(parts[at].clone());
        }
    }
    let shorter = |name: &String| {
        let parts = parts(name);
        let mut kept: Vec<&str> = vec![];
        for at in 0..parts.len() {
            let is_cut = at + 1 < parts.len() && next[&parts[..at]].len() == 1;
            match is_cut {
                false => kept.push(&parts[at]),
                true if kept.last() != Some(&"…") => kept.push("…"),
                true => {}
            }
        }
        let name = kept.join("/");
        // The root of absolute paths says nothing more.
        if name.starts_with("/…") { name[1..].to_owned() } else { name }
    };
    names.iter().map(shorter).collect()
}

/// What all names begin with and end with becomes `…`, back to the end of a word.
fn without_common_ends(names: &[String]) -> Vec<String> {
    if names.len() < 2 {
        return names.to_vec();
    }
    let reversed: Vec<String> = names.iter().map(|name| name.chars().rev().collect()).collect();
    let (front, end) = (common_words(names), common_words(&reversed));
    let shorter = |name: &String| {
        let n = name.chars().count();
        // Names that overlap, as `a-a` and `a-a-a`, keep their ends.
        let end = if front + end < n { end } else { 0 };
        let kept: String = name.chars().skip(front).take(n - front - end).collect();
        format!("{}{kept}{}", if front > 0 { "…" } else { "" }, if end > 0 { "…" } else { "" })
    };
    names.iter().map(shorter).collect()
}

/// How many characters at the start are the same in all, in whole words; 0 where that is hardly more than the mark for it.
fn common_words(names: &[String]) -> usize {
    const WORTH_CUTTING: usize = 4;
    let first: Vec<char> = names[0].chars().collect();
    let is_end = |c: char| !c.is_alphanumeric();
    let common = |name: &String| first.iter().zip(name.chars()).take_while(|(a, b)| **a == *b).count();
    let n = names.iter().map(common).min().unwrap_or(0);
    let words = first[..n].iter().rposition(|&c| is_end(c)).map_or(0, |at| at + 1);
    if words >= WORTH_CUTTING { words } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(paths: &[&str]) -> Vec<String> {
        short(paths.iter().copied())
    }

    #[test]
    fn common_folders_go_and_names_stay() {
        assert_eq!(of(&["runs/a/checkpoint-1", "runs/b/checkpoint-1"]), ["a", "b"]);
        assert_eq!(of(&["runs/a/checkpoint-1", "runs/a/checkpoint-2"]), ["checkpoint-1", "checkpoint-2"]);
        assert_eq!(of(&["runs/a/final/x.pt", "runs/b/last/x.pt"]), ["a/final", "b/last"]);
        assert_eq!(of(&["/x/runs/a", "/x/runs/a/b"]), ["a", "a/b"]);
        assert_eq!(of(&["runs/a"]), ["a"]);
        assert_eq!(of(&["a", "b/c"]), ["a", "b/c"]);
        assert_eq!(of(&["a", "a"]), ["a", "a"]);
        assert_eq!(of(&[]), [] as [&str; 0]);
    }

    #[test]
    fn long_names_are_cut_where_they_agree() {
        let fitted = |names: &[&str], n| fitted(names.iter().map(|name| (*name).to_owned()).collect(), n);
        assert_eq!(
            fitted(&["seed0/out/step-1", "seed1/out/step-2"], 30),
            ["seed0/out/step-1", "seed1/out/step-2"]
        );
        assert_eq!(
            fitted(&["seed0/out/step-1", "seed1/out/step-2"], 12),
            ["seed0/…/step-1", "seed1/…/step-2"]
        );
        let mixed =
            ["/data/all/pairs/seed0", "/data/all/pairs/run/step-1", "/data/all/pairs/run/step-2", "copy"];
        assert_eq!(fitted(&mixed, 20), ["…/seed0", "…/run/step-1", "…/run/step-2", "copy"]);
        let llama = ["llama-3-8b-instruct-math-r64-lora", "llama-3-8b-instruct-code-r8-lora"];
        assert_eq!(fitted(&llama, 12), ["…math-r64…", "…code-r8…"]);
        // Seeds 10 and 11 do not become 0 and 1.
        assert_eq!(fitted(&["a-long-name-seed10", "a-long-name-seed11"], 12), ["…seed10", "…seed11"]);
        assert_eq!(
            fitted(&["nothing-in-common", "other-names-than"], 5),
            ["nothing-in-common", "other-names-than"]
        );
        assert_eq!(fitted(&["same-name-twice-x", "same-name-twice-x"], 5), ["…x", "…x"]);
        assert_eq!(fitted(&[], 5), [] as [&str; 0]);
    }
}
