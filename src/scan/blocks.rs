//! The blocks of a plan: which pairs of adapters, of which module, are computed and written together.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::OnceLock;

pub use super::block_pairs::{BlockPairs, PairLayout};
use super::digest::Fingerprint;
use super::left_out::LeftOut;
use super::pairing::{PairLists, PairingRule};
use super::plan::{Plan, PlannedAdapter, PlannedModule};
use crate::error::{Error, Fault, Remedy, Result};
use crate::text::{counted, quoted, some_of};

/// The error for checkpoints that are to be of one base model, where no two that could be paired are.
fn no_base_twice(plan: &Plan) -> Error {
    let mut counts: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    for adapter in 0..plan.adapters.len() as u32 {
        *counts.entry(plan.base_model(adapter)).or_default() += 1;
    }
    let shown = |(name, n): (&Option<&str>, &usize)| match name {
        Some(name) => format!("{n} of {}", quoted(name)),
        None => format!("{n} without a known one"),
    };
    let found = format!(
        "{} by their base models: {}",
        counted(plan.adapters.len(), "checkpoint"),
        some_of(counts.iter().map(shown))
    );
    let expected = "two of one base model that have a module in common";
    Fault::new(found, expected).of("scan").remedy(Remedy::MixBaseModels).invalid()
}

/// A block: its result is one file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BlockSpec {
    /// The module's number.
    pub module: u32,
    /// The group of modules that it belongs to.
    group: usize,
    part: Part,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Part {
    /// Places in the group's rows and columns.
    Rectangle { rows: Range<u32>, cols: Range<u32> },
    /// The same places in both, each pair once.
    Triangle(Range<u32>),
    /// Places in the group's list of pairs.
    List(Range<u32>),
}

impl BlockSpec {
    /// Whether a block could have this [`BlockSpec::name`].
    pub fn is_name(name: &str) -> bool {
        let parts: Vec<&str> = name.split('-').collect();
        let is = |part: &str, letter: char, n_digits: usize| {
            let digits = part.strip_prefix(letter).unwrap_or_default();
            digits.len() >= n_digits && digits.bytes().all(|byte| byte.is_ascii_digit())
        };
        match parts[..] {
            [module, pairs] => is(module, 'm', 4) && is(pairs, 'p', 8),
            [module, rows, cols] => is(module, 'm', 4) && is(rows, 'r', 6) && is(cols, 'c', 6),
            _ => false,
        }
    }

    /// The stem of its file: the same for ever, whatever else is in the plan.
    pub fn name(&self) -> String {
        let module = self.module;
        match &self.part {
            Part::Rectangle { rows, cols } => format!("m{module:04}-r{:06}-c{:06}", rows.start, cols.start),
            Part::Triangle(range) => format!("m{module:04}-r{0:06}-c{0:06}", range.start),
            Part::List(range) => format!("m{module:04}-p{:08}", range.start),
        }
    }
}

/// Modules that the same adapters have: they are cut into blocks in the same way.
#[derive(Debug)]
struct Group {
    modules: Vec<u32>,
    lists: PairLists,
}

/// The blocks of a plan, in order.
#[derive(Debug)]
pub struct Blocks<'a> {
    plan: &'a Plan,
    groups: Vec<Group>,
    left_out: Vec<LeftOut>,
    marks: OnceLock<Marks>,
}

/// Digests of what a plan's blocks have in common, and of each adapter.
#[derive(Debug)]
struct Marks {
    plan: blake3::Hasher,
    adapters: Vec<Fingerprint>,
}

