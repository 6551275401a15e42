//! The engines of a scan: what its first run took, or what is asked for now.

use anyhow::Result;

use super::args::{Gpus, ScanArgs};
use crate::cli::report::Report;
use crate::engine::{self, Engine, EngineChoice, EngineInfo, EngineKind, GpuChoice, GpuKind, Request, Work};
use crate::error::{Error, Fault};
use crate::scan::folder::Folder;
use crate::scan::plan::{Plan, PlannedEngine};

/// Opens them, and records in the plan what was taken first.
pub(super) fn open(
    args: &ScanArgs,
    plan: &Plan,
    folder: &Folder,
    n_pairs: u64,
    report: &Report,
) -> Result<Vec<Box<dyn Engine>>> {
    let engines = open_for(args, plan, work(plan, n_pairs), report)?;
    let taken = planned(engines[0].info());
    let _lock = folder.lock()?;
    // Another share may have been first.
    let mut now = folder.read_plan()?.unwrap_or_else(|| plan.clone());
    match &now.engine {
        None => {
            now.engine = Some(taken);
            folder.write_plan(&now)?;
        }
        Some(first) if first.kind != taken.kind => return Err(other_engine(&first.kind, &taken.kind).into()),
        Some(first) if *first != taken => report.warning(format!(
            "this scan began with {} and goes on with {}: the last digits may differ",
            first.kernel, taken.kernel
        )),
        Some(_) => {}
    }
    Ok(engines)
}

/// The engines, without a word in the plan.
pub(super) fn open_for(
    args: &ScanArgs,
    plan: &Plan,
    work: Work,
    report: &Report,
) -> Result<Vec<Box<dyn Engine>>> {
    let mut choice: EngineChoice = args.how.engine.into();
    if choice == EngineChoice::Auto {
        choice = match plan.engine.as_ref().map(|engine| engine.kind.as_str()) {
            Some("gpu") => EngineChoice::Gpu,
            Some("cpu") => EngineChoice::Cpu,
            _ => choice,
        };
    }
    if choice == EngineChoice::Cpu && args.how.gpu != Gpus::One(GpuChoice::Auto) {
        let expected = "no --gpu beside it, and a scan that did not begin with the CPU engine";
        return Err(Fault::new("the CPU engine", expected).of("engine").invalid().into());
    }
    let mut engines = vec![];
    for gpu in gpus(&args.how.gpu)? {
        let request = Request { engine: choice, gpu, precision: args.what.precision };
        let (engine, reason) = engine::open(&request, work).wait()?;
        let reason = reason.map(|reason| format!(", {reason}")).unwrap_or_default();
        report.note("engine", format!("{}{reason}", engine.info()));
        engines.push(engine);
    }
    Ok(engines)
}

/// The GPUs to open.
fn gpus(gpus: &Gpus) -> Result<Vec<GpuChoice>, Error> {
    match gpus {
        Gpus::One(choice) => Ok(vec![choice.clone()]),
        Gpus::Indices(indices) => Ok(indices.iter().map(|&index| GpuChoice::Index(index)).collect()),
        Gpus::All => {
            let survey = engine::survey();
            let real = survey.gpus.iter().filter(|gpu| gpu.kind != GpuKind::Software);
            let real: Vec<GpuChoice> = real.map(|gpu| GpuChoice::Index(gpu.index)).collect();
            if real.is_empty() {
                return Err(Fault::new("no real GPU", "at least one")
                    .of("--gpu all")
                    .hint("lorascope devices says what there is and why")
                    .gpu());
            }
            Ok(real)
        }
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
    let kernel = match info.kind {
        // Without the count of threads, which changes nothing.
        EngineKind::Cpu => info.device.rsplit(", ").next().unwrap_or_default().to_owned(),
        EngineKind::Gpu => format!("similarity, {}", info.precision),
    };
    PlannedEngine { kind: info.kind.to_string(), kernel }
}

fn other_engine(first: &str, now: &str) -> Error {
    Fault::new(format!("the engine {now}"), format!("{first}, which this scan began with"))
        .of("engine")
        .hint(format!("--engine {first}, or start anew: --fresh"))
        .invalid()
}
