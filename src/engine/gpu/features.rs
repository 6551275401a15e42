//! What some kernels ask of an adapter beyond WebGPU's defaults.

use wgpu::{Adapter, AdapterInfo, CooperativeScalarType, DeviceType, Features, Limits};

use crate::error::{Fault, Result};
use crate::kernels::pair_stats::Feature;

/// What a kernel with cooperative matrices needs of an adapter.
const MATRIX_FEATURES: Features =
    Features::EXPERIMENTAL_COOPERATIVE_MATRIX.union(Features::SHADER_F16).union(Features::SUBGROUP);

/// 16 KiB for a tile of products, and 16 for its table.
const MATRIX_WORKGROUP_BYTES: u32 = 32_768;

/// Invocations of a small subgroup.
const SMALL_SUBGROUP: u32 = 8;

/// Features and limits that a device has to be opened with.
pub(super) struct Required {
    pub(super) features: Features,
    pub(super) limits: Limits,
}

impl Required {
    /// What `needs` takes, with the features that every kernel may be better for.
    ///
    /// # Errors
    /// `Gpu` when the adapter does not have it.
    pub(super) fn of(needs: Option<Feature>, adapter: &Adapter, info: &AdapterInfo) -> Result<Self> {
        // Kernels are timed where that is offered.
        let mut features = adapter.features() & Features::TIMESTAMP_QUERY;
        let mut limits = Limits::default();
        if has_small_subgroups(adapter, info) {
            features |= Features::SUBGROUP;
        }
        let missing = match needs {
            None => None,
            Some(Feature::SmallSubgroups) => (!features.contains(Features::SUBGROUP))
                .then_some("no software driver with subgroups of 8 invocations each"),
            Some(Feature::Matrices) => {
                features |= MATRIX_FEATURES;
                limits.max_compute_workgroup_storage_size = MATRIX_WORKGROUP_BYTES;
                (!has_matrices(adapter))
                    .then_some("no cooperative matrices of 16 × 16 × 16 in f16 with sums in f32")
            }
        };
        match missing {
            Some(found) => {
                let fault = Fault::new(found, "an adapter and a driver that have them").of(&info.name);
                Err(fault.hint("every adapter runs the kernels pair_stats_128 and pair_stats_64").gpu())
            }
            None => Ok(Self { features, limits }),
        }
    }
}

/// Software drivers alone: that the invocations of a subgroup are neighbours is theirs to keep, and no rule of Vulkan.
fn has_small_subgroups(adapter: &Adapter, info: &AdapterInfo) -> bool {
    info.device_type == DeviceType::Cpu
        && adapter.features().contains(Features::SUBGROUP)
        && (info.subgroup_min_size, info.subgroup_max_size) == (SMALL_SUBGROUP, SMALL_SUBGROUP)
}

fn has_matrices(adapter: &Adapter) -> bool {
    adapter.features().contains(MATRIX_FEATURES)
        && adapter.limits().max_compute_workgroup_storage_size >= MATRIX_WORKGROUP_BYTES
        && adapter.cooperative_matrix_properties().iter().any(|matrix| {
            (matrix.m_size, matrix.n_size, matrix.k_size) == (16, 16, 16)
                && matrix.ab_type == CooperativeScalarType::F16
                && matrix.cr_type == CooperativeScalarType::F32
        })
}
