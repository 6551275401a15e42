//! Tensors to pairs: each A finds the B of its module, and the other tensors that belong to them.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use crate::adapter::magnitudes::Magnitudes;
use crate::adapter::{Factor, UnreadPart};
use crate::error::{Error, Fault, Result};
use crate::formats::config::Config;
use crate::formats::context::Context;
use crate::formats::limits::Limits;
use crate::formats::methods::Methods;
use crate::formats::not_read::{NotRead, because};
use crate::formats::other_forms;
use crate::formats::schemes::{
    self, Claimed, Layout, Orientation, Orientations, Pair, Scheme, Sizes, Stack, Stored, StoredAlpha,
    TensorRole, expert_path, wrong_module,
};
use crate::formats::tensor::Scalars;
use crate::formats::weights::Weights;
use crate::text::quoted;

/// What the claimed tensors make.
#[derive(Default)]
pub(super) struct Pairs {
    /// Each with the scheme of its factors.
    pub(super) pairs: Vec<(&'static Scheme, Pair)>,
    /// Modules that cannot be read, and what cannot be read of others.
    pub(super) unread: Vec<UnreadPart>,
    /// What is the matter with the first module that cannot be read.
    pub(super) first_error: Option<Error>,
}

/// Every pair of the file. A module that cannot be read is left out, and the rest goes on.
///
/// # Errors
/// `Limit` for a factor that is too large or too many modules, `Io` when the system refuses to read an alpha.
pub(super) fn pairs(
    path: &Path,
    claimed: &[Claimed<'_>],
    context: &Context<'_>,
    weights: Option<&dyn Weights>,
    limits: &Limits,
) -> Result<Pairs> {
    let methods = Methods::of(path, claimed, context.config.map(Config::of_methods), weights, limits);
    let all = tensors_by_module(claimed);
    let modules: Vec<_> = all
        .into_iter()
        .map(|(module, tensors)| (module, Update::of(&methods, module, &tensors, path, limits), tensors))
        .collect();
    let mut factors: HashMap<&str, [&Claimed<'_>; 2]> = HashMap::new();
    for (module, update, _) in &modules {
        if let Ok(Update::Factors(parts)) = update {
            factors.insert(module, [parts.a, parts.b]);
        }
    }
    let orientations = Orientations::of(factors.values().copied());
    let q_rows = context.config.and_then(Config::q_rows).or_else(|| columns_of_outputs(&factors));
    let file = FileFacts { path, limits, context, orientations, q_rows };

    let mut read = Pairs::default();
    let mut scalars = Scalars::default();
    for (module, update, tensors) in modules {
        let made = update.and_then(|update| match update {
            Update::Factors(parts) => file.pairs(module, &parts),
            Update::OfOtherForm(scheme, pair) => {
                file.count(1, 0)?;
                read.unread.extend(other_forms::unread(&pair));
                Ok(vec![(scheme, *pair)])
            }
        });
        let mut made = match made {
            Ok(made) => made,
            Err(NotRead { error: error @ (Error::Io { .. } | Error::Limit(_)), .. }) => return Err(error),
            Err(not_read) => {
                read.unread.push(not_read.part(module, tensors.len()));
                read.first_error.get_or_insert(not_read.error);
                continue;
            }
        };
        if let Some(alpha) = tensors.iter().find(|one| one.claim.role == TensorRole::Alpha) {
            let alpha = stored_alpha(&mut scalars, alpha.stored, &mut read.unread)?;
            made.iter_mut().for_each(|(_, pair)| pair.alpha = alpha);
        }
        let magnitudes = tensors.iter().find(|one| one.claim.role == TensorRole::Magnitude);
        if let (Some(one), [(_, pair)]) = (magnitudes, made.as_mut_slice()) {
            pair.magnitudes = magnitudes_of(one.stored, pair, limits).map(Box::new);
        }
        read.pairs.append(&mut made);
    }
    Ok(read)
}

/// The tensors of each module of each scheme; what is not a factor goes with all modules of its name.
fn tensors_by_module<'a>(
    claimed: &'a [Claimed<'a>],
) -> impl IntoIterator<Item = (&'a str, Vec<&'a Claimed<'a>>)> {
    let mut modules: BTreeMap<(&str, &str), Vec<&Claimed<'_>>> = BTreeMap::new();
    let mut others: HashMap<&str, Vec<&Claimed<'_>>> = HashMap::new();
    for one in claimed {
        match one.claim.role.is_factor() {
            true => modules.entry((&one.claim.module, one.scheme.names.name)).or_default().push(one),
            false => others.entry(&one.claim.module).or_default().push(one),
        }
    }
    modules.into_iter().map(move |((module, _), mut tensors)| {
        tensors.extend(others.get(module).into_iter().flatten());
        (module, tensors)
    })
}

/// The update of a module.
enum Update<'a> {
    Factors(Parts<'a>),
    OfOtherForm(&'static Scheme, Box<Pair>),
}

impl<'a> Update<'a> {
    fn of(
        methods: &Methods<'_>,
        module: &str,
        tensors: &[&'a Claimed<'a>],
        path: &Path,
        limits: &Limits,
    ) -> Result<Self, NotRead> {
        if let Some(made) = methods.pair(module, tensors) {
            return made.map(|(scheme, pair)| Self::OfOtherForm(scheme, Box::new(pair)));
        }
        let is_vector =
            |one: &&Claimed<'_>| one.claim.role == TensorRole::Diff && one.stored.tensor.shape.len() < 2;
        let reason = match tensors.iter().any(is_vector) {
            true => VECTOR,
            false => other_forms::misfit(tensors),
        };
        match other_forms::pair(path, module, tensors, limits) {
            Some(Ok((scheme, pair))) => Ok(Self::OfOtherForm(scheme, Box::new(pair))),
            Some(Err(error)) if reason == VECTOR => Err(NotRead::all(reason, error)),
            Some(Err(error)) => Err(because(reason)(error)),
            None => Parts::of(path, module, tensors).map(Self::Factors),
        }
    }
}

/// The tensors of a module that make its update.
struct Parts<'a> {
    a: &'a Claimed<'a>,
    b: &'a Claimed<'a>,
    /// What scales the rows of A.
    e: Option<&'a Claimed<'a>>,
}

impl<'a> Parts<'a> {
    const ROLES: [TensorRole; 3] = [TensorRole::A, TensorRole::B, TensorRole::E];

