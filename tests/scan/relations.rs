//! `relations.parquet`: what is planted is found, and nothing else.

use std::fs;
use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use crate::common::checkpoints::Checkpoint;
use crate::common::scans::{Place, rows};

/// Writes a checkpoint again, each number of the factors changed by its tensor's letter.
fn rewrite(from: &Path, to: &Path, change: impl Fn(&str, f32) -> f32) {
    fs::create_dir_all(to).unwrap();
    let bytes = fs::read(from.join("adapter_model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = file
        .tensors()
        .into_iter()
        .map(|(name, view)| {
            assert_eq!(view.dtype(), Dtype::F32);
            let numbers = view.data().chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
            let letter = if name.contains("lora_B") { "B" } else { "A" };
            let data = numbers.flat_map(|value| change(letter, value).to_le_bytes()).collect();
            (name, view.shape().to_vec(), data)
        })
        .collect();
    let views = tensors
        .iter()
        .map(|(name, shape, data)| (name.clone(), TensorView::new(Dtype::F32, shape.clone(), data).unwrap()));
    safetensors::serialize_to_file(views, None, &to.join("adapter_model.safetensors")).unwrap();
    fs::copy(from.join("adapter_config.json"), to.join("adapter_config.json")).unwrap();
}

#[test]
fn what_is_planted_is_found_by_its_word_and_nothing_else() {
    let place = Place::new();
    Checkpoint::new(1).write(&place.path("runs/base"));
    Checkpoint::new(2).write(&place.path("runs/other"));
    Checkpoint::new(3).write(&place.path("runs/run/checkpoint-10"));
    Checkpoint { start: 3, ..Checkpoint::new(4) }.write(&place.path("runs/run/checkpoint-20"));
    let base = place.path("runs/base");
    for (name, change) in [
        ("copy", (|_: &str, value: f32| value) as fn(&str, f32) -> f32),
        ("negated", |letter, value| if letter == "B" { -value } else { value }),
        ("quarter", |letter, value| if letter == "B" { value / 4.0 } else { value }),
        ("turned", |letter, value| if letter == "B" { value / 8.0 } else { value * 8.0 }),
        (
            "near",
            |letter, value| if letter == "B" { value * (1.0 + 1e-3 * (value * 1e4).sin()) } else { value },
        ),
    ] {
        rewrite(&base, &place.path(&format!("runs/{name}")), change);
    }
    for engine in ["", " --side b"] {
        let out = format!("out{}", engine.replace(' ', ""));
        place.done(&format!("runs -o {out} --update{engine}"));
        let paths: Vec<String> = place
            .adapters(&out)
            .iter()
            .map(|row| row.text("path").unwrap().trim_start_matches("runs/").to_owned())
            .collect();
        let found: Vec<(String, String, String)> = rows(&place.path(&format!("{out}/relations.parquet")))
            .iter()
            .map(|row| {
                assert_eq!(row.flag("exact"), Some(true));
                let name = |column: &str| paths[row.int(column)].clone();
                let word = match row.number("factor") {
                    Some(factor) => format!("{} {factor}", row.text("relation").unwrap()),
                    None => row.text("relation").unwrap().to_owned(),
                };
                (name("a"), name("b"), word)
            })
            .collect();
        let of = |a: &str, b: &str| {
            let is_it = |(x, y, _): &&(String, String, String)| x == a && y == b;
            found.iter().find(is_it).map(|(.., word)| word.as_str())
        };
        assert_eq!(of("base", "copy"), Some("same file"));
        assert_eq!(of("base", "negated"), Some("negated -1"));
        assert_eq!(of("base", "quarter"), Some("scaled 0.25"));
        assert_eq!(of("base", "turned"), Some("same update"));
        assert_eq!(of("base", "near"), Some("nearly the same"));
        assert_eq!(of("copy", "turned"), Some("same update"));
        assert_eq!(of("run/checkpoint-10", "run/checkpoint-20"), Some("steps of one run"));
        // Six that are one another, and the two steps.
        assert_eq!(found.len(), 6 * 5 / 2 + 1, "{found:?}");
        assert!(found.iter().all(|(a, b, _)| a != "other" && b != "other"));
    }
}

#[test]
fn without_the_updates_there_is_no_table_of_relations() {
    let place = Place::mixed();
    place.done("runs -o out");
    assert!(!place.path("out/relations.parquet").exists());
}
