//! Reads the numbers of a factor, in pieces: a view of a tensor needs only the bytes around its own numbers.

use crate::adapter::factor::Axis;
use crate::adapter::{Dtype, Factor, Matrix};
use crate::error::{Fault, Result};
use crate::formats::dtype;
use crate::formats::source::Forward;
use crate::simd;
use crate::text::quoted;

/// Bytes that are read at once, a multiple of the size of any number.
const PIECE_BYTES: usize = 256 << 10;

/// Numbers that are this far apart are read with what stands between them, which takes less time than to seek.
const GAP_BYTES: u64 = 4096;

impl Factor {
    /// Reads the numbers: (rows, cols), widened to f64. Reads little more than their own bytes; a compressed member of an archive
    /// is unpacked up to the last. Of an archive, the checksum of the member is checked first, once.
    ///
    /// # Errors
    /// `Io` when the system refuses to read, `Invalid` when the file changed since it was opened, `Malformed` when a member of an
    /// archive is damaged or a number is not finite.
    pub fn read(&self) -> Result<Matrix> {
        self.source.open()?.check().map_err(|error| error.of_tensor(&self.name))?;
        self.read_unchecked()
    }

    /// The same without the checksum, which takes all bytes of a member.
    pub(super) fn read_unchecked(&self) -> Result<Matrix> {
        let (rows, cols, dtype) = (self.row_axis.len(), self.col_axis.len(), self.dtype);
        let mut values = self.stored()?;
        if let Some(scale) = &self.row_axis.scale {
            let scale = scale.read()?.values;
            values.chunks_mut(cols.max(1)).zip(scale).for_each(|(row, scale)| {
                row.iter_mut().for_each(|value| *value *= scale);
            });
        }
        if let Some(scale) = &self.col_axis.scale {
            let scale = scale.read()?.values;
            values.chunks_mut(cols.max(1)).for_each(|row| {
                row.iter_mut().zip(&scale).for_each(|(value, scale)| *value *= scale);
            });
        }
        if !simd::largest(&values).is_finite()
            && let Some((at, value)) = values.iter().enumerate().find(|(_, value)| !value.is_finite())
        {
            let found = format!("{value} at {:?}", [at / cols, at % cols]);
            let fault = Fault::new(found, "finite numbers").at(self.path());
            return Err(fault.of(format!("tensor {}", quoted(&self.name))).malformed());
        }
        let dtype = self.made.as_ref().map_or(dtype, |made| made.update.rounded_to(dtype));
        Ok(Matrix { rows, cols, dtype, values })
    }

    /// The stored numbers, in the order of the view.
    fn stored(&self) -> Result<Vec<f64>> {
        if let Some(made) = &self.made {
            let whole = made.read()?;
            let cols: Vec<u64> = self.col_axis.offsets().collect();
            let number = |place: u64| whole.get(place as usize).copied().unwrap_or(f64::NAN);
            let row = |row: u64| cols.iter().map(move |col| row + col);
            return Ok(self.row_axis.offsets().flat_map(row).map(number).collect());
        }
        let Some(span) = self.span() else { return Ok(Vec::new()) };
        let reader = self.source.open()?;
        let numbers = Numbers { from: reader.forward()?, first: self.offset_bytes, dtype: self.dtype };
        if self.is_dense() {
            return numbers.dense(*span.start(), self.row_axis.len() * self.col_axis.len());
        }
        let (row_positions, col_positions) = (positions(&self.row_axis), positions(&self.col_axis));
        let n_cols = col_positions.len();
        // The places of one row or of one column follow each other, those of the next come after them.
        let (outer, inner, steps) = match extent(&row_positions) < extent(&col_positions) {
            true => (&col_positions, &row_positions, [1, n_cols]),
            false => (&row_positions, &col_positions, [n_cols, 1]),
        };
        let mut values = vec![0.0; outer.len() * inner.len()];
        let mut gather = Gather { numbers, values: &mut values, piece: vec![], bytes: vec![] };
        let is_nested =
            outer.windows(2).all(|pair| matches!(pair, [one, next] if next.0 - one.0 > extent(inner)));
        if is_nested {
            for &(outer_place, outer_at) in outer {
                for &(place, at) in inner {
                    gather.take(outer_place + place, outer_at * steps[0] + at * steps[1])?;
                }
            }
        } else {
            // Strides that interleave rows and columns, as no trainer writes them.
            let each = |&(outer_place, outer_at): &(u64, usize)| {
                inner
                    .iter()
                    .map(move |&(place, at)| (outer_place + place, outer_at * steps[0] + at * steps[1]))
            };
            let mut all: Vec<(u64, usize)> = outer.iter().flat_map(each).collect();
            all.sort_unstable();
            all.into_iter().try_for_each(|(place, at)| gather.take(place, at))?;
        }
        gather.flush()?;
        Ok(values)
    }
}

