//! The memory that a scan takes: what one block and one factorisation need at least, and what of it happens at once.

mod needs;

use std::num::NonZeroUsize;

pub(super) use self::needs::N_PAIR_BYTES;
use self::needs::Needs;
use super::header::HeaderSummary;
use super::module_size::ModuleSize;
use super::plan::Plan;
use crate::error::{Error, Fault, Remedy, Result};

/// Blocks in flight for each engine, at most.
const MAX_IN_FLIGHT: u64 = 3;

/// How the memory of a scan is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Memory {
    /// Blocks in flight for each engine.
    pub(super) n_in_flight: NonZeroUsize,
    /// Bytes for factorisations that run at once.
    pub(super) room_bytes: u64,
    /// Whether the headers of all adapters may be held too.
    pub(super) holds_headers: bool,
    /// All of it, at most.
    pub(super) peak_bytes: u64,
}

impl Memory {
    /// For a scan of checkpoints whose largest module is this, within `given_bytes`: by default half of what is free, or as much as it needs.
    ///
    /// # Errors
    /// `Invalid` when it needs more.
    pub(super) fn of(
        plan: &Plan,
        largest: ModuleSize,
        given_bytes: Option<u64>,
        n_engines: usize,
    ) -> Result<Self> {
        let needs = Needs::of(plan, largest);
        let least_bytes = needs.least_bytes(n_engines as u64);
        let given_bytes = match given_bytes {
            Some(given_bytes) if given_bytes < least_bytes => {
                return Err(too_little(given_bytes, least_bytes));
            }
            Some(given_bytes) => given_bytes,
            None => half_of_free_bytes().max(least_bytes),
        };
        Ok(Self::within(&needs, given_bytes, n_engines as u64, rayon::current_num_threads() as u64))
    }

    /// One block for each engine and one factorisation first; half of what is left is for more blocks.
    fn within(needs: &Needs, given_bytes: u64, n_engines: u64, n_threads: u64) -> Self {
        let spare_bytes = given_bytes.saturating_sub(needs.least_bytes(n_engines));
        let more = spare_bytes / 2 / (n_engines * needs.block_bytes).max(1);
        let n_in_flight = 1 + more.min(MAX_IN_FLIGHT - 1);
        let spare_bytes = spare_bytes - (n_in_flight - 1) * n_engines * needs.block_bytes;
        let holds_headers = needs.headers_bytes <= spare_bytes / 2;
        let headers_bytes = if holds_headers { needs.headers_bytes } else { 0 };
        let all_threads_bytes = needs.factor_bytes.saturating_mul(n_threads);
        let room_bytes = all_threads_bytes.min(needs.factor_bytes + spare_bytes - headers_bytes);
        let blocks_bytes = n_in_flight * n_engines * needs.block_bytes;
        let peak_bytes = needs.fixed_bytes + blocks_bytes + headers_bytes + room_bytes;
        let n_in_flight = NonZeroUsize::new(n_in_flight as usize).unwrap_or(NonZeroUsize::MIN);
        Self { n_in_flight, room_bytes, holds_headers, peak_bytes }
    }
}

/// The largest counts of any module of these checkpoints.
pub(super) fn largest(opened: &[HeaderSummary]) -> ModuleSize {
    opened.iter().map(|opened| opened.largest).fold(ModuleSize::default(), ModuleSize::max)
}

fn too_little(given_bytes: u64, least_bytes: u64) -> Error {
    let found = format!("{given_bytes} bytes");
    let expected = format!("at least {least_bytes}, for a block of pairs and a factorisation at once");
    Fault::new(found, expected).of("memory").remedy(Remedy::GiveMemory { bytes: least_bytes }).invalid()
}

/// Half of the memory that is free here, in the system and in the control group.
fn half_of_free_bytes() -> u64 {
    let mut system = sysinfo::System::new();
    system.refresh_memory();
    let free = system.available_memory();
    let free = system.cgroup_limits().map_or(free, |limits| limits.free_memory.min(free));
    free / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_at_once_stays_within_what_is_given() {
        let needs = Needs { fixed_bytes: 100, block_bytes: 50, factor_bytes: 30, headers_bytes: 20 };
        for n_engines in [1, 2] {
            let least = needs.least_bytes(n_engines);
            let tight = Memory::within(&needs, least, n_engines, 8);
            assert_eq!((tight.n_in_flight.get(), tight.room_bytes, tight.holds_headers), (1, 30, false));
            assert_eq!(tight.peak_bytes, least);
            let mut before = tight;
            for given in least..least + 1000 {
                let memory = Memory::within(&needs, given, n_engines, 8);
                assert!(memory.peak_bytes <= given && memory.peak_bytes >= least);
                assert!(memory.n_in_flight >= before.n_in_flight);
                before = memory;
            }
            // More than all threads and three blocks need is not taken.
            let most = 100 + 3 * 50 * n_engines + 8 * 30 + 20;
            assert_eq!((before.n_in_flight.get(), before.holds_headers, before.peak_bytes), (3, true, most));
        }
    }
}
