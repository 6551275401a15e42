//! The plan of a scan: what is compared with what, as a pure function of headers and options.
//!
//! Adapters and modules keep their number for ever. A folder that has grown adds a generation of adapters behind the ones
//! that are there, so that the blocks of earlier generations stay what they are.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::base::PlannedBase;
use super::digest::Fingerprint;
use super::forgotten::Forgotten;
use super::header::{HeaderModule, HeaderSummary};
use super::keep::Keep;
use super::side_modules::SideModules;
use crate::adapter::Side;
use crate::engine::{EngineKind, Precision};
use crate::error::{Fault, Remedy, Result};
use crate::formats::run_and_step;
use crate::select::{Layers, Narrowing};
use crate::text::{counted, quoted, some_of};

/// The layout of `plan.json` and of the tables.
pub const SCHEMA: u32 = 4;

/// What the user asked for, as far as it changes the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScanOptions {
    /// Which subspace.
    pub side: Side,
    /// Which adapters are paired.
    pub pairs: PairChoice,
    /// Only adapters that name the same base model.
    pub same_base: bool,
    /// Globs on module names; none for all.
    pub modules: Vec<String>,
    /// Layers, as [`Layers`](crate::Layers) prints them; `None` for all modules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layers: Option<String>,
    /// Projections; none for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub projections: Vec<String>,
    /// What is kept of a pair.
    pub keep: Keep,
    /// Whether the principal angles are kept too.
    pub angles: bool,
    /// Whether the cosines of the updates and their norms are kept too.
    pub update: bool,
    /// What bases are kept in for the products.
    pub precision: Precision,
    /// The base model of full fine-tunes and DoRA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<PlannedBase>,
}

impl ScanOptions {
    /// What a scan with these options compares.
    ///
    /// # Errors
    /// `Invalid` for options that no scan has.
    pub fn side_modules(&self) -> Result<SideModules> {
        let layers = self.layers.as_deref().map(str::parse::<Layers>).transpose()?;
        let narrowing = Narrowing::default().globs(&self.modules)?;
        let narrowing = narrowing.layers(layers).projections(&self.projections);
        Ok(SideModules::new(self.side, narrowing).with_update(self.update).against(self.base.clone()))
    }

    /// What of these options is other than in `first`, and what it is there.
    pub fn differing(&self, first: &Self) -> [String; 2] {
        let value = |options: &Self| serde_json::to_value(options).expect("strings and lists are JSON");
        let (now, first) = (value(self), value(first));
        let differs = |key: &&String| now[key.as_str()] != first[key.as_str()];
        // What is not asked for is not written.
        let keys: BTreeSet<&String> = [&now, &first]
            .into_iter()
            .flat_map(|options| options.as_object())
            .flat_map(|options| options.keys())
            .collect();
        let keys: Vec<&String> = keys.into_iter().filter(differs).collect();
        let shown = |from: &serde_json::Value| {
            some_of(keys.iter().map(|key| format!("{key} {}", from[key.as_str()])))
        };
        [shown(&now), shown(&first)]
    }
}

/// Which adapters are paired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum PairChoice {
    /// Each with each other, once.
    All,
    /// Each checkpoint of a run with the next step of the same run.
    Consecutive,
    /// Each reference with every other adapter.
    Against(Vec<PathBuf>),
    /// Adapters whose path matches the first glob with those that match the second.
    LeftRight(String, String),
}

/// What computes a scan, recorded by its first run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedEngine {
    /// Which of the two.
    pub kind: EngineKind,
    /// The kernel variant, or the CPU's instruction set: bytes are equal for the same one.
    pub variant: String,
}

/// A module of the scan: adapters are compared where both have it in the same dimension.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PlannedModule {
    /// Canonical name; of a numbered module, with what tells files that number alike.
    pub name: String,
    /// Whether the name is a running number, which may mean another module in another file.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_numbered: bool,
    /// Dimension of the side's space.
    pub d: usize,
}

