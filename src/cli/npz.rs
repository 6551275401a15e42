//! `--save`: grids and singular values as an .npz, which numpy opens.
//!
//! An .npz is a zip of .npy files.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::error::{Error, Fault, Result};
use crate::files::npy_header;
use crate::{Basis, Grid};

/// One comparison to save: its key, and what belongs to it.
pub(super) struct Entry<'a> {
    /// The module's canonical name, or `control`.
    pub(super) key: &'a str,
    pub(super) a: &'a Basis,
    pub(super) b: &'a Basis,
    pub(super) grid: &'a Grid,
}

/// `phi/<key>` (q_a, q_b) in f32, `sigma_a/<key>` and `sigma_b/<key>` in f64, and `meta`, a string of JSON; in memory,
/// since a zip is finished by going back.
///
/// # Errors
/// `Invalid` when a key or a size is more than a zip can hold.
pub(super) fn npz(entries: &[Entry<'_>], meta: &str) -> Result<Vec<u8>> {
    let mut zip = Npz(ZipWriter::new(Cursor::new(vec![])));
    for Entry { key, a, b, grid } in entries {
        let shape = format!("({}, {})", grid.n_rows(), grid.n_cols());
        zip.array(&format!("phi/{key}"), "<f4", &shape, grid.values().iter().flat_map(|x| x.to_le_bytes()))?;
        for (name, basis) in [("sigma_a", a), ("sigma_b", b)] {
            let shape = format!("({},)", basis.q());
            let bytes = basis.sigma().iter().flat_map(|x| x.to_le_bytes());
            zip.array(&format!("{name}/{key}"), "<f8", &shape, bytes)?;
        }
    }
    let n_chars = meta.chars().count();
    let chars = meta.chars().flat_map(|c| u32::from(c).to_le_bytes());
    zip.array("meta", &format!("<U{n_chars}"), "()", chars)?;
    zip.0.finish().map(Cursor::into_inner).map_err(failed)
}

struct Npz(ZipWriter<Cursor<Vec<u8>>>);

impl Npz {
    fn array(&mut self, name: &str, dtype: &str, shape: &str, bytes: impl Iterator<Item = u8>) -> Result<()> {
        let bytes: Vec<u8> = bytes.collect();
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .large_file(bytes.len() as u64 >= u64::from(u32::MAX));
        self.0.start_file(format!("{name}.npy"), options).map_err(failed)?;
        let header = npy_header(dtype, shape);
        self.0
            .write_all(&header)
            .and_then(|()| self.0.write_all(&bytes))
            .map_err(|error| Error::io("write", "npz", error))
    }
}

fn failed(error: zip::result::ZipError) -> Error {
    match error {
        zip::result::ZipError::Io(cause) => Error::io("write", "npz", cause),
        other => Fault::new(other.to_string(), "names and sizes that a zip can hold").of("npz").invalid(),
    }
}
