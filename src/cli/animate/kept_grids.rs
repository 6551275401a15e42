//! Grids in a file without a name: a long run has more of them than memory should hold.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::Mutex;

use crate::Grid;
use crate::error::{Error, Result};
use crate::sync::lock;

/// Grids by their numbers, in the order in which they were added.
pub(super) struct KeptGrids {
    file: Mutex<File>,
    places: Vec<Place>,
    end: u64,
}

struct Place {
    at: u64,
    n_rows: usize,
    n_cols: usize,
    d: usize,
}

impl KeptGrids {
    /// # Errors
    /// `Io` when the system gives no file.
    pub(super) fn new() -> Result<Self> {
        let file = tempfile::tempfile().map_err(|error| Error::io("make", "a temporary file", error))?;
        Ok(Self { file: Mutex::new(file), places: vec![], end: 0 })
    }

    /// # Errors
    /// `Io` when the system refuses to write.
    pub(super) fn add(&mut self, grid: &Grid) -> Result<()> {
        let bytes: &[u8] = bytemuck::cast_slice(grid.values());
        let mut file = lock(&self.file);
        let written = file.seek(SeekFrom::Start(self.end)).and_then(|_| file.write_all(bytes));
        written.map_err(|error| Error::io("write", "a temporary file", error))?;
        let (n_rows, n_cols, d) = (grid.n_rows(), grid.n_cols(), grid.d());
        self.places.push(Place { at: self.end, n_rows, n_cols, d });
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Rows and columns of a grid.
    pub(super) fn shape(&self, number: usize) -> (usize, usize) {
        (self.places[number].n_rows, self.places[number].n_cols)
    }

    /// # Errors
    /// `Io` when the system refuses to read.
    pub(super) fn get(&self, number: usize) -> Result<Grid> {
        let Place { at, n_rows, n_cols, d } = self.places[number];
        let mut values = vec![0f32; n_rows * n_cols];
        let mut file = lock(&self.file);
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut values);
        let read = file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(bytes));
        read.map_err(|error| Error::io("read", "a temporary file", error))?;
        Grid::new(n_rows, n_cols, d, values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_come_back_in_any_order() {
        let grid =
            |n: usize| Grid::new(n, 2, 9, (0..2 * n).map(|k| (k + n) as f32 / 64.0).collect()).unwrap();
        let mut kept = KeptGrids::new().unwrap();
        (1..4).for_each(|n| kept.add(&grid(n)).unwrap());
        for n in [3, 1, 2, 1] {
            assert_eq!(kept.get(n - 1).unwrap(), grid(n));
            assert_eq!(kept.shape(n - 1), (n, 2));
        }
    }
}
