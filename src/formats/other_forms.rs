//! Modules whose update is not stored as B·A: which matrices their tensors are, and how A and B come of them.

use std::path::Path;

use crate::adapter::made::{Form, MadeUpdate, StoredMatrix};
use crate::adapter::{Factor, UnreadPart};
use crate::error::{Error, Result};
use crate::formats::limits::{Limit, Limits};
use crate::formats::schemes::{Claimed, MatrixPart, Pair, ScaleRank, Scheme, TensorRole, wrong_module};
use crate::text::quoted;

/// Directions that are kept of an update whose rank is higher.
pub(super) const N_KEPT: usize = 64;

/// The pair of a module whose tensors are of another form than an A and a B; `None` for one that is not.
///
/// # Errors
/// `Malformed` for tensors that are missing or do not fit together, `Limit` for an A or a B that would be too large; those of
/// [`Tensor::factor`](super::tensor::Tensor::factor).
pub(super) fn pair(
    path: &Path,
    module: &str,
    tensors: &[&Claimed<'_>],
    limits: &Limits,
) -> Option<Result<(&'static Scheme, Pair)>> {
    let find = |role| tensors.iter().copied().find(|one| one.claim.role == role);
    let of = Tensors { path, module, tensors, limits };
    let (scheme, made) = match find(TensorRole::Mid).zip(find(TensorRole::A)) {
        Some((_, a)) => (a.scheme, of.tucker()),
        None => {
            let first = tensors.iter().find(|one| one.claim.role.is_of_other_form())?;
            let made = match first.claim.role {
                TensorRole::Hada(_) => of.hadamard(),
                TensorRole::Lokr(_) => of.kronecker(),
                _ => of.whole(first),
            };
            (first.scheme, made)
        }
    };
    Some(made.and_then(|made| of.pair(scheme, made)).map(|pair| (scheme, pair)))
}

/// What is the matter with tensors of which no update can be made.
pub(super) fn misfit(tensors: &[&Claimed<'_>]) -> &'static str {
    let has = |of: fn(TensorRole) -> bool| tensors.iter().any(|one| of(one.claim.role));
    if has(|role| matches!(role, TensorRole::Hada(_))) {
        "LoHa whose tensors do not fit together"
    } else if has(|role| matches!(role, TensorRole::Lokr(_))) {
        "LoKr whose tensors do not fit together"
    } else if has(|role| role == TensorRole::Mid) {
        "a Tucker decomposition whose tensors do not fit together"
    } else {
        "a difference of weights that cannot be read"
    }
}

/// What of the update is not kept.
pub(super) fn unread(pair: &Pair) -> Option<UnreadPart> {
    let MadeUpdate { form, n_kept, .. } = &*pair.a.made.as_ref()?.update;
    (form.rank() > *n_kept).then(|| UnreadPart {
        name: pair.original.clone(),
        reason: format!("all but the {n_kept} strongest directions of {}", form.method()),
        found: Some(format!("a rank of up to {}", form.rank())),
        n_tensors: 0,
    })
}

/// The tensors of one module.
struct Tensors<'a> {
    path: &'a Path,
    module: &'a str,
    tensors: &'a [&'a Claimed<'a>],
    limits: &'a Limits,
}

/// An update of some form, and what alpha is divided by.
type Found = (Form, ScaleRank);

impl Tensors<'_> {
    fn pair(&self, scheme: &'static Scheme, (form, scale_rank): Found) -> Result<Pair> {
        let Some(shape) = form.shape() else {
            return Err(self.wrong("shapes that do not fit together"));
        };
        // What is made may be far larger than what is stored, and takes eight bytes a number.
        let n_kept = match &form {
            Form::Plain(matrix @ (StoredMatrix::Product(..) | StoredMatrix::Tucker { .. })) => matrix.rank(),
            other => other.rank().min(N_KEPT),
        };
        let made = [shape[0].max(shape[1]), n_kept];
        let dense = if matches!(form, Form::Hadamard(_)) { shape } else { [1, 1] };
        for [rows, cols] in [made, dense] {
            let n_bytes = rows.saturating_mul(cols).saturating_mul(8) as u64;
            if n_bytes > self.limits.factor_bytes {
                let found = format!("{rows} × {cols} numbers to make of its tensors, {n_bytes} bytes");
                let fault = self.limits.over(Limit::FactorBytes, found).at(self.path);
                return Err(fault.of(format!("module {}", quoted(self.module))).limit());
            }
        }
        let factors = Factor::of_made(MadeUpdate::new(form, n_kept));
        let factors = factors.ok_or_else(|| self.wrong("a size that this machine cannot address"))?;
        let pair = Pair::new(self.module.to_owned(), (scheme.path)(self.module), factors);
        Ok(Pair { scale_rank, ..pair })
    }

    /// `lora_mid` between `lora_up` and `lora_down`.
    fn tucker(&self) -> Result<Found> {
        let [left, core, right] =
            [TensorRole::B, TensorRole::Mid, TensorRole::A].map(|role| self.factor(role));
        let matrix = self.cored(left?, core?, right?)?;
        let rank = ScaleRank::Of(matrix.rank());
        Ok((Form::Plain(matrix), rank))
    }

    fn hadamard(&self) -> Result<Found> {
        let matrices = [self.matrix(TensorRole::Hada, 0)?, self.matrix(TensorRole::Hada, 1)?];
        let rank = ScaleRank::Of(matrices[0].rank());
        Ok((Form::Hadamard(matrices), rank))
    }

    fn kronecker(&self) -> Result<Found> {
        let matrices = [self.matrix(TensorRole::Lokr, 0)?, self.matrix(TensorRole::Lokr, 1)?];
        let rank = |matrix: &StoredMatrix| match matrix {
            StoredMatrix::Whole(_) => None,
            other => Some(other.rank()),
        };
        let rank = rank(&matrices[1]).or_else(|| rank(&matrices[0])).map_or(ScaleRank::None, ScaleRank::Of);
        Ok((Form::Kronecker(matrices), rank))
    }

    fn whole(&self, diff: &Claimed<'_>) -> Result<Found> {
        let matrix = self.factor(diff.claim.role)?;
        Ok((Form::Plain(StoredMatrix::Whole(matrix)), ScaleRank::None))
    }

    /// The first or the second of two matrices, by its parts.
    fn matrix(&self, role: fn(MatrixPart) -> TensorRole, n: usize) -> Result<StoredMatrix> {
        use MatrixPart::{Core, Left, Right, Whole};
        if self.has(role(Whole(n))) {
            return Ok(StoredMatrix::Whole(self.factor(role(Whole(n)))?));
        }
        let (left, right) = (self.factor(role(Left(n)))?, self.factor(role(Right(n)))?);
        if self.has(role(Core(n))) {
            // With a core both lie with the rank first.
            return self.cored(left.transposed(), self.factor(role(Core(n)))?, right);
        }
        if left.cols != right.rows {
            return Err(self.wrong(&format!("ranks of {} and {}", left.cols, right.rows)));
        }
        Ok(StoredMatrix::Product(left, right))
    }

    fn cored(&self, left: Factor, core: Factor, right: Factor) -> Result<StoredMatrix> {
        let fits = left.cols == core.rows && core.cols.is_multiple_of(right.rows);
        if !fits {
            let found = format!(
                "a core of {} × {} between ranks of {} and {}",
                core.rows, core.cols, left.cols, right.rows
            );
            return Err(self.wrong(&found));
        }
        Ok(StoredMatrix::Tucker { left, core, right })
    }

    fn has(&self, role: TensorRole) -> bool {
        self.tensors.iter().any(|one| one.claim.role == role)
    }

    fn factor(&self, role: TensorRole) -> Result<Factor> {
        let mut found = self.tensors.iter().filter(|one| one.claim.role == role);
        match (found.next(), found.next()) {
            (Some(one), None) => one.stored.tensor.factor(one.stored.name, self.limits),
            (Some(_), Some(two)) => {
                Err(self.wrong(&format!("{} and another one of its kind", quoted(two.stored.name))))
            }
            (None, _) => Err(self.wrong("only some of its tensors")),
        }
    }

    fn wrong(&self, found: &str) -> Error {
        wrong_module(self.path, self.module, found.to_owned(), "the tensors of one update")
    }
}
