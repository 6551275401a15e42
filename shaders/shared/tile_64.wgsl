// Tiles of 64 × 64 by multiply-adds, for the kernels pair_stats_64. Needs product.wgsl and statistics.wgsl.

// A tile of 64 × 64, one quadrant: four times the workgroups for the same pairs. The same sums in the same order.
fn make_tile_64(index: u32, tx: u32, ty: u32) {
    let tile_row = tables[params.tiles + 2u * index];
    let tile_col = tables[params.tiles + 2u * index + 1u];
    let thread = ty * LANES + tx;
    let lane = thread % 4u;
    let quad = thread / 4u % 32u;
    let row_a = params.row_a + tile_row * 64u + 4u * (quad - 16u);
    let row_b = params.row_b + tile_col * 64u + 4u * quad;
    let row = min(select(row_a, row_b, quad < 16u), params.last_rows);
    // The first half of the invocations stages the even steps, the second half the odd ones.
    let odd = thread / 128u;
    let source = row * params.d4 + lane + odd * (STEP / 4u);
    let to = odd * 512u + 4u * lane * 32u + quad;

    var c = mat4x4<f32>();
    let columns = chunk_of(0u, params.d4);
    for (var slice = columns.x; slice < columns.y; slice += SLICE / 4u) {
        var p = mat4x4<f32>();
        let end = min(slice + SLICE / 4u, columns.y);
        for (var start = slice; start < end; start += STEP / 2u) {
            stage(to, 32u, source + start);
            workgroupBarrier();
            for (var k = 0u; k < 2u * STEP; k += 2u * UNROLL) {
                for (var u = 0u; u < 2u * UNROLL; u++) {
                    p = multiply_add(p, four((k + u) * 32u + 16u + ty), four((k + u) * 32u + tx));
                }
            }
            workgroupBarrier();
        }
        c += p;
    }
    let p = carried(c, index, thread);
    if params.is_last == 1u {
        let signed = signed_sum(p, tile_row, tile_col, tx, ty);
        finish(p, tile_row, tile_col, tx, ty);
        leave_checks(index, signed, 0.0, thread);
    }
}
