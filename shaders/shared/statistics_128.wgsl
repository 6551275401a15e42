// A tile of 128 × 128 of the kernels pair_stats_128, from its products to its sums. Needs tile_128.wgsl and statistics.wgsl.

fn make_tile_128(index: u32, tx: u32, ty: u32) {
    let tile_row = tables[params.tiles + 2u * index];
    let tile_col = tables[params.tiles + 2u * index + 1u];
    let columns = chunk_of(0u, params.d4);
    let c = product_128(tile_row, tile_col, columns.x, columns.y, tx, ty);
    let thread = ty * LANES + tx;
    var signed = 0.0;
    // A loop, not four calls: drivers inline them, and take four times as long to compile the kernel.
    for (var quadrant = 0u; quadrant < 4u; quadrant++) {
        let p = carried(block_of(c, quadrant), 4u * index + quadrant, thread);
        if params.is_last == 1u {
            let group_row = 2u * tile_row + quadrant / 2u;
            let group_col = 2u * tile_col + quadrant % 2u;
            signed += signed_sum(p, group_row, group_col, tx, ty);
            finish(p, group_row, group_col, tx, ty);
        }
    }
    if params.is_last == 1u {
        leave_checks(index, signed, 0.0, thread);
    }
}
