// Carries the prefix sums of a grid across its tiles, for pairs whose ranks are over one tile.
//
//   S(i, j) = local(i, j) + left(i) + above(j) + corner,   φ(i, j) = S(i, j) / min(i, j)
//
// with local the sums within the cell's own tile; left(i) the row's sums at the last column of every tile to the left;
// above(j) the column's sums at the last row of every tile above; corner the totals of every tile above and to the left.
//
// sums    what similarity left: (n_rows, n_cols) row-major for each pair, sums within each tile; then the checks of each tile
// tiles   the tiles that similarity made
// grids   bits of φ, in the layout of sums, and the same checks of what is written here
//
// One workgroup of SIDE × SIDE invocations finishes one tile of 4·SIDE × 4·SIDE cells.

override SIDE: u32 = 16u;

@group(0) @binding(0) var<storage, read> sums: array<f32>;
@group(0) @binding(1) var<storage, read> tiles: array<Tile>;
@group(0) @binding(2) var<storage, read_write> grids: array<u32>;

var<workgroup> left: array<f32, 4 * SIDE>;
var<workgroup> above: array<f32, 4 * SIDE>;
var<workgroup> corners: array<f32, 4 * SIDE>;
var<workgroup> written_by: array<u32, SIDE * SIDE>;

@compute @workgroup_size(SIDE, SIDE)
fn prefix_carry(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let index = workgroup.y * workgroups.x + workgroup.x;
    if index >= arrayLength(&tiles) {
        return;
    }
    let tile = tiles[index];
    let length = 4u * SIDE;

    // The first invocations take one row of the tile each, the next ones one column, the last ones one tile row of corners.
    let role = thread / length;
    let at = thread % length;
    var carried = 0.0;
    if role == 0u {
        if tile.row + at < tile.n_rows {
            let start = tile.offset_grid + (tile.row + at) * tile.n_cols;
            for (var edge = length; edge <= tile.col; edge += length) {
                carried += sums[start + edge - 1u];
            }
        }
        left[at] = carried;
    } else if role == 1u {
        if tile.col + at < tile.n_cols {
            for (var edge = length; edge <= tile.row; edge += length) {
                carried += sums[tile.offset_grid + (edge - 1u) * tile.n_cols + tile.col + at];
            }
        }
        above[at] = carried;
    } else if role == 2u {
        // Tile rows at, at + length, ...: one each up to rank (4·SIDE)².
        for (var tile_row = at * length; tile_row < tile.row; tile_row += length * length) {
            let start = tile.offset_grid + (tile_row + length - 1u) * tile.n_cols;
            for (var edge = length; edge <= tile.col; edge += length) {
                carried += sums[start + edge - 1u];
            }
        }
        corners[at] = carried;
    }
    workgroupBarrier();
    var corner = 0.0;
    for (var tile_row = 0u; tile_row < min(tile.row / length, length); tile_row++) {
        corner += corners[tile_row];
    }

    var written = 0u;
    for (var cell = thread; cell < length * length; cell += SIDE * SIDE) {
        let row = tile.row + cell / length;
        let col = tile.col + cell % length;
        if row < tile.n_rows && col < tile.n_cols {
            let place = tile.offset_grid + row * tile.n_cols + col;
            let sum = sums[place] + (left[cell / length] + above[cell % length] + corner);
            let bits = bitcast<u32>(sum / f32(min(row, col) + 1u));
            grids[place] = bits;
            written += bits * (2u * place + 1u);
        }
    }
    written_by[thread] = written;
    for (var n = SIDE * SIDE / 2u; n > 0u; n /= 2u) {
        workgroupBarrier();
        if thread < n {
            written_by[thread] += written_by[thread + n];
        }
    }
    if thread == 0u {
        let check = arrayLength(&grids) - 2u * (arrayLength(&tiles) - index);
        grids[check] = bitcast<u32>(sums[check]);
        grids[check + 1u] = written_by[0];
    }
}