/// The modules of an adapter: many adapters share one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Layout {
    /// Number of the module and its rank, in the order of the adapter's own modules.
    pub modules: Vec<(u32, u32)>,
    /// Columns of the A of each, on the sides whose space is not theirs: two starts of different shapes are not compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub widths: Vec<u32>,
}

impl Layout {
    /// Where a module stands among the adapter's own.
    pub fn place(&self, module: u32) -> Option<usize> {
        self.modules.iter().position(|(number, _)| *number == module)
    }
}

/// An adapter of the scan; its number is its place in the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedAdapter {
    /// As the user named it.
    pub path: PathBuf,
    /// Number of its layout.
    pub layout: u32,
    /// Number of its base model.
    pub base_model: Option<u32>,
    /// The step that its name says.
    pub step: Option<u64>,
    /// The naming scheme of the tensors.
    pub naming_scheme: String,
    /// Of its header, see [`HeaderSummary::fingerprint`].
    pub fingerprint: Fingerprint,
    /// Stored bytes of the factors that are read.
    pub n_bytes: u64,
    /// What of the update is not read, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
    /// Modules whose factors were turned.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub n_turned: usize,
    /// Modules with a rank above their d_in or d_out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub n_above_size: usize,
}

/// The plan of a scan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Of this scan and no other, however alike: what a process writes for one is not taken for the other's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The version that made it.
    pub version: String,
    /// What was asked for.
    pub options: ScanOptions,
    /// What computes it; set by the first run.
    pub engine: Option<PlannedEngine>,
    /// Adapters a side of a block.
    pub block: usize,
    /// The largest rank: the table has columns up to it.
    pub max_rank: usize,
    /// Every module.
    pub modules: Vec<PlannedModule>,
    /// Every combination of modules.
    pub layouts: Vec<Layout>,
    /// Every base model that is named.
    pub base_models: Vec<String>,
    /// Every adapter.
    pub adapters: Vec<PlannedAdapter>,
    /// How many adapters there were at the end of each generation.
    pub generations: Vec<u32>,
    /// What runs have gone on without, run by run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forgotten: Vec<Forgotten>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// Numbers of f32 in the bases of one side of a block: 64 MiB.
const BLOCK_NUMBERS: usize = 16 << 20;

/// Adapters a side of a block, at most: a quarter of a million pairs.
const MAX_BLOCK: usize = 512;

/// The dimension of a module, at most.
const MAX_SIZE: usize = 1 << 30;

/// The rank of a module, at most: a table may have columns for each.
const MAX_RANK: usize = 1 << 16;

/// Bytes of the factors of an adapter, at most, as a plan may have them: a hundred thousand of them fit into 64 bits.
const MAX_FACTOR_BYTES: u64 = 1 << 46;

/// What [`Plan::extend`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension {
    /// Adapters that were there before.
    pub n_before: usize,
    /// New ones.
    pub n_added: usize,
}

