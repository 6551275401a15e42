//! The colours of a figure's background, text and lines.

/// The colours of all but cells and the lines of charts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Theme {
    /// The background.
    pub(super) paper: [u8; 3],
    /// Text, frames and ticks.
    pub(super) ink: [u8; 3],
    /// Values that are missing: a grey that no palette has.
    pub(super) missing: [u8; 3],
}

impl Default for Theme {
    fn default() -> Self {
        Self { paper: [255; 3], ink: [0; 3], missing: [216; 3] }
    }
}

impl Theme {
    /// Light on dark, for slides with a dark background.
    pub(super) fn dark() -> Self {
        Self { paper: [24, 26, 30], ink: [232, 232, 232], missing: [96; 3] }
    }
}
