//! The basis of a module's subspace: the CPU stage, in f64, that feeds the engines.

mod eigen;
mod flaw;
mod gram;
mod inner;
mod module_svd;
mod noise;
mod numbers;
mod random;
pub mod range_finder;
mod scale;
#[cfg(feature = "cli")]
mod spectrum;
mod svd;
mod thin;
mod update;
mod update_factors;
mod update_svd;

use std::borrow::Cow;

use faer::MatRef;

pub use self::flaw::{Flaw, FlawedModule};
use self::gram::Gram;
pub use self::inner::Update;
pub use self::module_svd::ModuleSvd;
use self::noise::Bounds;
pub(crate) use self::numbers::{Numbers, Wanted};
use self::scale::Scaled;
#[cfg(feature = "cli")]
pub(crate) use self::spectrum::WholeSpectrum;
use self::svd::Spectrum;
pub(crate) use self::svd::{ThinSvd, thin_svd};
use self::update::Vectors;
pub(crate) use self::update_factors::Part;
pub use self::update_factors::{COLUMNS, UpdateFactors};
pub(crate) use self::update_svd::UpdateSvd;
use crate::adapter::Side;
use crate::adapter::made::Doubts;
use crate::adapter::{Dtype, Matrix, Module};
use crate::error::{Fault, Result};

/// An orthonormal basis of one side of one module, its rows ordered by falling singular value.
///
/// Made in f64 by [`Basis::of`] or [`Basis::of_matrix`] and kept in f32, (q, d) row-major, where q ≤ min(r, d) is the
/// numerical rank: directions that the storage type's rounding could have made are not invented (see
/// [`Basis::n_dropped`]).
#[derive(Debug, Clone, PartialEq)]
pub struct Basis {
    r: usize,
    d: usize,
    rows: Vec<f32>,
    sigma: Vec<f64>,
    n_uncertain: usize,
}

impl Basis {
    /// Reads what a side of a module needs, A, B or both, and factorises it.
    ///
    /// # Errors
    /// `Io` from reading; `Invalid` when the file changed since it was opened; the error of a [`Flaw`], which names file and
    /// tensor, for numbers that have no subspace.
    pub fn of(module: &Module, side: Side) -> Result<Self> {
        Numbers::read(module, side, Wanted::Side)?.basis(side).map_err(Flaw::into_error)
    }

    /// The basis of one factor of an update, and the update, of which the basis is a part where none of its directions is left
    /// out: `UpdateFactors::part_of`.
    #[cfg(feature = "scan")]
    pub(crate) fn and_update(update: Update<'_>, side: Side) -> Result<(Self, UpdateFactors)> {
        let factor = if side == Side::B { update.b } else { update.a };
        let (basis, gram) = Self::through_gram(factor, side)?;
        let factors = match gram {
            Some(gram) if basis.n_dropped() == 0 => UpdateFactors::on(update, side, &basis, &gram)?,
            _ => UpdateFactors::of_any(update)?,
        };
        Ok((basis, factors))
    }

    /// Factorises a factor: A as (rank, d) for `Side::A`, B as (d, rank) for `Side::B`.
    ///
    /// In f64 on the calling thread: through the Gram matrix where its error bound keeps φ within 1e-6, else QR first and
    /// then the SVD of the small triangle.
    ///
    /// # Errors
    /// `Unsupported` for a matrix without a direction above its own rounding noise, such as a B that was never trained;
    /// `Invalid` for a number that is not finite, a matrix without entries, or a side that needs both factors.
    pub fn of_matrix(matrix: &Matrix, side: Side) -> Result<Self> {
        Ok(Self::through_gram(matrix, side)?.0)
    }

    /// As [`Basis::of_matrix`], with the spectrum of the Gram matrix where it came from there.
    fn through_gram(matrix: &Matrix, side: Side) -> Result<(Self, Option<Gram>)> {
        let scaled = if side == Side::B { Scaled::of_b(matrix) } else { Scaled::new(matrix) }?;
        // (r, d), whose right-singular vectors are sought: A as it is, or B's transpose.
        let (rows, r) = match side {
            Side::A => (Cow::Borrowed(scaled.values()), matrix.rows),
            Side::B => (Cow::Owned(transposed(scaled.values(), matrix.cols)), matrix.cols),
            Side::DwLeft | Side::DwRight => {
                return Err(Fault::new("one factor", "both A and B").of(format!("side {side}")).invalid());
            }
        };
        let d = rows.len() / r;
        let bounds = |sigma_1: f64| noise::bounds(noise::nu(matrix, r, d), r.max(d), sigma_1 * scaled.unit);
        let scale = |sigma: &[f64]| sigma.iter().map(|sigma| sigma * scaled.unit).collect();
        let shape = Shape { r, d, dtype: matrix.dtype };
        if let Some(gram) = gram::factorise(&rows, r) {
            let vectors = |q| gram.vectors(&rows, q);
            let basis = shape.basis(scale(&gram.sigma), bounds(gram.sigma[0]), vectors)?;
            return Ok((basis, Some(gram)));
        }
        let x = MatRef::from_row_major_slice(&rows, r, d).transpose();
        let spectrum = svd::left_singular(x)?;
        let basis = shape.basis(scale(&spectrum.sigma), bounds(spectrum.sigma[0]), |q| spectrum.rows(q))?;
        Ok((basis, None))
    }

