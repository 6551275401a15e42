//! Modules of zeros, NaN or infinities: what no header shows.

use crate::basis::{Flaw, Numbers, Wanted};
use crate::{Adapter, Factor, Module, Side};

/// Bytes of all factors up to which inspect looks at their numbers without being asked: what a thousand small checkpoints take,
/// and a fraction of a second.
pub(in crate::cli) const MAX_BYTES: u64 = 128_000_000;

/// Whether the numbers of all these are looked at.
pub(super) fn are_few<'a>(adapters: impl Iterator<Item = &'a Adapter>) -> bool {
    let modules = adapters.flat_map(Adapter::modules).filter(|module| is_stored(module));
    let bytes = |factor: &Factor| (factor.rows * factor.cols * factor.dtype.size_bytes()) as u64;
    let all = modules.flat_map(|module| [&module.a, &module.b]).map(bytes);
    all.fold(0u64, u64::saturating_add) <= MAX_BYTES
}

/// What is wrong with the numbers of a module's factors. An update of another form takes an SVD to know, and is passed by.
///
/// # Errors
/// As [`Numbers::read`].
pub(super) fn of(module: &Module) -> crate::Result<Vec<Flaw>> {
    match is_stored(module) {
        true => Ok(Numbers::read(module, Side::DwRight, Wanted::Both)?.flaws()),
        false => Ok(vec![]),
    }
}

fn is_stored(module: &Module) -> bool {
    module.full_rank().is_none()
}
