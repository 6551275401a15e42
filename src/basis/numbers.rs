//! The numbers of a module, and the one rule for which of them can be measured.
//!
//! A factor of zeros has no subspace, but the update that it makes is known: it is zero. Numbers that are not finite, or
//! cannot be read, leave both unknown. Each factor counts only for what needs it: a side that needs one is measured whatever
//! the other is.

use std::sync::atomic::AtomicBool;

#[cfg(feature = "scan")]
use super::UpdateFactors;
use super::flaw::Flaw;
use super::{Basis, Update};
use crate::adapter::made::Form;
use crate::adapter::{Factor, Matrix, Module, Side};
use crate::error::{Error, Remedy, Result};
use crate::simd;
use crate::sync::stop::NEVER;

/// Factors of a module, as they were read.
pub(crate) struct Numbers<'a> {
    module: &'a Module,
    /// `None` for a factor that was not asked for.
    a: Option<Result<Matrix, Flaw>>,
    b: Option<Result<Matrix, Flaw>>,
}

/// Which factors are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// What the side needs.
    Side,
    /// Also A, which shows a shared start.
    SideAndA,
    /// Both.
    Both,
}

impl<'a> Numbers<'a> {
    /// Reads factors of a module. Those whose numbers are not finite or cannot be unpacked are flaws of the module.
    ///
    /// # Errors
    /// `Io` when the system refuses to read, `Invalid` when the file changed since it was opened.
    pub(crate) fn read(module: &'a Module, side: Side, wanted: Wanted) -> Result<Self> {
        Self::read_until(module, side, wanted, &NEVER)
    }

    /// The same, unless it is told to stop: the factors of some updates are made in many steps.
    ///
    /// # Errors
    /// As [`Numbers::read`]; `Stopped`.
    pub(crate) fn read_until(
        module: &'a Module,
        side: Side,
        wanted: Wanted,
        stop: &AtomicBool,
    ) -> Result<Self> {
        let factors = side.factors(module);
        let needs = |factor: &Factor| factors.iter().any(|needed| std::ptr::eq(*needed, factor));
        let (reads_a, reads_b) = match wanted {
            Wanted::Side => (needs(&module.a), needs(&module.b)),
            Wanted::SideAndA => (true, needs(&module.b)),
            Wanted::Both => (true, true),
        };
        // A side that the module does not have is refused, whatever the numbers are.
        let is_refused = matches!(side, Side::A | Side::B) && module.full_rank().is_some();
        let (reads_a, reads_b) = match is_refused && wanted != Wanted::Both {
            true => (false, false),
            false => (reads_a, reads_b),
        };
        let together = || Factor::made_together(&module.a, &module.b, stop);
        if let Some(made) = (reads_a && reads_b).then(together).flatten() {
            let (a, b) = match made {
                Ok([a, b]) => (Ok(a), Ok(b)),
                Err(Error::Malformed(fault)) => {
                    let flaw = Flaw::unreadable(Side::A.symbol(), fault);
                    (Err(flaw.clone()), Err(flaw))
                }
                Err(error) => return Err(error),
            };
            return Ok(Self { module, a: Some(a), b: Some(b) });
        }
        Ok(Self {
            module,
            a: reads_a.then(|| read(&module.a, Side::A.symbol())).transpose()?,
            b: reads_b.then(|| read(&module.b, Side::B.symbol())).transpose()?,
        })
    }

    /// A, if it was read and its numbers are known. One that is made of other matrices did not start anywhere.
    pub(crate) fn a(&self) -> Option<&Matrix> {
        self.a.as_ref().filter(|_| self.module.full_rank().is_none())?.as_ref().ok()
    }

    /// The numbers of the factor that a side is of: A or B.
    ///
    /// # Errors
    /// What is wrong with them.
    ///
    /// # Panics
    /// If it was not read.
    pub(crate) fn factor(&self, side: Side) -> Result<&Matrix, Flaw> {
        if self.module.full_rank().is_some() {
            return Err(Flaw::other_form(side, self.module));
        }
        there(if side == Side::B { &self.b } else { &self.a })
    }

    /// What is wrong with each of the factors that were read: numbers that are not known, and zeros.
    #[cfg(feature = "cli")]
    pub(crate) fn flaws(&self) -> Vec<Flaw> {
        let Module { a, b, .. } = self.module;
        let read = [(&self.a, a), (&self.b, b)].into_iter().filter(|(read, _)| read.is_some());
        read.filter_map(|(read, factor)| self.not_zero(read, factor).err()).collect()
    }

    /// [`Numbers::a`], handed over.
    pub(crate) fn into_a(self) -> Option<Matrix> {
        self.a.filter(|_| self.module.full_rank().is_none())?.ok()
    }

    /// Why a module has no such side, whatever its numbers are.
    #[cfg(feature = "scan")]
    pub(crate) fn other_form(module: &Module, side: Side) -> Option<Flaw> {
        let is_of_factor = matches!(side, Side::A | Side::B);
        (is_of_factor && module.full_rank().is_some()).then(|| Flaw::other_form(side, module))
    }

