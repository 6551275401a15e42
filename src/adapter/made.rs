//! Updates that are not stored as an A and a B, and which stored numbers they are made of.

use std::sync::{Arc, OnceLock};

use crate::adapter::by_method::ByMethod;
use crate::adapter::{Dtype, Factor};

/// A factor whose numbers are made of stored ones.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) update: Arc<MadeUpdate>,
    pub(crate) part: Part,
}

/// Which of the two factors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    A,
    B,
}

/// An update of another form than B·A.
#[derive(Debug)]
pub(crate) struct MadeUpdate {
    pub(crate) form: Form,
    /// Directions that its A and B keep, the strongest first.
    pub(crate) n_kept: usize,
    /// The share of the energy that its strongest directions are to hold, if that is enough.
    pub(crate) share: Option<f64>,
    doubts: OnceLock<Doubts>,
}

/// Which of the directions that a search has found are in doubt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Doubts {
    /// What rounding to the stored type can have made of a singular value.
    pub(crate) noise: f64,
    /// So many leading directions span a space that is determined.
    pub(crate) n_determined: usize,
    /// ‖E‖_F of what rounding is expected to have left in the directions that were found.
    pub(crate) rounding: f64,
}

impl MadeUpdate {
    pub(crate) fn new(form: Form, n_kept: usize) -> Self {
        Self { form, n_kept, share: None, doubts: OnceLock::new() }
    }

    pub(crate) fn with_share(self, share: Option<f64>) -> Self {
        Self { share, ..self }
    }

    /// Whether the strongest directions of the whole matrix are searched for, rather than factorising it: the difference of two
    /// weights always, since only a search knows which are above their rounding.
    pub(crate) fn is_searched(&self) -> bool {
        let [d_out, d_in] = self.form.shape().unwrap_or_default();
        let shorter = d_out.min(d_in);
        self.form.is_searched() || shorter >= LARGE && shorter >= self.n_kept.saturating_mul(4)
    }

    /// Keeps what a search says of its directions.
    pub(crate) fn doubt(&self, doubts: Doubts) {
        // Every search of one update finds the same.
        let _ = self.doubts.set(doubts);
    }

    /// What a search said, once the factors are read; `None` for an update that took none.
    pub(crate) fn doubts(&self) -> Option<Doubts> {
        self.doubts.get().copied()
    }

    /// The type whose rounding the factors have, when they are read: that of what is stored, but for a difference of weights, where
    /// the rounding of both has been taken into account.
    pub(crate) fn rounded_to(&self, stored: Dtype) -> Dtype {
        if self.form.is_searched() { Dtype::F32 } else { stored }
    }
}

/// The shorter side from which on a matrix of which few directions are kept is searched.
const LARGE: usize = 512;

/// How an update is made of matrices.
#[derive(Debug, Clone)]
pub(crate) enum Form {
    /// The matrix itself.
    Plain(StoredMatrix),
    /// The product of two matrices number by number (LoHa).
    Hadamard([StoredMatrix; 2]),
    /// The Kronecker product of two matrices (LoKr).
    Kronecker([StoredMatrix; 2]),
    /// The first minus the second: a weight of a trained model and the same weight before.
    Difference([StoredMatrix; 2]),
    /// A column, not an update: what DoRA multiplies the rows of W + s·B·A by, mᵢ over the norm of row i, from W, B·A and m.
    RowScale { of: Box<[StoredMatrix; 3]>, scaling: f64 },
    /// By the rules of another method.
    Method(Box<ByMethod>),
}

/// A matrix, (rows, cols), as it is stored.
#[derive(Debug, Clone)]
pub(crate) enum StoredMatrix {
    /// As it is.
    Whole(Factor),
    /// As the product of (rows, r) and (r, cols).
    Product(Factor, Factor),
    /// As a Tucker decomposition: the product of (rows, r), a core (r, r·k) of k numbers for each pair of ranks, and (r, cols/k).
    Tucker { left: Factor, core: Factor, right: Factor },
}

