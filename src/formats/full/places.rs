//! The weights of a model by the names of the modules that adapters have for them.

use std::ops::Range;

use super::layout::{Conv1d, Layout, is_embedding};
use super::weight::Weight;
use crate::adapter::Dtype;
use crate::error::{Fault, Result};
use crate::formats::contents::Tensors;
use crate::formats::limits::Limits;
use crate::formats::llama_cpp::LlamaCpp;
use crate::formats::schemes;
use crate::formats::tensor::Tensor;
use crate::names::{FileNames, Weight as Named, natural_cmp};
use crate::text::quoted;

/// A weight, or a part of a fused one.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The canonical name of the module.
    pub(super) name: String,
    /// Its path in the file, with the part of a fused weight at its end.
    pub(super) original: String,
    pub(super) tensor: String,
    layout: Layout,
    /// The rows of the weight that are this part.
    rows: Option<Range<usize>>,
    /// Whether its parts are places too.
    pub(super) is_cut: bool,
}

impl Place {
    /// Whether it is a part of a fused weight.
    pub(super) fn is_part(&self) -> bool {
        self.rows.is_some()
    }

    /// # Errors
    /// As `BaseModel::weight`.
    pub(super) fn weight(&self, tensor: &Tensor, limits: &Limits) -> Result<Weight> {
        let stored = tensor.factor(&self.tensor, limits)?;
        let unknown = |found: &str| {
            let fault = Fault::new(found, "a weight whose rows are outputs").at(stored.path());
            fault.of(format!("tensor {}", quoted(&self.tensor))).unsupported()
        };
        let whole = match self.layout {
            Layout::AsStored => stored.clone(),
            Layout::Transposed => stored.clone().transposed(),
            Layout::InHalves(n_heads) => stored
                .clone()
                .in_halves(n_heads)
                .ok_or_else(|| unknown("rows that are not those of its heads"))?,
            Layout::Unknown(what) => return Err(unknown(what)),
        };
        let factor = match &self.rows {
            Some(rows) => whole.row_range(rows.clone()),
            None => whole,
        };
        Ok(Weight::new(self.name.clone(), factor))
    }
}

/// A matrix of a model before it has a canonical name.
struct Matrix<'a> {
    tensor: &'a str,
    original: &'a str,
    path: String,
    layout: Layout,
    /// d_in and d_out.
    shape: [usize; 2],
}

/// Every weight of a model, and the parts of those that are cut.
pub(super) fn of(tensors: &Tensors, llama_cpp: &LlamaCpp) -> Vec<Place> {
    let stored =
        || tensors.iter().filter_map(|(name, tensor)| Some((name.as_str(), matrix_shape(name, tensor)?)));
    let conv1d = Conv1d::of(stored().map(|(name, shape)| (module(name), shape)));
    let mut matrices: Vec<Matrix<'_>> =
        stored().filter_map(|(name, shape)| matrix(name, shape, conv1d, llama_cpp)).collect();
    matrices.sort_by(|x, y| natural_cmp(x.tensor, y.tensor));
    let named = |matrix: &'_ Matrix<'_>| (matrix.path.clone(), matrix.shape);
    let weights: Vec<(String, [usize; 2])> = matrices.iter().map(named).collect();
    let names = FileNames::of(weights.iter().map(|(path, shape)| Named { path, shape: Some(*shape) }));
    let mut places = vec![];
    for Matrix { tensor, original, path, layout, shape } in matrices {
        let weight = Named { path: &path, shape: Some(shape) };
        let is_gpt2 = conv1d.is_gpt2() && layout == Layout::Transposed;
        let parts = schemes::parts_of(&names, weight, is_gpt2).unwrap_or_default();
        let place = Place {
            name: names.canonical(weight),
            original: original.to_owned(),
            tensor: tensor.to_owned(),
            layout,
            rows: None,
            is_cut: !parts.is_empty(),
        };
        for (part, rows) in parts {
            let path = format!("{path}.{part}");
            let shape = Some([shape[0], rows.len()]);
            places.push(Place {
                name: names.canonical(Named { path: &path, shape }),
                original: format!("{original}.{part}"),
                rows: Some(rows),
                is_cut: false,
                ..place.clone()
            });
        }
        places.push(place);
    }
    places
}

/// The module's path in the file.
fn module(tensor: &str) -> &str {
    tensor.strip_suffix(".weight").unwrap_or(tensor)
}

/// Rows and columns of what can be a weight: a matrix or the kernel of a convolution, of numbers that are not counts or indices.
fn matrix_shape(name: &str, tensor: &Tensor) -> Option<[u64; 2]> {
    let is_layer = name.ends_with(".weight");
    let is_matrix = tensor.shape.len() == 2 || is_layer && (3..=5).contains(&tensor.shape.len());
    // A quantised layer is there, though its numbers are of no type that is read.
    let is_number = |dtype: Option<Dtype>| dtype.is_some() || is_layer;
    let (rows, cols) = tensor.as_matrix().filter(|_| is_matrix && is_number(tensor.number()))?;
    Some([rows, cols])
}

fn matrix<'a>(tensor: &'a str, stored: [u64; 2], conv1d: Conv1d, llama_cpp: &LlamaCpp) -> Option<Matrix<'a>> {
    let original = module(tensor);
    let architecture = llama_cpp.architecture.as_deref();
    let (path, layout) = match architecture {
        Some(_) => {
            let path = schemes::llama_cpp_path(original, architecture);
            (path.unwrap_or_else(|| original.to_owned()), of_llama_cpp(original, llama_cpp))
        }
        None if is_embedding(original) => (original.to_owned(), Layout::Transposed),
        None => (original.to_owned(), conv1d.layout(original, stored).unwrap_or(Layout::AsStored)),
    };
    let [rows, cols] = stored.map(usize::try_from);
    let (rows, cols) = (rows.ok()?, cols.ok()?);
    let shape = if layout == Layout::Transposed { [rows, cols] } else { [cols, rows] };
    Some(Matrix { tensor, original, path, layout, shape })
}

fn of_llama_cpp(module: &str, llama_cpp: &LlamaCpp) -> Layout {
    if schemes::is_token_embedding(module) {
        return Layout::Transposed;
    }
    match schemes::permuted(module, llama_cpp.architecture.as_deref()) {
        None => Layout::AsStored,
        Some(place) => match llama_cpp.n_heads.get(place).copied().flatten() {
            Some(n_heads) => Layout::InHalves(n_heads),
            None => Layout::Unknown("rows in the order of another rotary embedding, and no count of heads"),
        },
    }
}
