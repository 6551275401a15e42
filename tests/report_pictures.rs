//! The pictures of `lorascope report`, as golden images.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use common::image::assert_golden;
use common::reports::*;
use common::tables::{Row, adapter, write};

fn assert_picture(scan: &Path, picture: &str, golden: &str) {
    let output = report(scan, &["--dpi", "60", "-q"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_golden(golden, &fs::read(scan.join("report").join(picture)).unwrap());
}

#[test]
fn the_picture_of_adapters_is_as_it_was() {
    let folder = folder();
    planted(folder.path(), 21);
    assert_picture(folder.path(), "adapters.png", "report_adapters");
}

#[test]
fn the_picture_of_layers_is_as_it_was() {
    let folder = folder();
    planted(folder.path(), 21);
    assert_picture(folder.path(), "layers.png", "report_layers");
}

#[test]
fn the_picture_of_drift_is_as_it_was() {
    let folder = folder();
    runs(folder.path());
    assert_picture(folder.path(), "drift.png", "report_drift");
}

#[test]
fn pairs_that_were_not_compared_part_the_tree_and_are_grey() {
    let folder = folder();
    let rows = vec![Row::new(0, 1, 0.5), Row::new(1, 2, 0.4), Row::new(3, 4, 0.9)];
    write(folder.path(), &seeds(5), &BTreeMap::from([("model.layers.3.attn.weird".to_owned(), rows)]));
    let found = findings(folder.path(), &[]);
    assert_eq!((found["merges"].as_array().unwrap().len(), &found["n_trees"]), (3, &2.into()));
    assert_picture(folder.path(), "adapters.png", "report_few");
}

#[test]
fn labels_have_colours_next_to_the_tree() {
    let folder = folder();
    planted(folder.path(), 13);
    let label = |id: i32| if id == 12 { String::new() } else { format!("task {}", id % 4) };
    let lines: String = (0..13).map(|id| format!("seed{id},{}\n", label(id))).collect();
    let labels = folder.path().join("labels.csv");
    fs::write(&labels, lines).unwrap();
    let output = report(folder.path(), &["--dpi", "60", "-q", "--labels", labels.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_golden("report_labels", &fs::read(folder.path().join("report/adapters.png")).unwrap());
}

/// Twelve runs with steps of their own that slow down, and a last one that does not.
#[test]
fn many_runs_are_drawn_as_their_median_and_quartiles() {
    let folder = folder();
    let mut adapters = vec![];
    for run in 0..12 {
        for step in [100, 200, 300, 400] {
            adapters.push(adapter(adapters.len() as i32, &format!("seed{run}"), Some(step)));
        }
    }
    let row = |m: usize, a: i32, b: i32| {
        let [(run, from), (other, to)] = [a, b].map(|id| (id / 4, id % 4));
        let turned = |step: i32| if run == 11 { step as f32 } else { 2.0 - 2.0 * 0.4f32.powi(step) };
        let drift = (turned(to) - turned(from)).abs() * 0.1 * (1.0 + 0.05 * run as f32 + 0.5 * m as f32);
        Row::new(a, b, if run == other { 1.0 - drift } else { 0.2 })
    };
    let modules = everywhere(&modules(1, &["q_proj", "v_proj", "up_proj"]), row, 48);
    write(folder.path(), &adapters, &modules);
    assert_picture(folder.path(), "drift.png", "report_many_runs");
    assert_picture(folder.path(), "drift_projections.png", "report_drift_projections");
}

/// A U-Net whose modules were not all compared in the same pairs.
#[test]
fn blocks_of_a_u_net_are_rows_and_cells_say_in_how_many_pairs() {
    let folder = folder();
    let mut modules = BTreeMap::new();
    for (n, block) in ["down_blocks.1", "up_blocks.1"].into_iter().enumerate() {
        for (m, part) in ["attn1.to_q", "attn2.to_q", "attn2.to_k"].into_iter().enumerate() {
            let name = format!("{block}.attentions.0.transformer_blocks.0.{part}");
            let phi = 0.2 + 0.3 * n as f32 + 0.1 * m as f32;
            let mut rows = vec![Row::new(0, 1, phi), Row::new(0, 2, phi), Row::new(1, 2, phi)];
            rows.truncate(3 - m);
            modules.insert(name, rows);
        }
    }
    modules.insert("time_embedding.linear_1".to_owned(), vec![Row::new(0, 1, 0.9)]);
    write(folder.path(), &seeds(3), &modules);
    assert_picture(folder.path(), "layers.png", "report_unet");
    let found = findings(folder.path(), &[]);
    let names = |list: &str, key: &str| -> Vec<String> {
        let lines = found[list].as_array().unwrap().iter();
        lines.map(|line| line[key].as_str().unwrap().to_owned()).collect()
    };
    let block = |block: &str| format!("{block}.attentions.0.transformer_blocks.0");
    assert_eq!(
        names("layers", "layer"),
        [block("down_blocks.1"), block("up_blocks.1"), "time_embedding.linear_1".to_owned()]
    );
    assert_eq!(names("projections", "projection"), ["attn1 q", "attn2 q", "k", "–"]);
    assert_eq!(found["layer_projections"].as_array().unwrap().len(), 7);
}

#[test]
fn pictures_of_another_format_take_the_place_of_those_of_an_earlier_report() {
    let folder = folder();
    planted(folder.path(), 5);
    let names = |format: &str| {
        let output = report(folder.path(), &["--dpi", "60", "-q", "--format", format]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let files = fs::read_dir(folder.path().join("report")).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let is_picture = |name: &String| ["png", "pdf", "svg"].iter().any(|end| name.ends_with(end));
        let mut names: Vec<String> = names.filter(is_picture).collect();
        names.sort();
        names
    };
    assert_eq!(names("png"), ["adapters.png", "layers.png"]);
    assert_eq!(names("pdf"), ["adapters.pdf", "layers.pdf"]);
    assert!(fs::read(folder.path().join("report/adapters.pdf")).unwrap().starts_with(b"%PDF"));
    assert_eq!(names("svg"), ["adapters.svg", "layers.svg"]);
}

#[test]
fn the_page_shows_every_picture_with_how_to_read_it() {
    let folder = folder();
    runs(folder.path());
    let page = |format: &str| {
        let output = report(folder.path(), &["--dpi", "60", "--format", format]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains("report.md, report.json"), "{}", text(&output.stderr));
        let page = fs::read_to_string(folder.path().join("report/report.md")).unwrap();
        // What is printed stands in it too.
        for line in text(&output.stdout).lines().filter(|line| !line.is_empty()) {
            assert!(page.contains(format!("    {line}").trim_end()), "{line}");
        }
        page
    };
    for (format, picture) in [("png", "!["), ("svg", "!["), ("pdf", "[")] {
        let page = page(format);
        for name in ["adapters", "layers", "drift", "drift_projections"] {
            let file = format!("{name}.{format}");
            let shown = page.find(&format!("({file})")).unwrap_or_else(|| panic!("{file}: {page}"));
            assert!(folder.path().join("report").join(&file).is_file());
            let line = page[..shown].rsplit('\n').next().unwrap();
            assert!(line.starts_with(picture), "{line}");
            // One sentence after it.
            let after = page[shown..].split("\n\n").nth(1).unwrap();
            assert!(after.starts_with("A ") && after.matches(". ").count() == 0, "{after}");
        }
        // Every link leads to a file.
        for link in page.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            assert!(folder.path().join("report").join(link).is_file(), "{link}");
        }
    }
}
