//! Disks, clocks and systems that do not behave: few open files, odd files, times that jump, files that go.
#![cfg(unix)]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::common::checkpoints::{Checkpoint, QUERY, numbers};
use crate::common::scans::{Ended, Place, assert_same, ended, files};

/// A command that may have so many files open.
fn with_open_files(n: usize, command: &Command, root: &Path) -> Ended {
    let mut limited = Command::new("sh");
    limited.arg("-c").arg(format!("ulimit -n {n}; exec \"$0\" \"$@\""));
    limited.arg(command.get_program()).args(command.get_args()).current_dir(root).stdin(Stdio::null());
    ended(&limited.output().unwrap())
}

#[test]
fn open_files_stay_within_the_limit_of_the_system() {
    let place = Place::new();
    for seed in 0..320 {
        Checkpoint::new(seed).modules(&[QUERY]).r(1).write(&place.path(&format!("runs/checkpoint-{seed}")));
    }
    place.done("runs -o whole");
    let tight = format!("--no-cache {}", place.least_memory("runs -o out"));
    let hows = ["--cache new", "--cache new", "--no-cache", &tight, "--cache other --threads 200"];
    for (n, how) in hows.into_iter().enumerate() {
        let args = format!("runs -o out{n} {how}");
        let done = with_open_files(256, &place.scan(&args), place.root());
        assert_eq!(done.code, Some(0), "{how}: {}", done.stderr);
        assert!(!done.stderr.contains("the output folder"), "{how}: {}", done.stderr);
        assert_same(&place.bytes(&format!("out{n}")), &place.bytes("whole"), how);
    }
    let all: Vec<String> = (0..320).map(|seed| format!("runs/checkpoint-{seed}")).collect();
    for args in [
        "search runs/checkpoint-1 --in whole --cache cache".to_owned(),
        "search runs/checkpoint-1 --in whole --cache empty".to_owned(),
        "report whole".to_owned(),
        format!("merge-check {}", all.join(" ")),
        format!("shared {}", all.join(" ")),
    ] {
        let done = with_open_files(64, &place.lorascope(&args), place.root());
        assert_eq!(done.code, Some(0), "{args}: {}", done.stderr);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn the_limit_of_open_files_is_raised_as_far_as_the_system_allows() {
    let place = Place::new();
    let scan = place.scan("--list /dev/stdin -o out");
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -Sn 100; exec \"$0\" \"$@\""]).arg(scan.get_program()).args(scan.get_args());
    let mut child = limited.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let limits = || {
        let text = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
        let line = text.lines().find(|line| line.starts_with("Max open files")).unwrap().to_owned();
        let words: Vec<String> = line.split_whitespace().skip(3).map(str::to_owned).collect();
        (words[0].clone(), words[1].clone())
    };
    let is_raised = (0..200).any(|_| {
        thread::sleep(Duration::from_millis(20));
        let (soft, hard) = limits();
        soft == hard
    });
    assert!(is_raised, "{:?}", limits());
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn pipes_sockets_and_devices_among_the_inputs_stop_nothing() {
    let place = Place::new();
    for seed in 0..3 {
        Checkpoint::new(seed).write(&place.path(&format!("runs/checkpoint-{seed}")));
    }
    place.done("runs -o whole");
    for folder in ["of-pipe", "of-config"] {
        fs::create_dir(place.path("runs").join(folder)).unwrap();
    }
    let pipes = ["pipe", "x.safetensors", "of-pipe/adapter_model.safetensors", "of-pipe/adapter_config.json"];
    for pipe in pipes {
        assert!(Command::new("mkfifo").arg(place.path("runs").join(pipe)).status().unwrap().success());
    }
    let _socket = std::os::unix::net::UnixListener::bind(place.path("runs/socket.safetensors")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", place.path("runs/zero.safetensors")).unwrap();
    std::os::unix::fs::symlink("/dev/null", place.path("runs/null.bin")).unwrap();
    let done = place.done("runs -o out");
    assert_same(&place.bytes("out"), &place.bytes("whole"), "odd files");
    let warning = "warning: runs/null.bin (and 4 others): named as a checkpoint, but a pipe, a socket or a device: left out";
    let said: Vec<_> = done.stderr.lines().filter(|line| line.starts_with("warning: ")).collect();
    assert!(said.len() == 1 && said[0].ends_with(&warning[warning.len() - 60..]), "{said:?}");
    for command in ["inspect runs", "merge-check runs"] {
        let said = ended(&place.lorascope(command).output().unwrap()).stderr;
        assert!(
            said.contains("named as a checkpoint, but a pipe, a socket or a device: left out"),
            "{command}: {said}"
        );
    }
    // Next to a checkpoint, or named.
    fs::copy(
        place.path("runs/checkpoint-1/adapter_model.safetensors"),
        place.path("runs/of-config/adapter_model.safetensors"),
    )
    .unwrap();
    let config = place.path("runs/of-config/adapter_config.json");
    assert!(Command::new("mkfifo").arg(config).status().unwrap().success());
    for named in ["runs/of-config", "runs/pipe", "runs/socket.safetensors", "runs/zero.safetensors"] {
        let refused = place.run(&format!("runs/checkpoint-1 runs/checkpoint-2 {named} -o named"));
        assert_eq!(refused.code, Some(3), "{named}: {}", refused.stderr);
        assert!(
            refused.stderr.lines().any(|line| line.starts_with(&format!("error: {named}"))
                && line.contains("found a pipe or a device, expected a regular file")),
            "{named}: {}",
            refused.stderr
        );
        fs::remove_dir_all(place.path("named")).unwrap();
    }
}

#[test]
fn names_with_line_breaks_and_bytes_of_no_text_stay_on_their_line() {
    let place = Place::new();
    Checkpoint::new(1).write(&place.path("runs/check\npoint-1"));
    Checkpoint::new(2).write(&place.path("runs/\u{1b}[31mred"));
    Checkpoint::new(3).write(&place.root().join("runs").join(OsStr::from_bytes(b"caf\xe9")));
    fs::write(place.path("runs/ba\nd.safetensors"), "x").unwrap();
    let scan = place.run("runs -o out");
    assert_eq!(scan.code, Some(3), "{}", scan.stderr);
    let starts = ["error: ", "plan: ", "engine: ", "wrote: ", "hint: ", "ignored: "];
    for line in scan.stderr.lines() {
        assert!(starts.iter().any(|start| line.starts_with(start)), "{line:?}");
        assert!(!line.contains(char::is_control), "{line:?}");
    }
    assert!(scan.stderr.contains("error: runs/ba\\nd.safetensors: "), "{}", scan.stderr);
    let paths: Vec<_> =
        place.adapters("out").iter().map(|row| row.text("path").unwrap().to_owned()).collect();
    assert_eq!(paths, ["runs/\u{1b}[31mred", "runs/check\npoint-1"]);
    let again = place.run("runs -o out");
    assert!(again.stderr.contains("all done already"), "{}", again.stderr);
}

#[test]
fn ten_thousand_files_in_one_folder_are_looked_through() {
    let place = Place::new();
    fs::create_dir(place.path("runs")).unwrap();
    for n in 0..10_000 {
        File::create(place.path("runs").join(format!("{n}.txt"))).unwrap();
    }
    let bytes = [1, 2].map(|seed| Checkpoint::new(seed).modules(&[QUERY]).bytes());
    for n in 0..500 {
        fs::write(place.path("runs").join(format!("{n}.safetensors")), &bytes[n % 2]).unwrap();
    }
    let scan = place.scan("runs -o out --pairs consecutive -v");
    let done = with_open_files(128, &scan, place.root());
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(place.adapters("out").len(), 500);
    assert_eq!(done.stderr.lines().filter(|line| line.starts_with("ignored: ")).count(), 10_000);
}

fn set_time(file: &Path, time: SystemTime) {
    File::options().append(true).open(file).unwrap().set_modified(time).unwrap();
}

#[test]
fn clocks_that_jump_change_no_table_and_lose_no_block() {
    let place = Place::new();
    for seed in 0..6 {
        Checkpoint::new(seed).write(&place.path(&format!("runs/checkpoint-{seed}")));
    }
    place.done("runs -o planned");
    place.replan("planned", "whole", 2);
    place.done("runs -o whole");
    let day = Duration::from_secs(86_400);
    let times = [
        SystemTime::UNIX_EPOCH,
        SystemTime::UNIX_EPOCH - 1000 * day,
        SystemTime::now() + 3650 * day,
        SystemTime::now() - day,
    ];
    for (n, time) in times.into_iter().enumerate() {
        let out = format!("out{n}");
        place.replan("planned", &out, 2);
        place.done(&format!("runs -o {out}"));
        // Half of the blocks are lost, and everything has another time: inputs, entries, results.
        for block in files(&place.path(&out).join("pairs")).iter().step_by(2) {
            fs::remove_file(block).unwrap();
        }
        for folder in ["cache", &format!("{out}/pairs"), &format!("{out}/work/adapters")] {
            fs::read_dir(place.path(folder)).unwrap().for_each(|file| set_time(&file.unwrap().path(), time));
        }
        for seed in 0..6 {
            set_time(&place.path(&format!("runs/checkpoint-{seed}/adapter_model.safetensors")), time);
        }
        place.done(&format!("runs -o {out}"));
        assert_same(&place.bytes(&out), &place.bytes("whole"), &out);
    }
}

#[test]
fn checkpoints_that_are_touched_all_the_time_are_scanned_as_they_are() {
    let place = Place::new();
    let wide = [("layers.0.self_attn.q_proj", 768, 768), ("layers.1.self_attn.q_proj", 768, 768)];
    for seed in 0..8 {
        Checkpoint::new(seed).r(16).modules(&wide).write(&place.path(&format!("runs/checkpoint-{seed}")));
    }
    place.done("runs -o whole");
    let tight = format!("--no-cache {}", place.least_memory("runs -o out"));
    for how in ["--no-cache", &tight, "--cache new"] {
        let out = how.replace([' ', '-'], "");
        let mut child = place.scan(&format!("runs -o {out} {how}")).stderr(Stdio::piped()).spawn().unwrap();
        while child.try_wait().unwrap().is_none() {
            // From the plan on.
            let n_files = if place.path(&out).join("plan.json").exists() { 8 } else { 0 };
            for seed in 0..n_files {
                let file = place.path(&format!("runs/checkpoint-{seed}/adapter_model.safetensors"));
                set_time(&file, SystemTime::now());
            }
            thread::sleep(Duration::from_millis(1));
        }
        let done = ended(&child.wait_with_output().unwrap());
        assert_eq!(done.code, Some(0), "{how}: {}", done.stderr);
        assert_same(&place.bytes(&out), &place.bytes("whole"), how);
    }
}

/// What happens to a checkpoint while a scan reads it.
type Deed = (&'static str, fn(&Path));

#[test]
fn a_checkpoint_that_is_lost_or_written_while_it_is_scanned_is_named_and_never_half_compared() {
    let deeds: [Deed; 3] = [
        ("removed", |file| fs::remove_file(file).unwrap()),
        ("cut", |file| File::options().write(true).open(file).unwrap().set_len(20_000).unwrap()),
        ("written", |file| {
            let mut bytes = fs::read(file).unwrap();
            let n = bytes.len();
            bytes[n / 2..].iter_mut().for_each(|byte| *byte ^= 0x08);
            fs::write(file, bytes).unwrap();
        }),
    ];
    let wide = [("layers.0.self_attn.q_proj", 512, 256), ("layers.1.self_attn.q_proj", 512, 256)];
    let mut n_named = 0;
    for how in ["--no-cache", "--cache cache"] {
        for (round, (what, deed)) in deeds.iter().cycle().take(12).enumerate() {
            let place = Place::new();
            let file = |seed: u64| place.path(&format!("runs/checkpoint-{seed}/adapter_model.safetensors"));
            for seed in 0..8 {
                Checkpoint::new(seed)
                    .r(16)
                    .modules(&wide)
                    .write(&place.path(&format!("runs/checkpoint-{seed}")));
            }
            place.done("runs -o planned --cache other");
            place.replan("planned", "whole", 2);
            place.done("runs -o whole --cache other");
            place.replan("planned", "out", 2);
            let child = place.scan(&format!("runs -o out {how}")).stderr(Stdio::piped()).spawn().unwrap();
            let moment = (numbers(round as u64, 1)[0] + 1.0) * 15.0;
            thread::sleep(Duration::from_micros((moment * 1000.0) as u64));
            deed(&file(7));
            let scanned = ended(&child.wait_with_output().unwrap());
            assert!(!scanned.stderr.contains("panicked"), "{}", scanned.stderr);
            let expected = match scanned.code {
                // It came too late, or so early that the scan is of the new file from the start.
                Some(0) if *what == "written" => {
                    place.replan("planned", "again", 2);
                    let again = place.done("runs -o again --cache other");
                    let is_old = place.path("out/adapters.parquet").exists()
                        && place.bytes("out")["adapters.parquet"] == place.bytes("whole")["adapters.parquet"];
                    assert!(again.stderr.contains("wrote: "));
                    if is_old { "whole" } else { "again" }
                }
                Some(0) => "whole",
                code => {
                    n_named += 1;
                    let error = scanned.stderr.lines().find(|line| line.starts_with("error: ")).unwrap();
                    assert!(error.contains("runs/checkpoint-7"), "{how}, {what}, {code:?}: {error}");
                    "whole"
                }
            };
            for file in files(&place.path("out/pairs")) {
                let name = file.file_name().unwrap();
                let same = place.path(expected).join("pairs").join(name);
                assert_eq!(fs::read(&file).unwrap(), fs::read(&same).unwrap(), "{how}, {what}: {name:?}");
            }
        }
    }
    assert!(n_named > 3, "{n_named}: the deeds came too late");
}

#[test]
fn a_pipe_in_the_place_of_a_file_of_the_scan_is_not_waited_for() {
    let place = Place::new();
    for seed in 0..3 {
        Checkpoint::new(seed).write(&place.path(&format!("runs/checkpoint-{seed}")));
    }
    place.done("runs -o whole");
    let pipe_at = |path: &Path| {
        let _ = fs::remove_file(path);
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    // Each command with a time after which a wait has failed.
    let timed = |command: &Command| {
        let mut timed = Command::new("timeout");
        timed
            .args(["-s", "KILL", "60"])
            .arg(command.get_program())
            .args(command.get_args())
            .current_dir(place.root());
        ended(&timed.stdin(Stdio::null()).output().unwrap())
    };
    let refusal = "a pipe, a socket or a device, not a file";
    for (name, mends) in [("pairs", true), ("work/adapters", false), ("work/log", false)] {
        place.done("runs -o out --fresh");
        let folder = place.path("out").join(name);
        let file = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
        pipe_at(&file);
        let again = timed(&place.scan("runs -o out"));
        match mends {
            true => {
                assert_eq!(again.code, Some(0), "{name}: {}", again.stderr);
                assert!(
                    again.stderr.contains("is done again: ") && again.stderr.contains(refusal),
                    "{}",
                    again.stderr
                );
                assert_same(&place.bytes("out"), &place.bytes("whole"), name);
            }
            false => {
                let other = timed(&place.lorascope("status out"));
                let said = if name == "work/log" { &other } else { &again };
                assert_eq!(said.code, Some(1), "{name}: {}", said.stderr);
                assert!(
                    said.stderr.contains(name) && said.stderr.contains(refusal),
                    "{name}: {}",
                    said.stderr
                );
            }
        }
        fs::remove_dir_all(place.path("out")).unwrap();
    }
    pipe_at(&place.path("labels.csv"));
    let said = timed(&place.lorascope("report whole --labels labels.csv"));
    assert!(
        said.code == Some(1) && said.stderr.contains(&format!("labels.csv: cannot read: {refusal}")),
        "{}",
        said.stderr
    );
    fs::create_dir_all(place.path("whole/work/running")).unwrap();
    pipe_at(&place.path("whole/work/running/x.process"));
    let done = timed(&place.scan("runs -o whole --fresh"));
    assert_eq!(done.code, Some(0), "{}", done.stderr);
}