    /// Factorises an update ΔW = s·B·A from A, (rank, d_in), and B, (d_out, rank), without forming it: right-singular
    /// vectors for `Side::DwRight`, left-singular ones for `Side::DwLeft`. The scaling s, 1 for `None`, scales the
    /// singular values alone.
    ///
    /// # Errors
    /// As [`Basis::of_matrix`]; `Unsupported` also for a scaling of 0; `Invalid` also when the ranks of A and B differ or
    /// the scaling is not finite, or f64 does not hold the update.
    pub fn of_update(a: &Matrix, b: &Matrix, scaling: Option<f64>, side: Side) -> Result<Self> {
        let vectors = match side {
            Side::DwLeft => Vectors::Left,
            Side::DwRight => Vectors::Right,
            Side::A | Side::B => {
                return Err(Fault::new("two factors", "one").of(format!("side {side}")).invalid());
            }
        };
        let scaling = scaling.unwrap_or(1.0).abs();
        if a.rows != b.cols || !scaling.is_finite() {
            let found = format!("A of {} rows, B of {} columns, scaling {scaling}", a.rows, b.cols);
            return Err(Fault::new(found, "one rank and a finite scaling").of("update").invalid());
        }
        if scaling == 0.0 {
            return Err(Fault::new("a scaling of 0", "an update that is not zero").unsupported());
        }
        if let Some(exponent) = (Update { a, b, scaling }).beyond_f64() {
            return Err(flaw::beyond_f64(exponent).of("update").invalid());
        }
        let update = update::singular(a, b)?;
        let spectrum = Spectrum { vectors: update.vectors(vectors), sigma: update.sigma };
        let shape = Shape { r: a.rows, d: spectrum.vectors.nrows(), dtype: b.dtype };
        let mut basis = shape.basis(spectrum.sigma.clone(), update.bounds, |q| spectrum.rows(q))?;
        basis.sigma.iter_mut().for_each(|sigma| *sigma *= scaling);
        Ok(basis)
    }

    /// The basis of a seeded Gaussian r × d matrix: the control that agrees with nothing.
    ///
    /// The same seed gives the same matrix on every machine.
    ///
    /// # Errors
    /// `Invalid` when `r` or `d` is 0.
    pub fn gaussian(r: usize, d: usize, seed: u64) -> Result<Self> {
        Self::of_matrix(&random::gaussian(r, d, seed, 0), Side::A)
    }

    /// The same of a second matrix, independent of the first of its seed: the other basis of the control.
    ///
    /// # Errors
    /// As [`Basis::gaussian`].
    pub fn gaussian_other(r: usize, d: usize, seed: u64) -> Result<Self> {
        Self::of_matrix(&random::gaussian(r, d, seed, 1), Side::A)
    }

    /// A basis from rows that are orthonormal already, (q, d) row-major with q ≤ d, and its singular values.
    ///
    /// # Errors
    /// `Invalid` when the counts do not match or `d` is 0. That the rows are orthonormal is not checked.
    pub fn from_rows(d: usize, rows: Vec<f32>, sigma: Vec<f64>) -> Result<Self> {
        let q = sigma.len();
        if q == 0 || q > d || q.checked_mul(d) != Some(rows.len()) {
            return Err(Fault::new(
                format!("{} numbers and {q} singular values", rows.len()),
                format!("rows of d = {d} numbers, one row a singular value, at most d of them"),
            )
            .of("basis")
            .invalid());
        }
        Ok(Self { r: q, d, rows, sigma, n_uncertain: 0 })
    }

    /// A basis that was made before, from all that it was: [`Basis::from_rows`] with the rank of the factor, r ≥ q, and
    /// the count of its uncertain directions.
    ///
    /// # Errors
    /// As [`Basis::from_rows`]; `Invalid` also when the rank or the count cannot be.
    #[cfg(feature = "scan")]
    pub(crate) fn from_parts(
        r: usize,
        d: usize,
        rows: Vec<f32>,
        sigma: Vec<f64>,
        n_uncertain: usize,
    ) -> Result<Self> {
        let basis = Self::from_rows(d, rows, sigma)?;
        if r < basis.q() || n_uncertain > basis.q() {
            let found = format!("rank {r} and {n_uncertain} uncertain directions of {}", basis.q());
            return Err(Fault::new(found, "no fewer and no more").of("basis").invalid());
        }
        Ok(Self { r, n_uncertain, ..basis })
    }

