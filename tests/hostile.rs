//! Real files of every container, broken at random: 124,000 cases, the same in every run. None may panic, run without
//! end, or take more memory than [`MAX_BYTES`]. So are the tables of a scan: 10,000 cases more.
#![allow(unsafe_code, reason = "an allocator that counts is the only way to see what is allocated")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::path::Path;

use common::files::data;
use common::torch::{archive, dict, factor_a, int, legacy, tensor, text, tuple, zipped};
use common::update::library;
use lorascope::Adapter;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use zip::CompressionMethod;

/// The most that opening a file of these tests, and then reading every factor, may hold at once. The files are under 8
/// KiB, and deflate makes at most 1032 bytes of one.
const MAX_BYTES: usize = 16 << 20;

const SAFETENSORS: u32 = 12_000;
const TORCH_ZIP: u32 = 9_000;
const DEFLATED: u32 = 8_000;
const LEGACY: u32 = 9_000;
const NPZ: u32 = 8_000;
const PICKLES: u32 = 16_000;
const HEADERS: u32 = 4_000;
const OBJECTS: u32 = 8_000;
#[cfg(feature = "cli")]
const TABLES: u32 = 10_000;

// Two files of each container but the first, and three with objects.
const _: () = assert!(
    SAFETENSORS + 2 * (TORCH_ZIP + DEFLATED + LEGACY + NPZ) + PICKLES + HEADERS + 3 * OBJECTS == 124_000
);

/// Counts what each thread holds, and the most that it held.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(n_bytes: isize) {
    // A thread that ends may free what it held after its counters are gone.
    let _ = HELD.try_with(|held| {
        held.set(held.get() + n_bytes);
        PEAK.with(|peak| peak.set(peak.get().max(held.get())));
    });
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps GlobalAlloc's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller keeps GlobalAlloc's contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most that was held at once beyond what was held before.
fn peak_bytes(work: impl FnOnce()) -> usize {
    let before = HELD.get();
    PEAK.set(before);
    work();
    (PEAK.get() - before) as usize
}

/// Opens the bytes and reads every factor: an error is one line that names the file, and memory stays bounded.
fn check(bytes: Vec<u8>) -> Result<(), TestCaseError> {
    let mut message = None;
    let peak = peak_bytes(|| {
        let read = Adapter::from_bytes("x", bytes).and_then(|adapter| {
            let mut factors = adapter.modules().iter().flat_map(|module| [&module.a, &module.b]);
            factors.try_for_each(|factor| factor.read().map(drop))
        });
        message = read.err().map(|error| error.to_string());
    });
    prop_assert!(peak <= MAX_BYTES, "{} bytes: {:?}", peak, message);
    if let Some(message) = message {
        prop_assert!(message.starts_with("x: ") && !message.contains(char::is_control), "{}", message);
    }
    Ok(())
}

/// One way to break a file; places count from its start, and over its length from there again.
#[derive(Debug, Clone)]
enum Break {
    Flip(usize, u8),
    Set(usize, u8),
    /// A length, an offset or a count: 1, 2, 4 or 8 bytes.
    Number(usize, u32, u64),
    Truncate(usize),
    Remove(usize, usize),
    Insert(usize, Vec<u8>),
    /// The bytes of one place over another's.
    Copy(usize, usize, usize),
}

fn breaks() -> impl Strategy<Value = Vec<Break>> {
    let at = || 0..1usize << 16;
    let numbers = prop_oneof![
        prop::sample::select(vec![
            0,
            1,
            0x7f,
            0x80,
            0xff,
            0x7fff,
            0xffff,
            1 << 30,
            (1 << 31) - 1,
            u64::from(u32::MAX)
        ]),
        prop::sample::select(vec![1 << 32, 1 << 40, (1 << 63) - 1, 1 << 63, u64::MAX]),
        0..5000u64,
    ];
    let one = prop_oneof![
        4 => (at(), 0..8u8).prop_map(|(at, bit)| Break::Flip(at, bit)),
        3 => (at(), any::<u8>()).prop_map(|(at, byte)| Break::Set(at, byte)),
        3 => (at(), 0..4u32, numbers).prop_map(|(at, width, n)| Break::Number(at, width, n)),
        1 => at().prop_map(Break::Truncate),
        1 => (at(), 1..64usize).prop_map(|(at, n)| Break::Remove(at, n)),
        1 => (at(), prop::collection::vec(any::<u8>(), 1..40)).prop_map(|(at, bytes)| Break::Insert(at, bytes)),
        1 => (at(), at(), 1..64usize).prop_map(|(from, to, n)| Break::Copy(from, to, n)),
    ];
    prop::collection::vec(one, 1..4)
}