impl<'a> Blocks<'a> {
    /// Cuts a plan into blocks.
    ///
    /// # Errors
    /// `Invalid` when a reference or a side's glob names no adapter, when the pairs of an earlier generation are none any
    /// more, or when there is no pair at all, of one base model where that is asked for.
    pub fn of(plan: &'a Plan) -> Result<Self> {
        let rule = PairingRule::of(plan)?;
        // Which modules lie in the same layouts: the adapters that have them are the same.
        let mut layouts_of: Vec<Vec<u32>> = vec![vec![]; plan.modules.len()];
        for (number, layout) in (0..).zip(&plan.layouts) {
            for &(module, _) in &layout.modules {
                layouts_of[module as usize].push(number);
            }
        }
        let mut groups: Vec<(HashSet<u32>, Vec<u32>)> = vec![];
        let mut places: HashMap<&[u32], usize> = HashMap::new();
        for (module, layouts) in (0..).zip(&layouts_of) {
            let place = *places.entry(layouts).or_insert(groups.len());
            if place == groups.len() {
                groups.push((layouts.iter().copied().collect(), vec![]));
            }
            groups[place].1.push(module);
        }
        let has =
            |layouts: &HashSet<u32>, adapter: u32| layouts.contains(&plan.adapters[adapter as usize].layout);
        let groups = groups.into_iter().map(|(layouts, modules)| {
            let lists = rule.lists(plan.adapters.len() as u32, |adapter| has(&layouts, adapter));
            Group { modules, lists }
        });
        let blocks =
            Self { plan, groups: groups.collect(), left_out: LeftOut::of(plan), marks: OnceLock::new() };
        if blocks.iter().next().is_none() {
            let found = counted(plan.adapters.len(), "checkpoint");
            return Err(Fault::new(found, "two that have a module in common").of("scan").invalid());
        }
        if plan.options.same_base && plan.n_pairs()? == 0 {
            return Err(no_base_twice(plan));
        }
        Ok(blocks)
    }

