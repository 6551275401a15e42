//! Inputs of a scan that are read again, and are not what they were.

use std::fs;

use crate::common::checkpoints::Checkpoint;
use crate::common::scans::{Place, ended};

fn scanned() -> Place {
    let place = Place::new();
    for seed in 0..3 {
        Checkpoint::new(seed).write(&place.path(&format!("runs/checkpoint-{seed}")));
    }
    place.done("runs -o out");
    place
}

#[test]
fn a_figure_of_a_pair_is_not_drawn_from_other_bytes_than_the_scans() {
    let place = scanned();
    let figure = |place: &Place| {
        let mut command =
            place.lorascope("figure out --pair 0 1 --layer 0 --cache cache --engine cpu -o fig.png --json");
        ended(&command.output().unwrap())
    };
    // The cache has estimates of the start; the files have the start.
    fs::remove_dir_all(place.path("cache")).unwrap();
    let first = figure(&place);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    for with_cache in [true, false] {
        for with_records in [true, false] {
            let place = scanned();
            // The same shapes, so that nothing but the numbers tells.
            Checkpoint::new(77).write(&place.path("runs/checkpoint-1"));
            if !with_cache {
                fs::remove_dir_all(place.path("cache")).unwrap();
            }
            if !with_records {
                fs::remove_dir_all(place.path("out/work")).unwrap();
            }
            let refused = figure(&place);
            assert_eq!(refused.code, Some(1), "{with_cache} {with_records}: {}", refused.stderr);
            assert!(
                refused.stderr.contains("runs/checkpoint-1: found other bytes than when the scan began"),
                "{}",
                refused.stderr
            );
            assert!(!place.path("fig.png").exists());
        }
    }
    // Touched, or copied back: the same bytes at another time.
    let file = place.path("runs/checkpoint-1/adapter_model.safetensors");
    let bytes = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    fs::write(&file, bytes).unwrap();
    let again = figure(&place);
    assert_eq!((again.code, again.stdout), (Some(0), first.stdout), "{}", again.stderr);
}

#[test]
fn a_search_does_not_take_other_bytes_for_the_scans() {
    for with_records in [true, false] {
        let place = scanned();
        Checkpoint::new(77).write(&place.path("runs/checkpoint-1"));
        Checkpoint::new(5).write(&place.path("query"));
        fs::remove_dir_all(place.path("cache")).unwrap();
        if !with_records {
            fs::remove_dir_all(place.path("out/work")).unwrap();
        }
        let found = ended(&place.lorascope("search query --in out --cache cache").output().unwrap());
        assert_eq!(found.code, Some(1), "{}", found.stderr);
        assert!(found.stderr.contains("runs/checkpoint-1: found other bytes"), "{}", found.stderr);
    }
}

#[test]
fn relations_are_not_read_from_other_bytes_than_the_scans() {
    let place = Place::new();
    for (name, seed) in [("a", 1), ("copy", 1), ("b", 2)] {
        Checkpoint::new(seed).write(&place.path(&format!("runs/{name}")));
    }
    place.done("runs -o out --update");
    let relations = fs::read(place.path("out/relations.parquet")).unwrap();
    // The table of relations is written anew by a run that finds all blocks done; the copy is touched.
    let file = place.path("runs/copy/adapter_model.safetensors");
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, bytes).unwrap();
    fs::remove_file(place.path("out/relations.parquet")).unwrap();
    place.done("runs -o out --update");
    assert!(fs::read(place.path("out/relations.parquet")).unwrap() == relations);
}
