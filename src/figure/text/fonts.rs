//! The fonts that text is set in while a plot is laid out and drawn.
//!
//! Every width and every outline depends on them, so they are in force on a thread rather than handed to each function: a plot
//! enters its own when it is laid out, and its scene when it is drawn.

use std::cell::Cell;

use super::font_file::Font;

/// The fonts of a plot; `None` for the embedded one.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(in crate::figure) struct Fonts {
    pub(in crate::figure) upright: Option<Font>,
    pub(in crate::figure) italic: Option<Font>,
}

thread_local! {
    static IN_FORCE: Cell<Fonts> = const { Cell::new(Fonts { upright: None, italic: None }) };
}

/// While it lives, its fonts are in force on this thread.
pub(in crate::figure) struct InForce {
    before: Fonts,
}

impl Fonts {
    /// Puts the fonts in force.
    #[must_use = "they are in force for as long as the answer lives"]
    pub(in crate::figure) fn enter(self) -> InForce {
        InForce { before: IN_FORCE.replace(self) }
    }

    pub(super) fn in_force() -> Self {
        IN_FORCE.get()
    }
}

impl Drop for InForce {
    fn drop(&mut self) {
        IN_FORCE.set(self.before);
    }
}
