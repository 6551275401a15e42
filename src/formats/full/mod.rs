//! Full models: the weights that adapters change, found by the names that adapters' modules have.

mod change;
mod difference;
mod dora;
mod for_methods;
mod layout;
mod locate;
mod pipeline;
mod places;
mod stacks;
mod weight;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(super) use self::change::{difference, difference_from};
pub(crate) use self::difference::Trained;
pub(super) use self::locate::{Role, role};
pub(super) use self::pipeline::{is_model_folder, pipeline_of};
use self::places::Place;
pub use self::weight::Weight;
use super::containers;
use super::contents::Tensors;
use super::files::{self, Files};
use super::folder::Model;
use super::limits::Limits;
use super::llama_cpp::LlamaCpp;
use super::schemes::{self, Copies};
use crate::adapter::{FileFormat, Module, Source};
use crate::error::{Fault, Result};
use crate::hub;
use crate::names::canonical;
use crate::text::{listed, quoted};

/// A full model: the names, shapes and places of its weights.
///
/// Made from headers only, so that a model of 100 GB opens in milliseconds; a [`Weight`] reads its own numbers.
///
/// ```
/// use lorascope::BaseModel;
///
/// let base = BaseModel::open("tests/data/weights/value-layer5.safetensors")?;
/// let value = base.weight("encoder.layer.5.attention.self.value")?.expect("it is there");
/// assert_eq!((value.d_out(), value.d_in()), (240, 384));
/// assert!(base.weight("encoder.layer.5.attention.self.query")?.is_none());
/// # Ok::<(), lorascope::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct BaseModel {
    path: PathBuf,
    file_format: FileFormat,
    /// The file, or its shards in natural order.
    sources: Vec<Source>,
    tensors: Tensors,
    /// In natural order of the tensors' names.
    places: Vec<Place>,
    /// Which of them have a canonical name.
    by_name: BTreeMap<String, Vec<usize>>,
    /// Which of them have a path or a tensor of a name.
    by_original: BTreeMap<String, Vec<usize>>,
    /// The output layer, where it is not stored: the only embedding of tokens.
    tied: Option<Place>,
    /// Tensors of other copies of the model, with the fronts of their names.
    left_out: BTreeMap<String, String>,
    limits: Limits,
}

