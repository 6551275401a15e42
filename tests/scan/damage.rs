//! Files of a finished scan that are lost, cut, zeroed or foreign: what is lost is made again, or said.

use std::fs;
use std::path::PathBuf;

use parquet::file::reader::{FileReader as _, SerializedFileReader};
use serde_json::Value;

use crate::common::checkpoints::Checkpoint;
use crate::common::scans::{Place, assert_same, ended, files};

/// Five checkpoints, one without B in a module, and in `whole` a scan of them in blocks of two by two.
fn whole(options: &str) -> Place {
    let place = Place::new();
    for seed in 0..4 {
        Checkpoint::new(seed).write(&place.path(&format!("runs/checkpoint-{seed}")));
    }
    Checkpoint { untrained: vec!["v_proj"], ..Checkpoint::new(8) }.write(&place.path("runs/untrained"));
    assert_eq!(place.run(&format!("runs -o planned --side b {options}")).code, Some(3));
    place.replan("planned", "whole", 2);
    assert_eq!(place.run(&format!("runs -o whole --side b {options}")).code, Some(3));
    place
}

/// Makes `out` a copy of `whole`.
fn copy(place: &Place) {
    let _ = fs::remove_dir_all(place.path("out"));
    fn all(from: &std::path::Path, to: &std::path::Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            match entry.file_type().unwrap().is_dir() {
                true => all(&entry.path(), &to.join(entry.file_name())),
                false => _ = fs::copy(entry.path(), to.join(entry.file_name())).unwrap(),
            }
        }
    }
    all(&place.path("whole"), &place.path("out"));
}

fn status(place: &Place) -> Value {
    serde_json::from_slice(&place.lorascope("status out --json").output().unwrap().stdout).unwrap()
}

#[test]
fn a_block_that_is_not_whole_or_not_its_own_is_not_done() {
    let place = whole("");
    place.replan("planned", "other", 2);
    let other = fs::read_to_string(place.path("other/plan.json")).unwrap();
    // The same files, by another path.
    fs::write(place.path("other/plan.json"), other.replace("runs/checkpoint-0", "./runs/checkpoint-0"))
        .unwrap();
    place.done("runs -o other-side");
    let n = files(&place.path("whole/pairs")).len();
    let name = |at: usize| files(&place.path("whole/pairs"))[at].file_name().unwrap().to_owned();
    type Damage<'a> = (&'a str, Box<dyn Fn(&[u8]) -> Vec<u8> + 'a>);
    let damages: [Damage<'_>; 9] = [
        ("empty", Box::new(|_| vec![])),
        ("cut in half", Box::new(|bytes| bytes[..bytes.len() / 2].to_vec())),
        ("cut by a byte", Box::new(|bytes| bytes[..bytes.len() - 1].to_vec())),
        ("zeroed", Box::new(|bytes| vec![0; bytes.len()])),
        (
            "zeroed in the middle",
            Box::new(|bytes| {
                let (mut zeroed, n) = (bytes.to_vec(), bytes.len());
                zeroed[n / 8..n / 3].fill(0);
                zeroed
            }),
        ),
        (
            "zeroed at its end",
            Box::new(|bytes| {
                let (mut zeroed, n) = (bytes.to_vec(), bytes.len());
                zeroed[n / 2..].fill(0);
                zeroed
            }),
        ),
        ("text", Box::new(|_| b"module,a,b\n".to_vec())),
        ("another block", Box::new(|_| fs::read(place.path("whole/pairs").join(name(3))).unwrap())),
        ("of another scan", Box::new(|_| fs::read(&files(&place.path("other-side/pairs"))[0]).unwrap())),
    ];
    for (what, damage) in damages {
        copy(&place);
        let block = place.path("out/pairs").join(name(1));
        fs::write(&block, damage(&fs::read(&block).unwrap())).unwrap();
        let counts = &status(&place)["counts"];
        assert_eq!(
            (counts["n_blocks"].as_u64(), counts["n_done"].as_u64()),
            (Some(n as u64), Some(n as u64 - 1)),
            "{what}"
        );
        let report = ended(&place.lorascope("report out").output().unwrap());
        assert_eq!(report.code, Some(1), "{what}: {}", report.stderr);
        assert!(
            report.stderr.contains(&format!("found 1 of {n} blocks missing")),
            "{what}: {}",
            report.stderr
        );
        let partial = ended(&place.lorascope("report out --partial --json").output().unwrap());
        assert_eq!(partial.code, Some(0), "{what}: {}", partial.stderr);
        let again = place.run("runs -o out --side b");
        assert_eq!(again.code, Some(3), "{what}: {}", again.stderr);
        let warning = "warning: 1 block is not whole or not of this scan, and is done again: out/pairs/";
        assert!(again.stderr.contains(warning), "{what}: {}", again.stderr);
        assert_same(&place.bytes("out"), &place.bytes("whole"), what);
    }
    // A share counts no damaged block either.
    copy(&place);
    fs::write(place.path("out/pairs").join(name(0)), "").unwrap();
    assert!(place.run("runs -o out --side b --shard 1/2").stderr.contains("1 to do"));
}

