//! Tensors to modules: the naming scheme pairs them, fused weights are cut, and every module gets its scaling and its
//! canonical name.

use std::collections::HashMap;
use std::path::Path;

use crate::adapter::{Method, Module, NamingScheme, UnreadPart};
use crate::error::Result;
use crate::formats::config::{Config, Scale};
use crate::formats::contents::Contents;
use crate::formats::context::Context;
use crate::formats::limits::Limits;
use crate::formats::pairs::{self, Pairs};
use crate::formats::schemes::{self, Claimed, Claims, Layout, Pair, Scheme, TensorRole, wrong_module};
use crate::formats::unread;
use crate::names::{FileNames, natural_cmp};

/// What the names and shapes of a file's tensors make.
pub(super) struct Read {
    pub(super) naming_scheme: NamingScheme,
    pub(super) method: Method,
    pub(super) adapter_name: Option<String>,
    /// In natural order of the names, each name once.
    pub(super) modules: Vec<Module>,
    /// What of the update is not read.
    pub(super) unread: Vec<UnreadPart>,
    /// Tensors that belong to no module and to no update: classifiers, token vectors, biases.
    pub(super) n_other: usize,
    /// Magnitude vectors of DoRA.
    pub(super) n_magnitudes: usize,
    /// Modules whose factors lie the other way round than usual.
    pub(super) n_turned: usize,
}

/// Reads the adapter with this name, or the only one.
///
/// # Errors
/// As [`schemes::claim`], [`schemes::choose`], [`pairs::pairs`] and [`Context::new`]; `Malformed` when MLX's config has
/// another rank than its tensors; `Limit` for too many patterns or modules.
pub(super) fn read(
    path: &Path,
    contents: &Contents,
    config: Option<&Config>,
    name: Option<&str>,
    limits: &Limits,
) -> Result<Read> {
    let Claims { naming_scheme, mut claimed, unclaimed } = schemes::claim(path, &contents.tensors)?;
    let mut unread = unread::unread(&contents.tensors, &unclaimed);
    let n_other = unclaimed.len() - unread.iter().map(|one| one.n_tensors).sum::<usize>();
    let adapter_name = schemes::choose(path, &mut claimed, name)?;
    let method = method(&claimed, config);
    let n_magnitudes = claimed.iter().filter(|one| one.claim.role == TensorRole::Magnitude).count();
    let Pairs { pairs, unread: of_modules, first_error } = pairs::pairs(path, &claimed, config, limits)?;
    if let (true, Some(error)) = (pairs.is_empty(), first_error) {
        return Err(error);
    }
    unread.extend(of_modules);
    unread.sort_by(|x, y| natural_cmp(&x.name, &y.name));
    let mut context = Context::new(path, config, &contents.metadata, limits)?;
    context.names = FileNames::of(pairs.iter().map(|(_, pair)| pair.weight()));
    context.check_patterns(pairs.len())?;
    check_ranks(path, &context, &pairs)?;
    let mut modules = Vec::with_capacity(pairs.len());
    let mut n_turned = 0;
    for (scheme, pair) in pairs {
        for pair in (scheme.experts)(pair, &context) {
            let Scale { alpha, scaling } = (scheme.scaling)(&pair, &context);
            let is_turned = pair.is_turned;
            let parts = (scheme.cut)(pair, &context);
            n_turned += if is_turned { parts.len() } else { 0 };
            modules.extend(parts.into_iter().map(|pair| Module {
                name: context.names.canonical(pair.weight()),
                original: pair.original,
                a: pair.a,
                b: pair.b,
                alpha,
                scaling: scaling.map(|scaling| scaling * pair.rescaled),
            }));
        }
        context.check_modules(path, modules.len())?;
    }
    keep_originals(&mut modules);
    modules.sort_by(|x, y| natural_cmp(&x.name, &y.name));
    Ok(Read { naming_scheme, method, adapter_name, modules, unread, n_other, n_magnitudes, n_turned })
}

/// The names of the adapters in a file, one `None` if tensors have none.
///
/// # Errors
/// As [`schemes::claim`].
pub(super) fn adapter_names(path: &Path, contents: &Contents) -> Result<Vec<Option<String>>> {
    let claims = schemes::claim(path, &contents.tensors)?;
    Ok(schemes::adapters(&claims.claimed).into_iter().map(|name| name.map(str::to_owned)).collect())
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

fn method(claimed: &[Claimed<'_>], config: Option<&Config>) -> Method {
    let has = |role: TensorRole| claimed.iter().any(|one| one.claim.role == role);
    let is_kasa =
        |one: &Claimed<'_>| one.claim.role == TensorRole::E && one.stored.name.contains("lora_diag");
    let is_most = |of: fn(TensorRole) -> bool| {
        let n = claimed.iter().filter(|one| of(one.claim.role)).count();
        2 * n > claimed.iter().filter(|one| one.claim.role.is_factor()).count()
    };
    if is_most(|role| matches!(role, TensorRole::Lokr(_))) {
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
fn keep_originals(modules: &mut [Module]) {
    for _ in 0..MAX_ROUNDS {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for module in modules.iter() {
            *counts.entry(&module.name).or_default() += 1;
        }
        let is_shared = |module: &Module| counts[module.name.as_str()] > 1 && module.name != module.original;
        let shared: Vec<bool> = modules.iter().map(is_shared).collect();
        if !shared.contains(&true) {
            return;
        }
        for (module, _) in modules.iter_mut().zip(shared).filter(|(_, shared)| *shared) {
            module.name.clone_from(&module.original);
        }
    }
    // The originals are all different.
    modules.iter_mut().for_each(|module| module.name.clone_from(&module.original));
}
