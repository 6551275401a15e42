//! Figures: golden images, and pixels read back against the palette.

mod common;

use std::path::Path;
use std::{fs, io};

use common::image::{assert_golden, decode, stored_grid};
use common::vector::{n_unlike, pdf_pixels, printed, svg_pixels, viewers_are_here};
use image::RgbImage;
use lorascope::engine::{Engine, Painter};
use lorascope::figure::{
    Area, Atlas, Figure, Heatmap, Line, LineChart, LinePanel, Look, Output, Palette, Panel, Plot, Scene,
    Style,
};
use lorascope::internals::kernels::colormap::{Band, Cells, ColorTable};
use lorascope::measure::summary::Summary;
use lorascope::{Error, Grid};

/// Resolution of the golden images: text is legible and a file takes about 20 KiB.
const GOLDEN_DPI: f64 = 50.0;
const LAYER: &str = "encoder.layer.5.attention.self";

fn png(plot: &dyn Plot) -> Vec<u8> {
    let mut bytes = Vec::new();
    plot.write(Output::Png, &mut bytes).unwrap();
    bytes
}

fn dpi(dpi: f64) -> Style {
    Style::new().dpi(dpi)
}

fn three_panels(symbol: char, name: &str, d: usize) -> Figure {
    let grid = |panel: &str| stored_grid(&format!("{name}_{panel}"), d);
    Figure::new(symbol)
        .panel(Panel::module(format!("{LAYER}.query"), grid("q")))
        .panel(Panel::module(format!("{LAYER}.value"), grid("v")))
        .panel(Panel::control(grid("control")))
}

/// A grid whose corners and halves all differ, so that no mirrored or turned copy of it looks the same.
fn lopsided(n_rows: usize, n_cols: usize) -> Grid {
    let mut values: Vec<f32> = (0..n_rows * n_cols).map(|k| (k % 13) as f32 / 40.0).collect();
    values[0] = 0.05;
    values[n_cols - 1] = 0.45;
    values[(n_rows - 1) * n_cols] = 0.25;
    Grid::new(n_rows, n_cols, 4096, values).unwrap()
}

/// The pixel at the centre of cell (i, j), counted from 1.
fn cell(image: &RgbImage, area: &Area, grid: &Grid, i: usize, j: usize) -> [u8; 3] {
    let x = area.x_px + (2 * j - 1) * area.width_px / (2 * grid.n_cols());
    let y = area.y_px + (2 * i - 1) * area.height_px / (2 * grid.n_rows());
    image.get_pixel(x as u32, y as u32).0
}

/// The palette's colour for a value on the default scale.
fn color(palette: Palette, value: f64) -> [u8; 3] {
    palette.colors()[((value / 0.5 * 256.0) as usize).min(255)]
}

#[test]
fn corners_of_a_panel_and_values_of_the_bar_have_the_palettes_colours() {
    for palette in Palette::ALL {
        for (n_rows, n_cols) in [(64, 64), (8, 8), (8, 64), (2, 2)] {
            let grid = lopsided(n_rows, n_cols);
            let panel = Panel::module("l.q_proj", grid.clone());
            let style = dpi(100.0).palette(palette);
            let figure = Figure::new('A').panel(panel.clone()).panel(panel).style(style);
            let (image, scene) = (decode(&png(&figure)), figure.scene().unwrap());
            assert_eq!(scene.panels().len(), 2);
            for area in &scene.panels() {
                for (i, j, value) in [(1, 1, 0.05), (1, n_cols, 0.45), (n_rows, 1, 0.25)] {
                    assert_eq!(
                        cell(&image, area, &grid, i, j),
                        color(palette, value),
                        "{palette} ({i}, {j})"
                    );
                }
            }
            let bar = scene.color_bar().unwrap();
            for value in [0.001, 0.1, 0.25, 0.4, 0.499] {
                let row = ((1.0 - value / 0.5) * bar.height_px as f64) as usize;
                let found = image.get_pixel((bar.x_px + bar.width_px / 2) as u32, (bar.y_px + row) as u32).0;
                // The bar is linear, and each of its pixels has the colour of a value that it covers.
                let (low, high) = (bar.height_px - row - 1, bar.height_px - row);
                let covered = low * 256 / bar.height_px..=(high * 256).div_ceil(bar.height_px).min(255);
                let near = &palette.colors()[covered];
                assert!(near.contains(&found), "{palette} at {value}: {found:?}, not in {near:?}");
            }
        }
    }
}

