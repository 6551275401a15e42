//! The engines of a scan: what its first run took, or what is asked for now.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::AtomicBool;

use etcetera::BaseStrategy as _;

use super::claim::Claim;
use super::event::ScanWarning;
use super::folder::Folder;
use super::plan::{Plan, PlannedEngine};
use crate::engine::{
    self, EngineChoice, EngineInfo, EngineKind, GpuChoice, Opening, Precision, Request, Work,
};
use crate::error::{Error, Fault, Remedy, Result};

/// Which GPUs a scan uses.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Gpus {
    /// Every real one that the environment allows.
    All,
    /// These, by index.
    Indices(Vec<usize>),
    /// One.
    One(GpuChoice),
}

impl Default for Gpus {
    fn default() -> Self {
        Self::One(GpuChoice::Auto)
    }
}

impl FromStr for Gpus {
    type Err = Error;

    /// Reads `all`, several indices such as `0,1`, or what [`GpuChoice`] reads.
    fn from_str(text: &str) -> Result<Self> {
        if text == "all" {
            return Ok(Self::All);
        }
        let indices: Option<Vec<usize>> = text.split(',').map(|index| index.trim().parse().ok()).collect();
        match indices {
            Some(indices) if indices.len() > 1 => Ok(Self::Indices(indices)),
            _ => text.parse().map(Self::One),
        }
    }
}

/// What is asked of the engines.
#[derive(Debug, Clone, Default)]
pub(super) struct EngineOptions {
    pub(super) choice: EngineChoice,
    pub(super) gpus: Gpus,
    pub(super) precision: Precision,
    pub(super) kernel: Option<String>,
}

impl EngineOptions {
    /// How many engines that will be.
    ///
    /// # Errors
    /// As [`EngineOptions::open`].
    pub(super) fn n_engines(&self) -> Result<usize> {
        Ok(self.gpus.list()?.len())
    }

    /// Begins to open what the plan was begun with, or what is asked for: one engine for each GPU, or the CPU engine.
    ///
    /// # Errors
    /// `Invalid` for a GPU where the CPU engine computes, `Gpu` when all GPUs are asked for and there is none.
    pub(super) fn open(&self, plan: &Plan, work: Work) -> Result<Vec<Opening>> {
        let mut choice = self.choice;
        if choice == EngineChoice::Auto {
            choice = match plan.engine.as_ref().map(|engine| engine.kind) {
                Some(EngineKind::Gpu) => EngineChoice::Gpu,
                Some(EngineKind::Cpu) => EngineChoice::Cpu,
                None => choice,
            };
        }
        if choice == EngineChoice::Cpu && self.gpus != Gpus::default() {
            let fact = "a GPU is named, but the CPU engine is asked for, or the scan began with it";
            return Err(Fault::stating(fact).of("engine").invalid());
        }
        let planned = plan.engine.as_ref().filter(|engine| engine.kind == EngineKind::Gpu);
        let planned = planned.map(|engine| engine.variant.clone());
        let request = |gpu: GpuChoice| Request {
            engine: choice,
            gpu,
            precision: self.precision,
            kernel: self.kernel.clone().or_else(|| planned.clone()),
            kernels_file: kernels_file(),
        };
        let gpus = self.gpus.list()?.into_iter();
        Ok(gpus.map(|gpu| engine::open(&request(gpu), work)).collect())
    }
}

impl Gpus {
    /// The GPUs to open.
    fn list(&self) -> Result<Vec<GpuChoice>> {
        match self {
            Self::One(choice) => Ok(vec![choice.clone()]),
            Self::Indices(indices) => Ok(indices.iter().map(|&index| GpuChoice::Index(index)).collect()),
            #[cfg(feature = "gpu")]
            Self::All => Ok(engine::GpuEngine::all()?.into_iter().map(GpuChoice::Index).collect()),
            #[cfg(not(feature = "gpu"))]
            Self::All => Ok(vec![GpuChoice::Auto]),
        }
    }
}

/// The file that says which kernel is the fastest on which GPU: in the user's cache folder, if there is one.
pub(crate) fn kernels_file() -> Option<PathBuf> {
    let folders = etcetera::choose_base_strategy().ok()?;
    Some(folders.cache_dir().join("lorascope").join("kernels.json"))
}

/// Records in the plan what was taken first. Another kernel than that is worth a warning.
///
/// # Errors
/// `Invalid` when another share began with another kind of engine; `Io` when the system refuses, `Stopped` when it was told to
/// stop; as [`Claim::check`].
pub(super) fn record(
    engine: &EngineInfo,
    folder: &Folder,
    claim: &Claim<'_>,
    stop: &AtomicBool,
) -> Result<Option<ScanWarning>> {
    let taken = PlannedEngine { kind: engine.kind, variant: engine.variant.to_owned() };
    let _lock = folder.lock(stop)?;
    claim.check()?;
    let Some(mut plan) = folder.read_plan()? else { return Ok(None) };
    match &plan.engine {
        None => {
            plan.engine = Some(taken);
            folder.write_plan(&plan, || claim.check().map(drop))?;
            Ok(None)
        }
        Some(first) if first.kind != taken.kind => Err(other_engine(first.kind, taken.kind)),
        Some(first) if *first != taken => {
            Ok(Some(ScanWarning::OtherKernel { first: first.variant.clone(), now: taken.variant }))
        }
        Some(_) => Ok(None),
    }
}

fn other_engine(first: EngineKind, now: EngineKind) -> Error {
    Fault::new(format!("the engine {now}"), format!("{first}, which this scan began with"))
        .of("engine")
        .remedy(Remedy::KeepEngine { kind: first.to_string() })
        .invalid()
}

/// Work of so many products.
pub(super) fn work(plan: &Plan, n_pairs: u64) -> Work {
    let layouts = plan.layouts.iter().flat_map(|layout| &layout.modules);
    let sizes = layouts.map(|&(module, r)| (f64::from(r), plan.modules[module as usize].d as f64));
    let flop_a_pair = sizes.clone().map(|(r, d)| 2.0 * r * r * d).fold(0.0, f64::max);
    let max_numbers = sizes.map(|(r, d)| (r * d).max(r * r)).fold(0.0, f64::max);
    Work { flop: flop_a_pair * n_pairs as f64, max_numbers: max_numbers as usize }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpus_are_all_several_or_one() {
        assert_eq!("all".parse::<Gpus>().unwrap(), Gpus::All);
        assert_eq!("0,2".parse::<Gpus>().unwrap(), Gpus::Indices(vec![0, 2]));
        assert_eq!("1".parse::<Gpus>().unwrap(), Gpus::One(GpuChoice::Index(1)));
        assert_eq!("H200, SXM".parse::<Gpus>().unwrap(), Gpus::One(GpuChoice::Name("H200, SXM".into())));
    }
}
