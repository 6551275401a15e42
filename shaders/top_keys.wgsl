// φ of each pair of a dispatch as a key that sorts, the histogram of φ, and the check of all sums: see shared/top_pairs.wgsl.
//
// One invocation looks at one pair. Classes are found by comparing whole numbers, exactly; keys are f32.

var<workgroup> of_class: array<atomic<u32>, MAX_CLASSES>;
var<workgroup> checked: atomic<u32>;

// A sum as multiples of 2¹⁶ and the rest.
fn sum_at(word: u32) -> vec2<u32> {
    if params.n_words == 1u {
        return vec2<u32>(sums[word] >> 16u, sums[word] & 0xffffu);
    }
    // Each is a sum of 16-bit parts.
    return vec2<u32>(sums[word + 1u] + (sums[word] >> 16u), sums[word] & 0xffffu);
}

// How many edges from `first` on are at or below a sum.
fn class_of(sum: vec2<u32>, first: u32) -> u32 {
    var below = 0u;
    var n = params.n_edges;
    while n > 0u {
        let half = n / 2u;
        let at = first + 2u * (below + half);
        if lists[at] < sum.x || (lists[at] == sum.x && lists[at + 1u] <= sum.y) {
            below += half + 1u;
            n -= half + 1u;
        } else {
            n = half;
        }
    }
    return below;
}

@compute @workgroup_size(LANES, LANES)
fn top_keys(@builtin(global_invocation_id) at: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    if thread < MAX_CLASSES {
        atomicStore(&of_class[thread], 0u);
    }
    if thread == 0u {
        atomicStore(&checked, 0u);
    }
    workgroupBarrier();
    let a = at.y;
    let b = at.x;
    if is_pair(a, b) {
        let word = first_word(a, b);
        var check = 0u;
        for (var k = 0u; k < params.n_values * params.n_words; k++) {
            check += sums[word + k] * (2u * (word + k) + 1u);
        }
        atomicAdd(&checked, check);
        let rank = params.ranks + min(lists[a], lists[params.n_a + b]) * (1u + 2u * params.n_edges);
        let sum = sum_at(word + params.value * params.n_words);
        atomicAdd(&of_class[class_of(sum, rank + 1u)], 1u);
        let phi = min(fma(f32(sum.x), 65536.0, f32(sum.y)) * bitcast<f32>(lists[rank]), 1.0);
        let key = bitcast<u32>(phi) + 1u;
        keys[a * params.n_b + b] = key;
        if params.is_upper == 1u {
            keys[b * params.n_b + a] = key;
        }
    } else if params.is_upper == 1u && a == b && a < params.n_a {
        keys[a * params.n_b + b] = 0u;
    }
    workgroupBarrier();
    if thread <= params.n_edges {
        atomicAdd(&top[CLASSES + thread], atomicLoad(&of_class[thread]));
    }
    if thread == 0u {
        atomicAdd(&top[CHECK], atomicLoad(&checked));
    }
}
