//! Kinds of figures, sizes and formats, by the command line.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{RUN_A, RUN_B, folder, run, stderr, stdout, text};

const R64: &str = "tests/data/adapters/seed0-r64-layer5";
const OTHER_R64: &str = "tests/data/adapters/seed1-r64-layer5";

/// Draws into a file of this name, and returns its bytes and what was printed.
pub(super) fn drawn(name: &str, args: &[&str]) -> (Vec<u8>, String) {
    let folder = folder();
    let path = text(&folder.path().join(name));
    let output = run(&[&["figure", "-q", "--dpi", "60", "-o", &path], args].concat());
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    (fs::read(&path).unwrap(), stdout(&output).to_owned())
}

pub(super) fn json(args: &[&str]) -> Value {
    serde_json::from_str(&drawn("x.svg", &[args, &["--json"]].concat()).1).unwrap()
}

/// Without what the file says of its making.
fn pixels_of(png: &[u8]) -> Vec<u8> {
    image::load_from_memory(png).unwrap().into_rgb8().into_raw()
}

/// What a run that has to fail says.
pub(super) fn refused(args: &[&str]) -> String {
    let output = run(args);
    assert!(!output.status.success(), "{args:?}");
    stderr(&output)
}

#[test]
fn the_suffix_chooses_the_format_and_format_chooses_that_of_stdout() {
    let first = |name: &str| drawn(name, &[RUN_A, RUN_B]).0[..5].to_vec();
    assert_eq!(
        [first("x.png"), first("x.PDF"), first("x.svg")],
        [b"\x89PNG\r", b"%PDF-", b"<svg "].map(|s| s.to_vec())
    );
    let to_stdout =
        |format: &[&str]| run(&[&["figure", RUN_A, RUN_B, "-q", "-o", "-"], format].concat()).stdout;
    assert!(to_stdout(&[]).starts_with(b"\x89PNG"));
    assert!(to_stdout(&["--format", "pdf"]).starts_with(b"%PDF"));
    assert!(to_stdout(&["--format", "svg"]).starts_with(b"<svg"));
    let folder = folder();
    let png = text(&folder.path().join("x.png"));
    assert!(refused(&["figure", RUN_A, RUN_B, "-o", &png, "--format", "pdf"]).contains("name two formats"));
    assert!(refused(&["figure", RUN_A, RUN_B, "--format", "jpg"]).contains("one of png, pdf, svg"));
}

#[test]
fn ranks_put_the_smaller_one_down_in_whichever_order_the_two_are_named() {
    let (first, table) = drawn("x.png", &["--kind", "ranks", RUN_A, R64]);
    let (second, other_table) = drawn("x.png", &["--kind", "ranks", R64, RUN_A]);
    // The recipes in them differ, the pictures do not.
    let pixels = |png: &[u8]| image::load_from_memory(png).unwrap().into_rgb8();
    assert!(pixels(&first) == pixels(&second) && table == other_table);
    assert!(table.contains("8 × 64, 384") && !table.contains("Random Gaussian"), "{table}");
    // φ up to 1, and the control where it is asked for.
    let (bright, _) = drawn("x.png", &["--kind", "ranks", RUN_A, R64, "--vmax", "1"]);
    assert!(pixels(&bright) == pixels(&first));
    let (_, with_control) = drawn("x.png", &["--kind", "ranks", RUN_A, R64, "--control", "gaussian"]);
    assert!(with_control.contains("Random Gaussian"));
}

#[test]
fn a_title_titles_of_panels_and_a_look_are_drawn() {
    let svg = |args: &[&str]| String::from_utf8(drawn("x.svg", &[&[RUN_A, RUN_B], args].concat()).0).unwrap();
    let plain = svg(&[]);
    assert!(plain.contains("aria-label=\"ΔWq\"") && plain.contains("fill=\"#ffffff\""), "{plain}");
    let own = svg(&["--title", "My & own", "--panel-title", "query", "--style", "dark"]);
    assert!(own.contains("<title>My &amp; own</title>") && own.contains("aria-label=\"query\""));
    assert!(own.contains("aria-label=\"ΔWv\"") && !own.contains("aria-label=\"ΔWq\""));
    assert!(!own.contains("fill=\"#ffffff\"") && own.contains("fill=\"#e8e8e8\""));
}