    /// # Errors
    /// `Malformed` when a factor's partner is missing, is there twice, or when there is nothing in it; `Unsupported` for a rank of
    /// 0.
    fn of(path: &Path, module: &str, tensors: &[&'a Claimed<'a>]) -> Result<Self, NotRead> {
        let mut parts = [None; 3];
        for &one in tensors {
            let name = one.stored.name;
            let of_role = Self::ROLES.iter().zip(&mut parts).find(|(role, _)| **role == one.claim.role);
            let Some((_, part)) = of_role else { continue };
            if let Some(other) = part.replace(one) {
                let found = format!("{} and {}", quoted(other.stored.name), quoted(name));
                return Err(because(TWICE)(wrong_module(path, module, found, "one of the two")));
            }
        }
        match parts {
            [Some(a), Some(b), e] => {
                check_not_empty(path, module, [a.stored, b.stored])?;
                Ok(Self { a, b, e })
            }
            [Some(one), None, _] | [None, Some(one), _] | [None, None, Some(one)] => {
                Err(because(NO_PARTNER)(without_partner(path, one)))
            }
            // A module is made of its factors.
            [None, None, None] => {
                Err(because(NO_PARTNER)(wrong_module(path, module, "no factor".into(), "an A and a B")))
            }
        }
    }
}

/// What the modules of a file have to do with each other.
struct FileFacts<'a> {
    path: &'a Path,
    limits: &'a Limits,
    context: &'a Context<'a>,
    orientations: Orientations,
    /// How many rows of LitGPT's fused weights are q's.
    q_rows: Option<usize>,
}

