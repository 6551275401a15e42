//! A program scans a folder and reports on it through the library alone: no command line, no printing.
#![cfg(feature = "scan")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use common::checkpoints::Checkpoint;
use lorascope::engine::{EngineChoice, EngineKind, GpuChoice};
use lorascope::report::Report;
use lorascope::scan::{
    BasesFrom, Event, Gpus, Keep, PairChoice, Progress, Scan, ScanEnd, ScanWarning, Shard, ShardChoice,
    Status,
};
use lorascope::{Error, Remedy, Side};

/// A folder of its own with eight checkpoints of two modules: 28 pairs, 56 rows.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
        for seed in 0..8 {
            Checkpoint::new(seed).write(&place.path(&format!("runs/checkpoint-{seed}")));
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn scan<'a>(&self, out: &str) -> Scan<'a> {
        let scan = Scan::new([self.path("runs")], self.path(out));
        scan.engine(EngineChoice::Cpu).cache_dir(self.path("cache"))
    }

    /// The output folder of a scan that is planned in small blocks, 20 of them, and that has nothing done.
    fn planned(&self, out: &str) {
        self.scan("planned").run().unwrap();
        let plan = fs::read_to_string(self.path("planned/plan.json")).unwrap();
        let small = plan.replace("\"block\": 512", "\"block\": 2");
        assert_ne!(small, plan);
        fs::create_dir_all(self.path(out)).unwrap();
        fs::write(self.path(out).join("plan.json"), small).unwrap();
    }

    fn tables(&self, out: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let pairs = fs::read_dir(self.path(out).join("pairs")).unwrap().map(|entry| entry.unwrap().path());
        let files = pairs.chain([self.path(out).join("adapters.parquet")]);
        let named = |file: PathBuf| (file.file_name().unwrap().into(), fs::read(file).unwrap());
        files.map(named).collect()
    }
}

#[test]
fn five_lines_scan_a_folder_with_progress_and_a_stop_flag() {
    let place = Place::new();
    let (stop, mut events) = (AtomicBool::new(false), vec![]);
    let scan = Scan::new([place.path("runs")], place.path("out")).engine(EngineChoice::Cpu);
    let scan = scan.side(Side::B).cache_dir(place.path("cache")).stop(&stop);
    let outcome = scan.on_event(|event| events.push(format!("{event:?}"))).run().unwrap();

    assert_eq!(outcome.end, ScanEnd::Complete { problems: vec![] });
    assert!(outcome.skipped.is_empty() && !outcome.has_gaps());
    let plan = outcome.plan;
    assert_eq!((plan.n_adapters, plan.n_modules, plan.n_pairs, plan.whole.n_rows), (8, 2, 28, 56));
    assert_eq!(outcome.n_blocks, outcome.plan.whole.n_blocks);
    assert!(outcome.adapters_file().is_file());
    assert_eq!(fs::read_dir(outcome.pairs()).unwrap().count() as u64, outcome.n_blocks);
    let place_of = |name: &str| events.iter().position(|event| event.starts_with(name)).unwrap();
    let order = ["Planned", "Engine", "Progress", "Computed"].map(place_of);
    assert!(order.is_sorted(), "{order:?}");
    assert!(events[..place_of("Computed")].last().unwrap().starts_with("Progress"), "the last is the end");
}

#[test]
fn events_say_in_numbers_what_was_done() {
    let place = Place::new();
    let (mut progress, mut computed, mut engine) = (None::<Progress>, None, None);
    let scan = place.scan("out").on_event(|event| match event {
        Event::Progress(now) => progress = Some(*now),
        Event::Computed(done) => computed = Some(done.clone()),
        Event::Engine { info, reason: None, warning: None } => engine = Some(info.clone()),
        _ => {}
    });
    scan.run().unwrap();
    drop(scan);
    let (progress, computed) = (progress.unwrap(), computed.unwrap());
    assert_eq!((progress.n_done, progress.n_rows), (56, 56));
    assert_eq!((progress.n_ready, progress.n_adapters, progress.bases), (8, 8, BasesFrom::Cache));
    assert_eq!((computed.n_rows, computed.n_factorised, computed.n_blocks), (56, 8, 2));
    assert!(computed.elapsed >= progress.elapsed / 2 && computed.profile.is_none());
    assert_eq!(engine.unwrap().kind, EngineKind::Cpu);
}

