//! `--memory` holds, whatever is kept, or is refused with the figure that is needed; a dry run says the truth about it.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use safetensors::tensor::{Dtype, TensorView};

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
        let least = error.strip_prefix("error: memory: found 1024 KiB, expected at least ");
        let least = least
            .and_then(|rest| rest.strip_suffix(" KiB, for a block of pairs and a factorisation at once"));
        let least = least.unwrap_or_else(|| panic!("{error}"));
        let hint = format!("hint: give it --memory {least}K, or ");
        assert!(ended.stderr.contains(&hint), "{}", ended.stderr);
    }
    assert!(!place.path("out/plan.json").exists());
    let least = place.least_memory("runs -o out");
    place.done(&format!("runs -o out {least}"));
    // What is there stays.
    let before = place.bytes("out");
    assert_eq!(place.run("runs -o out --fresh --memory 1M").code, Some(1));
    assert_same(&place.bytes("out"), &before, "--fresh without the memory for it");
}

#[test]
fn a_scan_that_needs_more_than_is_free_is_refused_before_anything_is_made() {
    let Some(free) = available_bytes() else {
        eprintln!("skipped: this system does not say what is free");
        return;
    };
    let place = Place::new();
    // A factorisation takes over 20 bytes for each of two; nothing of the files is on the disk.
    let d = free / 10 / 2 / SPARSE_RANK;
    for seed in 0..3 {
        sparse_checkpoint(&place.path(&format!("runs/{seed}.safetensors")), d);
    }
    for how in ["", "--dry-run"] {
        let ended = place.run(&format!("runs -o out --limit factor-bytes=1T {how}"));
        assert_eq!(ended.code, Some(1), "{} {}", ended.stdout, ended.stderr);
        let error = ended.stderr.lines().find(|line| line.starts_with("error: ")).unwrap();
        let (found, least) =
            error.split_once(" KiB free, expected at least ").unwrap_or_else(|| panic!("{error}"));
        let number = |text: &str| text.parse::<u64>().unwrap();
        let (found, least) = (
            number(found.strip_prefix("error: memory: found ").unwrap()),
            number(least.strip_suffix(" KiB, for a block of pairs and a factorisation at once").unwrap()),
        );
        assert!(found < least && found << 10 <= 2 * free, "{error}");
        let hint = ended.stderr.lines().find_map(|line| line.strip_prefix("hint: ")).unwrap();
        assert!(
            hint.contains("another --keep")
                && hint.ends_with(&format!("--memory {least}K goes on all the same"))
        );
    }
    assert!(!place.path("out").exists());
}

/// What the system would give to a process now.
fn available_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
}

const SPARSE_RANK: u64 = 256;

/// A checkpoint of one module in F16, whose numbers are a hole in its file.
fn sparse_checkpoint(path: &Path, d: u64) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let (r, a) = (SPARSE_RANK, 2 * SPARSE_RANK * d);
    let header = format!(
        r#"{{"layers.0.q_proj.lora_A.weight": {{"dtype": "F16", "shape": [{r}, {d}], "data_offsets": [0, {a}]}},
            "layers.0.q_proj.lora_B.weight": {{"dtype": "F16", "shape": [1, {r}], "data_offsets": [{a}, {}]}}}}"#,
        a + 2 * r,
    );
    let mut file = fs::File::create(path).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(header.as_bytes()).unwrap();
    file.set_len(8 + header.len() as u64 + a + 2 * r).unwrap();
}

/// A number by its row and column.
type Number<'a> = Box<dyn Fn(usize, usize) -> f64 + 'a>;

/// Tensors of a file in F16 or F32, from a function of row and column.
struct Tensors<'a> {
    dtype: Dtype,
    list: Vec<(&'a str, [usize; 2], Number<'a>)>,
}

impl Tensors<'_> {
    fn write(&self, path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let bytes = |[rows, cols]: [usize; 2], of: &dyn Fn(usize, usize) -> f64| -> Vec<u8> {
            let places = (0..rows).flat_map(|i| (0..cols).map(move |j| (i, j)));
            let numbers = places.map(|(i, j)| of(i, j));
            match self.dtype {
                Dtype::F16 => numbers.flat_map(|x| half::f16::from_f64(x).to_le_bytes()).collect(),
                _ => numbers.flat_map(|x| (x as f32).to_le_bytes()).collect(),
            }
        };
        let stored: Vec<Vec<u8>> = self.list.iter().map(|(_, shape, of)| bytes(*shape, of)).collect();
        let views = self.list.iter().zip(&stored).map(|((name, shape, _), bytes)| {
            ((*name).to_owned(), TensorView::new(self.dtype, shape.to_vec(), bytes).unwrap())
        });
        safetensors::serialize_to_file(views, None, path).unwrap();
    }
}

