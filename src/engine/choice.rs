//! Which engine runs: what the user asked for, what the machine has, and what the job is worth.

use std::fmt;
use std::str::FromStr;
#[cfg(feature = "gpu")]
use std::thread::JoinHandle;

use super::{CpuEngine, Engine};
#[cfg(not(feature = "gpu"))]
use crate::error::Fault;
use crate::error::Result;

/// Which engine the user asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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
pub enum GpuChoice {
    /// The first real one, discrete before integrated; never a software adapter.
    #[default]
    Auto,
    /// By its place in the list of all adapters, from 0.
    Index(usize),
    /// By a part of its name, in any case.
    Name(String),
}

impl FromStr for GpuChoice {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
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
        }
    }
}

/// How much an engine will have to do, known from headers alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Work {
    /// Twice the multiply-adds of all products.
    pub flop: f64,
}

/// Opening a GPU took 0.1 to 0.5 s where it was tried, and a CPU core does some 30 GFLOP/s on these products: under
/// this much work the CPU is done before a GPU is open.
const WORTH_A_GPU_FLOP: f64 = 2e10;

/// An engine that is being opened, in the background where that takes time.
pub struct Opening(State);

enum State {
    Ready(Box<dyn Engine>, Option<String>),
    #[cfg(not(feature = "gpu"))]
    Failed(crate::error::Error),
    #[cfg(feature = "gpu")]
    Gpu {
        thread: JoinHandle<Result<super::GpuEngine>>,
        or_cpu: bool,
    },
}

/// Starts to open the engine for this much work. A GPU is opened on a thread of its own, so that files can be read
/// meanwhile; [`Opening::wait`] hands it over. No GPU library is touched where the CPU is taken.
pub fn open(choice: EngineChoice, gpu: &GpuChoice, work: Work) -> Opening {
    // Naming a GPU is asking for one.
    let choice = match (choice, gpu) {
        (EngineChoice::Auto, GpuChoice::Index(_) | GpuChoice::Name(_)) => EngineChoice::Gpu,
        _ => choice,
    };
    let cpu =
        |reason: Option<&str>| Opening(State::Ready(Box::new(CpuEngine::new()), reason.map(str::to_owned)));
    match choice {
        EngineChoice::Cpu => cpu(None),
        EngineChoice::Auto if work.flop < WORTH_A_GPU_FLOP => cpu(Some("too little work to open a GPU for")),
        EngineChoice::Auto => open_gpu(gpu, true),
        EngineChoice::Gpu => open_gpu(gpu, false),
    }
}

#[cfg(feature = "gpu")]
fn open_gpu(gpu: &GpuChoice, or_cpu: bool) -> Opening {
    let gpu = gpu.clone();
    let thread = std::thread::spawn(move || super::GpuEngine::open(&gpu));
    Opening(State::Gpu { thread, or_cpu })
}

#[cfg(not(feature = "gpu"))]
fn open_gpu(_: &GpuChoice, or_cpu: bool) -> Opening {
    let missing = "built without the `gpu` feature";
    Opening(if or_cpu {
        State::Ready(Box::new(CpuEngine::new()), Some(missing.to_owned()))
    } else {
        State::Failed(Fault::new(missing, "a build with it").of("GPU engine").gpu())
    })
}

impl Opening {
    /// The engine, and why it is the CPU where the user did not ask for that.
    ///
    /// # Errors
    /// `Gpu` when a GPU was asked for and none could be opened.
    pub fn wait(self) -> Result<(Box<dyn Engine>, Option<String>)> {
        match self.0 {
            State::Ready(engine, reason) => Ok((engine, reason)),
            #[cfg(not(feature = "gpu"))]
            State::Failed(error) => Err(error),
            #[cfg(feature = "gpu")]
            State::Gpu { thread, or_cpu } => match thread.join() {
                Ok(Ok(engine)) => Ok((Box::new(engine), None)),
                Ok(Err(error)) if or_cpu => {
                    Ok((Box::new(CpuEngine::new()), Some(format!("no GPU: {error}"))))
                }
                Ok(Err(error)) => Err(error),
                Err(panic) => std::panic::resume_unwind(panic),
            },
        }
    }
}
