//! The cards of this machine as the system and the environment describe them, next to what wgpu sees: which of them a job
//! may use, and why one has no Vulkan driver.

mod allowed;
mod diagnosis;
mod drivers;
mod elf;
mod finding;
mod ld_cache;
mod libraries;
mod manifests;
mod nvidia;
mod probe;
#[cfg(test)]
mod samples;

pub(super) use allowed::{Allowed, allowed};
pub(super) use diagnosis::{Shown, diagnose};
pub(super) use drivers::DriverProbe;
pub(super) use probe::SystemProbe;
