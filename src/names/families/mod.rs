//! Model families: what the modules of each are called by its authors, by trainers and by loaders. `families.txt` is the data;
//! a family is added there and nowhere else.

mod index;
mod parse;

use std::collections::HashSet;
use std::ops::Range;
use std::sync::LazyLock;

use self::index::Index;

/// A model family, as a section of `families.txt`.
#[derive(Debug, Default)]
pub(super) struct Family {
    /// As documents list it: several models are separated by commas.
    pub(super) name: &'static str,
    /// Repository and file of each source.
    pub(super) sources: Vec<&'static str>,
    /// Paths one of which a file has to have.
    only_with: Vec<String>,
    /// What text encoders are called, and which component of the pipeline they are.
    text: Vec<[&'static str; 2]>,
    rules: Vec<Rule>,
    parts: Vec<&'static str>,
}

/// A module's names. `N` stands for the same number in both.
#[derive(Debug)]
struct Rule {
    from: String,
    to: Target,
    /// d_in and d_out of the weights that it holds for, as a ratio.
    ratio: Option<[usize; 2]>,
    /// Whether the module stands in a block. Names of others, such as `first`, are too common to show a family.
    is_in_block: bool,
}

/// What a module is called.
#[derive(Debug)]
enum Target {
    Name(String),
    /// A fused weight: its parts in the order of their rows.
    Parts(Vec<Part>),
    /// The weight of this name has the same rows in another order.
    Permuted(String),
}

/// A part of a fused weight.
#[derive(Debug)]
struct Part {
    /// What the part is called after the path of the whole: `q`.
    name: &'static str,
    /// Whether it has as many rows as the weight has columns; else an equal share of what is left.
    is_square: bool,
    to: String,
}

/// A weight of a model, as far as its name depends on it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weight<'a> {
    /// Its dotted path.
    pub(crate) path: &'a str,
    /// d_in and d_out, if they are known.
    pub(crate) shape: Option<[usize; 2]>,
}

/// Every family, by its place in `families.txt`.
pub(super) struct Families {
    pub(super) all: Vec<Family>,
    /// By the names of both sides.
    index: Index<Entry>,
    /// Dotted paths, by the paths with underscores for dots.
    joined: Index<String>,
    /// Every part of a path.
    pub(super) parts: HashSet<String>,
}

/// What a family knows of a path.
struct Entry {
    family: usize,
    rule: Known,
    ratio: Option<[usize; 2]>,
    /// Whether the path shows that a file is of this family: one in a block, or one that the family is known by.
    is_mark: bool,
}

enum Known {
    To(String),
    Fused(Vec<(&'static str, bool)>),
}

/// The families, read on first use.
pub(super) static FAMILIES: LazyLock<Families> =
    LazyLock::new(|| Families::new(parse::families(include_str!("families.txt"))));

/// The model families whose modules get one name whatever they are called in a file, in the order of `docs/families.md`.
pub fn model_families() -> impl Iterator<Item = &'static str> {
    FAMILIES.all.iter().flat_map(|family| family.name.split(", "))
}

impl Families {
    fn new(all: Vec<Family>) -> Self {
        let mut families =
            Self { all: vec![], index: Index::new('.'), joined: Index::new('_'), parts: HashSet::new() };
        for (number, family) in all.iter().enumerate() {
            for rule in &family.rules {
                families.enter(number, rule, &family.only_with);
            }
            families.parts.extend(family.parts.iter().map(|&part| part.to_owned()));
        }
        families.all = all;
        families
    }

    fn enter(&mut self, family: usize, rule: &Rule, only_with: &[String]) {
        let known = |to: &str| Known::To(to.to_owned());
        let mut add = |from: &str, entry: Known, ratio| {
            self.parts.extend(from.split('.').filter(|part| *part != "N").map(str::to_owned));
            self.joined.add(&from.replace('.', "_"), from.to_owned());
            let is_mark = match only_with {
                [] => rule.is_in_block,
                paths => paths.iter().any(|path| path == from),
            };
            self.index.add(from, Entry { family, rule: entry, ratio, is_mark });
        };
        match &rule.to {
            Target::Name(to) => {
                add(&rule.from, known(to), rule.ratio);
                if rule.from != *to {
                    add(to, known(to), None);
                }
            }
            Target::Permuted(to) => {
                add(&rule.from, known(&rule.from), rule.ratio);
                add(to, known(to), None);
            }
            Target::Parts(parts) => {
                let rows = parts.iter().map(|part| (part.name, part.is_square)).collect();
                add(&rule.from, Known::Fused(rows), rule.ratio);
                for part in parts {
                    let ratio = part.is_square.then_some([1, 1]);
                    add(&format!("{}.{}", rule.from, part.name), known(&part.to), ratio);
                    add(&part.to, known(&part.to), ratio);
                }
            }
        }
    }