fn broken(mut bytes: Vec<u8>, breaks: &[Break]) -> Vec<u8> {
    for one in breaks {
        let len = bytes.len();
        if len == 0 {
            break;
        }
        match *one {
            Break::Flip(at, bit) => bytes[at % len] ^= 1 << bit,
            Break::Set(at, byte) => bytes[at % len] = byte,
            Break::Number(at, width, n) => {
                let at = at % len;
                let end = (at + (1 << width)).min(len);
                bytes[at..end].copy_from_slice(&n.to_le_bytes()[..end - at]);
            }
            Break::Truncate(at) => bytes.truncate(at % len),
            Break::Remove(at, n) => drop(bytes.drain(at % len..(at % len + n).min(len))),
            Break::Insert(at, ref new) => drop(bytes.splice(at % len..at % len, new.iter().copied())),
            Break::Copy(from, to, n) => {
                let n = n.min(len - from % len).min(len - to % len);
                bytes.copy_within(from % len..from % len + n, to % len);
            }
        }
    }
    bytes
}

/// Runs so many cases of a strategy, always the same.
fn run<S: Strategy>(n_cases: u32, strategy: S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = Config { cases: n_cases, failure_persistence: None, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    if let Err(error) = TestRunner::new_with_rng(config, rng).run(&strategy, test) {
        panic!("{error}");
    }
}

/// Breaks a real file so many times.
fn mutate(name: &str, n_cases: u32) {
    mutate_file(&data(name), n_cases);
}

fn mutate_file(path: &Path, n_cases: u32) {
    let bytes = std::fs::read(path).unwrap();
    assert!(bytes.len() < 8 << 10);
    check(bytes.clone()).unwrap();
    run(n_cases, breaks(), |breaks| check(broken(bytes.clone(), &breaks)));
}

/// Files of schemes that make several modules of one tensor, or read a part of one before it is asked for.
const SCHEMES: [&str; 6] = [
    "mlx-experts/adapters.safetensors",
    "litgpt/grouped.pth.lora",
    "peft02/bloom/adapter_model.bin",
    "by-hand/kasa/adapter_model.safetensors",
    "by-hand/sat.pt",
    "by-hand/split_qkv.safetensors",
];

#[test]
fn broken_files_of_schemes_that_cut_tensors_stay_within_bounds() {
    SCHEMES.iter().for_each(|name| mutate_file(&library(name), 3_000));
}

#[test]
fn experts_of_a_tensor_without_bytes_for_each_are_refused() {
    let a = tensor("0", 6, 0, &[100_000, 1, 3], &[0, 1, 1]);
    let b = tensor("1", 8, 0, &[100_000, 3, 1], &[0, 1, 1]);
    let factors = dict(&[("m.lora_a", a), ("m.lora_b", b)]);
    let error = Adapter::from_bytes("x", zipped(&factors)).unwrap_err().to_string();
    let found = "x: tensor `m.lora_a`: found shape [100000, 1, 3] with strides [0, 1, 1] over 12 bytes";
    assert_eq!(error, format!("{found}, expected each number in bytes of its own"));
}

/// The most that reading a broken table may hold at once: a page is unpacked to at most 16 MiB, in which a column may
/// have a dictionary.
#[cfg(feature = "cli")]
const MAX_TABLE_BYTES: usize = 64 << 20;

#[test]
#[cfg(feature = "cli")]
fn broken_tables_stay_within_bounds() {
    use lorascope::Error;
    use lorascope::internals::table::{PairRows, PairTable, StoredPairs};
    use lorascope::measure::{self, Kind, Values, Wanted};

    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = folder.path().join("x.parquet");
    let n = 40;
    let ints = |step: i32| (0..n).map(|row| row / step).collect::<Vec<i32>>();
    let floats = |scale: f32| ints(1).into_iter().map(|row| row as f32 * scale).collect::<Vec<f32>>();
    let wanted = Wanted { cells: vec![(1, 1), (8, 8)], max_rank: 1, angles: true, grid: false, update: true };
    let values = |name: &str, kind: Kind| match (name, kind) {
        ("r_a" | "q_a", _) => Values::Ints(ints(20)),
        (_, Kind::Int) => Values::Ints(vec![8; n as usize]),
        ("phi_8", _) => Values::Floats(vec![f32::NAN; n as usize]),
        (_, Kind::Bool | Kind::OptionalBool) => {
            Values::Flags(ints(1).into_iter().map(|row| (row % 2 == 0).then_some(row % 4 == 0)).collect())
        }
        (name, Kind::OptionalDouble) => {
            Values::Numbers(floats(0.001 * name.len() as f32).into_iter().map(f64::from).collect())
        }
        (name, _) => Values::Floats(floats(0.001 * name.len() as f32)),
    };
    let columns = measure::columns(&wanted).into_iter();
    let rows = PairRows {
        note: None,
        module: "layers.3.self_attn.q_proj".to_owned(),
        a: ints(8),
        b: ints(1),
        statistics: columns.map(|(name, kind)| (name.clone(), kind, values(&name, kind))).collect(),
        histogram: Some(vec![7; 100]),
        fallback: Some("cpu".to_owned()),
    };
    let table = PairTable { wanted };
    table.write(&path, rows).unwrap();
    let whole = std::fs::read(&path).unwrap();
    assert_eq!(StoredPairs::read(&path, &table).unwrap().n_rows(), n as usize);
    run(TABLES, breaks(), |breaks| {
        std::fs::write(&path, broken(whole.clone(), &breaks)).unwrap();
        let mut error = None;
        let peak = peak_bytes(|| {
            let read = StoredPairs::read(&path, &table).and_then(|stored| {
                black_box(stored.pairs().count());
                stored.histogram()
            });
            error = read.err();
        });
        prop_assert!(peak <= MAX_TABLE_BYTES, "{} bytes: {:?}", peak, error);
        if let Some(error) = error {
            let message = error.to_string();
            let is_one_line = message.contains("x.parquet: ") && !message.contains(char::is_control);
            prop_assert!(matches!(error, Error::Malformed(_)) && is_one_line, "{}", message);
        }
        Ok(())
    });
}

#[test]
fn the_counting_allocator_sees_what_is_held() {
    let peak = peak_bytes(|| drop(black_box(vec![1u8; 1 << 20])));
    assert!((1 << 20..1 << 21).contains(&peak), "{peak}");
}

#[test]
fn broken_safetensors_stay_within_bounds() {
    mutate("torch/tiny-f32.safetensors", SAFETENSORS);
}

#[test]
fn broken_torch_archives_stay_within_bounds() {
    mutate("torch/tiny-f32-sliced.pt", TORCH_ZIP);
    mutate("torch/tiny-f32-checkpoint.pt", TORCH_ZIP);
}

#[test]
fn broken_compressed_archives_stay_within_bounds() {
    mutate("torch/tiny-f32-deflated.pt", DEFLATED);
    mutate("torch/tiny-f32-deflated.npz", DEFLATED);
}

#[test]
fn broken_legacy_files_stay_within_bounds() {
    mutate("torch/tiny-f32-sliced-legacy.pt", LEGACY);
    mutate("torch/tiny-f32-checkpoint-legacy.pt", LEGACY);
}

#[test]
fn broken_arrays_stay_within_bounds() {
    mutate("torch/tiny-f32.npz", NPZ);
    mutate("torch/tiny-f32-versions.npz", NPZ);
}

#[test]
fn broken_files_of_eight_bit_numbers_stay_within_bounds() {
    mutate("training/f8-e4m3fn.safetensors", 3_000);
    mutate("training/f8-e5m2.pt", 3_000);
    mutate("training/bf16.npz", 3_000);
}

#[test]
fn broken_indexes_and_shards_stay_within_bounds() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let whole = std::fs::read(data("torch/tiny-f32.safetensors")).unwrap();
    common::shards::write(&whole, folder.path(), "adapter_model", 2, true);
    let files = ["adapter_model.safetensors.index.json", "adapter_model-00002-of-00002.safetensors"];
    for name in files {
        let file = folder.path().join(name);
        let bytes = std::fs::read(&file).unwrap();
        run(2_000, breaks(), |breaks| {
            std::fs::write(&file, broken(bytes.clone(), &breaks)).unwrap();
            let mut message = None;
            let peak = peak_bytes(|| {
                let read = Adapter::open(folder.path()).and_then(|adapter| {
                    let mut factors = adapter.modules().iter().flat_map(|module| [&module.a, &module.b]);
                    factors.try_for_each(|factor| factor.read().map(drop))
                });
                message = read.err().map(|error| error.to_string());
            });
            prop_assert!(peak <= MAX_BYTES, "{} bytes: {:?}", peak, message);
            let is_line = |message: &String| !message.contains(char::is_control);
            prop_assert!(message.iter().all(is_line), "{:?}", message);
            Ok(())
        });
        std::fs::write(&file, bytes).unwrap();
    }
}