    /// The plan.
    pub(super) fn plan(&self) -> &'a Plan {
        self.plan
    }

    /// Every block, in the order in which they are done: modules change fastest, so that bases are needed a few at a
    /// time.
    pub fn iter(&self) -> impl Iterator<Item = BlockSpec> {
        self.groups.iter().enumerate().flat_map(move |(number, group)| {
            self.parts(group).into_iter().flat_map(move |part| {
                let block = move |&module: &u32| BlockSpec { module, group: number, part: part.clone() };
                group.modules.iter().map(block)
            })
        })
    }

    /// Whether no two blocks have a module in common: then a basis is needed once.
    pub fn share_no_module(&self) -> bool {
        self.groups.iter().all(|group| self.parts(group).len() <= 1)
    }

    /// How a group's pairs are cut, generation after generation.
    fn parts(&self, group: &Group) -> Vec<Part> {
        let size = self.plan.block as u32;
        let mut parts = vec![];
        match &group.lists {
            PairLists::Symmetric { members } => {
                let mut before = 0;
                for end in self.bounds(members, |&adapter| adapter) {
                    let new = cut(before..end, size);
                    for (place, cols) in new.iter().enumerate() {
                        let earlier = cut(0..before, size).into_iter().chain(new[..place].iter().cloned());
                        parts.extend(earlier.map(|rows| Part::Rectangle { rows, cols: cols.clone() }));
                        if cols.len() > 1 {
                            parts.push(Part::Triangle(cols.clone()));
                        }
                    }
                    before = end;
                }
            }
            PairLists::Bipartite { rows, cols } => {
                let bounds = self.bounds(rows, |&a| a).into_iter().zip(self.bounds(cols, |&a| a));
                let (mut rows_before, mut cols_before) = (0, 0);
                for (rows_end, cols_end) in bounds {
                    let mut rectangles = |rows: Range<u32>, cols: Range<u32>| {
                        for cols in cut(cols, size) {
                            let rows = cut(rows.clone(), size).into_iter();
                            parts.extend(rows.map(|rows| Part::Rectangle { rows, cols: cols.clone() }));
                        }
                    };
                    rectangles(0..rows_before, cols_before..cols_end);
                    rectangles(rows_before..rows_end, 0..cols_end);
                    (rows_before, cols_before) = (rows_end, cols_end);
                }
            }
            PairLists::Pairs(pairs) => {
                let mut before = 0;
                for end in self.bounds(pairs, |&(a, b)| a.max(b)) {
                    parts.extend(cut(before..end, size).into_iter().map(Part::List));
                    before = end;
                }
            }
        }
        parts
    }

    /// Where each generation ends in a list that is in the order of generations.
    fn bounds<T>(&self, list: &[T], newest: impl Fn(&T) -> u32) -> Vec<u32> {
        let end_of = |&end: &u32| list.partition_point(|item| newest(item) < end) as u32;
        self.plan.generations.iter().map(end_of).collect()
    }

    /// How many pairs a block has, without making a list of them where that can be helped.
    pub fn n_pairs(&self, block: &BlockSpec) -> u64 {
        let n = |range: &Range<u32>| u64::from(range.end - range.start);
        match (&self.groups[block.group].lists, &block.part) {
            (PairLists::Symmetric { .. }, part)
                if !self.plan.options.same_base && self.left_out.is_empty() =>
            {
                match part {
                    Part::Rectangle { rows, cols } => n(rows) * n(cols),
                    Part::Triangle(range) => n(range) * (n(range) - 1) / 2,
                    Part::List(range) => n(range),
                }
            }
            _ => self.pairs(block).n_pairs() as u64,
        }
    }

    /// How many pairs of a block are left out, since an adapter's file was gone.
    pub fn n_left_out(&self, block: &BlockSpec) -> u64 {
        match self.left_out.is_empty() {
            true => 0,
            false => (self.planned(block).n_pairs() - self.pairs(block).n_pairs()) as u64,
        }
    }

    /// A digest of everything that decides a block's rows but the numbers in the checkpoints: it stays what it is when the plan
    /// grows, or goes on without adapters.
    pub(super) fn mark(&self, block: &BlockSpec) -> Fingerprint {
        let marks = self.marks.get_or_init(|| Marks::of(self.plan));
        let PlannedModule { name, is_numbered, d } = &self.plan.modules[block.module as usize];
        let BlockPairs { a, b, which } = self.planned(block);
        let mut hash = marks.plan.clone();
        hash.update(
            format!("{}\n{name}\n{is_numbered} {d}\n{} {}\n", block.name(), a.len(), b.len()).as_bytes(),
        );
        for &adapter in a.iter().chain(&b) {
            hash.update(&marks.adapters[adapter as usize].to_bytes());
        }
        match &which {
            PairLayout::All => hash.update(b"all"),
            PairLayout::Upper => hash.update(b"upper"),
            PairLayout::List(list) => {
                let places = list.iter().flat_map(|&(x, y)| [x, y]);
                hash.update(&places.flat_map(u32::to_le_bytes).collect::<Vec<u8>>())
            }
        };
        hash.finalize().into()
    }

    /// The pairs of a block.
    pub fn pairs(&self, block: &BlockSpec) -> BlockPairs {
        let planned = self.planned(block);
        let name = block.name();
        let gone: Vec<_> = self.left_out.iter().filter_map(|left| left.of_block(&name, &planned)).collect();
        gone.into_iter().fold(planned, BlockPairs::without)
    }

    /// From the first to the last of the adapters that a block's rows name first; `None` for a block without pairs.
    pub fn first_adapters(&self, block: &BlockSpec) -> Option<Range<u32>> {
        let planned = self.planned(block);
        let firsts = planned.a.iter().copied();
        Some(firsts.clone().min()?..firsts.max()? + 1)
    }

    /// The pairs of a block, with those that are left out.
    fn planned(&self, block: &BlockSpec) -> BlockPairs {
        let slice =
            |list: &[u32], range: &Range<u32>| list[range.start as usize..range.end as usize].to_vec();
        match (&self.groups[block.group].lists, &block.part) {
            (PairLists::Symmetric { members }, Part::Rectangle { rows, cols }) => self.filtered(BlockPairs {
                a: slice(members, rows),
                b: slice(members, cols),
                which: PairLayout::All,
            }),
            (PairLists::Symmetric { members }, Part::Triangle(range)) => {
                self.filtered(BlockPairs { a: slice(members, range), b: vec![], which: PairLayout::Upper })
            }
            (PairLists::Bipartite { rows: all_rows, cols: all_cols }, Part::Rectangle { rows, cols }) => {
                let (a, b) = (slice(all_rows, rows), slice(all_cols, cols));
                let in_both = |adapter: u32| {
                    all_rows.binary_search(&adapter).is_ok() && all_cols.binary_search(&adapter).is_ok()
                };
                // Of two that stand on both sides, the pair is there twice: the one in order counts.
                let is_pair = |x: u32, y: u32| x != y && (x < y || !in_both(x) || !in_both(y));
                let overlap = a.iter().any(|&x| in_both(x)) && b.iter().any(|&y| in_both(y));
                let which = match overlap {
                    false => PairLayout::All,
                    true => PairLayout::List(listed(&a, &b, is_pair)),
                };
                self.filtered(BlockPairs { a, b, which })
            }
            (PairLists::Pairs(pairs), Part::List(range)) => {
                let pairs = &pairs[range.start as usize..range.end as usize];
                let mut adapters: Vec<u32> = pairs.iter().flat_map(|&(a, b)| [a, b]).collect();
                adapters.sort_unstable();
                adapters.dedup();
                let place = |adapter: u32| adapters.partition_point(|&other| other < adapter) as u32;
                let list = pairs.iter().map(|&(a, b)| (place(a), place(b))).collect();
                self.filtered(BlockPairs { b: adapters.clone(), a: adapters, which: PairLayout::List(list) })
            }
            _ => unreachable!("a block is cut from its own group"),
        }
    }

    /// Without the pairs of different base models, where only those of one are wanted.
    fn filtered(&self, pairs: BlockPairs) -> BlockPairs {
        let base = |adapter: u32| self.plan.adapters[adapter as usize].base_model;
        let first = pairs.adapters().next().map(base);
        if !self.plan.options.same_base || pairs.adapters().all(|adapter| Some(base(adapter)) == first) {
            return pairs;
        }
        let BlockPairs { a, b, which } = pairs;
        let list = match which {
            PairLayout::All => listed(&a, &b, |x, y| base(x) == base(y)),
            PairLayout::Upper => listed(&a, &a, |x, y| x < y && base(x) == base(y)),
            PairLayout::List(list) => {
                let same = |(x, y): &(u32, u32)| base(a[*x as usize]) == base(b[*y as usize]);
                list.into_iter().filter(same).collect()
            }
        };
        let b = if b.is_empty() { a.clone() } else { b };
        BlockPairs { a, b, which: PairLayout::List(list) }
    }
}