    /// The family that knows most of these weights, by its number; the first one of several.
    pub(super) fn of<'a>(&self, weights: impl Iterator<Item = Weight<'a>>) -> Option<usize> {
        let mut n_known = vec![0usize; self.all.len()];
        let mut is_marked = vec![false; self.all.len()];
        for weight in weights {
            // A family may know a path as both sides of its rules.
            let mut counted = None;
            self.index.find(weight.path, |entry, _| {
                if entry.fits(weight.shape) {
                    n_known[entry.family] += usize::from(counted != Some(entry.family));
                    is_marked[entry.family] |= entry.is_mark;
                    counted = Some(entry.family);
                }
            });
        }
        let most = |&family: &usize| (n_known[family], std::cmp::Reverse(family));
        (0..self.all.len()).filter(|&family| is_marked[family]).max_by_key(most)
    }

    /// What a family calls a weight.
    pub(super) fn name(&self, family: usize, weight: Weight<'_>) -> Option<String> {
        let mut name = None;
        self.index.find(weight.path, |entry, numbers| {
            if let Known::To(to) = &entry.rule
                && (name.is_none() && entry.family == family && entry.fits(weight.shape))
            {
                name = Some(index::filled(to, '.', numbers));
            }
        });
        name
    }

    /// The parts of a fused weight of a family, with their rows.
    pub(super) fn cut(&self, family: usize, weight: Weight<'_>) -> Option<Vec<(&'static str, Range<usize>)>> {
        let [d_in, d_out] = weight.shape?;
        let mut rows = None;
        self.index.find(weight.path, |entry, _| {
            if let Known::Fused(parts) = &entry.rule
                && (rows.is_none() && entry.family == family && entry.fits(weight.shape))
            {
                rows = cut(parts, d_in, d_out);
            }
        });
        rows
    }

    /// The component of a pipeline that a text encoder is, by what a family or all of them call it.
    pub(super) fn text_encoder(&self, family: Option<usize>, name: &str) -> Option<&'static str> {
        let text = &self.all[family?].text;
        text.iter().find(|[called, _]| *called == name).map(|[_, component]| *component)
    }

    /// The dotted path of one that has underscores for dots, if a family knows it.
    pub(super) fn dotted(&self, joined: &str) -> Option<String> {
        let mut dotted = None;
        self.joined.find(joined, |path, numbers| {
            if dotted.is_none() {
                dotted = Some(index::filled(path, '.', numbers));
            }
        });
        dotted
    }
}

impl Entry {
    /// Whether it holds for weights of this shape.
    fn fits(&self, shape: Option<[usize; 2]>) -> bool {
        let (Some([d_in, d_out]), Some(ratio)) = (shape, self.ratio) else {
            return match (&self.rule, shape) {
                (Known::Fused(parts), Some([d_in, d_out])) => cut(parts, d_in, d_out).is_some(),
                _ => true,
            };
        };
        d_in.checked_mul(ratio[1]) == d_out.checked_mul(ratio[0])
    }
}

/// The rows of each part; `None` where they do not make up the weight.
fn cut(
    parts: &[(&'static str, bool)],
    d_in: usize,
    d_out: usize,
) -> Option<Vec<(&'static str, Range<usize>)>> {
    let n_square = parts.iter().filter(|(_, is_square)| *is_square).count();
    let n_shares = parts.len() - n_square;
    let left = d_out.checked_sub(n_square.checked_mul(d_in)?)?;
    let fits = match n_shares {
        0 => left == 0,
        n => left > 0 && left.is_multiple_of(n),
    };
    let mut end = 0;
    let rows = parts.iter().map(|&(name, is_square)| {
        let start = end;
        end += if is_square { d_in } else { left / n_shares };
        (name, start..end)
    });
    fits.then(|| rows.collect())
}

#[cfg(test)]
mod tests;
