//! What some kernels ask of an adapter beyond WebGPU's defaults.

use wgpu::{Adapter, AdapterInfo, CooperativeScalarType, Features, Limits};

use crate::error::{Fault, Result};
use crate::kernels::pair_stats::Feature;

/// What a kernel with cooperative matrices needs of an adapter.
const MATRIX_FEATURES: Features =
    Features::EXPERIMENTAL_COOPERATIVE_MATRIX.union(Features::SHADER_F16).union(Features::SUBGROUP);

/// 16 KiB for a tile of products, and 16 for its table.
const MATRIX_WORKGROUP_BYTES: u32 = 32_768;

/// Features and limits that a device has to be opened with.
pub(super) struct Required {
    pub(super) features: Features,
    pub(super) limits: Limits,
}

impl Required {
    /// What `needs` takes, and timestamps where the adapter has them.
    ///
    /// # Errors
    /// `Gpu` when the adapter does not have it.
    pub(super) fn of(needs: Option<Feature>, adapter: &Adapter, info: &AdapterInfo) -> Result<Self> {
        let mut features = adapter.features() & Features::TIMESTAMP_QUERY;
        let mut limits = Limits::default();
        let missing = match needs {
            None => None,
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

fn has_matrices(adapter: &Adapter) -> bool {
    adapter.features().contains(MATRIX_FEATURES)
        && adapter.limits().max_compute_workgroup_storage_size >= MATRIX_WORKGROUP_BYTES
        && adapter.cooperative_matrix_properties().iter().any(|matrix| {
            (matrix.m_size, matrix.n_size, matrix.k_size) == (16, 16, 16)
                && matrix.ab_type == CooperativeScalarType::F16
                && matrix.cr_type == CooperativeScalarType::F32
        })
}
