//! An opened checkpoint.

use std::path::PathBuf;

use lorascope::{Error, Layers, ModulePair, ModuleSvd, OpenOptions, Selection, Side};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rayon::prelude::*;

use crate::array::{Array, Numbers};
use crate::errors;

/// An opened checkpoint; `lorascope.Adapter` has it.
#[pyclass(frozen, name = "Adapter", module = "lorascope._lorascope")]
pub(crate) struct Adapter(pub(crate) lorascope::Adapter);

impl Adapter {
    pub(crate) fn new(adapter: lorascope::Adapter) -> Self {
        Self(adapter)
    }
}

/// A module's name, u, sigma and v.
type Vectors = (String, Array, Array, Array);
/// Names of modules, and why they are left out.
type LeftOut = Vec<(String, String)>;

#[pymethods]
impl Adapter {
    /// Opens what would be in a file, with the text of its config.
    #[staticmethod]
    fn of_bytes(
        py: Python<'_>,
        label: PathBuf,
        bytes: &Bound<'_, PyBytes>,
        config: Option<&str>,
        adapter_name: Option<&str>,
    ) -> PyResult<Self> {
        let bytes = bytes.as_bytes().to_vec();
        let opened = py.detach(|| options(adapter_name).open_bytes(label, bytes, config));
        opened.map(Self).map_err(|error| errors::raised(py, error.into()))
    }

    #[getter]
    fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    #[getter]
    fn base_model(&self) -> Option<&str> {
        self.0.base_model()
    }

    #[getter]
    fn adapter_name(&self) -> Option<&str> {
        self.0.adapter_name()
    }

    #[getter]
    fn naming_scheme(&self) -> String {
        self.0.naming_scheme().to_string()
    }

    #[getter]
    fn file_format(&self) -> String {
        self.0.file_format().to_string()
    }

    #[getter]
    fn method(&self) -> String {
        self.0.method().to_string()
    }

    /// Name, rank, d_in, d_out and scaling of each module.
    fn modules(&self) -> Vec<(String, usize, usize, usize, Option<f64>)> {
        let facts = |module: &lorascope::Module| {
            (module.name.clone(), module.rank(), module.d_in(), module.d_out(), module.scaling)
        };
        self.0.modules().iter().map(|module| facts(module)).collect()
    }

    /// Singular vectors and values of each module that is selected and has some, and the names of the others with the reason.
    fn bases(
        &self,
        py: Python<'_>,
        side: &str,
        layer: Option<&str>,
        projections: Vec<String>,
        module: Vec<String>,
    ) -> PyResult<(Vec<Vectors>, LeftOut)> {
        let found = py.detach(|| bases(&self.0, side, layer, &projections, &module));
        let (found, left_out) = found.map_err(|error| errors::raised(py, error.into()))?;
        let arrays = found.into_iter().map(|(name, found)| {
            let (rows, cols, q) = (found.n_rows(), found.n_cols(), found.sigma().len());
            let (u, sigma, v) = found.into_parts();
            let u = Array::new(Numbers::F32(u), vec![rows, q]);
            (name, u, Array::new(Numbers::F64(sigma), vec![q]), Array::new(Numbers::F32(v), vec![cols, q]))
        });
        Ok((arrays.collect(), left_out))
    }
}

type Bases = (Vec<(String, ModuleSvd)>, LeftOut);

fn bases(
    adapter: &lorascope::Adapter,
    side: &str,
    layer: Option<&str>,
    projections: &[String],
    module: &[String],
) -> lorascope::Result<Bases> {
    let side: Side = side.parse()?;
    let mut selection = Selection::new().all().projections(projections).modules(module)?;
    if let Some(layer) = layer {
        selection = selection.layers(layer.parse::<Layers>()?);
    }
    // With itself, an adapter has all its modules in common.
    let selected = selection.select(adapter, adapter, side)?;
    let of = |pair: &ModulePair| (pair.name().to_owned(), ModuleSvd::of(&pair.first, side));
    let (mut found, mut left_out, mut first) = (vec![], vec![], None);
    for (name, one) in selected.pairs.par_iter().map(of).collect::<Vec<_>>() {
        match one {
            Ok(one) => found.push((name, one)),
            Err(error @ Error::Io { .. }) => return Err(error),
            Err(error) => {
                left_out.push((name, error.to_string()));
                first.get_or_insert(error);
            }
        }
    }
    match first {
        Some(error) if found.is_empty() => Err(error),
        _ => Ok((found, left_out)),
    }
}

fn options(adapter_name: Option<&str>) -> OpenOptions {
    match adapter_name {
        Some(name) => OpenOptions::new().adapter_name(name),
        None => OpenOptions::new(),
    }
}
