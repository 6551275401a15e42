// Products of rows by multiply-adds, for all kernels that make tiles of them without matrix units. Needs stack.wgsl.
//
// A kernel that uses it has
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
