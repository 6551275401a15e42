//! The numbers of a weight and of its change.

use super::Change;
use crate::adapter::magnitudes::Magnitudes;
use crate::adapter::{Dtype, Factor, Matrix, Module};
use crate::basis::Update;
use crate::basis::range_finder::{Dense, HowMany, LinearMap, LowRank, RangeFinder, SingularVectors};
use crate::error::Result;
use crate::measure::against_base::tuned;
use crate::sync::stop::NEVER;

/// The numbers of a weight and of its change, both (d_out, d_in).
#[derive(Debug)]
pub struct ChangeNumbers {
    w: Matrix,
    norm_w: f64,
    update: Numbers,
    dora: Option<Dora>,
}

/// DoRA's magnitudes and what they make of W + s·B·A.
#[derive(Debug)]
struct Dora {
    /// The norms before, of the rows or the columns.
    before: Vec<f64>,
    /// Those that were learnt.
    magnitudes: Vec<f64>,
    /// What the rows or the columns are multiplied by. `None` where the factors are not rescaled.
    scale: Option<Vec<f64>>,
    of_columns: bool,
}

/// ΔW.
#[derive(Debug)]
pub(super) enum Numbers {
    /// s·B·A, which is not formed.
    Factors { a: Matrix, b: Matrix, scaling: f64 },
    /// The matrix itself.
    Whole(Dense<'static>),
}

/// The shorter side up to which all singular vectors are computed even where a few are asked for: they take less than a second.
const SMALL: usize = 512;

impl Change {
    /// Reads the weight and the change.
    ///
    /// # Errors
    /// As [`Factor::read`](crate::Factor::read).
    pub fn read(&self) -> Result<ChangeNumbers> {
        let (module, w) = (&*self.module, self.weight.read()?);
        let scaling = module.scaling.unwrap_or(1.0);
        let update = match module.whole_update(scaling, (&self.weight, &w))? {
            Some(whole) => Numbers::Whole(whole),
            None => {
                let [a, b] = match Factor::made_together(&module.a, &module.b, &NEVER) {
                    Some(both) => both?,
                    None => [module.a.read()?, module.b.read()?],
                };
                Numbers::Factors { a, b, scaling }
            }
        };
        let dora = Dora::of(module, &w)?;
        Ok(ChangeNumbers { norm_w: LinearMap::norm(&w), w, update, dora })
    }
}

impl Dora {
    fn of(module: &Module, w: &Matrix) -> Result<Option<Self>> {
        let Some(Magnitudes { column, of_columns }) = module.magnitudes.as_deref().cloned() else {
            return Ok(None);
        };
        let mut squares = vec![0.0; column.rows];
        for (i, row) in w.values.chunks_exact(w.cols).enumerate() {
            for (j, value) in row.iter().enumerate() {
                squares[if of_columns { j } else { i }] += value * value;
            }
        }
        let axis = if of_columns { &module.a.col_axis } else { &module.b.row_axis };
        let scale = axis.scale.as_ref().map(|scale| scale.read()).transpose()?;
        Ok(Some(Self {
            before: squares.into_iter().map(f64::sqrt).collect(),
            magnitudes: column.read()?.values,
            scale: scale.map(|scale| scale.values),
            of_columns,
        }))
    }

    /// ‖m − n‖/‖n‖, n the norms of W.
    fn change(&self) -> Option<f64> {
        let pairs = || self.magnitudes.iter().zip(&self.before);
        let change: f64 = pairs().map(|(after, before)| (after - before).powi(2)).sum();
        let norm: f64 = self.before.iter().map(|before| before * before).sum();
        (norm > 0.0).then(|| (change / norm).sqrt())
    }

    /// W with the scale, to which the update with its own is added.
    fn rescaled(&self, w: &Matrix) -> Option<Matrix> {
        let scale = self.scale.as_ref()?;
        let mut rescaled = w.clone();
        for (i, row) in rescaled.values.chunks_exact_mut(w.cols).enumerate() {
            for (j, value) in row.iter_mut().enumerate() {
                *value *= scale[if self.of_columns { j } else { i }];
            }
        }
        Some(rescaled)
    }
}

impl ChangeNumbers {
    /// W before training.
    pub fn w(&self) -> &Matrix {
        &self.w
    }

    pub(super) fn update_numbers(&self) -> &Numbers {
        &self.update
    }

    /// ‖W‖_F.
    pub fn norm_w(&self) -> f64 {
        self.norm_w
    }

    /// How far DoRA has moved the norms of W's rows, or of its columns: ‖m − n‖/‖n‖ with the magnitudes m that were learnt and the
    /// norms n before. `None` without magnitudes.
    pub fn magnitude_change(&self) -> Option<f64> {
        self.dora.as_ref().and_then(Dora::change)
    }

    /// ΔW as a map.
    ///
    /// # Errors
    /// `Invalid` for numbers that are not finite.
    pub fn update(&self) -> Result<Box<dyn LinearMap + '_>> {
        Ok(match &self.update {
            Numbers::Factors { a, b, scaling } => Box::new(LowRank::new(Update { a, b, scaling: *scaling })?),
            Numbers::Whole(whole) => Box::new(whole.view()),
        })
    }

    /// The singular vectors of ΔW: all of an update with A and B; of any other, those that rounding to the stored type cannot have
    /// made, and of a large one at most so many.
    ///
    /// # Errors
    /// `Invalid` for numbers that are not finite.
    pub fn update_vectors(&self, at_most: usize) -> Result<SingularVectors> {
        match &self.update {
            Numbers::Factors { a, b, scaling } => {
                SingularVectors::of_update(Update { a, b, scaling: *scaling })
            }
            Numbers::Whole(whole) if whole.d_out().min(whole.d_in()) <= SMALL => SingularVectors::of(whole),
            Numbers::Whole(whole) => {
                let found = RangeFinder::new(HowMany::AboveNoise { at_most: at_most.max(1) }).find(whole)?;
                Ok(SingularVectors::from(&found))
            }
        }
    }

    /// The first `n` singular vectors of W at least, or all for `None`.
    ///
    /// # Errors
    /// `Invalid` for numbers that are not finite.
    pub fn weight_vectors(&self, n: Option<usize>) -> Result<SingularVectors> {
        few_or_all(&self.w, n)
    }

    /// The first `n` singular vectors of W + ΔW at least.
    ///
    /// # Errors
    /// `Invalid` for numbers that are not finite.
    pub fn tuned_vectors(&self, n: usize) -> Result<SingularVectors> {
        let rescaled = self.dora.as_ref().and_then(|dora| dora.rescaled(&self.w));
        let after = match &self.update {
            Numbers::Factors { a, b, scaling } => {
                tuned(rescaled.as_ref().unwrap_or(&self.w), Update { a, b, scaling: *scaling })?
            }
            Numbers::Whole(whole) => {
                let sum = self.w.values.iter().zip(whole.values()).map(|(w, change)| w + f64::from(*change));
                Matrix { dtype: Dtype::F64, values: sum.collect(), ..self.w }
            }
        };
        few_or_all(&after, Some(n))
    }
}

/// The first n at least.
fn few_or_all(matrix: &Matrix, n: Option<usize>) -> Result<SingularVectors> {
    let shorter = matrix.rows.min(matrix.cols);
    match n {
        Some(n) if shorter > SMALL && n < shorter / 4 => {
            Ok(SingularVectors::from(&RangeFinder::new(HowMany::Top(n.max(1))).find(matrix)?))
        }
        _ => SingularVectors::of(matrix),
    }
}