/// The columns of A of LitGPT's modules that take what q, k and v make, which are q's rows: one number for all of them.
fn columns_of_outputs(factors: &HashMap<&str, [&Claimed<'_>; 2]>) -> Option<usize> {
    let outputs = factors.iter().filter(|(module, _)| schemes::is_litgpts_output(module));
    let mut columns = outputs.map(|(_, [a, _])| Some(a.stored.tensor.as_matrix()?.1));
    let first = columns.next()??;
    columns.all(|one| one == Some(first)).then(|| usize::try_from(first).ok())?
}

impl FileFacts<'_> {
    /// The pair of a module without its alpha, or those of all experts in it.
    ///
    /// # Errors
    /// `Malformed` when the factors do not fit together, `Limit` for too many modules; those of [`Layout::factors`].
    fn pairs(&self, module: &str, parts: &Parts<'_>) -> Result<Vec<(&'static Scheme, Pair)>, NotRead> {
        let Parts { a, b, e } = *parts;
        let scheme = a.scheme;
        let stack = Stack::of(scheme.layout, [a.stored, b.stored]);
        let (n, name_bytes) = stack.as_ref().map_or((1, 0), |stack| (stack.n_experts, module.len()));
        self.count(n, name_bytes)?;
        if let Some(stack) = stack {
            let expert = |expert| Ok((scheme, self.expert(module, [a, b], &stack, expert)?));
            return (0..stack.n_experts).map(expert).collect::<Result<_>>().map_err(because(UNREADABLE));
        }
        Ok(vec![(scheme, self.pair(module, [a, b], e)?)])
    }

    /// Counts modules before they are made.
    ///
    /// # Errors
    /// `Limit` for too many.
    fn count(&self, n: u64, name_bytes: usize) -> Result<(), NotRead> {
        let budget = &self.context.budget;
        if budget.may_make(n, name_bytes) {
            Ok(())
        } else {
            budget.check(self.path).map_err(because(UNREADABLE))
        }
    }

    fn pair(
        &self,
        module: &str,
        [a, b]: [&Claimed<'_>; 2],
        e: Option<&Claimed<'_>>,
    ) -> Result<Pair, NotRead> {
        let (layout, orientation) = (a.scheme.layout, self.orientations.get([a, b]));
        let stored = [a.stored, b.stored];
        let (mut factor_a, factor_b) = layout
            .factors(self.path, module, stored, orientation, self.limits)
            .map_err(because(UNREADABLE))?;
        self.check_groups(module, [&factor_a, &factor_b])?;
        if let Some(e) = e {
            factor_a =
                scaled(self.path, module, factor_a, e.stored, self.limits).map_err(because(UNREADABLE))?;
        }
        let (is_turned, q_rows) = (orientation != layout.usual(), self.q_rows);
        let (original, in_model) = (module.to_owned(), (a.scheme.path)(module));
        Ok(Pair { is_turned, q_rows, ..Pair::new(original, in_model, [factor_a, factor_b]) })
    }

    fn enabled(&self) -> Option<&[bool]> {
        self.context.config.and_then(Config::enable_lora)
    }

    /// Fails when A stacks groups that cannot be told apart in B.
    fn check_groups(&self, module: &str, [a, b]: [&Factor; 2]) -> Result<(), NotRead> {
        let sizes = Sizes { d_out: b.rows, q_rows: self.q_rows };
        if a.rows == b.cols || schemes::can_cut(module, a.rows / b.cols, sizes, self.enabled()) {
            return Ok(());
        }
        let found = format!("{} groups with {} rows of B for all", a.rows / b.cols, b.rows);
        if !schemes::is_litgpt(module) {
            let error = wrong_module(self.path, module, found, "the same number for each");
            return Err(because(UNREADABLE)(error));
        }
        let fault = Fault::new(found, "q, k and v of known sizes").at(self.path);
        let fault = fault.of(format!("module {}", quoted(module))).hint(UNKNOWN_SIZES_HINT);
        Err(because(UNKNOWN_SIZES)(fault.malformed()))
    }

    /// The pair of one of the experts whose factors are stacked.
    fn expert(&self, module: &str, [a, b]: [&Claimed<'_>; 2], stack: &Stack, expert: u64) -> Result<Pair> {
        let Some([tensor_a, tensor_b]) = stack.expert(expert) else {
            // The error is that of the whole tensor.
            a.stored.tensor.factor(a.stored.name, self.limits)?;
            b.stored.tensor.factor(b.stored.name, self.limits)?;
            let found = format!("no expert {expert}");
            return Err(wrong_module(self.path, module, found, "the factors of each expert"));
        };
        let stored = [
            Stored { name: a.stored.name, tensor: &tensor_a },
            Stored { name: b.stored.name, tensor: &tensor_b },
        ];
        // Those of an expert lie as PyTorch's do.
        let orientation = Orientation::of(Layout::Loose, stored, None);
        let in_model = expert_path(&(a.scheme.path)(module), expert);
        let (a, b) = Layout::Loose.factors(self.path, module, stored, orientation, self.limits)?;
        let is_turned = orientation != Layout::Loose.usual();
        Ok(Pair { is_turned, ..Pair::new(format!("{module}.{expert}"), in_model, [a, b]) })
    }
}

/// An alpha that is not one finite number leaves the scaling unknown; the subspaces need none.
fn stored_alpha<'a>(
    scalars: &mut Scalars<'a>,
    alpha: Stored<'a>,
    unread: &mut Vec<UnreadPart>,
) -> Result<StoredAlpha> {
    match scalars.read(alpha.name, alpha.tensor) {
        Ok(number) => Ok(StoredAlpha::Of(number)),
        Err(Error::Malformed(fault) | Error::Unsupported(fault)) => {
            unread.push(UnreadPart {
                name: alpha.name.to_owned(),
                reason: "an alpha that cannot be read, so that the scaling is not known".to_owned(),
                found: Some(fault.found),
                n_tensors: 1,
            });
            Ok(StoredAlpha::Odd)
        }
        Err(error) => Err(error),
    }
}

/// # Errors
/// `Malformed` for factors without numbers, with the usual cause; `Unsupported` for a rank of 0.
fn check_not_empty(path: &Path, module: &str, factors: [Stored<'_>; 2]) -> Result<(), NotRead> {
    let fault = |fact: &str| Fault::stating(fact).at(path).of(format!("module {}", quoted(module)));
    if factors.iter().any(|one| one.tensor.shape == [0]) {
        let hint = "save again with the parameters gathered (`stage3_gather_16bit_weights_on_model_save`), or join the \
                    checkpoint's shards with DeepSpeed's `zero_to_fp32.py`";
        return Err(because(ZERO_3)(fault(ZERO_3).hint(hint).malformed()));
    }
    let is_pruned = factors.iter().all(|one| one.tensor.shape.len() > 1 && one.tensor.shape.contains(&0));
    match is_pruned {
        true => Err(because(RANK_0)(fault(RANK_0).unsupported())),
        false => Ok(()),
    }
}

const VECTOR: &str = "a difference of a weight of one dimension, such as a norm's, which has no subspace";
const UNKNOWN_SIZES: &str =
    "q, k and v in one weight of LitGPT, whose sizes are in a model_config.yaml that is not next to the file";
const UNKNOWN_SIZES_HINT: &str =
    "put LitGPT's model_config.yaml next to the file: it says how many heads of which size the model has";
const TWICE: &str = "a tensor that is there twice";
const NO_PARTNER: &str = "a factor without its partner";
const UNREADABLE: &str = "factors of shapes or types that cannot be read";
const ZERO_3: &str = "shape [0] (saved under DeepSpeed ZeRO-3 without gathering the parameters)";
const RANK_0: &str = "rank 0, which changes nothing";

/// A with its rows multiplied by AdaLoRA's E or KaSA's diagonal.
fn scaled(path: &Path, module: &str, a: Factor, e: Stored<'_>, limits: &Limits) -> Result<Factor> {
    let rank = a.rows;
    a.scaled_by(e.tensor.as_column().factor(e.name, limits)?).ok_or_else(|| {
        let found = format!("{} of shape {:?}", quoted(e.name), e.tensor.shape);
        wrong_module(path, module, found, format!("shape [{rank}, 1]"))
    })
}

/// DoRA's magnitudes, if they fit the update; without a base model they are not needed.
fn magnitudes_of(stored: Stored<'_>, pair: &Pair, limits: &Limits) -> Option<Magnitudes> {
    let factor = stored.tensor.as_column().factor(stored.name, limits).ok()?;
    // LyCORIS scales rows or columns, by the shape; all others scale rows.
    let may_be_of_columns = stored.name.ends_with("dora_scale");
    Magnitudes::of(factor, pair.b.rows, pair.a.cols, may_be_of_columns)
}

fn without_partner(path: &Path, one: &Claimed<'_>) -> Error {
    let name = one.stored.name;
    let partner = one.scheme.partners.iter().find_map(|(first, second)| {
        let (mark, partner) = if name.contains(first) { (first, second) } else { (second, first) };
        let at = name.rfind(mark)?;
        Some(format!("{}{partner}{}", &name[..at], &name[at + mark.len()..]))
    });
    let missing = partner.map_or_else(|| "the other factor".to_owned(), |partner| quoted(&partner));
    wrong_module(path, &one.claim.module, format!("only {}", quoted(name)), format!("{missing} next to it"))
}
