//! Whether the modules of two checkpoints meet at all, by one rule for every command that pairs them.

use std::fmt;

use crate::names::by_nearness;
use crate::text::quoted;

/// Fewer than half of the modules of the smaller of two checkpoints have a partner in the other: they may be of two models, or the
/// files have two spellings of one that are not known to be the same.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FewMeet {
    /// How many modules have a partner.
    pub n_met: usize,
    /// How many modules each of the two has.
    pub n_modules: [usize; 2],
    /// The name of a module without partner in each of the two: the first one's first, and what is nearest to it in the other.
    pub examples: [String; 2],
}

impl FewMeet {
    /// The rule, for the names of the modules that are left without partner. `None` where enough of them meet.
    pub(crate) fn of<'a, L: IntoIterator<Item = &'a str>>(n_met: usize, left: [L; 2]) -> Option<Self> {
        let [first, second] = left.map(|left| left.into_iter().collect::<Vec<&str>>());
        let n_modules = [n_met + first.len(), n_met + second.len()];
        if 2 * n_met >= n_modules[0].min(n_modules[1]) {
            return None;
        }
        let here = first.first()?;
        let there = by_nearness(here, second).into_iter().next()?;
        Some(Self { n_met, n_modules, examples: [(*here).to_owned(), there.to_owned()] })
    }
}

impl fmt::Display for FewMeet {
    /// `only 4 of 20 and 22 modules meet by name: ... in the first, ... in the second`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ([n_here, n_there], [here, there]) = (self.n_modules, &self.examples);
        let few = match self.n_met {
            0 => "none".to_owned(),
            n => format!("only {n}"),
        };
        let (here, there) = (quoted(here), quoted(there));
        write!(
            f,
            "{few} of {n_here} and {n_there} modules meet by name: {here} in the first, {there} in the second"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_smaller_checkpoint_is_enough() {
        let few =
            |n_met, left: [&[&'static str]; 2]| FewMeet::of(n_met, left.map(|left| left.iter().copied()));
        assert_eq!(few(2, [&["a", "b"], &["c", "d", "e"]]), None);
        // All of a small one in a large one.
        assert_eq!(few(1, [&[], &["c", "d", "e"]]), None);
        let found = few(1, [&["h.0.q", "h.0.v"], &["lm_head", "h_0_q"]]).unwrap();
        assert_eq!((found.n_met, found.n_modules), (1, [3, 3]));
        assert_eq!(found.examples, ["h.0.q", "h_0_q"]);
        assert_eq!(few(0, [&[], &[]]), None);
        assert!(few(0, [&["a"], &["b"]]).is_some());
    }
}
