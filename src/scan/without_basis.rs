//! The modules of adapters that have no basis, in words: what the column `problem` of `adapters.parquet` says, and the one line
//! that a scan and a report have for all adapters.

use crate::text::{counted, in_some, listed, some_reasons};

/// `no basis of 3 modules: B is all zeros (`x`, `y`); A has NaN (`z`)`; `None` where every module has one. Each module comes with
/// its reason.
pub(crate) fn problem(missing: &[(String, String)]) -> Option<String> {
    let mut reasons: Vec<(&str, Vec<&str>)> = vec![];
    for (module, reason) in missing {
        match reasons.iter_mut().find(|(of, _)| of == reason) {
            Some((_, modules)) => modules.push(module),
            None => reasons.push((reason, vec![module])),
        }
    }
    let shown =
        |(reason, modules): &(&str, Vec<&str>)| format!("{reason} ({})", listed(modules.iter().copied()));
    let shown: Vec<String> = reasons.iter().map(shown).collect();
    (!shown.is_empty())
        .then(|| format!("no basis of {}: {}", counted(missing.len(), "module"), shown.join("; ")))
}

/// An adapter with modules that were left out.
pub(crate) struct WithoutBasis<'a> {
    pub(crate) path: &'a str,
    /// As [`problem`] has it.
    pub(crate) problem: &'a str,
    pub(crate) n_modules: usize,
}

/// `5 modules of 2 of 9 checkpoints left out: B is all zeros in runs/a and runs/b (`x`, `y`)`; `None` where none was.
pub(crate) fn line(adapters: &[WithoutBasis<'_>], n_all: usize) -> Option<String> {
    let n_modules: usize = adapters.iter().map(|adapter| adapter.n_modules).sum();
    let mut groups: Vec<((&str, &str), Vec<&str>)> = vec![];
    for adapter in adapters {
        for reason in reasons(adapter.problem) {
            match groups.iter_mut().find(|(of, _)| *of == reason) {
                Some((_, paths)) => paths.push(adapter.path),
                None => groups.push((reason, vec![adapter.path])),
            }
        }
    }
    let shown = |((reason, modules), paths): &((&str, &str), Vec<&str>)| in_some(reason, paths, modules);
    let parts: Vec<String> = groups.iter().map(shown).collect();
    let of = format!("{} of {}", adapters.len(), counted(n_all, "checkpoint"));
    (n_modules > 0)
        .then(|| format!("{} of {of} left out: {}", counted(n_modules, "module"), some_reasons(&parts)))
}

/// The reasons of a [`problem`], each with the modules that it lists.
fn reasons(problem: &str) -> impl Iterator<Item = (&str, &str)> {
    let (_, reasons) = problem.split_once(": ").unwrap_or(("", problem));
    // A list of quoted names ends each of them.
    reasons.split("); ").filter_map(|part| {
        let at = part.find(" (`")?;
        Some((&part[..at], part[at + 2..].trim_end_matches(')')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(modules: &[(&str, &str)]) -> Vec<(String, String)> {
        modules.iter().map(|&(module, reason)| (module.to_owned(), reason.to_owned())).collect()
    }

    #[test]
    fn a_problem_has_each_reason_once() {
        assert_eq!(problem(&[]), None);
        let found =
            problem(&missing(&[("x", "B is all zeros"), ("z", "A has NaN"), ("y", "B is all zeros")]));
        let expected = "no basis of 3 modules: B is all zeros (`x`, `y`); A has NaN (`z`)";
        assert_eq!(found.as_deref(), Some(expected));
    }

    #[test]
    fn adapters_with_one_problem_stand_together() {
        let zeros = problem(&missing(&[("x", "B is all zeros"), ("y", "B is all zeros")])).unwrap();
        let both = problem(&missing(&[("x", "B is all zeros"), ("y", "A has NaN")])).unwrap();
        let adapter = |path, problem| WithoutBasis { path, problem, n_modules: 2 };
        let adapters = [adapter("a", &zeros), adapter("b", &both), adapter("c", &zeros)];
        assert_eq!(
            line(&adapters, 9).unwrap(),
            "6 modules of 3 of 9 checkpoints left out: B is all zeros in a and c (`x`, `y`); B is all zeros in b (`x`); A has NaN \
             in b (`y`)"
        );
        assert_eq!(line(&[], 9), None);
    }
}
