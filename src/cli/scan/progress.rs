//! How far a scan is: a bar on a terminal, a line a minute elsewhere.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::console::Console;
use crate::scan::{BasesFrom, Progress};

/// How often a line is written where stderr is not a terminal.
const MINUTE: Duration = Duration::from_secs(60);

/// Shows how far a scan is.
pub(super) struct ProgressLine<'a> {
    console: &'a Console,
    bar: Option<ProgressBar>,
    last_line: Duration,
}

impl<'a> ProgressLine<'a> {
    pub(super) fn new(console: &'a Console) -> Self {
        Self { console, bar: None, last_line: Duration::ZERO }
    }

    pub(super) fn update(&mut self, progress: &Progress) {
        let Progress { n_done, n_rows, n_ready, n_adapters, elapsed, .. } = *progress;
        let making = match progress.bases {
            BasesFrom::Cache => "factorising",
            BasesFrom::Demand => "reading",
        };
        let stage = match n_ready < n_adapters {
            true => format!("{making} {n_ready}/{n_adapters}, comparing"),
            false => "comparing".to_owned(),
        };
        if self.bar.is_none() && self.has_bar() {
            self.bar = Some(bar(n_rows));
        }
        if let Some(bar) = &self.bar {
            bar.set_message(stage);
            bar.set_position(n_done);
        } else if elapsed.saturating_sub(self.last_line) >= MINUTE {
            self.last_line = elapsed;
            let rate = n_done as f64 / elapsed.as_secs_f64();
            let left = match rate > 0.0 {
                true => {
                    let left = Duration::from_secs_f64((n_rows.saturating_sub(n_done)) as f64 / rate);
                    format!(", {} left", HumanDuration(left))
                }
                false => String::new(),
            };
            let line = format!("{stage} {n_done} of {n_rows} rows, {rate:.0} a second{left}");
            self.console.progress(line, n_done, n_rows);
        }
    }

    /// Clears the bar.
    pub(super) fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn has_bar(&self) -> bool {
        !self.console.is_quiet() && !self.console.is_json() && std::io::stderr().is_terminal()
    }
}

fn bar(n_rows: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} rows, {per_sec}, {eta} left")
        .expect("the template is a constant with known keys");
    ProgressBar::with_draw_target(Some(n_rows), ProgressDrawTarget::stderr()).with_style(style)
}
