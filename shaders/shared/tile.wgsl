// One tile of one pair's grid: the work of one workgroup of similarity and of prefix_carry.

struct Tile {
    offset_a: u32, // of the pair's first basis in bases_a, in words
    offset_b: u32, // of the second in bases_b
    n_rows: u32,   // rank of the first
    n_cols: u32,   // rank of the second
    d: u32,
    row: u32,      // of the tile's first cell
    col: u32,
    offset_grid: u32, // of the pair's grid in grids
}
