//! Two checkpoints, compared.

use std::sync::Arc;

use lorascope::cli::embedded;
use lorascope::{Basis, Grid, names};
use pyo3::prelude::*;

use crate::adapter::Adapter;
use crate::array::{Array, Numbers};
use crate::errors;

/// What came of a comparison, shared by the arrays that read its grids.
struct Pair(embedded::Pair);

impl Pair {
    fn grid(&self, module: usize) -> &Grid {
        &self.0.modules()[module].grid
    }
}

/// The grid of a module, which keeps the whole comparison.
struct GridOf(Arc<Pair>, usize);

impl AsRef<[f32]> for GridOf {
    fn as_ref(&self) -> &[f32] {
        self.0.grid(self.1).values()
    }
}

/// Two checkpoints, compared; `lorascope.Comparison` has it.
#[pyclass(frozen, name = "Pair", module = "lorascope._lorascope")]
pub(crate) struct PyPair(Arc<Pair>);

impl PyPair {
    pub(crate) fn new(pair: embedded::Pair) -> Self {
        Self(Arc::new(Pair(pair)))
    }

    fn basis(&self, module: usize, of_b: bool) -> &Basis {
        let factorised = &self.0.0.modules()[module].factorised;
        if of_b { &factorised.b } else { &factorised.a }
    }
}

#[pymethods]
impl PyPair {
    /// What `compare --json` prints.
    fn json(&self, py: Python<'_>, grids: bool) -> PyResult<String> {
        py.detach(|| self.0.0.json(grids)).map_err(|failure| errors::raised(py, failure))
    }

    /// The same without grids and digests.
    fn facts_json(&self, py: Python<'_>) -> PyResult<String> {
        self.0.0.facts_json().map_err(|failure| errors::raised(py, failure))
    }

    /// Canonical names of the modules, in the order of the rows.
    fn names(&self) -> Vec<String> {
        self.0.0.modules().iter().map(|one| one.factorised.pair.name().to_owned()).collect()
    }

    /// Layer and projection of a module, from its name.
    fn place(&self, module: usize) -> (Option<usize>, Option<&'static str>) {
        let name = self.0.0.modules()[module].factorised.pair.name();
        (names::layer(name), names::Projection::of(name).map(names::Projection::name))
    }

    /// φ of a module, (q_a, q_b).
    fn phi(&self, module: usize) -> Array {
        let grid = self.0.grid(module);
        let shape = vec![grid.n_rows(), grid.n_cols()];
        Array::new(Numbers::Lent(Box::new(GridOf(Arc::clone(&self.0), module))), shape)
    }

    /// Singular values of a module in one of the checkpoints.
    fn sigma(&self, module: usize, of_b: bool) -> Array {
        let sigma = self.basis(module, of_b).sigma().to_vec();
        let n = sigma.len();
        Array::new(Numbers::F64(sigma), vec![n])
    }

    /// Both checkpoints.
    fn adapters(&self) -> (Adapter, Adapter) {
        let [a, b] = self.0.0.adapters();
        (Adapter::new(a.clone()), Adapter::new(b.clone()))
    }

    #[getter]
    fn side(&self) -> String {
        self.0.0.side().to_string()
    }

    /// What the two are to each other, in a word and in a sentence.
    #[getter]
    fn relation(&self) -> (&'static str, String) {
        let relation = self.0.0.relation();
        (relation.word(), relation.to_string())
    }

    /// What computed it.
    #[getter]
    fn engine(&self) -> String {
        self.0.0.engine().to_string()
    }
}
