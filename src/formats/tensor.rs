//! A stored tensor of any file format, and the matrix that it is as a factor.

use std::sync::Arc;

use crate::adapter::factor::{Axis, Quantised};
use crate::adapter::{Dtype, Factor, Source};
use crate::error::{Fault, Result};
use crate::formats::dtype;
use crate::formats::limits::{Limit, Limits};
use crate::formats::source::Reader;
use crate::text::quoted;

/// Real tensors have at most 5 dimensions; a hostile header may name millions.
pub(super) const MAX_DIMS: usize = 32;

/// A tensor whose position was checked against the file.
#[derive(Debug, Clone)]
pub(super) struct Tensor {
    /// Its name in safetensors, such as `F32`, or the file's own name for a type that safetensors does not have.
    pub(super) dtype: String,
    pub(super) shape: Vec<u64>,
    /// In numbers, one for each dimension.
    strides: Vec<u64>,
    source: Source,
    /// Where the first number is in the source.
    offset_bytes: u64,
    /// From the first byte of the first number to the end of the last.
    n_bytes: u64,
    /// What would have to be called to get it; it has neither type nor shape then.
    made_by: Option<Box<str>>,
    /// Whether its type is one of GGUF.
    is_of_gguf: bool,
}

const UNREAD: &str = "pickles are never executed: save plain tensors, as safetensors or as a state_dict";

impl Tensor {
    /// A tensor whose numbers are stored row by row and fill `n_bytes` from `offset_bytes` on.
    pub(super) fn contiguous(
        dtype: String,
        shape: Vec<u64>,
        source: Source,
        offset_bytes: u64,
        n_bytes: u64,
    ) -> Self {
        let strides = row_major(&shape);
        Self { dtype, shape, strides, source, offset_bytes, n_bytes, made_by: None, is_of_gguf: false }
    }

    /// A tensor whose numbers are stored column by column.
    pub(super) fn column_major(
        dtype: String,
        shape: Vec<u64>,
        source: Source,
        offset_bytes: u64,
        n_bytes: u64,
    ) -> Self {
        let reversed: Vec<u64> = shape.iter().rev().copied().collect();
        let strides = row_major(&reversed).into_iter().rev().collect();
        Self { dtype, shape, strides, source, offset_bytes, n_bytes, made_by: None, is_of_gguf: false }
    }

    /// The same, with a type of GGUF.
    pub(super) fn of_gguf(self) -> Self {
        Self { is_of_gguf: true, ..self }
    }

    /// A quantised tensor, whose blocks are stored row by row.
    pub(super) fn quantised(shape: Vec<u64>, part: Quantised) -> Self {
        let (dtype, n_bytes) = (part.quant.name().to_owned(), part.n_bytes());
        Self::contiguous(dtype, shape, Source::Quantised(Arc::new(part)), 0, n_bytes)
    }

    /// A tensor with these strides, whose first to last number take `n_bytes` from `offset_bytes` on.
    pub(super) fn strided(
        dtype: String,
        shape: Vec<u64>,
        strides: Vec<u64>,
        source: Source,
        offset_bytes: u64,
        n_bytes: u64,
    ) -> Self {
        Self { dtype, shape, strides, source, offset_bytes, n_bytes, made_by: None, is_of_gguf: false }
    }

    /// What a call of `function` would make, which is not called.
    pub(super) fn unread(function: &str, source: Source) -> Self {
        let (dtype, made_by) = (format!("what {function} makes"), Some(function.into()));
        Self {
            dtype,
            shape: vec![],
            strides: vec![],
            source,
            offset_bytes: 0,
            n_bytes: 0,
            made_by,
            is_of_gguf: false,
        }
    }

    /// The type of its numbers, if factors can have it.
    pub(super) fn number(&self) -> Option<Dtype> {
        match &self.source {
            Source::Quantised(part) => Some(Dtype::Quantised(part.quant)),
            _ => Dtype::from_safetensors(&self.dtype),
        }
    }

    /// The type of its numbers, which may be whole.
    fn whole_number(&self) -> Option<Dtype> {
        let is = |dtype: &Dtype| !self.is_of_gguf && dtype.to_string() == self.dtype;
        [Dtype::I32, Dtype::I64].into_iter().find(is).or_else(|| self.number())
    }