impl StoredMatrix {
    /// Rows and columns; `None` for more than this machine can count.
    pub(crate) fn shape(&self) -> Option<[usize; 2]> {
        match self {
            Self::Whole(matrix) => Some([matrix.rows, matrix.cols]),
            Self::Product(left, right) => Some([left.rows, right.cols]),
            Self::Tucker { left, core, right } => {
                Some([left.rows, right.cols.checked_mul(core.cols.checked_div(right.rows)?)?])
            }
        }
    }

    /// The largest rank that it can have.
    pub(crate) fn rank(&self) -> usize {
        match self {
            Self::Whole(matrix) => matrix.rows.min(matrix.cols),
            Self::Product(left, _) | Self::Tucker { left, .. } => left.cols,
        }
    }

    fn factors(&self) -> Vec<&Factor> {
        match self {
            Self::Whole(matrix) => vec![matrix],
            Self::Product(left, right) => vec![left, right],
            Self::Tucker { left, core, right } => vec![left, core, right],
        }
    }
}

impl Form {
    fn matrices(&self) -> &[StoredMatrix] {
        match self {
            Self::Plain(one) => std::slice::from_ref(one),
            Self::Hadamard(both) | Self::Kronecker(both) | Self::Difference(both) => both,
            Self::RowScale { of, .. } => &**of,
            Self::Method(_) => &[],
        }
    }

    /// Whether it is a difference of two weights, of which only directions above their rounding are kept.
    pub(crate) fn is_searched(&self) -> bool {
        match self {
            Self::Difference(_) => true,
            Self::Method(of) => of.is_searched(),
            _ => false,
        }
    }

    /// What trainers call it.
    pub(crate) fn method(&self) -> &'static str {
        match self {
            Self::Plain(StoredMatrix::Whole(_)) => "a whole difference",
            Self::Plain(_) => "a Tucker decomposition",
            Self::Hadamard(_) => "LoHa",
            Self::Kronecker(_) => "LoKr",
            Self::Difference(_) => "a full fine-tune",
            Self::RowScale { .. } => "DoRA",
            Self::Method(of) => of.method.name(),
        }
    }

    /// d_out and d_in. `None` where they do not fit together, or for more than this machine can count.
    pub(crate) fn shape(&self) -> Option<[usize; 2]> {
        match self {
            Self::Plain(one) => one.shape(),
            Self::Hadamard([one, other]) | Self::Difference([one, other]) => {
                one.shape().filter(|shape| other.shape() == Some(*shape))
            }
            Self::Kronecker([one, other]) => {
                let ([rows, cols], [n, m]) = (one.shape()?, other.shape()?);
                Some([rows.checked_mul(n)?, cols.checked_mul(m)?])
            }
            Self::RowScale { of, .. } => {
                let [weight, update, magnitudes] = &**of;
                let shape = weight.shape().filter(|shape| update.shape() == Some(*shape))?;
                (magnitudes.shape()? == [shape[0], 1]).then_some([shape[0], 1])
            }
            Self::Method(of) => Some(of.shape),
        }
    }

    /// The largest rank that the update can have.
    pub(crate) fn rank(&self) -> usize {
        if let Self::Method(of) = self {
            return of.rank;
        }
        let of_all = self.matrices().iter().fold(1usize, |n, matrix| n.saturating_mul(matrix.rank()));
        self.shape().map_or(of_all, |[d_out, d_in]| of_all.min(d_out).min(d_in))
    }

    /// All that it is made of.
    pub(crate) fn factors(&self) -> impl Iterator<Item = &Factor> {
        let (parts, weight) = match self {
            Self::Method(of) => (of.parts.as_slice(), of.weight.as_ref()),
            _ => (&[][..], None),
        };
        self.matrices().iter().flat_map(StoredMatrix::factors).chain(parts).chain(weight)
    }

    /// The coarsest type that its numbers are stored in. A weight that an adapter changes is what it is, with no rounding that
    /// matters to the change.
    pub(crate) fn dtype(&self) -> Option<Dtype> {
        let of = |factors: &mut dyn Iterator<Item = &Factor>| {
            factors.map(|factor| factor.dtype).min_by_key(|dtype| dtype.precision().0)
        };
        match self {
            Self::Method(method) => of(&mut method.parts.iter()),
            _ => of(&mut self.factors()),
        }
    }
}
