//! Shares of a scan: in any order or at once, they make what one run makes.

use std::fs;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::common::checkpoints::Checkpoint;
use crate::common::scans::{Place, assert_same, ended, files};

/// Nine checkpoints, and in `whole` a scan of them in 28 blocks.
fn many() -> Place {
    let place = Place::new();
    for seed in 0..9 {
        Checkpoint::new(seed).write(&place.path(&format!("runs/checkpoint-{seed}")));
    }
    place.done("runs -o planned");
    place.replan("planned", "whole", 2);
    place.done("runs -o whole");
    place
}

#[test]
fn shares_in_any_order_make_the_bytes_of_one_run() {
    let place = many();
    for (number, order) in [[1, 2, 3], [3, 1, 2], [2, 3, 1]].iter().enumerate() {
        let out = format!("out{number}");
        place.replan("planned", &out, 2);
        let mut n_left = 28;
        for k in order {
            let done = place.done(&format!("runs -o {out} --shard {k}/3 --no-cache"));
            let n = if *k == 1 { 10 } else { 9 };
            let share = format!("share {k}/3 has {n} blocks of them, {n} to do");
            assert!(done.stderr.contains(&share), "{}", done.stderr);
            n_left -= n;
            let left = done.stderr.lines().find_map(|line| line.strip_prefix("left: "));
            let expected = format!("{n_left} of 28 blocks, to other shares: lorascope status {out}");
            assert_eq!(left, (n_left > 0).then_some(expected.as_str()));
        }
        assert_same(&place.bytes(&out), &place.bytes("whole"), &out);
    }
}

#[test]
fn another_count_of_shares_completes_what_some_have_begun() {
    let place = many();
    place.replan("planned", "out", 2);
    for share in ["2/3", "1/4", "4/4", "2/2", "1/2"] {
        place.done(&format!("runs -o out --shard {share}"));
    }
    assert_same(&place.bytes("out"), &place.bytes("whole"), "mixed shares");
}

#[test]
fn shares_that_run_at_once_on_one_folder_and_cache_make_the_bytes_of_one_run() {
    let place = many();
    for round in 0..6 {
        let out = format!("out{round}");
        place.replan("planned", &out, 2);
        if round % 2 == 1 {
            // Whoever comes first makes the plan.
            fs::remove_dir_all(place.path(&out)).unwrap();
        }
        // Each share twice: a scheduler may start a task anew that is still at work elsewhere.
        let cache = if round < 3 { format!("--cache cache-of-{round}") } else { "--no-cache".to_owned() };
        let children: Vec<_> = [1, 2, 3, 1, 2, 3]
            .iter()
            .map(|k| {
                let mut command = place.scan(&format!("runs -o {out} --shard {k}/3 {cache}"));
                command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
            })
            .collect();
        for child in children {
            let ended = ended(&child.wait_with_output().unwrap());
            assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        }
        let expected = if round % 2 == 1 { "planned" } else { "whole" };
        assert_same(&place.bytes(&out), &place.bytes(expected), &out);
    }
}

#[test]
fn bases_that_a_share_started_twice_still_adds_do_not_fail_the_one_that_finishes() {
    let place = many();
    place.done("runs -o out");
    let bases = place.path("out/work/bases");
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0.. {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                // Gone between the two, now and then.
                let _ = fs::create_dir_all(&bases).and_then(|()| fs::write(bases.join(n.to_string()), "x"));
            }
        });
        let ended: Vec<_> = (0..20).map(|_| place.run("runs -o out")).collect();
        is_over.store(true, Ordering::Relaxed);
        for ended in ended {
            assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        }
    });
}

