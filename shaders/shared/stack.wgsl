// Sums over the products of all pairs of a block, from tiles of the product of all its bases: what every pair_stats_* kernel
// and update_cosine share.
//
// row_params   of each row, in fours: weight w, the scale of its products, and its part of the dither as an a and as a b
// tables       index tables, which begin where Params says: tiles, groups, starts, cells, pair_table
// sums         (n_pairs, n_cells + N_SUMS) of 1 or 2 words: a sum of each cell, then the others; then the checks of each tile;
//              added to, so zeros at first
// products     products of the columns so far, where a row has more of them than one dispatch takes
//
// A kernel that uses it has the bases, at binding 0: rows of 4·d4 numbers, those past d being 0, one basis after another,
// and in place of rows past the end of the stack, up to the end of the last tile, its last ones; and
//   N_SUMS  how many sums of a pair follow its cells
//   corner  the last row and column, counted from 1, of the corner that a value of a pair is summed over
//
// A tile is any 128 (or 64) rows by as many columns of the product of all a rows and all b rows: bases of any ranks share
// it, without padding, and one that straddles tiles leaves a part of its sums in each. The parts must add up to the same
// bits wherever a tile happens to begin, so terms are summed in whole numbers, rounded with a dither that depends only on
// (i, j), so that roundings do not pile up. Sums of whole numbers modulo 2³² do not depend on their order, and a rectangle
// of a summed-area table is exact.
//
// Sums over d run in slices of SLICE columns, which are then added up: one f32 sum over all of d would be off by up to
// 4e-4 on directions like 1/√d. A dispatch takes a chunk of CHUNK columns, of each part where rows have two; see
// product.wgsl. Some drivers end the loops of an invocation after 65,535 steps, and give what they have by then.
//
// Each tile leaves two sums that the host knows: that of its products, each with the signs of its row and column, which is
// the product of two sums of rows; and that of all that it added to sums, each times a number of its place.
//
// Each 64 × 64 quadrant of a tile is finished by itself: its table takes the 16 KiB that staged the bases before, and the
// invocations share out its rectangles.

override SLICE: u32 = 128u;
override CHUNK: u32 = 12288u;
override N_CHUNKS: u32 = 16u; // that are added up before their sum is added to that of others

const QUAD: u32 = 64u;   // rows and columns of a quadrant
const LANES: u32 = 16u;  // invocations along a quadrant's side, 4 × 4 cells each
const LINE: u32 = 17u;   // LANES and one of padding, so that a column of totals spreads over the memory banks
const CHECKS: u32 = 3u;  // words of a tile: two sums of products, and one of sums

// Which pairs are wanted.
const ALL: u32 = 0u;   // each a with each b
const UPPER: u32 = 1u; // a before b, both of one list
const NO_PAIR: u32 = 0xffffffffu;

struct Params {
    d4: u32,       // vec4 in a row
    split4: u32,   // vec4 in the first part of a row, for kernels whose rows have two
    row_a: u32,    // of the first a in bases
    row_b: u32,
    n_a: u32,      // bases
    n_b: u32,
    params_a: u32, // where the params of these rows begin, in fours
    params_b: u32,
    pairs: u32,    // ALL, UPPER, or else: pair_table says it
    n_cells: u32,
    n_words: u32,  // of a sum: 2 where a rank is over 64
    n_tiles: u32,
    // Where these begin in tables:
    tiles: u32,    // (row, column) of each tile, in tiles
    groups_a: u32, // of each 64 rows: the first basis in them and the one after the last
    groups_b: u32,
    starts_a: u32, // first row of each basis, and the row after the last
    starts_b: u32,
    cells: u32,    // (i, j) of each cell, from 1
    pair_table: u32, // (n_a, n_b): which pair of sums it is, or NO_PAIR
    checks: u32,   // where the checks begin in sums
    chunk: u32,    // of each part, counted from 0
    is_last: u32,  // whether it is the last one: else the products go to memory
    first_value: u32, // the values of a pair to sum up in the last one, and the one after them
    end_value: u32,
    last_rows: u32, // the first of the last four rows of bases
}

struct RowParams {
    weights: vec4<f32>,
    scales: vec4<f32>,
    dithers_a: vec4<f32>,
    dithers_b: vec4<f32>,
    signs: vec4<f32>, // ±scale; 0 for rows without a basis
}

