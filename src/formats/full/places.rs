//! The weights of a model by the names of the modules that adapters have for them.

use std::ops::Range;
use std::path::Path;

use super::layout::{Conv1d, Layout, is_embedding, is_token_embedding};
use super::stacks::{Stack, Stacks};
use super::weight::Weight;
use crate::adapter::Dtype;
use crate::error::{Fault, Result};
use crate::formats::contents::Tensors;
use crate::formats::limits::{Limit, Limits};
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
    /// The canonical name of the module around it, which adapters have for q, k and v of PyTorch's `MultiheadAttention`.
    pub(super) around: Option<String>,
    /// Its path in the file, with the part of a fused weight at its end.
    pub(super) original: String,
    pub(super) tensor: String,
    layout: Layout,
    /// The rows of the weight that are this part.
    rows: Option<Range<usize>>,
    /// Whether its parts are places too.
    pub(super) is_cut: bool,
    /// Which matrix of the tensor it is, where the experts of a layer are stacked in one.
    expert: Option<u64>,
}

impl Place {
    /// Whether it is a part of a fused weight.
    pub(super) fn is_part(&self) -> bool {
        self.rows.is_some()
    }

    /// The output layer, (tokens, d), that an embedding of tokens is too where it is tied to it; `None` for another weight.
    pub(super) fn tied_output(&self) -> Option<Self> {
        let layout = (is_token_embedding(&self.name) && self.layout == Layout::Transposed)
            .then_some(Layout::AsStored)?;
        Some(Self { name: OUTPUT.to_owned(), original: OUTPUT.to_owned(), layout, ..self.clone() })
    }

    /// # Errors
    /// As `BaseModel::weight`.
    pub(super) fn weight(&self, tensor: &Tensor, limits: &Limits) -> Result<Weight> {
        let stored = match self.expert {
            None => tensor.factor(&self.tensor, limits)?,
            Some(expert) => tensor
                .at(expert)
                .ok_or_else(|| {
                    let fault = Fault::new(format!("no expert {expert}"), "each of them");
                    fault.of(format!("tensor {}", quoted(&self.tensor))).malformed()
                })?
                .factor(&self.tensor, limits)?,
        };
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

/// What the output layer is called.
const OUTPUT: &str = "lm_head";

/// A matrix of a model before it has a canonical name.
struct Matrix<'a> {
    tensor: &'a str,
    original: String,
    path: String,
    layout: Layout,
    /// d_in and d_out.
    shape: [usize; 2],
    expert: Option<u64>,
}

/// Every weight of a model, and the parts of those that are cut.
///
/// # Errors
/// `Limit` for more experts than there may be modules.
pub(super) fn of(
    path: &Path,
    tensors: &Tensors,
    llama_cpp: &LlamaCpp,
    limits: &Limits,
) -> Result<Vec<Place>> {
    let stacks = Stacks::of(tensors);
    let n_experts = stacks.n_experts();
    limits.check(Limit::Modules, n_experts, path, || format!("{n_experts} experts"))?;
    let stored = || {
        let apart = tensors.iter().filter(|(name, _)| stacks.get(name).is_none());
        apart.filter_map(|(name, tensor)| Some((name.as_str(), matrix_shape(name, tensor)?)))
    };
    let conv1d = Conv1d::of(stored().map(|(name, shape)| (module(name), shape)));
    let mut matrices: Vec<Matrix<'_>> =
        stored().filter_map(|(name, shape)| matrix(name, shape, conv1d, llama_cpp)).collect();
    matrices.extend(stacks.iter().flat_map(|(name, stack)| experts(name, stack, llama_cpp)));
    matrices.sort_by(|x, y| natural_cmp(x.tensor, y.tensor).then(x.expert.cmp(&y.expert)));
    let named = |matrix: &'_ Matrix<'_>| (matrix.path.clone(), matrix.shape);
    let weights: Vec<(String, [usize; 2])> = matrices.iter().map(named).collect();
    let names = FileNames::of(weights.iter().map(|(path, shape)| Named { path, shape: Some(*shape) }));
    let mut places = vec![];
    for Matrix { tensor, original, path, layout, shape, expert } in matrices {
        let weight = Named { path: &path, shape: Some(shape) };
        let is_gpt2 = conv1d.is_gpt2() && layout == Layout::Transposed;
        let around = tensor.strip_suffix(IN_PROJ).and(path.strip_suffix(".in_proj"));
        let parts = match around {
            Some(_) => thirds(shape),
            None => schemes::parts_of(&names, weight, is_gpt2).unwrap_or_default(),
        };
        let place = Place {
            name: names.canonical(weight),
            around: around.map(|path| names.canonical(Named { path, shape: Some(shape) })),
            original: original.clone(),
            tensor: tensor.to_owned(),
            layout,
            rows: None,
            is_cut: !parts.is_empty(),
            expert,
        };
        for (part, rows) in parts {
            let path = format!("{path}.{part}");
            let shape = Some([shape[0], rows.len()]);
            places.push(Place {
                name: names.canonical(Named { path: &path, shape }),
                original: format!("{original}.{part}"),
                rows: Some(rows),
                around: None,
                is_cut: false,
                ..place.clone()
            });
        }
        places.push(place);
    }
    Ok(places)
}

/// The matrices of a stack.
fn experts<'a>(
    tensor: &'a str,
    stack: &Stack,
    llama_cpp: &LlamaCpp,
) -> impl Iterator<Item = Matrix<'a>> + use<'a> {
    let original = module(tensor);
    let architecture = llama_cpp.architecture.as_deref();
    let path = architecture.and_then(|_| schemes::llama_cpp_path(original, architecture));
    let path = path.unwrap_or_else(|| original.to_owned());
    let Stack { n_experts, shape: [rows, cols], layout } = *stack;
    let shape = if layout == Layout::Transposed { [rows, cols] } else { [cols, rows] };
    (0..n_experts).map(move |expert| Matrix {
        tensor,
        original: schemes::expert_path(original, expert),
        path: schemes::expert_path(&path, expert),
        layout,
        shape,
        expert: Some(expert),
    })
}

/// The module's path in the file.
fn module(tensor: &str) -> &str {
    let end = if tensor.ends_with(IN_PROJ) { "_weight" } else { ".weight" };
    tensor.strip_suffix(end).unwrap_or(tensor)
}

/// The weight of q, k and v of PyTorch's `MultiheadAttention`: a parameter of it, and not a layer with a weight.
const IN_PROJ: &str = ".in_proj_weight";

/// q, k and v, if there are three times as many rows as columns.
fn thirds([d_in, d_out]: [usize; 2]) -> Vec<(&'static str, Range<usize>)> {
    match d_in.checked_mul(3) {
        Some(rows) if rows == d_out => {
            vec![("q", 0..d_in), ("k", d_in..2 * d_in), ("v", 2 * d_in..3 * d_in)]
        }
        _ => vec![],
    }
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
    Some(Matrix { tensor, original: original.to_owned(), path, layout, shape, expert: None })
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