impl Plan {
    /// The plan of a first run.
    ///
    /// # Errors
    /// `Invalid` when no adapter has a module that is asked for.
    pub fn new(options: ScanOptions, opened: &[HeaderSummary]) -> Result<Self> {
        let mut plan = Self {
            schema: SCHEMA,
            id: String::new(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            options,
            engine: None,
            block: 0,
            max_rank: 0,
            modules: vec![],
            layouts: vec![],
            base_models: vec![],
            adapters: vec![],
            generations: vec![],
            forgotten: vec![],
        };
        plan.append(opened);
        if plan.modules.is_empty() {
            let ScanOptions { modules, layers, projections, .. } = &plan.options;
            let names = modules.iter().map(|glob| quoted(glob));
            let layers = layers.iter().map(|layers| format!("layers {layers}"));
            let projections = projections.iter().map(|name| format!("projection {}", quoted(name)));
            let expected = some_of(names.chain(layers).chain(projections));
            let found = format!("no module of {} that matches", counted(opened.len(), "adapter"));
            return Err(Fault::new(found, format!("one of all these: {expected}")).of("module").invalid());
        }
        plan.max_rank = plan.largest_rank(0);
        let largest = plan.layouts.iter().flat_map(|layout| &layout.modules);
        let numbers = largest.map(|&(module, r)| plan.modules[module as usize].d * r as usize).max();
        let fits = BLOCK_NUMBERS / numbers.unwrap_or(1).max(1);
        plan.block = if fits < 2 { 1 } else { (1 << fits.ilog2()).min(MAX_BLOCK) };
        match plan.contradiction() {
            Some(found) => Err(Fault::new(found, "a scan that can be planned").of("scan").limit()),
            None => Ok(plan),
        }
    }

    /// Takes the adapters of another run of the same scan: those that are new become a generation of their own.
    ///
    /// # Errors
    /// `Invalid` when one is gone, has another header, or does not fit the table's columns.
    pub fn extend(&mut self, opened: Vec<HeaderSummary>) -> Result<Extension> {
        let n_before = self.adapters.len();
        let mut there: HashMap<&Path, &HeaderSummary> =
            opened.iter().map(|opened| (opened.path.as_path(), opened)).collect();
        let mut is_of_layout: HashMap<(u32, *const [HeaderModule]), bool> = HashMap::new();
        for (number, adapter) in (0..).zip(&self.adapters) {
            // Of one that was forgotten, the same path may have another file now.
            if self.is_forgotten(number) {
                there.remove(adapter.path.as_path());
                continue;
            }
            let wrong = |found: &str| {
                Fault::new(found, "the adapter that this scan began with")
                    .at(&adapter.path)
                    .remedy(Remedy::KeepInputs)
                    .invalid()
            };
            match there.remove(adapter.path.as_path()) {
                None => return Err(wrong("no such input any more")),
                Some(now) if now.fingerprint != adapter.fingerprint => return Err(wrong("another header")),
                Some(now) => {
                    // Lists of modules are shared by most adapters, as layouts are.
                    let known = is_of_layout.entry((adapter.layout, Arc::as_ptr(&now.modules)));
                    if !*known.or_insert_with(|| self.is_layout_of(adapter.layout, now)) {
                        return Err(wrong("other modules than those of its plan"));
                    }
                }
            }
        }
        let added: Vec<&HeaderSummary> =
            opened.iter().filter(|opened| there.contains_key(opened.path.as_path())).collect();
        if added.is_empty() {
            return Ok(Extension { n_before, n_added: 0 });
        }
        let n_layouts = self.layouts.len();
        self.append(added.iter().copied());
        let largest = self.largest_rank(n_layouts);
        if largest > self.max_rank {
            let found = format!("an adapter of rank {largest} among the new ones");
            let expected = format!("at most {}, the largest that the table has columns for", self.max_rank);
            return Err(Fault::new(found, expected).of("scan").remedy(Remedy::StartOver).invalid());
        }
        Ok(Extension { n_before, n_added: added.len() })
    }

    /// Whether a layout is that of these modules: a plan may have been damaged.
    fn is_layout_of(&self, layout: u32, opened: &HeaderSummary) -> bool {
        let planned = self.layouts[layout as usize].modules.iter().map(|&(module, r)| {
            let PlannedModule { name, is_numbered, d } = &self.modules[module as usize];
            (name, *is_numbered, *d, r as usize)
        });
        let found =
            opened.modules.iter().map(|module| (&module.name, module.is_numbered, module.d, module.r));
        let widths = &self.layouts[layout as usize].widths;
        let has_widths = widths.is_empty()
            || widths.iter().copied().eq(opened.modules.iter().map(|module| module.d_in as u32));
        planned.eq(found) && has_widths
    }

    /// The plan with these checkpoints after its own adapters, for what is compared with a finished scan.
    pub(crate) fn with(&self, opened: &[HeaderSummary]) -> Self {
        let mut plan = self.clone();
        plan.append(opened);
        plan
    }

    fn append<'a>(&mut self, added: impl IntoIterator<Item = &'a HeaderSummary>) {
        let mut modules: HashMap<PlannedModule, u32> = numbered(&self.modules);
        let mut layouts: HashMap<Layout, u32> = numbered(&self.layouts);
        let mut base_models: HashMap<String, u32> = numbered(&self.base_models);
        for opened in added {
            let of_module = |module: &HeaderModule| {
                let HeaderModule { name, is_numbered, d, .. } = module.clone();
                let key = PlannedModule { name, is_numbered, d };
                (number(&mut modules, &mut self.modules, key), module.r as u32)
            };
            let modules = opened.modules.iter().map(of_module).collect();
            let widths = match self.options.side {
                Side::A | Side::DwRight => vec![],
                Side::B | Side::DwLeft => opened.modules.iter().map(|module| module.d_in as u32).collect(),
            };
            let layout = Layout { modules, widths };
            let base_model = opened.base_model.clone();
            self.adapters.push(PlannedAdapter {
                path: opened.path.clone(),
                layout: number(&mut layouts, &mut self.layouts, layout),
                base_model: base_model.map(|name| number(&mut base_models, &mut self.base_models, name)),
                step: run_and_step(&opened.path).1,
                naming_scheme: opened.naming_scheme.clone(),
                fingerprint: opened.fingerprint,
                n_bytes: opened.n_bytes,
                unread: opened.unread.clone(),
                n_turned: opened.n_turned,
                n_above_size: opened.n_above_size,
            });
        }
        self.generations.push(self.adapters.len() as u32);
    }