#[test]
fn blocks_of_a_checkpoint_that_has_changed_while_nothing_was_known_are_done_again() {
    let place = whole("");
    copy(&place);
    fs::remove_dir_all(place.path("out/work")).unwrap();
    fs::remove_file(place.path("out/adapters.parquet")).unwrap();
    Checkpoint::new(55).write(&place.path("runs/checkpoint-2"));
    let ended = place.run("runs -o out --side b");
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    place.replan("planned", "expected", 2);
    assert_eq!(place.run("runs -o expected --side b").code, Some(3));
    assert_same(&place.bytes("out"), &place.bytes("expected"), "changed");
    assert!(place.bytes("out") != place.bytes("whole"));
    // Where the table of adapters is there, it knows.
    copy(&place);
    fs::remove_dir_all(place.path("out/work")).unwrap();
    let refused = place.run("runs -o out --side b");
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("runs/checkpoint-2: found other bytes"), "{}", refused.stderr);
}

#[test]
fn records_that_are_lost_or_damaged_change_neither_the_tables_nor_the_exit_code() {
    for options in ["", "--no-cache", "--update"] {
        let place = whole(options);
        let args = format!("runs -o out --side b {options}");
        let lines = |place: &Place| -> PathBuf {
            let mut lines: Vec<_> = fs::read_dir(place.path("out/work/adapters"))
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .collect();
            lines.sort_by_key(|path| std::cmp::Reverse(fs::metadata(path).unwrap().len()));
            lines.remove(0)
        };
        type Damage<'a> = (&'a str, &'a dyn Fn(&Place));
        let damages: [Damage<'_>; 6] = [
            ("no work", &|place| fs::remove_dir_all(place.path("out/work")).unwrap()),
            ("no records", &|place| fs::remove_dir_all(place.path("out/work/adapters")).unwrap()),
            ("empty", &|place| fs::write(lines(place), "").unwrap()),
            ("half", &|place| {
                let bytes = fs::read(lines(place)).unwrap();
                fs::write(lines(place), &bytes[..bytes.len() / 2]).unwrap();
            }),
            ("digits flipped", &|place| {
                let text = fs::read_to_string(lines(place)).unwrap();
                let text: String = text.chars().map(|c| if c == '7' { '3' } else { c }).collect();
                fs::write(lines(place), text).unwrap();
            }),
            ("problems taken out", &|place| {
                let text = fs::read_to_string(lines(place)).unwrap();
                let lines_of = text.lines().map(|line| match line.split_once("\"missing\":[[") {
                    Some((head, tail)) => format!(
                        "{head}\"missing\":[{}\n",
                        tail.split_once("]]").unwrap().1.replacen("", "]", 1)
                    ),
                    None => format!("{line}\n"),
                });
                fs::write(lines(place), lines_of.collect::<String>()).unwrap();
            }),
        ];
        for (what, damage) in damages {
            for with_table in [true, false] {
                copy(&place);
                damage(&place);
                if !with_table {
                    fs::remove_file(place.path("out/adapters.parquet")).unwrap();
                }
                let again = place.run(&args);
                assert_eq!(again.code, Some(3), "{options} {what}: {}", again.stderr);
                assert_same(&place.bytes("out"), &place.bytes("whole"), &format!("{options} {what}"));
                assert!(again.stderr.contains("all done already"), "{options} {what}: {}", again.stderr);
            }
        }
    }
}

