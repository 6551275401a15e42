//! What a GPU takes at once.

use crate::error::{Fault, Remedy, Result};

/// What one buffer and one dispatch may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Words of 32 bits in one storage buffer.
    pub(super) max_words: usize,
    /// Words in the one that holds two bases that are too large for the others.
    pub(super) max_stack_words: usize,
    /// Work in one dispatch. Drivers stop a dispatch that takes seconds; the slowest real GPUs make 100 GFLOP/s.
    pub(super) max_flop: f64,
}

impl Limits {
    /// The same divided by `n`: for a GPU that failed at them.
    pub(super) fn shrunk(self, n: usize) -> Self {
        Self {
            max_words: self.max_words / n,
            max_stack_words: self.max_stack_words / n,
            max_flop: self.max_flop / n as f64,
        }
    }

    /// # Errors
    /// `Limit` when `n` words are over one buffer.
    pub(super) fn check_binding(&self, what: &str, n: usize) -> Result<()> {
        if n <= self.max_words {
            return Ok(());
        }
        Err(Fault::new(
            format!("{n} words of 4 bytes"),
            format!("at most {} in one buffer of this GPU", self.max_words),
        )
        .of(what.to_owned())
        .remedy(Remedy::UseCpu)
        .limit())
    }
}