#[test]
fn widths_are_names_or_lengths() {
    let width_pt = |width: &str| {
        let svg = String::from_utf8(drawn("x.svg", &[RUN_A, RUN_B, "--width", width]).0).unwrap();
        let from = svg.find("width=\"").unwrap() + 7;
        svg[from..].split_once("pt").unwrap().0.parse::<f64>().unwrap()
    };
    for (width, expected_pt) in [
        ("column", 234.0),
        ("text", 396.0),
        ("full", 504.0),
        ("3.25in", 234.0),
        ("8", 576.0),
        ("254mm", 720.0),
        ("300pt", 300.0),
    ] {
        assert!((width_pt(width) - expected_pt).abs() < 0.06, "{width}: {}", width_pt(width));
    }
    for width in ["-3", "0", "wide", "3em", "nan", "inf", "1e9"] {
        let message = refused(&["figure", RUN_A, RUN_B, &format!("--width={width}")]);
        assert!(message.contains("expected column, text or full, or a length"), "{width}: {message}");
    }
}

#[test]
fn a_layer_map_shows_the_numbers_that_compare_has() {
    let compared = run(&["compare", R64, OTHER_R64, "--json", "-q"]);
    let compared: Value = serde_json::from_str(stdout(&compared)).unwrap();
    for statistic in ["adjusted", "linear_cka", "cosine", "phi_full"] {
        let map = json(&["--kind", "layer-map", R64, OTHER_R64, "--statistic", statistic]);
        let rows = map["rows"].as_array().unwrap();
        assert_eq!(rows.len(), compared["modules"].as_array().unwrap().len());
        for (row, module) in rows.iter().zip(compared["modules"].as_array().unwrap()) {
            assert_eq!(row["layer"], 5);
            let [shown, expected] = [&row["value"], &module[statistic]].map(|value| value.as_f64().unwrap());
            assert!((shown - expected).abs() < 1e-6, "{statistic}: {row} {module}");
        }
    }
    // φ(8, 8) of a module is a cell of its grid: here that of two checkpoints that are one.
    let same = json(&["--kind", "layer-map", R64, R64, "--statistic", "phi_8"]);
    assert!(
        same["rows"]
            .as_array()
            .unwrap()
            .iter()
            .all(|row| (row["value"].as_f64().unwrap() - 1.0).abs() < 1e-5)
    );
    let message = refused(&["figure", "--kind", "layer-map", R64, OTHER_R64, "--statistic", "beauty"]);
    assert!(message.contains("statistic: found `beauty`, expected phi_K or one of"), "{message}");
    assert!(refused(&["figure", "--kind", "layer-map", R64]).contains("takes two checkpoints"));
}

