//! Tensors to modules: the naming scheme pairs them, fused weights are cut, and every module gets its scaling and its
//! canonical name.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use crate::adapter::{Method, Module, NamingScheme, UnreadPart};
use crate::error::Result;
use crate::formats::config::{Config, Scale};
use crate::formats::contents::Contents;
use crate::formats::context::Context;
use crate::formats::limits::{Limit, Limits};
use crate::formats::pairs::{self, Pairs};
use crate::formats::schemes::{
    self, Chosen, Claimed, Claims, Copies, Layout, Pair, Scheme, TensorRole, wrong_module,
};
use crate::formats::unread;
use crate::formats::weights::Weights;
use crate::names::{FileNames, natural_cmp};

/// What the names and shapes of a file's tensors make of an adapter.
#[derive(Clone)]
pub(super) struct Read {
    pub(super) naming_scheme: NamingScheme,
    pub(super) method: Method,
    pub(super) adapter_name: Option<String>,
    /// In natural order of the names, each name once.
    pub(super) modules: Vec<Arc<Module>>,
    /// What of the update is not read.
    pub(super) unread: Vec<UnreadPart>,
    /// Tensors that belong to no module and to no update: classifiers, token vectors, biases.
    pub(super) n_other: usize,
    /// Magnitude vectors of DoRA.
    pub(super) n_magnitudes: usize,
    /// Modules whose factors lie the other way round than usual.
    pub(super) n_turned: usize,
}

impl Read {
    /// What is the same for all adapters of a file.
    fn of_file(naming_scheme: NamingScheme, unread: Vec<UnreadPart>, n_other: usize) -> Self {
        Self {
            naming_scheme,
            method: Method::Lora,
            adapter_name: None,
            modules: vec![],
            unread,
            n_other,
            n_magnitudes: 0,
            n_turned: 0,
        }
    }
}

/// Which of the adapters of a file are read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Which<'a> {
    /// The only one.
    Only,
    /// The one of this name, or the only one of a file without names.
    Named(&'a str),
    /// All of them.
    Every,
}

/// Reads adapters of a file: at least one.
///
/// # Errors
/// As [`schemes::claim`], [`schemes::choose`], [`schemes::each`], [`pairs::pairs`] and [`Context::new`]; `Malformed` when MLX's
/// config has another rank than its tensors; `Limit` for too many modules, or for patterns that take too long to match.
pub(super) fn read(
    path: &Path,
    contents: &Contents,
    config: Option<&Config>,
    which: Which<'_>,
    weights: Option<&dyn Weights>,
    limits: &Limits,
) -> Result<Vec<Read>> {
    let copies = Copies::of(contents);
    let Claims { naming_scheme, claimed, unclaimed } = schemes::claim(path, &contents.tensors, &copies)?;
    let unread = unread::unread(&contents.tensors, &unclaimed);
    let n_other = unclaimed.len() - unread.iter().map(|one| one.n_tensors).sum::<usize>();
    let mut context =
        Context::new(path, config, &contents.metadata, || schemes::components(&claimed), limits)?;
    let chosen = match which {
        Which::Only => vec![schemes::choose(path, claimed, &copies, None)?],
        Which::Named(name) => vec![schemes::choose(path, claimed, &copies, Some(name))?],
        Which::Every => schemes::each(path, claimed, &copies, limits)?,
    };
    // Each adapter lists them.
    let n_unread = unread.len() as u64 * chosen.len() as u64;
    let found = || format!("{n_unread} parts of {} adapters that are not read", chosen.len());
    limits.check(Limit::Tensors, n_unread, path, found)?;
    let of_file = Read::of_file(naming_scheme, unread, n_other);
    let read = |chosen: Chosen<'_>| adapter(path, of_file.clone(), chosen, &mut context, (weights, limits));
    chosen.into_iter().map(read).collect()
}

/// One of them, from what is the same for all.
fn adapter(
    path: &Path,
    of_file: Read,
    Chosen { name, claimed, left_out }: Chosen<'_>,
    context: &mut Context<'_>,
    (weights, limits): (Option<&dyn Weights>, &Limits),
) -> Result<Read> {
    let Pairs { pairs, unread, first_error } = pairs::pairs(path, &claimed, context, weights, limits)?;
    if let (true, Some(error)) = (pairs.is_empty(), first_error) {
        return Err(error);
    }
    let mut read = Read {
        method: method(&claimed, &pairs, context.config),
        adapter_name: name,
        n_magnitudes: claimed.iter().filter(|one| one.claim.role == TensorRole::Magnitude).count(),
        ..of_file
    };
    read.unread.extend(unread);
    read.unread.extend(left_out.into_iter().map(|(name, n_tensors)| unread::copy(name, n_tensors)));
    context.names = FileNames::of(pairs.iter().map(|(_, pair)| pair.weight()));
    check_ranks(path, context, &pairs)?;
    for (scheme, pair) in pairs {
        for pair in (scheme.experts)(pair, context) {
            let Scale { alpha, scaling } = match pair.fixed_scaling() {
                Some(scaling) => Scale { alpha: None, scaling: Some(scaling) },
                None => (scheme.scaling)(&pair, context),
            };
            let is_turned = pair.is_turned;
            read.unread.extend(pair.is_out_of_order.then(|| unread::order_of_rows(&pair.original)));
            let parts = (scheme.cut)(pair, context);
            read.n_turned += if is_turned { parts.len() } else { 0 };
            read.modules.extend(parts.into_iter().map(|pair| {
                Arc::new(Module {
                    name: context.names.canonical(pair.weight()),
                    original: pair.original,
                    a: pair.a,
                    b: pair.b,
                    alpha,
                    scaling: scaling.map(|scaling| scaling * pair.rescaled),
                    magnitudes: pair.magnitudes,
                })
            }));
        }
        context.budget.check(path)?;
        context.steps.check(path, limits)?;
    }
    read.modules.iter().for_each(|module| context.unpacking.add(module));
    context.unpacking.check(path, limits)?;
    read.unread.sort_by(|x, y| natural_cmp(&x.name, &y.name));
    keep_originals(&mut read.modules);
    read.modules.sort_by(|x, y| natural_cmp(&x.name, &y.name));
    Ok(read)
}

