//! Archives and storages that lie about what they hold: each is an error of one line that says what is wrong.

mod common;

use common::files::{complaint, data};
use common::torch::{
    archive, dict, factor_b, int, legacy_with, pair_with, patched, pickle, tensor, within, zipped,
};
use lorascope::{Adapter, Error, Limits};
use zip::CompressionMethod;

/// Where a directory entry has its method, its compressed and its full size, and its place.
const METHOD: usize = 10;
const STORED: usize = 20;
const SIZE: usize = 24;
const PLACE: usize = 42;

fn valid() -> Vec<u8> {
    zipped(&pair_with(factor_b()))
}

#[test]
fn a_zip_bomb_for_a_pickle_is_not_unpacked() {
    let zeros = vec![0; 101 << 20];
    let bytes = archive(&[("x/data.pkl", &zeros)], CompressionMethod::Deflated);
    assert!(bytes.len() < 200_000);
    let error = Adapter::from_bytes("x", bytes).unwrap_err();
    assert_eq!(
        error.to_string(),
        "x: member `x/data.pkl`: found 105906176 bytes, expected at most 104857600"
    );
    assert!(matches!(error, Error::Limit(_)));
}

#[test]
fn a_factor_of_a_zip_bomb_is_over_a_limit() {
    let zeros = vec![0; 4 << 20];
    let n = 1 << 20;
    let factors = dict(&[
        ("m.lora_A.weight", tensor("0", n, 0, &[1, n], &[n, 1])),
        ("m.lora_B.weight", tensor("0", n, 0, &[1, 1], &[1, 1])),
    ]);
    let members: [(&str, &[u8]); 2] = [("x/data.pkl", &pickle(&factors)), ("x/data/0", &zeros)];
    let bytes = archive(&members, CompressionMethod::Deflated);
    assert!(bytes.len() < 10_000);
    let error = within(Limits { factor_bytes: (4 << 20) - 1, ..Limits::default() }, bytes);
    let expected = "member `x/data/0`: found 4194304 bytes once unpacked, expected at most 4194303";
    assert!(error.to_string().ends_with(expected), "{error}");
}

#[test]
fn a_member_larger_than_deflate_can_make_it_lies() {
    let pickle = pickle(&pair_with(factor_b()));
    let bytes = archive(&[("x/data.pkl", &pickle)], CompressionMethod::Deflated);
    let message = complaint(patched(bytes, "x/data.pkl", SIZE, &u32::to_le_bytes(0xffff_0000)));
    assert!(
        message.starts_with("member `x/data.pkl`: found a size of 4294901760 bytes, expected at most "),
        "{message}"
    );
}

#[test]
fn a_deflated_member_that_ends_before_its_size_is_an_error() {
    let pickle = pickle(&pair_with(factor_b()));
    let bytes = archive(&[("x/data.pkl", &pickle)], CompressionMethod::Deflated);
    let size = (pickle.len() + 1) as u32;
    let message = complaint(patched(bytes, "x/data.pkl", SIZE, &size.to_le_bytes()));
    assert!(message.starts_with("found compressed data that cannot be unpacked ("), "{message}");
}

#[test]
fn a_stored_member_with_two_sizes_is_refused() {
    let message = complaint(patched(valid(), "x/data/1", SIZE, &33u32.to_le_bytes()));
    assert_eq!(message, "member `x/data/1`: found a size of 33 bytes, expected the 32 that are stored");
}

#[test]
fn a_member_past_the_end_is_refused() {
    let huge = u32::to_le_bytes(0x7fff_ffff);
    let message = complaint(patched(patched(valid(), "x/data/1", SIZE, &huge), "x/data/1", STORED, &huge));
    assert!(message.contains("members that overlap"), "{message}");
}

#[test]
fn members_that_overlap_are_refused() {
    // Both storages begin at the first one's header.
    let bytes = valid();
    let start = bytes.windows(8).position(|bytes| bytes == b"x/data/0").unwrap() as u32 - 30;
    let message = complaint(patched(bytes, "x/data/1", PLACE, &start.to_le_bytes()));
    assert_eq!(
        message,
        "zip archive: found members that overlap, expected each with bytes of its own, before the directory"
    );
}

