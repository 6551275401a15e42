//! The engines of a scan: what its first run took, or what is asked for now.

use anyhow::Result;

use super::args::{Gpus, ScanArgs};
use crate::cli::console::Console;
use crate::cli::devices::kernels_file;
use crate::engine::{self, Engine, EngineChoice, EngineInfo, GpuChoice, Opening, Request, Work};
use crate::error::{Error, Fault, Remedy};
use crate::scan::folder::Folder;
use crate::scan::plan::{Plan, PlannedEngine};

/// Engines that are being opened.
pub(super) struct Engines(Vec<Opening>);

/// Begins to open what the plan was begun with, or what is asked for.
pub(super) fn open(args: &ScanArgs, plan: &Plan, work: Work) -> Result<Engines> {
    let mut choice: EngineChoice = args.how.engine.into();
    if choice == EngineChoice::Auto {
        choice = match plan.engine.as_ref().map(|engine| engine.kind.as_str()) {
            Some("gpu") => EngineChoice::Gpu,
            Some("cpu") => EngineChoice::Cpu,
            _ => choice,
        };
    }
    if choice == EngineChoice::Cpu && args.how.gpu != Gpus::One(GpuChoice::Auto) {
        let fact = "the CPU engine, which is asked for or which the scan began with, does not go with a GPU";
        return Err(Fault::stating(fact).of("engine").invalid().into());
    }
    let planned =
        plan.engine.as_ref().filter(|engine| engine.kind == "gpu").map(|engine| engine.variant.clone());
    let request = |gpu: GpuChoice| Request {
        engine: choice,
        gpu,
        precision: args.what.precision,
        kernel: args.how.kernel.clone().or_else(|| planned.clone()),
        kernels_file: kernels_file(),
    };
    Ok(Engines(gpus(&args.how.gpu)?.into_iter().map(|gpu| engine::open(&request(gpu), work)).collect()))
}

impl Engines {
    /// Waits for them, and says what they are.
    pub(super) fn wait(self, console: &Console) -> Result<Vec<Box<dyn Engine>>> {
        let mut engines = vec![];
        for opening in self.0 {
            let engine = opening.wait()?;
            console.engine(engine.engine.info(), engine.reason.as_deref(), engine.warning.as_ref());
            engines.push(engine.engine);
        }
        Ok(engines)
    }
}

/// Records in the plan what was taken first.
///
/// # Errors
/// `Invalid` when another share began with another kind of engine.
pub(super) fn record(engine: &EngineInfo, folder: &Folder, console: &Console) -> Result<()> {
    let taken = planned(engine);
    let _lock = folder.lock()?;
    let Some(mut plan) = folder.read_plan()? else { return Ok(()) };
    match &plan.engine {
        None => {
            plan.engine = Some(taken);
            folder.write_plan(&plan)?;
        }
        Some(first) if first.kind != taken.kind => return Err(other_engine(&first.kind, &taken.kind).into()),
        Some(first) if *first != taken => console.warning(format!(
            "this scan began with {} and goes on with {}: the last digits may differ",
            first.variant, taken.variant
        )),
        Some(_) => {}
    }
    Ok(())
}

/// The GPUs to open.
fn gpus(gpus: &Gpus) -> Result<Vec<GpuChoice>, Error> {
    match gpus {
        Gpus::One(choice) => Ok(vec![choice.clone()]),
        Gpus::Indices(indices) => Ok(indices.iter().map(|&index| GpuChoice::Index(index)).collect()),
        #[cfg(feature = "gpu")]
        Gpus::All => Ok(engine::GpuEngine::all()?.into_iter().map(GpuChoice::Index).collect()),
        #[cfg(not(feature = "gpu"))]
        Gpus::All => Ok(vec![GpuChoice::Auto]),
    }
}

/// Work of all products that are left.
pub(super) fn work(plan: &Plan, n_pairs: u64) -> Work {
    let layouts = plan.layouts.iter().flat_map(|layout| &layout.modules);
    let sizes = layouts.map(|&(module, r)| (f64::from(r), plan.modules[module as usize].d as f64));
    let flop_a_pair = sizes.clone().map(|(r, d)| 2.0 * r * r * d).fold(0.0, f64::max);
    let max_numbers = sizes.map(|(r, d)| (r * d).max(r * r)).fold(0.0, f64::max);
    Work { flop: flop_a_pair * n_pairs as f64, max_numbers: max_numbers as usize }
}

/// What a plan records of an engine: bytes are equal for the same one.
fn planned(info: &EngineInfo) -> PlannedEngine {
    PlannedEngine { kind: info.kind.to_string(), variant: info.variant.to_owned() }
}

fn other_engine(first: &str, now: &str) -> Error {
    Fault::new(format!("the engine {now}"), format!("{first}, which this scan began with"))
        .of("engine")
        .remedy(Remedy::KeepEngine { kind: first.to_owned() })
        .invalid()
}