@group(0) @binding(1) var<storage, read> row_params: array<RowParams>;
@group(0) @binding(2) var<storage, read> tables: array<u32>;
@group(0) @binding(3) var<uniform> params: Params;
@group(0) @binding(4) var<storage, read_write> sums: array<atomic<u32>>;
@group(0) @binding(5) var<storage, read_write> products: array<vec4<f32>>;

// Staged bases as bits of f32, [column * rows / 4 + row / 4] four rows of one column; then totals; then a quadrant's table.
var<workgroup> staged: array<vec4<u32>, QUAD * LANES>;

// What an invocation added to sums.
var<private> added: u32;

// Where the first vec4 of part `part` of a dispatch's chunk begins, and where it ends.
fn chunk_of(part_begin: u32, part_end: u32) -> vec2<u32> {
    let begin = part_begin + params.chunk * (CHUNK / 4u);
    return min(vec2<u32>(begin, begin + CHUNK / 4u), vec2<u32>(part_end));
}

// The products of an invocation's block over all columns so far. Chunks are added up in groups, and groups with each other.
fn carried(block: mat4x4<f32>, slot: u32, thread: u32) -> mat4x4<f32> {
    if params.chunk == 0u && params.is_last == 1u {
        return block;
    }
    let at = slot * 8u * LANES * LANES + thread;
    var group = block;
    var total = mat4x4<f32>();
    if params.chunk > 0u {
        total = stored(at);
        let before = stored(at + 4u * LANES * LANES);
        if params.chunk % N_CHUNKS == 0u {
            total += before;
        } else {
            group += before;
        }
    }
    if params.is_last == 0u {
        store(at, total);
        store(at + 4u * LANES * LANES, group);
    }
    return total + group;
}

fn stored(at: u32) -> mat4x4<f32> {
    let step = LANES * LANES;
    return mat4x4<f32>(products[at], products[at + step], products[at + 2u * step], products[at + 3u * step]);
}

fn store(at: u32, block: mat4x4<f32>) {
    let step = LANES * LANES;
    products[at] = block[0];
    products[at + step] = block[1];
    products[at + 2u * step] = block[2];
    products[at + 3u * step] = block[3];
}

// The sum of an invocation's products of a quadrant, each with the signs of its row and column.
fn signed_sum(p: mat4x4<f32>, group_row: u32, group_col: u32, tx: u32, ty: u32) -> f32 {
    let a = row_params[params.params_a + group_row * LANES + ty].signs;
    let b = row_params[params.params_b + group_col * LANES + tx].signs;
    return dot(p * a, b);
}

// Leaves the checks of a tile: the sums of what all invocations have.
fn leave_checks(tile: u32, p: f32, r: f32, thread: u32) {
    staged[thread] = vec4<u32>(bitcast<vec2<u32>>(vec2<f32>(p, r)), added, 0u);
    // Of 16 invocations each, then of all.
    var first = 0u;
    for (var n = LANES; n > 0u; n /= LANES) {
        workgroupBarrier();
        if thread < n {
            var signed = vec2<f32>();
            var whole = 0u;
            for (var k = 0u; k < LANES; k++) {
                let next = staged[first + thread * LANES + k];
                signed += bitcast<vec2<f32>>(next.xy);
                whole += next.z;
            }
            staged[first + LANES * LANES + thread] = vec4<u32>(bitcast<vec2<u32>>(signed), whole, 0u);
        }
        first += LANES * LANES;
    }
    if thread == 0u {
        let found = staged[first];
        let at = params.checks + CHECKS * tile;
        atomicStore(&sums[at], found.x);
        atomicStore(&sums[at + 1u], found.y);
        atomicAdd(&sums[at + 2u], found.z);
    }
}

fn running(v: vec4<u32>) -> vec4<u32> {
    let y = v.x + v.y;
    let z = y + v.z;
    return vec4<u32>(v.x, y, z, z + v.w);
}

// Makes totals exclusive running sums along 16 lines of 16: one line an invocation.
fn scan(thread: u32) {
    workgroupBarrier();
    if thread < LANES {
        var sum = vec4<u32>();
        for (var k = 0u; k < LANES; k++) {
            let next = staged[thread * LINE + k];
            staged[thread * LINE + k] = sum;
            sum += next;
        }
    }
    workgroupBarrier();
}