    /// The largest rank in the layouts from this one on.
    fn largest_rank(&self, from: usize) -> usize {
        let ranks = self.layouts[from..].iter().flat_map(|layout| &layout.modules);
        ranks.map(|&(_, r)| r as usize).max().unwrap_or(0)
    }

    /// An id that no other plan has.
    pub(super) fn new_id() -> String {
        let random = || RandomState::new().build_hasher().finish();
        format!("{:016x}{:016x}", random(), random())
    }

    /// Whether a plan is this one as other processes may have left it: with more adapters, or without some that are gone.
    pub(super) fn goes_on_as(&self, now: &Self) -> bool {
        let is_same = |plan: &Self| (plan.schema, plan.block, plan.max_rank);
        is_same(self) == is_same(now)
            && (&self.id, &self.version, &self.options) == (&now.id, &now.version, &now.options)
            && now.adapters.starts_with(&self.adapters)
            && now.layouts.starts_with(&self.layouts)
            && now.modules.starts_with(&self.modules)
            && now.base_models.starts_with(&self.base_models)
            && now.generations.starts_with(&self.generations)
            && now.forgotten.starts_with(&self.forgotten)
    }

    /// What no plan that was written here has, in one that was read: a number that leads nowhere.
    ///
    /// Every number is bounded by what the plan lists, or by a limit of its own, before anything is made by it.
    pub fn contradiction(&self) -> Option<&'static str> {
        let layouts = self.layouts.iter().flat_map(|layout| &layout.modules);
        let adapters = &self.adapters;
        let bounds = [0].iter().chain(&self.generations);
        let is_number = |adapter: &u32| (*adapter as usize) < adapters.len();
        let has_twice = |layout: &Layout| {
            let mut seen = HashSet::with_capacity(layout.modules.len());
            !layout.modules.iter().all(|(module, _)| seen.insert(module))
        };
        let checks = [
            (self.schema != SCHEMA, "another schema"),
            (u32::try_from(adapters.len()).is_err(), "more adapters than a plan numbers"),
            (self.options.keep.is_out_of_bounds(), "cells or a number of pairs that no scan keeps"),
            (self.block == 0 || self.block > MAX_BLOCK, "blocks of another size than a plan has"),
            (self.modules.iter().any(|module| module.d == 0), "a module of no dimension"),
            (
                self.modules.iter().any(|module| module.d > MAX_SIZE),
                "a module of a dimension that no file has",
            ),
            (self.layouts.iter().any(has_twice), "a layout that has a module twice"),
            (self.max_rank > MAX_RANK, "a largest rank that no table has columns for"),
            (
                layouts.clone().any(|&(module, _)| module as usize >= self.modules.len()),
                "a layout of unknown modules",
            ),
            (
                self.layouts.iter().any(|layout| ![0, layout.modules.len()].contains(&layout.widths.len())),
                "a layout with widths of other modules",
            ),
            (layouts.clone().any(|&(_, r)| r == 0 || r as usize > self.max_rank), "a rank over the largest"),
            (
                layouts.clone().all(|&(_, r)| (r as usize) < self.max_rank),
                "a largest rank that no module has",
            ),
            (
                adapters.iter().any(|adapter| adapter.layout as usize >= self.layouts.len()),
                "an unknown layout",
            ),
            (
                adapters
                    .iter()
                    .filter_map(|adapter| adapter.base_model)
                    .any(|base| base as usize >= self.base_models.len()),
                "an unknown base model",
            ),
            (
                !bounds.is_sorted_by(|a, b| a < b)
                    || self.generations.last() != Some(&(adapters.len() as u32)),
                "generations that are not those of its adapters",
            ),
            (
                !self.forgotten.iter().all(|forgotten| {
                    forgotten.n_adapters as usize <= adapters.len()
                        && [&forgotten.adapters, &forgotten.unfinished]
                            .iter()
                            .all(|list| list.iter().all(is_number) && list.is_sorted())
                }),
                "an unknown adapter that is forgotten",
            ),
            (
                adapters.iter().any(|adapter| adapter.n_bytes > MAX_FACTOR_BYTES),
                "an adapter of more bytes than a file has",
            ),
        ];
        checks.into_iter().find_map(|(is_wrong, found)| is_wrong.then_some(found))
    }

    /// Whether some adapters number their modules.
    pub fn has_numbered_modules(&self) -> bool {
        self.modules.iter().any(|module| module.is_numbered)
    }

    /// The adapter's rank in a module, `None` where it does not have it.
    pub fn rank(&self, adapter: u32, module: u32) -> Option<usize> {
        let layout = &self.layouts[self.adapters[adapter as usize].layout as usize];
        layout.modules.iter().find(|(number, _)| *number == module).map(|&(_, r)| r as usize)
    }

    /// The modules that an adapter has.
    pub fn layout(&self, adapter: u32) -> &Layout {
        &self.layouts[self.adapters[adapter as usize].layout as usize]
    }

    /// Columns of the adapter's A in a module, where they may differ from those of others.
    pub fn width(&self, adapter: u32, module: u32) -> Option<u32> {
        let layout = self.layout(adapter);
        // Most sides have none, and this is asked for every adapter of every block.
        if layout.widths.is_empty() {
            return None;
        }
        layout.widths.get(layout.place(module)?).copied()
    }

    /// The base model that an adapter's config names.
    pub fn base_model(&self, adapter: u32) -> Option<&str> {
        let number = self.adapters[adapter as usize].base_model?;
        Some(&self.base_models[number as usize])
    }

    /// The folder of the run that an adapter belongs to.
    pub fn run(&self, adapter: u32) -> PathBuf {
        run_and_step(&self.adapters[adapter as usize].path).0
    }

    /// The generation that an adapter came in, from 0.
    pub fn generation(&self, adapter: u32) -> usize {
        self.generations.partition_point(|&end| end <= adapter)
    }

    /// A digest of everything that decides the table's bytes but the engine: equal for equal plans.
    pub fn digest(&self) -> Fingerprint {
        let plan = Self { engine: None, id: String::new(), ..self.clone() };
        let json = serde_json::to_vec(&plan).expect("numbers, strings and lists are JSON");
        Fingerprint::of(&json)
    }

    /// The adapter of this path.
    pub fn find(&self, path: &Path) -> Option<u32> {
        self.adapters.iter().position(|adapter| adapter.path == path).map(|place| place as u32)
    }
}

