//! Files that hold one model several times, such as a student and its moving average: the names of all tensors of one are those of
//! the other behind another front. Each is an adapter of its own, named by its front.

use std::collections::{HashMap, HashSet};

use crate::formats::contents::{Contents, Tensors};
use crate::names::{is_average, split_copy, without_model_fronts};

/// The fronts that keep copies of a model apart.
#[derive(Debug, Default)]
pub(in crate::formats) struct Copies<'a> {
    fronts: HashSet<&'a str>,
    /// The front of the one that is meant where none is named: it is trained, and the others are its averages. The inner `None` is that
    /// of tensors without a front.
    main: Option<Option<&'a str>>,
    /// Whether tensors without a front are one of the copies.
    is_one_bare: bool,
}

impl<'a> Copies<'a> {
    pub(in crate::formats) fn of(contents: &'a Contents) -> Self {
        let found: Vec<Option<&str>> = match contents.copies.is_empty() {
            true => by_names(&contents.tensors),
            false => contents.copies.iter().map(|front| Some(front.as_str())).collect(),
        };
        let is_trained = |front: &&Option<&str>| !front.is_some_and(is_average);
        let trained: Vec<Option<&str>> = found.iter().filter(is_trained).copied().collect();
        let main = match (&trained[..], contents.copies.first()) {
            (&[one], _) => Some(one),
            // The likeliest, under which trainers store what they train.
            (_, Some(first)) if !is_average(first) => Some(Some(first.as_str())),
            _ => None,
        };
        let is_one_bare = found.contains(&None);
        Self { fronts: found.into_iter().flatten().collect(), main, is_one_bare }
    }

    /// The front of a tensor's name if it keeps copies apart, and the name without it.
    pub(in crate::formats) fn split(&self, name: &'a str) -> (Option<&'a str>, &'a str) {
        if self.fronts.is_empty() {
            return (None, name);
        }
        let first = name.split_once('.').filter(|(first, _)| self.fronts.contains(first));
        let split = first.or_else(|| split_copy(name).filter(|(front, _)| self.fronts.contains(front)));
        split.map_or((None, name), |(front, rest)| (Some(front), rest))
    }

    /// The front of the copy that is read where several are there and none is named; `None` where there is no such one.
    pub(in crate::formats) fn main(&self) -> Option<Option<&'a str>> {
        self.main.filter(|_| !self.fronts.is_empty())
    }

    /// Whether there are copies, and each has a front.
    pub(in crate::formats) fn all_have_fronts(&self) -> bool {
        !self.fronts.is_empty() && !self.is_one_bare
    }

    pub(super) fn has(&self, front: Option<&str>) -> bool {
        front.is_some_and(|front| self.fronts.contains(front))
    }
}

/// The fronts of LoRA tensors whose names meet without them; `None` stands for tensors that have none.
fn by_names(tensors: &Tensors) -> Vec<Option<&str>> {
    let is_lora = |name: &&String| super::says_lora(name);
    let split = |name: &'_ str| split_copy(name).is_some();
    if !tensors.keys().filter(is_lora).any(|name| split(name)) {
        return vec![];
    }
    let mut fronts: HashMap<&str, Option<&str>> = HashMap::new();
    let mut found: Vec<Option<&str>> = vec![];
    for name in tensors.keys().filter(is_lora) {
        let (front, rest) =
            split_copy(name).map_or((None, name.as_str()), |(front, rest)| (Some(front), rest));
        let other = *fronts.entry(without_model_fronts(rest)).or_insert(front);
        if other != front {
            for front in [other, front] {
                if !found.contains(&front) {
                    found.push(front);
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::Source;
    use crate::formats::tensor::Tensor;

    fn contents(names: &[&str], copies: &[&str]) -> Contents {
        let source = Source::Memory(std::path::Path::new("x").into(), std::sync::Arc::new(vec![].into()));
        let tensor = Tensor::contiguous("F32".into(), vec![0], source, 0, 0);
        let tensors: Tensors = names.iter().map(|name| ((*name).to_owned(), tensor.clone())).collect();
        Contents { copies: copies.iter().map(|front| (*front).to_owned()).collect(), ..tensors.into() }
    }

    #[test]
    fn fronts_of_names_that_meet_without_them_are_copies() {
        let names = ["student.q.lora_A", "ema.q.lora_A", "ema.v.lora_A", "text_encoder.q.lora_A"];
        let both = contents(&names, &[]);
        let copies = Copies::of(&both);
        assert_eq!(copies.split("ema.v.lora_A"), (Some("ema"), "v.lora_A"));
        assert_eq!(copies.split("student.q.alpha"), (Some("student"), "q.alpha"));
        assert_eq!(copies.split("text_encoder.q.lora_A"), (None, "text_encoder.q.lora_A"));
        assert_eq!(copies.main(), Some(Some("student")));
        let wrapped = contents(
            &["base_model.model.ema.model.layers.0.q.lora_A", "base_model.model.model.layers.0.q.lora_A"],
            &[],
        );
        let copies = Copies::of(&wrapped);
        assert_eq!(copies.main(), Some(None));
        assert_eq!(copies.split("base_model.model.ema.model.x"), (Some("ema"), "model.x"));
        let lightning = contents(
            &["model.base_model.model.model.q.lora_A", "ema_model.module.base_model.model.model.q.lora_A"],
            &[],
        );
        assert_eq!(Copies::of(&lightning).main(), Some(None));
        // Two that are trained, and fronts that keep nothing apart.
        let two = contents(&["policy.q.lora_A", "student.q.lora_A"], &[]);
        assert_eq!(Copies::of(&two).main(), None);
        for names in [["student.q.lora_A", "ema.v.lora_A"], ["model.q.lora_A", "language_model.q.lora_A"]] {
            let apart = contents(&names, &[]);
            let copies = Copies::of(&apart);
            assert_eq!((copies.split(names[0]), copies.main()), ((None, names[0]), None));
        }
    }

    #[test]
    fn of_state_dicts_the_first_is_meant_unless_it_is_an_average() {
        let main = |copies: &[&str]| {
            let contents = contents(&[], copies);
            Copies::of(&contents).main().map(|front| front.map(str::to_owned))
        };
        assert_eq!(main(&["model", "best"]), Some(Some("model".to_owned())));
        assert_eq!(main(&["ema", "student"]), Some(Some("student".to_owned())));
        assert_eq!(main(&["ema", "student", "teacher"]), Some(Some("student".to_owned())));
        assert_eq!(main(&["ema", "student", "best"]), None);
        assert_eq!(main(&[]), None);
    }
}
