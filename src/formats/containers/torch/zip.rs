//! torch zip, which `torch.save` has written since torch 1.6: `ROOT/data.pkl`, `ROOT/data/KEY` for each storage, and in
//! newer files `ROOT/byteorder`. The root has any name.

use std::path::Path;

use super::flatten::{Flat, Leaf, flatten};
use super::{Place, SUFFIXES, big_endian, tensor, unread, without_tensors};
use crate::adapter::FileFormat;
use crate::error::{Fault, Result};
use crate::formats::containers::container::{Archive, Container, Encoding};
use crate::formats::containers::pickle::{Input, Unpickler};
use crate::formats::containers::zip::{Member, Members};
use crate::formats::contents::{Contents, Tensors};
use crate::formats::limits::Limits;
use crate::text::{listed, quoted};

pub(in crate::formats::containers) static CONTAINER: Container = Container {
    file_format: FileFormat { name: "torch zip" },
    suffixes: SUFFIXES,
    encoding: Encoding::Archive(Archive { is_member, writer: "torch.save (data.pkl)", read }),
};

const PICKLE: &str = "data.pkl";

/// Enough for `little` or `big` and the end of the line.
const BYTE_ORDER_BYTES: u64 = 16;

/// The part of a pickle's name before `data.pkl`, with its slash.
fn root(name: &str) -> Option<&str> {
    let root = name.strip_suffix(PICKLE)?;
    (root.is_empty() || root.ends_with('/')).then_some(root)
}

fn is_member(name: &str) -> bool {
    root(name).is_some()
}

/// Every tensor, by name.
///
/// # Errors
/// `Malformed` when pickle or storages break the format, a storage is missing or a view reaches past its end;
/// `Unsupported` for big-endian numbers, TorchScript programs and pickles of other things; `Limit`.
fn read(path: &Path, members: &Members, limits: &Limits) -> Result<Contents> {
    let pickles: Vec<(&str, &Member)> = members
        .iter()
        .filter(|(name, _)| root(name).is_some())
        .map(|(name, member)| (&**name, member))
        .collect();
    let [(name, pickle)] = pickles[..] else {
        let found = format!("{} pickles ({})", pickles.len(), listed(pickles.iter().map(|(name, _)| *name)));
        return Err(Fault::new(found, "one data.pkl").at(path).malformed());
    };
    let root = root(name).unwrap_or_default();
    if members.contains_key(&format!("{root}constants.pkl")) {
        let fault = Fault::new("a TorchScript program", "a dictionary of tensors").at(path);
        return Err(fault.other_kind().unsupported());
    }
    if let Some(order) = members.get(&format!("{root}byteorder"))
        && order.start(BYTE_ORDER_BYTES)?.trim_ascii() != b"little"
    {
        return Err(big_endian(path));
    }
    let input = Input::whole(path, pickle.read(name, limits)?);
    let mut unpickler = Unpickler::new(input, limits);
    let dictionary = unpickler.next()?;
    let values = unpickler.into_values();
    let Flat { leaves, copies } = flatten(path, &values, dictionary, limits)?;
    if leaves.is_empty()
        && let Some(error) = without_tensors(path, &values, dictionary)
    {
        return Err(error);
    }
    let mut tensors = Tensors::new();
    for (name, leaf) in leaves {
        let view = match leaf {
            Leaf::Tensor(view) => view,
            Leaf::Unread(inert) => {
                tensors.insert(name, unread(&values, inert, &pickle.source));
                continue;
            }
        };
        let key = format!("{root}data/{}", values.text(&view.storage.key));
        let Some(member) = members.get(&key) else {
            let fault = Fault::new(format!("no member {}", quoted(&key)), "the tensor's numbers").at(path);
            return Err(fault.of(format!("tensor {}", quoted(&name))).malformed());
        };
        let (source, offset_bytes) = (member.source.clone(), member.offset_bytes);
        let place = Place { source, offset_bytes, n_bytes: member.n_bytes };
        let tensor = tensor(path, &name, view, &key, &place)?;
        tensors.insert(name, tensor);
    }
    Ok(Contents { copies, ..tensors.into() })
}