fn numbered<T: Clone + Eq + std::hash::Hash>(list: &[T]) -> HashMap<T, u32> {
    (0..).zip(list).map(|(number, item)| (item.clone(), number)).collect()
}

/// The item's number, a new one where it is new.
fn number<T: Clone + Eq + std::hash::Hash>(numbers: &mut HashMap<T, u32>, list: &mut Vec<T>, item: T) -> u32 {
    if let Some(&number) = numbers.get(&item) {
        return number;
    }
    let number = list.len() as u32;
    list.push(item.clone());
    numbers.insert(item, number);
    number
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A plan of `n` adapters with a module of rank 4.
    pub(in crate::scan) fn plan(n: usize) -> Plan {
        let adapter = |n: usize| PlannedAdapter {
            path: format!("runs/{n}").into(),
            layout: 0,
            base_model: None,
            step: None,
            naming_scheme: "PEFT".to_owned(),
            fingerprint: Fingerprint::of(&n.to_le_bytes()),
            n_bytes: 96,
            unread: None,
            n_turned: 0,
            n_above_size: 0,
        };
        Plan {
            schema: SCHEMA,
            id: String::new(),
            version: "test".to_owned(),
            options: ScanOptions {
                side: Side::A,
                pairs: PairChoice::All,
                same_base: false,
                modules: vec![],
                layers: None,
                projections: vec![],
                keep: Keep::Powers,
                angles: false,
                update: false,
                precision: Precision::F32,
                base: None,
            },
            engine: None,
            block: 2,
            max_rank: 4,
            modules: vec![PlannedModule { name: "q".to_owned(), is_numbered: false, d: 6 }],
            layouts: vec![Layout { modules: vec![(0, 4)], widths: vec![] }],
            base_models: vec![],
            adapters: (0..n).map(adapter).collect(),
            generations: vec![n as u32],
            forgotten: vec![],
        }
    }

    #[test]
    fn every_number_of_a_plan_is_bounded() {
        assert_eq!(plan(3).contradiction(), None);
        let big = [1, 16, 31, 32, 62, 63].map(|bits| 1usize << bits);
        for n in big {
            let wrong = [
                Plan { block: n + 511, ..plan(3) },
                Plan { max_rank: n + 3, ..plan(3) },
                Plan {
                    max_rank: n + 3,
                    layouts: vec![Layout { modules: vec![(0, n as u32 | 1)], widths: vec![] }],
                    ..plan(3)
                },
                Plan {
                    layouts: vec![Layout { modules: vec![(n as u32 | 1, 4)], widths: vec![] }],
                    ..plan(3)
                },
                Plan { generations: vec![3, n as u32 | 4], ..plan(3) },
            ];
            for (at, plan) in wrong.iter().enumerate() {
                assert!(plan.contradiction().is_some(), "{n}, {at}");
            }
        }
        let d = |d| vec![PlannedModule { name: "q".to_owned(), is_numbered: false, d }];
        let with = |keep| ScanOptions { keep, ..plan(3).options };
        let wrong = [
            Plan { modules: d(0), ..plan(3) },
            Plan { modules: d(usize::MAX), ..plan(3) },
            Plan { options: with(Keep::Top(0)), ..plan(3) },
            Plan { options: with(Keep::Top(usize::MAX)), ..plan(3) },
            Plan { options: with(Keep::Cells(vec![(1, usize::MAX)])), ..plan(3) },
            Plan { options: with(Keep::Cells(vec![(0, 1)])), ..plan(3) },
            Plan { options: with(Keep::Cells(vec![])), ..plan(3) },
            Plan { layouts: vec![Layout { modules: vec![(0, 4), (0, 4)], widths: vec![] }], ..plan(3) },
            Plan { max_rank: 5, ..plan(3) },
            Plan { block: 0, ..plan(3) },
        ];
        for (at, plan) in wrong.iter().enumerate() {
            assert!(plan.contradiction().is_some(), "{at}");
        }
    }
}
