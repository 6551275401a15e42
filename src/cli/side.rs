//! `--side`: a subspace of an update, or a base model's weight's own directions next to those of an update.

use std::fmt;
use std::str::FromStr;

use crate::Side;

/// What `--side` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SideArg {
    /// A subspace of an update.
    Update(Side),
    /// Directions of W, next to those of this side of ΔW.
    Weight(Side),
}

/// W's own sides by their names, and the side of ΔW that each is compared with.
const OF_WEIGHT: [(&str, Side); 2] = [("w-right", Side::DwRight), ("w-left", Side::DwLeft)];

impl SideArg {
    /// The side of the update.
    pub(super) fn of_update(self) -> Side {
        match self {
            Self::Update(side) | Self::Weight(side) => side,
        }
    }

    /// Whether it is one of W's own.
    pub(super) fn is_of_weight(self) -> bool {
        matches!(self, Self::Weight(_))
    }
}

impl fmt::Display for SideArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = OF_WEIGHT.iter().find(|(_, side)| *self == Self::Weight(*side)).map(|(name, _)| *name);
        match (self, name) {
            (_, Some(name)) => f.pad(name),
            (Self::Update(side) | Self::Weight(side), None) => side.fmt(f),
        }
    }
}

impl FromStr for SideArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let of_weight = OF_WEIGHT.iter().find(|(name, _)| *name == text);
        let of_update = Side::ALL.into_iter().find(|side| side.to_string() == text).map(Self::Update);
        of_weight.map(|(_, side)| Self::Weight(*side)).or(of_update).ok_or_else(|| {
            "expected a, b, dw-right or dw-left, or with a base model w-right or w-left".to_owned()
        })
    }
}

/// Parses the side of a command that compares only updates.
pub(super) fn of_update(text: &str) -> Result<Side, String> {
    match SideArg::from_str(text) {
        Ok(SideArg::Update(side)) => Ok(side),
        Ok(SideArg::Weight(side)) => Err(format!(
            "these are directions of a base model's weight: compare and figure have them; {side} is the update's"
        )),
        Err(_) => Err("expected a, b, dw-right or dw-left".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_reads_back_from_what_it_prints() {
        let of_weight = [SideArg::Weight(Side::DwRight), SideArg::Weight(Side::DwLeft)];
        let all: Vec<SideArg> = Side::ALL.map(SideArg::Update).into_iter().chain(of_weight).collect();
        let names: Vec<String> = all.iter().map(SideArg::to_string).collect();
        assert_eq!(names, ["a", "b", "dw-right", "dw-left", "w-right", "w-left"]);
        for (side, name) in all.iter().zip(&names) {
            assert_eq!(name.parse::<SideArg>().as_ref(), Ok(side));
            assert_eq!(of_update(name).ok(), (!side.is_of_weight()).then(|| side.of_update()));
        }
        assert!("w".parse::<SideArg>().unwrap_err().contains("with a base model w-right or w-left"));
    }
}
