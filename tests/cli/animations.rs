//! `animate`, by the command line.

use std::fs;

use serde_json::Value;

use super::{folder, run, stderr, stdout, text};

/// Runs of one folder whose checkpoints are what the tests of figures have: two steps of one seed, and a copy of the last.
fn animated(name: &str, args: &[&str]) -> (Vec<u8>, String, String) {
    let folder = folder();
    let path = text(&folder.path().join(name));
    let base = ["animate", "tests/data/adapters/trajectory", "--dpi", "40", "-o", &path];
    let output = run(&[&base[..], args].concat());
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    (fs::read(&path).unwrap(), stdout(&output).to_owned(), stderr(&output))
}

const REFERENCE: &str = "tests/data/adapters/seed1-r64-layer5";

/// Width, height, and the pixels of each frame.
fn frames(png: &[u8]) -> (u32, u32, Vec<Vec<u8>>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
    let n = reader.info().animation_control().unwrap().num_frames;
    let size = reader.output_buffer_size().unwrap();
    let frames = (0..n).map(|_| {
        let mut pixels = vec![0; size];
        reader.next_frame(&mut pixels).unwrap();
        pixels
    });
    let frames = frames.collect();
    (reader.info().width, reader.info().height, frames)
}

#[test]
fn a_run_is_a_frame_for_each_step_and_each_frame_is_that_steps_figure() {
    let args = [REFERENCE, "--title", "mine", "--vmax", "0.4", "--frame-time", "0.2"];
    let (png, printed, said) = animated("x.png", &args);
    let (width, height, shown) = frames(&png);
    assert_eq!(shown.len(), 2, "{said}");
    assert!(said.contains(&format!("2 frames of {width} × {height} pixels, 0.2 s each")), "{said}");
    let steps: Vec<&str> = printed.lines().skip(1).map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(steps, ["0", "50"]);
    assert!(shown[0] != shown[1]);
    // The same cells as the figure of the two; only the title and the arrows of the bar are of the animation.
    for (step, frame) in ["0", "50"].into_iter().zip(&shown) {
        let folder = folder();
        let path = text(&folder.path().join("x.png"));
        let checkpoint = format!("tests/data/adapters/trajectory/checkpoint-{step}");
        let figure =
            ["figure", &checkpoint, REFERENCE, "--control", "none", "--dpi", "40", "--vmax", "0.4", "-q"];
        let output = run(&[&figure[..], &["--title", "mine", "-o", &path]].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        let image = image::open(&path).unwrap().into_rgb8();
        assert_eq!((image.width(), image.height()), (width, height));
        // Below the title and left of the bar.
        let differ = |(at, (a, b)): (usize, (&[u8], &[u8]))| {
            let (x, y) = (at % width as usize, at / width as usize);
            a != b && y > 16 && x < width as usize - 30
        };
        let pairs = image.as_raw().chunks(3).zip(frame.chunks(3)).enumerate();
        assert_eq!(pairs.filter(|pair| differ((pair.0, (pair.1.0, pair.1.1)))).count(), 0, "step {step}");
    }
}

#[test]
fn formats_are_named_by_the_suffix_or_for_stdout_by_format() {
    assert!(animated("x.gif", &[REFERENCE]).0.starts_with(b"GIF89a"));
    assert!(animated("x.APNG", &[REFERENCE]).0.starts_with(b"\x89PNG"));
    let base = ["animate", "tests/data/adapters/trajectory", REFERENCE, "--dpi", "40", "-q", "-o", "-"];
    for (format, start) in [("gif", &b"GIF89a"[..]), ("apng", b"\x89PNG")] {
        let output = run(&[&base[..], &["--format", format]].concat());
        assert!(output.stdout.starts_with(start) && stderr(&output).contains("step"), "{format}");
    }
    let refused = |args: &[&str]| {
        let output = run(&[&["animate", "tests/data/adapters/trajectory"], args].concat());
        assert!(!output.status.success(), "{args:?}");
        stderr(&output)
    };
    assert!(refused(&[REFERENCE, "-o", "x.pdf"]).contains("use .png, .apng or .gif"));
    assert!(refused(&[REFERENCE, "-o", "x.png", "--format", "gif"]).contains("name two formats"));
    assert!(refused(&[REFERENCE, "-o", "-", "--json"]).contains("both write to stdout"));
    assert!(refused(&[REFERENCE, "-o", "x.gif", "--frame-time", "0"]).contains("expected 0.02 to 60 s"));
    assert!(refused(&["-o", "x.gif"]).contains("and then the one to compare them with"));
    assert!(refused(&["tests/data/adapters/trajectory", "-o", "x.gif"]).contains("must be a single one"));
}

#[test]
fn an_animation_that_fails_leaves_an_older_one_as_it_was() {
    let folder = folder();
    let path = text(&folder.path().join("x.gif"));
    fs::write(&path, "old").unwrap();
    let base = ["animate", "tests/data/adapters/trajectory", "-q", "-o", &path];
    // B has no subspace before training, and one frame is no animation.
    let output = run(&[&base[..], &[REFERENCE, "--side", "b"]].concat());
    assert!(
        stderr(&output).contains("found 1 checkpoint, expected two or more of a run"),
        "{}",
        stderr(&output)
    );
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn json_has_the_frames_and_their_numbers_and_the_picture_its_recipe() {
    let (png, printed, _) = animated("x.png", &[REFERENCE, "--json", "--palette", "viridis"]);
    let found: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((&found["animation"]["frames"], &found["animation"]["format"]), (&2.into(), &"apng".into()));
    assert_eq!(found["rows"].as_array().unwrap().len(), 2);
    assert_eq!(found["rows"][1]["step"], 50);
    let has = |text: &[u8]| png.windows(text.len()).any(|window| window == text);
    assert!(has(b"command = \"animate\"") && has(b"palette = \"viridis\""));
    let folder = folder();
    let recipe = text(&folder.path().join("recipe.toml"));
    let (again, ..) = animated("y.png", &[REFERENCE, "--palette", "viridis", "--save-recipe", &recipe]);
    assert!(again == png);
    let output = run(&["animate", "--recipe", &recipe, "-q", "-o", &text(&folder.path().join("z.png"))]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(frames(&fs::read(folder.path().join("z.png")).unwrap()).2 == frames(&png).2);
}
