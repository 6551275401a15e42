//! The singular values of a factor, and of an update that is never formed.

use serde::Serialize;

use crate::adapter::Module;
use crate::basis::{Basis, Flaw, Numbers, Wanted};
use crate::error::Error;
use crate::measure::effective_rank;
use crate::measure::k90::directions_with;
use crate::{Matrix, Side};

/// The singular values of one matrix.
#[derive(Debug, Serialize)]
pub(super) struct Spectrum {
    /// Directions above the rounding noise; 0 for a matrix of zeros.
    pub(super) numerical_rank: usize,
    pub(super) sigma_first: f64,
    pub(super) sigma_last: f64,
    /// How many directions there are, by weight: see [`effective_rank`].
    pub(super) effective_rank: f64,
    /// Σσ²/σ₁². `None` for a matrix of zeros.
    pub(super) stable_rank: Option<f64>,
    /// The fewest directions with 90 % of the energy Σσ².
    pub(super) k90: usize,
    /// With 95 %.
    pub(super) k95: usize,
    /// With 99 %.
    pub(super) k99: usize,
}

/// The spectra of a module. `None` for numbers that are not finite or cannot be read, and for what is made from them.
#[derive(Debug, Serialize)]
pub(super) struct Spectra {
    #[serde(rename = "spectrum_a")]
    pub(super) a: Option<Spectrum>,
    #[serde(rename = "spectrum_b")]
    pub(super) b: Option<Spectrum>,
    /// Of ΔW = s·B·A, with s = 1 where the scaling is not known.
    #[serde(rename = "spectrum_update")]
    pub(super) update: Option<Spectrum>,
    pub(super) update_norm_f: Option<f64>,
    pub(super) update_norm_2: Option<f64>,
    /// Why something is missing.
    #[serde(skip)]
    pub(super) flaws: Vec<Flaw>,
    /// What is known to have no direction: zeros, for one.
    #[serde(skip)]
    pub(super) without_direction: Vec<Flaw>,
}

impl Spectra {
    /// Reads and factorises both factors.
    ///
    /// # Errors
    /// `Io` when the system refuses to read, `Invalid` when the file changed since it was opened.
    pub(super) fn of(module: &Module) -> crate::Result<Self> {
        let numbers = Numbers::read(module, Side::DwRight, Wanted::Both)?;
        let mut flaws = vec![];
        let mut known = |sigma: Result<Vec<f64>, Flaw>| sigma.map_err(|flaw| flaws.push(flaw)).ok();
        let mut of_side =
            |side| known(numbers.factor(side).and_then(|matrix| of_factor(matrix, side, module)));
        // What is wrong with a factor has been said.
        let (a, b, update) = match module.full_rank() {
            Some(_) => (None, None, known(of_update(&numbers))),
            None => match (of_side(Side::A), of_side(Side::B)) {
                (Some(a), Some(b)) => (Some(a), Some(b), known(of_update(&numbers))),
                (a, b) => (a, b, None),
            },
        };
        let mut without_direction = match module.full_rank() {
            Some(_) => numbers.basis(Side::DwRight).err().into_iter().collect(),
            None => numbers.flaws(),
        };
        without_direction.retain(Flaw::is_without_direction);
        let norm_f = |sigma: &Vec<f64>| crate::simd::norm(sigma);
        Ok(Self {
            update_norm_f: update.as_ref().map(norm_f),
            update_norm_2: update.as_ref().map(|sigma| sigma.first().copied().unwrap_or(0.0)),
            a: a.as_deref().map(Spectrum::new),
            b: b.as_deref().map(Spectrum::new),
            update: update.as_deref().map(Spectrum::new),
            flaws,
            without_direction,
        })
    }

    /// Whether nothing could be measured.
    pub(super) fn is_empty(&self) -> bool {
        self.a.is_none() && self.b.is_none() && self.update.is_none()
    }
}

/// The singular values of a factor, none for zeros.
fn of_factor(matrix: &Matrix, side: Side, module: &Module) -> Result<Vec<f64>, Flaw> {
    let factor = side.factors(module)[0];
    match Basis::of_matrix(matrix, side) {
        Ok(basis) => Ok(basis.sigma().to_vec()),
        Err(Error::Unsupported(_)) => Ok(vec![]),
        Err(error) => Err(Flaw::without_basis(side.symbol(), error, factor)),
    }
}

/// The singular values of the update; none where no direction is above the rounding noise, as of a B that was not trained.
fn of_update(numbers: &Numbers<'_>) -> Result<Vec<f64>, Flaw> {
    match numbers.basis(Side::DwRight) {
        Ok(basis) => Ok(basis.sigma().to_vec()),
        Err(flaw) if flaw.is_without_direction() => Ok(vec![]),
        Err(flaw) => Err(flaw),
    }
}

impl Spectrum {
    fn new(sigma: &[f64]) -> Self {
        Self {
            numerical_rank: sigma.len(),
            sigma_first: sigma.first().copied().unwrap_or(0.0),
            sigma_last: sigma.last().copied().unwrap_or(0.0),
            effective_rank: effective_rank(sigma),
            stable_rank: sigma.first().map(|first| (crate::simd::norm(sigma) / first).powi(2)),
            k90: directions_with(0.9, sigma),
            k95: directions_with(0.95, sigma),
            k99: directions_with(0.99, sigma),
        }
    }
}
