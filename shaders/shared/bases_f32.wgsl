// Bases in f32 for the pair_stats_* kernels.
//
// bases   rows of d numbers and zeros up to 4·d4, one basis after another

@group(0) @binding(0) var<storage, read> bases: array<vec4<f32>>;

fn load(at: u32) -> vec4<f32> {
    return bases[at];
}

// Rows of f32 have norm 1.
fn cosines(p: mat4x4<f32>, a: vec4<f32>, b: vec4<f32>) -> mat4x4<f32> {
    return p;
}
