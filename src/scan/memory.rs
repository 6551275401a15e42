//! The memory that a scan may take where the caller does not say.

/// Half of the memory that is free here, in the system and in the control group.
pub(super) fn half_of_free_bytes() -> u64 {
    let mut system = sysinfo::System::new();
    system.refresh_memory();
    let free = system.available_memory();
    let free = system.cgroup_limits().map_or(free, |limits| limits.free_memory.min(free));
    free / 2
}
