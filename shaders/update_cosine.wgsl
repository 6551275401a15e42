// cos(ΔW₁, ΔW₂) of many pairs of updates, from tiles of 128 × 128 of two stacked products: see shared/stack.wgsl.
//
// ΔW/‖ΔW‖ = Σₖ xₖ·vₖᵀ, and a row of the stack is xₖ, in the first 4·split4 numbers, then vₖ. With P = X₁·X₂ᵀ and R = V₁·V₂ᵀ,
//
//   cos = Σᵢⱼ Pᵢⱼ·Rᵢⱼ
//
// The vₖ of an update are orthonormal and its xₖ have ‖X‖_F = 1, so that the sum over any rectangle of a pair is the inner
// product of two parts of the updates, and in [−1, 1]. Terms are rounded to multiples of 2⁻³⁰; negative ones wrap modulo 2³²,
// and so does a sum, which the host reads as a signed number.

const UNIT: f32 = 1073741824.0; // 2³⁰
const N_SUMS: u32 = 1u;

fn corner(value: u32, q_a: u32, q_b: u32) -> vec2<u32> {
    return vec2<u32>(q_a, q_b);
}

// What one invocation adds up of a row of 4 terms.
fn wrapped(terms: vec4<f32>, dithers: vec4<f32>) -> vec4<u32> {
    return bitcast<vec4<u32>>(vec4<i32>(floor(fma(terms, vec4<f32>(UNIT), dithers))));
}

fn finish(p: mat4x4<f32>, r: mat4x4<f32>, group_row: u32, group_col: u32, tx: u32, ty: u32) {
    let dithers_a = row_params[params.params_a + group_row * LANES + ty].dithers_a;
    let dithers_b = row_params[params.params_b + group_col * LANES + tx].dithers_b;
    table(
        wrapped(p[0] * r[0], fract(dithers_a.x + dithers_b)), wrapped(p[1] * r[1], fract(dithers_a.y + dithers_b)),
        wrapped(p[2] * r[2], fract(dithers_a.z + dithers_b)), wrapped(p[3] * r[3], fract(dithers_a.w + dithers_b)), tx, ty,
    );
    share(group_row, group_col, 0u, N_SUMS, ty * LANES + tx);
}

@compute @workgroup_size(LANES, LANES)
fn update_cosine(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let index = workgroup.y * workgroups.x + workgroup.x;
    if index >= params.n_tiles {
        return;
    }
    let tile_row = tables[params.tiles + 2u * index];
    let tile_col = tables[params.tiles + 2u * index + 1u];
    // A loop, not two calls, which drivers would inline.
    var p = Blocks();
    var r = Blocks();
    for (var part = 0u; part < 2u; part++) {
        p = r;
        let columns = chunk_of(part * params.split4, select(params.d4, params.split4, part == 0u));
        r = product_128(tile_row, tile_col, columns.x, columns.y, local.x, local.y);
    }
    let thread = local.y * LANES + local.x;
    var signed = vec2<f32>();
    for (var quadrant = 0u; quadrant < 4u; quadrant++) {
        let slot = 8u * index + 2u * quadrant;
        let left = carried(block_of(p, quadrant), slot, thread);
        let right = carried(block_of(r, quadrant), slot + 1u, thread);
        if params.is_last == 1u {
            let group_row = 2u * tile_row + quadrant / 2u;
            let group_col = 2u * tile_col + quadrant % 2u;
            signed.x += signed_sum(left, group_row, group_col, local.x, local.y);
            signed.y += signed_sum(right, group_row, group_col, local.x, local.y);
            finish(left, right, group_row, group_col, local.x, local.y);
        }
    }
    if params.is_last == 1u {
        leave_checks(index, signed.x, signed.y, thread);
    }
}
