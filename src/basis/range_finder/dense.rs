//! A matrix whose numbers are all there.

use std::borrow::Cow;

use faer::MatRef;

use super::map::LinearMap;
use super::product::{columns, product, wide_product, wide_transposed_product};
use crate::adapter::{Dtype, Matrix};
use crate::basis::noise;
use crate::error::{Fault, Result};

/// A matrix in f32, (d_out, d_in) row-major.
#[derive(Debug, Clone, Default)]
pub struct Dense<'a> {
    d_in: usize,
    values: Cow<'a, [f32]>,
    /// Σ of the squares of the numbers.
    squares: f64,
    /// The same of the rounding that the stored types left.
    rounding_squares: f64,
}

impl<'a> Dense<'a> {
    /// A matrix from numbers that are in memory, (d_out, d_in) row-major, and the type that they were stored in.
    ///
    /// # Errors
    /// `Invalid` when the numbers are not whole rows.
    pub fn new(d_in: usize, values: impl Into<Cow<'a, [f32]>>, dtype: Dtype) -> Result<Self> {
        let values = values.into();
        whole_rows(values.len(), d_in)?;
        let mut dense = Self { d_in, ..Self::default() };
        for row in values.chunks_exact(d_in) {
            let row: Vec<f64> = row.iter().map(|&value| f64::from(value)).collect();
            dense.squares += crate::simd::sum(&row, |value| value * value);
            dense.rounding_squares += noise::rounding_norm(&row, dtype).powi(2);
        }
        Ok(Self { values, ..dense })
    }
}

impl Dense<'static> {
    /// A matrix without rows, which [`Dense::push`] and [`Dense::push_difference`] add, so that large ones are read a piece at
    /// a time.
    pub fn with_columns(d_in: usize) -> Self {
        Self { d_in, ..Self::default() }
    }

    /// A factor or weight.
    ///
    /// # Errors
    /// As [`Dense::push`].
    pub fn of(matrix: &Matrix) -> Result<Self> {
        let mut dense = Self::with_columns(matrix.cols);
        dense.push(&matrix.values, matrix.dtype)?;
        Ok(dense)
    }

    /// `after` − `before`, whose rounding is that of both.
    ///
    /// # Errors
    /// `Invalid` when the shapes differ, and as [`Dense::push`].
    pub fn difference(after: &Matrix, before: &Matrix) -> Result<Self> {
        let mut dense = Self::with_columns(after.cols);
        if (after.rows, after.cols) != (before.rows, before.cols) {
            let shape = |matrix: &Matrix| format!("{} × {}", matrix.rows, matrix.cols);
            return Err(Fault::new(shape(after), shape(before)).of("difference of two weights").invalid());
        }
        dense.push_difference((&after.values, after.dtype), (&before.values, before.dtype))?;
        Ok(dense)
    }

    /// Adds rows.
    ///
    /// # Errors
    /// `Invalid` for numbers that are not whole rows.
    pub fn push(&mut self, rows: &[f64], dtype: Dtype) -> Result<()> {
        self.add(Cow::Borrowed(rows), noise::rounding_norm(rows, dtype).powi(2))
    }

    /// Adds the rows `after` − `before`, each with the type that it was stored in.
    ///
    /// # Errors
    /// `Invalid` when the lengths differ or the numbers are not whole rows.
    pub fn push_difference(&mut self, after: (&[f64], Dtype), before: (&[f64], Dtype)) -> Result<()> {
        if after.0.len() != before.0.len() {
            let found = format!("{} and {} numbers", after.0.len(), before.0.len());
            return Err(Fault::new(found, "as many").of("difference of two weights").invalid());
        }
        let rounding = [after, before].map(|(rows, dtype)| noise::rounding_norm(rows, dtype).powi(2));
        let difference: Vec<f64> =
            after.0.iter().zip(before.0).map(|(after, before)| after - before).collect();
        self.add(Cow::Owned(difference), rounding[0] + rounding[1])
    }

    fn add(&mut self, rows: Cow<'_, [f64]>, rounding_squares: f64) -> Result<()> {
        whole_rows(rows.len(), self.d_in)?;
        let narrowing = |value: f64| (value - f64::from(value as f32)).powi(2);
        self.rounding_squares += rounding_squares + crate::simd::sum(&rows, narrowing);
        self.squares += crate::simd::sum(&rows, |value| f64::from(value as f32).powi(2));
        self.values.to_mut().extend(rows.iter().map(|&value| value as f32));
        Ok(())
    }
}

fn whole_rows(n: usize, d_in: usize) -> Result<()> {
    if n == 0 || d_in == 0 || !n.is_multiple_of(d_in) {
        return Err(Fault::new(format!("{n} numbers"), format!("rows of {d_in}")).of("matrix").invalid());
    }
    Ok(())
}

impl Dense<'_> {
    /// The numbers, (d_out, d_in) row-major.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The same matrix, whose numbers stay where they are.
    pub(crate) fn view(&self) -> Dense<'_> {
        Dense { values: Cow::Borrowed(&self.values), ..*self }
    }

    fn matrix(&self) -> MatRef<'_, f32> {
        MatRef::from_row_major_slice(&self.values, self.d_out(), self.d_in)
    }
}

impl LinearMap for Dense<'_> {
    fn d_out(&self) -> usize {
        self.values.len() / self.d_in.max(1)
    }

    fn d_in(&self) -> usize {
        self.d_in
    }

    fn norm(&self) -> f64 {
        self.squares.sqrt()
    }

    fn noise(&self) -> f64 {
        let random = |d: usize| 1.0 / (d as f64).sqrt();
        self.rounding_squares.sqrt() * (random(self.d_out()) + random(self.d_in))
    }

    fn times(&self, x: &[f64]) -> Vec<f64> {
        wide_product(&self.values, self.d_in, columns(x, self.d_in))
    }

    fn transposed_times(&self, y: &[f64]) -> Vec<f64> {
        wide_transposed_product(&self.values, self.d_in, columns(y, self.d_out()))
    }

    fn times_f32(&self, x: &[f32]) -> Vec<f32> {
        product(self.matrix(), columns(x, self.d_in))
    }

    fn transposed_times_f32(&self, y: &[f32]) -> Vec<f32> {
        product(self.matrix().transpose(), columns(y, self.d_out()))
    }
}
