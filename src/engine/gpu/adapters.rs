//! The adapters that wgpu sees, and those that it hides.

use wgpu::{Adapter, AdapterInfo, Backends, DeviceType, Instance, InstanceDescriptor, InstanceFlags};

use super::cards::{DriverProbe, Shown, SystemProbe, diagnose};
use super::pick::{self, Picked, pick};
use crate::engine::{GpuChoice, Unseen};
use crate::error::Result;

/// All of one look at the machine, in wgpu's order.
pub(super) struct Adapters {
    adapters: Vec<Adapter>,
    pub(super) infos: Vec<AdapterInfo>,
}

impl Adapters {
    pub(super) fn find() -> Self {
        // WGPU_VALIDATION=1 turns the validation layers on, also in a release build.
        Self::with_flags(InstanceFlags::from_build_config().with_env())
    }

    fn with_flags(flags: InstanceFlags) -> Self {
        let instance = Instance::new(InstanceDescriptor {
            backends: Backends::PRIMARY,
            flags,
            ..InstanceDescriptor::new_without_display_handle()
        });
        let adapters = pollster::block_on(instance.enumerate_adapters(Backends::PRIMARY));
        let infos = adapters.iter().map(Adapter::get_info).collect();
        Self { adapters, infos }
    }

    pub(super) fn get(&self, index: usize) -> (&Adapter, &AdapterInfo) {
        (&self.adapters[index], &self.infos[index])
    }

    /// The adapter to open.
    ///
    /// # Errors
    /// `Gpu` when there is none such; the message lists what there is, and says why a card is not among it.
    pub(super) fn pick(&self, choice: &GpuChoice) -> Result<Picked> {
        let facts = SystemProbe::read();
        pick(&self.infos, choice, &facts).map_err(|missing| {
            // Hidden adapters take a second look, which only a failure is worth.
            let unseen = if missing.is_for_want_of_a_card { self.unseen(&facts) } else { vec![] };
            missing.into_error(&unseen)
        })
    }

    /// Every real adapter that the environment allows.
    ///
    /// # Errors
    /// As [`Adapters::pick`] of `auto`.
    pub(super) fn all(&self) -> Result<Vec<usize>> {
        let facts = SystemProbe::read();
        pick::all(&self.infos, &facts).map_err(|missing| missing.into_error(&self.unseen(&facts)))
    }

    /// Cards without a Vulkan device, each with the cause and the way out.
    pub(super) fn unseen(&self, facts: &SystemProbe) -> Vec<Unseen> {
        let real = |info: &&AdapterInfo| info.device_type != DeviceType::Cpu;
        let vendors: Vec<u32> = self.infos.iter().filter(real).map(|info| info.vendor).collect();
        let drivers = DriverProbe::read();
        let unseen = diagnose(facts, &drivers, &Shown { vendors: vendors.clone(), hidden: vec![] });
        if unseen.is_empty() {
            return unseen;
        }
        let flags = InstanceFlags::empty() | InstanceFlags::ALLOW_UNDERLYING_NONCOMPLIANT_ADAPTER;
        let all = Self::with_flags(flags);
        let is_new = |info: &&AdapterInfo| !self.infos.iter().any(|known| known.name == info.name);
        let hidden = all.infos.iter().filter(real).filter(is_new);
        let hidden = hidden.map(|info| (info.name.clone(), info.vendor)).collect();
        diagnose(facts, &drivers, &Shown { vendors, hidden })
    }
}
