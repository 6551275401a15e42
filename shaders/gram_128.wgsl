// Tiles of 128 × 128 of the Gram matrix of bases in f32, for many pairs. stack.wgsl, product.wgsl, tile_128.wgsl
// and steps.wgsl stand in front.
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

@compute @workgroup_size(LANES, LANES)
fn gram_128(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let index = workgroup.y * workgroups.x + workgroup.x;
    if index < params.n_tiles {
        make_tile_128(index, local.x, local.y);
    }
}