/// Checks transposed factors against the rank in MLX's config, since square ones fit both ways round.
fn check_ranks(path: &Path, context: &Context<'_>, pairs: &[(&Scheme, Pair)]) -> Result<()> {
    let Some(rank) = context.config.and_then(Config::mlx_rank) else { return Ok(()) };
    let mut transposed = pairs.iter().filter(|(scheme, _)| scheme.layout == Layout::Transposed);
    match transposed.find(|(_, pair)| pair.a.rows as f64 != rank) {
        Some((_, pair)) => {
            let found = format!("rank {} by the shapes of lora_a and lora_b", pair.a.rows);
            Err(wrong_module(path, &pair.original, found, format!("{rank} as in adapter_config.json")))
        }
        None => Ok(()),
    }
}

fn method(claimed: &[Claimed<'_>], pairs: &[(&Scheme, Pair)], config: Option<&Config>) -> Method {
    let read: HashSet<&str> = pairs.iter().map(|(_, pair)| pair.original.as_str()).collect();
    let is_read = |one: &Claimed<'_>| {
        !matches!(one.claim.role, TensorRole::Part(_)) || read.contains(&*one.claim.module)
    };
    let claimed: Vec<&Claimed<'_>> = claimed.iter().filter(|one| is_read(one)).collect();
    let has = |role: TensorRole| claimed.iter().any(|one| one.claim.role == role);
    let is_kasa =
        |one: &&Claimed<'_>| one.claim.role == TensorRole::E && one.stored.name.contains("lora_diag");
    let is_most = |of: fn(TensorRole) -> bool| {
        let n = claimed.iter().filter(|one| one.claim.role.is_factor() && of(one.claim.role)).count();
        2 * n > claimed.iter().filter(|one| one.claim.role.is_factor()).count()
    };
    let part = claimed.iter().find_map(|one| match one.claim.role {
        // With the factors of a butterfly before the blocks.
        TensorRole::Part(schemes::Part::OftBlocks) if one.stored.tensor.shape.len() == 4 => {
            Some(Method::Boft)
        }
        TensorRole::Part(part) => Some(part.method()),
        _ => None,
    });
    if let Some(method) = part.filter(|_| is_most(|role| matches!(role, TensorRole::Part(_)))) {
        method
    } else if is_most(|role| matches!(role, TensorRole::Lokr(_))) {
        Method::LoKr
    } else if is_most(|role| matches!(role, TensorRole::Hada(_))) {
        Method::LoHa
    } else if is_most(|role| role == TensorRole::Diff) {
        Method::Difference
    } else if claimed.iter().any(is_kasa) {
        Method::Kasa
    } else if has(TensorRole::E) {
        Method::AdaLora
    } else if has(TensorRole::Magnitude) || config.is_some_and(Config::is_dora) {
        Method::Dora
    } else {
        Method::Lora
    }
}

/// An original may be the name of yet another module, and so on; a file where that goes on for longer than this was made to.
const MAX_ROUNDS: usize = 8;

/// Gives modules that would share a name the names that the file has for them.
fn keep_originals(modules: &mut [Arc<Module>]) {
    for _ in 0..MAX_ROUNDS {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for module in modules.iter() {
            *counts.entry(&module.name).or_default() += 1;
        }
        let is_shared = |module: &Arc<Module>| {
            counts.get(module.name.as_str()) > Some(&1) && module.name != module.original
        };
        let shared: Vec<bool> = modules.iter().map(is_shared).collect();
        if !shared.contains(&true) {
            return;
        }
        for (module, _) in modules.iter_mut().zip(shared).filter(|(_, shared)| *shared) {
            take_original(module);
        }
    }
    // The originals are all different.
    modules.iter_mut().for_each(take_original);
}

fn take_original(module: &mut Arc<Module>) {
    let module = Arc::make_mut(module);
    module.name.clone_from(&module.original);
}
