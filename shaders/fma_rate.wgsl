// How many multiply-adds a GPU makes: the ceiling that `devices --tune` holds the other kernels against.
//
// results  one number an invocation: the sum of its 32 numbers after 4·n_steps times x ← x·factor + addend
//
// One invocation has 32 numbers that do not wait for each other, as many as fill the pipeline of any GPU with a few subgroups.
// They begin with 0 to 31 and the invocation's place in its workgroup. With factor = addend = 1, which no compiler knows, every
// sum is a whole number that the host checks: a driver that leaves out work is not a fast one.

override LANES: u32 = 256u;

struct Params {
    n_steps: u32,
    factor: f32,
    addend: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> results: array<f32>;

fn advance(x: mat4x4<f32>) -> mat4x4<f32> {
    let factor = vec4<f32>(params.factor);
    let addend = vec4<f32>(params.addend);
    return mat4x4<f32>(
        fma(x[0], factor, addend),
        fma(x[1], factor, addend),
        fma(x[2], factor, addend),
        fma(x[3], factor, addend),
    );
}

fn sum(x: mat4x4<f32>) -> f32 {
    return dot(x[0] + x[1] + x[2] + x[3], vec4<f32>(1.0));
}

@compute @workgroup_size(LANES)
fn fma_rate(@builtin(global_invocation_id) global: vec3<u32>, @builtin(local_invocation_index) place: u32) {
    let first = f32(place);
    let ramp = vec4<f32>(first, first + 1.0, first + 2.0, first + 3.0);
    var x = mat4x4<f32>(ramp, ramp + 4.0, ramp + 8.0, ramp + 12.0);
    var y = mat4x4<f32>(ramp + 16.0, ramp + 20.0, ramp + 24.0, ramp + 28.0);
    for (var k = 0u; k < params.n_steps; k++) {
        x = advance(x);
        y = advance(y);
        x = advance(x);
        y = advance(y);
        x = advance(x);
        y = advance(y);
        x = advance(x);
        y = advance(y);
    }
    results[global.x] = sum(x) + sum(y);
}
