// The sums of few pairs of bases in f16, from tiles of 64 × 64 of the stacked product: see shared/stack.wgsl.

@compute @workgroup_size(LANES, LANES)
fn pair_stats_64_f16(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let index = workgroup.y * workgroups.x + workgroup.x;
    if index < params.n_tiles {
        make_tile_64(index, local.x, local.y);
    }
}