/// Both wait for the folder's lock: one to finish the scan whose last block it did, the other to read the plan.
#[test]
fn a_share_that_finishes_while_another_starts_leaves_the_bytes_of_one_run() {
    let place = many();
    let spawn = |args: &str| place.scan(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    for (out, how) in [("out", "--no-cache"), ("cached", ""), ("again", "--no-cache")] {
        place.replan("planned", out, 2);
        place.done(&format!("runs -o {out} --shard 2/2 {how}"));
        let pairs = place.path(&format!("{out}/pairs"));
        assert_eq!(files(&pairs).len(), 14);
        let finishing = spawn(&format!("runs -o {out} --shard 1/2 {how}"));
        // It has taken the lock for the last time before it finishes.
        while files(&pairs).len() == 14 {
            thread::sleep(Duration::from_micros(200));
        }
        let lock = fs::File::options().append(true).open(place.path(&format!("{out}/work/lock"))).unwrap();
        lock.lock().unwrap();
        let starting = spawn(&format!("runs -o {out} --shard 2/2 {how}"));
        while files(&pairs).len() < 28 {
            thread::sleep(Duration::from_micros(200));
        }
        thread::sleep(Duration::from_millis(30));
        drop(lock);
        for child in [finishing, starting] {
            let ended = ended(&child.wait_with_output().unwrap());
            assert_eq!(ended.code, Some(0), "{}", ended.stderr);
            assert!(!ended.stderr.contains("warning: "), "{}", ended.stderr);
        }
        assert_same(&place.bytes(out), &place.bytes("whole"), out);
        assert!(!place.path(&format!("{out}/work/bases")).exists());
    }
}

#[test]
fn a_share_with_other_files_or_options_is_refused() {
    let place = many();
    place.replan("planned", "out", 2);
    place.done("runs -o out --shard 1/3");
    let plan = fs::read(place.path("out/plan.json")).unwrap();
    let refused = |args: &str, found: &str| {
        let ended = place.run(args);
        assert_eq!(ended.code, Some(1), "{args}: {}", ended.stderr);
        assert!(ended.stderr.contains(found), "{args}: {}", ended.stderr);
        assert!(ended.stderr.contains("hint: "), "{args}: {}", ended.stderr);
        assert_eq!(fs::read(place.path("out/plan.json")).unwrap(), plan);
    };
    refused(
        "runs -o out --shard 2/3 --side b",
        "options: found side \"b\", expected side \"a\" as in its first run",
    );
    refused("runs/checkpoint-1 runs/checkpoint-2 -o out --shard 2/3", "no such input any more");
    Checkpoint::new(40).write(&place.path("runs/checkpoint-40"));
    refused("runs -o out --shard 2/3", "1 checkpoint that the other shares do not have");
    fs::remove_dir_all(place.path("runs/checkpoint-40")).unwrap();
    place.done("runs -o out --shard 2/3");
    place.done("runs -o out --shard 3/3");
    assert_same(&place.bytes("out"), &place.bytes("whole"), "after refusals");
    // Once all is done, a grown folder is a new beginning for shares too.
    Checkpoint::new(40).write(&place.path("runs/checkpoint-40"));
    for k in 1..4 {
        place.done(&format!("runs -o out --shard {k}/3"));
    }
    assert_eq!(place.table("out").len(), 2 * 45);
}

/// A scan as a task of a Slurm array.
fn task(place: &Place, args: &str, [id, min, max, n]: [usize; 4]) -> crate::common::scans::Ended {
    let mut command = place.scan(&format!("{args} --shard auto"));
    for (name, value) in [("ID", id), ("MIN", min), ("MAX", max), ("STEP", 1), ("COUNT", n)] {
        command.env(format!("SLURM_ARRAY_TASK_{name}"), value.to_string());
    }
    ended(&command.output().unwrap())
}

#[test]
fn a_slurm_array_divides_the_blocks_among_its_tasks() {
    let place = many();
    place.replan("planned", "out", 2);
    for id in 0..4 {
        let done = task(&place, "runs -o out", [id, 0, 3, 4]);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        assert!(done.stderr.contains(&format!("share {}/4", id + 1)), "{}", done.stderr);
    }
    assert_same(&place.bytes("out"), &place.bytes("whole"), "an array");
}

#[test]
fn an_array_with_gaps_is_refused_with_the_share_to_type() {
    let place = many();
    place.replan("planned", "out", 2);
    let refused = task(&place, "runs -o out", [7, 3, 7, 2]);
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("found an array with gaps (2 tasks from 3 to 7)"), "{}", refused.stderr);
    assert!(refused.stderr.contains("--shard 7/N"), "{}", refused.stderr);
    assert_eq!(task(&place, "runs -o out", [0, 0, 3, 4]).code, Some(0));
    // The side log knows how the first array was counted: from 0, so that task 3 was the fourth.
    let refused = task(&place, "runs -o out", [3, 1, 3, 2]);
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("hint: this task was --shard 4/4 before: use that"),
        "{}",
        refused.stderr
    );
    for k in 1..5 {
        place.done(&format!("runs -o out --shard {k}/4"));
    }
    assert_same(&place.bytes("out"), &place.bytes("whole"), "typed shares");
}

#[test]
fn outside_an_array_auto_says_what_to_type() {
    let place = many();
    let refused = place.run("runs -o out --shard auto");
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("hint: give the share: --shard 1/4, 2/4, ..."), "{}", refused.stderr);
}

#[test]
fn an_indexed_job_needs_its_count() {
    let place = many();
    place.replan("planned", "out", 2);
    for index in 0..2 {
        let mut command = place.scan("runs -o out --shard auto --shard-count 2");
        let done = ended(&command.env("JOB_COMPLETION_INDEX", index.to_string()).output().unwrap());
        assert_eq!(done.code, Some(0), "{}", done.stderr);
    }
    assert_same(&place.bytes("out"), &place.bytes("whole"), "an indexed job");
}