impl BaseModel {
    /// Opens a file of weights (safetensors, what `torch.save` writes, GGUF), a shard or an index of one in shards, or a folder with
    /// `model.safetensors`, `pytorch_model.bin` or diffusers' names for them, in shards too, else the only such file in it; or a
    /// pipeline of diffusers, whose UNet or transformer and text encoders are one model here. Reads only headers, within the default [`Limits`]. Pickles are never executed.
    ///
    /// # Errors
    /// - `Io` when the system refuses to read.
    /// - `NotFound` when nothing is at the path.
    /// - `Malformed` when a file breaks its format, a shard is missing, or an index leads out of its folder.
    /// - `Unsupported` when it is of another file format, an adapter, or without a weight.
    /// - `Limit` when it asks for more than the limits allow.
    /// - `Invalid` when the folder holds no model, or several.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, &Limits::default())
    }

    /// Opens a base model within other limits.
    ///
    /// # Errors
    /// As [`BaseModel::open`].
    pub fn open_with(path: impl AsRef<Path>, limits: &Limits) -> Result<Self> {
        let path = &*hub::local(path.as_ref())?;
        let files = match pipeline::components(path)? {
            Some(components) => pipeline::join(path, &components, limits)?,
            None => of_model(path, locate::model(path, limits)?, limits)?,
        };
        let Files { sources, file_format, mut contents, .. } = files;
        let copies = Copies::of(&contents);
        if schemes::claim(path, &contents.tensors, &copies).is_ok() {
            let fault = Fault::new("an adapter", "a full model").at(path);
            return Err(fault.hint("give the model that the adapter was trained from").unsupported());
        }
        let left_out = other_copies(&contents.tensors, &copies);
        contents.tensors.retain(|name, _| !left_out.contains_key(name));
        let places = places::of(path, &contents.tensors, &LlamaCpp::of(&contents.metadata), limits)?;
        if places.is_empty() {
            let names = listed(contents.tensors.keys().map(String::as_str));
            let found = if names.is_empty() { "no tensors".to_owned() } else { format!("only {names}") };
            return Err(Fault::new(found, "the weights of a model").at(path).other_kind().unsupported());
        }
        let (mut by_name, mut by_original) = (BTreeMap::new(), BTreeMap::new());
        let enter = |names: &mut BTreeMap<String, Vec<usize>>, name: &str, at| {
            names.entry(name.to_owned()).or_default().push(at);
        };
        for (at, place) in places.iter().enumerate() {
            enter(&mut by_name, &place.name, at);
            place.around.iter().for_each(|name| enter(&mut by_name, name, at));
            enter(&mut by_original, &place.original, at);
            if !place.is_part() && place.tensor != place.original {
                enter(&mut by_original, &place.tensor, at);
            }
        }
        let tied = tied_output(&places);
        let tensors = contents.tensors;
        Ok(Self {
            path: path.to_owned(),
            file_format,
            sources,
            left_out,
            tensors,
            places,
            by_name,
            by_original,
            tied,
            limits: limits.clone(),
        })
    }

    /// The file or folder, as the user named it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The kind of file that holds the weights.
    pub fn file_format(&self) -> FileFormat {
        self.file_format
    }

    /// How many weights there are, those of which parts are modules of their own counted once.
    pub fn n_weights(&self) -> usize {
        self.places.iter().filter(|place| !place.is_part()).count()
    }

    /// The weight that a module of an adapter changes, by its canonical name, by its name in this model's file, or by the canonical
    /// name that [`names::canonical`](crate::names::canonical) makes from this path. The parts of fused weights have the names that
    /// those of adapters have, such as `….c_attn.q`. `None` if the model has none of this name.
    ///
    /// # Errors
    /// - `Invalid` when several weights have the name.
    /// - `Unsupported` for a type of numbers that is not read, or where it is not known which way round the weight lies.
    /// - `Limit` for a weight that is too large, `Malformed` for one that is not a matrix.
    pub fn weight(&self, module: &str) -> Result<Option<Weight>> {
        match self.find(module)? {
            Some((_, place)) => self.of_place(place).map(Some),
            None => Ok(None),
        }
    }

    /// The weight that a module changes. A name that is not canonical, because two modules would share one, is that in the file.
    ///
    /// # Errors
    /// As [`BaseModel::weight`].
    pub(crate) fn weight_of(&self, module: &Module) -> Result<Option<Weight>> {
        match self.weight(&module.name) {
            Ok(None) if module.original != module.name => self.weight(&module.original),
            found => found,
        }
    }

    /// The place of a module's weight, and which of the places it is.
    fn find(&self, module: &str) -> Result<Option<(usize, &Place)>> {
        let original = || self.by_original.get(module);
        let found = self.by_name.get(module).or_else(original);
        let found = found.or_else(|| self.by_name.get(&canonical(module)));
        let places: Vec<(usize, &Place)> =
            found.into_iter().flatten().filter_map(|&at| Some((at, self.places.get(at)?))).collect();
        match places.as_slice() {
            // It is not one of the places: it would be a weight twice.
            [] => Ok(self
                .tied
                .as_ref()
                .filter(|tied| tied.name == canonical(module))
                .map(|tied| (usize::MAX, tied))),
            [one] => Ok(Some(*one)),
            several => {
                let names = listed(several.iter().map(|(_, place)| place.tensor.as_str()));
                let found = format!("several weights of this name: {names}");
                let fault = Fault::new(found, "one").at(&self.path);
                Err(fault.of(format!("module {}", quoted(module))).invalid())
            }
        }
    }

    fn of_place(&self, place: &Place) -> Result<Weight> {
        let tensor = self.tensors.get(&place.tensor).ok_or_else(|| {
            Fault::new("no such tensor", "it").at(&self.path).of(quoted(&place.tensor)).malformed()
        })?;
        place.weight(tensor, &self.limits)
    }
}

/// The contents of a model's file or of its shards.
fn of_model<'a>(path: &'a Path, model: Model, limits: &Limits) -> Result<Files<'a>> {
    match model {
        Model::File(file) => {
            let source = Source::file(&file)?;
            let (file_format, contents) = containers::open(&source, limits)?;
            Ok(Files { label: path, sources: vec![source], file_format, contents })
        }
        Model::Shards(mut shards) => {
            let (files, wrong) = files::join(path, &mut shards, limits)?;
            wrong.map_or(Ok(files), Err)
        }
    }
}

/// The output layer of a model that stores none and has one embedding of tokens.
fn tied_output(places: &[Place]) -> Option<Place> {
    let mut found = places.iter().filter_map(Place::tied_output);
    let (tied, None) = (found.next()?, found.next()) else { return None };
    (!places.iter().any(|place| place.name == tied.name)).then_some(tied)
}

/// Tensors of other copies of the model, such as a moving average, each with the front of its copy, where it is known which is meant.
fn other_copies(tensors: &Tensors, copies: &Copies<'_>) -> BTreeMap<String, String> {
    let Some(main) = copies.main() else { return BTreeMap::new() };
    let other = |name: &String| {
        let (front, _) = copies.split(name);
        let is_other = front != main && (front.is_some() || copies.all_have_fronts());
        is_other.then(|| (name.clone(), front.unwrap_or_default().to_owned()))
    };
    tensors.keys().filter_map(other).collect()
}

#[cfg(test)]
mod tests;