#[test]
fn records_of_a_checkpoint_that_is_gone_stay_what_the_table_has() {
    let place = whole("");
    copy(&place);
    fs::remove_dir_all(place.path("out/work")).unwrap();
    fs::remove_dir_all(place.path("runs/checkpoint-1")).unwrap();
    let ended = place.run("runs -o out --side b --forget");
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    let digests = |out: &str| -> Vec<Option<String>> {
        place.adapters(out).iter().map(|row| row.text("digest").map(str::to_owned)).collect()
    };
    assert_eq!(digests("out"), digests("whole"));
    assert!(digests("out").iter().all(Option::is_some));
}

#[test]
fn a_damaged_table_of_the_whole_is_made_again() {
    for (options, table) in [("", "adapters"), ("--update", "relations"), ("--keep top:2", "histograms")] {
        let place = whole(options);
        let file = format!("out/{table}.parquet");
        let expected = fs::read(place.path(&format!("whole/{table}.parquet"))).unwrap();
        let zeros = vec![0; expected.len()];
        for damaged in [None, Some(&b""[..]), Some(&expected[..expected.len() / 2]), Some(&zeros[..])] {
            copy(&place);
            match damaged {
                None => fs::remove_file(place.path(&file)).unwrap(),
                Some(bytes) => fs::write(place.path(&file), bytes).unwrap(),
            }
            let report = ended(&place.lorascope("report out").output().unwrap());
            assert_eq!(report.code, Some(1), "{table}: {}", report.stderr);
            let found =
                format!("found all blocks, but not the whole table of {table}, expected a finished scan");
            assert!(report.stderr.contains(&found), "{}", report.stderr);
            let again = place.run(&format!("runs -o out --side b {options}"));
            assert_eq!(again.code, Some(3), "{table}: {}", again.stderr);
            assert!(fs::read(place.path(&file)).unwrap() == expected, "{table}");
            let report = ended(&place.lorascope("report out").output().unwrap());
            assert_eq!(report.code, Some(0), "{table}: {}", report.stderr);
        }
    }
}

#[test]
fn blocks_whose_plan_is_lost_are_not_taken_for_those_of_a_new_one() {
    let place = whole("");
    copy(&place);
    let before = place.bytes("out");
    fs::remove_file(place.path("out/plan.json")).unwrap();
    for args in ["runs -o out --side b", "runs -o out", "runs -o out --fresh"] {
        let refused = place.run(args);
        assert_eq!(refused.code, Some(1), "{}", refused.stderr);
        assert!(refused.stderr.contains("blocks without the plan that they belong to"), "{}", refused.stderr);
        assert!(refused.stderr.contains("hint: put plan.json back"), "{}", refused.stderr);
        assert_same(&place.bytes("out"), &before, args);
    }
    fs::copy(place.path("whole/plan.json"), place.path("out/plan.json")).unwrap();
    assert_eq!(place.run("runs -o out --side b").code, Some(3));
    assert_same(&place.bytes("out"), &before, "put back");
}

#[test]
fn a_plan_with_a_wrong_number_is_an_error_and_takes_neither_time_nor_memory() {
    let place = whole("");
    let plan: Value = serde_json::from_slice(&fs::read(place.path("whole/plan.json")).unwrap()).unwrap();
    let numbers: [(&str, &str); 6] = [
        ("/max_rank", "rank"),
        ("/modules/0/d", "dimension"),
        ("/layouts/0/modules/0/1", "rank"),
        ("/block", "blocks"),
        ("/adapters/0/n_bytes", "bytes"),
        ("/generations/0", ""),
    ];
    for (pointer, _) in numbers {
        for value in [0u64, 1 << 17, 1 << 31, (1 << 32) + 4, 1 << 62, 1 << 63, u64::MAX] {
            copy(&place);
            let mut damaged = plan.clone();
            *damaged.pointer_mut(pointer).unwrap() = value.into();
            fs::write(place.path("out/plan.json"), damaged.to_string()).unwrap();
            for args in [
                "scan runs -o out --side b --engine cpu --cache cache",
                "status out",
                "report out",
                "scan runs -o out --side b --dry-run --engine cpu",
            ] {
                let started = std::time::Instant::now();
                let ended = ended(&place.lorascope(args).output().unwrap());
                assert!(started.elapsed().as_secs() < 20, "{pointer} {value} {args}");
                let is_small = matches!(pointer, "/modules/0/d" | "/adapters/0/n_bytes");
                if !is_small || value > 1 << 46 {
                    assert_eq!(
                        ended.code,
                        Some(1),
                        "{pointer} {value} {args}: {} {}",
                        ended.stdout,
                        ended.stderr
                    );
                }
                assert!(!ended.stderr.contains("panicked"), "{pointer} {value} {args}: {}", ended.stderr);
            }
        }
    }
}

