//! What is left out of a result, and why: one wording for every command.

use serde::Serialize;

use super::console::Console;
use crate::changes::WithoutWeight;
use crate::text::{counted, in_some, listed, some_reasons};
use crate::{Adapter, Flaw, FlawedModule, LeftOutPair};

/// A module that is left out, and what is wrong with it in one checkpoint, as `--json` has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct LeftOut {
    pub(super) module: String,
    pub(super) checkpoint: String,
    /// A few words, the same for all modules with this flaw.
    pub(super) reason: String,
    /// The same with the tensor, what was found and what was expected.
    message: String,
}

impl LeftOut {
    pub(super) fn new(module: &str, checkpoint: impl ToString, flaw: &Flaw) -> Self {
        Self {
            module: module.to_owned(),
            checkpoint: checkpoint.to_string(),
            reason: flaw.reason().to_owned(),
            message: flaw.to_string(),
        }
    }

    /// A module of which only the reason is known.
    pub(super) fn of_reason(module: &str, checkpoint: impl ToString, reason: &str) -> Self {
        let [module, reason] = [module, reason].map(str::to_owned);
        Self { module, checkpoint: checkpoint.to_string(), message: reason.clone(), reason }
    }

    /// A module whose weight cannot be had from the base model, or whose numbers cannot be measured.
    pub(super) fn of_weight(without: &WithoutWeight) -> Self {
        Self {
            module: without.module.clone(),
            checkpoint: without.path.display().to_string(),
            reason: without.reason.clone(),
            message: without.message.clone(),
        }
    }

    /// Modules of two checkpoints.
    pub(super) fn of_pairs(runs: [&Adapter; 2], pairs: &[LeftOutPair]) -> Vec<Self> {
        let of_pair = |left_out: &LeftOutPair| Self::of_flaws(runs, left_out.pair.name(), &left_out.flaws);
        pairs.iter().flat_map(of_pair).collect()
    }

    /// A module of two checkpoints.
    pub(super) fn of_flaws(runs: [&Adapter; 2], module: &str, flaws: &[Option<Flaw>; 2]) -> Vec<Self> {
        let of_run = |(run, flaw): (&Adapter, &Option<Flaw>)| {
            flaw.as_ref().map(|flaw| Self::new(module, run.path().display(), flaw))
        };
        runs.into_iter().zip(flaws).filter_map(of_run).collect()
    }

    /// Modules of several checkpoints.
    pub(super) fn of_modules(adapters: &[Adapter], flawed: &[FlawedModule]) -> Vec<Self> {
        let of =
            |one: &FlawedModule| Self::new(&one.module, adapters[one.adapter].path().display(), &one.flaw);
        flawed.iter().map(of).collect()
    }
}

/// How many modules these are: one may stand there for several checkpoints, one after the other.
pub(super) fn n_modules(left_out: &[LeftOut]) -> usize {
    left_out.chunk_by(|one, next| one.module == next.module).count()
}

/// `4 of 20 modules left out: B is all zeros in a.safetensors (`x`, `y`)`; `None` where nothing is. Those of one module stand
/// together.
pub(super) fn line(left_out: &[LeftOut], n_all: usize) -> Option<String> {
    let all = counted(n_all, "module");
    (!left_out.is_empty())
        .then(|| format!("{} of {all} left out: {}", n_modules(left_out), reasons(left_out)))
}

/// `B is all zeros in a.safetensors (`x`, `y`); A has NaN in b.safetensors (`z`)`.
pub(super) fn reasons(left_out: &[LeftOut]) -> String {
    let mut groups: Vec<Group<'_>> = vec![];
    for of_module in left_out.chunk_by(|one, next| one.module == next.module) {
        let mut of_reasons: Vec<(&str, Vec<&str>)> = vec![];
        for LeftOut { checkpoint, reason, .. } in of_module {
            match of_reasons.iter_mut().find(|(of, _)| of == reason) {
                Some((_, checkpoints)) => checkpoints.push(checkpoint),
                None => of_reasons.push((reason, vec![checkpoint])),
            }
        }
        let module = of_module[0].module.as_str();
        for (reason, checkpoints) in of_reasons {
            let is_same = |group: &&mut Group<'_>| group.reason == reason && group.checkpoints == checkpoints;
            match groups.iter_mut().find(is_same) {
                Some(group) => group.modules.push(module),
                None => groups.push(Group { reason, checkpoints, modules: vec![module] }),
            }
        }
    }
    let shown =
        |group: &Group<'_>| in_some(group.reason, &group.checkpoints, &listed(group.modules.iter().copied()));
    some_reasons(&groups.iter().map(shown).collect::<Vec<_>>())
}

/// Modules with one flaw in the same checkpoints.
struct Group<'a> {
    reason: &'a str,
    checkpoints: Vec<&'a str>,
    modules: Vec<&'a str>,
}

/// Every one, for who wants to know.
pub(super) fn details(left_out: &[LeftOut], console: &Console) {
    for LeftOut { module, message, .. } in left_out {
        console.detail("left out", format!("{module}: {message}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(module: &str, checkpoint: &str, reason: &str) -> LeftOut {
        let [module, checkpoint, reason] = [module, checkpoint, reason].map(str::to_owned);
        LeftOut { module, checkpoint, reason, message: String::new() }
    }

    #[test]
    fn modules_with_one_flaw_stand_in_one_group_and_each_counts_once() {
        assert_eq!(line(&[], 3), None);
        let zeros = "B is all zeros";
        let left_out = [
            one("a", "x", zeros),
            one("b", "x", zeros),
            one("b", "y", zeros),
            one("c", "x", "A has NaN"),
            one("c", "y", zeros),
            one("d", "x", zeros),
            one("d", "y", zeros),
            one("e", "x", zeros),
        ];
        let expected = "5 of 9 modules left out: B is all zeros in x (`a`, `e`); B is all zeros in x and y (`b`, `d`); A has NaN \
                        in x (`c`); B is all zeros in y (`c`)";
        assert_eq!(line(&left_out, 9).as_deref(), Some(expected));
    }

    #[test]
    fn many_modules_checkpoints_and_reasons_are_counted() {
        let many: Vec<LeftOut> = (0..6).map(|n| one(&format!("m{n}"), "x", "A has NaN")).collect();
        assert_eq!(
            line(&many, 6).unwrap(),
            "6 of 6 modules left out: A has NaN in x (`m0`, `m1`, `m2`, `m3` and 2 more)"
        );
        let many: Vec<LeftOut> = (0..5).map(|n| one("m", &format!("c{n}"), "A has NaN")).collect();
        assert_eq!(
            line(&many, 1).unwrap(),
            "1 of 1 module left out: A has NaN in c0, c1, c2, c3 and 1 more (`m`)"
        );
        let many: Vec<LeftOut> = (0..6).map(|n| one(&format!("m{n}"), "x", &format!("reason {n}"))).collect();
        assert!(line(&many, 7).unwrap().ends_with("reason 3 in x (`m3`); and 2 more reasons"));
    }
}
