//! One module: its tensors, and the updates that these make by themselves.

use super::Methods;
use crate::adapter::by_method::{ByMethod, How};
use crate::adapter::made::{Form, MadeUpdate};
use crate::adapter::{Factor, Method};
use crate::error::{Error, Fault, Remedy};
use crate::formats::limits::Limit;
use crate::formats::not_read::{NotRead, because};
use crate::formats::other_forms::N_KEPT;
use crate::formats::schemes::{Claimed, Pair, Part, ScaleRank, Scheme, TensorRole, wrong_module};
use crate::names::Weight;
use crate::text::quoted;

pub(super) const MISFIT: &str = "tensors of a method that do not fit together";
const BASE_WEIGHT: &str = "a weight of the base model that cannot be read";
const NOT_IN_BASE: &str = "a weight that the base model does not have";
const OTHER_SHAPE: &str = "a weight of another shape in the base model";

/// A module of one of the methods.
pub(super) struct One<'a> {
    pub(super) of: &'a Methods<'a>,
    pub(super) scheme: &'static Scheme,
    pub(super) module: &'a str,
    pub(super) tensors: &'a [&'a Claimed<'a>],
}

impl One<'_> {
    /// A and B of the whole file, cut to this module, with their rows scaled.
    pub(super) fn vera(&self) -> Result<Pair, NotRead> {
        let (d, b) = (self.column(Part::VeraD)?, self.column(Part::VeraB)?);
        const LACKING: &str =
            "VeRA without its two projections, which a seed makes: PEFT's save_projection keeps them";
        let projection = |part| self.of.shared(part).ok_or_else(|| self.lacking(LACKING, None));
        let (in_a, in_b) = (projection(Part::VeraProjectionA)?, projection(Part::VeraProjectionB)?);
        let [in_a, in_b] = [self.factor(in_a)?, self.factor(in_b)?];
        let d_in = match self.weight_if_given()? {
            Some(weight) if weight.rows == b.rows => weight.cols,
            Some(weight) => return Err(self.other_shape(&weight, [b.rows, in_a.cols])),
            None if self.of.width.is_one => in_a.cols,
            None => {
                return Err(self.lacking(
                    "VeRA of several kinds of layers, whose file lacks their input sizes",
                    Some(Remedy::GiveBase),
                ));
            }
        };
        let fits = in_a.rows == d.rows && in_b.cols == d.rows && d_in <= in_a.cols && b.rows <= in_b.rows;
        if !fits {
            let found = format!(
                "{} × {d_in} of rank {} in projections of {} × {} and {} × {}",
                b.rows, d.rows, in_a.rows, in_a.cols, in_b.rows, in_b.cols
            );
            return Err(self.misfit(&found));
        }
        let a = in_a.transposed().row_range(0..d_in).transposed().scaled_by(d);
        let b = in_b.row_range(0..b.rows).scaled_by(b);
        let (a, b) = a.zip(b).ok_or_else(|| self.misfit("scales of other sizes"))?;
        let pair = Pair::new(self.module.to_owned(), self.path(), [a, b]);
        Ok(Pair { scale_rank: ScaleRank::Fixed(1.0), ..pair })
    }

    pub(super) fn vector_bank(&self) -> Result<Pair, NotRead> {
        let (a, b) = (self.part(Part::LogitsA)?, self.part(Part::LogitsB)?);
        const LACKING: &str = "VB-LoRA without its bank of vectors";
        let bank = self.of.shared(Part::VectorBank).ok_or_else(|| self.lacking(LACKING, None))?;
        let bank = self.factor(bank)?;
        const UNKNOWN: &str = "VB-LoRA, whose topk is in an adapter_config.json that is not there";
        let top_k = self.of.config.and_then(|config| config.top_k.known().copied());
        let top_k = top_k.ok_or_else(|| self.lacking(UNKNOWN, None))?;
        let (n, length) = (bank.rows, bank.cols);
        if top_k.fract() != 0.0 || !(1.0..=n as f64).contains(&top_k) {
            return Err(self.misfit(&format!("the top {top_k} of {n} vectors")));
        }
        let rank = a.rows;
        if !a.cols.is_multiple_of(n) || Some(b.cols) != rank.checked_mul(n) {
            let found =
                format!("logits of {} × {} and {} × {} for {n} vectors", a.rows, a.cols, b.rows, b.cols);
            return Err(self.misfit(&found));
        }
        let shape = [self.times(b.rows, length)?, self.times(a.cols / n, length)?];
        let how = How::VectorBank { top_k: top_k as usize };
        self.made(Method::VbLora, how, vec![a, b, bank], None, shape, rank)
    }

    pub(super) fn circulant(&self) -> Result<Pair, NotRead> {
        let kernel = self.claimed(Part::C3aKernel)?;
        let block = match kernel.stored.tensor.shape.as_slice() {
            [_, _, block] => usize::try_from(*block).unwrap_or(usize::MAX),
            shape => return Err(self.misfit(&format!("a kernel of shape {shape:?}"))),
        };
        let kernel = self.factor(kernel)?;
        let shape = [self.times(kernel.rows, block)?, kernel.cols];
        let rank = shape[0].min(shape[1]);
        self.made(Method::C3a, How::Circulant { block }, vec![kernel], None, shape, rank)
    }

    pub(super) fn random_bases(&self) -> Result<Pair, NotRead> {
        let (lambda, gamma) = (self.part(Part::RandLambda)?, self.part(Part::RandGamma)?);
        const LACKING: &str =
            "RandLoRA without its bases, which a seed makes: PEFT's save_projection keeps them";
        let base = |part| {
            let own = self.tensors.iter().copied().find(|one| one.claim.role == TensorRole::Part(part));
            let shared = || self.of.shared(part).map(|one| self.factor(one));
            own.map(|one| self.factor(one)).or_else(shared).ok_or_else(|| self.lacking(LACKING, None))?
        };
        let (short, long) = (base(Part::RandA)?, base(Part::RandB)?);
        let (rank, n, shorter) = (lambda.rows, lambda.cols, gamma.cols);
        let shape = match self.weight_if_given()? {
            Some(weight) => [weight.rows, weight.cols],
            // The bases are as large as the largest module, so that this one is square.
            None if shorter == long.rows => [shorter; 2],
            None => {
                return Err(self.lacking(
                    "RandLoRA, whose file lacks the sizes of layers that are not square",
                    Some(Remedy::GiveBase),
                ));
            }
        };
        let longer = shape[0].max(shape[1]);
        let fits = shape.contains(&shorter)
            && shorter <= longer
            && gamma.rows == n
            && short.rows == rank
            && short.cols >= shorter
            && long.rows >= longer
            && long.cols.is_multiple_of(rank)
            && long.cols / rank >= n;
        if !fits {
            let found = format!(
                "{} × {} of {n} bases of rank {rank} in {} × {} and {} × {}",
                shape[0], shape[1], short.rows, short.cols, long.rows, long.cols
            );
            return Err(self.misfit(&found));
        }
        self.check_size([self.times(rank, n)?, longer])?;
        let parts = vec![lambda, gamma, short, long];
        let pair = self.made(Method::RandLora, How::RandomBases, parts, None, shape, shorter)?;
        let alpha = self.of.config.and_then(|config| config.randlora_alpha.known().copied());
        let scaling = alpha.map(|alpha| ScaleRank::Fixed(alpha / rank as f64));
        Ok(Pair { scale_rank: scaling.unwrap_or(ScaleRank::OfB), ..pair })
    }

    /// The pair of an update that is made.
    pub(super) fn made(
        &self,
        method: Method,
        how: How,
        parts: Vec<Factor>,
        weight: Option<Factor>,
        shape: [usize; 2],
        rank: usize,
    ) -> Result<Pair, NotRead> {
        let of_base = self.of.weights.filter(|_| weight.is_some());
        let n_kept = rank.min(of_base.map_or(N_KEPT, |weights| weights.at_most().max(1)));
        self.check_size(shape)?;
        let form = Form::Method(Box::new(ByMethod { method, how, parts, weight, shape, rank }));
        let share = of_base.and_then(|weights| weights.share());
        let factors = Factor::of_made(MadeUpdate::new(form, n_kept).with_share(share));
        let factors = factors.ok_or_else(|| self.misfit("a size that this machine cannot address"))?;
        let pair = Pair::new(self.module.to_owned(), self.path(), factors);
        Ok(Pair { scale_rank: ScaleRank::Fixed(1.0), ..pair })
    }

    fn path(&self) -> String {
        (self.scheme.path)(self.module)
    }

    /// What is made may be far larger than what is stored, and takes eight bytes a number.
    pub(super) fn check_size(&self, [rows, cols]: [usize; 2]) -> Result<(), NotRead> {
        let n_bytes = rows.saturating_mul(cols).saturating_mul(8) as u64;
        if n_bytes <= self.of.limits.factor_bytes {
            return Ok(());
        }
        let found = format!("{rows} × {cols} numbers to make of its tensors, {n_bytes} bytes");
        let fault = self.of.limits.over(Limit::FactorBytes, found).at(self.of.path);
        Err(because(MISFIT)(fault.of(format!("module {}", quoted(self.module))).limit()))
    }

    pub(super) fn times(&self, n: usize, m: usize) -> Result<usize, NotRead> {
        n.checked_mul(m).ok_or_else(|| self.misfit("a size that this machine cannot address"))
    }

    pub(super) fn claimed(&self, part: Part) -> Result<&Claimed<'_>, NotRead> {
        let mut found = self.tensors.iter().filter(|one| one.claim.role == TensorRole::Part(part));
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one),
            (Some(_), Some(two)) => {
                Err(self.misfit(&format!("{} and another one of its kind", quoted(two.stored.name))))
            }
            (None, _) => Err(self.misfit("only some of its tensors")),
        }
    }

    pub(super) fn factor(&self, one: &Claimed<'_>) -> Result<Factor, NotRead> {
        one.stored.tensor.factor(one.stored.name, self.of.limits).map_err(because(MISFIT))
    }

    /// Whether the module has it.
    pub(super) fn has(&self, part: Part) -> bool {
        self.tensors.iter().any(|one| one.claim.role == TensorRole::Part(part))
    }

    /// A matrix of places, which may be whole numbers.
    pub(super) fn factor_of_places(&self, one: &Claimed<'_>) -> Result<Factor, NotRead> {
        one.stored.tensor.places(one.stored.name, self.of.limits).map_err(because(MISFIT))
    }

    pub(super) fn part(&self, part: Part) -> Result<Factor, NotRead> {
        self.factor(self.claimed(part)?)
    }

    /// A vector, as a matrix of one column.
    pub(super) fn column(&self, part: Part) -> Result<Factor, NotRead> {
        let one = self.claimed(part)?;
        let column = one.stored.tensor.as_column().factor(one.stored.name, self.of.limits);
        column.map_err(because(MISFIT))
    }

    /// The weight that the module changes, where there is a base model.
    pub(super) fn weight_if_given(&self) -> Result<Option<Factor>, NotRead> {
        let Some(weights) = self.of.weights else { return Ok(None) };
        let path = self.path();
        let canonical = self.of.names.canonical(Weight { path: &path, shape: None });
        let found = match weights.weight(&path) {
            Ok(None) => weights.weight(&canonical),
            found => found,
        };
        match found.map_err(because(BASE_WEIGHT))? {
            Some(weight) => Ok(Some(weight)),
            None => Err(self.lacking(NOT_IN_BASE, None)),
        }
    }

    /// The same, where there must be one, because of `needed`.
    pub(super) fn weight(&self, needed: &'static str) -> Result<Factor, NotRead> {
        self.weight_if_given()?.ok_or_else(|| self.lacking(needed, Some(Remedy::GiveBase)))
    }

    /// The error for a module that lacks something, which the reason says in full.
    pub(super) fn lacking(&self, reason: &'static str, remedy: Option<Remedy>) -> NotRead {
        let mut fault = Fault::stating(reason).at(self.of.path).of(format!("module {}", quoted(self.module)));
        if let Some(remedy) = remedy {
            fault = fault.remedy(remedy);
        }
        NotRead::all(reason, fault.unsupported())
    }

    pub(super) fn misfit(&self, found: &str) -> NotRead {
        because(MISFIT)(self.wrong(found, "the tensors of one update"))
    }

    pub(super) fn other_shape(&self, weight: &Factor, [rows, cols]: [usize; 2]) -> NotRead {
        let found = format!("{rows} × {cols} for a weight of {} × {}", weight.rows, weight.cols);
        because(OTHER_SHAPE)(self.wrong(&found, "the sizes of the base model's weight"))
    }

    fn wrong(&self, found: &str, expected: &str) -> Error {
        wrong_module(self.of.path, self.module, found.to_owned(), expected)
    }
}