#[test]
fn values_past_the_ends_take_the_end_colours() {
    let grid = Grid::new(1, 3, 64, vec![-0.2, 0.25, 0.9]).unwrap();
    let figure = Figure::new('A').panel(Panel::module("q", grid.clone())).style(dpi(72.0));
    let (image, area) = (decode(&png(&figure)), figure.scene().unwrap().panels()[0]);
    let colors = Palette::Rocket.colors();
    for (j, wanted) in [(1, colors[0]), (2, colors[128]), (3, colors[255])] {
        assert_eq!(cell(&image, &area, &grid, 1, j), wanted);
    }
}

#[test]
fn the_demo_figure_is_as_it_was() {
    assert_golden("demo", &png(&three_panels('A', "demo", 384).style(dpi(GOLDEN_DPI))));
}

#[test]
fn the_rank_8_figure_is_as_it_was() {
    assert_golden("rank8", &png(&three_panels('B', "rank8", 384).style(dpi(GOLDEN_DPI))));
}

#[test]
fn factors_at_the_papers_size_have_the_papers_look() {
    let figure = three_panels('A', "paper", 12_288).style(dpi(GOLDEN_DPI));
    assert_golden("paper", &png(&figure));

    let [q, v, control] = ["paper_q", "paper_v", "paper_control"].map(|name| stored_grid(name, 12_288));
    let mean = |grid: &Grid, cells: &[(usize, usize)]| {
        cells.iter().map(|&(i, j)| grid.phi(i, j).unwrap()).sum::<f64>() / cells.len() as f64
    };
    let left: Vec<_> = (20..=64).map(|i| (i, 1)).collect();
    let top: Vec<_> = (20..=64).map(|j| (1, j)).collect();
    assert!(control.values().iter().all(|&value| value < 0.02));
    assert!(mean(&q, &left) > 0.4 && mean(&v, &left) > 0.4);
    assert!(mean(&q, &top) > 2.0 * mean(&v, &top));
}

#[test]
fn unequal_ranks_wrapped_rows_and_long_paths_are_as_they_were() {
    let long = "model.diffusion_model.input_blocks.11.1.transformer_blocks.0.attn2.an_uncommonly_long_projection_name";
    let figure = Figure::new("ΔW")
        .panel(Panel::module(format!("{LAYER}.query"), stored_grid("r8_r64_q", 384)))
        .panel(Panel::module(format!("{LAYER}.value"), stored_grid("demo_v", 384)))
        .panel(Panel::module(long, lopsided(64, 8)))
        .panel(Panel::module("encoder.layer.0.attention.self.query", stored_grid("rank8_q", 384)))
        .panel(Panel::module("layers.0.漢.gate_proj", lopsided(1, 1)));
    let style = dpi(GOLDEN_DPI).width_in(12.0).palette(Palette::Viridis);
    assert_golden("mixed", &png(&figure.style(style)));
}

#[test]
fn the_figure_of_two_ranks_is_as_it_was() {
    let grids = ["r8_r64_q", "r8_r64_q"].map(|name| stored_grid(name, 384));
    let panels = ["query", "value"].into_iter().zip(&grids);
    let panels = panels.map(|(name, grid)| Panel::module(format!("{LAYER}.{name}"), grid.clone()));
    let (whole, corners): (Vec<Panel>, Vec<Panel>) = panels
        .map(|panel| (panel.clone().caption("i: r = 8, j: r = 64"), panel.corner(8).unwrap().lower_left()))
        .unzip();
    let panels = whole.into_iter().chain(corners).map(Panel::stretched);
    let figure = panels.fold(Figure::new('A').of_two_ranks(), Figure::panel);
    assert_golden("ranks", &png(&figure.style(dpi(GOLDEN_DPI).range(0.0, 1.0))));
}

