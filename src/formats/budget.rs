//! How many modules a file may still make: of one tensor, thousands can be cut.

use std::cell::Cell;
use std::path::Path;

use crate::error::Result;
use crate::formats::limits::{Limit, Limits};

/// Counts the modules of all adapters of a file, and the bytes of their names, before they are made.
#[derive(Debug)]
pub(super) struct Budget<'a> {
    limits: &'a Limits,
    n_modules: Cell<u64>,
    n_name_bytes: Cell<u64>,
}

/// A module has its name twice, as it is in the file and by its path, and the names of its tensors.
const NAMES_OF_A_MODULE: u64 = 4;

impl<'a> Budget<'a> {
    pub(super) fn new(limits: &'a Limits) -> Self {
        Self { limits, n_modules: Cell::new(0), n_name_bytes: Cell::new(0) }
    }

    /// Counts `n` more modules that are cut from one, with names of so many bytes. False where they are over a limit: they are not made then, and
    /// [`Budget::check`] refuses the file.
    pub(super) fn may_make(&self, n: u64, name_bytes: usize) -> bool {
        self.n_modules.set(self.n_modules.get().saturating_add(n));
        let n_bytes = n.saturating_mul(NAMES_OF_A_MODULE * name_bytes as u64);
        self.n_name_bytes.set(self.n_name_bytes.get().saturating_add(n_bytes));
        self.over().is_none()
    }

    /// Fails where more was asked for than the limits allow.
    ///
    /// # Errors
    /// `Limit`.
    pub(super) fn check(&self, path: &Path) -> Result<()> {
        match self.over() {
            None => Ok(()),
            Some((limit, found)) => Err(self.limits.over(limit, found).at(path).limit()),
        }
    }

    fn over(&self) -> Option<(Limit, String)> {
        let (n_modules, n_bytes) = (self.n_modules.get(), self.n_name_bytes.get());
        if n_modules > self.limits.get(Limit::Modules) {
            return Some((Limit::Modules, format!("{n_modules} modules or more")));
        }
        let is_over = n_bytes > self.limits.get(Limit::HeaderBytes);
        is_over.then(|| (Limit::HeaderBytes, format!("{n_bytes} bytes of names of modules or more")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_and_their_names_are_counted_before_they_are_made() {
        let limits = Limits { n_modules: 10, header_bytes: 1000, ..Limits::default() };
        let budget = Budget::new(&limits);
        assert!(budget.may_make(6, 1) && budget.may_make(4, 1));
        budget.check(Path::new("x")).unwrap();
        assert!(!budget.may_make(u64::MAX, 1));
        let error = budget.check(Path::new("x")).unwrap_err().to_string();
        assert_eq!(error, format!("x: found {} modules or more, expected at most 10", u64::MAX));
        let budget = Budget::new(&limits);
        assert!(budget.may_make(5, 50) && !budget.may_make(1, 1));
        let error = budget.check(Path::new("x")).unwrap_err().to_string();
        assert_eq!(error, "x: found 1004 bytes of names of modules or more, expected at most 1000");
    }
}