#[test]
fn a_stopped_scan_goes_on_to_the_bytes_of_one_that_was_not() {
    let place = Place::new();
    place.planned("whole");
    place.scan("whole").run().unwrap();
    place.planned("out");
    // Half of it, then a run that is stopped before its first block.
    let half = place.scan("out").shard(ShardChoice::Given(Shard { k: 1, n: 2 })).run().unwrap();
    let n_blocks = half.plan.whole.n_blocks;
    assert_eq!(half.end, ScanEnd::Share { n_left: n_blocks - half.n_blocks });
    let stop = AtomicBool::new(false);
    let stopped = place.scan("out").stop(&stop).on_event(|event| {
        if let Event::Engine { .. } = event {
            stop.store(true, Ordering::Relaxed);
        }
    });
    let stopped = stopped.run().unwrap();
    assert_eq!(stopped.n_blocks, 0);
    assert_eq!(stopped.end, ScanEnd::Stopped { n_left: n_blocks - half.n_blocks });
    let status = Status::read(place.path("out")).unwrap();
    assert_eq!((status.counts.n_done, status.counts.n_blocks), (half.n_blocks, n_blocks));
    // And one that is stopped at some block.
    stop.store(false, Ordering::Relaxed);
    let stopped = place.scan("out").stop(&stop).on_event(|event| match event {
        Event::Progress(progress) if progress.n_done > 0 => stop.store(true, Ordering::Relaxed),
        _ => {}
    });
    stopped.run().unwrap();
    let last = place.scan("out").run().unwrap();
    assert_eq!(last.end, ScanEnd::Complete { problems: vec![] });
    assert_eq!(place.tables("out"), place.tables("whole"));
}

#[test]
fn a_dry_run_says_what_it_would_take_and_makes_nothing() {
    let place = Place::new();
    fs::write(place.path("runs/broken.safetensors"), b"\x08\0\0\0\0\0\0\0{\"a\":1}").unwrap();
    fs::write(place.path("runs/notes.txt"), "x").unwrap();
    let scan = place.scan("out").keep(Keep::Diagonal).memory_bytes(1 << 30);
    let run = scan.dry_run().unwrap();
    assert!(!place.path("out").exists() && !place.path("cache").exists());
    assert_eq!((run.n_adapters, run.n_added, run.n_modules, run.max_rank), (8, 8, 2, 4));
    assert_eq!((run.n_pairs, run.counts.n_rows, run.counts.n_rows_left, run.counts.n_done), (28, 56, 56, 0));
    assert_eq!((run.n_ignored, run.skipped.len()), (1, 1));
    assert!(matches!(&run.skipped[0].error, Error::Malformed(_)), "{:?}", run.skipped);
    assert!(run.skipped[0].path.ends_with("broken.safetensors"));
    // A alone is read on side A: 8 adapters, 2 modules, 4 × 24 numbers of 4 bytes.
    assert_eq!(run.n_factor_bytes, 8 * 2 * 4 * 24 * 4);
    assert_eq!(run.engines.len(), 1);
    // No more than is given, and no more than it needs.
    assert!(run.memory_bytes < 1 << 26, "{}", run.memory_bytes);
    let as_much = place.scan("out").keep(Keep::Diagonal).memory_bytes(run.memory_bytes);
    assert!(as_much.dry_run().unwrap().memory_bytes <= run.memory_bytes);
    assert!(run.flop > 0.0 && run.n_table_bytes > 0 && !run.duration.is_zero());
    // The same scan, made.
    let outcome = scan.run().unwrap();
    assert!(outcome.has_gaps() && outcome.skipped.len() == 1);
    assert_eq!(scan.dry_run().unwrap().counts.n_rows_left, 0);
}

#[test]
fn a_report_is_written_and_says_what_it_wrote() {
    let place = Place::new();
    place.scan("out").run().unwrap();
    let dir = place.path("report");
    let written = Report::of(place.path("out")).top(3).write(&dir).unwrap();
    assert_eq!(written.pictures, ["adapters.png", "layers.png", "drift.png", "drift_projections.png"]);
    for name in written.pictures.iter().chain(&written.tables) {
        assert!(dir.join(name).is_file(), "{name}");
    }
    assert_eq!(fs::read_to_string(dir.join("report.json")).unwrap(), written.json);
    let found: serde_json::Value = serde_json::from_str(&written.json).unwrap();
    assert_eq!((&found["counts"]["pairs"], found["most_alike"].as_array().unwrap().len()), (&28.into(), 3));
    assert!(written.text.contains("8 adapters, 28 pairs"), "{}", written.text);
    let some = Report::of(place.path("out")).adapters(["*/checkpoint-[0-2]"]).write(&dir).unwrap();
    assert!(some.text.contains("3 adapters, 3 pairs"), "{}", some.text);
    let error = Report::of(place.path("out")).adapters(["a[b"]).write(&dir).unwrap_err();
    assert!(error.to_string().starts_with("checkpoint: found `a[b` ("), "{error}");
    let error = Report::of(place.path("runs")).write(&dir).unwrap_err();
    assert_eq!(error.remedy(), Some(&Remedy::MakeScan));
}