#[test]
fn two_members_of_one_name_are_refused() {
    let mut bytes = valid();
    while let Some(at) = bytes.windows(8).position(|bytes| bytes == b"x/data/1") {
        bytes[at + 7] = b'0';
    }
    assert_eq!(complaint(bytes), "zip archive: found two members of one name, expected each name once");
}

#[test]
fn encrypted_members_and_other_methods_are_refused() {
    let message = complaint(patched(valid(), "x/data/1", 8, &[1, 0]));
    assert_eq!(message, "member `x/data/1`: found an encrypted member, expected a plain one");
    let message = complaint(patched(valid(), "x/data/1", METHOD, &[12, 0]));
    assert!(message.contains("found a member packed by "), "{message}");
}

#[test]
fn a_missing_member_is_named_with_its_tensor() {
    assert_eq!(
        complaint(zipped(&pair_with(tensor("7", 8, 0, &[4, 2], &[2, 1])))),
        "tensor `m.lora_B.weight`: found no member `x/data/7`, expected the tensor's numbers"
    );
}

#[test]
fn a_storage_of_another_size_than_its_member_is_refused() {
    for n in [7, 9, i64::MAX] {
        assert_eq!(
            complaint(zipped(&pair_with(tensor("1", n, 0, &[4, 2], &[2, 1])))),
            format!(
                "tensor `m.lora_B.weight`: found a storage of {n} numbers of F32, expected one of the 32 bytes that are \
                 stored as `x/data/1`"
            )
        );
    }
    let message = complaint(zipped(&pair_with(tensor("1", -8, 0, &[4, 2], &[2, 1]))));
    assert!(message.starts_with("pickle: found a storage of -8 numbers"), "{message}");
}

#[test]
fn big_endian_files_are_refused_by_name() {
    let pickled = pickle(&pair_with(factor_b()));
    let members: [(&str, &[u8]); 2] = [("x/data.pkl", &pickled), ("x/byteorder", b"big")];
    let zip = archive(&members, CompressionMethod::Stored);
    let machine = dict(&[("little_endian", b"\x89".to_vec())]);
    let legacy = legacy_with(&machine, &pair_with(factor_b()), &["0", "1"], &[6, 8]);
    for bytes in [zip, legacy] {
        assert_eq!(complaint(bytes), "found big-endian numbers, expected little-endian ones");
    }
}

#[test]
fn two_pickles_and_programs_are_refused() {
    let pickled = pickle(&pair_with(factor_b()));
    let archive =
        |other: &str| archive(&[("x/data.pkl", &pickled[..]), (other, &pickled)], CompressionMethod::Stored);
    assert_eq!(
        complaint(archive("y/data.pkl")),
        "found 2 pickles (`x/data.pkl`, `y/data.pkl`), expected one data.pkl"
    );
    assert_eq!(
        complaint(archive("x/constants.pkl")),
        "found a TorchScript program, expected a dictionary of tensors"
    );
}

#[test]
fn a_zip_archive_of_other_things_is_named_with_its_members() {
    let bytes = archive(&[("word/document.xml", b"<xml/>")], CompressionMethod::Stored);
    assert_eq!(
        complaint(bytes),
        "found a zip archive of `word/document.xml`, expected one of torch.save (data.pkl) or of numpy.savez (.npy)"
    );
}

#[test]
fn every_truncation_is_an_error() {
    for name in ["tiny-f32.pt", "tiny-f32-deflated.pt", "tiny-f32-legacy.pt", "tiny-f32.npz"] {
        let whole = std::fs::read(data(&format!("torch/{name}"))).unwrap();
        for n in 0..whole.len() {
            let error =
                Adapter::from_bytes("x", whole[..n].to_vec()).expect_err(&format!("{name} cut at {n}"));
            // Of so few bytes nobody can tell that they were torch's.
            let is_unknown = n < 14 && name.contains("legacy");
            assert!(is_unknown || matches!(error, Error::Malformed(_)), "{name} cut at {n}: {error}");
        }
    }
}

