//! Whatever stops a scan, the same command goes on, and the result is that of an undisturbed run to the byte.
#![cfg(unix)]

use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use lorascope::scan::Scan;

use crate::common::checkpoints::{Checkpoint, numbers};
use crate::common::scans::{Ended, Place, assert_same, ended, files};

/// Ten checkpoints, and in `whole` a scan of them in some forty blocks that nothing disturbed.
fn many() -> Place {
    let place = Place::new();
    for seed in 0..10 {
        let r = 2 + seed as usize % 3;
        Checkpoint::new(seed).r(r).write(&place.path(&format!("runs/checkpoint-{seed}")));
    }
    place.done("runs -o planned");
    place.replan("planned", "whole", 2);
    place.done("runs -o whole");
    place
}

fn start(place: &Place, args: &str) -> Child {
    place.scan(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Sends a signal when some blocks are there; the command may have ended by then.
fn signal_half_way(place: &Place, child: Child, out: &str, signal: &str) -> Ended {
    let since = Instant::now();
    while files(&place.path(out).join("pairs")).len() < 3 && since.elapsed() < Duration::from_secs(60) {
        thread::sleep(Duration::from_micros(200));
    }
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    ended(&child.wait_with_output().unwrap())
}

fn stops(signal: &str, code: i32) {
    let place = many();
    place.replan("planned", "out", 1);
    place.replan("planned", "expected", 1);
    place.done("runs -o expected");
    let least = place.least_memory("runs -o out");
    let child = start(&place, &format!("runs -o out --threads 1 {least}"));
    let stopped = signal_half_way(&place, child, "out", signal);
    assert_eq!(stopped.code, Some(code), "{}", stopped.stderr);
    let left = stopped.stderr.lines().find_map(|line| line.strip_prefix("stopped: ")).unwrap();
    let n_left: usize = left.split(' ').next().unwrap().parse().unwrap();
    let n = place.bytes("expected").len() - 1;
    assert_eq!(left, format!("{n_left} of {n} blocks are left; the same command goes on"));
    assert!(n_left > 0, "the signal came too late");
    let there = fs::read_dir(place.path("out/pairs")).unwrap().map(|entry| entry.unwrap().file_name());
    let names: Vec<String> = there.map(|name| name.into_string().unwrap()).collect();
    assert_eq!(names.len(), n - n_left);
    assert!(names.iter().all(|name| name.ends_with(".parquet")), "{names:?}");
    let again = place.done("runs -o out");
    assert!(again.stderr.contains(" to do"), "{}", again.stderr);
    assert_same(&place.bytes("out"), &place.bytes("expected"), signal);
}

#[test]
fn ctrl_c_finishes_the_blocks_in_flight_and_exits_with_130() {
    stops("-INT", 130);
}

#[test]
fn sigterm_finishes_the_blocks_in_flight_and_exits_with_143() {
    stops("-TERM", 143);
}

#[test]
fn a_stop_while_headers_are_read_comes_before_the_first_block() {
    let place = many();
    place.replan("planned", "out", 1);
    let stop = AtomicBool::new(true);
    let scan = Scan::new([place.path("runs")], place.path("out")).no_cache().stop(&stop);
    let ended = scan.run();
    assert!(matches!(ended, Err(lorascope::Error::Stopped)), "{ended:?}");
    assert!(files(&place.path("out/pairs")).is_empty());
}

#[test]
fn the_first_signal_ends_the_wait_for_a_list() {
    let place = many();
    place.replan("planned", "out", 1);
    assert!(Command::new("mkfifo").arg(place.path("pipe")).status().unwrap().success());
    for (list, signal, code) in [("pipe", "-TERM", 143), ("-", "-INT", 130), ("/dev/stdin", "-TERM", 143)] {
        let mut command = place.scan(&format!("--list {list} -o out"));
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take();
        thread::sleep(Duration::from_millis(500));
        let since = Instant::now();
        Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        while child.try_wait().unwrap().is_none() && since.elapsed() < Duration::from_secs(20) {
            thread::sleep(Duration::from_millis(5));
        }
        let is_over = child.try_wait().unwrap().is_some();
        let _ = child.kill();
        let stopped = ended(&child.wait_with_output().unwrap());
        assert!(is_over, "{list}: it waits on");
        assert_eq!(stopped.code, Some(code), "{list}: {}", stopped.stderr);
        assert_eq!(stopped.stderr, "stopped: before anything was done\n", "{list}");
        assert!(files(&place.path("out/pairs")).is_empty());
        drop(stdin);
    }
}

#[test]
fn kill_9_at_any_moment_loses_the_blocks_in_flight_at_most() {
    let place = many();
    let mut n_killed = 0;
    for round in 0..3 {
        let (out, cache) = (format!("out{round}"), format!("cache{round}"));
        place.replan("planned", &out, 2);
        let args = format!("runs -o {out} --cache {cache}");
        for moment in numbers(round, 20) {
            // Before the first new block, or once up to three are there: a machine's speed decides nothing.
            let pairs = place.path(&out).join("pairs");
            let enough = files(&pairs).len() + (moment * 4.0) as usize;
            let mut child = start(&place, &args);
            while files(&pairs).len() < enough && child.try_wait().unwrap().is_none() {
                thread::sleep(Duration::from_micros(100));
            }
            thread::sleep(Duration::from_micros((moment * 3000.0) as u64));
            child.kill().unwrap();
            let stopped = ended(&child.wait_with_output().unwrap());
            match stopped.code {
                None => n_killed += 1,
                Some(code) => {
                    assert_eq!(code, 0, "{}", stopped.stderr);
                    break;
                }
            }
            // What is there is whole.
            let expected = place.bytes("whole");
            for file in files(&place.path(&out).join("pairs")) {
                let name = file.file_name().unwrap().to_str().unwrap();
                assert_eq!(fs::read(&file).unwrap(), expected[name], "{name}");
            }
        }
        place.done(&args);
        assert_same(&place.bytes(&out), &place.bytes("whole"), &out);
    }
    assert!(n_killed > 20, "{n_killed}");
}

#[test]
fn a_full_disk_leaves_nothing_half_written() {
    let place = many();
    let mut n_full = 0;
    for blocks in [0, 1, 2, 3, 4, 5, 6, 8, 12, 16] {
        let (out, cache) = (format!("out{blocks}"), format!("cache{blocks}"));
        place.replan("planned", &out, 2);
        let args = format!("runs -o {out} --cache {cache}");
        // A file that may not grow any further is refused like one on a full disk.
        let command = place.scan(&args);
        let mut limited = Command::new("sh");
        limited.arg("-c").arg(format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\""));
        limited.arg(command.get_program()).args(command.get_args()).current_dir(place.root());
        let stopped = ended(&limited.output().unwrap());
        if stopped.code != Some(0) {
            n_full += 1;
            assert_eq!(stopped.code, Some(1), "{}", stopped.stderr);
            let error = stopped.stderr.lines().find(|line| line.starts_with("error: ")).unwrap();
            assert!(error.contains("File too large"), "{error}");
        }
        let expected = place.bytes("whole");
        for file in files(&place.path(&out).join("pairs")) {
            let name = file.file_name().unwrap().to_str().unwrap();
            assert_eq!(fs::read(&file).unwrap(), expected[name], "{name}");
        }
        place.done(&args);
        assert_same(&place.bytes(&out), &expected, &out);
    }
    assert!(n_full > 2, "{n_full}");
}

#[test]
fn memory_threads_and_cache_change_no_byte() {
    let place = many();
    let least = place.least_memory("runs -o whole");
    let hows = [
        &least,
        "--memory 64G --threads 1",
        "--threads 5",
        "--no-cache",
        &format!("--no-cache {least}"),
        "--cache-limit 1K",
    ];
    for (number, how) in hows.iter().enumerate() {
        let out = format!("out{number}");
        place.replan("planned", &out, 2);
        place.done(&format!("runs -o {out} {how}"));
        assert_same(&place.bytes(&out), &place.bytes("whole"), how);
    }
}

#[test]
fn what_a_killed_run_left_beside_the_results_is_harmless() {
    let place = many();
    place.replan("planned", "out", 2);
    fs::create_dir_all(place.path("out/pairs")).unwrap();
    fs::create_dir_all(place.path("out/work/log")).unwrap();
    fs::write(place.path("out/pairs/.lorascope-1a2b3c.part"), b"PAR1 half").unwrap();
    fs::write(place.path("out/.lorascope-9z.part"), b"{").unwrap();
    fs::write(place.path("out/work/log/host-1.jsonl"), b"{\"time_s\":1,\"host\":\"h\"").unwrap();
    fs::create_dir_all(place.path("out/work/adapters")).unwrap();
    fs::write(place.path("out/work/adapters/host-1.jsonl"), b"{\"adapter\":3,\"digest\":\"a").unwrap();
    place.done("runs -o out");
    assert_same(&place.bytes("out"), &place.bytes("whole"), "leftovers");
    assert_eq!(fs::read_dir(place.path("out/pairs")).unwrap().count(), place.bytes("out").len() - 1);
}

#[test]
fn a_second_run_has_nothing_to_do_and_says_so() {
    let place = many();
    let times = |place: &Place| {
        let modified = |file: &std::path::PathBuf| fs::metadata(file).unwrap().modified().unwrap();
        files(&place.path("whole/pairs")).iter().map(modified).collect::<Vec<_>>()
    };
    let (before, bytes) = (times(&place), place.bytes("whole"));
    let again = place.done("runs -o whole");
    assert!(again.stderr.contains(", all done already"), "{}", again.stderr);
    assert!(!again.stderr.contains("engine:"), "{}", again.stderr);
    assert_eq!(times(&place), before);
    assert_same(&place.bytes("whole"), &bytes, "again");
}
