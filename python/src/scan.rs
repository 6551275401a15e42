//! A scan, which Ctrl-C stops between two blocks.

use std::ffi::OsString;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use lorascope::cli::embedded;
use lorascope::scan::{Progress, ScanEnd};
use pyo3::prelude::*;

use crate::{Said, errors, said};

/// How often Python is asked for signals, and told how far the scan is.
const WAIT: Duration = Duration::from_millis(50);

/// What a scan did; `lorascope.Scan` has it.
#[pyclass(frozen, get_all, module = "lorascope._lorascope")]
pub(crate) struct Scanned {
    n_adapters: usize,
    n_modules: usize,
    n_pairs: u64,
    /// Blocks that this call has done.
    n_blocks: u64,
    /// Whether the table is whole.
    is_complete: bool,
    /// Checkpoints that could not be read, and what is wrong with each.
    skipped: Vec<(String, String)>,
}

/// Runs a scan on a thread of its own. `progress` is called with the rows done, all rows, the adapters that are ready, all
/// adapters and the seconds since the work began.
#[pyfunction]
pub(crate) fn scan(
    py: Python<'_>,
    words: Vec<OsString>,
    progress: &Bound<'_, PyAny>,
) -> PyResult<(Scanned, Said)> {
    let stop = AtomicBool::new(false);
    let is_done = AtomicBool::new(false);
    let latest: Mutex<Option<Progress>> = Mutex::new(None);
    let caller = thread::current();
    let mut interrupted = None;
    let (result, lines) = thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let on_progress = |progress: &Progress| *lock(&latest) = Some(*progress);
            let ran = embedded::scan(&words, &stop, on_progress);
            is_done.store(true, Ordering::SeqCst);
            caller.unpark();
            ran
        });
        while !is_done.load(Ordering::SeqCst) && !worker.is_finished() {
            py.detach(|| thread::park_timeout(WAIT));
            let told = match lock(&latest).take() {
                Some(Progress { n_done, n_rows, n_ready, n_adapters, elapsed, .. }) => {
                    progress.call1((n_done, n_rows, n_ready, n_adapters, elapsed.as_secs_f64())).map(drop)
                }
                None => Ok(()),
            };
            // Blocks in flight are finished, so that the scan can go on from there.
            if let Err(error) = py.check_signals().and(told) {
                stop.store(true, Ordering::SeqCst);
                interrupted.get_or_insert(error);
            }
        }
        py.detach(|| worker.join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    if let Some(error) = interrupted {
        return Err(error);
    }
    let outcome = result.map_err(|failure| errors::raised(py, failure))?;
    let skipped = outcome.skipped.iter();
    let scanned = Scanned {
        n_adapters: outcome.plan.n_adapters,
        n_modules: outcome.plan.n_modules,
        n_pairs: outcome.plan.n_pairs,
        n_blocks: outcome.n_blocks,
        is_complete: matches!(outcome.end, ScanEnd::Complete { .. }),
        skipped: skipped.map(|one| (one.path.display().to_string(), one.error.to_string())).collect(),
    };
    Ok((scanned, said(lines)))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
