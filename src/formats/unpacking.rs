//! How often compressed members of an archive have to be unpacked for all that is read of them.
//!
//! Deflate has no places to start at but the first, so that a hundred tensors in one member would take its unpacking a hundred
//! times over.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crate::adapter::factor::Member;
use crate::adapter::{Factor, Module};
use crate::error::Result;
use crate::formats::limits::{Limit, Limits};

/// The bytes of each member that are unpacked to read every factor of a file once.
#[derive(Debug, Default)]
pub(super) struct Unpacking(HashMap<*const Member, (u64, u64)>);

impl Unpacking {
    pub(super) fn add(&mut self, module: &Module) {
        [&module.a, &module.b].into_iter().for_each(|factor| self.add_factor(factor));
    }

    fn add_factor(&mut self, factor: &Factor) {
        let scales = [&factor.row_axis.scale, &factor.col_axis.scale];
        scales.into_iter().flatten().for_each(|scale| self.add_factor(scale));
        if let (Some(member), Some(span)) = (factor.source.deflated(), factor.span()) {
            let (unpacked, _) = self.0.entry(Arc::as_ptr(member)).or_insert((0, member.n_bytes));
            let end = factor.offset_bytes + (span.end() + 1) * factor.dtype.size_bytes() as u64;
            *unpacked = unpacked.saturating_add(end);
        }
    }

    /// Fails where that is too many times over for one of them.
    ///
    /// # Errors
    /// `Limit`.
    pub(super) fn check(&self, path: &Path, limits: &Limits) -> Result<()> {
        let times = self.0.values().map(|&(unpacked, n_bytes)| unpacked.div_ceil(n_bytes.max(1))).max();
        let n = times.unwrap_or(0);
        limits.check(Limit::Unpackings, n, path, || {
            format!("so many tensors in one compressed member that it is unpacked {n} times over")
        })
    }
}