    /// Factorises a side.
    ///
    /// # Errors
    /// What is wrong with the factors that it needs.
    ///
    /// # Panics
    /// If a factor that it needs was not read.
    pub(crate) fn basis(&self, side: Side) -> Result<Basis, Flaw> {
        let Module { a, b, .. } = self.module;
        match side {
            // A Tucker decomposition too: its A is a product with the core.
            Side::A | Side::B if self.module.full_rank().is_some() => {
                Err(Flaw::other_form(side, self.module))
            }
            Side::A => {
                let matrix = self.not_zero(&self.a, a)?;
                Basis::of_matrix(matrix, side).map_err(|error| Flaw::without_basis("A", error, a))
            }
            Side::B => {
                let matrix = self.not_zero(&self.b, b)?;
                Basis::of_matrix(matrix, side).map_err(|error| Flaw::without_basis("B", error, b))
            }
            Side::DwLeft | Side::DwRight => {
                // Numbers that are not there first: they can be mended.
                let update = self.update()?;
                self.not_zero(&self.a, a)?;
                self.not_zero(&self.b, b)?;
                if update.scaling == 0.0 {
                    return Err(Flaw::scaling(self.module, update.scaling));
                }
                // B is named where both are to blame: it is the one that starts at zero.
                let basis = Basis::of_update(update.a, update.b, Some(update.scaling), side)
                    .map_err(|error| Flaw::without_basis("ΔW", error, b))?;
                Ok(match b.made.as_ref().and_then(|made| made.update.doubts()) {
                    Some(doubts) => basis.doubting(doubts, update.scaling),
                    None => basis,
                })
            }
        }
    }

    /// As [`Numbers::basis`], with the update itself, whose norm is NaN where it is not known. The basis is a part of it where it is
    /// one of A's or B's and none of its directions is left out.
    ///
    /// # Errors
    /// As [`Numbers::basis`].
    ///
    /// # Panics
    /// If A or B was not read.
    #[cfg(feature = "scan")]
    pub(crate) fn basis_and_update(&self, side: Side) -> Result<(Basis, UpdateFactors), Flaw> {
        let Module { a, b, .. } = self.module;
        let together = match side {
            Side::A | Side::B if self.module.full_rank().is_some() => {
                return Err(Flaw::other_form(side, self.module));
            }
            Side::A => Some(("A", &self.a, a)),
            Side::B => Some(("B", &self.b, b)),
            Side::DwLeft | Side::DwRight => None,
        };
        let update = self.update();
        if let (Ok(update), Some((symbol, read, factor))) = (&update, together) {
            self.not_zero(read, factor)?;
            return Basis::and_update(*update, side)
                .map_err(|error| Flaw::without_basis(symbol, error, factor));
        }
        let basis = self.basis(side)?;
        let factors = match update {
            Ok(update) => UpdateFactors::of_any(update),
            Err(_) => UpdateFactors::empty(a.cols, b.rows, f64::NAN),
        };
        Ok((basis, factors.map_err(|error| Flaw::without_basis("ΔW", error, b))?))
    }

    /// The update, with a scaling of 1 where the files do not determine it. It may be zero.
    ///
    /// # Errors
    /// What is wrong with A, with B, or with the scaling; that f64 does not hold the update.
    ///
    /// # Panics
    /// If one of the two factors was not read.
    pub(crate) fn update(&self) -> Result<Update<'_>, Flaw> {
        let (a, b) = (there(&self.a)?, there(&self.b)?);
        let scaling = self.module.scaling.unwrap_or(1.0);
        if !scaling.is_finite() {
            return Err(Flaw::scaling(self.module, scaling));
        }
        let update = Update { a, b, scaling };
        match update.beyond_f64() {
            Some(exponent) => Err(Flaw::beyond_f64(self.module, exponent)),
            None => Ok(update),
        }
    }

    /// ‖E‖_F of what rounding the weights to their stored types is expected to have left in an update that is their difference; 0 for
    /// any other, whose factors have the rounding.
    pub(crate) fn rounding_of_weights(&self) -> f64 {
        let made = self.module.b.made.as_ref().filter(|made| made.update.form.is_searched());
        made.and_then(|made| made.update.doubts()).map_or(0.0, |doubts| doubts.rounding)
    }

    fn not_zero<'n>(
        &self,
        read: &'n Option<Result<Matrix, Flaw>>,
        factor: &Factor,
    ) -> Result<&'n Matrix, Flaw> {
        let matrix = there(read)?;
        if simd::largest(&matrix.values) != 0.0 {
            return Ok(matrix);
        }
        if factor.made.as_ref().is_some_and(|made| matches!(made.update.form, Form::Difference(_))) {
            return Err(Flaw::unchanged(factor));
        }
        let is_b = std::ptr::eq(factor, &self.module.b);
        let side = if is_b { Side::B } else { Side::A };
        if factor.made.is_some() {
            return Err(Flaw::zeros("ΔW", factor, None));
        }
        Err(Flaw::zeros(side.symbol(), factor, is_b.then_some(Remedy::CompareSideA)))
    }
}

fn there(read: &Option<Result<Matrix, Flaw>>) -> Result<&Matrix, Flaw> {
    read.as_ref().expect("the factors that are used were asked for").as_ref().map_err(Flaw::clone)
}

fn read(factor: &Factor, symbol: &str) -> Result<Result<Matrix, Flaw>> {
    match factor.read() {
        Ok(matrix) => Ok(Ok(matrix)),
        Err(Error::Malformed(fault)) => Ok(Err(Flaw::unreadable(symbol, fault))),
        Err(error) => Err(error),
    }
}
