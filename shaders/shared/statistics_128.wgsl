// A tile of 128 × 128 of the kernels pair_stats_128, from its products to its sums. Needs tile_128.wgsl and statistics.wgsl.

fn make_tile_128(index: u32, tx: u32, ty: u32) {
    let tile_row = tables[params.tiles + 2u * index];
    let tile_col = tables[params.tiles + 2u * index + 1u];
    let c = product_128(tile_row, tile_col, 0u, params.d4, tx, ty);
    // A loop, not four calls: drivers inline them, and take four times as long to compile the kernel.
    for (var quadrant = 0u; quadrant < 4u; quadrant++) {
        finish(block_of(c, quadrant), 2u * tile_row + quadrant / 2u, 2u * tile_col + quadrant % 2u, tx, ty);
    }
}
