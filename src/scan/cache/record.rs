//! What the cache keeps of one module: its basis, or why it has none.

use crate::basis::{Basis, UpdateFactors};

/// Numbers of a projection of A.
pub use crate::measure::start_projection::N_PROJECTED;

/// What the cache keeps of one module.
#[derive(Debug, Clone, PartialEq)]
pub enum CachedModule {
    /// Its basis.
    Basis {
        /// The basis.
        basis: Basis,
        /// A seeded random projection of A/‖A‖_F, from which the cosine of two starts is estimated; zeros where there is
        /// none.
        projection: Box<[f32; N_PROJECTED]>,
        /// The update itself, for a scan that compares updates.
        update: Option<UpdateFactors>,
    },
    /// Why it has none, in one line.
    Missing(String),
}

/// A record but for the rows of its basis.
#[derive(Debug, Clone, PartialEq)]
pub enum Summary {
    /// It has a basis.
    Basis {
        /// The rank of the adapter's factor.
        r: usize,
        /// Dimension of the space.
        d: usize,
        /// Directions that were kept though they are close to the rounding noise.
        n_uncertain: usize,
        /// The q singular values, falling.
        sigma: Vec<f64>,
        /// As in [`CachedModule::Basis`].
        projection: Box<[f32; N_PROJECTED]>,
        /// The shape and the norm of its update, if it is kept.
        update: Option<UpdateShape>,
    },
    /// Why it has none, in one line.
    Missing(String),
}

/// An update but for its rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UpdateShape {
    /// Rows that it is kept in.
    pub n_terms: usize,
    /// Rows of ΔW.
    pub d_out: usize,
    /// Columns of ΔW.
    pub d_in: usize,
    /// ‖ΔW‖_F.
    pub norm: f64,
}
