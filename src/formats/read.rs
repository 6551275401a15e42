//! Reads the numbers of a factor: the bytes from its first number to its last, and those numbers of them that are its own.

use crate::adapter::{Factor, Matrix};
use crate::error::{Fault, Result};
use crate::formats::dtype;
use crate::simd;
use crate::text::quoted;

impl Factor {
    /// Reads the numbers: (rows, cols), widened to f64. Reads only the bytes from the first number to the last; a compressed
    /// member of an archive is unpacked up to the last.
    ///
    /// # Errors
    /// `Io` when the system refuses to read, `Invalid` when the file changed since it was opened, `Malformed` when a compressed
    /// member is broken or a number is not finite.
    pub fn read(&self) -> Result<Matrix> {
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
            && let Some(at) = values.iter().position(|value| !value.is_finite())
        {
            let found = format!("{} at {:?}", values[at], [at / cols, at % cols]);
            let fault = Fault::new(found, "finite numbers").at(self.path());
            return Err(fault.of(format!("tensor {}", quoted(&self.name))).malformed());
        }
        Ok(Matrix { rows, cols, dtype, values })
    }

    /// The stored numbers, in the order of the view.
    fn stored(&self) -> Result<Vec<f64>> {
        if let Some(made) = &self.made {
            let whole = made.read()?;
            let (rows, cols) = (self.row_axis.offsets(), self.col_axis.offsets());
            let number = |place: u64| whole.get(place as usize).copied().unwrap_or(f64::NAN);
            return Ok(rows.iter().flat_map(|row| cols.iter().map(move |col| number(row + col))).collect());
        }
        let (dtype, size) = (self.dtype, self.dtype.size_bytes());
        let Some(span) = self.span() else { return Ok(Vec::new()) };
        let (first, last) = span.into_inner();
        // The tensor ends within the file, and this view within the tensor.
        let mut bytes = vec![0; ((last - first) as usize + 1) * size];
        self.source.open()?.read_at(self.offset_bytes + first * size as u64, &mut bytes)?;
        if self.is_dense() {
            return Ok(dtype::widen(&bytes, dtype));
        }
        let (rows, cols) = (self.row_axis.offsets(), self.col_axis.offsets());
        let places = rows.iter().flat_map(|row| cols.iter().map(move |col| row + col));
        let at = |place: u64| (place - first) as usize * size;
        Ok(places.map(|place| dtype::number(&bytes[at(place)..], dtype)).collect())
    }
}
