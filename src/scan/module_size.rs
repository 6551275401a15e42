//! How many numbers a scan makes of a module, and the memory that these take.

use super::side_modules::SideModules;
use crate::adapter::Module;

/// Numbers of a module, or the largest counts of several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ModuleSize {
    /// Of the factors that are read.
    pub read: u64,
    /// Of the basis.
    pub basis: u64,
    /// Of the two factors of the update, where it is compared too.
    pub update: u64,
}

impl ModuleSize {
    /// What a scan makes of a module.
    pub fn of(module: &Module, of: &SideModules) -> Self {
        let numbers = |rows: usize, cols: usize| (rows as u64).saturating_mul(cols as u64);
        let read = of.factors(module).map(|factor| numbers(factor.rows, factor.cols)).sum();
        let both = numbers(module.rank(), module.d_in() + module.d_out());
        Self {
            read,
            basis: numbers(module.rank(), of.side.d(module)),
            update: if of.update { both } else { 0 },
        }
    }

    /// The larger of each count.
    pub fn max(self, other: Self) -> Self {
        Self {
            read: self.read.max(other.read),
            basis: self.basis.max(other.basis),
            update: self.update.max(other.update),
        }
    }

    /// Bytes that its factorisation takes at most: its factors in f64, and what becomes of them where the singular vectors need
    /// an SVD of their own. Measured; mostly a third.
    pub fn factor_bytes(self) -> u64 {
        8 * self.read + 60 * self.basis + 8 * self.update
    }

    /// Bytes of what a block holds of it: as it is read, and as an engine packs it.
    pub fn block_bytes(self) -> u64 {
        4 * (self.basis + self.update) + 4 * self.basis.max(self.update)
    }

    /// Bytes that the updates of two adapters take when their files are compared again.
    pub fn relation_bytes(self) -> u64 {
        2 * (8 * self.update + 16 * self.update)
    }
}
