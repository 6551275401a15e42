// The sums of many pairs of bases in f16, from tiles of 128 × 128 of the stacked product: see shared/stack.wgsl.

@compute @workgroup_size(LANES, LANES)
fn pair_stats_128_f16(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let index = workgroup.y * workgroups.x + workgroup.x;
    if index < params.n_tiles {
        make_tile_128(index, local.x, local.y);
    }
}
