//! The singular values of a factor, and of an update that is never formed.

use serde::Serialize;

use crate::measure::effective_rank;
use crate::{Basis, Error, Factor, Module, Side};

/// The singular values of one matrix.
#[derive(Debug, Serialize)]
pub(super) struct Spectrum {
    /// Directions above the rounding noise; 0 for a matrix of zeros.
    pub(super) numerical_rank: usize,
    pub(super) sigma_first: f64,
    pub(super) sigma_last: f64,
    /// How many directions there are, by weight: see [`effective_rank`].
    pub(super) effective_rank: f64,
}

/// The spectra of a module.
#[derive(Debug, Serialize)]
pub(super) struct Spectra {
    #[serde(rename = "spectrum_a")]
    pub(super) a: Spectrum,
    #[serde(rename = "spectrum_b")]
    pub(super) b: Spectrum,
    /// Of ΔW = s·B·A, with s = 1 where the scaling is not known.
    #[serde(rename = "spectrum_update")]
    pub(super) update: Spectrum,
    pub(super) update_norm_f: f64,
    pub(super) update_norm_2: f64,
}

impl Spectra {
    /// Reads and factorises both factors.
    pub(super) fn of(module: &Module) -> crate::Result<Self> {
        let (a, b) = (of_factor(&module.a, Side::A)?, of_factor(&module.b, Side::B)?);
        // An untrained B is not an error here: its update has no direction.
        let update = match a.is_empty() || b.is_empty() {
            true => vec![],
            false => sigma(Basis::of(module, Side::DwRight))?,
        };
        Ok(Self {
            // A sum of nothing would be -0.
            update_norm_f: update.iter().fold(0.0, |sum, sigma| sum + sigma * sigma).sqrt(),
            update_norm_2: update.first().copied().unwrap_or(0.0),
            a: Spectrum::new(&a),
            b: Spectrum::new(&b),
            update: Spectrum::new(&update),
        })
    }
}

/// The singular values of a factor, none for zeros.
fn of_factor(factor: &Factor, side: Side) -> crate::Result<Vec<f64>> {
    sigma(Basis::of_matrix(&factor.read()?, side))
}

/// A basis's singular values; none where no direction is above the rounding noise.
fn sigma(basis: crate::Result<Basis>) -> crate::Result<Vec<f64>> {
    match basis {
        Ok(basis) => Ok(basis.sigma().to_vec()),
        Err(Error::Unsupported(_)) => Ok(vec![]),
        Err(error) => Err(error),
    }
}

impl Spectrum {
    fn new(sigma: &[f64]) -> Self {
        Self {
            numerical_rank: sigma.len(),
            sigma_first: sigma.first().copied().unwrap_or(0.0),
            sigma_last: sigma.last().copied().unwrap_or(0.0),
            effective_rank: effective_rank(sigma),
        }
    }
}
