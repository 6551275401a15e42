//! The compiled part of the Python package: it calls the library and the commands, and computes nothing itself.
//!
//! Every function takes the words of a command line, which `lorascope/_options.py` makes of named arguments, so that an option
//! means the same here and in a shell.

mod adapter;
mod array;
mod arrow;
mod columns;
mod errors;
mod pair;
mod scan;

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use lorascope::cli::embedded::{self, Given, Line};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use self::adapter::Adapter;
use self::array::Array;
use self::arrow::arrow_stream;
use self::pair::PyPair;
use self::scan::Scanned;

/// What a command says besides its result: a label and a message for each line.
type Said = Vec<(String, String)>;

fn said(lines: Vec<Line>) -> Said {
    let text = |line: Line| match line.remedy {
        Some(remedy) => (line.label, format!("{} ({})", line.message, embedded::hint(&remedy))),
        None => (line.label, line.message),
    };
    lines.into_iter().map(text).collect()
}

fn given(adapters: HashMap<PathBuf, PyRef<'_, Adapter>>) -> Given {
    Arc::new(adapters.into_iter().map(|(path, adapter)| (path, adapter.0.clone())).collect())
}

/// Runs the command line in the words, whose first is the program's name, and returns its exit code.
#[pyfunction]
fn main(py: Python<'_>, words: Vec<OsString>) -> u8 {
    py.detach(|| lorascope::cli::main_of(words))
}

/// Runs a command and returns what it prints and says. `adapters` are open already.
#[pyfunction]
fn run<'py>(
    py: Python<'py>,
    words: Vec<OsString>,
    adapters: HashMap<PathBuf, PyRef<'_, Adapter>>,
) -> PyResult<(Bound<'py, PyBytes>, Said)> {
    let given = given(adapters);
    let (result, lines) = py.detach(|| embedded::run(&words, given));
    let stdout = result.map_err(|failure| errors::raised(py, failure))?;
    Ok((PyBytes::new(py, &stdout), said(lines)))
}

/// Opens what the words of `inspect` name; a file of several only if `all` may be, of which the first is returned.
#[pyfunction]
fn open(py: Python<'_>, words: Vec<OsString>, all: bool) -> PyResult<Adapter> {
    let opened = py.detach(|| embedded::open(&words, all)).map_err(|failure| errors::raised(py, failure))?;
    Ok(Adapter::new(opened.into_iter().next().expect("what opens has at least one adapter")))
}

/// Compares two checkpoints.
#[pyfunction]
fn compare(
    py: Python<'_>,
    words: Vec<OsString>,
    adapters: HashMap<PathBuf, PyRef<'_, Adapter>>,
) -> PyResult<(PyPair, Said)> {
    let given = given(adapters);
    let (result, lines) = py.detach(|| embedded::compare(&words, given));
    let pair = result.map_err(|failure| errors::raised(py, failure))?;
    Ok((PyPair::new(pair), said(lines)))
}

// No lock of the interpreter guards anything: all that is shared is never written.
#[pymodule(gil_used = false)]
fn _lorascope(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<Adapter>()?;
    module.add_class::<Array>()?;
    module.add_class::<PyPair>()?;
    module.add_class::<Scanned>()?;
    module.add_function(wrap_pyfunction!(main, module)?)?;
    module.add_function(wrap_pyfunction!(run, module)?)?;
    module.add_function(wrap_pyfunction!(open, module)?)?;
    module.add_function(wrap_pyfunction!(compare, module)?)?;
    module.add_function(wrap_pyfunction!(scan::scan, module)?)?;
    module.add_function(wrap_pyfunction!(arrow_stream, module)?)
}
