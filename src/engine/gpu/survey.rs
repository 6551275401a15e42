//! What wgpu says of each adapter, and what `auto` makes of them.

use wgpu::{Adapter, AdapterInfo, DeviceType, Features};

use super::adapters::Adapters;
use super::cards::SystemProbe;
use super::pick::address;
use super::self_test::self_test;
use crate::engine::choice::no_gpu;
use crate::engine::{AutoTakes, Gpu, GpuChoice, GpuKind, GpuLimits, Survey};

/// Looks at every adapter and tests it.
pub(crate) fn survey() -> Survey {
    let adapters = Adapters::find();
    let gpus = (0..adapters.infos.len()).map(|index| {
        let (adapter, info) = adapters.get(index);
        describe(index, adapter, info)
    });
    let auto = match adapters.pick(&GpuChoice::Auto) {
        Ok(picked) => {
            let first = "the first real GPU, discrete before integrated".to_owned();
            AutoTakes { gpu: Some(picked.index), why: picked.why.unwrap_or(first), warning: picked.warning }
        }
        Err(error) => AutoTakes { gpu: None, why: no_gpu(&error), warning: None },
    };
    Survey { gpus: gpus.collect(), unseen: adapters.unseen(&SystemProbe::read()), auto }
}

fn describe(index: usize, adapter: &Adapter, info: &AdapterInfo) -> Gpu {
    let (limits, features) = (adapter.limits(), adapter.features());
    Gpu {
        index,
        name: info.name.clone(),
        backend: info.backend.to_string(),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        kind: match info.device_type {
            DeviceType::DiscreteGpu => GpuKind::Discrete,
            DeviceType::IntegratedGpu => GpuKind::Integrated,
            DeviceType::VirtualGpu => GpuKind::Virtual,
            DeviceType::Cpu => GpuKind::Software,
            DeviceType::Other => GpuKind::Other,
        },
        pci: address(info),
        limits: GpuLimits {
            max_storage_binding_bytes: limits.max_storage_buffer_binding_size,
            max_buffer_bytes: limits.max_buffer_size,
            workgroup_memory_bytes: limits.max_compute_workgroup_storage_size,
            workgroup_invocations: limits.max_compute_invocations_per_workgroup,
            subgroup_size: features
                .contains(Features::SUBGROUP)
                .then_some((info.subgroup_min_size, info.subgroup_max_size)),
            f16: features.contains(Features::SHADER_F16),
            timestamps: features.contains(Features::TIMESTAMP_QUERY),
        },
        self_tests: self_test(adapter, info),
    }
}