#[test]
fn spectra_have_every_singular_value_and_ninety_percent_of_the_energy() {
    let spectra = json(&["--kind", "spectra", RUN_A, R64, "--side", "b"]);
    let rows = spectra["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 4, "two modules of two checkpoints");
    let inspected = run(&["inspect", R64, "--spectra", "--json", "-q"]);
    let inspected: Value = serde_json::from_str(stdout(&inspected)).unwrap();
    let modules = inspected["checkpoints"][0]["modules"].as_array().unwrap();
    let of_64 = rows.iter().filter(|row| row["checkpoint"].as_str().unwrap().contains("r64"));
    for (row, module) in of_64.zip(modules) {
        assert_eq!(row["kept"], 64);
        let (k90, floor) = (row["k90"].as_u64().unwrap(), row["floor"].as_f64().unwrap());
        assert!(
            (1..64).contains(&k90) && floor > 0.0 && floor < 1e-3 * row["sigma_r"].as_f64().unwrap(),
            "{row}"
        );
        for (shown, known) in [("sigma_1", "sigma_first"), ("sigma_r", "sigma_last")] {
            let [shown, known] =
                [&row[shown], &module["spectrum_b"][known]].map(|value| value.as_f64().unwrap());
            assert!((shown / known - 1.0).abs() < 1e-6, "{shown} {known}");
        }
    }
    let (svg, _) = drawn("x.svg", &["--kind", "spectra", R64]);
    let svg = String::from_utf8(svg).unwrap();
    assert!(svg.contains("aria-label=\"q, layer 5\"") && svg.contains("far below"), "{svg}");
}

/// Copies a checkpoint into a folder of its own.
fn planted(from: &str, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(from)).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

#[test]
fn a_trajectory_starts_and_ends_at_itself() {
    let folder = folder();
    let run_dir = folder.path().join("run");
    for (from, step) in [(R64, "checkpoint-900"), (OTHER_R64, "checkpoint-1000"), (R64, "checkpoint-50")] {
        planted(from, &run_dir.join(step));
    }
    let glob = text(&run_dir.join("checkpoint-*"));
    let trajectory = json(&["--kind", "trajectory", &glob, "--projections", "q"]);
    let rows = trajectory["rows"].as_array().unwrap();
    let of = |to: &str, key: &str| -> Vec<f64> {
        rows.iter().filter(|row| row["to"] == to).map(|row| row[key].as_f64().unwrap()).collect()
    };
    // In the order of the steps, not of the names.
    assert_eq!(of("the last", "step"), [50.0, 900.0, 1000.0]);
    let (phi, cosine, angle) =
        (of("the first", "phi_k_k"), of("the first", "cosine"), of("the first", "angle_max"));
    for at in [0, 1] {
        assert!((phi[at] - 1.0).abs() < 1e-5 && (cosine[at] - 1.0).abs() < 1e-6 && angle[at] < 0.1);
    }
    assert!(phi[2] < 0.5 && cosine[2] < 0.5 && angle[2] > 80.0, "{phi:?} {cosine:?} {angle:?}");
    assert!((of("the last", "phi_k_k")[2] - 1.0).abs() < 1e-5);
    // The smallest angle of unrelated starts is far from 0 too.
    assert!(of("the first", "angle_min")[2] > 10.0);

    planted(R64, &run_dir.join("checkpoint-final"));
    let message = refused(&["figure", "--kind", "trajectory", &glob]);
    assert!(message.contains("no training step in its name"), "{message}");
}

#[test]
fn kinds_refuse_what_belongs_to_others() {
    for kind in ["layer-map", "spectra", "trajectory", "base", "intruders"] {
        let message = refused(&["figure", "--kind", kind, R64, OTHER_R64, "--angles"]);
        assert!(message.contains("belong to --kind seeds and ranks"), "{message}");
    }
    assert!(refused(&["figure", R64, OTHER_R64, RUN_A]).contains("takes two checkpoints"));
    assert!(refused(&["figure", "--kind", "trajectory", R64]).contains("two or more checkpoints"));
}

#[test]
fn an_atlas_has_an_image_for_every_module_and_the_words_of_its_summary() {
    let folder = folder();
    let pdf = text(&folder.path().join("x.pdf"));
    let output = run(&["atlas", R64, OTHER_R64, "-o", &pdf, "--json", "-q"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let document: Value = serde_json::from_str(stdout(&output)).unwrap();
    let rows = document["rows"].as_array().unwrap();
    let bytes = fs::read(&pdf).unwrap();
    let n_images = bytes.windows(15).filter(|at| *at == b"/Subtype /Image").count();
    assert_eq!(n_images, rows.len() + 1, "one a module, and the colour bar");
    // The same words as the figure has.
    let figure = drawn("x.svg", &[R64, OTHER_R64, "--layer", "5", "--control", "none", "--json"]).1;
    let figure: Value = serde_json::from_str(&figure).unwrap();
    for panel in figure["panels"].as_array().unwrap() {
        let row = rows.iter().find(|row| row["module"] == panel["module"]).unwrap();
        assert_eq!(row["horizontal"], panel["horizontal"]["strength"]);
        assert_eq!(row["vertical"], panel["vertical"]["strength"]);
    }
}

#[test]
fn a_recipe_draws_the_same_picture_again_and_every_format_has_it() {
    let folder = folder();
    let recipe = text(&folder.path().join("figure.toml"));
    let options = [
        "--kind",
        "ranks",
        R64,
        RUN_A,
        "--vmin=-0.5",
        "--panel-title",
        "one",
        "--panel-title",
        "two",
        "--projections",
        "q,v",
    ];
    let (first, table) = drawn("x.png", &[&options[..], &["--save-recipe", &recipe]].concat());
    let toml = fs::read_to_string(&recipe).unwrap();
    for line in
        ["command = \"figure\"", "kind = \"ranks\"", "panel-title = [\"one\", \"two\"]", "vmin = \"-0.5\""]
    {
        assert!(toml.lines().any(|has| has == line), "{line}: {toml}");
    }
    assert!(!toml.contains("output") && !toml.contains("quiet"), "{toml}");
    // The same options in another way of writing them would be another recipe, so the picture is told apart by nothing else.
    let folder_png = text(&folder.path().join("again.png"));
    let again = run(&["figure", "-q", "--recipe", &recipe, "-o", &folder_png]);
    assert!(again.status.success(), "{}", stderr(&again));
    assert!(fs::read(&folder_png).unwrap() == first && stdout(&again) == table);
    // The command line comes first.
    let (other, _) = drawn("x.png", &["--recipe", &recipe, "--vmin", "0.1"]);
    assert!(other != first);
    for name in ["x.png", "x.pdf", "x.svg"] {
        let (bytes, _) = drawn(name, &["--recipe", &recipe]);
        let has = |text: &str| bytes.windows(text.len()).any(|at| at == text.as_bytes());
        // A PDF has texts of several lines in UTF-16, by its digits.
        let digits: String = "kind = \"ranks\"".bytes().map(|byte| format!("{byte:04X}")).collect();
        let has = has("kind = \"ranks\"") || has("kind = &quot;ranks&quot;") || has(&digits);
        assert!(has, "{name}");
    }
}

#[test]
fn recipes_that_cannot_be_followed_say_what_is_wrong() {
    let folder = folder();
    let recipe = text(&folder.path().join("figure.toml"));
    let message = |toml: &str| {
        fs::write(&recipe, toml).unwrap();
        refused(&["figure", "--recipe", &recipe])
    };
    assert!(message("shape = \"round\"").contains("found `shape`, expected an option of figure"));
    assert!(message("command = \"atlas\"").contains("found a recipe of `atlas`, expected one of figure"));
    assert!(message("kind = ranks").contains("expected options as TOML"));
    assert!(message("output = \"x.png\"").contains("found `output`"));
    assert!(message("kind = \"pie\"").contains("invalid value 'pie' for '--kind <KIND>'"));
    // Numbers, flags and lists as TOML has them.
    fs::write(
        &recipe,
        format!("checkpoints = [{RUN_A:?}, {RUN_B:?}]\nvmax = 0.25\nseed = 3\nangles = false\n"),
    )
    .unwrap();
    drawn("x.png", &["--recipe", &recipe]);
    assert!(refused(&["figure", "--recipe", "nothing.toml"]).contains("nothing.toml"));
}

#[test]
fn cells_show_other_values_with_0_in_the_middle_and_lines_over_them() {
    let svg =
        |args: &[&str]| String::from_utf8(drawn("x.svg", &[&[R64, OTHER_R64], args].concat()).0).unwrap();
    let excess = svg(&["--value", "excess"]);
    assert!(excess.contains("<title>ϕ(Ar=64,A′r=64,i,j) − chance</title>"));
    assert!(excess.contains("aria-label=\"−0.4\"") && excess.contains("aria-label=\"0.4\""));
    assert!(svg(&["--value", "z"]).contains("<title>z of ϕ("));
    let n_lines = |svg: &str| svg.matches("<polyline").count();
    let plain = svg(&[]);
    assert_eq!(n_lines(&svg(&["--diagonal"])), n_lines(&plain) + 6, "a line and its rim on three panels");
    assert!(n_lines(&svg(&["--contours", "0.2,0.3"])) > n_lines(&plain) + 20);
    // Trained factors have no equal singular values.
    assert_eq!(n_lines(&svg(&["--show-ties"])), n_lines(&plain));
    assert!(
        refused(&["figure", R64, OTHER_R64, "--value", "beauty"]).contains("one of phi, excess, adjusted, z")
    );
}

#[test]
fn a_palette_can_come_from_a_file() {
    let folder = folder();
    let palette = text(&folder.path().join("own.txt"));
    fs::write(&palette, "000000\n0000ff\n").unwrap();
    let (bytes, _) = drawn("x.png", &[R64, OTHER_R64, "--palette", &palette]);
    let image = image::load_from_memory(&bytes).unwrap().into_rgb8();
    // Blue cells, black text, and what lies between black and white.
    assert!(image.pixels().any(|pixel| pixel.0 == [0, 0, 255]));
    assert!(image.pixels().all(|pixel| pixel[0] == pixel[1]));
    fs::write(&palette, "000000\nblue\n").unwrap();
    let message = refused(&["figure", R64, OTHER_R64, "--palette", &palette]);
    assert!(message.contains("palette, line 2: found `blue`"), "{message}");
    assert!(refused(&["figure", R64, OTHER_R64, "--palette", "jet"]).contains("coolwarm, or a .txt file"));
}

#[test]
fn names_ticks_and_ranges_of_axes_are_the_users() {
    let svg =
        |args: &[&str]| String::from_utf8(drawn("x.svg", &[&[R64, OTHER_R64], args].concat()).0).unwrap();
    let has = |svg: &str, label: &str| svg.matches(&format!("aria-label=\"{label}\"")).count();
    let own = svg(&[
        "--x-label",
        "of seed 1, ϕ(j)",
        "--y-label",
        "of seed 0",
        "--x-ticks",
        "2,63,99",
        "--y-ticks",
        "7",
    ]);
    assert_eq!((has(&own, "of seed 1, ϕ(j)"), has(&own, "of seed 0")), (3, 1), "{own}");
    assert_eq!(
        (has(&own, "2"), has(&own, "63"), has(&own, "99"), has(&own, "7"), has(&own, "8")),
        (3, 3, 0, 1, 0)
    );
    let bar = svg(&["--bar-ticks", "0,0.25,0.5,0.75"]);
    assert_eq!((has(&bar, "0.25"), has(&bar, "0.75"), has(&bar, "0.1")), (1, 0, 0));
    // The ranks in the title stay, and the ticks are those of the cells that are left.
    let few = svg(&["--cells", "8,12"]);
    assert!(few.contains("<title>ϕ(Ar=64,A′r=64,i,j)</title>"));
    assert_eq!((has(&few, "16"), has(&few, "12"), has(&few, "8")), (0, 3, 4));
    let spectra = |args: &[&str]| svg(&[&["--kind", "spectra"], args].concat());
    let ranged = spectra(&["--x-range", "1,10", "--x-label", "direction", "--x-ticks", "1,10,20"]);
    assert_eq!((has(&ranged, "direction"), has(&ranged, "10"), has(&ranged, "20")), (2, 2, 0));
    let map = svg(&["--kind", "layer-map", "--x-label", "weight", "--y-label", "block"]);
    assert_eq!((has(&map, "weight"), has(&map, "block"), has(&map, "layer")), (1, 1, 0));
    for (args, message) in [
        (&["--x-range", "1,8"][..], "heatmaps have --cells"),
        (&["--kind", "spectra", "--cells", "8"], "are for heatmaps"),
        (&["--kind", "layer-map", "--x-ticks", "8"], "these have names"),
        (&["--cells", "0"], "expected a number from 1, or two"),
        (&["--kind", "spectra", "--x-range", "8,1"], "the smaller first"),
        (&["--kind", "spectra", "--x-range", "800,900"], "range of an axis: found no point in it"),
    ] {
        let found = refused(&[&["figure", R64, OTHER_R64], args].concat());
        assert!(found.contains(message), "{args:?}: {found}");
    }
}

#[test]
fn a_font_of_the_user_is_embedded_and_must_have_every_letter() {
    let font = "assets/fonts/DejaVuSans-Oblique.ttf";
    let plain = drawn("x.png", &[RUN_A, RUN_B]).0;
    let (slanted, _) = drawn("x.png", &[RUN_A, RUN_B, "--font", font]);
    assert!(pixels_of(&slanted) != pixels_of(&plain));
    // The letters of mathematics are oblique already.
    assert!(pixels_of(&drawn("x.png", &[RUN_A, RUN_B, "--italic-font", font]).0) == pixels_of(&plain));
    for name in ["x.pdf", "x.svg"] {
        let (bytes, _) = drawn(name, &[RUN_A, RUN_B, "--font", font]);
        assert!(bytes != drawn(name, &[RUN_A, RUN_B]).0, "{name}");
        if name == "x.pdf" {
            let has = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
            assert!(has(b"+DejaVuSans-Oblique") && !has(b"+DejaVuSans "), "the embedded one is not used");
        }
    }
    let message = refused(&["figure", RUN_A, RUN_B, "--font", font, "--title", "Ranks of 漢"]);
    let expected = format!(
        "{font}: found no letter 漢 (U+6F22) for `Ranks of 漢`, expected a font with all letters of the figure"
    );
    assert!(message.contains(&expected), "{message}");
    // The embedded one has a box for it.
    drawn("x.png", &[RUN_A, RUN_B, "--title", "Ranks of 漢"]);
    let message = refused(&["figure", RUN_A, RUN_B, "--font", "README.md"]);
    assert!(message.contains("expected a TrueType or OpenType font"), "{message}");
    assert!(refused(&["figure", RUN_A, RUN_B, "--font", "nothing.ttf"]).contains("nothing.ttf"));
}

#[test]
fn a_preview_needs_a_terminal_and_the_picture_does_not() {
    let folder = folder();
    let path = text(&folder.path().join("x.png"));
    let output = run(&["figure", RUN_A, RUN_B, "--dpi", "60", "--preview", "-o", &path]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("note: no preview: neither stdout nor stderr is a terminal"));
    assert!(!stdout(&output).contains('\u{1b}') && Path::new(&path).is_file());
    // It is not a part of the picture.
    assert!(fs::read(&path).unwrap() == drawn("y.png", &[RUN_A, RUN_B]).0);
}

#[test]
fn every_command_with_a_picture_has_every_format() {
    for command in ["merge-check", "shared"] {
        for (format, start) in [("png", &b"\x89PNG"[..]), ("pdf", b"%PDF"), ("svg", b"<svg")] {
            let output = run(&[command, R64, OTHER_R64, "-q", "--dpi", "60", "-o", "-", "--format", format]);
            assert!(output.status.success() && output.stdout.starts_with(start), "{command} {format}");
            assert!(stderr(&output).contains("module"), "the table goes to stderr");
            let folder = folder();
            let path = text(&folder.path().join(format!("x.{format}")));
            assert!(run(&[command, R64, OTHER_R64, "-q", "--dpi", "60", "-o", &path]).status.success());
            assert!(fs::read(&path).unwrap() == output.stdout, "{command} {format}");
        }
        assert!(
            refused(&[command, R64, OTHER_R64, "-o", "x.png", "--format", "pdf"]).contains("two formats")
        );
    }
}
