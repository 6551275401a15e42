//! A bar on stderr for long work, none if stderr is not a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::console::Console;

/// Work that takes longer than a person waits without asking: half a second at a factorisation's some 3 GFLOP/s.
const LONG_FLOP: f64 = 1.5e9;

/// A bar for `n` steps of `flop` in all; hidden for short work, for `-q`, and when stderr is piped.
pub(super) fn bar(console: &Console, what: &'static str, n: usize, flop: f64) -> ProgressBar {
    if console.is_quiet() || flop < LONG_FLOP {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} {eta}")
        .expect("the template is a constant with only known keys");
    ProgressBar::with_draw_target(Some(n as u64), ProgressDrawTarget::stderr())
        .with_style(style)
        .with_message(what)
}
