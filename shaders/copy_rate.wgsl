// How fast a GPU reads and writes its memory: the other ceiling of `devices --tune`.
//
// source, copy  n numbers, four at once
//
// One invocation copies four numbers; neighbours lie next to each other.

override LANES: u32 = 256u;

@group(0) @binding(0) var<storage, read> source: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> copy: array<vec4<f32>>;

@compute @workgroup_size(LANES)
fn copy_rate(@builtin(global_invocation_id) global: vec3<u32>) {
    copy[global.x] = source[global.x];
}
