// The tile of a grid that one workgroup makes, for similarity and similarity_f16. Needs tile.wgsl.
//
//   P = U·Vᵀ,   Q = P∘P,   S = inclusive 2-D prefix sums of Q,   φ(i, j) = S(i, j) / min(i, j)
//
// tiles      one tile of one pair's grid for each workgroup
// grids      bits of f32: (n_rows, n_cols) row-major for each pair, at the pair's offset; then the checks of each tile
// chunk      which columns
// products   two numbers for each of grids: what the columns so far make, where there are more than one dispatch takes
//
// A kernel that uses it has the bases, at bindings 0 and 1, and says how their numbers lie there:
//   load_a, load_b     four numbers at one column of four neighbouring vectors; 0 past the last vector or column
//   scale_a, scale_b   what the products of these four vectors are multiplied by
//
// A workgroup of SIDE × SIDE invocations makes one tile of 4·SIDE × 4·SIDE cells, an invocation one block of 4 × 4.
// Both bases are staged in workgroup memory STEP columns at a time, transposed, so that a block reads vec4s. Sums run
// over slices of SLICE columns, which are then added up: one f32 sum over all of d would be off by up to 4e-4 on
// directions like 1/√d. A dispatch takes a chunk of CHUNK columns: some drivers end the loops of an invocation after 65,535
// steps, and give what they have by then. Chunks are added up in groups of N_CHUNKS, and groups with each other.
//
// Each tile leaves two sums that the host knows: that of its products, each with the signs of its row and column, which is
// the product of two sums of rows; and that of all that it wrote to grids, each times a number of its place.
//
// A pair that fits one tile leaves as φ. A larger pair leaves the sums within each tile, for prefix_carry to finish.

override SIDE: u32 = 16u;
override STEP: u32 = 16u;
override SLICE: u32 = 128u;
override CHUNK: u32 = 12288u;
override N_CHUNKS: u32 = 16u;

struct Chunk {
    index: u32,   // counted from 0
    is_last: u32, // whether it is the last one: else the products go to memory
}

// Threads a side and one of padding, so that the transposing stores spread over the memory banks.
override ROW: u32 = SIDE + 1u;

@group(0) @binding(2) var<storage, read> tiles: array<Tile>;
@group(0) @binding(3) var<storage, read_write> grids: array<u32>;
@group(0) @binding(4) var<uniform> chunk: Chunk;
@group(0) @binding(5) var<storage, read_write> products: array<f32>;

var<workgroup> staged_a: array<vec4<f32>, STEP * ROW>;
var<workgroup> staged_b: array<vec4<f32>, STEP * ROW>;
var<workgroup> totals: array<vec4<f32>, SIDE * SIDE>;
var<workgroup> checks: array<vec2<u32>, SIDE * SIDE>;

// The sign of a vector in the check of the products.
fn sign_of(vector: u32) -> f32 {
    let mixed = (vector + 1u) * 0x9e3779b1u;
    return select(1.0, -1.0, ((mixed ^ (mixed >> 15u)) * 0x85ebca6bu) >> 31u == 1u);
}

// The sums over all columns so far, of the products of this chunk at this place of grids.
fn carried(part: f32, place: u32) -> f32 {
    let group_place = place + arrayLength(&products) / 2u;
    var group = part;
    var total = 0.0;
    if chunk.index > 0u {
        total = products[place];
        if chunk.index % N_CHUNKS == 0u {
            total += products[group_place];
        } else {
            group += products[group_place];
        }
    }
    if chunk.is_last == 0u {
        products[place] = total;
        products[group_place] = group;
    }
    return total + group;
}

// Leaves the checks of a tile: the sums of what all invocations have.
fn leave_checks(tile: u32, signed: f32, written: u32, thread: u32) {
    checks[thread] = vec2<u32>(bitcast<u32>(signed), written);
    for (var n = SIDE * SIDE / 2u; n > 0u; n /= 2u) {
        workgroupBarrier();
        if thread < n {
            let other = checks[thread + n];
            let signed = bitcast<f32>(checks[thread].x) + bitcast<f32>(other.x);
            checks[thread] = vec2<u32>(bitcast<u32>(signed), checks[thread].y + other.y);
        }
    }
    if thread == 0u {
        let place = arrayLength(&grids) - 2u * (arrayLength(&tiles) - tile);
        grids[place] = checks[0].x;
        grids[place + 1u] = checks[0].y;
    }
}

