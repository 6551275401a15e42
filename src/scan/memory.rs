//! The memory that a scan takes: what one block and one factorisation need at least, and what of it happens at once.

mod needs;

use std::num::NonZeroUsize;

pub(super) use self::needs::N_PAIR_BYTES;
use self::needs::Needs;
use super::blocks::Blocks;
use super::header::HeaderSummary;
use super::module_size::ModuleSize;
use super::plan::Plan;
use crate::error::{Fault, Remedy, Result};

/// Blocks in flight for each engine, at most.
const MAX_IN_FLIGHT: u64 = 3;

/// How the memory of a scan is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Memory {
    /// Blocks in flight for each engine.
    pub(super) n_in_flight: NonZeroUsize,
    /// Bytes for factorisations that run at once.
    pub(super) room_bytes: u64,
    /// Threads that factorise at once.
    pub(super) n_factor_threads: usize,
    /// Whether the headers of all adapters may be held too.
    pub(super) holds_headers: bool,
    /// Modules of two adapters, whose headers may be held besides.
    pub(super) n_modules_of_two: u64,
    /// All of it, at most.
    pub(super) peak_bytes: u64,
}

impl Memory {
    /// For a scan of checkpoints whose largest module is this, within `given_bytes`: by default half of what is free, or as much as it needs
    /// of that.
    ///
    /// # Errors
    /// `Invalid` when it needs more than is given, or than is free where nothing is given.
    pub(super) fn of(
        plan: &Plan,
        largest: ModuleSize,
        given_bytes: Option<u64>,
        n_engines: usize,
    ) -> Result<Self> {
        let n_threads = rayon::current_num_threads() as u64;
        let needs = Needs::of(plan, largest, n_threads);
        let least_bytes = needs.least_bytes(n_engines as u64);
        let given_bytes = allowed(given_bytes, least_bytes, Free::now)?;
        let n_threads = n_threads.min(needs.n_factors);
        let n_in_flight = (n_engines as u64).saturating_mul(MAX_IN_FLIGHT);
        let n_blocks = Blocks::of(plan)?.iter().take(n_in_flight as usize).count() as u64;
        let most_in_flight = n_blocks.div_ceil(n_engines as u64);
        Ok(Self::within(&needs, given_bytes, n_engines as u64, most_in_flight, n_threads))
    }

    /// One block for each engine and one factorisation first; half of what is left is for more blocks.
    fn within(needs: &Needs, given_bytes: u64, n_engines: u64, most_in_flight: u64, n_threads: u64) -> Self {
        let spare_bytes = given_bytes.saturating_sub(needs.least_bytes(n_engines));
        let more = spare_bytes / 2 / (n_engines * needs.block_bytes).max(1);
        let n_in_flight = 1 + more.min(most_in_flight.saturating_sub(1));
        let spare_bytes = spare_bytes - (n_in_flight - 1) * n_engines * needs.block_bytes;
        let holds_headers = needs.headers_bytes <= spare_bytes / 2;
        let headers_bytes = if holds_headers { needs.headers_bytes } else { 0 };
        let all_threads_bytes = needs.factor_bytes.saturating_mul(n_threads.max(1));
        let room_bytes = all_threads_bytes.min(needs.factor_bytes + spare_bytes - headers_bytes);
        let blocks_bytes = n_in_flight * n_engines * needs.block_bytes;
        let peak_bytes = needs.fixed_bytes + blocks_bytes + headers_bytes + room_bytes;
        let n_factor_threads = (room_bytes / needs.factor_bytes.max(1)).clamp(1, n_threads.max(1)) as usize;
        let n_modules_of_two = needs.n_modules_of_two;
        let n_in_flight = NonZeroUsize::new(n_in_flight as usize).unwrap_or(NonZeroUsize::MIN);
        Self { n_in_flight, room_bytes, n_factor_threads, holds_headers, n_modules_of_two, peak_bytes }
    }
}

/// The largest counts of any module of these checkpoints.
pub(super) fn largest(opened: &[HeaderSummary]) -> ModuleSize {
    opened.iter().map(|opened| opened.largest).fold(ModuleSize::default(), ModuleSize::max)
}