#[test]
fn rows_of_layers_are_as_they_were() {
    let row = |figure: Figure, layer: usize| {
        let panel = |name: &str| {
            Panel::module(format!("layer.{layer}.{name}"), stored_grid(&format!("demo_{name}"), 384))
        };
        figure.row(format!("Layer {layer}"), vec![Some(panel("q")), Some(panel("v"))])
    };
    let figure = [0, 31, 95].into_iter().fold(Figure::new('A'), row);
    assert_golden("layers", &png(&figure.style(dpi(GOLDEN_DPI))));
}

#[test]
fn a_figure_for_a_column_and_one_on_dark_are_as_they_were() {
    let figure = three_panels('A', "demo", 384);
    assert_golden("column", &png(&figure.clone().style(dpi(150.0).print_width_in(3.25))));
    assert_golden("dark", &png(&figure.style(dpi(GOLDEN_DPI).look(Look::Dark))));
}

#[test]
fn the_atlas_is_as_it_was() {
    let (rows, cols) = (["0", "1", "2"].map(str::to_owned), ["q", "v", "o"].map(str::to_owned));
    let mut atlas = Atlas::new(rows.to_vec(), cols.to_vec()).unwrap();
    let names = ["demo_q", "demo_v", "demo_control", "rank8_q", "r8_r64_q"];
    for (at, name) in (0..8).zip(names.iter().cycle()) {
        let grid = stored_grid(name, 384);
        let summary = Summary::of(&grid);
        atlas = atlas.grid(at / 3, at % 3, grid, &summary).unwrap();
    }
    let atlas = atlas.axis("layer").note("Bar over a heatmap: horizontal band; at its left: vertical band.");
    assert_golden("atlas", &png(&atlas.style(dpi(100.0).title("ϕ(A, A′, i, j), seed0 and seed1"))));
}

#[test]
fn spectra_are_as_they_were() {
    let spectrum = |name: &str, scale: f64| {
        let points = (1..=32).map(|k| (f64::from(k), scale / f64::from(k * k))).collect();
        Line { name: name.to_owned(), points }
    };
    let panel = |title: &str, scale: f64| LinePanel {
        title: title.to_owned(),
        y_name: "σ(k)".to_owned(),
        lines: vec![spectrum("r8", scale), spectrum("r64", 2.0 * scale)],
        behind: vec![Line { name: String::new(), points: vec![(1.0, 3e-3), (32.0, 3e-3)] }],
        marks: vec![(0, 4.0, scale / 16.0), (1, 2.0, scale / 2.0)],
    };
    let chart = LineChart::of_panels(vec![panel("q, layer 5", 1.0), panel("v, layer 5", 9.0)]).unwrap();
    let chart = chart.log_y().unwrap().x("k").note("Rings: nine tenths of the energy.");
    assert_golden("spectra", &png(&chart.style(dpi(GOLDEN_DPI).title("Singular values of B"))));
}

#[test]
fn the_file_knows_its_size_in_print_and_its_maker_but_not_the_time() {
    let figure = three_panels('A', "rank8", 384).style(dpi(100.0).width_in(6.0));
    let bytes = png(&figure);
    assert_eq!(bytes, png(&figure));
    let has = |chunk: &[u8]| bytes.windows(chunk.len()).any(|window| window == chunk);
    let per_metre = 3937u32.to_be_bytes();
    assert!(has(&[b"pHYs", &per_metre[..], &per_metre[..], &[1]].concat()));
    assert!(has(concat!("Software\0lorascope ", env!("CARGO_PKG_VERSION")).as_bytes()));
    assert!(has(b"sRGB") && !has(b"tIME"));
    let image = decode(&bytes);
    let scene = figure.scene().unwrap();
    assert_eq!((image.width(), scene.width_px()), (600, 600));
    assert_eq!(image.height() as usize, scene.height_px());
    let pixels = figure.pixels().unwrap();
    assert_eq!((pixels.width_px(), pixels.height_px()), (scene.width_px(), scene.height_px()));
    assert!(image.as_raw() == pixels.rgb());
    assert_eq!(pixels.pixel(599, 0), Some(image.get_pixel(599, 0).0));
    assert_eq!((pixels.pixel(600, 0), pixels.pixel(0, usize::MAX)), (None, None));
}

