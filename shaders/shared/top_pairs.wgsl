// Which pairs of a dispatch may be among the k of either basis with the largest φ(m, m), m = min(q_a, q_b), and how φ of all of
// them is spread: what the kernels top_keys, top_thresholds and top_gather share, which run one after another.
//
// sums        (n_pairs, n_values) of 1 or 2 words, as a pair_stats_* kernel left them
// lists       for each a and then each b, which of the ranks it has; then for each rank, in ascending order, what makes φ of a
//             sum, as bits of f32, and the n_edges sums at which the classes of the histogram begin, each as multiples of 2¹⁶
//             and the rest
// keys        (n_a, n_b): bits of φ, plus 1; 0 for no pair. Symmetric where both lists are one.
// thresholds  of each a, and of each b where that is another list: the least key of a pair that may be among its k
// top         how many pairs there are, the check of all sums, and how many pairs each class has; then (a, b) of each pair that
//             may be among the k, and then their words of sums
//
// φ is off by less than 2⁻²⁰ of itself here, since f32 does not hold a sum exactly. The host, which decides, gets the pairs that
// are within 2⁻¹⁸ of the k-th.

const LANES: u32 = 16u;       // along each side of a workgroup that looks at pairs
const MAX_CLASSES: u32 = 128u;
const N_PAIRS: u32 = 0u;      // places in top
const CHECK: u32 = 1u;
const CLASSES: u32 = 2u;

struct Params {
    n_a: u32,
    n_b: u32,
    is_upper: u32, // whether pairs are a before b of one list
    n_values: u32,
    n_words: u32,  // of a sum
    value: u32,    // the one of φ(m, m)
    k: u32,
    n_edges: u32,
    ranks: u32,    // where the first rank begins in lists
    capacity: u32, // pairs that top has room for
    pairs: u32,    // where they begin in top
    words: u32,    // and their sums
}

@group(0) @binding(0) var<storage, read> sums: array<u32>;
@group(0) @binding(1) var<storage, read> lists: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read_write> keys: array<u32>;
@group(0) @binding(4) var<storage, read_write> thresholds: array<u32>;
@group(0) @binding(5) var<storage, read_write> top: array<atomic<u32>>;

// Whether a and b are a pair.
fn is_pair(a: u32, b: u32) -> bool {
    return a < params.n_a && b < params.n_b && (params.is_upper == 0u || a < b);
}

// The first word of a pair in sums.
fn first_word(a: u32, b: u32) -> u32 {
    var pair = a * params.n_b + b;
    if params.is_upper == 1u {
        pair -= (a + 1u) * (a + 2u) / 2u;
    }
    return pair * params.n_values * params.n_words;
}