/// Where the positions of an axis are, each with its number, in the order of the file.
fn positions(axis: &Axis) -> Vec<(u64, usize)> {
    let mut positions: Vec<(u64, usize)> = axis.offsets().zip(0..).collect();
    if !positions.is_sorted() {
        positions.sort_unstable();
    }
    positions
}

/// How far the last is from the first.
fn extent(positions: &[(u64, usize)]) -> u64 {
    match (positions.first(), positions.last()) {
        (Some(first), Some(last)) => last.0 - first.0,
        _ => 0,
    }
}

/// The numbers of a tensor, in the order of the file.
struct Numbers<'a> {
    from: Forward<'a>,
    /// Where the first number is, in bytes.
    first: u64,
    dtype: Dtype,
}

impl Numbers<'_> {
    /// `n` numbers from this one on.
    fn dense(mut self, start: u64, n: usize) -> Result<Vec<f64>> {
        let size = self.dtype.size_bytes();
        let mut values = Vec::with_capacity(n);
        let mut bytes = vec![0; PIECE_BYTES.min(n * size)];
        while values.len() < n {
            let n_here = (n - values.len()).min(PIECE_BYTES / size);
            bytes.truncate(n_here * size);
            self.read(start + values.len() as u64, &mut bytes)?;
            values.extend(dtype::widen(&bytes, self.dtype));
        }
        Ok(values)
    }

    /// Fills `to` with the numbers from this one on.
    fn read(&mut self, start: u64, to: &mut [u8]) -> Result<()> {
        // The tensor ends within the file, and the view within the tensor.
        self.from.read_at(self.first + start * self.dtype.size_bytes() as u64, to)
    }
}

/// Puts numbers, which come in the order of the file, into their places.
struct Gather<'a> {
    numbers: Numbers<'a>,
    values: &'a mut [f64],
    /// Numbers that are read together: where they are in the tensor, and where they go.
    piece: Vec<(u64, usize)>,
    bytes: Vec<u8>,
}

impl Gather<'_> {
    fn take(&mut self, place: u64, to: usize) -> Result<()> {
        let size = self.numbers.dtype.size_bytes() as u64;
        if let (Some(first), Some(last)) = (self.piece.first(), self.piece.last())
            && ((place - last.0) * size > GAP_BYTES || (place - first.0 + 1) * size > PIECE_BYTES as u64)
        {
            self.flush()?;
        }
        self.piece.push((place, to));
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let (Some(&(first, _)), Some(&(last, _))) = (self.piece.first(), self.piece.last()) else {
            return Ok(());
        };
        let size = self.numbers.dtype.size_bytes();
        self.bytes.resize((last - first + 1) as usize * size, 0);
        self.numbers.read(first, &mut self.bytes)?;
        for (place, to) in self.piece.drain(..) {
            let bytes = self.bytes.get((place - first) as usize * size..).unwrap_or_default();
            if let Some(value) = self.values.get_mut(to) {
                *value = dtype::number(bytes, self.numbers.dtype);
            }
        }
        Ok(())
    }
}