#[test]
fn text_and_lines_scale_with_the_resolution() {
    let heights = [50.0, 100.0, 200.0].map(|at| {
        let figure = three_panels('A', "demo", 384).style(dpi(at));
        figure.scene().unwrap().height_px() as f64 / at
    });
    // Panels give up to 8 % of their 3.5 in for cells of whole pixels.
    assert!(heights.iter().all(|height| (height - heights[0]).abs() < 0.3), "{heights:?}");
    assert!((4.0..5.0).contains(&heights[0]));
}

#[test]
fn extreme_shapes_are_drawn() {
    for (n_rows, n_cols) in [(1, 1), (1, 512), (512, 1), (512, 512), (3, 600)] {
        for at in [20.0, 72.0] {
            let figure = Figure::new('A').panel(Panel::module("q", lopsided(n_rows, n_cols))).style(dpi(at));
            let area = figure.scene().unwrap().panels()[0];
            assert!(area.width_px > 0 && area.height_px > 0);
            figure.pixels().unwrap();
        }
    }
}

#[test]
fn refuses_what_no_figure_can_be_drawn_from() {
    let figure = || Figure::new('A').panel(Panel::module("q", lopsided(2, 2)));
    for (figure, message) in [
        (Figure::new('A'), "figure: found no panel, expected at least one"),
        (figure().style(dpi(f64::NAN)), "dpi: found NaN, expected pixels an inch, at least 20"),
        (figure().style(Style::new().width_in(-1.0)), "width: found -1 in, expected a width over 0"),
        (
            figure().style(Style::new().range(0.5, 0.5)),
            "colour range: found 0.5 to 0.5, expected a lower end below the upper one, both finite",
        ),
    ] {
        let error = figure.pixels().unwrap_err();
        assert!(matches!(error, Error::Invalid(_)));
        assert_eq!(error.to_string(), message);
    }
    let many = (0..400).fold(figure(), |figure, _| figure.panel(Panel::module("v", lopsided(1, 1))));
    let error = many.scene().unwrap_err();
    assert!(matches!(error, Error::Limit(_)) && error.hint().is_some(), "{error}");
}

#[test]
fn a_writer_that_fails_is_an_io_error_with_its_cause() {
    struct Full;
    impl io::Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let error = three_panels('A', "rank8", 384).write(Output::Png, &mut Full).unwrap_err();
    let Error::Io { cause: source, .. } = error else { panic!("{error}") };
    assert_eq!(source.kind(), io::ErrorKind::StorageFull);
}

#[test]
fn a_line_chart_is_written_without_an_engine_or_a_cell_to_paint() {
    /// What fails when it is asked to paint.
    struct NoPainter;
    impl Painter for NoPainter {
        fn colormap(&self, _: &Cells<'_>, _: &ColorTable, _: &Band) -> lorascope::Result<Vec<u32>> {
            panic!("a line chart has no cells")
        }
    }
    let line = Line { name: "seed0".to_owned(), points: vec![(1.0, 0.5), (2.0, 0.1)] };
    let chart = LineChart::new(vec![line]).unwrap().style(dpi(72.0));
    let scene: Scene<'_> = chart.scene().unwrap();
    assert!(scene.panels().is_empty() && scene.color_bar().is_none());
    let mut bytes = Vec::new();
    Output::Png.write(&scene, &NoPainter, &mut bytes).unwrap();
    assert!(bytes == png(&chart));
    assert_eq!(decode(&bytes).width() as usize, scene.width_px());
}

