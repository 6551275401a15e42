//! A cache and a folder that several users, processes and file systems share.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::checkpoints::Checkpoint;
use crate::common::scans::{Ended, Place, assert_same, ended, files};

/// Ten checkpoints, and in `whole` a scan of them in some forty blocks that nothing disturbed.
fn many(place: Place) -> Place {
    for seed in 0..10 {
        Checkpoint::new(seed).write(&place.path(&format!("runs/checkpoint-{seed}")));
    }
    place.done("runs -o planned --cache of-whole");
    place.replan("planned", "whole", 2);
    place.done("runs -o whole --cache of-whole");
    place
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Runs a scan as a user whom the modes of files bind: another one where this is root, who may do anything.
fn as_bound_user(place: &Place, args: &str) -> Ended {
    as_bound_user_of(place, &place.scan(args))
}

/// The same of any command.
fn as_bound_user_of(place: &Place, scan: &Command) -> Ended {
    let is_root = fs::metadata(place.root()).unwrap().uid() == 0;
    if !is_root {
        let mut command = Command::new(scan.get_program());
        command.args(scan.get_args()).current_dir(place.root()).stdin(Stdio::null());
        return ended(&command.output().unwrap());
    }
    // The build's own folder may be closed to others.
    let program = place.path("lorascope");
    if !program.exists() {
        fs::copy(scan.get_program(), &program).unwrap();
        set_mode(&program, 0o755);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program).args(scan.get_args());
    command.current_dir(place.root()).stdin(Stdio::null());
    ended(&command.output().expect("setpriv, since this test runs as root"))
}

/// For another user to reach.
fn open_place() -> Place {
    let place = Place::for_all();
    fs::create_dir(place.path("outs")).unwrap();
    set_mode(&place.path("outs"), 0o777);
    many(place)
}

#[test]
fn a_cache_that_only_another_user_can_read_or_write_is_a_warning() {
    let place = open_place();
    place.done("runs -o first");
    let entries = |place: &Place| -> Vec<_> {
        let files = fs::read_dir(place.path("cache")).unwrap().map(|file| file.unwrap().path());
        files.filter(|path| path.file_name().unwrap() != "lock").collect()
    };
    let table = place.bytes("first");
    let scan = |out: &str| as_bound_user(&place, &format!("runs -o outs/{out} --cache cache"));
    let warning = "warning: cache: cannot write: Permission denied (os error 13): new bases are kept in the output \
                   folder until the scan is complete";

    // Nothing can be written, and some entries not read.
    entries(&place).iter().take(4).for_each(|entry| set_mode(entry, 0));
    set_mode(&place.path("cache/lock"), 0o444);
    set_mode(&place.path("cache"), 0o555);
    let ended = scan("closed");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().filter(|line| *line == warning).count(), 1, "{}", ended.stderr);
    assert_same(&place.bytes("outs/closed"), &table, "a closed cache");
    assert!(!place.path("outs/closed/work/bases").exists());
    assert_eq!(entries(&place).len(), 10);

    // The folder is for all, the lock and the entries are not.
    set_mode(&place.path("cache"), 0o777);
    let ended = scan("open");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(!ended.stderr.contains("warning: "), "{}", ended.stderr);
    assert_same(&place.bytes("outs/open"), &table, "an open cache");
    set_mode(&place.path("cache/lock"), 0);
    entries(&place).iter().for_each(|entry| set_mode(entry, 0));
    let ended = scan("unlocked");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(!ended.stderr.contains("warning: "), "{}", ended.stderr);
    assert_same(&place.bytes("outs/unlocked"), &table, "a cache without its lock");

    // Files in it cannot be replaced, since only their owner may: that shows late.
    let ended = if fs::metadata(place.root()).unwrap().uid() == 0 {
        set_mode(&place.path("cache"), 0o1777);
        entries(&place).iter().for_each(|entry| {
            std::os::unix::fs::chown(entry, Some(0), Some(0)).unwrap();
            set_mode(entry, 0);
        });
        scan("sticky")
    } else {
        // The nearest to it without root: folders in their place.
        entries(&place).iter().for_each(|entry| {
            fs::remove_file(entry).unwrap();
            fs::create_dir(entry).unwrap();
        });
        scan("sticky")
    };
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let said = ended.stderr.lines().filter(|line| line.contains(".safetensors: cannot write: ")).count();
    assert_eq!(said, 1, "{}", ended.stderr);
    assert_same(&place.bytes("outs/sticky"), &table, "a sticky cache");
}

#[test]
fn a_link_in_the_place_of_the_caches_lock_leads_nowhere() {
    let place = many(Place::new());
    fs::create_dir(place.path("cache")).unwrap();
    fs::write(place.path("notes"), "mine").unwrap();
    symlink("../notes", place.path("cache/lock")).unwrap();
    let ended = place.done("runs -o out");
    let warning = "warning: cache/lock: cannot lock: a link or a special file in the place of a lock: new bases are kept \
                   in the output folder until the scan is complete";
    assert!(ended.stderr.lines().any(|line| line == warning), "{}", ended.stderr);
    assert_eq!(fs::read_to_string(place.path("notes")).unwrap(), "mine");
    place.replan("planned", "blocks", 2);
    place.done("runs -o blocks");
    assert_same(&place.bytes("blocks"), &place.bytes("whole"), "without a cache");
}

