//! npz, the archive that `numpy.savez` writes: a `NAME.npy` for each array, which is a header and its numbers.

mod npy;

use std::path::Path;

use self::npy::Array;
use super::container::{Archive, Container, Encoding};
use super::zip::{Member, Members};
use crate::adapter::FileFormat;
use crate::error::{Error, Fault, Result};
use crate::formats::contents::{Contents, Tensors};
use crate::formats::limits::{Limit, Limits};
use crate::formats::tensor::Tensor;
use crate::text::quoted;

pub(super) static CONTAINER: Container = Container {
    file_format: FileFormat { name: "npz" },
    suffixes: &["npz"],
    encoding: Encoding::Archive(Archive { is_member, writer: "numpy.savez (.npy)", read }),
};

const SUFFIX: &str = ".npy";

/// Only tables have longer headers.
const MAX_HEADER_BYTES: u64 = 64 << 10;

/// Holds most headers.
const FIRST_BYTES: u64 = 256;

fn is_member(name: &str) -> bool {
    name.ends_with(SUFFIX)
}

/// Every array, by name.
///
/// # Errors
/// `Malformed` when a member is not an array or its size is not that of its shape; `Limit` for too many.
fn read(path: &Path, members: &Members, limits: &Limits) -> Result<Contents> {
    let mut tensors = Tensors::new();
    for (file, member) in members {
        let Some(name) = file.strip_suffix(SUFFIX) else { continue };
        if tensors.len() == limits.n_tensors {
            return Err(limits.over(Limit::Tensors, "more arrays").at(path).limit());
        }
        tensors.insert(name.to_owned(), tensor(path, name, member)?);
    }
    Ok(tensors.into())
}

fn tensor(path: &Path, name: &str, member: &Member) -> Result<Tensor> {
    let wrong = |found: String, expected: String| -> Error {
        Fault::new(found, expected).at(path).of(format!("array {}", quoted(name))).malformed()
    };
    let start = member.start(FIRST_BYTES)?;
    let n_header_bytes =
        npy::header_bytes(&start).map_err(|found| wrong(found, "an array of numpy".into()))?;
    if n_header_bytes > MAX_HEADER_BYTES.min(member.n_bytes) {
        let most = MAX_HEADER_BYTES.min(member.n_bytes);
        return Err(wrong(format!("a header of {n_header_bytes} bytes"), format!("at most {most}")));
    }
    let header = if n_header_bytes > start.len() as u64 { member.start(n_header_bytes)? } else { start };
    let header = header.get(..n_header_bytes as usize).unwrap_or(&header);
    let Array { dtype, size_bytes, shape, is_fortran } =
        npy::array(header).map_err(|found| wrong(found, "descr, fortran_order and shape".into()))?;
    let n_data_bytes = member.n_bytes - n_header_bytes;
    if let Some(size) = size_bytes {
        let n_bytes = shape.iter().try_fold(size, |n, &dim| n.checked_mul(dim));
        if n_bytes != Some(n_data_bytes) {
            let found = format!("{n_data_bytes} bytes of data");
            return Err(wrong(found, format!("those of shape {shape:?} of {dtype}")));
        }
    }
    let offset_bytes = member.offset_bytes + n_header_bytes;
    let source = member.source.clone();
    Ok(match is_fortran {
        false => Tensor::contiguous(dtype, shape, source, offset_bytes, n_data_bytes),
        true => Tensor::column_major(dtype, shape, source, offset_bytes, n_data_bytes),
    })
}
