// Values to pixels through a palette of 256 colours: only comparisons and integers, so that every engine and driver
// paints the same bytes.
//
// cells    (n_rows, n_cols) values, row-major
// table    255 ascending edges and 256 packed colours: a value's colour is the number of edges at or below it
// pixels   (n_rows_px, width_px) packed as red | green << 8 | blue << 16 | alpha << 24: the panel's rows from y_px on
//
// One invocation paints one pixel: (x, y) of the panel shows cell (⌊y·n_rows / height_px⌋, ⌊x·n_cols / width_px⌋).

override WIDTH: u32 = 16u;
override HEIGHT: u32 = 16u;

struct ColorTable {
    edges: array<f32, 255>,
    colors: array<u32, 256>,
}

struct Params {
    n_rows: u32,
    n_cols: u32,
    width_px: u32,
    height_px: u32,
    y_px: u32,
    n_rows_px: u32,
}

@group(0) @binding(0) var<storage, read> cells: array<f32>;
@group(0) @binding(1) var<storage, read> table: ColorTable;
@group(0) @binding(2) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read_write> pixels: array<u32>;

@compute @workgroup_size(WIDTH, HEIGHT)
fn colormap(@builtin(global_invocation_id) pixel: vec3<u32>) {
    if pixel.x >= params.width_px || pixel.y >= params.n_rows_px {
        return;
    }
    let row = (params.y_px + pixel.y) * params.n_rows / params.height_px;
    let col = pixel.x * params.n_cols / params.width_px;
    let value = cells[row * params.n_cols + col];

    // Binary search: color edges lie at or below the value, 2⁸ - 1 edges in 8 steps.
    var color = 0u;
    for (var step = 128u; step > 0u; step /= 2u) {
        if table.edges[color + step - 1u] <= value {
            color += step;
        }
    }
    pixels[pixel.y * params.width_px + pixel.x] = table.colors[color];
}
