//! Every singular value of a factor or an update, those that rounding could have made too.

use faer::MatRef;

use super::numbers::{Numbers, Wanted};
use super::scale::Scaled;
use super::{Flaw, noise, svd, transposed, update};
use crate::adapter::{Matrix, Module, Side};
use crate::error::Result;

/// A gap over this share of the largest singular value is clear to every program.
const CLEAR: f64 = 1e-6;

/// The singular values of one side of a module, none left out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WholeSpectrum {
    /// Falling; min(r, d) of them.
    pub(crate) sigma: Vec<f64>,
    /// A direction at or under this may be what rounding to the stored type made: a basis has none of them.
    pub(crate) floor: f64,
}

impl WholeSpectrum {
    /// Of A, of B, or of ΔW for either of its sides.
    ///
    /// # Errors
    /// `Io` when the system refuses to read, `Invalid` when the file changed since it was opened. Inside, what is wrong with
    /// the numbers.
    pub(crate) fn of(module: &Module, side: Side) -> Result<Result<Self, Flaw>> {
        let numbers = Numbers::read(module, side, Wanted::Side)?;
        let flaw = |error| {
            let factor = side.factors(module).pop().unwrap_or(&module.a);
            Flaw::without_basis(side.symbol(), error, factor)
        };
        Ok(match side {
            Side::A | Side::B => {
                numbers.factor(side).and_then(|matrix| Self::of_factor(matrix, side).map_err(flaw))
            }
            Side::DwLeft | Side::DwRight => numbers.update().and_then(|parts| {
                let found = update::singular(parts.a, parts.b).map_err(flaw)?;
                let scaling = parts.scaling.abs();
                let sigma = found.sigma.iter().map(|sigma| sigma * scaling).collect();
                Ok(Self { sigma, floor: found.bounds.floor * scaling })
            }),
        })
    }

    /// Whether each direction ends among equal singular values: the span of the first k directions is arbitrary where σ_k and
    /// σ_{k+1} are nearer than rounding could have moved them.
    pub(crate) fn ties(&self) -> Vec<bool> {
        let least = self.floor.max(CLEAR * self.sigma.first().copied().unwrap_or(0.0));
        let gaps = self.sigma.windows(2).map(|two| two[0] - two[1] <= least && two[0] > self.floor);
        gaps.chain([false]).take(self.sigma.len()).collect()
    }

    fn of_factor(matrix: &Matrix, side: Side) -> Result<Self> {
        let scaled = if side == Side::B { Scaled::of_b(matrix) } else { Scaled::new(matrix) }?;
        let (rows, r) = match side {
            Side::B => (transposed(scaled.values(), matrix.cols), matrix.cols),
            _ => (scaled.values().to_vec(), matrix.rows),
        };
        let d = rows.len() / r;
        let found = svd::left_singular(MatRef::from_row_major_slice(&rows, r, d).transpose())?;
        let sigma: Vec<f64> = found.sigma.iter().map(|sigma| sigma * scaled.unit).collect();
        let bounds = noise::bounds(noise::nu(matrix, r, d), r.max(d), sigma[0]);
        Ok(Self { sigma, floor: bounds.floor })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::Dtype;

    #[test]
    fn directions_of_equal_singular_values_are_ties() {
        let ties = |sigma: &[f64], floor| WholeSpectrum { sigma: sigma.to_vec(), floor }.ties();
        assert_eq!(ties(&[3.0, 2.0, 2.0, 2.0, 1.0], 1e-9), [false, true, true, false, false]);
        assert_eq!(ties(&[3.0, 2.0, 1.999, 1.0], 0.01), [false, true, false, false]);
        // What a basis leaves out has no cells.
        assert_eq!(ties(&[3.0, 1e-9, 1e-9], 1e-8), [false, false, false]);
        assert_eq!(ties(&[1.0], 0.0), [false]);
    }

    #[test]
    fn values_that_a_basis_leaves_out_are_there_under_the_floor() {
        // Two directions of 3 and 1, rounded to f16, and a third that only rounding has made.
        let (r, d) = (3, 64);
        let direction = |k: usize| (0..d).map(move |at| ((at * (2 * k + 1)) as f64 * 0.37).cos());
        let mut values: Vec<f64> = vec![];
        for weights in [[3.0, 0.2], [1.0, -1.0], [2.0, 0.5]] {
            let row = direction(0).zip(direction(1)).map(|(x, y)| weights[0] * x + weights[1] * y);
            values.extend(row.map(|value| half::f16::from_f64(value).to_f64()));
        }
        let matrix = Matrix { rows: r, cols: d, values, dtype: Dtype::F16 };
        let whole = WholeSpectrum::of_factor(&matrix, Side::A).unwrap();
        let basis = super::super::Basis::of_matrix(&matrix, Side::A).unwrap();
        assert_eq!((whole.sigma.len(), basis.q()), (3, 2));
        assert!(whole.sigma[2] <= whole.floor && whole.sigma[1] > whole.floor, "{whole:?}");
        for (all, kept) in whole.sigma.iter().zip(basis.sigma()) {
            assert!((all / kept - 1.0).abs() < 1e-9, "{all} {kept}");
        }
    }
}
