//! `--memory` holds, whatever is kept, or is refused with the figure that is needed; a dry run says the truth about it.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use crate::common::checkpoints::Checkpoint;
use crate::common::scans::{Place, assert_same};

/// The most memory that a scan held at once, in bytes, as the system counts it.
fn peak_bytes(place: &Place, args: &str) -> u64 {
    let mut child = place.scan(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak_kib = 0;
    let ended = loop {
        let line = fs::read_to_string(&status).unwrap_or_default();
        let kib = line.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB"));
        peak_kib = kib.and_then(|kib| kib.trim().parse().ok()).unwrap_or(0).max(peak_kib);
        match child.try_wait().unwrap() {
            Some(ended) => break ended,
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    assert_eq!(ended.code(), Some(0), "scan {args}");
    peak_kib << 10
}

/// What a dry run says that the scan takes at most, in bytes.
fn said_bytes(place: &Place, args: &str) -> u64 {
    let said = place.done(&format!("{args} --dry-run")).stdout;
    let line = said.lines().find_map(|line| line.strip_prefix("memory")).unwrap();
    let (number, rest) = line.trim().strip_prefix("at most ").unwrap().split_once(' ').unwrap();
    let bits =
        ["B", "KiB", "MiB", "GiB"].iter().position(|unit| rest.starts_with(&format!("{unit},"))).unwrap();
    (number.parse::<f64>().unwrap() * f64::from(1 << (10 * bits))) as u64
}

#[test]
fn no_scan_takes_more_memory_than_it_is_given_and_than_a_dry_run_says() {
    if !fs::exists("/proc/self/status").unwrap_or(false) {
        eprintln!("skipped: this system does not say what a process holds");
        return;
    }
    let place = Place::new();
    // Whole grids of rank 64 are 28 MiB, and of each module.
    for seed in 0..42 {
        let shapes = [("x.layers.0.q_proj", 96, 80), ("x.layers.1.q_proj", 96, 80)];
        Checkpoint::new(seed).r(64).modules(&shapes).write(&place.path(&format!("runs/{seed}")));
    }
    for keep in ["powers", "diagonal", "grid", "cells=1:1,8:8", "top:3", "powers --update", "powers --angles"]
    {
        let of = keep.replace([' ', ':', '=', ','], "-");
        let args = format!("runs -o least-{of} --threads 2 --engine cpu --keep {keep}");
        let least = place.least_memory(&args);
        let least_bytes: u64 =
            least.strip_prefix("--memory ").unwrap().strip_suffix('K').unwrap().parse::<u64>().unwrap() << 10;
        assert!(least_bytes < 64 << 20, "{keep}: {least}");
        let args = format!("{args} {least}");
        let (said, peak) = (said_bytes(&place, &args), peak_bytes(&place, &args));
        // Two digits after the point are said.
        assert!(
            peak <= said && said <= least_bytes + (16 << 10),
            "{keep}: {peak} bytes, {said} said, {least}"
        );
        place.done(&format!("runs -o more-{of} --engine cpu --keep {keep} --memory 4G"));
        assert_same(&place.bytes(&format!("least-{of}")), &place.bytes(&format!("more-{of}")), keep);
    }
}

#[test]
fn too_little_memory_is_refused_with_the_figure() {
    let place = Place::new();
    for seed in 0..3 {
        Checkpoint::new(seed).write(&place.path(&format!("runs/{seed}")));
    }
    for how in ["", "--dry-run"] {
        let ended = place.run(&format!("runs -o out --memory 1M {how}"));
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        let error = ended.stderr.lines().find(|line| line.starts_with("error: ")).unwrap();
        assert!(error.starts_with("error: memory: found 1048576 bytes, expected at least "), "{error}");
        assert!(error.ends_with(", for a block of pairs and a factorisation at once"), "{error}");
        assert!(ended.stderr.contains("hint: give it --memory "), "{}", ended.stderr);
    }
    assert!(!place.path("out/plan.json").exists());
    let least = place.least_memory("runs -o out");
    place.done(&format!("runs -o out {least}"));
    // What is there stays.
    let before = place.bytes("out");
    assert_eq!(place.run("runs -o out --fresh --memory 1M").code, Some(1));
    assert_same(&place.bytes("out"), &before, "--fresh without the memory for it");
}
