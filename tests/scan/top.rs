//! `--keep top:K`: what is kept of all pairs, and block files that a disk has damaged.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::common::checkpoints::Checkpoint;
use crate::common::scans::{Place, Row, assert_same, files, rows};

const K: usize = 2;

/// Nine checkpoints, and their scan in blocks of four by four.
fn some() -> Place {
    let place = Place::new();
    for seed in 0..9 {
        Checkpoint::new(seed).write(&place.path(&format!("runs/checkpoint-{seed}")));
    }
    place.done("runs -o planned --keep top:2");
    place.replan("planned", "out", 4);
    place.done("runs -o out --keep top:2");
    place
}

fn pair(row: &Row) -> (usize, usize) {
    (row.int("a"), row.int("b"))
}

#[test]
fn the_most_alike_of_either_adapter_are_kept_and_all_are_counted() {
    let place = some();
    place.done("runs -o all");
    assert_most_alike(&place, 36);
}

/// A block that is large enough for an engine to leave most of its pairs out.
fn assert_as_without_leaving_out(engine: &str) -> [String; 2] {
    let place = Place::new();
    for seed in 0..60 {
        // A few of one start, some of another base and some of another rank.
        let mut one = Checkpoint::new(seed).start(if seed % 9 == 0 { 100 } else { seed });
        one.base = Some(if seed % 5 == 0 { "base/two" } else { "base/one" });
        one.r = if seed % 4 == 0 { 7 } else { 4 };
        one.write(&place.path(&format!("runs/checkpoint-{seed}")));
    }
    let [top, all] = ["out --keep top:2", "all"]
        .map(|out| place.done(&format!("runs -o {out} --engine {engine} -v")).stderr);
    assert_most_alike(&place, 1770);
    let warnings = |stderr: &str| -> Vec<String> {
        stderr.lines().filter(|line| line.starts_with("warning: ")).map(str::to_owned).collect()
    };
    assert_eq!(warnings(&top), warnings(&all), "warnings count all pairs");
    assert_eq!(warnings(&top).len(), 2, "{top}");
    [top, all]
}

#[test]
fn the_cpu_leaves_out_what_is_not_kept_and_warns_of_all() {
    assert_as_without_leaving_out("cpu");
}

#[cfg(feature = "gpu")]
#[test]
fn the_gpu_leaves_out_what_is_not_kept_and_reads_less_back() {
    if crate::common::engines::gpu().is_none() {
        return;
    }
    let bytes = |stderr: &str| -> f64 {
        let line = stderr.lines().find(|line| line.contains("read-back")).unwrap();
        let size = line.rsplit(" s of ").next().unwrap();
        let (number, unit) = size.split_once(' ').unwrap();
        number.parse::<f64>().unwrap() * if unit == "MiB" { 1024.0 } else { 1.0 }
    };
    let [top, all] = assert_as_without_leaving_out("gpu --gpu 0").map(|stderr| bytes(&stderr));
    // With few pairs the histogram and the checks are a good part.
    assert!(top > 1.0 && 3.0 * top < all, "{top} of {all} KiB");
}

/// That `out` has the pairs of `all` that are among the K most alike of either adapter, and histograms of all.
fn assert_most_alike(place: &Place, n_pairs: usize) {
    let all = place.table("all");
    for module in ["layers.0.self_attn.q_proj", "layers.0.self_attn.v_proj"] {
        let of_module = |rows: &[Row]| -> Vec<Row> {
            rows.iter().filter(|row| row.text("module") == Some(module)).cloned().collect()
        };
        let all = of_module(&all);
        let mut best = BTreeMap::<usize, Vec<(f64, (usize, usize))>>::new();
        for row in &all {
            let (a, b) = pair(row);
            for adapter in [a, b] {
                best.entry(adapter).or_default().push((-row.number("phi_r").unwrap(), (a, b)));
            }
        }
        let expected: BTreeSet<(usize, usize)> = best
            .into_values()
            .flat_map(|mut pairs| {
                pairs.sort_by(|x, y| x.partial_cmp(y).unwrap());
                pairs.into_iter().take(K).map(|(_, pair)| pair)
            })
            .collect();
        let kept = of_module(&place.table("out"));
        assert_eq!(kept.iter().map(pair).collect::<BTreeSet<_>>(), expected);
        assert_eq!(kept.len(), expected.len(), "each once");
        for row in &kept {
            assert!(all.contains(row), "{row:?}");
        }
        let histogram = of_module(&rows(&place.path("out/histograms.parquet")));
        for row in &histogram {
            let within =
                |phi: f64| phi >= row.number("phi_from").unwrap() && phi < row.number("phi_to").unwrap();
            let n = all.iter().filter(|row| within(row.number("phi_r").unwrap())).count();
            assert_eq!(row.int("n_pairs"), n, "{row:?}");
        }
        assert_eq!(histogram.iter().map(|row| row.int("n_pairs")).sum::<usize>(), n_pairs);
    }
}

/// Does to every file of the table what a disk may do to one of them, and finishes the scan again each time.
#[test]
fn a_damaged_block_is_named_and_done_again() {
    let place = some();
    let whole = place.bytes("out");
    let path = files(&place.path("out/pairs")).remove(1);
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    let bytes = fs::read(&path).unwrap();
    let third = bytes.len() / 3;
    let mut noise = bytes.clone();
    noise[4..third].fill(0x5a);
    let mut footer = bytes.clone();
    let end = bytes.len() - 8;
    footer[end - 40..end].fill(0xff);
    for (what, damaged) in [
        ("empty", vec![]),
        ("the magic alone", b"PAR1".to_vec()),
        ("cut", bytes[..bytes.len() - 1].to_vec()),
        ("without its head", bytes[1..].to_vec()),
        ("half", bytes[..bytes.len() / 2].to_vec()),
        ("pages of noise", noise),
        ("a footer of noise", footer),
        ("another table", fs::read(place.path("out/adapters.parquet")).unwrap()),
        ("no table", b"{\"a\": 1}".repeat(100)),
    ] {
        fs::write(&path, damaged).unwrap();
        let done = place.done("runs -o out --keep top:2");
        let warning = format!(
            "warning: 1 block is not whole or not of this scan, and is done again: out/pairs/{name}: "
        );
        assert_eq!(
            done.stderr.lines().filter(|line| line.starts_with(&warning)).count(),
            1,
            "{what}: {}",
            done.stderr
        );
        assert_same(&place.bytes("out"), &whole, what);
    }
}