#[test]
fn the_older_containers_storages_must_be_those_of_its_tensors() {
    let with =
        |keys: &[&str], counts: &[u64]| complaint(legacy_with(b"}", &pair_with(factor_b()), keys, counts));
    assert_eq!(
        with(&["0"], &[6]),
        "tensor `m.lora_B.weight`: found no storage `1`, expected the tensor's numbers"
    );
    assert_eq!(
        with(&["0", "0", "1"], &[6, 6, 8]),
        "storages: found the key `0` twice, expected each key once"
    );
    assert_eq!(
        with(&["0", "9"], &[6, 8]),
        "storages: found the key `9`, which no tensor has, expected a tensor's storage"
    );
    for n in [9, u64::MAX, u64::MAX / 4] {
        let message = with(&["0", "1"], &[6, n]);
        assert!(
            message.starts_with("found storage `1` past the end, expected at most the ") || n == 9,
            "{message}"
        );
    }
    assert!(with(&["0", "1"], &[6, 7]).contains("found a storage of 8 numbers of F32"));
    let unknown = [pickle(b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"), pickle(&int(1002))].concat();
    let rest = [pickle(b"}"), pickle(b"}"), pickle(b"]")].concat();
    assert_eq!(complaint([unknown, rest].concat()), "found version 1002, expected 1001");
}

/// An archive of arrays with this header in the place of B's, in front of 32 bytes.
fn arrays(header_of_b: &str) -> Vec<u8> {
    let npy = |header: &str, n_bytes: usize| {
        let length = (header.len() as u16).to_le_bytes();
        [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), &vec![0; n_bytes]].concat()
    };
    let a = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", 24);
    let b = npy(header_of_b, 32);
    archive(&[("m.lora_A.weight.npy", &a), ("m.lora_B.weight.npy", &b)], CompressionMethod::Stored)
}

#[test]
fn broken_arrays_are_refused() {
    let header = |descr: &str, shape: &str| {
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}")
    };
    Adapter::from_bytes("x", arrays(&header("<f4", "(4, 2)"))).unwrap();
    for (descr, shape, expected) in [
        (
            "<f4",
            "(4, 3)",
            "array `m.lora_B.weight`: found 32 bytes of data, expected those of shape [4, 3] of F32",
        ),
        (
            "<f4",
            "(18446744073709551615, 2)",
            "array `m.lora_B.weight`: found 32 bytes of data, expected those of shape [18446744073709551615, 2] of F32",
        ),
        (
            ">f4",
            "(4, 2)",
            "tensor `m.lora_B.weight`: found numbers of type `>f4`, expected F64, F32, F16, BF16 or one of F8",
        ),
        (
            "|O",
            "(4,)",
            "tensor `m.lora_B.weight`: found numbers of type `|O`, expected F64, F32, F16, BF16 or one of F8",
        ),
    ] {
        assert_eq!(complaint(arrays(&header(descr, shape))), expected);
    }
    let message = complaint(arrays("{'descr': '<f4'}"));
    assert!(message.starts_with("array `m.lora_B.weight`: found the header `{'descr'"), "{message}");
}

#[test]
fn an_array_whose_header_is_longer_than_it_is_refused() {
    let npy = [b"\x93NUMPY\x02\x00", &u32::MAX.to_le_bytes()[..], b"{}"].concat();
    let bytes = archive(&[("m.npy", &npy)], CompressionMethod::Deflated);
    assert_eq!(complaint(bytes), "array `m`: found a header of 4294967307 bytes, expected at most 14");
    let bytes = archive(&[("m.npy", b"no array")], CompressionMethod::Stored);
    assert_eq!(complaint(bytes), "array `m`: found no magic word of numpy, expected an array of numpy");
}

/// Every number of every factor, or what is wrong.
fn read(bytes: Vec<u8>) -> Result<Vec<u64>, Error> {
    let adapter = Adapter::from_bytes("x", bytes)?;
    let factors = adapter.modules().iter().flat_map(|module| [&module.a, &module.b]);
    let values: Vec<_> = factors.map(lorascope::Factor::read).collect::<Result<_, _>>()?;
    Ok(values.iter().flat_map(|matrix| &matrix.values).map(|value| value.to_bits()).collect())
}

