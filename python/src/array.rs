//! Numbers that numpy reads in place.

use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Where the numbers lie. None of these moves or changes while Python holds the array.
pub(crate) enum Numbers {
    F32(Vec<f32>),
    F64(Vec<f64>),
    /// Numbers of something that is shared.
    Lent(Box<dyn AsRef<[f32]> + Send + Sync>),
}

/// Numbers that `numpy.asarray` reads without copying them, and cannot write.
#[pyclass(frozen, module = "lorascope._lorascope")]
pub(crate) struct Array {
    numbers: Numbers,
    shape: Vec<usize>,
}

impl Array {
    /// Numbers row after row; as many as the shape has places.
    pub(crate) fn new(numbers: Numbers, shape: Vec<usize>) -> Self {
        Self { numbers, shape }
    }
}

#[pymethods]
impl Array {
    /// What numpy asks for: <https://numpy.org/doc/stable/reference/arrays.interface.html>. The array that it makes holds on to
    /// this object, and so to the numbers.
    #[getter(__array_interface__)]
    fn array_interface<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (address, letter) = match &self.numbers {
            Numbers::F32(values) => (values.as_ptr().addr(), "f4"),
            Numbers::F64(values) => (values.as_ptr().addr(), "f8"),
            Numbers::Lent(owner) => ((**owner).as_ref().as_ptr().addr(), "f4"),
        };
        let is_read_only = true;
        let order = if cfg!(target_endian = "big") { '>' } else { '<' };
        let interface = PyDict::new(py);
        interface.set_item("version", 3)?;
        interface.set_item("data", (address, is_read_only))?;
        interface.set_item("typestr", format!("{order}{letter}"))?;
        interface.set_item("shape", pyo3::types::PyTuple::new(py, &self.shape)?)?;
        Ok(interface)
    }
}
