//! Errors as Python raises them: `lorascope.Error` and its kinds, with the facts as attributes.

use lorascope::cli::embedded::{Failure, hint};
use lorascope::{Error, Fault};
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;

/// What `lorascope._errors.make` takes.
#[derive(Default)]
struct Facts {
    kind: &'static str,
    message: String,
    path: Option<String>,
    tensor: Option<String>,
    found: Option<String>,
    expected: Option<String>,
    remedy: Option<String>,
}

/// The exception for a failure.
pub(crate) fn raised(py: Python<'_>, failure: Failure) -> PyErr {
    let facts = match failure {
        Failure::Library(Error::Stopped) => return PyKeyboardInterrupt::new_err("stopped"),
        Failure::Library(error) => of_library(&error),
        Failure::Usage(fault) => of_fault("Invalid", as_argument(*fault)),
        Failure::Other(message) => Facts { kind: "", message, ..Facts::default() },
    };
    made(py, facts).unwrap_or_else(|error| error)
}

fn made(py: Python<'_>, facts: Facts) -> PyResult<PyErr> {
    let Facts { kind, message, path, tensor, found, expected, remedy } = facts;
    let make = py.import("lorascope._errors")?.getattr("make")?;
    Ok(PyErr::from_value(make.call1((kind, message, path, tensor, found, expected, remedy))?))
}

fn of_library(error: &Error) -> Facts {
    let kind = match error {
        Error::Io { action, path, cause } => {
            return Facts {
                kind: "Io",
                message: error.to_string(),
                path: Some(path.display().to_string()),
                found: Some(format!("cannot {action}: {cause}")),
                ..Facts::default()
            };
        }
        Error::NotFound(_) => "NotFound",
        Error::Malformed(_) => "Malformed",
        Error::Unsupported(_) => "Unsupported",
        Error::Limit(_) => "Limit",
        Error::Invalid(_) => "Invalid",
        Error::Gpu(_) => "Gpu",
        _ => "",
    };
    match error.fault() {
        Some(fault) => of_fault(kind, as_argument(fault.clone())),
        None => Facts { kind, message: error.to_string(), ..Facts::default() },
    }
}

fn of_fault(kind: &'static str, fault: Fault) -> Facts {
    Facts {
        kind,
        message: fault.to_string(),
        path: fault.path.map(|path| path.display().to_string()),
        tensor: fault.subject,
        found: Some(fault.found),
        expected: fault.expected,
        remedy: fault.remedy.as_ref().map(hint),
    }
}

/// An option that is at fault is an argument here.
fn as_argument(mut fault: Fault) -> Fault {
    if let Some(option) = fault.subject.as_ref().and_then(|subject| subject.strip_prefix("--")) {
        fault.subject = Some(option.replace('-', "_"));
    }
    fault
}