#[test]
fn broken_objects_stay_within_bounds() {
    mutate("training/objects-legacy.pt", OBJECTS);
    mutate("training/whole-model.pt", OBJECTS);
    mutate("training/lightning.ckpt", OBJECTS);
}

/// Opcodes in any order: whole tensors, calls, containers, marks, references and raw bytes, each many times.
fn opcodes() -> impl Strategy<Value = Vec<u8>> {
    let globals = prop::sample::select(vec![
        "collections\nOrderedDict",
        "torch._utils\n_rebuild_tensor_v2",
        "torch._utils\n_rebuild_tensor_v3",
        "torch._utils\n_rebuild_parameter",
        "torch._tensor\n_rebuild_from_type_v2",
        "torch\nSize",
        "torch\nFloatStorage",
        "torch.storage\nUntypedStorage",
        "torch\nfloat16",
        "builtins\nset",
        "os\nsystem",
        "torch._utils\n_rebuild_sparse_tensor",
        "copyreg\n_reconstructor",
        "numpy.core.multiarray\n_reconstruct",
    ]);
    let absurd = prop::sample::select(vec![-1, 0, 1, 2, 3, 6, 8, 32, 1 << 31, 1 << 62, i64::MAX, i64::MIN]);
    let tensors = (
        absurd.clone(),
        prop::collection::vec(absurd.clone(), 0..5),
        prop::collection::vec(absurd.clone(), 0..5),
    );
    let tensors =
        tensors.prop_map(|(offset, shape, strides)| common::torch::tensor("0", 6, offset, &shape, &strides));
    let names = prop::sample::select(vec![
        "0",
        "storage",
        "state_dict",
        "ema",
        "_modules",
        "m.lora_A.weight",
        "m.lora_B.weight",
        "\n",
    ]);
    let one = prop_oneof![
        2 => tensors,
        1 => Just(factor_a()),
        2 => globals.prop_map(|name| format!("c{name}\n").into_bytes()),
        3 => names.prop_map(text),
        2 => absurd.prop_map(int),
        1 => Just(tuple(&[])),
        8 => prop::sample::select(b"(]})N\x88\x89012tlduseaRQbo\x81\x85\x86\x87\x8f\x90\x91\x92\x93\x94".to_vec()).prop_map(|code| vec![code]),
        1 => Just(b"imain\nThing\n".to_vec()),
        1 => any::<u8>().prop_map(|n| vec![0x82, n]),
        1 => Just(b"cmain\nThing\n)\x81".to_vec()),
        3 => (prop::sample::select(b"hq".to_vec()), 0..6u8).prop_map(|(code, at)| vec![code, at]),
        1 => prop::collection::vec(any::<u8>(), 1..5),
    ];
    (prop::collection::vec(one, 0..30), 1..40usize).prop_map(|(ops, n)| {
        let body = ops.concat();
        // Repeated, so that what grows has room to.
        [b"}q\x00".to_vec(), text("m"), body.repeat(n)].concat()
    })
}

