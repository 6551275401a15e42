//! The kinds of figures.

use clap::ValueEnum;

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    Seeds,
    Ranks,
    LayerMap,
    Spectra,
    Trajectory,
    Base,
    Intruders,
}