#[test]
fn a_flipped_bit_is_seen_in_every_archive() {
    let ones: Vec<u8> = (1..15).flat_map(|n| (n as f32).to_le_bytes()).collect();
    let pickle = pickle(&pair_with(factor_b()));
    let torch: [(&str, &[u8]); 3] =
        [("x/data.pkl", &pickle), ("x/data/0", &ones[..24]), ("x/data/1", &ones[24..])];
    let npy = |shape: &str, numbers: &[u8]| {
        let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
        [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), numbers].concat()
    };
    let (a, b) = (npy("(2, 3)", &ones[..24]), npy("(4, 2)", &ones[24..]));
    let npz: [(&str, &[u8]); 2] = [("m.lora_A.weight.npy", &a), ("m.lora_B.weight.npy", &b)];
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        for (what, members) in [("torch", &torch[..]), ("npz", &npz[..])] {
            let bytes = archive(members, method);
            let whole = read(bytes.clone()).unwrap();
            let mut n_seen = 0;
            for at in 0..bytes.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[at / 8] ^= 1 << (at % 8);
                match read(flipped) {
                    // Times, versions and the like.
                    Ok(read) => assert_eq!(read, whole, "{what} {method}: bit {at}"),
                    Err(error) => n_seen += usize::from(error.to_string().contains("have the checksum")),
                }
            }
            assert!(n_seen > 400, "{what} {method}: {n_seen}");
        }
    }
}

#[test]
fn the_checksum_of_a_damaged_member_is_said() {
    let mut bytes = valid();
    let at = bytes.windows(4).position(|four| four == 1f32.to_le_bytes()).unwrap();
    bytes[at] ^= 1;
    let error = read(bytes.clone()).unwrap_err();
    assert!(matches!(error, Error::Malformed(_)));
    let message = error.to_string();
    assert!(
        message.starts_with("x: tensor `m.lora_A.weight`: found a member whose bytes have the checksum "),
        "{message}"
    );
    assert!(message.ends_with(", as the archive says"), "{message}");
    assert_eq!(error.hint().as_deref(), Some("the file was damaged: download or copy it again"));
    // torch leaves checksums out on demand.
    const CHECKSUM: usize = 16;
    read(patched(bytes, "x/data/0", CHECKSUM, &[0; 4])).unwrap();
}

#[test]
fn a_compressed_member_is_not_unpacked_for_each_of_a_hundred_tensors() {
    let n = 1 << 18;
    let of = |views: i64| {
        let each = (0..views).flat_map(|at| {
            let end = n - 64 * (at + 1);
            [
                (format!("m{at}.lora_A"), tensor("0", n, end, &[2, 16], &[16, 1])),
                (format!("m{at}.lora_B"), tensor("0", n, end + 32, &[16, 2], &[2, 1])),
            ]
        });
        let each: Vec<_> = each.collect();
        let entries: Vec<(&str, Vec<u8>)> =
            each.iter().map(|(name, view)| (name.as_str(), view.clone())).collect();
        let (pickle, numbers) = (pickle(&dict(&entries)), 1f32.to_le_bytes().repeat(n as usize));
        let members: [(&str, &[u8]); 2] = [("x/data.pkl", &pickle), ("x/data/0", &numbers)];
        [CompressionMethod::Stored, CompressionMethod::Deflated].map(|method| archive(&members, method))
    };
    let [stored, deflated] = of(7);
    assert_eq!(read(deflated).unwrap(), read(stored).unwrap());
    let [stored, deflated] = of(100);
    assert_eq!(read(stored).unwrap().len(), 100 * 64);
    let error = read(deflated).unwrap_err();
    assert!(matches!(error, Error::Limit(_)));
    let expected = "x: found so many tensors in one compressed member that it is unpacked 198 times over, expected at most 16";
    assert_eq!(error.to_string(), expected);
}
