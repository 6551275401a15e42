//! What a picture is drawn for: a paper, slides, or a dark screen.

use std::fmt;
use std::str::FromStr;

use super::theme::Theme;
use crate::error::{Error, Fault};
use crate::text::quoted;

/// What a picture is drawn for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Look {
    /// Black on white, in the sizes of a paper.
    #[default]
    Paper,
    /// Black on white, in type that can be read across a room.
    Slides,
    /// The same, light on dark.
    Dark,
}

impl Look {
    /// Every look, the default first.
    pub const ALL: [Self; 3] = [Self::Paper, Self::Slides, Self::Dark];

    /// The name that [`FromStr`] reads.
    pub fn name(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Slides => "slides",
            Self::Dark => "dark",
        }
    }

    pub(super) fn scale(self) -> f64 {
        match self {
            Self::Paper => 1.0,
            Self::Slides | Self::Dark => 1.5,
        }
    }

    pub(super) fn theme(self) -> Theme {
        match self {
            Self::Paper | Self::Slides => Theme::default(),
            Self::Dark => Theme::dark(),
        }
    }
}

impl fmt::Display for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Look {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|look| look.name() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            Fault::new(quoted(name), format!("one of {known}")).of("style").invalid()
        })
    }
}
