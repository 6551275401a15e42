//! A full fine-tune as an adapter: ΔW = W′ − W of every weight that it shares with its base.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::BaseModel;
use super::places::Place;
use crate::adapter::made::{Form, MadeUpdate, StoredMatrix};
use crate::adapter::{Adapter, Factor, Method, Module, NamingScheme, TrainingInfo, UnreadPart};
use crate::basis::range_finder::HowMany;
use crate::error::{Error, Fault, Result};
use crate::formats::limits::Limit;
use crate::names::natural_cmp;
use crate::text::quoted;

/// What full models are read against.
#[derive(Debug, Clone)]
pub(crate) struct Trained {
    pub(crate) base: Arc<BaseModel>,
    /// Directions that are kept of each weight's change, at most.
    pub(crate) how_many: HowMany,
}

const NAMES: NamingScheme = NamingScheme { name: "full model", is_numbered: false, uses_underscores: false };

/// What of a change is not kept, whatever rounding leaves of it.
fn not_kept(module: &Module, share: Option<f64>) -> Option<UnreadPart> {
    let (n_kept, rank) = (module.rank(), module.full_rank()?);
    (rank > n_kept).then(|| UnreadPart {
        name: module.original.clone(),
        reason: match share {
            Some(share) => {
                let percent = 100.0 * share;
                format!("all but the directions with {percent} % of the energy of a full fine-tune, {n_kept} at most")
            }
            None => format!("all but the {n_kept} strongest directions of a full fine-tune"),
        },
        found: Some(format!("a rank of up to {rank}")),
        n_tensors: 0,
    })
}

const OTHER_SHAPE: &str = "a weight of another shape than the base model's";

/// How a weight of the model is not comparable.
struct NotRead {
    reason: &'static str,
    found: Option<String>,
}

impl Trained {
    /// Opens a full model as its difference from the base.
    ///
    /// # Errors
    /// As [`BaseModel::open`]; `Unsupported` for the base itself, or a model that shares no weight with it.
    pub(crate) fn open(&self, path: &Path) -> Result<Adapter> {
        let model = BaseModel::open_with(path, &self.base.limits)?;
        let files = |model: &BaseModel| -> Vec<_> {
            model.sources.iter().map(|source| source.path().canonicalize().ok()).collect()
        };
        if files(&model) == files(&self.base) {
            let fault = Fault::new("the base model itself", "a model that was trained from it").at(path);
            return Err(fault.other_kind().unsupported());
        }
        self.of(&model)
    }

    /// The share of the energy that is enough.
    pub(super) fn share_of_energy(&self) -> Option<f64> {
        match self.how_many {
            HowMany::Energy { share, .. } => Some(share),
            HowMany::Top(_) | HowMany::AboveNoise { .. } => None,
        }
    }