/// Flips a bit in the first data page of a block, which neither the ends of the file nor the heads of its pages show.
fn flip(place: &Place, out: &str, at: usize) -> String {
    let block = files(&place.path(&format!("{out}/pairs"))).remove(at);
    let mut bytes = fs::read(&block).unwrap();
    let reader = SerializedFileReader::new(fs::File::open(&block).unwrap()).unwrap();
    let columns = reader.metadata().row_group(0).columns();
    let phi = columns.iter().find(|column| column.column_path().string() == "phi_r").unwrap();
    // The end of the page is in its numbers.
    let last = (phi.data_page_offset() + phi.compressed_size()) as usize - 1;
    bytes[last] ^= 4;
    fs::write(&block, bytes).unwrap();
    format!("{out}/pairs/{}", block.file_name().unwrap().to_string_lossy())
}

#[test]
fn a_flipped_bit_in_a_block_is_named_by_what_reads_it_and_the_block_is_made_again() {
    for options in ["", "--keep grid", "--keep top:2", "--update", "--no-cache"] {
        let place = whole(options);
        let n = files(&place.path("whole/pairs")).len();
        copy(&place);
        let block = flip(&place, "out", 1);
        for args in ["report out", "search runs/checkpoint-0 --in out --cache cache"] {
            let refused = ended(&place.lorascope(args).output().unwrap());
            assert_eq!(refused.code, Some(1), "{options} {args}: {}", refused.stdout);
            let found =
                format!("found 1 of {n} blocks missing ({block} is damaged), expected a finished scan");
            assert!(refused.stderr.contains(&found), "{options} {args}: {}", refused.stderr);
            assert!(refused.stderr.contains("hint: go on with `lorascope scan "), "{}", refused.stderr);
        }
        let partial = ended(&place.lorascope("report out --partial").output().unwrap());
        assert_eq!(partial.code, Some(0), "{options}: {}", partial.stderr);
        let said = format!("1 of {n} blocks missing");
        assert!(partial.stdout.contains(&said) || partial.stderr.contains(&said), "{}", partial.stdout);
        let again = place.run(&format!("runs -o out --side b {options}"));
        assert_eq!(again.code, Some(3), "{options}: {}", again.stderr);
        let warning = format!(
            "warning: 1 block is not whole or not of this scan, and is done again: {block}: found damage (bytes that are not those \
             that were written)"
        );
        assert!(again.stderr.contains(&warning), "{options}: {}", again.stderr);
        assert!(again.stderr.contains("rows to do"), "{options}: {}", again.stderr);
        assert_same(&place.bytes("out"), &place.bytes("whole"), options);
        let report = ended(&place.lorascope("report out").output().unwrap());
        assert_eq!(report.code, Some(0), "{options}: {}", report.stderr);
    }
}