#[test]
fn pickles_of_opcodes_in_any_order_stay_within_bounds() {
    run(PICKLES, opcodes(), |opcodes| {
        check(legacy(&opcodes))?;
        check(zipped(&opcodes))
    });
}

#[test]
fn array_headers_of_any_text_stay_within_bounds() {
    let parts = prop::sample::select(vec![
        "{",
        "}",
        "'descr'",
        ":",
        "'<f4'",
        "'|O'",
        ",",
        "'fortran_order'",
        "True",
        "False",
        "'shape'",
        "(",
        ")",
        "2",
        "3",
        "18446744073709551615",
        "-1",
        " ",
        "[",
        "]",
        "\"",
        "é",
        "\n",
    ]);
    let text = prop::collection::vec(parts, 0..24).prop_map(|parts| parts.concat());
    run(HEADERS, (text, 1..4u8, any::<u8>()), |(text, version, off)| {
        let n = (text.len() as u32).wrapping_add(u32::from(off % 8)).to_le_bytes();
        let length = if version == 1 { &n[..2] } else { &n };
        let npy = [b"\x93NUMPY", &[version, 0][..], length, text.as_bytes(), &[0; 24]].concat();
        let members: [(&str, &[u8]); 2] = [("m.lora_A.weight.npy", &npy), ("m.lora_B.weight.npy", &npy)];
        check(archive(&members, CompressionMethod::Stored))
    });
}