// The summed-area table of the quadrant: inclusive sums over all cells above and to the left, modulo 2³².
fn table(q0: vec4<u32>, q1: vec4<u32>, q2: vec4<u32>, q3: vec4<u32>, tx: u32, ty: u32) {
    let thread = ty * LANES + tx;
    // Along the rows.
    var s0 = running(q0);
    var s1 = running(q1);
    var s2 = running(q2);
    var s3 = running(q3);
    staged[ty * LINE + tx] = vec4<u32>(s0.w, s1.w, s2.w, s3.w);
    scan(thread);
    let left = staged[ty * LINE + tx];
    s0 += left.x;
    s1 += left.y + s0;
    s2 += left.z + s1;
    s3 += left.w + s2;
    // Down the columns.
    workgroupBarrier();
    staged[tx * LINE + ty] = s3;
    scan(thread);
    let above = staged[tx * LINE + ty];
    workgroupBarrier();
    let at = 4u * ty * LANES + tx;
    staged[at] = s0 + above;
    staged[at + LANES] = s1 + above;
    staged[at + 2u * LANES] = s2 + above;
    staged[at + 3u * LANES] = s3 + above;
    workgroupBarrier();
}

// The sum of all cells before this row and this column of the quadrant.
fn before(row: u32, col: u32) -> u32 {
    if row == 0u || col == 0u {
        return 0u;
    }
    let at = (row - 1u) * QUAD + col - 1u;
    return staged[at / 4u][at % 4u];
}

// Adds what this quadrant has of the values from `begin` up to `end` of all its pairs, as far as they are asked for.
fn share(group_row: u32, group_col: u32, begin: u32, end: u32, thread: u32) {
    let first = max(begin, params.first_value);
    let n = max(min(end, params.end_value), first) - first;
    let begin_a = tables[params.groups_a + 2u * group_row];
    let begin_b = tables[params.groups_b + 2u * group_col];
    let n_a = tables[params.groups_a + 2u * group_row + 1u] - begin_a;
    let n_b = tables[params.groups_b + 2u * group_col + 1u] - begin_b;
    for (var job = thread; job < n_a * n_b * n; job += LANES * LANES) {
        let pair = job / n;
        add(group_row * QUAD, group_col * QUAD, begin_a + pair / n_b, begin_b + pair % n_b, first + job % n);
    }
    workgroupBarrier();
}

// Adds what the quadrant from this row and column on has of one value of one pair.
fn add(row: u32, col: u32, a: u32, b: u32, value: u32) {
    var pair = a * params.n_b + b;
    if params.pairs == UPPER {
        if a >= b {
            return;
        }
        pair = a * params.n_b - a * (a + 1u) / 2u + b - a - 1u;
    } else if params.pairs != ALL {
        pair = tables[params.pair_table + pair];
        if pair == NO_PAIR {
            return;
        }
    }
    let start_a = tables[params.starts_a + a];
    let start_b = tables[params.starts_b + b];
    let q_a = tables[params.starts_a + a + 1u] - start_a;
    let q_b = tables[params.starts_b + b + 1u] - start_b;
    let last = corner(value, q_a, q_b);
    if last.x > q_a || last.y > q_b {
        return;
    }
    // The cell's rectangle, cut to the quadrant.
    let top = max(start_a, row) - row;
    let end = min(max(start_a + last.x, row) - row, QUAD);
    let left = max(start_b, col) - col;
    let right = min(max(start_b + last.y, col) - col, QUAD);
    if top >= end || left >= right {
        return;
    }
    let sum = before(end, right) - before(top, right) - before(end, left) + before(top, left);
    let at = (pair * (params.n_cells + N_SUMS) + value) * params.n_words;
    if params.n_words == 1u {
        atomicAdd(&sums[at], sum);
        added += sum * (2u * at + 1u);
    } else {
        atomicAdd(&sums[at], sum & 0xffffu);
        atomicAdd(&sums[at + 1u], sum >> 16u);
        added += (sum & 0xffffu) * (2u * at + 1u) + (sum >> 16u) * (2u * at + 3u);
    }
}
