//! `shaders/copy_rate.wgsl`: how fast a GPU reads and writes its memory.

use super::{Binding, Kernel, MAX_WORKGROUPS, sources};

/// The kernel.
pub const KERNEL: Kernel = Kernel {
    name: "copy_rate",
    source: sources::COPY_RATE,
    bindings: &[Binding::Read, Binding::ReadWrite],
    overrides: &[("LANES", LANES as f64)],
};

/// Invocations a workgroup, each of which copies [`BYTES`].
const LANES: u32 = 256;

/// Four numbers.
const BYTES: u64 = 16;

/// Workgroups that copy at most so many bytes, and how many bytes they copy: the kernel itself checks no end.
pub fn dispatch_size(max_bytes: u64) -> (u32, u64) {
    let of_workgroup = BYTES * u64::from(LANES);
    let n = (max_bytes / of_workgroup).clamp(1, u64::from(MAX_WORKGROUPS));
    (n as u32, n * of_workgroup)
}

/// The kernel's work in plain loops.
pub fn copy_rate(source: &[f32], copy: &mut [f32]) {
    copy.copy_from_slice(source);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_workgroups_within_the_bytes_and_the_limit() {
        assert_eq!(dispatch_size(128 << 20), (32_768, 128 << 20));
        assert_eq!(dispatch_size(4095 + 4096), (1, 4096));
        assert_eq!(dispatch_size(u64::MAX).0, MAX_WORKGROUPS);
    }
}