    /// Rows and columns of [`Tensor::factor`]; `None` for a tensor that is not a matrix or has too many numbers.
    pub(super) fn as_matrix(&self) -> Option<(u64, u64)> {
        let (&rows, rest) = self.shape.split_first()?;
        let cols = rest.iter().try_fold(1u64, |n, &dim| n.checked_mul(dim))?;
        (!rest.is_empty() && rows > 0 && cols > 0).then_some((rows, cols))
    }

    /// Whether there is a byte for each that its numbers take. Strides of 0 could make any number of them from a few bytes.
    pub(super) fn has_own_bytes(&self) -> bool {
        let n_numbers = self.shape.iter().fold(1u64, |n, &dim| n.saturating_mul(dim));
        let size = self.whole_number().map_or(1, Dtype::size_bytes);
        n_numbers.saturating_mul(size as u64) <= self.n_bytes
    }

    /// The part with this index in the first dimension, without that dimension.
    pub(super) fn at(&self, index: u64) -> Option<Self> {
        let size = self.number()?.size_bytes() as u64;
        let (&n, shape) = self.shape.split_first()?;
        let (&stride, strides) = self.strides.split_first()?;
        let start = index.checked_mul(stride)?.checked_mul(size)?;
        let last = shape
            .iter()
            .zip(strides)
            .try_fold(0u64, |last, (&n, &stride)| last.checked_add(n.checked_sub(1)?.checked_mul(stride)?))?;
        let n_bytes = last.checked_add(1)?.checked_mul(size)?;
        let is_inside = index < n && start.checked_add(n_bytes)? <= self.n_bytes;
        is_inside.then(|| Self {
            shape: shape.to_vec(),
            strides: strides.to_vec(),
            offset_bytes: self.offset_bytes + start,
            n_bytes,
            ..self.clone()
        })
    }

    /// The tensor with its first dimension as two, the first of which is `n`. `None` if it is not a multiple of that.
    pub(super) fn unflattened(mut self, n: u64) -> Option<Self> {
        let (&rows, &stride) = (self.shape.first()?, self.strides.first()?);
        let each = rows.checked_div(n).filter(|_| rows.is_multiple_of(n))?;
        self.shape.splice(..1, [n, each]);
        self.strides.splice(..1, [each.checked_mul(stride)?, stride]);
        Some(self)
    }

    /// A vector as a matrix of one column; others as they are.
    pub(super) fn as_column(&self) -> Self {
        let mut column = self.clone();
        if self.shape.len() == 1 {
            column.shape.push(1);
            column.strides.push(1);
        }
        column
    }

    /// The tensor as a matrix, (shape\[0\], product of the rest): factors of convolutions have up to five dimensions.
    ///
    /// # Errors
    /// `Unsupported` for a type that factors cannot have, `Limit` when it is too large, `Malformed` for another number of
    /// dimensions or a dimension of 0.
    pub(super) fn factor(&self, name: &str, limits: &Limits) -> Result<Factor> {
        self.matrix(name, self.number(), limits)
    }

    /// The same of numbers that may be whole, such as places in a matrix.
    ///
    /// # Errors
    /// As [`Tensor::factor`].
    pub(super) fn places(&self, name: &str, limits: &Limits) -> Result<Factor> {
        self.matrix(name, self.whole_number(), limits)
    }

