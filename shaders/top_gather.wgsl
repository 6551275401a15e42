// Puts the pairs that may be among the k of either basis, with their sums, one after another: see shared/top_pairs.wgsl.
//
// One invocation looks at one pair. Those past the capacity are counted only.

@compute @workgroup_size(LANES, LANES)
fn top_gather(@builtin(global_invocation_id) at: vec3<u32>) {
    let a = at.y;
    let b = at.x;
    if !is_pair(a, b) {
        return;
    }
    let key = keys[a * params.n_b + b];
    let line_b = select(params.n_a + b, b, params.is_upper == 1u);
    if key < thresholds[a] && key < thresholds[line_b] {
        return;
    }
    let place = atomicAdd(&top[N_PAIRS], 1u);
    if place >= params.capacity {
        return;
    }
    atomicStore(&top[params.pairs + 2u * place], a);
    atomicStore(&top[params.pairs + 2u * place + 1u], b);
    let n = params.n_values * params.n_words;
    let word = first_word(a, b);
    for (var k = 0u; k < n; k++) {
        atomicStore(&top[params.words + place * n + k], sums[word + k]);
    }
}
