// Subspace similarity of pairs of orthonormal bases, kept in f16 and summed in f32: see shared/common.wgsl.
//
// bases_a, bases_b   one basis after another; a row is the f32 reciprocal of its norm, then d numbers, two in a word, the
//                    first in the low half, a half word of zeros after an odd d
//
// A row's numbers are its vector's times a scale, so that rounding to f16 is all that they lose; the reciprocal takes
// that scale and the rounding of the length back. unpack2x16float needs no feature of the adapter.

@group(0) @binding(0) var<storage, read> bases_a: array<u32>;
@group(0) @binding(1) var<storage, read> bases_b: array<u32>;

fn row_words(d: u32) -> u32 {
    return 1u + (d + 1u) / 2u;
}

fn load_a(tile: Tile, vector: u32, column: u32) -> vec4<f32> {
    var loaded = vec4<f32>();
    for (var k = 0u; k < 4u; k++) {
        if vector + k < tile.n_rows && column < tile.d {
            let word = bases_a[tile.offset_a + (vector + k) * row_words(tile.d) + 1u + column / 2u];
            let numbers = unpack2x16float(word);
            loaded[k] = select(numbers.x, numbers.y, column % 2u == 1u);
        }
    }
    return loaded;
}

fn load_b(tile: Tile, vector: u32, column: u32) -> vec4<f32> {
    var loaded = vec4<f32>();
    for (var k = 0u; k < 4u; k++) {
        if vector + k < tile.n_cols && column < tile.d {
            let word = bases_b[tile.offset_b + (vector + k) * row_words(tile.d) + 1u + column / 2u];
            let numbers = unpack2x16float(word);
            loaded[k] = select(numbers.x, numbers.y, column % 2u == 1u);
        }
    }
    return loaded;
}

fn scale_a(tile: Tile, vector: u32) -> vec4<f32> {
    var scales = vec4<f32>();
    for (var k = 0u; k < 4u; k++) {
        if vector + k < tile.n_rows {
            scales[k] = bitcast<f32>(bases_a[tile.offset_a + (vector + k) * row_words(tile.d)]);
        }
    }
    return scales;
}

fn scale_b(tile: Tile, vector: u32) -> vec4<f32> {
    var scales = vec4<f32>();
    for (var k = 0u; k < 4u; k++) {
        if vector + k < tile.n_cols {
            scales[k] = bitcast<f32>(bases_b[tile.offset_b + (vector + k) * row_words(tile.d)]);
        }
    }
    return scales;
}

@compute @workgroup_size(SIDE, SIDE)
fn similarity_f16(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    make_tile(workgroup.y * workgroups.x + workgroup.x, local.x, local.y);
}
