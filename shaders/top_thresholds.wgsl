// The least key of a pair that may be among the k of a basis: see shared/top_pairs.wgsl.
//
// One workgroup finds the k-th largest key of one line of keys: of a row, or of a column from the n_a-th line on. It looks for it
// eight bits at a time, the highest first, by counting the keys that agree in the bits so far.

const THREADS: u32 = 256u;

var<workgroup> counts: array<atomic<u32>, 256>;
var<workgroup> prefix: u32;  // the bits that are known
var<workgroup> left: u32;    // which of the keys with these bits is looked for, from 1, the largest first

@compute @workgroup_size(THREADS)
fn top_thresholds(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let line = workgroup.x;
    let is_row = line < params.n_a;
    let begin = select(line - params.n_a, line * params.n_b, is_row);
    let step = select(params.n_b, 1u, is_row);
    let n = select(params.n_a, params.n_b, is_row);
    if thread == 0u {
        prefix = 0u;
        left = min(params.k, n);
    }
    for (var shift = 32u; shift > 0u; shift -= 8u) {
        atomicStore(&counts[thread], 0u);
        workgroupBarrier();
        let known = prefix;
        for (var k = thread; k < n; k += THREADS) {
            let key = keys[begin + k * step];
            // A shift by 32 would not be one.
            if shift == 32u || (key >> (shift % 32u)) == known {
                atomicAdd(&counts[(key >> (shift - 8u)) & 0xffu], 1u);
            }
        }
        workgroupBarrier();
        if thread == 0u {
            var digit = 255u;
            var above = 0u;
            var here = atomicLoad(&counts[digit]);
            while digit > 0u && above + here < left {
                above += here;
                digit -= 1u;
                here = atomicLoad(&counts[digit]);
            }
            prefix = (known << 8u) | digit;
            left -= above;
        }
        workgroupBarrier();
    }
    if thread == 0u {
        // Of no pair, where there are fewer than k: then all may be.
        let phi = bitcast<f32>(max(prefix, 1u) - 1u);
        thresholds[line] = bitcast<u32>(phi * (1.0 - 1.0 / 262144.0)) + 1u;
    }
}
