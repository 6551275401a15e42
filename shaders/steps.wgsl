// The steps of a tile of 128 × 128 where an invocation reads all of its rows and columns itself. Joined between tile_128.wgsl
// and the kernels pair_stats_128 that need no feature.

fn add_products(sums: Blocks, k: u32, tx: u32, ty: u32) -> Blocks {
    let at_a = k * 64u + 32u + ty;
    let at_b = k * 64u + tx;
    var p = sums;
    for (var u = 0u; u < UNROLL; u++) {
        let a0 = four(at_a + u * 64u);
        let a1 = four(at_a + u * 64u + 16u);
        let b0 = four(at_b + u * 64u);
        let b1 = four(at_b + u * 64u + 16u);
        p = multiply_add_blocks(p, a0, a1, b0, b1);
    }
    return p;
}
