// Tiles of 128 × 128 of the Gram matrix of bases in f32, for many pairs. stack.wgsl, product.wgsl, tile_128.wgsl, steps.wgsl
// and bases_f32.wgsl stand in front.

@compute @workgroup_size(LANES, LANES)
fn pair_stats_128(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let index = workgroup.y * workgroups.x + workgroup.x;
    if index < params.n_tiles {
        make_tile_128(index, local.x, local.y);
    }
}