/// Numbers without a pattern, the same in every run.
fn noise(seed: u64, i: usize, j: usize) -> f64 {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ ((i as u64) << 32) ^ j as u64;
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (x ^ (x >> 31)) as f64 / u64::MAX as f64 - 0.5
}

/// Rows with equal singular values, which no Gram matrix tells apart.
fn even(r: usize, seed: u64, i: usize, j: usize) -> f64 {
    if j % r == i % r { if noise(seed, i, j) > 0.0 { 1.0 } else { -1.0 } } else { 0.0 }
}

#[test]
fn wide_factors_and_those_that_are_made_take_about_what_is_said_and_no_more() {
    if !fs::exists("/proc/self/status").unwrap_or(false) {
        eprintln!("skipped: this system does not say what a process holds");
        return;
    }
    const A: &str = "base_model.model.layers.0.q_proj.lora_A.weight";
    const B: &str = "base_model.model.layers.0.q_proj.lora_B.weight";
    const KEY: &str = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q";
    let (r, wide) = (16usize, 150_000usize);
    let gaussian = |seed: u64, scale: f64| {
        move |d_in: usize, d_out: usize| Tensors {
            dtype: if scale == 1.0 { Dtype::F16 } else { Dtype::F32 },
            list: vec![
                (A, [r, d_in], Box::new(move |i, j| scale * noise(seed, i, j))),
                (B, [d_out, r], Box::new(move |i, j| scale * noise(seed + 50, i, j))),
            ],
        }
    };
    let even = |seed: u64, d_in: usize, d_out: usize| Tensors {
        dtype: Dtype::F16,
        list: vec![
            (A, [r, d_in], Box::new(move |i, j| even(r, seed, i, j))),
            (B, [d_out, r], Box::new(move |i, j| even(r, seed + 50, j, i))),
        ],
    };
    let diff = format!("{KEY}.diff");
    let loha = ["hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"].map(|end| format!("{KEY}.{end}"));
    let of = |names: &'static str, seed: u64| -> Tensors<'_> {
        let plain = move |i: usize, j: usize| 0.1 * noise(seed, i, j);
        match names {
            "gaussian" => gaussian(seed, 1.0)(wide, 16),
            "extreme" => gaussian(seed, 1e-36)(wide, 16),
            "even" => even(seed, wide, 16),
            "even-b" => even(seed, 16, wide),
            "even-both" => even(seed, wide / 2, wide / 2),
            "diff" => Tensors { dtype: Dtype::F16, list: vec![(&diff, [640, 700], Box::new(plain))] },
            _ => {
                let shapes = [[600, 64], [64, 600], [600, 64], [64, 600]];
                let list = loha
                    .iter()
                    .zip(shapes)
                    .map(|(name, shape)| (name.as_str(), shape, Box::new(plain) as Number<'_>));
                Tensors { dtype: Dtype::F16, list: list.collect() }
            }
        }
    };
    let place = Place::new();
    for names in ["gaussian", "extreme", "even", "even-b", "even-both", "diff", "loha"] {
        for seed in 0..3 {
            of(names, seed).write(&place.path(&format!("{names}/{seed}.safetensors")));
        }
    }
    for (names, options) in [
        ("gaussian", "--side a"),
        ("extreme", "--side a"),
        ("extreme", "--side dw-right --update"),
        ("even", "--side a"),
        ("even-b", "--side b"),
        ("even-both", "--side dw-left"),
        ("even-both", "--side a --update"),
        ("even-both", "--side dw-right --update --precision f16"),
        ("diff", "--side dw-right"),
        ("loha", "--side dw-left --update"),
    ] {
        let out = format!("{names}{}", options.replace(' ', ""));
        let args = format!("{names} -o {out} --threads 2 --engine cpu --no-cache {options}");
        let args = format!("{args} {}", place.least_memory(&args));
        let (said, peak) = (said_bytes(&place, &args), peak_bytes(&place, &args));
        eprintln!("{args}: {peak} bytes, {said} said");
        // Two digits after the point are said.
        assert!(peak <= said + (16 << 10), "{args}: {peak} bytes, {said} said");
        // What is said is for the worst spectrum, and for a factorisation while a block is computed.
        assert!(said <= 5 * peak / 2, "{args}: {peak} bytes, {said} said");
    }
}