/// The bytes that a scan may take that needs so many at least.
///
/// # Errors
/// `Invalid` when these are more than is given, or than is free where nothing is given.
fn allowed(given_bytes: Option<u64>, least_bytes: u64, free: impl FnOnce() -> Free) -> Result<u64> {
    let refused = |found: String, remedy: Remedy| {
        let least = kib(least_bytes.div_ceil(1024));
        let expected = format!("at least {least}, for a block of pairs and a factorisation at once");
        Err(Fault::new(found, expected).of("memory").remedy(remedy).invalid())
    };
    match given_bytes {
        Some(given_bytes) if given_bytes < least_bytes => {
            refused(kib(given_bytes / 1024), Remedy::GiveMemory { bytes: least_bytes })
        }
        Some(given_bytes) => Ok(given_bytes),
        None => {
            let Free { certain_bytes, most_bytes } = free();
            if most_bytes < least_bytes {
                let found = format!("{} free", kib(most_bytes / 1024));
                return refused(found, Remedy::FreeMemory { bytes: least_bytes });
            }
            Ok((certain_bytes / 2).max(least_bytes))
        }
    }
}

/// In the unit of the option that gives memory.
fn kib(n: u64) -> String {
    format!("{n} KiB")
}

/// The memory that is free here, in the system and in the control group.
struct Free {
    /// Without what the group holds of files, some of which goes where it is needed.
    certain_bytes: u64,
    most_bytes: u64,
}

impl Free {
    fn now() -> Self {
        let mut system = sysinfo::System::new();
        system.refresh_memory();
        let free = system.available_memory();
        match system.cgroup_limits() {
            Some(limits) => Self {
                certain_bytes: limits.free_memory.min(free),
                most_bytes: limits.total_memory.saturating_sub(limits.rss).min(free),
            },
            None => Self { certain_bytes: free, most_bytes: free },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_that_needs_more_than_is_free_is_refused_and_one_that_needs_over_half_of_it_is_not() {
        let free = || Free { certain_bytes: 80 << 20, most_bytes: 100 << 20 };
        assert_eq!(allowed(None, 30 << 20, free).unwrap(), 40 << 20);
        assert_eq!(allowed(None, 90 << 20, free).unwrap(), 90 << 20);
        let refused = allowed(None, (100 << 20) + 1, free).unwrap_err();
        let expected = "memory: found 102400 KiB free, expected at least 102401 KiB, for a block of pairs and a factorisation at \
                        once";
        assert_eq!(refused.to_string(), expected);
        // Who gives it knows.
        assert_eq!(allowed(Some(200 << 20), 150 << 20, free).unwrap(), 200 << 20);
        let refused = allowed(Some(1023), 1025, free).unwrap_err().to_string();
        assert!(refused.starts_with("memory: found 0 KiB, expected at least 2 KiB, for "), "{refused}");
    }

    #[test]
    fn what_happens_at_once_stays_within_what_is_given() {
        let needs = Needs {
            fixed_bytes: 100,
            block_bytes: 50,
            factor_bytes: 30,
            n_factors: 99,
            n_modules_of_two: 2,
            headers_bytes: 20,
        };
        for n_engines in [1, 2] {
            let least = needs.least_bytes(n_engines);
            let tight = Memory::within(&needs, least, n_engines, 3, 8);
            assert_eq!((tight.n_in_flight.get(), tight.room_bytes, tight.holds_headers), (1, 30, false));
            assert_eq!(tight.peak_bytes, least);
            let mut before = tight;
            for given in least..least + 1000 {
                let memory = Memory::within(&needs, given, n_engines, 3, 8);
                assert!(memory.peak_bytes <= given && memory.peak_bytes >= least);
                assert!(memory.n_in_flight >= before.n_in_flight);
                before = memory;
            }
            // What there is not needs nothing.
            let few = Memory::within(&needs, least + 1000, n_engines, 1, 2);
            assert_eq!((few.n_in_flight.get(), few.peak_bytes), (1, 100 + 50 * n_engines + 2 * 30 + 20));
            // More than all threads and three blocks need is not taken.
            let most = 100 + 3 * 50 * n_engines + 8 * 30 + 20;
            assert_eq!((before.n_in_flight.get(), before.holds_headers, before.peak_bytes), (3, true, most));
        }
    }
}
