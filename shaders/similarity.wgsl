// Subspace similarity of pairs of orthonormal bases (Hu et al. 2021, section 7.2), in f32: see
// shared/common.wgsl.
//
// bases_a, bases_b   basis vectors as rows of d numbers, (q, d) row-major, one basis after another

@group(0) @binding(0) var<storage, read> bases_a: array<f32>;
@group(0) @binding(1) var<storage, read> bases_b: array<f32>;

fn load_a(tile: Tile, vector: u32, column: u32) -> vec4<f32> {
    var loaded = vec4<f32>();
    for (var k = 0u; k < 4u; k++) {
        if vector + k < tile.n_rows && column < tile.d {
            loaded[k] = bases_a[tile.offset_a + (vector + k) * tile.d + column];
        }
    }
    return loaded;
}

fn load_b(tile: Tile, vector: u32, column: u32) -> vec4<f32> {
    var loaded = vec4<f32>();
    for (var k = 0u; k < 4u; k++) {
        if vector + k < tile.n_cols && column < tile.d {
            loaded[k] = bases_b[tile.offset_b + (vector + k) * tile.d + column];
        }
    }
    return loaded;
}

// Rows of f32 have norm 1.
fn scale_a(tile: Tile, vector: u32) -> vec4<f32> {
    return vec4<f32>(1.0);
}

fn scale_b(tile: Tile, vector: u32) -> vec4<f32> {
    return vec4<f32>(1.0);
}

@compute @workgroup_size(SIDE, SIDE)
fn similarity(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    make_tile(workgroup.y * workgroups.x + workgroup.x, local.x, local.y);
}
