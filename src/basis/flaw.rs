//! What is wrong with a module's numbers.

use std::fmt;

use crate::adapter::{Factor, Module, Side};
use crate::error::{Error, Fault, Remedy};
use crate::text::quoted;

/// Why a module has no subspace on a side, or no update.
#[derive(Debug, Clone)]
pub struct Flaw {
    reason: String,
    fault: Box<Fault>,
    /// Which error it is when nothing can go on without the module.
    kind: fn(Fault) -> Error,
    /// Whether the numbers are known and have no direction, as zeros have none.
    is_without_direction: bool,
}

impl Flaw {
    /// Whether the numbers are known, and without a direction: the update is zero, or below its own rounding.
    pub fn is_without_direction(&self) -> bool {
        self.is_without_direction
    }

    /// The reason in a few words, such as `B is all zeros` or `A has NaN`: the same for all modules that have this flaw.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The facts: the file, the tensor, what was found and what was expected.
    pub fn fault(&self) -> &Fault {
        &self.fault
    }

    /// The error for who cannot go on without the module: `Malformed` for numbers that are not finite or cannot be unpacked,
    /// `Invalid` for a scaling that is not finite, else `Unsupported`.
    pub fn into_error(self) -> Error {
        (self.kind)(*self.fault)
    }

    /// The same when nothing is left: none of `n` modules could be measured.
    pub(crate) fn into_error_of_all(mut self, n: usize) -> Error {
        if n > 1 {
            let expected = self.fault.expected.get_or_insert_default();
            *expected += &format!(" in one of the {n} modules at least");
        }
        self.into_error()
    }

    /// Of a factor whose numbers cannot be read.
    pub(super) fn unreadable(symbol: &str, fault: Box<Fault>) -> Self {
        // `NaN at [0, 1]` without its place.
        let what = fault.found.split(" at [").next().unwrap_or_default();
        let what = if matches!(what, "inf" | "-inf") { "an infinity" } else { what };
        let reason = format!("{symbol} has {what}");
        Self { reason, fault, kind: Fault::malformed, is_without_direction: false }
    }

    /// Of a factor of zeros.
    pub(super) fn zeros(symbol: &str, factor: &Factor, remedy: Option<Remedy>) -> Self {
        let found = format!("nothing but zeros in {} × {}", factor.rows, factor.cols);
        let mut fault = located(Fault::new(found, "a trained factor"), factor);
        fault.remedy = remedy;
        let (reason, fault) = (format!("{symbol} is all zeros"), Box::new(fault));
        Self { reason, fault, kind: Fault::unsupported, is_without_direction: true }
    }

    /// Of a weight of a full model that is the base's.
    pub(super) fn unchanged(factor: &Factor) -> Self {
        let found = format!("no change of {} above the rounding of the two weights", factor.dtype);
        let fault = Box::new(located(Fault::new(found, "a weight that was trained"), factor));
        let reason = "the weight is the base model's".to_owned();
        Self { reason, fault, kind: Fault::unsupported, is_without_direction: true }
    }

    /// Of a side that a module does not have, whose update is not B·A.
    pub(super) fn other_form(side: Side, module: &Module) -> Self {
        let form = module.a.made.as_ref().map_or("", |made| made.update.form.method());
        let found = format!("{form}, whose update is not B·A");
        let fault = Fault::new(found, format!("a factor {}", side.symbol())).at(module.a.path());
        let mut fault = fault.of(format!("module {}", quoted(&module.name)));
        fault.remedy = Some(Remedy::CompareUpdate);
        let reason = format!("{form} has no {}", side.symbol());
        Self { reason, fault: Box::new(fault), kind: Fault::unsupported, is_without_direction: false }
    }

    /// Of an update whose numbers are about a power of two that f64 does not go to.
    pub(super) fn beyond_f64(module: &Module, exponent: i32) -> Self {
        let fault = beyond_f64(exponent).at(module.b.path()).of(format!("module {}", quoted(&module.name)));
        let fault = fault.hint("sides a and b have subspaces that do not depend on the size");
        let reason = format!("ΔW is too {} for f64", if exponent > 0 { "large" } else { "small" });
        Self { reason, fault: Box::new(fault), kind: Fault::unsupported, is_without_direction: false }
    }

    /// Of a scaling that makes the update zero, or that is not finite.
    pub(super) fn scaling(module: &Module, scaling: f64) -> Self {
        let expected = if scaling == 0.0 { "an update that is not zero" } else { "a finite one" };
        let fault = Fault::new(format!("a scaling of {scaling}"), expected).at(module.b.path());
        let fault = fault
            .of(format!("module {}", quoted(&module.name)))
            .hint("sides a and b have subspaces that do not depend on the scaling");
        let kind = if scaling == 0.0 { Fault::unsupported } else { Fault::invalid };
        let (reason, fault) = (format!("the scaling is {scaling}"), Box::new(fault));
        Self { reason, fault, kind, is_without_direction: scaling == 0.0 }
    }

    /// Of numbers from which no basis could be made, of a factor or of an update, whose B is to blame.
    pub(crate) fn without_basis(symbol: &str, error: Error, factor: &Factor) -> Self {
        let is_without_direction = matches!(error, Error::Unsupported(_));
        let (reason, fault, kind): (_, _, fn(Fault) -> Error) = match error {
            Error::Unsupported(fault) => {
                (format!("{symbol} has no direction above its rounding noise"), *fault, Fault::unsupported)
            }
            Error::Invalid(fault) => (format!("{symbol} has {}", fault.found), *fault, Fault::invalid),
            other => (other.to_string(), Fault::stating(other.to_string()), Fault::invalid),
        };
        Self { reason, fault: Box::new(located(fault, factor)), kind, is_without_direction }
    }
}

/// An update whose numbers are about a power of two that f64 does not go to.
pub(super) fn beyond_f64(exponent: i32) -> Fault {
    let decimal = (f64::from(exponent) * 2f64.log10()).round();
    Fault::new(format!("an update of numbers about 1e{decimal}"), "one that f64 holds")
}

/// Adds the file and the tensor to a fault that only knew the numbers.
fn located(fault: Fault, factor: &Factor) -> Fault {
    fault.at(factor.path()).of(format!("tensor `{}`", factor.name))
}

/// A flaw, and where it is: one entry for each adapter in which a module has one.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FlawedModule {
    /// Canonical name of the module, as the first adapter has it.
    pub module: String,
    /// The place of the adapter among those that were given.
    pub adapter: usize,
    /// What is wrong there.
    pub flaw: Flaw,
}

impl FlawedModule {
    /// What was made of a module in every adapter, or in which of them it could not be.
    pub(crate) fn none_of<T>(module: &str, made: Vec<Result<T, Flaw>>) -> Result<Vec<T>, Vec<Self>> {
        let (mut good, mut flawed) = (vec![], vec![]);
        for (adapter, one) in made.into_iter().enumerate() {
            match one {
                Ok(one) => good.push(one),
                Err(flaw) => flawed.push(Self { module: module.to_owned(), adapter, flaw }),
            }
        }
        if flawed.is_empty() { Ok(good) } else { Err(flawed) }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fault.fmt(f)
    }
}
