//! Which engine runs: what the user asked for, what the machine has, and what the job is worth.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
#[cfg(feature = "gpu")]
use std::thread::JoinHandle;

use super::{CpuEngine, Engine};
use super::{PciAddress, Precision};
use serde::{Serialize, Serializer};

#[cfg(feature = "gpu")]
use crate::error::Remedy;
use crate::error::{Error, Fault, Result};

/// Which engine the user asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum EngineChoice {
    /// A real GPU where there is one and the job is worth opening it, else the CPU.
    #[default]
    Auto,
    /// The GPU, or an error.
    Gpu,
    /// The CPU.
    Cpu,
}

/// Which GPU the user asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum GpuChoice {
    /// The first real one, discrete before integrated, of those that CUDA_VISIBLE_DEVICES, ROCR_VISIBLE_DEVICES and
    /// SLURM_STEP_GPUS allow; never a software adapter.
    #[default]
    Auto,
    /// By its place in the list of all adapters, from 0.
    Index(usize),
    /// By a part of its name, in any case.
    Name(String),
    /// By the slot that it sits in.
    Pci(PciAddress),
}

impl FromStr for GpuChoice {
    type Err = Error;

    /// Reads `auto`, an index, `PCI:` and an address, or a part of a name.
    fn from_str(text: &str) -> Result<Self> {
        if text.trim().is_empty() {
            // Every name holds it: a variable that is not set would take the first GPU, a software one too.
            let expected = "auto, an index, a part of a name or PCI:ADDRESS";
            return Err(Fault::new("nothing", expected).of("GPU").invalid());
        }
        if let Some((kind, address)) = text.split_once(':')
            && kind.eq_ignore_ascii_case("pci")
        {
            return address.parse().map(Self::Pci);
        }
        Ok(match text.parse() {
            Ok(index) => Self::Index(index),
            Err(_) if text.eq_ignore_ascii_case("auto") => Self::Auto,
            Err(_) => Self::Name(text.to_owned()),
        })
    }
}

impl fmt::Display for GpuChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Index(index) => write!(f, "{index}"),
            Self::Name(name) => f.write_str(name),
            Self::Pci(address) => write!(f, "PCI:{address}"),
        }
    }
}

/// What the user asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// Which engine.
    pub engine: EngineChoice,
    /// Which GPU, where it is one.
    pub gpu: GpuChoice,
    /// What bases are kept in. The same on either engine: falling back to the CPU does not change it.
    pub precision: Precision,
    /// The GPU's kernel for blocks of pairs, in place of the fastest one.
    pub kernel: Option<String>,
    /// A file that says which kernel is the fastest on which GPU: read, and added to where this GPU is new.
    pub kernels_file: Option<PathBuf>,
}

/// How much an engine will have to do, known from headers alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Work {
    /// Twice the multiply-adds of all products.
    pub flop: f64,
    /// Numbers in the largest basis or grid.
    pub max_numbers: usize,
}

/// Numbers of 4 bytes in 128 MiB, what WebGPU binds at once by default.
const MAX_BOUND_NUMBERS: usize = 1 << 25;

/// Opening a GPU took 0.1 to 0.5 s where it was tried, and a CPU core does some 30 GFLOP/s on these products: under
/// this much work the CPU is done before a GPU is open.
const WORTH_A_GPU_FLOP: f64 = 2e10;

/// An engine that is being opened, in the background where that takes time.
pub struct Opening(State);

/// An engine that is open.
#[non_exhaustive]
pub struct OpenedEngine {
    /// The engine.
    pub engine: Box<dyn Engine>,
    /// Why it is this one, where the user did not ask for it by name.
    pub reason: Option<String>,
    /// What to be careful of with it.
    pub warning: Option<EngineWarning>,
}

/// What to be careful of with an engine that was not asked for by name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EngineWarning {
    /// The environment allows some of the GPUs, and which ones could not be told.
    UnclearGpu {
        /// What the environment says, and why that is not clear.
        why: String,
        /// Whether the GPU that was taken is the only one; otherwise it is the first.
        is_only: bool,
    },
}

impl fmt::Display for EngineWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::UnclearGpu { why, is_only } = self;
        write!(f, "{why}; this is the {} card", if *is_only { "only" } else { "first" })
    }
}