#[test]
fn a_user_without_a_place_for_a_cache_scans_all_the_same() {
    let place = many(Place::new());
    place.replan("planned", "out", 2);
    let mut command = place.lorascope("scan runs -o out --engine cpu");
    let done = ended(
        &command.env("XDG_CACHE_HOME", place.path("runs/checkpoint-1/adapter_config.json")).output().unwrap(),
    );
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stderr.contains(": new bases are kept in the output folder"), "{}", done.stderr);
    assert_same(&place.bytes("out"), &place.bytes("whole"), "no cache folder");
}

#[test]
fn scans_that_share_a_cache_that_is_too_small_and_is_cleared_end_well() {
    const SIDES: [&str; 4] = ["a", "b", "dw-right", "dw-left"];
    let place = many(Place::new());
    for side in SIDES {
        place.done(&format!("runs -o plan-{side} --side {side} --cache cache-{side}"));
        place.replan(&format!("plan-{side}"), &format!("alone-{side}"), 1);
        place.done(&format!("runs -o alone-{side} --side {side} --cache cache-{side}"));
        place.replan(&format!("plan-{side}"), &format!("out-{side}"), 1);
    }
    let start = |side: &&str| {
        let mut scan =
            place.scan(&format!("runs -o out-{side} --side {side} --cache cache --cache-limit 1K"));
        scan.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let mut children: Vec<Child> = SIDES.iter().map(start).collect();
    let clear = || place.lorascope("cache clear --cache cache").output().unwrap().status.success();
    while children.iter_mut().any(|child| child.try_wait().unwrap().is_none()) {
        assert!(clear());
    }
    for (side, child) in SIDES.iter().zip(children) {
        let ended = ended(&child.wait_with_output().unwrap());
        assert_eq!(ended.code, Some(0), "side {side}: {}", ended.stderr);
        assert!(!ended.stderr.contains("are kept in the output folder"), "{}", ended.stderr);
        let names = [format!("out-{side}"), format!("alone-{side}")];
        assert_same(&place.bytes(&names[0]), &place.bytes(&names[1]), side);
    }
}

#[test]
fn whole_scans_at_once_in_one_folder_end_well_and_make_one_table() {
    let place = many(Place::new());
    let tight = format!("--no-cache {}", place.least_memory("runs -o out"));
    for (n, how) in ["--cache cache", &tight, "--no-cache"].into_iter().enumerate() {
        for round in 0..3 {
            let out = format!("out{n}{round}");
            place.replan("planned", &out, 2);
            let start = |_| {
                let mut scan = place.scan(&format!("runs -o {out} {how}"));
                scan.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
            };
            let children: Vec<Child> = (0..4).map(start).collect();
            for child in children {
                let ended = ended(&child.wait_with_output().unwrap());
                assert_eq!(ended.code, Some(0), "{how}: {}", ended.stderr);
            }
            assert_same(&place.bytes(&out), &place.bytes("whole"), how);
            assert!(!place.path(&out).join("work/bases").exists());
        }
    }
}

/// A scan as on a file system that has no `flock`.
fn without_flock(place: &Place, args: &str) -> Command {
    let mut scan = place.scan(args);
    scan.env("LORASCOPE_LOCK_FILES", "1").stdout(Stdio::piped()).stderr(Stdio::piped());
    scan
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return vec![] };
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn scans_lock_by_files_where_the_file_system_has_no_locks() {
    let place = many(Place::new());
    place.replan("planned", "out", 2);
    let start =
        |shard: usize| without_flock(&place, &format!("runs -o out --shard {shard}/3")).spawn().unwrap();
    let children: Vec<Child> = (1..=3).map(start).collect();
    for child in children {
        let ended = ended(&child.wait_with_output().unwrap());
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
    let ended = ended(&without_flock(&place, "runs -o out").output().unwrap());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_same(&place.bytes("out"), &place.bytes("whole"), "without flock");
    assert_eq!(names(&place.path("out/work")), ["adapters", "lock", "log"]);
    assert_eq!(names(&place.path("cache")).len(), 11, "ten entries and the lock");
}

#[test]
fn what_is_killed_without_flock_goes_on_without_a_wait() {
    let place = many(Place::new());
    let since = Instant::now();
    let mut n_killed = 0;
    for (round, moment) in crate::common::checkpoints::numbers(8, 15).into_iter().enumerate() {
        let out = format!("out{round}");
        place.replan("planned", &out, 2);
        let args = format!("runs -o {out} --cache cache{round}");
        let mut child = without_flock(&place, &args).spawn().unwrap();
        thread::sleep(Duration::from_micros(((moment + 1.0) * 20_000.0) as u64));
        child.kill().unwrap();
        n_killed += usize::from(child.wait().unwrap().code().is_none());
        let ended = ended(&without_flock(&place, &args).output().unwrap());
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert_same(&place.bytes(&out), &place.bytes("whole"), &out);
        let left =
            [names(&place.path(&out).join("work")), names(&place.path(&format!("cache{round}")))].concat();
        assert!(!left.iter().any(|name| name.contains("held")), "{left:?}");
    }
    assert!(n_killed > 3, "{n_killed}");
    // A claim of a process that cannot be seen to be dead is waited for, for half a minute.
    assert!(!cfg!(target_os = "linux") || since.elapsed() < Duration::from_secs(100));
}

#[test]
fn a_lock_that_a_process_of_another_machine_holds_is_waited_for() {
    let place = many(Place::new());
    place.replan("planned", "out", 2);
    fs::create_dir_all(place.path("out/work")).unwrap();
    let held = place.path("out/work/lock.held");
    let beat = |n: u64| fs::write(&held, format!("0123456789abcdef there.0.0/1 {n:020}\n")).unwrap();
    beat(0);
    let mut child = without_flock(&place, "runs -o out").spawn().unwrap();
    for n in 1..30 {
        thread::sleep(Duration::from_millis(50));
        assert!(child.try_wait().unwrap().is_none(), "it did not wait");
        beat(n);
    }
    assert!(files(&place.path("out/pairs")).is_empty());
    fs::remove_file(&held).unwrap();
    let ended = ended(&child.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_same(&place.bytes("out"), &place.bytes("whole"), "after a wait");
}

#[test]
fn parts_that_killed_scans_left_in_the_cache_are_gone_after_the_next_one() {
    let place = many(Place::new());
    place.done("runs -o out");
    for name in [".lorascope-Zz19ab.part", ".lorascope-0.part"] {
        fs::write(place.path("cache").join(name), vec![7; 5000]).unwrap();
    }
    let info = || {
        let output = place.lorascope("cache info --json --cache cache").output().unwrap();
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()["bytes"].as_u64().unwrap()
    };
    let n_bytes = info();
    place.replan("planned", "again", 2);
    place.done("runs -o again");
    assert_eq!(names(&place.path("cache")).iter().filter(|name| name.contains("part")).count(), 0);
    assert_eq!(info(), n_bytes - 10_000);
}

#[test]
fn a_scan_that_another_user_cannot_look_at_is_not_removed_by_him() {
    let place = open_place();
    // All may write to the folder, as in one that a group shares.
    place.done("runs -o outs/out");
    let out = place.path("outs/out");
    let running = out.join("work/running");
    fs::create_dir_all(&running).unwrap();
    fn open_all(folder: &Path) {
        set_mode(folder, 0o777);
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            match entry.file_type().unwrap().is_dir() {
                true => open_all(&entry.path()),
                false => set_mode(&entry.path(), 0o666),
            }
        }
    }
    open_all(&out);
    let process = running.join("x.process");
    fs::write(&process, "process 1 on a").unwrap();
    set_mode(&process, 0);
    let refused = as_bound_user(&place, "runs -o outs/out --side b --fresh");
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    let found =
        "error: outs/out: found a scan at work (another user's, outs/out/work/running/x.process), expected";
    assert!(refused.stderr.contains(found), "{}", refused.stderr);
    assert_same(&place.bytes("outs/out"), &place.bytes("planned"), "refused");
    fs::remove_file(&process).unwrap();
    let done = as_bound_user(&place, "runs -o outs/out --side b --fresh");
    assert_eq!(done.code, Some(0), "{}", done.stderr);
}

#[test]
fn clearing_a_cache_leaves_the_entries_of_other_users_and_counts_them() {
    let place = open_place();
    if fs::metadata(place.root()).unwrap().uid() != 0 {
        eprintln!("skipped: only root can make files of another user");
        return;
    }
    place.done("runs -o first");
    let entries = || {
        let all = fs::read_dir(place.path("cache")).unwrap().map(|file| file.unwrap().path());
        all.filter(|path| path.extension().is_some())
    };
    assert_eq!(entries().count(), 10);
    for entry in entries().take(4) {
        std::os::unix::fs::chown(entry, Some(65534), Some(65534)).unwrap();
    }
    set_mode(&place.path("cache"), 0o1777);
    let clear = || as_bound_user_of(&place, &place.lorascope("cache clear --cache cache"));
    let cleared = clear();
    assert_eq!(cleared.code, Some(0), "{}", cleared.stderr);
    assert!(cleared.stdout.starts_with("cache: 4 entries, "), "{}", cleared.stdout);
    assert!(cleared.stdout.ends_with(" removed; 6 entries of other users left\n"), "{}", cleared.stdout);
    assert_eq!(entries().count(), 6);
    // Nothing of it is his.
    let refused = clear();
    assert_eq!(refused.code, Some(1), "{}", refused.stdout);
    assert!(refused.stderr.contains("cannot remove: Operation not permitted"), "{}", refused.stderr);
}