    /// The rank of the adapter's factor.
    pub fn r(&self) -> usize {
        self.r
    }

    /// The numerical rank, which is the number of rows: 1 ≤ q ≤ min(r, d).
    pub fn q(&self) -> usize {
        self.sigma.len()
    }

    /// Dimension of the space, see [`Side::d`].
    pub fn d(&self) -> usize {
        self.d
    }

    /// The basis vectors, (q, d) row-major, by falling singular value. Their signs are arbitrary.
    pub fn rows(&self) -> &[f32] {
        &self.rows
    }

    /// The memory of the basis vectors, for other numbers.
    #[cfg(feature = "scan")]
    pub(crate) fn into_rows(self) -> Vec<f32> {
        self.rows
    }

    /// The q singular values, falling.
    pub fn sigma(&self) -> &[f64] {
        &self.sigma
    }

    /// The same with the directions marked that a search for those of ΔW, up to a scaling, was in doubt of.
    fn doubting(self, Doubts { noise, n_determined, .. }: Doubts, scaling: f64) -> Self {
        let is_near = |&&sigma: &&f64| sigma < 20.0 * noise * scaling.abs();
        let n_near = self.sigma.iter().filter(is_near).count();
        let n_uncertain = n_near.max(self.q().saturating_sub(n_determined)).max(self.n_uncertain);
        Self { n_uncertain, ..self }
    }

    /// Lets go of the vectors: the singular values stay, and in place of the rows three numbers, which are equal where the rows
    /// were. No engine can take it any more.
    #[cfg(feature = "cli")]
    pub(crate) fn forget_rows(&mut self) {
        // FNV-1a, in whole numbers that an f32 holds.
        let hash = self.rows.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, value| {
            (hash ^ u64::from(value.to_bits())).wrapping_mul(0x0100_0000_01b3)
        });
        self.rows = [0, 22, 44].map(|shift| (hash >> shift & 0x3f_ffff) as f32).to_vec();
    }

    /// Directions that were left out because rounding to the stored type could have made them.
    pub fn n_dropped(&self) -> usize {
        self.r.min(self.d) - self.q()
    }

    /// Directions that were kept though their singular value is under 20 times the rounding noise, or near to that of another one
    /// that was not kept, so that their space is not determined.
    pub fn n_uncertain(&self) -> usize {
        self.n_uncertain
    }
}

/// The transpose of a row-major matrix of `cols` columns, a square at a time so that its lines stay in the cache.
fn transposed(values: &[f64], cols: usize) -> Vec<f64> {
    const SQUARE: usize = 16;
    let rows = values.len() / cols;
    let mut transposed = vec![0.0; values.len()];
    for row in (0..rows).step_by(SQUARE) {
        for col in (0..cols).step_by(SQUARE) {
            for col in col..cols.min(col + SQUARE) {
                let line = &mut transposed[col * rows..][row..rows.min(row + SQUARE)];
                line.iter_mut().zip(row..).for_each(|(place, row)| *place = values[row * cols + col]);
            }
        }
    }
    transposed
}

/// A seeded Gaussian matrix, the same on every machine.
#[cfg(any(feature = "scan", test))]
pub(crate) fn gaussian_matrix(rows: usize, cols: usize, seed: u64) -> Matrix {
    random::gaussian(rows, cols, seed, 0)
}

/// What a basis is made of, but for its numbers.
struct Shape {
    r: usize,
    d: usize,
    dtype: Dtype,
}

impl Shape {
    /// The directions whose singular value is above the floor; `rows` gives the first q of them.
    fn basis(
        self,
        mut sigma: Vec<f64>,
        bounds: Bounds,
        rows: impl FnOnce(usize) -> Vec<f32>,
    ) -> Result<Basis> {
        let Self { r, d, dtype } = self;
        sigma.retain(|&sigma| sigma > bounds.floor);
        if sigma.is_empty() {
            let found = format!("no singular value above the {dtype} rounding noise of {:.1e}", bounds.floor);
            return Err(Fault::new(found, "a trained factor").unsupported());
        }
        let n_uncertain = sigma.iter().filter(|&&sigma| sigma < bounds.doubtful).count();
        Ok(Basis { r, d, rows: rows(sigma.len()), sigma, n_uncertain })
    }
}

#[cfg(test)]
mod tests;