impl Marks {
    fn of(plan: &Plan) -> Self {
        let options = serde_json::to_vec(&plan.options).expect("strings and lists are JSON");
        let mut hash = blake3::Hasher::new();
        hash.update(
            format!("{} {} {} {}\n", plan.schema, plan.version, plan.block, plan.max_rank).as_bytes(),
        );
        hash.update(&options);
        let adapter = |adapter: &PlannedAdapter| {
            let PlannedAdapter { path, fingerprint, .. } = adapter;
            Fingerprint::of(format!("{fingerprint}\n{}", path.display()).as_bytes())
        };
        Self { plan: hash, adapters: plan.adapters.iter().map(adapter).collect() }
    }
}

/// The places of all pairs that are wanted, row after row.
fn listed(a: &[u32], b: &[u32], is_pair: impl Fn(u32, u32) -> bool) -> Vec<(u32, u32)> {
    let mut list = vec![];
    for (place_a, &x) in (0..).zip(a) {
        list.extend((0..).zip(b).filter(|&(_, &y)| is_pair(x, y)).map(|(place_b, _)| (place_a, place_b)));
    }
    list
}

fn cut(range: Range<u32>, size: u32) -> Vec<Range<u32>> {
    let end = range.end;
    range.step_by(size as usize).map(|start| start..(start + size).min(end)).collect()
}
