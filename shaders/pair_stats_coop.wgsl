enable f16;
enable wgpu_cooperative_matrix;

// The sums of pairs of bases in split f16, from tiles of 64 × 64 of the stacked product, by cooperative matrices of 16 × 16:
// see shared/stack.wgsl.
//
// bases   rows of 4·d4 high parts and as many low ones, V·2¹⁰ = high + low·2⁻¹¹, zeros past d, one basis after another
//
// P·2²⁰ = high·highᵀ + (high·lowᵀ + low·highᵀ)·2⁻¹¹; what low·lowᵀ would add is under what f32 keeps. Sums are in f32, and
// run in slices as in the other kernels; a matrix unit adds up 16 columns in an order of its own, so the bits are not
// those of the other kernels.
//
// Each subgroup makes blocks of 16 × 32, eight to a tile.

const SIZE: u32 = 16u;

@group(0) @binding(0) var<storage, read> bases: array<f16>;

var<workgroup> products: array<f32, QUAD * QUAD>;

// The norms are 1.
fn cosines(p: mat4x4<f32>, a: vec4<f32>, b: vec4<f32>) -> mat4x4<f32> {
    return p;
}

// The block from this row of the a rows and this column of the b rows on, to `to` in products.
fn make_block(row: u32, col: u32, to: u32) {
    let width = 8u * params.d4;
    let low = 4u * params.d4;
    let at_a = row * width;
    let at_b = col * width;
    let at_c = at_b + SIZE * width;
    var total_b = coop_mat16x16<f32, C>();
    var total_c = coop_mat16x16<f32, C>();
    for (var slice = 0u; slice < low; slice += SLICE) {
        var high_b = coop_mat16x16<f32, C>();
        var high_c = coop_mat16x16<f32, C>();
        var cross_b = coop_mat16x16<f32, C>();
        var cross_c = coop_mat16x16<f32, C>();
        let end = min(slice + SLICE, low);
        for (var k = slice; k < end; k += SIZE) {
            // Rows of a as they lie; rows of b as columns.
            let a = coopLoadT<coop_mat16x16<f16, A>>(&bases[at_a + k], width);
            let a_low = coopLoadT<coop_mat16x16<f16, A>>(&bases[at_a + low + k], width);
            let b = coopLoad<coop_mat16x16<f16, B>>(&bases[at_b + k], width);
            let b_low = coopLoad<coop_mat16x16<f16, B>>(&bases[at_b + low + k], width);
            let c = coopLoad<coop_mat16x16<f16, B>>(&bases[at_c + k], width);
            let c_low = coopLoad<coop_mat16x16<f16, B>>(&bases[at_c + low + k], width);
            high_b = coopMultiplyAdd(a, b, high_b);
            high_c = coopMultiplyAdd(a, c, high_c);
            cross_b = coopMultiplyAdd(a, b_low, cross_b);
            cross_c = coopMultiplyAdd(a, c_low, cross_c);
            cross_b = coopMultiplyAdd(a_low, b, cross_b);
            cross_c = coopMultiplyAdd(a_low, c, cross_c);
        }
        total_b = total_b + (high_b * 9.5367431640625e-07 + cross_b * 4.656612873077393e-10); // 2⁻²⁰, 2⁻³¹
        total_c = total_c + (high_c * 9.5367431640625e-07 + cross_c * 4.656612873077393e-10);
    }
    coopStoreT(total_b, &products[to], QUAD);
    coopStoreT(total_c, &products[to + SIZE], QUAD);
}

// In one dimension: only so do invocations have a subgroup each by their order.
@compute @workgroup_size(LANES * LANES)
fn pair_stats_coop(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(num_subgroups) n_subgroups: u32,
) {
    let index = workgroup.y * workgroups.x + workgroup.x;
    if index >= params.n_tiles {
        return;
    }
    let tile_row = tables[params.tiles + 2u * index];
    let tile_col = tables[params.tiles + 2u * index + 1u];
    for (var block = subgroup; block < 8u; block += n_subgroups) {
        let row = block / 2u * SIZE;
        let col = block % 2u * 2u * SIZE;
        make_block(params.row_a + tile_row * QUAD + row, params.row_b + tile_col * QUAD + col, row * QUAD + col);
    }
    workgroupBarrier();
    let tx = thread % LANES;
    let ty = thread / LANES;
    var p = mat4x4<f32>();
    for (var k = 0u; k < 4u; k++) {
        let at = (4u * ty + k) * QUAD + 4u * tx;
        p[k] = vec4<f32>(products[at], products[at + 1u], products[at + 2u], products[at + 3u]);
    }
    finish(p, tile_row, tile_col, tx, ty);
}
