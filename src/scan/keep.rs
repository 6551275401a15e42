//! What a scan keeps of every pair.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Fault, Result};
use crate::text::quoted;

/// What is kept of every pair, besides φ at full rank, the linear CKA and what belongs to them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Keep {
    /// φ(k, k) at powers of two.
    #[default]
    Powers,
    /// φ(k, k) at every k.
    Diagonal,
    /// φ(k, k) at powers of two, and the whole grid.
    Grid,
    /// φ at these (i, j), counted from 1.
    Cells(Vec<(usize, usize)>),
    /// As `Powers`, but only of the pairs that are among the K most alike of either adapter; the others are counted in
    /// histograms.
    Top(usize),
}

impl Keep {
    /// The cells of a scan whose largest rank is `max_rank`, in the order of the table's columns.
    pub fn cells(&self, max_rank: usize) -> Vec<(usize, usize)> {
        match self {
            Self::Powers | Self::Grid | Self::Top(_) => {
                let powers = std::iter::successors(Some(1), |k| Some(2 * k));
                powers.take_while(|&k| k <= max_rank).map(|k| (k, k)).collect()
            }
            Self::Diagonal => (1..=max_rank).map(|k| (k, k)).collect(),
            Self::Cells(cells) => cells.clone(),
        }
    }
}

/// K and the places of cells, at most.
const MAX_PLACE: usize = 1 << 20;

impl Keep {
    /// Whether numbers of it are such that no text reads as them.
    pub(super) fn is_out_of_bounds(&self) -> bool {
        let is_wrong = |n: &usize| !(1..=MAX_PLACE).contains(n);
        match self {
            Self::Powers | Self::Diagonal | Self::Grid => false,
            Self::Top(k) => is_wrong(k),
            Self::Cells(cells) => cells.is_empty() || cells.iter().any(|(i, j)| is_wrong(i) || is_wrong(j)),
        }
    }
}

impl FromStr for Keep {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            let expected = "`powers`, `diagonal`, `grid`, `cells=1:1,8:8` or `top:10`";
            Fault::new(quoted(text), expected).of("keep").invalid()
        };
        let positive = |text: &str| text.parse::<usize>().ok().filter(|n| (1..=MAX_PLACE).contains(n));
        match text {
            "powers" => return Ok(Self::Powers),
            "diagonal" => return Ok(Self::Diagonal),
            "grid" => return Ok(Self::Grid),
            _ => {}
        }
        if let Some(k) = text.strip_prefix("top:") {
            return positive(k).map(Self::Top).ok_or_else(wrong);
        }
        let cells = text.strip_prefix("cells=").ok_or_else(wrong)?;
        let cell = |cell: &str| {
            let (i, j) = cell.split_once(':')?;
            Some((positive(i)?, positive(j)?))
        };
        let mut cells = cells.split(',').map(cell).collect::<Option<Vec<_>>>().ok_or_else(wrong)?;
        cells.sort_unstable();
        cells.dedup();
        Ok(Self::Cells(cells))
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Powers => f.write_str("powers"),
            Self::Diagonal => f.write_str("diagonal"),
            Self::Grid => f.write_str("grid"),
            Self::Top(k) => write!(f, "top:{k}"),
            Self::Cells(cells) => {
                let cells: Vec<String> = cells.iter().map(|(i, j)| format!("{i}:{j}")).collect();
                write!(f, "cells={}", cells.join(","))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_choice_reads_back_from_what_it_prints() {
        for text in ["powers", "diagonal", "grid", "cells=1:1,8:4", "top:10"] {
            assert_eq!(text.parse::<Keep>().unwrap().to_string(), text);
        }
        assert_eq!("cells=8:8,1:1,8:8".parse::<Keep>().unwrap().to_string(), "cells=1:1,8:8");
        for text in ["", "top:0", "top:", "cells=", "cells=0:1", "cells=1", "diagonal ", "cells=1:1,"] {
            assert!(text.parse::<Keep>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_cells_end_at_the_largest_rank_but_for_those_that_are_named() {
        assert_eq!(Keep::Powers.cells(12), [(1, 1), (2, 2), (4, 4), (8, 8)]);
        assert_eq!(Keep::Diagonal.cells(3), [(1, 1), (2, 2), (3, 3)]);
        assert_eq!(Keep::Cells(vec![(1, 64)]).cells(3), [(1, 64)]);
    }
}
