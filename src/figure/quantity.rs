//! What the cells of a figure show of φ.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Fault};
use crate::measure::adjusted::adjusted;
use crate::measure::{Grid, chance};
use crate::text::quoted;

/// What a cell shows of φ(i, j).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Quantity {
    /// φ itself.
    #[default]
    Phi,
    /// φ − E, with E = max(i, j)/d, the mean of two random subspaces.
    Excess,
    /// (φ − E)/(1 − E): 0 at chance, 1 where one subspace contains the other.
    Adjusted,
    /// (φ − E)/√Var: standard deviations over chance.
    Z,
}

impl Quantity {
    /// Every one, the default first.
    pub const ALL: [Self; 4] = [Self::Phi, Self::Excess, Self::Adjusted, Self::Z];

    /// The name that [`FromStr`] reads.
    pub fn name(self) -> &'static str {
        match self {
            Self::Phi => "phi",
            Self::Excess => "excess",
            Self::Adjusted => "adjusted",
            Self::Z => "z",
        }
    }

    /// Whether its values lie on both sides of 0, which is chance.
    pub fn is_signed(self) -> bool {
        self != Self::Phi
    }

    /// The values of a grid, row-major. A cell whose φ is certain is NaN where chance leaves nothing to be said.
    pub(super) fn of(self, grid: &Grid) -> Cow<'_, [f32]> {
        let (n_cols, d) = (grid.n_cols(), grid.d());
        let each = |of: &dyn Fn(f64, usize, usize) -> Option<f64>| {
            let values = grid.values().iter().enumerate();
            let value = |(at, &phi): (usize, &f32)| {
                of(f64::from(phi), at / n_cols + 1, at % n_cols + 1).map_or(f32::NAN, |value| value as f32)
            };
            Cow::Owned(values.map(value).collect())
        };
        match self {
            Self::Phi => Cow::Borrowed(grid.values()),
            Self::Excess => each(&|phi, i, j| Some(phi - chance::baseline(i, j, d))),
            Self::Adjusted => each(&|phi, i, j| adjusted(phi, chance::baseline(i, j, d))),
            Self::Z => each(&|phi, i, j| chance::z_of(phi, i, j, d)),
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Quantity {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|quantity| quantity.name() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            Fault::new(quoted(name), format!("one of {known}")).of("value").invalid()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_quantity_is_0_at_chance_but_phi() {
        let chance = (0..4).map(|at| (at / 2 + 1).max(at % 2 + 1) as f32 / 16.0).collect();
        let grid = Grid::new(2, 2, 16, chance).unwrap();
        assert_eq!(Quantity::Phi.of(&grid)[3], 0.125);
        for quantity in [Quantity::Excess, Quantity::Adjusted, Quantity::Z] {
            assert!(quantity.of(&grid).iter().all(|value| value.abs() < 1e-6), "{quantity}");
            assert_eq!(quantity.name().parse::<Quantity>().unwrap(), quantity);
        }
        let same = Grid::new(1, 2, 2, vec![1.0, 1.0]).unwrap();
        assert_eq!(Quantity::Excess.of(&same).as_ref(), [0.5, 0.0]);
        assert_eq!(Quantity::Adjusted.of(&same)[0], 1.0);
        // The whole space contains everything.
        assert!(Quantity::Adjusted.of(&same)[1].is_nan() && Quantity::Z.of(&same)[1].is_nan());
        assert!("beauty".parse::<Quantity>().is_err());
    }
}
