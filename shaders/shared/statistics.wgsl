// What statistics need of a quadrant of products, for the pair_stats_* kernels. Needs stack.wgsl.
//
//   P = U·Vᵀ,   Q = P∘P,   S(i, j) = sum of the i × j corner of Q,   linear CKA = Σᵢⱼ wᵢ·wⱼ·Qᵢⱼ,   w = σ² / √Σσ⁴
//
// The sums of a pair are S of each cell, then those named below. Q is rounded to multiples of 2⁻²⁵, and the terms of the
// linear CKA to 2⁻³¹. Under 128 no rectangle overflows: the rows of a basis are orthonormal, so that those of 64 rows sum to
// 64 at most.
//
// A kernel that uses it has
//   cosines  4 × 4 products by the scales of their rows

const Q_UNIT: f32 = 33554432.0;         // 2²⁵
const LINEAR_CKA_UNIT: f32 = 2147483648.0; // 2³¹

// The sums of a pair after its cells, in the order of the host's PRODUCT_SUMS: those of Q, then those of its weighted terms.
const PHI_R: u32 = 0u;
const PHI_FULL: u32 = 1u;
const LINEAR_CKA: u32 = 2u;
const N_PLAIN: u32 = 2u;
const N_SUMS: u32 = 3u;

// From one quadrant of P, of which an invocation has 4 × 4, to its share of all sums.
fn finish(p: mat4x4<f32>, group_row: u32, group_col: u32, tx: u32, ty: u32) {
    let a = row_params[params.params_a + group_row * LANES + ty];
    let b = row_params[params.params_b + group_col * LANES + tx];
    let c = cosines(p, a.scales, b.scales);
    let q = mat4x4<f32>(c[0] * c[0], c[1] * c[1], c[2] * c[2], c[3] * c[3]);
    let d0 = fract(a.dithers_a.x + b.dithers_b);
    let d1 = fract(a.dithers_a.y + b.dithers_b);
    let d2 = fract(a.dithers_a.z + b.dithers_b);
    let d3 = fract(a.dithers_a.w + b.dithers_b);
    // The squares themselves, then their terms of the linear CKA.
    var units_a = vec4<f32>(Q_UNIT);
    var units_b = vec4<f32>(1.0);
    for (var part = 0u; part < 2u; part++) {
        table(
            vec4<u32>(fma(q[0], units_a.x * units_b, d0)), vec4<u32>(fma(q[1], units_a.y * units_b, d1)),
            vec4<u32>(fma(q[2], units_a.z * units_b, d2)), vec4<u32>(fma(q[3], units_a.w * units_b, d3)), tx, ty,
        );
        let first = part * (params.n_cells + N_PLAIN);
        let end = params.n_cells + select(N_PLAIN, N_SUMS, part == 1u);
        share(group_row, group_col, first, end, ty * LANES + tx);
        units_a = LINEAR_CKA_UNIT * a.weights;
        units_b = b.weights;
    }
}

fn corner(value: u32, q_a: u32, q_b: u32) -> vec2<u32> {
    if value < params.n_cells {
        return vec2<u32>(tables[params.cells + 2u * value], tables[params.cells + 2u * value + 1u]);
    }
    if value == params.n_cells + PHI_R {
        return vec2<u32>(min(q_a, q_b));
    }
    return vec2<u32>(q_a, q_b);
}