#[test]
fn tables_that_were_copied_elsewhere_keep_their_digests_and_those_of_other_programs_have_none() {
    let place = whole("");
    copy(&place);
    // Only the tables.
    fs::remove_file(place.path("out/plan.json")).unwrap();
    fs::remove_dir_all(place.path("out/work")).unwrap();
    assert_eq!(ended(&place.lorascope("report out").output().unwrap()).code, Some(0));
    let file = files(&place.path("out/pairs")).remove(0);
    let mut bytes = fs::read(&file).unwrap();
    bytes[4..12].fill(0);
    fs::write(&file, &bytes).unwrap();
    let block = flip(&place, "out", 1);
    let refused = ended(&place.lorascope("report out").output().unwrap());
    assert_eq!(refused.code, Some(1), "{}", refused.stdout);
    let found =
        format!("error: {block}: found damage (bytes that are not those that were written), expected");
    assert!(refused.stderr.contains(&found), "{}", refused.stderr);
    // What another program wrote, and what a scan's table of adapters says.
    fs::remove_file(place.path(&block)).unwrap();
    assert_eq!(ended(&place.lorascope("report out").output().unwrap()).code, Some(0));
    let adapters = place.path("out/adapters.parquet");
    let mut bytes = fs::read(&adapters).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&adapters, bytes).unwrap();
    let refused = ended(&place.lorascope("report out").output().unwrap());
    assert!(refused.code == Some(1) && refused.stderr.contains("out/adapters.parquet: found damage"));
}

#[test]
fn a_share_makes_its_own_damaged_blocks_again_and_the_last_one_names_those_of_others() {
    let place = whole("--keep top:2");
    copy(&place);
    fs::remove_file(place.path("out/histograms.parquet")).unwrap();
    // The first of the second module, which the second share has.
    let block = flip(&place, "out", 5);
    let first = place.run("runs -o out --side b --keep top:2 --shard 1/2");
    assert_eq!(first.code, Some(1), "{}", first.stderr);
    assert!(first.stderr.contains(&format!("error: {block}: found damage")), "{}", first.stderr);
    let second = place.run("runs -o out --side b --keep top:2 --shard 2/2");
    assert_eq!(second.code, Some(3), "{}", second.stderr);
    assert_same(&place.bytes("out"), &place.bytes("whole"), "shares");
}

/// Turns a bit of a number in the dictionary of the column `b` of a block, and removes what would show that bits were turned.
fn misnumber(place: &Place, at: usize) -> String {
    let block = files(&place.path("out/pairs")).remove(at);
    let mut bytes = fs::read(&block).unwrap();
    let reader = SerializedFileReader::new(fs::File::open(&block).unwrap()).unwrap();
    let columns = reader.metadata().row_group(0).columns();
    let column = columns.iter().find(|column| column.column_path().string() == "b").unwrap();
    // The dictionary is before the data, and its last number, which is too short to compress, at its end.
    assert!(column.dictionary_page_offset().is_some());
    bytes[column.data_page_offset() as usize - 3] ^= 32;
    if bytes[4..].starts_with(b"lorasc-1") {
        bytes[4..12].fill(0);
    }
    fs::write(&block, bytes).unwrap();
    format!("out/pairs/{}", block.file_name().unwrap().to_string_lossy())
}

#[test]
fn a_block_that_names_adapters_that_there_are_not_is_made_again_by_the_same_command() {
    let place = whole("--update");
    copy(&place);
    let block = misnumber(&place, 1);
    let report = ended(&place.lorascope("report out").output().unwrap());
    assert_eq!(report.code, Some(1), "{}", report.stdout);
    assert!(
        report.stderr.contains(&format!("error: {block}: a pair: found adapter 819")),
        "{}",
        report.stderr
    );
    assert!(!report.stderr.contains("has grown"), "{}", report.stderr);
    assert!(report.stderr.contains("hint: remove the file and run the scan again"), "{}", report.stderr);
    let other = misnumber(&place, 3);
    let again = place.run("runs -o out --side b --update");
    assert_eq!(again.code, Some(3), "{}", again.stderr);
    for block in [&block, &other] {
        let warning = format!("is done again: {block}: a pair: found adapter 819");
        assert!(again.stderr.contains(&warning), "{}", again.stderr);
    }
    assert_same(&place.bytes("out"), &place.bytes("whole"), "made again");
    assert_eq!(ended(&place.lorascope("report out").output().unwrap()).code, Some(0));
    let quiet = place.run("runs -o out --side b --update");
    assert!(quiet.code == Some(3) && !quiet.stderr.contains("done again"), "{}", quiet.stderr);
}
