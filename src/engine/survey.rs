//! Every GPU of this machine, whether it computes what the CPU computes, and which engine `auto` takes.

use std::fmt;

use serde::{Serialize, Serializer};

use super::{EngineWarning, PciAddress};

/// What a look at this machine found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Survey {
    /// Every adapter that wgpu sees, software included, in the order of `GpuChoice::Index`.
    pub gpus: Vec<Gpu>,
    /// Cards that the system shows and wgpu does not.
    pub unseen: Vec<Unseen>,
    /// What `auto` takes for work that is worth a GPU.
    pub auto: AutoTakes,
}

/// One adapter.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Gpu {
    /// Its place in the list, from 0.
    pub index: usize,
    /// As its driver names it.
    pub name: String,
    /// vulkan, metal or dx12.
    pub backend: String,
    /// The driver and its version.
    pub driver: String,
    /// What it is made of.
    #[serde(rename = "type")]
    pub kind: GpuKind,
    /// Where it sits, if its driver says so.
    #[serde(serialize_with = "as_text")]
    pub pci: Option<PciAddress>,
    /// What it offers.
    pub limits: GpuLimits,
    /// What each kernel gave, against the CPU engine.
    pub self_tests: Vec<SelfTest>,
}

/// What an adapter is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum GpuKind {
    /// A card with memory of its own.
    Discrete,
    /// A part of the processor.
    Integrated,
    /// A share of a card in a virtual machine.
    Virtual,
    /// A program on the CPU: for tests, never taken by `auto`.
    Software,
    /// None of these, or unknown.
    Other,
}

impl fmt::Display for GpuKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Discrete => "discrete",
            Self::Integrated => "integrated",
            Self::Virtual => "virtual",
            Self::Software => "software",
            Self::Other => "other",
        })
    }
}

/// The limits and features of an adapter that matter to the kernels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GpuLimits {
    /// The largest buffer that a kernel can bind.
    pub max_storage_binding_bytes: u64,
    /// The largest buffer.
    pub max_buffer_bytes: u64,
    /// Memory that a workgroup shares.
    pub workgroup_memory_bytes: u32,
    /// Invocations in a workgroup.
    pub workgroup_invocations: u32,
    /// Smallest and largest subgroup; `None` without subgroup operations.
    pub subgroup_size: Option<(u32, u32)>,
    /// Whether kernels can compute in f16. (`--precision f16` stores in f16, which every GPU can.)
    pub f16: bool,
    /// Whether the GPU can time its own work.
    pub timestamps: bool,
}

/// One kernel on one adapter, on small inputs with known results.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SelfTest {
    /// Which kernels.
    pub what: &'static str,
    /// The largest difference from the CPU engine, where that is a number.
    pub worst: Option<f64>,
    /// What went wrong, if anything did.
    pub failure: Option<String>,
}

/// What a GPU reaches with kernels that do nothing else, at its clock and temperature of that minute.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CardRates {
    /// Operations of multiply-adds in f32, two each.
    pub fma_gflop_per_s: f64,
    /// Bytes read and bytes written by a copy, in 10⁹.
    pub copy_gb_per_s: f64,
}

/// The times of one GPU's kernels, and what they are to be held against.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Tuning {
    /// Measured right before the kernels.
    #[serde(flatten)]
    pub rates: CardRates,
    /// Every kernel on every kind of work.
    pub kernels: Vec<Timing>,
}

/// One kernel on one kind of work.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Timing {
    /// What bases are kept in.
    pub precision: String,
    /// Few pairs or many.
    pub work: &'static str,
    /// The kernel's name, as `GpuEngine::open_with_kernel` takes it.
    pub kernel: &'static str,
    /// The fastest run.
    pub seconds: f64,
    /// Work of the products in that time.
    pub gflop_per_s: f64,
    /// Of the GPU's rate of multiply-adds; 1 is all of it.
    pub share_of_fma: f64,
    /// Of the GPU's rate of copying, if every basis is read and every number written once.
    pub share_of_copy: f64,
    /// Whether no other kernel was faster.
    pub is_fastest: bool,
}

/// A maker's cards that the system shows and wgpu does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Unseen {
    /// The maker and the device files.
    pub card: String,
    /// What is missing.
    pub cause: String,
    /// How to mend it.
    pub way_out: String,
    /// What to type for it, line by line, where that is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
    /// What was found of the driver, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub seen: Vec<String>,
}

/// What `auto` takes for work that is worth a GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AutoTakes {
    /// The GPU's index; `None` for the CPU.
    pub gpu: Option<usize>,
    /// Why.
    pub why: String,
    /// What to be careful of with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<EngineWarning>,
}

impl Survey {
    /// Indices of the GPUs that do not compute what the CPU computes.
    pub fn failing(&self) -> Vec<usize> {
        let fails = |gpu: &&Gpu| gpu.self_tests.iter().any(|test| test.failure.is_some());
        self.gpus.iter().filter(fails).map(|gpu| gpu.index).collect()
    }
}

/// Looks at this machine, opens every GPU and tests every kernel on it.
#[cfg(feature = "gpu")]
pub fn survey() -> Survey {
    super::gpu::survey()
}

/// A build without GPU engine sees no GPU.
#[cfg(not(feature = "gpu"))]
pub fn survey() -> Survey {
    let why = super::choice::NO_GPU_FEATURE.to_owned();
    Survey { gpus: vec![], unseen: vec![], auto: AutoTakes { gpu: None, why, warning: None } }
}

fn as_text<S: Serializer>(address: &Option<PciAddress>, serializer: S) -> Result<S::Ok, S::Error> {
    match address {
        Some(address) => serializer.collect_str(address),
        None => serializer.serialize_none(),
    }
}
