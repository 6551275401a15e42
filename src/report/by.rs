//! What adapters are compared by.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Fault, Result};
use crate::measure;
use crate::text::quoted;

/// The quantity that pairs are ranked, averaged, clustered and drawn by. 1 is the same in each of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum By {
    /// φ at full ranks corrected for chance, so that it can be averaged over modules: see [`measure::adjusted`].
    #[default]
    Adjusted,
    /// φ(q_a, q_b), the containment of the smaller subspace in the larger.
    PhiFull,
    /// Linear CKA of the factors: directions count by their strength.
    LinearCka,
    /// The cosine of the two updates ΔW, with its sign.
    Cosine,
    /// φ(i, j) of one cell, where the scan kept it.
    Cell(usize, usize),
}

impl By {
    /// What a report has of every pair, besides what was chosen.
    const ALWAYS: [Self; 3] = [Self::Adjusted, Self::PhiFull, Self::LinearCka];

    /// This one, and those that a report always has.
    pub(super) fn and_others(self) -> Vec<Self> {
        let others = Self::ALWAYS.into_iter().filter(|&other| other != self);
        std::iter::once(self).chain(others).collect()
    }

    /// The cells of φ that a comparison must keep for it.
    pub(crate) fn cells(self) -> Vec<(usize, usize)> {
        match self {
            Self::Cell(i, j) => vec![(i, j)],
            _ => vec![],
        }
    }

    /// The column's name in the scan's table.
    pub(crate) fn column(self) -> String {
        match self {
            Self::Adjusted => measure::adjusted::STATISTIC.key.to_owned(),
            Self::PhiFull => measure::phi_full::STATISTIC.key.to_owned(),
            Self::LinearCka => measure::linear_cka::STATISTIC.key.to_owned(),
            Self::Cosine => "cosine".to_owned(),
            Self::Cell(i, j) => measure::cells::name((i, j)),
        }
    }

    /// The heading of a column of means.
    pub(super) fn key(self) -> String {
        format!("mean_{}", self.column())
    }

    /// In text for people.
    pub(crate) fn words(self) -> String {
        match self {
            Self::Adjusted => "adjusted φ".to_owned(),
            Self::PhiFull => "φ full".to_owned(),
            Self::LinearCka => "linear CKA".to_owned(),
            Self::Cosine => "cosine of ΔW".to_owned(),
            Self::Cell(i, j) => format!("φ({i}, {j})"),
        }
    }

    /// In a title, where ϕ is a letter of mathematics.
    pub(super) fn title(self) -> String {
        match self {
            Self::Adjusted => "adjusted ϕ".to_owned(),
            Self::PhiFull => "ϕ at full ranks".to_owned(),
            Self::Cell(i, j) => format!("ϕ({i}, {j})"),
            Self::LinearCka | Self::Cosine => self.words(),
        }
    }

    /// What its values mean.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Adjusted => "0 at chance, 1 where one subspace contains the other, at any rank",
            Self::PhiFull => {
                "the share of the smaller subspace that lies in the larger; chance is max(q_a, q_b)/d"
            }
            Self::LinearCka => "overlap with each direction weighted by its strength, from 0 to 1",
            Self::Cosine => "of the whole updates: 1 the same, 0 unrelated, -1 opposite",
            Self::Cell(..) => "overlap of the strongest directions; chance is max(i, j)/d",
        }
    }

    /// A value for people; those that may fall below 0 have a sign.
    pub(crate) fn shown(self, value: f64) -> String {
        match self {
            // No sign where rounding leaves nothing to be signed.
            Self::Adjusted | Self::Cosine => format!("{:+.3}", if value.abs() < 5e-4 { 0.0 } else { value }),
            _ => format!("{value:.3}"),
        }
    }

    /// Why a row may have no value.
    pub(super) fn without_value(self) -> &'static str {
        match self {
            Self::Adjusted => "the larger subspace is the whole space, which contains everything",
            Self::Cell(..) => "the cell is over the pair's ranks",
            Self::Cosine => "an update is 0, which has a norm only, or is not known",
            Self::PhiFull | Self::LinearCka => "the table has none",
        }
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.column())
    }
}

impl FromStr for By {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = [Self::Adjusted, Self::PhiFull, Self::LinearCka, Self::Cosine];
        let cell = || {
            let positive = |text: &str| text.parse().ok().filter(|&n: &usize| n > 0);
            let cell = text.strip_prefix("phi_")?;
            match cell.split_once('_') {
                None => positive(cell).map(|k| Self::Cell(k, k)),
                Some((i, j)) => Some(Self::Cell(positive(i)?, positive(j)?)),
            }
        };
        known.into_iter().find(|by| by.column() == text).or_else(cell).ok_or_else(|| {
            let expected = "adjusted, cosine, linear_cka, phi_full, or a cell such as phi_1 or phi_8";
            Fault::new(quoted(text), expected).of("quantity").invalid()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reads_back_from_its_name() {
        for name in ["adjusted", "cosine", "linear_cka", "phi_full", "phi_1", "phi_8", "phi_8_4"] {
            assert_eq!(name.parse::<By>().unwrap().to_string(), name);
        }
        for name in ["", "phi", "phi_", "phi_0", "phi_8_", "phi_r", "excess"] {
            assert!(name.parse::<By>().is_err(), "{name}");
        }
        assert_eq!(By::Cell(8, 8), "phi_8_8".parse().unwrap());
    }

    #[test]
    fn what_is_chosen_stands_first_and_once() {
        assert_eq!(By::default().and_others(), By::ALWAYS);
        assert_eq!(By::LinearCka.and_others(), [By::LinearCka, By::Adjusted, By::PhiFull]);
        assert_eq!(By::Cosine.and_others().len(), 4);
    }
}
