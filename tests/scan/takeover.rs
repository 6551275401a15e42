//! Two scans of one output folder at once, and a folder that is removed or taken while a scan runs.
#![cfg(unix)]

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::checkpoints::Checkpoint;
use crate::common::scans::{Ended, Place, assert_same, ended, files};

/// Ten checkpoints, with plans of both sides in blocks of one pair.
fn many() -> Place {
    let place = Place::new();
    for seed in 0..10 {
        Checkpoint::new(seed).write(&place.path(&format!("runs/checkpoint-{seed}")));
    }
    for side in ["a", "b"] {
        place.done(&format!("runs -o planned-{side} --side {side}"));
        place.replan(&format!("planned-{side}"), side, 1);
        place.done(&format!("runs -o {side} --side {side}"));
    }
    place
}

/// A scan that stands still, with some of its blocks done.
struct Halted(Child);

impl Halted {
    fn begin(place: &Place, args: &str, out: &str) -> Self {
        let tight = place.least_memory(args);
        let mut command = place.scan(&format!("{args} --threads 1 {tight}"));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let since = Instant::now();
        while files(&place.path(out).join("pairs")).len() < 3 {
            assert!(since.elapsed() < Duration::from_secs(60), "no block is done");
            thread::sleep(Duration::from_micros(200));
        }
        let halted = Self(child);
        halted.signal("-STOP");
        while !halted.stands_still() {
            assert!(since.elapsed() < Duration::from_secs(60), "it does not stand still");
            thread::sleep(Duration::from_micros(200));
        }
        halted
    }

    /// Whether every thread has seen the signal: until then the others go on. True where the system does not say.
    fn stands_still(&self) -> bool {
        let Ok(threads) = fs::read_dir(format!("/proc/{}/task", self.0.id())) else { return true };
        threads.flatten().all(|thread| {
            let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            // The name before it may have any characters.
            stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['T', 'Z']))
        })
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.0.id().to_string()]).status().unwrap().success());
    }

    /// Lets it go on to its end.
    fn go_on(self) -> Ended {
        self.signal("-CONT");
        ended(&self.0.wait_with_output().unwrap())
    }
}

#[test]
fn a_scan_whose_folder_was_taken_puts_nothing_into_the_table_of_another() {
    let place = many();
    for (round, how) in
        ["replaced", "removed", "removed and renamed", "a plan of the same id"].iter().enumerate()
    {
        let out = format!("out-{round}");
        place.replan("planned-a", &out, 1);
        let first = Halted::begin(&place, &format!("runs -o {out}"), &out);
        match *how {
            "removed and renamed" => {
                fs::rename(place.path(&out), place.path("away")).unwrap();
                fs::remove_dir_all(place.path("away")).unwrap();
            }
            _ => fs::remove_dir_all(place.path(&out)).unwrap(),
        }
        let is_taken = *how != "removed";
        if is_taken {
            place.replan("planned-b", &out, 1);
            if *how == "a plan of the same id" {
                let id = |plan: &str| {
                    let plan = fs::read(place.path(plan).join("plan.json")).unwrap();
                    let plan: serde_json::Value = serde_json::from_slice(&plan).unwrap();
                    plan["id"].as_str().unwrap().to_owned()
                };
                let text = fs::read_to_string(place.path(&out).join("plan.json")).unwrap();
                fs::write(
                    place.path(&out).join("plan.json"),
                    text.replace(&id("planned-b"), &id("planned-a")),
                )
                .unwrap();
            }
            place.done(&format!("runs -o {out} --side b"));
            assert_same(&place.bytes(&out), &place.bytes("b"), how);
        }
        let ended = first.go_on();
        assert_eq!(ended.code, Some(1), "{how}: {}", ended.stderr);
        let error = ended.stderr.lines().find(|line| line.starts_with("error: ")).unwrap();
        let found = if is_taken { "the plan of another scan" } else { "no plan any more" };
        assert_eq!(
            error,
            format!("error: {out}/plan.json: found {found}, expected the one that this scan began with"),
            "{how}"
        );
        if is_taken {
            assert_same(&place.bytes(&out), &place.bytes("b"), how);
            let again = place.done(&format!("runs -o {out} --side b"));
            assert!(again.stderr.contains("all done already"), "{how}: {}", again.stderr);
            assert_same(&place.bytes(&out), &place.bytes("b"), how);
        } else {
            assert!(!place.path(&out).exists(), "a folder was made again");
        }
    }
}

#[test]
fn a_scan_that_is_at_work_is_not_removed_by_another() {
    let place = many();
    place.replan("planned-a", "out", 1);
    let first = Halted::begin(&place, "runs -o out", "out");
    let there = fs::read_dir(place.path("out/pairs")).unwrap().count();
    let pid = first.0.id();
    for args in ["runs -o out --side b --fresh", "runs -o out --fresh"] {
        let refused = place.run(args);
        assert_eq!(refused.code, Some(1), "{}", refused.stderr);
        let found = format!("error: out: found a scan at work (process {pid} on ");
        assert!(refused.stderr.contains(&found), "{}", refused.stderr);
        assert!(refused.stderr.contains("hint: wait until it has ended or end it"), "{}", refused.stderr);
        assert_eq!(fs::read_dir(place.path("out/pairs")).unwrap().count(), there);
    }
    // Without --fresh, other options are refused as ever.
    let refused = place.run("runs -o out --side b");
    assert!(refused.stderr.contains("options: found side"), "{}", refused.stderr);
    let done = first.go_on();
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_same(&place.bytes("out"), &place.bytes("a"), "after refusals");
    // One that was killed is not at work.
    place.replan("planned-a", "killed", 1);
    let first = Halted::begin(&place, "runs -o killed", "killed");
    first.signal("-KILL");
    ended(&first.0.wait_with_output().unwrap());
    place.done("runs -o killed --side b --fresh");
    assert_same(&place.bytes("killed"), &place.bytes("planned-b"), "after a kill");
}

#[test]
fn a_scan_goes_on_beside_one_that_adds_checkpoints() {
    let place = many();
    place.replan("planned-a", "expected", 1);
    place.done("runs -o expected");
    place.replan("planned-a", "out", 1);
    let first = Halted::begin(&place, "runs -o out", "out");
    Checkpoint::new(77).write(&place.path("more/checkpoint-77"));
    place.done("runs more -o expected");
    place.done("runs more -o out");
    let done = first.go_on();
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_same(&place.bytes("out"), &place.bytes("expected"), "grown meanwhile");
}

#[test]
fn a_scan_leaves_out_what_another_one_forgot_meanwhile() {
    let place = many();
    place.replan("planned-a", "out", 1);
    let first = Halted::begin(&place, "runs -o out", "out");
    fs::remove_dir_all(place.path("runs/checkpoint-9")).unwrap();
    let forgot = place.run("runs -o out --forget --shard 1/2");
    assert_eq!(forgot.code, Some(0), "{}", forgot.stderr);
    let done = first.go_on();
    assert!(matches!(done.code, Some(0 | 3)), "{}", done.stderr);
    let again = place.run("runs -o out --forget");
    assert_eq!(again.code, Some(3), "{}", again.stderr);
    // 36 pairs of two modules are whole; of the other nine, those of blocks that were done before.
    let rows = place.table("out");
    let of_nine = rows.iter().filter(|row| row.int("a") == 9 || row.int("b") == 9).count();
    assert_eq!(rows.len() - of_nine, 72);
    let status = place.lorascope("status out --json").output().unwrap();
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["counts"]["n_rows"].as_u64(), Some(rows.len() as u64));
}