#[test]
fn warnings_are_types_with_their_numbers() {
    let place = Place::new();
    for seed in 0..3 {
        Checkpoint::new(seed)
            .start(0)
            .base(Some("base/two"))
            .write(&place.path(&format!("runs/same/{seed}")));
    }
    let mut warnings = vec![];
    let scan = place.scan("out").cache_limit_bytes(1000).on_event(|event| {
        if let Event::Warning(warning) = event {
            warnings.push(warning.clone());
        }
    });
    scan.run().unwrap();
    drop(scan);
    let n_rows = 2 * 11 * 10 / 2;
    let [limit, shared, other] = &warnings[..] else { panic!("{warnings:?}") };
    assert!(
        matches!(limit, ScanWarning::CacheLimit { needed_bytes, limit_bytes: 1000 } if *needed_bytes > 1000)
    );
    // The three of one start, and each with the first checkpoint, which has that start too.
    assert_eq!(*shared, ScanWarning::SharedInit { n: 2 * (3 + 3), n_rows, side: Side::A });
    assert_eq!(*other, ScanWarning::OtherBase { n: 2 * 3 * 8, n_rows });
    assert!(shared.to_string().starts_with(&format!("12 of {n_rows} rows share the random start of A")));
}

/// What a scan is refused for, and its way out.
fn refused(scan: &Scan<'_>) -> (String, Option<Remedy>) {
    let error = scan.run().unwrap_err();
    (error.to_string(), error.remedy().cloned())
}

#[test]
fn an_error_carries_its_way_out_as_a_type() {
    let place = Place::new();
    let out = |name: &str| place.path(name).display().to_string();
    let nothing = Scan::new([place.path("nothing")], place.path("none"));
    assert_eq!(refused(&nothing), (format!("{}: no such file or directory", out("nothing")), None));
    assert!(matches!(nothing.run(), Err(Error::NotFound(_))));
    let no_input = Scan::new(Vec::<PathBuf>::new(), place.path("none"));
    assert!(refused(&no_input).0.starts_with("scan: found no input, expected checkpoints"));
    let error = Status::read(place.path("runs")).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{}: not the output folder of a scan: it has no plan.json", out("runs"))
    );
    assert_eq!(error.remedy(), Some(&Remedy::MakeScan));
    assert!(matches!(Status::read(place.path("nothing")), Err(Error::NotFound(_))));

    place.scan("out").run().unwrap();
    assert_eq!(refused(&place.scan("out").side(Side::B)).1, Some(Remedy::KeepOptions));
    let fewer =
        Scan::new([place.path("runs/checkpoint-1"), place.path("runs/checkpoint-2")], place.path("out"));
    assert_eq!(refused(&fewer.engine(EngineChoice::Cpu)).1, Some(Remedy::KeepInputs));
    let steps = Scan::new([place.path("runs")], place.path("steps")).cache_dir(place.path("cache"));
    let steps = steps.engine(EngineChoice::Cpu).pairs(PairChoice::Consecutive);
    steps.run().unwrap();
    fs::rename(place.path("runs/checkpoint-7"), place.path("later")).unwrap();
    assert_eq!(refused(&steps).1, Some(Remedy::ForgetInputs));
    fs::rename(place.path("later"), place.path("runs/checkpoint-7")).unwrap();
    Checkpoint::new(9).write(&place.path("runs/mid/checkpoint-9"));
    fs::write(place.path("out/plan.json"), "{").unwrap();
    assert_eq!(refused(&place.scan("out")).1, Some(Remedy::OtherOutput));
    let gpu = place.scan("new").gpus(Gpus::One(GpuChoice::Index(0)));
    assert!(refused(&gpu).0.starts_with("engine: a GPU is named, but the CPU engine is asked for"));
    assert!(matches!(place.scan("new").modules(["a[b"]).run(), Err(Error::Invalid(_))));
    let strict = Checkpoint { untrained: vec!["v_proj"], ..Checkpoint::new(10) };
    strict.write(&place.path("runs/untrained"));
    assert_eq!(refused(&place.scan("strict").side(Side::B).strict(true)).1, Some(Remedy::AllowMissing));
    fs::write(place.path("a-file"), "x").unwrap();
    let no_cache = place.scan("new").cache_dir(Path::new("/proc/cache"));
    assert_eq!(refused(&no_cache).1, Some(Remedy::MoveCache));
}
