// Tiles of 128 × 128 of the Gram matrix of bases in f16, for many pairs. stack.wgsl, product.wgsl, tile_128.wgsl
// and steps.wgsl stand in front.
//
// bases   rows of d numbers in f16 and zeros up to 4·d4, one basis after another

@group(0) @binding(0) var<storage, read> bases: array<vec2<u32>>;

fn load(at: u32) -> vec4<f32> {
    let words = bases[at];
    return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
}

// By the reciprocals of the rows' norms after rounding.
fn cosines(p: mat4x4<f32>, a: vec4<f32>, b: vec4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(p[0] * (a.x * b), p[1] * (a.y * b), p[2] * (a.z * b), p[3] * (a.w * b));
}

@compute @workgroup_size(LANES, LANES)
fn gram_128_f16(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let index = workgroup.y * workgroups.x + workgroup.x;
    if index < params.n_tiles {
        make_tile_128(index, local.x, local.y);
    }
}