    fn matrix(&self, name: &str, dtype: Option<Dtype>, limits: &Limits) -> Result<Factor> {
        let fault = |found: String, expected: &str| {
            Fault::new(found, expected).at(self.source.path()).of(format!("tensor {}", quoted(name)))
        };
        if let Some(function) = &self.made_by {
            let found = format!("a tensor that only a call of {} would make", quoted(function));
            return Err(fault(found, "its numbers").hint(UNREAD).unsupported());
        }
        let Some(dtype) = dtype else {
            let found = format!("numbers of type {}", quoted(&self.dtype));
            let names = if self.is_of_gguf { dtype::GGUF_NAMES } else { dtype::NAMES };
            return Err(fault(found, names).unsupported());
        };
        let shape = &self.shape;
        if self.n_bytes > limits.factor_bytes {
            let over = limits.over(Limit::FactorBytes, format!("{} bytes", self.n_bytes));
            return Err(over.at(self.source.path()).of(format!("tensor {}", quoted(name))).limit());
        }
        if !(2..=5).contains(&shape.len()) || shape.contains(&0) {
            let found = format!("shape {shape:?}");
            let expected = "two dimensions, or up to five of a convolution, none of them 0";
            return Err(fault(found, expected).malformed());
        }
        if !self.has_own_bytes() {
            let found =
                format!("shape {shape:?} with strides {:?} over {} bytes", self.strides, self.n_bytes);
            return Err(fault(found, "each number in bytes of its own").malformed());
        }
        let mut dims = shape.iter().copied().zip(self.strides.iter().copied());
        let axes = (Axis::new(dims.by_ref().take(1)), Axis::new(dims));
        let (Some(row_axis), Some(col_axis)) = axes else {
            return Err(fault(format!("shape {shape:?}"), "a size that this machine can address").limit());
        };
        Ok(Factor {
            name: name.to_owned(),
            rows: row_axis.len(),
            cols: col_axis.len(),
            dtype,
            source: self.source.clone(),
            offset_bytes: self.offset_bytes,
            row_axis,
            col_axis,
            made: None,
        })
    }
}

/// Reads single numbers of a file, such as kohya's hundreds of alphas, through one file handle.
#[derive(Default)]
pub(super) struct Scalars<'a> {
    open: Option<(&'a Source, Reader<'a>)>,
}

impl<'a> Scalars<'a> {
    /// Reads the number of a tensor with only one.
    ///
    /// # Errors
    /// `Malformed` when it has several or the number is not finite, `Unsupported` for another type, `Io` when the system
    /// refuses to read.
    pub(super) fn read(&mut self, name: &str, tensor: &'a Tensor) -> Result<f64> {
        let fault = |found: String, expected: &str| {
            Fault::new(found, expected).at(tensor.source.path()).of(format!("tensor {}", quoted(name)))
        };
        if tensor.shape.iter().any(|&dim| dim != 1) {
            return Err(fault(format!("shape {:?}", tensor.shape), "one number").malformed());
        }
        let reader = match &mut self.open {
            Some((source, reader)) if source.is(&tensor.source) => reader,
            open => &open.insert((&tensor.source, tensor.source.open()?)).1,
        };
        let mut bytes = [0; 8];
        let dtype = tensor.number();
        let n_bytes = match (dtype, tensor.dtype.as_str()) {
            (Some(dtype), _) => dtype.size_bytes(),
            // PyTorch stores a whole alpha as an integer of these types; another one is not what a trainer wrote.
            (None, "I64") => 8,
            (None, "I32") => 4,
            _ => {
                let found = format!("a number of type {}", quoted(&tensor.dtype));
                return Err(fault(found, "a floating-point number, I64 or I32").unsupported());
            }
        };
        reader.check()?;
        let stored = bytes.get_mut(..n_bytes).unwrap_or_default();
        reader.read_at(tensor.offset_bytes, stored)?;
        let number = match dtype {
            Some(dtype) => dtype::number(stored, dtype),
            None if n_bytes == 4 => i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]).into(),
            None => i64::from_le_bytes(bytes) as f64,
        };
        match number.is_finite() {
            true => Ok(number),
            false => Err(fault(number.to_string(), "a finite number").malformed()),
        }
    }
}

