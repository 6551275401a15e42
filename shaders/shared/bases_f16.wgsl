// Bases in f16 for the pair_stats_* kernels.
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
