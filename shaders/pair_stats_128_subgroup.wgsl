// Tiles of 128 × 128 of the Gram matrix of bases in f32, for subgroups of 8 invocations, which are 8 in line along the
// columns: what their rows have in common each reads an eighth of and gives to the others. A driver that is a program on a CPU
// has such subgroups, and reads workgroup memory one invocation after the other. stack.wgsl, product.wgsl, tile_128.wgsl and
// bases_f32.wgsl stand in front.

fn add_products(sums: Blocks, k: u32, tx: u32, ty: u32) -> Blocks {
    // The first four invocations read the upper rows of four columns, the others the lower ones.
    let mine = four((k + tx % 4u) * 64u + 32u + ty + tx / 4u % 2u * 16u);
    let at = k * 64u + tx;
    var p = sums;
    p = multiply_add_blocks(p, subgroupBroadcast(mine, 0u), subgroupBroadcast(mine, 4u), four(at), four(at + 16u));
    p = multiply_add_blocks(p, subgroupBroadcast(mine, 1u), subgroupBroadcast(mine, 5u), four(at + 64u), four(at + 80u));
    p = multiply_add_blocks(p, subgroupBroadcast(mine, 2u), subgroupBroadcast(mine, 6u), four(at + 128u), four(at + 144u));
    p = multiply_add_blocks(p, subgroupBroadcast(mine, 3u), subgroupBroadcast(mine, 7u), four(at + 192u), four(at + 208u));
    return p;
}

@compute @workgroup_size(LANES, LANES)
fn pair_stats_128_subgroup(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let index = workgroup.y * workgroups.x + workgroup.x;
    if index < params.n_tiles {
        make_tile_128(index, local.x, local.y);
    }
}
