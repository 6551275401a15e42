//! How far a scan is: a bar on a terminal, a line a minute elsewhere.

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::console::Console;
use crate::scan::bases::Bases;
use crate::scan::run::Progress;

/// How often a bar is drawn.
const TICK: Duration = Duration::from_millis(100);

/// How often a line is written where stderr is no terminal.
const MINUTE: Duration = Duration::from_secs(60);

/// Runs `work` while another thread shows how far it is.
pub(super) fn watch(
    console: &Console,
    progress: &Progress,
    bases: &Bases<'_>,
    n_adapters: usize,
    n_pairs: u64,
    work: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| show(console, progress, bases, n_adapters, n_pairs, &ended));
        let done = work();
        ended.store(true, Ordering::Relaxed);
        watcher.thread().unpark();
        done
    })
}

fn show(
    console: &Console,
    progress: &Progress,
    bases: &Bases<'_>,
    n_adapters: usize,
    n_pairs: u64,
    ended: &AtomicBool,
) {
    let started = Instant::now();
    let bar = bar(console, n_pairs);
    let mut last_line = started;
    while !ended.load(Ordering::Relaxed) {
        thread::park_timeout(TICK);
        let (n_done, n_ready) = (progress.n_pairs.load(Ordering::Relaxed) as u64, bases.n_ready());
        let stage = match n_ready < n_adapters {
            true => format!("{} {n_ready}/{n_adapters}, comparing", bases.making()),
            false => "comparing".to_owned(),
        };
        if let Some(bar) = &bar {
            bar.set_message(stage);
            bar.set_position(n_done);
        } else if last_line.elapsed() >= MINUTE {
            last_line = Instant::now();
            let seconds = started.elapsed().as_secs_f64();
            let rate = n_done as f64 / seconds;
            let left = match rate > 0.0 {
                true => {
                    let left = Duration::from_secs_f64((n_pairs.saturating_sub(n_done)) as f64 / rate);
                    format!(", {} left", HumanDuration(left))
                }
                false => String::new(),
            };
            console.progress(
                format!("{stage} {n_done} of {n_pairs} pairs, {rate:.0} a second{left}"),
                n_done,
                n_pairs,
            );
        }
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
}

/// A bar, where there is a terminal for it.
fn bar(console: &Console, n_pairs: u64) -> Option<ProgressBar> {
    if console.is_quiet() || console.is_json() || !std::io::stderr().is_terminal() {
        return None;
    }
    let style = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} pairs, {per_sec}, {eta} left")
        .expect("the template is a constant with known keys alone");
    Some(ProgressBar::with_draw_target(Some(n_pairs), ProgressDrawTarget::stderr()).with_style(style))
}