#[test]
fn every_plot_takes_a_title_a_width_and_a_resolution_from_its_style() {
    let line = Line { name: "a".to_owned(), points: vec![(1.0, 0.5)] };
    let style = dpi(80.0).width_in(7.0);
    let plots = |style: &Style| -> [Box<dyn Plot>; 3] {
        let names = || vec!["a".to_owned(), "b".to_owned()];
        [
            Box::new(three_panels('A', "rank8", 384).style(style.clone())),
            Box::new(Heatmap::square(names(), vec![0.5; 4]).unwrap().style(style.clone())),
            Box::new(LineChart::new(vec![line.clone()]).unwrap().style(style.clone())),
        ]
    };
    for (plain, titled) in plots(&style).iter().zip(&plots(&style.clone().title("ϕ of my own"))) {
        let (plain, titled) = (plain.pixels().unwrap(), titled.pixels().unwrap());
        assert_eq!((plain.width_px(), titled.width_px()), (560, 560));
        assert!(plain != titled);
    }
}

fn a_picture_16384_pixels_wide_shows_the_cells_of_a_small_one(engine: &dyn Engine) {
    // One flat panel, so that the picture is wide rather than large.
    let grid = lopsided(8, 64);
    let figure = |at: f64| Figure::new('A').panel(Panel::module("l.q_proj", grid.clone())).style(dpi(at));
    let picture = |figure: &Figure| {
        let (scene, mut png) = (figure.scene().unwrap(), Vec::new());
        Output::Png.write(&scene, engine, &mut png).unwrap();
        (decode(&png), scene.panels()[0])
    };
    let (large, small) = (picture(&figure(4096.0)), picture(&figure(200.0)));
    assert_eq!((large.0.width(), small.0.width()), (16_384, 800));
    for i in 1..=8 {
        for j in 1..=64 {
            let [large, small] = [&large, &small].map(|(image, area)| cell(image, area, &grid, i, j));
            assert_eq!(large, small, "({i}, {j})");
        }
    }
}

on_every_engine!(a_picture_16384_pixels_wide_shows_the_cells_of_a_small_one);

/// Every kind of plot, with cells, text, lines, dots and shapes in it.
fn plots() -> Vec<(&'static str, Box<dyn Plot>)> {
    let style = dpi(VIEWED_DPI);
    let line = |name: &str, points: &[(f64, f64)]| Line { name: name.to_owned(), points: points.to_vec() };
    let lines = vec![line("a", &[(1.0, 0.3), (2.0, 0.1), (4.0, 0.9)]), line("b", &[(3.0, 0.5)])];
    let names = ["one", "two", "three"].map(str::to_owned).to_vec();
    let values = vec![1.0, f32::NAN, 0.5, 1.4, 0.2, 0.0, 0.7, 0.9, 0.1];
    vec![
        ("figure", Box::new(three_panels('A', "demo", 384).style(style.clone().range(0.0, 0.3)))),
        ("heatmap", Box::new(Heatmap::square(names, values).unwrap().note("A note.").style(style.clone()))),
        ("lines", Box::new(LineChart::new(lines).unwrap().axes("step", "1 − ϕ(r, r)").style(style))),
    ]
}

fn written(plot: &dyn Plot, output: Output) -> Vec<u8> {
    let mut bytes = Vec::new();
    plot.write(output, &mut bytes).unwrap();
    bytes
}

/// Strokes of letters are over a pixel wide here, so that viewers agree on them.
const VIEWED_DPI: f64 = 200.0;
/// Pixels that may differ: the rims of letters where these are dense. A title that is missing has more.
const UNLIKE: usize = 300;