    fn of(&self, model: &BaseModel) -> Result<Adapter> {
        let (mut modules, mut unread, mut is_found) = (vec![], vec![], vec![false; self.base.places.len()]);
        for place in model.places.iter().filter(|place| !place.is_cut) {
            let name = match model.by_name.get(&place.name).map(Vec::len) {
                Some(1) => &place.name,
                _ => &place.original,
            };
            match self.module(model, place, name, &mut is_found)? {
                Ok(module) => {
                    unread.extend(not_kept(&module, self.share_of_energy()));
                    modules.push(Arc::new(module));
                }
                Err(NotRead { reason, found }) => unread.push(UnreadPart {
                    name: place.original.clone(),
                    reason: reason.to_owned(),
                    found,
                    n_tensors: 1,
                }),
            }
            let limits = &model.limits;
            limits.check(Limit::Modules, modules.len() as u64, &model.path, || {
                format!("{} modules", modules.len())
            })?;
        }
        if modules.is_empty() {
            // Of the same names, the shapes tell them apart.
            let other = unread.iter().find(|part| part.reason == OTHER_SHAPE);
            let found = match other.and_then(|part| Some((part, part.found.as_deref()?))) {
                Some((part, found)) => {
                    format!("no weight of the base model's shape: {} is {found}", quoted(&part.name))
                }
                None => "no weight of the base model".to_owned(),
            };
            let fault = Fault::new(found, "a model that was trained from it")
                .at(&model.path)
                .hint(format!("the base model is {}", self.base.path.display()));
            return Err(fault.other_kind().unsupported());
        }
        let missing =
            self.base.places.iter().zip(&is_found).filter(|(place, is_found)| !**is_found && !place.is_cut);
        unread.extend(missing.map(|(place, _)| UnreadPart {
            name: place.original.clone(),
            reason: "a weight that only the base model has".to_owned(),
            found: None,
            n_tensors: 0,
        }));
        let mut copies: BTreeMap<&str, usize> = BTreeMap::new();
        model.left_out.values().for_each(|front| *copies.entry(front).or_default() += 1);
        unread.extend(copies.into_iter().map(|(front, n_tensors)| UnreadPart {
            name: front.to_owned(),
            reason: "another copy of the model, such as a moving average".to_owned(),
            found: None,
            n_tensors,
        }));
        unread.sort_by(|x, y| natural_cmp(&x.name, &y.name));
        modules.sort_by(|x, y| natural_cmp(&x.name, &y.name));
        let in_places: BTreeSet<&str> = model.places.iter().map(|place| place.tensor.as_str()).collect();
        Ok(Adapter {
            path: model.path.clone(),
            base_model: None,
            training: TrainingInfo::default(),
            naming_scheme: NAMES,
            method: Method::FullFineTune,
            file_format: model.file_format,
            adapter_name: None,
            n_other: model.tensors.len() - in_places.len(),
            n_magnitudes: 0,
            n_rescaled: 0,
            n_turned: 0,
            modules,
            unread,
            sources: model.sources.clone(),
            base_sources: self.base.sources.clone(),
        })
    }

    /// The change of one weight.
    fn module(
        &self,
        model: &BaseModel,
        place: &Place,
        name: &str,
        is_found: &mut [bool],
    ) -> Result<Result<Module, NotRead>> {
        let because = |reason, error: Error| match error {
            Error::Malformed(_) | Error::Unsupported(_) | Error::Invalid(_) | Error::Limit(_) => {
                Ok(NotRead { reason, found: Some(error.to_string()) })
            }
            other => Err(other),
        };
        let before = match self.base.find(name) {
            Ok(Some((at, before))) => {
                if let Some(is_found) = is_found.get_mut(at) {
                    *is_found = true;
                }
                before
            }
            Ok(None) => {
                return Ok(Err(NotRead {
                    reason: "a weight that the base model does not have",
                    found: None,
                }));
            }
            Err(error) => return because("a name that several weights have", error).map(Err),
        };
        let weights = model.of_place(place).and_then(|after| Ok([after, self.base.of_place(before)?]));
        let [after, before] = match weights {
            Ok(both) => both.map(super::Weight::into_factor),
            Err(error) => return because("a weight that cannot be read", error).map(Err),
        };
        if (after.rows, after.cols) != (before.rows, before.cols) {
            let found = format!("{} × {}, for {} × {}", after.rows, after.cols, before.rows, before.cols);
            return Ok(Err(NotRead { reason: OTHER_SHAPE, found: Some(found) }));
        }
        let form = Form::Difference([after, before].map(StoredMatrix::Whole));
        let n_kept = self.how_many.at_most().clamp(1, form.rank().max(1));
        let Some([a, b]) = Factor::of_made(MadeUpdate::new(form, n_kept).with_share(self.share_of_energy()))
        else {
            return Ok(Err(NotRead { reason: "a size that this machine cannot address", found: None }));
        };
        let (name, original) = (name.to_owned(), place.original.clone());
        Ok(Ok(Module { name, original, a, b, alpha: None, scaling: Some(1.0), magnitudes: None }))
    }
}
