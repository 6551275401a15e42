//! The kernels: for each WGSL file of `shaders/` a module of the same name with its host side, and the plain CPU
//! function of the same name that tests hold it against. A variant (`similarity_f16`) shares both with the kernel that
//! it is a variant of.

pub mod colormap;
pub mod copy_rate;
pub mod fma_rate;
pub mod pair_stats;
pub mod prefix_carry;
pub mod similarity;
mod sources;
pub mod top_pairs;

pub use sources::Source;

/// A compute kernel: its source and what the host must know to build and bind it.
#[derive(Debug, Clone, Copy)]
pub struct Kernel {
    /// The entry point, and the file's stem in `shaders/`.
    pub name: &'static str,
    /// What it is made of.
    pub source: Source,
    /// Bindings of group 0, in order.
    pub bindings: &'static [Binding],
    /// A value for each `override` that the shader does not compute from others.
    pub overrides: &'static [(&'static str, f64)],
}

/// How a kernel sees one of its buffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// `var<storage, read>`.
    Read,
    /// `var<storage, read_write>`.
    ReadWrite,
    /// `var<uniform>`.
    Uniform,
}

/// Every kernel, one for each file in `shaders/`.
pub const KERNELS: [Kernel; 14] = [
    similarity::KERNEL,
    similarity::KERNEL_F16,
    prefix_carry::KERNEL,
    colormap::KERNEL,
    pair_stats::VARIANTS[0].kernel,
    pair_stats::VARIANTS[1].kernel,
    pair_stats::VARIANTS[2].kernel,
    pair_stats::VARIANTS[3].kernel,
    pair_stats::UPDATE_COSINE.kernel,
    fma_rate::KERNEL,
    copy_rate::KERNEL,
    top_pairs::KEYS,
    top_pairs::THRESHOLDS,
    top_pairs::GATHER,
];

/// WebGPU's default limit on workgroups in one dimension of a dispatch.
pub const MAX_WORKGROUPS: u32 = 65_535;

/// Workgroups (x, y) for `n` one-dimensional items; the kernel skips indices from `n` on.
#[cfg(any(feature = "gpu", test))]
pub(crate) fn dispatch_line(n: u32) -> (u32, u32) {
    let x = n.clamp(1, MAX_WORKGROUPS);
    (x, n.div_ceil(x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_workgroups_covers_every_item_within_the_limit() {
        for n in [0, 1, 2, MAX_WORKGROUPS, MAX_WORKGROUPS + 1, 1 << 20, 1 << 31] {
            let (x, y) = dispatch_line(n);
            assert!(x <= MAX_WORKGROUPS && y <= MAX_WORKGROUPS, "{n}");
            assert!(u64::from(x) * u64::from(y) >= u64::from(n), "{n}");
        }
    }
}