#[test]
fn pdf_and_svg_show_what_the_png_shows_and_cells_in_the_same_colours() {
    if !viewers_are_here() {
        return;
    }
    // Kept, to be looked at when they differ.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vector");
    fs::create_dir_all(&folder).unwrap();
    for (name, plot) in plots() {
        let bytes = png(plot.as_ref());
        fs::write(folder.join(format!("{name}.png")), &bytes).unwrap();
        let expected = decode(&bytes);
        let files = [Output::Pdf, Output::Svg].map(|output| {
            let path = folder.join(format!("{name}.{}", output.suffix()));
            fs::write(&path, written(plot.as_ref(), output)).unwrap();
            path
        });
        let drawn = [pdf_pixels(&files[0], VIEWED_DPI), svg_pixels(&files[1], expected.width())];
        let scene = plot.scene().unwrap();
        for (drawn, file) in drawn.iter().zip(&files) {
            let sizes = [drawn.dimensions(), expected.dimensions()];
            assert!(
                sizes[0].0.abs_diff(sizes[1].0) <= 1 && sizes[0].1.abs_diff(sizes[1].1) <= 1,
                "{sizes:?}"
            );
            let areas: Vec<Area> = scene.panels().into_iter().chain(scene.color_bar()).collect();
            let unlike = n_unlike(drawn, &expected, &areas);
            assert!(unlike < UNLIKE, "{}: {unlike}", file.display());
            // Inside of cells, where nothing is drawn over them, colours are equal to the last bit.
            let cells = scene.panels().into_iter().zip([64, 64, 64]).filter(|_| name == "figure");
            for (area, n) in cells {
                for (i, j) in (0..n).flat_map(|i| (0..n).map(move |j| (i, j))) {
                    let [x, y] = [(area.x_px, area.width_px, j), (area.y_px, area.height_px, i)]
                        .map(|(from, length, k)| (from + (2 * k + 1) * length / (2 * n)) as u32);
                    assert_eq!(drawn.get_pixel(x, y), expected.get_pixel(x, y), "{name} ({i}, {j})");
                }
            }
        }
    }
}

#[test]
fn a_pdf_is_small_has_its_fonts_in_subsets_and_its_text_as_text() {
    let figure = three_panels('A', "demo", 384);
    let bytes = written(&figure, Output::Pdf);
    assert!(bytes.len() < 200_000, "{} bytes", bytes.len());
    assert_eq!(bytes, written(&figure, Output::Pdf));
    if !viewers_are_here() {
        return;
    }
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = folder.path().join("figure.pdf");
    fs::write(&path, bytes).unwrap();
    let path = path.to_str().unwrap();
    let fonts = printed("pdffonts", &[path]);
    let fonts: Vec<Vec<&str>> = fonts.lines().skip(2).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(fonts.len(), 2, "{fonts:?}");
    for (font, name) in fonts.iter().zip(["+DejaVuSans", "+DejaVuSans-Oblique"]) {
        // name, type (two words), encoding, embedded, subset, Unicode.
        assert!(font[0].len() == 6 + name.len() && font[0].ends_with(name), "{font:?}");
        assert_eq!(font[1..7], ["CID", "TrueType", "Identity-H", "yes", "yes", "yes"]);
    }
    let text = printed("pdftotext", &["-layout", path, "-"]);
    assert!(text.contains("Random Gaussian") && text.contains('ϕ') && text.contains("0.5"), "{text}");
    let info = printed("pdfinfo", &[path]);
    assert!(info.contains("Title:") && info.contains("ϕ(A"), "{info}");
    assert!(info.contains(concat!("Creator:         lorascope ", env!("CARGO_PKG_VERSION"))), "{info}");
    assert!(!info.contains("CreationDate"), "{info}");
}

#[test]
fn images_in_pdf_and_svg_are_not_smoothed() {
    let figure = three_panels('A', "rank8", 384);
    let pdf = written(&figure, Output::Pdf);
    let count =
        |bytes: &[u8], text: &str| bytes.windows(text.len()).filter(|at| *at == text.as_bytes()).count();
    assert_eq!((count(&pdf, "/Interpolate false"), count(&pdf, "/Subtype /Image")), (4, 4));
    let svg = written(&figure, Output::Svg);
    assert_eq!((count(&svg, "<image"), count(&svg, "image-rendering:pixelated")), (4, 4));
    assert_eq!(svg, written(&figure, Output::Svg));
    assert!(svg.len() < 300_000, "{} bytes", svg.len());
}
