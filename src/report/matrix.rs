//! The matrix of all pairs, as numpy and others read it.

use std::io::{self, Write};

use super::scan::ScanSums;
use super::summary::Findings;
use crate::error::{Error, Result};
use crate::files::npy_header;

/// `matrix.npy`: an (n, n) matrix of f32 in the order of the picture's rows, 1 on the diagonal and NaN where a pair was not
/// compared.
///
/// # Errors
/// `Io` when the writer fails.
pub(super) fn npy(scan: &ScanSums, findings: &Findings, to: &mut dyn Write) -> Result<()> {
    let order = &findings.clustering.order;
    let mut write = || -> io::Result<()> {
        to.write_all(&npy_header("<f4", &format!("({0}, {0})", order.len())))?;
        for &a in order {
            let value = |&b: &usize| {
                if a == b { 1.0 } else { scan.pairs.get(a, b).map_or(f32::NAN, |pair| pair.value() as f32) }
            };
            let row: Vec<u8> = order.iter().flat_map(|b| value(b).to_le_bytes()).collect();
            to.write_all(&row)?;
        }
        Ok(())
    };
    write().map_err(|error| Error::io("write", "matrix", error))
}

/// `names.txt`: the path of each row of the matrix, a line each. Control characters are escaped.
///
/// # Errors
/// `Io` when the writer fails.
pub(super) fn names(scan: &ScanSums, findings: &Findings, to: &mut dyn Write) -> Result<()> {
    let mut lines = findings.clustering.order.iter().map(|&place| &scan.adapters[place].path);
    let write = lines.try_for_each(|path| writeln!(to, "{}", crate::text::printable(path, usize::MAX)));
    write.map_err(|error| Error::io("write", "names", error))
}
