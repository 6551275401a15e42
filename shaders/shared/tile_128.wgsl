// Tiles of 128 × 128 by multiply-adds, for the kernels pair_stats_128 and update_cosine. Needs product.wgsl.

// What an invocation has in each quadrant, named by its row and column.
struct Blocks {
    b00: mat4x4<f32>,
    b01: mat4x4<f32>,
    b10: mat4x4<f32>,
    b11: mat4x4<f32>,
}

fn multiply_add_blocks(p: Blocks, a0: vec4<f32>, a1: vec4<f32>, b0: vec4<f32>, b1: vec4<f32>) -> Blocks {
    return Blocks(
        multiply_add(p.b00, a0, b0), multiply_add(p.b01, a0, b1),
        multiply_add(p.b10, a1, b0), multiply_add(p.b11, a1, b1),
    );
}

// The products of UNROLL staged columns from k on, added to the sums of an invocation.
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

// The products of a tile over the columns from vec4 `begin` up to `end`: 16 × 16 invocations with 8 × 8 cells each, as four
// blocks of 4 × 4, one in each quadrant.
fn product_128(tile_row: u32, tile_col: u32, begin: u32, end: u32, tx: u32, ty: u32) -> Blocks {
    let thread = ty * LANES + tx;

    // Each invocation stages 4 rows × 4 columns: four of them read 64 bytes of a row in line.
    let lane = thread % 4u;
    let quad = thread / 4u;
    let row_a = params.row_a + tile_row * 128u + 4u * (quad - 32u);
    let row_b = params.row_b + tile_col * 128u + 4u * quad;
    let row = min(select(row_a, row_b, quad < 32u), params.last_rows);
    let source = row * params.d4 + lane;
    let to = 4u * lane * 64u + quad;

    var c = Blocks();
    for (var slice = begin; slice < end; slice += SLICE / 4u) {
        var p = Blocks();
        let slice_end = min(slice + SLICE / 4u, end);
        for (var start = slice; start < slice_end; start += STEP / 4u) {
            stage(to, 64u, source + start);
            workgroupBarrier();
            for (var k = 0u; k < STEP; k += UNROLL) {
                p = add_products(p, k, tx, ty);
            }
            workgroupBarrier();
        }
        c = Blocks(c.b00 + p.b00, c.b01 + p.b01, c.b10 + p.b10, c.b11 + p.b11);
    }
    return c;
}

// The block of a quadrant, counted row by row.
fn block_of(c: Blocks, quadrant: u32) -> mat4x4<f32> {
    if quadrant == 1u {
        return c.b01;
    } else if quadrant == 2u {
        return c.b10;
    } else if quadrant == 3u {
        return c.b11;
    }
    return c.b00;
}