impl Serialize for EngineWarning {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

enum State {
    Ready(OpenedEngine),
    #[cfg(not(feature = "gpu"))]
    Failed(Error),
    #[cfg(feature = "gpu")]
    Gpu {
        thread: JoinHandle<Result<super::GpuEngine>>,
        /// The precision of the CPU engine that is taken where this fails.
        or_cpu: Option<Precision>,
    },
}

/// Starts to open the engine for this much work. A GPU is opened on a thread of its own, so that files can be read
/// meanwhile; [`Opening::wait`] hands it over. No GPU library is touched where the CPU is taken.
pub fn open(request: &Request, work: Work) -> Opening {
    // Naming a GPU is asking for one.
    let choice = match (request.engine, &request.gpu) {
        (EngineChoice::Auto, GpuChoice::Auto) => EngineChoice::Auto,
        (EngineChoice::Auto, _) => EngineChoice::Gpu,
        (choice, _) => choice,
    };
    match choice {
        EngineChoice::Cpu => open_cpu(request, None),
        EngineChoice::Auto if work.flop < WORTH_A_GPU_FLOP => {
            open_cpu(request, Some("too little work to open a GPU for"))
        }
        EngineChoice::Auto if work.max_numbers > MAX_BOUND_NUMBERS => {
            open_cpu(request, Some("a basis or a grid is over the 128 MiB that a GPU binds at once"))
        }
        EngineChoice::Auto => open_gpu(request, true),
        EngineChoice::Gpu => open_gpu(request, false),
    }
}

fn open_cpu(request: &Request, reason: Option<&str>) -> Opening {
    Opening(State::Ready(cpu(request.precision, reason.map(str::to_owned))))
}

fn cpu(precision: Precision, reason: Option<String>) -> OpenedEngine {
    OpenedEngine { engine: Box::new(CpuEngine::with_precision(precision)), reason, warning: None }
}

#[cfg(feature = "gpu")]
fn open_gpu(request: &Request, or_cpu: bool) -> Opening {
    let Request { gpu, precision, kernel, kernels_file, .. } = request.clone();
    let thread = std::thread::spawn(move || match (kernel, kernels_file) {
        (Some(kernel), _) => super::GpuEngine::open_with_kernel(&gpu, precision, &kernel),
        (None, Some(file)) => Ok(super::GpuEngine::open(&gpu, precision)?.tuned(&file)),
        (None, None) => super::GpuEngine::open(&gpu, precision),
    });
    Opening(State::Gpu { thread, or_cpu: or_cpu.then_some(precision) })
}

#[cfg(not(feature = "gpu"))]
fn open_gpu(request: &Request, or_cpu: bool) -> Opening {
    if or_cpu {
        return open_cpu(request, Some(NO_GPU_FEATURE));
    }
    Opening(State::Failed(Fault::new(NO_GPU_FEATURE, "a build with it").of("GPU engine").gpu()))
}

/// Why a build has no GPU engine.
#[cfg(not(feature = "gpu"))]
pub(super) const NO_GPU_FEATURE: &str = "built without the `gpu` feature";

impl Opening {
    /// Waits for the engine.
    ///
    /// # Errors
    /// `Gpu` when a GPU was asked for and none could be opened.
    pub fn wait(self) -> Result<OpenedEngine> {
        match self.0 {
            State::Ready(engine) => Ok(engine),
            #[cfg(not(feature = "gpu"))]
            State::Failed(error) => Err(error),
            #[cfg(feature = "gpu")]
            State::Gpu { thread, or_cpu } => match (thread.join(), or_cpu) {
                (Ok(Ok(engine)), _) => {
                    let (reason, warning) = (engine.why().map(str::to_owned), engine.warning().cloned());
                    Ok(OpenedEngine { engine: Box::new(engine), reason, warning })
                }
                (Ok(Err(error)), Some(precision)) => Ok(cpu(precision, Some(no_gpu(&error)))),
                (Ok(Err(error)), None) => Err(error),
                (Err(_), Some(precision)) => {
                    Ok(cpu(precision, Some("no GPU: its driver failed while it was opened".to_owned())))
                }
                (Err(panic), None) => std::panic::resume_unwind(panic),
            },
        }
    }
}

/// Why the CPU is taken, on the engine's line: what was found and the way out.
#[cfg(feature = "gpu")]
pub(super) fn no_gpu(error: &Error) -> String {
    match error {
        Error::Gpu(fault) => {
            // The other ways out are the CPU, which is taken already, and options of the caller.
            let way_out = match &fault.remedy {
                Some(Remedy::Text(text)) => format!("; {text}"),
                _ => String::new(),
            };
            format!("no GPU: {}{way_out}", fault.found)
        }
        other => format!("no GPU: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_is_named_by_index_address_or_a_part_of_its_name() {
        let address = "0000:65:00.0".parse().unwrap();
        for (text, choice) in [
            ("Auto", GpuChoice::Auto),
            ("3", GpuChoice::Index(3)),
            ("PCI:0000:65:00.0", GpuChoice::Pci(address)),
            ("pci:65:00.0", GpuChoice::Pci(address)),
            ("H200", GpuChoice::Name("H200".to_owned())),
        ] {
            assert_eq!(text.parse::<GpuChoice>().unwrap(), choice);
            assert_eq!(choice.to_string().parse::<GpuChoice>().unwrap(), choice);
        }
        assert!("PCI:65".parse::<GpuChoice>().is_err());
        assert!("".parse::<GpuChoice>().is_err() && " ".parse::<GpuChoice>().is_err());
    }

    #[test]
    fn auto_takes_the_cpu_for_small_work_and_for_what_no_gpu_binds() {
        let reason = |work: Work| {
            let OpenedEngine { engine, reason, .. } = open(&Request::default(), work).wait().unwrap();
            assert_eq!(engine.info().kind, super::super::EngineKind::Cpu);
            reason.unwrap()
        };
        assert!(reason(Work { flop: 1e6, max_numbers: 100 }).contains("too little work"));
        assert!(reason(Work { flop: 1e12, max_numbers: MAX_BOUND_NUMBERS + 1 }).contains("128 MiB"));
    }

    #[cfg(feature = "gpu")]
    #[test]
    fn the_engine_line_has_a_way_out_that_is_more_than_the_cpu() {
        let fault = Fault::new("only software", "a GPU").of("GPU");
        assert_eq!(no_gpu(&fault.clone().remedy(Remedy::InstallGpuDriver).gpu()), "no GPU: only software");
        assert_eq!(no_gpu(&fault.hint("install it").gpu()), "no GPU: only software; install it");
    }

    #[test]
    fn the_cpu_keeps_the_precision_that_was_asked_for() {
        for precision in Precision::ALL {
            let request = Request { precision, ..Request::default() };
            let opening = open(&request, Work { flop: 0.0, max_numbers: 0 });
            let OpenedEngine { engine, reason, .. } = opening.wait().unwrap();
            assert_eq!(engine.info().precision, precision);
            assert!(reason.unwrap().contains("too little work"));
        }
    }
}
