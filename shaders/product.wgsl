// Tiles of P = U·Vᵀ by multiply-adds. Joined between stack.wgsl and the kernels gram_128 and gram_64 in both precisions.
//
// The file behind it has
//   load   four numbers of one row

const STEP: u32 = 16u;   // columns of the bases that are staged at once
const UNROLL: u32 = 4u;  // of them, unrolled by the driver

fn stage(at: u32, rows_apart: u32, source: u32) {
    let block = transpose(mat4x4<f32>(
        load(source), load(source + params.d4), load(source + 2u * params.d4), load(source + 3u * params.d4),
    ));
    staged[at] = bitcast<vec4<u32>>(block[0]);
    staged[at + rows_apart] = bitcast<vec4<u32>>(block[1]);
    staged[at + 2u * rows_apart] = bitcast<vec4<u32>>(block[2]);
    staged[at + 3u * rows_apart] = bitcast<vec4<u32>>(block[3]);
}

fn four(at: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(staged[at]);
}

fn multiply_add(c: mat4x4<f32>, a: vec4<f32>, b: vec4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        fma(vec4<f32>(a.x), b, c[0]),
        fma(vec4<f32>(a.y), b, c[1]),
        fma(vec4<f32>(a.z), b, c[2]),
        fma(vec4<f32>(a.w), b, c[3]),
    );
}

// A tile of 128 × 128: 16 × 16 invocations with 8 × 8 cells each, as four blocks of 4 × 4, one in each quadrant.
fn make_tile_128(index: u32, tx: u32, ty: u32) {
    let tile_row = places[params.tiles + 2u * index];
    let tile_col = places[params.tiles + 2u * index + 1u];
    let thread = ty * LANES + tx;

    // Each invocation stages 4 rows × 4 columns: four of them read 64 bytes of a row in line.
    let lane = thread % 4u;
    let quad = thread / 4u;
    let row_a = params.row_a + tile_row * 128u + 4u * (quad - 32u);
    let row_b = params.row_b + tile_col * 128u + 4u * quad;
    let row = select(row_a, row_b, quad < 32u);
    let source = row * params.d4 + lane;
    let to = 4u * lane * 64u + quad;

    var c00 = mat4x4<f32>();
    var c01 = mat4x4<f32>();
    var c10 = mat4x4<f32>();
    var c11 = mat4x4<f32>();
    for (var slice = 0u; slice < params.d4; slice += SLICE / 4u) {
        var p00 = mat4x4<f32>();
        var p01 = mat4x4<f32>();
        var p10 = mat4x4<f32>();
        var p11 = mat4x4<f32>();
        let end = min(slice + SLICE / 4u, params.d4);
        for (var start = slice; start < end; start += STEP / 4u) {
            stage(to, 64u, source + start);
            workgroupBarrier();
            for (var k = 0u; k < STEP; k += UNROLL) {
                let at_a = k * 64u + 32u + ty;
                let at_b = k * 64u + tx;
                for (var u = 0u; u < UNROLL; u++) {
                    let a0 = four(at_a + u * 64u);
                    let a1 = four(at_a + u * 64u + 16u);
                    let b0 = four(at_b + u * 64u);
                    let b1 = four(at_b + u * 64u + 16u);
                    p00 = multiply_add(p00, a0, b0);
                    p01 = multiply_add(p01, a0, b1);
                    p10 = multiply_add(p10, a1, b0);
                    p11 = multiply_add(p11, a1, b1);
                }
            }
            workgroupBarrier();
        }
        c00 += p00;
        c01 += p01;
        c10 += p10;
        c11 += p11;
    }
    // A loop, not four calls: drivers inline them, and take four times as long to compile the kernel.
    for (var quadrant = 0u; quadrant < 4u; quadrant++) {
        var c = c00;
        if quadrant == 1u {
            c = c01;
        } else if quadrant == 2u {
            c = c10;
        } else if quadrant == 3u {
            c = c11;
        }
        finish(c, 2u * tile_row + quadrant / 2u, 2u * tile_col + quadrant % 2u, tx, ty);
    }
}

// A tile of 64 × 64, one quadrant: four times the workgroups for the same pairs. The same sums in the same order.
fn make_tile_64(index: u32, tx: u32, ty: u32) {
    let tile_row = places[params.tiles + 2u * index];
    let tile_col = places[params.tiles + 2u * index + 1u];
    let thread = ty * LANES + tx;
    let lane = thread % 4u;
    let quad = thread / 4u % 32u;
    let row_a = params.row_a + tile_row * 64u + 4u * (quad - 16u);
    let row_b = params.row_b + tile_col * 64u + 4u * quad;
    let row = select(row_a, row_b, quad < 16u);
    // The first half of the invocations stages the even steps, the second half the odd ones.
    let odd = thread / 128u;
    let source = row * params.d4 + lane + odd * (STEP / 4u);
    let to = odd * 512u + 4u * lane * 32u + quad;

    var c = mat4x4<f32>();
    for (var slice = 0u; slice < params.d4; slice += SLICE / 4u) {
        var p = mat4x4<f32>();
        let end = min(slice + SLICE / 4u, params.d4);
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
    finish(c, tile_row, tile_col, tx, ty);
}
