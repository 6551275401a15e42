//! The values of a statistic for many pairs.

/// The values of one column, one for each pair.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Whole numbers.
    Ints(Vec<i32>),
    /// Numbers that were computed here; NaN for null.
    Numbers(Vec<f64>),
    /// Numbers as an engine made them, and angles; NaN for null.
    Floats(Vec<f32>),
    /// Yes or no; `None` for null.
    Flags(Vec<Option<bool>>),
    /// Several numbers for each pair.
    Lists {
        /// How many each pair has.
        lengths: Vec<usize>,
        /// One pair's after another's.
        values: Vec<f32>,
    },
}

impl Values {
    /// The number of a pair; NaN for null, and where there is not one number.
    pub fn number(&self, pair: usize) -> f64 {
        match self {
            Self::Ints(values) => f64::from(values[pair]),
            Self::Numbers(values) => values[pair],
            Self::Floats(values) => f64::from(values[pair]),
            Self::Flags(_) | Self::Lists { .. } => f64::NAN,
        }
    }

    /// Pairs whose flag is set.
    pub fn n_set(&self) -> usize {
        match self {
            Self::Flags(flags) => flags.iter().filter(|&&flag| flag == Some(true)).count(),
            _ => 0,
        }
    }

    /// The values of the pairs at these places.
    ///
    /// # Panics
    /// For lists: whole grids are kept of every pair.
    pub fn only(&self, places: &[usize]) -> Self {
        fn only<T: Copy>(values: &[T], places: &[usize]) -> Vec<T> {
            places.iter().map(|&place| values[place]).collect()
        }
        match self {
            Self::Ints(values) => Self::Ints(only(values, places)),
            Self::Numbers(values) => Self::Numbers(only(values, places)),
            Self::Floats(values) => Self::Floats(only(values, places)),
            Self::Flags(values) => Self::Flags(only(values, places)),
            Self::Lists { .. } => unreachable!("whole grids are kept of every pair"),
        }
    }
}
