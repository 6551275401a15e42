//! Checkpoints that `torch.save` wrote: a pickle that describes tensors, and the numbers of their storages next to it.

mod flatten;
mod legacy;
mod reach;
mod zip;

use std::path::Path;

pub(super) use self::legacy::CONTAINER as LEGACY_CONTAINER;
pub(super) use self::zip::CONTAINER as ZIP_CONTAINER;

use crate::adapter::Source;
use crate::error::{Error, Fault, Result};
use crate::formats::containers::pickle::{Id, Inert, Made, Storage, Value, Values, View};
use crate::formats::tensor::Tensor;
use crate::text::quoted;

/// How both formats of torch are usually named.
const SUFFIXES: &[&str] = &["bin", "pt", "pth", "ckpt"];

const FORBIDDEN: &str = "a checkpoint of tensors does not need this name, and other programs would execute it: save only the \
                         state_dict, as safetensors, and open this file only if you trust who made it";

const BIG_ENDIAN: &str = "save it again on a little-endian machine, as safetensors";

/// Where the numbers of a storage lie.
#[derive(Debug, Clone)]
struct Place {
    source: Source,
    offset_bytes: u64,
    n_bytes: u64,
}

/// The error for numbers whose highest byte comes first.
fn big_endian(path: &Path) -> crate::Error {
    Fault::new("big-endian numbers", "little-endian ones").at(path).hint(BIG_ENDIAN).unsupported()
}

/// The error for a pickle that holds no tensor and is not a dictionary either.
fn without_tensors(path: &Path, values: &Values, root: Id) -> Option<Error> {
    let fault = |found: String, expected: &str| Fault::new(found, expected).at(path).of("pickle");
    let of_kind = |found: String| fault(found, "a dictionary of tensors").other_kind().unsupported();
    if let Some((kind, name)) = values.kind() {
        return Some(of_kind(format!("{kind} ({})", quoted(name))));
    }
    let Value::Inert(inert) = values.get(root) else { return None };
    let name = quoted(&values.name(inert));
    if inert.made == Made::Instance {
        return Some(of_kind(format!("an object of {name}")));
    }
    let expected = "only names that dictionaries of tensors need";
    Some(fault(format!("a pickle that calls {name}"), expected).hint(FORBIDDEN).malformed())
}

/// What stands in the place of a tensor that only a call would make.
fn unread(values: &Values, inert: &Inert, source: &Source) -> Tensor {
    Tensor::unread(&values.name(inert), source.clone())
}

/// A view of the storage that was found under `key`, as a tensor.
///
/// # Errors
/// `Malformed` when the size of the storage is not the one in the pickle, or the view reaches past its end.
fn tensor(path: &Path, name: &str, view: &View, key: &str, place: &Place) -> Result<Tensor> {
    let fault = |found: String, expected: String| {
        Fault::new(found, expected).at(path).of(format!("tensor {}", quoted(name))).malformed()
    };
    let Storage { numbers, n_numbers, part, .. } = view.storage;
    if place.n_bytes / numbers.size_bytes != n_numbers {
        let found = format!("a storage of {n_numbers} numbers of {}", numbers.dtype);
        let expected = format!("one of the {} bytes that are stored as {}", place.n_bytes, quoted(key));
        return Err(fault(found, expected));
    }
    let (part_start, part_numbers) = part.unwrap_or((0, n_numbers));
    if part_start.checked_add(part_numbers).is_none_or(|end| end > n_numbers) {
        let found = format!("{part_numbers} numbers from number {part_start} on");
        return Err(fault(found, format!("a part of a storage of {n_numbers} numbers")));
    }
    let size = view.numbers.size_bytes;
    let there = part_numbers * numbers.size_bytes;
    let is_empty = view.shape.contains(&0);
    let reach = |end: u64, (&n, &stride): (&u64, &u64)| end.checked_add((n - 1).checked_mul(stride)?);
    let last = match is_empty {
        true => None,
        false => view.shape.iter().zip(&view.strides).try_fold(0, reach),
    };
    let span = last.and_then(|last| last.checked_add(1)?.checked_mul(size));
    let start = view.offset.checked_mul(size);
    match (start, span) {
        _ if is_empty => Ok(view.placed(place, 0, 0)),
        (Some(start), Some(span)) if start.checked_add(span).is_some_and(|end| end <= there) => {
            Ok(view.placed(place, part_start * numbers.size_bytes + start, span))
        }
        _ => {
            let View { offset, shape, strides, .. } = view;
            let found = format!("shape {shape:?} with strides {strides:?} from number {offset} on");
            Err(fault(found, format!("a view within the {there} bytes of its storage")))
        }
    }
}

impl View {
    fn placed(&self, place: &Place, start: u64, n_bytes: u64) -> Tensor {
        let (shape, strides) = (self.shape.clone(), self.strides.clone());
        let offset_bytes = place.offset_bytes + start;
        Tensor::strided(
            self.numbers.dtype.into(),
            shape,
            strides,
            place.source.clone(),
            offset_bytes,
            n_bytes,
        )
    }
}