// Makes the tile of this index; the invocation's block stands `across` and `down` in it.
fn make_tile(index: u32, across: u32, down: u32) {
    if index >= arrayLength(&tiles) {
        return;
    }
    let tile = tiles[index];

    // The product: rows of P are vectors of the first basis.
    var p = array<vec4<f32>, 4>();
    let columns = min(vec2<u32>(chunk.index, chunk.index + 1u) * CHUNK, vec2<u32>(tile.d));
    for (var slice = columns.x; slice < columns.y; slice += SLICE) {
        var part = array<vec4<f32>, 4>();
        let end = min(slice + SLICE, columns.y);
        for (var start = slice; start < end; start += STEP) {
            // Invocations along x read neighbouring columns of one vector.
            for (var column = across; column < STEP; column += SIDE) {
                staged_a[column * ROW + down] = load_a(tile, tile.row + 4u * down, start + column);
                staged_b[column * ROW + down] = load_b(tile, tile.col + 4u * down, start + column);
            }
            workgroupBarrier();
            for (var column = 0u; column < STEP; column++) {
                let u = staged_a[column * ROW + down];
                let v = staged_b[column * ROW + across];
                part[0] += u.x * v;
                part[1] += u.y * v;
                part[2] += u.z * v;
                part[3] += u.w * v;
            }
            workgroupBarrier();
        }
        for (var k = 0u; k < 4u; k++) {
            p[k] += part[k];
        }
    }

    if chunk.index > 0u || chunk.is_last == 0u {
        for (var k = 0u; k < 4u; k++) {
            let row = tile.row + 4u * down + k;
            for (var l = 0u; l < 4u; l++) {
                let col = tile.col + 4u * across + l;
                if row < tile.n_rows && col < tile.n_cols {
                    p[k][l] = carried(p[k][l], tile.offset_grid + row * tile.n_cols + col);
                }
            }
        }
        if chunk.is_last == 0u {
            return;
        }
    }

    // Squares, and prefix sums along the rows: within the block, then with the blocks to its left.
    let scales_a = scale_a(tile, tile.row + 4u * down);
    let scales_b = scale_b(tile, tile.col + 4u * across);
    let col = tile.col + 4u * across;
    let signs_b = vec4<f32>(sign_of(col), sign_of(col + 1u), sign_of(col + 2u), sign_of(col + 3u));
    var signed = 0.0;
    var s = array<vec4<f32>, 4>();
    for (var k = 0u; k < 4u; k++) {
        let cosines = p[k] * scales_a[k] * scales_b;
        signed += sign_of(tile.row + 4u * down + k) * dot(cosines, signs_b);
        let q = cosines * cosines;
        let pairwise = q + vec4<f32>(0.0, q.xyz);
        s[k] = pairwise + vec4<f32>(0.0, 0.0, pairwise.xy);
    }
    totals[down * SIDE + across] = vec4<f32>(s[0].w, s[1].w, s[2].w, s[3].w);
    workgroupBarrier();
    var carried = vec4<f32>();
    for (var block = 0u; block < across; block++) {
        carried += totals[down * SIDE + block];
    }
    workgroupBarrier();
    for (var k = 0u; k < 4u; k++) {
        s[k] += vec4<f32>(carried[k]);
    }

    // The same down the columns.
    s[1] += s[0];
    s[2] += s[1];
    s[3] += s[2];
    totals[across * SIDE + down] = s[3];
    workgroupBarrier();
    carried = vec4<f32>();
    for (var block = 0u; block < down; block++) {
        carried += totals[across * SIDE + block];
    }

    var written = 0u;
    let fits = tile.n_rows <= 4u * SIDE && tile.n_cols <= 4u * SIDE;
    for (var k = 0u; k < 4u; k++) {
        let row = tile.row + 4u * down + k;
        let sums = s[k] + carried;
        for (var l = 0u; l < 4u; l++) {
            let col = tile.col + 4u * across + l;
            if row < tile.n_rows && col < tile.n_cols {
                let divisor = select(1u, min(row, col) + 1u, fits);
                let place = tile.offset_grid + row * tile.n_cols + col;
                let bits = bitcast<u32>(sums[l] / f32(divisor));
                grids[place] = bits;
                written += bits * (2u * place + 1u);
            }
        }
    }
    leave_checks(index, signed, written, down * SIDE + across);
}