/// The strides of numbers that are stored row by row.
fn row_major(shape: &[u64]) -> Vec<u64> {
    // Saturates only if another dimension is 0, which no factor has.
    let within = |n: &mut u64, dim: &u64| Some(std::mem::replace(n, n.saturating_mul(*dim)));
    let mut strides: Vec<u64> = shape.iter().rev().scan(1, within).collect();
    strides.reverse();
    strides
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::path::Path;
    use std::sync::Arc;

    use super::*;

    /// The numbers 0, 1, 2, ... as F32 after 4 other bytes, with this shape and these strides.
    fn counting(shape: &[u64], strides: &[u64]) -> Factor {
        let ends = shape.iter().zip(strides).map(|(n, stride)| (n - 1) * stride);
        let n_numbers = ends.sum::<u64>() + 1;
        let mut bytes = vec![0xff; 4];
        (0..n_numbers).for_each(|n| bytes.extend((n as f32).to_le_bytes()));
        let source = Source::Memory(Path::new("x").into(), Arc::new(Cow::Owned(bytes)));
        let (shape, strides) = (shape.to_vec(), strides.to_vec());
        let tensor = Tensor::strided("F32".into(), shape, strides, source, 4, 4 * n_numbers);
        tensor.factor("m.lora_A.weight", &Limits::default()).unwrap()
    }

    fn read(factor: &Factor) -> Vec<f64> {
        let matrix = factor.read().unwrap();
        assert_eq!((matrix.rows, matrix.cols), (factor.rows, factor.cols));
        matrix.values
    }

    #[test]
    fn a_matrix_is_read_as_it_is_stored_or_by_its_strides() {
        assert_eq!(read(&counting(&[2, 3], &[3, 1])), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(read(&counting(&[2, 3], &[1, 2])), [0.0, 2.0, 4.0, 1.0, 3.0, 5.0]);
        assert_eq!(read(&counting(&[2, 2], &[5, 2])), [0.0, 2.0, 5.0, 7.0]);
        assert_eq!(read(&counting(&[1, 1], &[7, 9])), [0.0]);
    }

    #[test]
    fn a_convolution_is_flattened_whatever_its_strides() {
        let flat = |strides: &[u64]| read(&counting(&[2, 2, 1, 3], strides));
        assert_eq!(flat(&[6, 3, 3, 1]), (0..12).map(f64::from).collect::<Vec<_>>());
        // Channels last: (2, 1, 3, 2) in memory.
        assert_eq!(flat(&[6, 1, 6, 2]), [0.0, 2.0, 4.0, 1.0, 3.0, 5.0, 6.0, 8.0, 10.0, 7.0, 9.0, 11.0]);
    }

    #[test]
    fn a_matrix_is_transposed_and_read_in_parts() {
        let whole = counting(&[3, 4], &[4, 1]);
        assert_eq!(read(&whole.clone().row_range(1..3)), [4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0]);
        let columns = whole.clone().transposed().row_range(1..3);
        assert_eq!(read(&columns), [1.0, 5.0, 9.0, 2.0, 6.0, 10.0]);
        assert_eq!(read(&columns.transposed().row_range(2..3)), [9.0, 10.0]);
        assert_eq!(read(&whole.clone().row_range(1..3).row_range(1..2)), [8.0, 9.0, 10.0, 11.0]);
        let channels_last = counting(&[2, 2, 1, 3], &[6, 1, 6, 2]).transposed();
        assert_eq!(read(&channels_last.row_range(2..4)), [4.0, 10.0, 1.0, 7.0]);
        assert_eq!(read(&whole.row_range(3..9)), [0.0; 0]);
    }

    #[test]
    fn whole_rows_that_follow_each_other_are_read_as_they_lie() {
        let whole = counting(&[3, 4], &[4, 1]);
        assert!(whole.is_dense() && whole.clone().row_range(1..3).is_dense());
        assert!(!whole.clone().transposed().is_dense());
        assert!(!whole.transposed().row_range(1..3).transposed().is_dense());
        assert!(!counting(&[3, 4], &[5, 1]).is_dense() && !counting(&[3, 4], &[4, 2]).is_dense());
        assert!(counting(&[2, 2, 1, 3], &[6, 3, 3, 1]).is_dense());
    }

    #[test]
    fn every_nth_row_is_of_a_whole_plain_dimension() {
        let whole = counting(&[6, 2], &[2, 1]);
        let every = |n, first| whole.clone().every(n, first).map(|factor| read(&factor));
        assert_eq!(every(3, 1), Some(vec![2.0, 3.0, 8.0, 9.0]));
        assert_eq!(every(1, 0), Some((0..12).map(f64::from).collect()));
        assert_eq!([every(0, 0), every(4, 0), every(3, 3)], [None, None, None]);
        // Not of a part, of rows that are scaled, or of two dimensions in one.
        assert!(whole.clone().row_range(0..4).every(2, 0).is_none());
        assert!(whole.clone().row_range(2..6).every(2, 0).is_none());
        let scaled = whole.scaled_by(counting(&[6, 1], &[1, 1])).unwrap();
        assert!(scaled.every(2, 0).is_none());
        assert!(counting(&[1, 2, 1, 3], &[6, 1, 6, 2]).transposed().every(2, 0).is_none());
    }

    #[test]
    fn a_part_of_the_rows_needs_only_its_own_bytes() {
        let mut part = counting(&[3, 2], &[2, 1]).row_range(1..2);
        let cut = |n: usize| {
            let bytes: Vec<u8> = [0xff; 4].into_iter().chain([0; 8]).chain([0, 0, 128, 63, 0, 0]).collect();
            Source::Memory(Path::new("x").into(), Arc::new(Cow::Owned(bytes[..n].to_vec())))
        };
        part.source = cut(18);
        assert!(part.read().is_err());
        part = part.row_range(0..1).transposed().row_range(0..1);
        assert_eq!(read(&part), [1.0]);
        part.source = cut(15);
        assert!(part.read().is_err());
    }

    #[test]
    fn a_single_number_is_read_whatever_its_type() {
        let read = |dtype: &str, shape: &[u64], bytes: &[u8]| {
            let source = Source::Memory(Path::new("x").into(), Arc::new(Cow::Owned(bytes.to_vec())));
            let tensor = Tensor::contiguous(dtype.into(), shape.to_vec(), source, 0, bytes.len() as u64);
            Scalars::default().read("m.alpha", &tensor).map_err(|error| error.to_string())
        };
        assert_eq!(read("F32", &[], &8f32.to_le_bytes()), Ok(8.0));
        assert_eq!(read("I64", &[1], &(-3i64).to_le_bytes()), Ok(-3.0));
        assert_eq!(read("I32", &[], &(-7i32).to_le_bytes()), Ok(-7.0));
        assert_eq!(read("F8_E4M3", &[], &[0x50]), Ok(8.0));
        let found = |what: &str, expected: &str| {
            Err(format!("x: tensor `m.alpha`: found {what}, expected {expected}"))
        };
        assert_eq!(read("F32", &[2], &[0; 8]), found("shape [2]", "one number"));
        assert_eq!(read("F32", &[], &f32::NAN.to_le_bytes()), found("NaN", "a finite number"));
        assert_eq!(
            read("U8", &[], &[1]),
            found("a number of type `U8`", "a floating-point number, I64 or I32")
        );
    }

    #[test]
    fn every_nth_row_is_one_part_of_interleaved_ones() {
        let whole = counting(&[4, 2], &[2, 1]);
        assert_eq!(read(&whole.clone().every(2, 1).unwrap()), [2.0, 3.0, 6.0, 7.0]);
        let columns = counting(&[2, 4], &[4, 1]).transposed().every(2, 0).unwrap().transposed();
        assert_eq!(read(&columns), [0.0, 2.0, 4.0, 6.0]);
        assert!(whole.clone().every(3, 0).is_none() && whole.clone().every(2, 2).is_none());
        assert!(whole.row_range(0..2).every(2, 0).is_none());
    }

    #[test]
    fn a_scale_goes_with_its_rows() {
        let scale = counting(&[3, 1], &[1, 1]);
        let scaled = counting(&[3, 2], &[2, 1]).scaled_by(scale.clone()).unwrap();
        assert_eq!(read(&scaled), [0.0, 0.0, 2.0, 3.0, 8.0, 10.0]);
        assert_eq!(read(&scaled.clone().row_range(1..3)), [2.0, 3.0, 8.0, 10.0]);
        assert_eq!(read(&scaled.clone().transposed()), [0.0, 2.0, 8.0, 0.0, 3.0, 10.0]);
        assert_eq!(read(&scaled.clone().transposed().row_range(1..2).transposed()), [0.0, 3.0, 10.0]);
        assert!(scaled.scaled_by(scale.clone()).is_none());
        assert!(counting(&[2, 2], &[2, 1]).scaled_by(scale).is_none());
    }
}
