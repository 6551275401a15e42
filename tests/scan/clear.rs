//! `--fresh` removes what a scan left and nothing else, and what killed processes left half written goes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::common::checkpoints::Checkpoint;
use crate::common::scans::{Place, assert_same};

fn some() -> Place {
    let place = Place::new();
    for seed in 0..3 {
        Checkpoint::new(seed).write(&place.path(&format!("runs/checkpoint-{seed}")));
    }
    place
}

/// Every file and link below a folder.
fn everything(folder: &Path) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            all.extend(everything(&path));
        } else {
            all.insert(path.display().to_string());
        }
    }
    all
}

#[test]
fn a_folder_of_another_program_is_left_as_it_is() {
    let place = some();
    place.done("runs -o expected");
    let plans = [
        r#"{"plan": "mine"}"#,
        r#"{"schema": 4, "version": "1.0", "options": {}, "adapters": [], "layouts": [], "generations": []}"#,
        r#"{"schema": 4, "version": "1.0", "steps": ["build", "test"]}"#,
        "[1, 2, 3]",
        "not JSON",
        "",
    ];
    for plan in plans {
        let _ = fs::remove_dir_all(place.path("out"));
        for folder in ["pairs", "work/adapters", "work/log", "work/bases"] {
            fs::create_dir_all(place.path("out").join(folder)).unwrap();
        }
        for file in [
            "plan.json",
            "adapters.parquet",
            "relations.parquet",
            "pairs/m0000-r000000-c000000.parquet",
            "pairs/mine.parquet",
            "work/adapters/x.jsonl",
            "work/notes.txt",
            "work/log/y.jsonl",
        ] {
            fs::write(place.path("out").join(file), plan).unwrap();
        }
        let before = everything(&place.path("out"));
        for args in ["runs -o out", "runs -o out --fresh"] {
            let refused = place.run(args);
            assert_eq!(refused.code, Some(1), "{plan} {args}: {}", refused.stderr);
            assert!(!refused.stderr.contains("--fresh"), "{plan} {args}: {}", refused.stderr);
            assert_eq!(everything(&place.path("out")), before, "{plan} {args}");
        }
    }
}

#[test]
fn what_the_user_put_into_a_scans_folders_stays() {
    let place = some();
    place.done("runs -o out");
    let mine = [
        "out/notes.txt",
        "out/pairs/mine.parquet",
        "out/pairs/readme.md",
        "out/work/notes.txt",
        "out/work/adapters/notes.txt",
        "out/work/bases/notes.txt",
        "out/report/report.json",
    ];
    for file in mine {
        fs::create_dir_all(place.path(file).parent().unwrap()).unwrap();
        fs::write(place.path(file), "mine").unwrap();
    }
    place.done("runs -o out --side b --fresh");
    for file in mine {
        assert_eq!(fs::read(place.path(file)).unwrap(), b"mine", "{file}");
    }
    place.done("runs -o expected --side b");
    let mut found = place.bytes("out");
    found.remove("mine.parquet");
    assert_same(&found, &place.bytes("expected"), "--fresh");
    // Nor does a file of the user's own stop a report or a status.
    fs::write(place.path("out/pairs/mine.parquet"), "mine").unwrap();
    assert!(place.lorascope("report out -o elsewhere").output().unwrap().status.success());
    // A finished scan without a cache takes only its bases away.
    place.done("runs -o no-cache --no-cache --shard 1/2");
    fs::create_dir_all(place.path("no-cache/work/bases")).unwrap();
    fs::write(place.path("no-cache/work/bases/notes.txt"), "mine").unwrap();
    place.done("runs -o no-cache --no-cache");
    assert_eq!(fs::read(place.path("no-cache/work/bases/notes.txt")).unwrap(), b"mine");
}

#[cfg(unix)]
#[test]
fn what_a_link_leads_to_is_not_removed() {
    use std::os::unix::fs::symlink;
    let place = some();
    for folder in ["pairs", "work", "work/adapters", "work/log"] {
        for out in ["out", "other"] {
            let _ = fs::remove_dir_all(place.path(out));
            place.done(&format!("runs -o {out}"));
        }
        fs::remove_dir_all(place.path("out").join(folder)).unwrap();
        symlink(place.path("other").join(folder), place.path("out").join(folder)).unwrap();
        let before = everything(&place.path("other"));
        let refused = place.run("runs -o out --fresh");
        assert_eq!(refused.code, Some(1), "{folder}: {}", refused.stderr);
        assert!(refused.stderr.contains("found a symbolic link"), "{folder}: {}", refused.stderr);
        assert_eq!(everything(&place.path("other")), before, "{folder}");
    }
}

#[test]
fn a_removal_that_was_broken_off_is_finished_by_the_next_run() {
    let place = some();
    place.done("runs -o out");
    place.done("runs -o expected --side b");
    // As a kill leaves it: the plan is out of its place, and blocks are there still.
    fs::rename(place.path("out/plan.json"), place.path("out/work/removed.json")).unwrap();
    place.done("runs -o out --side b");
    assert_same(&place.bytes("out"), &place.bytes("expected"), "finished");
    assert!(!place.path("out/work/removed.json").exists());
}

#[cfg(unix)]
#[test]
fn what_killed_processes_left_half_written_is_removed_and_what_living_ones_write_is_not() {
    let place = some();
    place.done("runs -o out");
    let part = |name: &str| place.path(&format!("out/{name}"));
    let stale = [".lorascope-abc.part", "pairs/.lorascope-def.part", "report/.lorascope-ghi.part"];
    fs::create_dir_all(place.path("out/report")).unwrap();
    for name in stale {
        fs::write(part(name), "half").unwrap();
    }
    let held =
        ["pairs/.lorascope-held.part", ".lorascope-held.part", "report/.lorascope-held.part"].map(|name| {
            let file = fs::File::create(part(name)).unwrap();
            file.lock().unwrap();
            (name, file)
        });
    fs::write(part("pairs/notes.part"), "mine").unwrap();
    place.done("runs -o out");
    assert!(place.lorascope("report out").output().unwrap().status.success());
    for name in stale {
        assert!(!part(name).exists(), "{name}");
    }
    for (name, file) in held {
        assert!(part(name).exists(), "{name}");
        drop(file);
    }
    assert!(part("pairs/notes.part").exists());
}

#[cfg(unix)]
#[test]
fn where_nothing_shows_which_processes_live_what_was_left_half_written_goes_when_it_is_old() {
    let place = some();
    place.done("runs -o out");
    let hours = |n: u64| std::time::SystemTime::now() - std::time::Duration::from_secs(3600 * n);
    let parts = [("pairs/.lorascope-old.part", hours(2)), ("pairs/.lorascope-new.part", hours(0))];
    for (name, time) in parts {
        let file = fs::File::create(place.path("out").join(name)).unwrap();
        file.set_modified(time).unwrap();
    }
    let done = place.scan("runs -o out").env("LORASCOPE_LOCK_FILES", "1").output().unwrap();
    assert!(done.status.success());
    let is_there = parts.map(|(name, _)| place.path("out").join(name).exists());
    assert_eq!(is_there, [false, true]);
}
