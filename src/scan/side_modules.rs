//! What of each checkpoint a scan compares, and so what it reads of it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::base::PlannedBase;
use crate::adapter::Side;
use crate::adapter::made::MadeUpdate;
use crate::adapter::{Adapter, Factor, Module};
use crate::error::{Fault, Result};
use crate::names::natural_cmp;
use crate::select::Narrowing;
use crate::text::counted;
use crate::{BaseModel, Limits, OpenOptions};

/// A side of some modules.
#[derive(Debug, Clone)]
pub struct SideModules {
    /// Which subspace.
    pub side: Side,
    /// Whether the updates themselves are compared too.
    pub update: bool,
    /// What the checkpoints may ask for.
    pub limits: Limits,
    /// What full models and DoRA are read against.
    base: Option<PlannedBase>,
    /// The same, when it has been opened.
    opened: Arc<OnceLock<Arc<BaseModel>>>,
    narrowing: Narrowing,
    /// Of each thing that narrows, whether a module of any checkpoint fits it.
    are_there: Arc<[AtomicBool]>,
}

/// Checkpoints that are opened again to say which modules there are in place of those that were named.
const N_ASKED: usize = 64;

impl SideModules {
    /// The modules that are left by what narrows them.
    pub(crate) fn new(side: Side, narrowing: Narrowing) -> Self {
        let are_there = narrowing.named().iter().map(|_| AtomicBool::new(false)).collect();
        Self {
            side,
            update: false,
            limits: Limits::default(),
            base: None,
            opened: Arc::default(),
            narrowing,
            are_there,
        }
    }

    /// Compares the updates too.
    pub fn with_update(self, update: bool) -> Self {
        Self { update, ..self }
    }

    /// Reads full models and DoRA against a base model.
    pub fn against(self, base: Option<PlannedBase>) -> Self {
        Self { base, ..self }
    }

    /// How checkpoints are opened. The base model is opened once.
    ///
    /// # Errors
    /// As [`BaseModel::open`].
    pub fn open_options(&self) -> Result<OpenOptions> {
        let options = OpenOptions::new().limits(self.limits.clone());
        let Some(PlannedBase { path, how_many }) = &self.base else { return Ok(options) };
        let base = match self.opened.get() {
            Some(base) => base,
            None => {
                let opened = BaseModel::open_with(path, &self.limits)?;
                self.opened.get_or_init(|| Arc::new(opened))
            }
        };
        Ok(options.base(Arc::clone(base), *how_many))
    }

    /// Within other limits.
    pub fn within(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Opens a checkpoint's header, with only the modules that are compared.
    ///
    /// # Errors
    /// As [`OpenOptions::open`].
    pub fn open(&self, path: &Path) -> Result<Adapter> {
        Ok(self.of(self.open_whole(path)?))
    }

    /// Opens a checkpoint's header with all of its modules.
    ///
    /// # Errors
    /// As [`OpenOptions::open`].
    pub fn open_whole(&self, path: &Path) -> Result<Adapter> {
        self.open_options()?.open(path)
    }

    /// The adapter with only the modules that are compared.
    pub fn of(&self, mut adapter: Adapter) -> Adapter {
        let here = self.narrowing.keep(&mut adapter.modules);
        let fitted = self.are_there.iter().zip(here).filter(|(_, is_here)| *is_here);
        fitted.for_each(|(is_there, _)| is_there.store(true, Ordering::Relaxed));
        adapter
    }

    /// Sees to it that each thing that was named is in one of the checkpoints, all of which have been opened.
    ///
    /// # Errors
    /// `Invalid` for the first that is in none; it says what they have in its place.
    pub fn require_all(&self, checkpoints: &[&Path]) -> Result<()> {
        let named = self.narrowing.named();
        let mut missing =
            named.iter().zip(&*self.are_there).filter(|(_, is_there)| !is_there.load(Ordering::Relaxed));
        let Some((missing, _)) = missing.next() else { return Ok(()) };
        let before = self.narrowing.before(missing);
        let opened = checkpoints.iter().take(N_ASKED).filter_map(|path| self.open_whole(path).ok());
        let mut names: Vec<String> = vec![];
        for mut adapter in opened {
            before.keep(&mut adapter.modules);
            names.extend(adapter.modules.iter().map(|module| module.name.clone()));
        }
        names.sort_by(|a, b| natural_cmp(a, b));
        names.dedup();
        let among = if before.named().is_empty() { "" } else { " among the modules that the rest names" };
        let who = format!("none of {} has it{among}", counted(checkpoints.len(), "checkpoint"));
        let instead = missing.instead(names.iter().map(String::as_str));
        Err(Fault::stating(format!("{who}; they have {instead}")).of(missing.shown()).invalid())
    }

    /// What a module's factors are made of, of an update of another form that the side is of.
    pub(super) fn made<'a>(&self, module: &'a Module) -> Option<&'a MadeUpdate> {
        let is_of_update = matches!(self.side, Side::DwLeft | Side::DwRight);
        module.a.made.as_ref().filter(|_| is_of_update).map(|made| &*made.update)
    }

    /// The factors of a module that are read: A on every side, since it shows a shared start.
    pub fn factors<'a>(&self, module: &'a Module) -> impl Iterator<Item = &'a Factor> + use<'a> {
        let b = (self.side != Side::A || self.update).then_some(&module.b);
        std::iter::once(&module.a).chain(b)
    }
}
