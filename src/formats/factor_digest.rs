//! The digest of some factors of a checkpoint, which takes no other bytes of the file.

use std::fmt::Write as _;

use super::digest::each_chunk;
use crate::adapter::made::{Form, Made};
use crate::adapter::{Factor, Source};
use crate::error::Result;

/// BLAKE3 of some factors: of each byte that reading them takes, in the order of the file, and then of this digest with what
/// each factor is and where it is stored.
///
/// # Errors
/// `Io` when the system refuses to read, `Invalid` when the file changed since it was opened.
pub(crate) fn blake3<'a>(factors: impl IntoIterator<Item = &'a Factor>) -> Result<[u8; 32]> {
    let (mut facts, mut ranges) = (String::new(), vec![]);
    for factor in factors {
        describe("factor", factor, &mut facts, &mut ranges);
    }
    let place = |range: &ByteRange<'a>| (range.file.path(), range.start);
    ranges.sort_by(|a, b| place(a).cmp(&place(b)));
    // Bytes have a hash of their own: they come in multiples of what BLAKE3 digests at once.
    let mut bytes = blake3::Hasher::new();
    let mut buffer = vec![];
    for ranges in ranges.chunk_by(|a, b| a.file.path() == b.file.path()) {
        let Some(first) = ranges.first() else { continue };
        let reader = first.file.open()?;
        let mut done = 0;
        for &ByteRange { start, end, .. } in ranges {
            // Views of one tensor may share bytes.
            each_chunk(&reader, start.max(done)..end, &mut buffer, |chunk| _ = bytes.update(chunk))?;
            done = end.max(done);
        }
    }
    let mut hash = blake3::Hasher::new();
    hash.update(bytes.finalize().as_bytes()).update(facts.as_bytes());
    Ok(*hash.finalize().as_bytes())
}

/// The bytes of a file that a factor is read from.
struct ByteRange<'a> {
    file: &'a Source,
    start: u64,
    end: u64,
}

/// Adds what a factor and its scales are, and the bytes that they are read from: all bytes of a compressed part.
fn describe<'a>(role: &str, factor: &'a Factor, facts: &mut String, ranges: &mut Vec<ByteRange<'a>>) {
    let Factor { name, rows, cols, dtype, source, offset_bytes, row_axis, col_axis, made } = factor;
    // In the file, where that is a place in it.
    let offset = match source {
        Source::Member(member) if !member.is_deflated => member.offset_bytes + offset_bytes,
        _ => *offset_bytes,
    };
    let axes = format!("{} {}", row_axis.facts(), col_axis.facts());
    // Writing to a String cannot fail.
    let _ = writeln!(facts, "{role}\0{name}\0{rows} {cols} {dtype} {offset} {axes}");
    if let Some(Made { update, part }) = made {
        let _ = writeln!(facts, "{part:?} of {} kept of a {}", update.n_kept, update.form.method());
        if let Some(share) = update.share {
            let _ = writeln!(facts, "share {:016x}", share.to_bits());
        }
        if let Form::RowScale { scaling, .. } = update.form {
            let _ = writeln!(facts, "scaling {:016x}", scaling.to_bits());
        }
        if let Form::Method(of) = &update.form {
            let _ = writeln!(facts, "{:?} {:?}", of.how, of.shape);
        }
        update.form.factors().for_each(|factor| describe("part", factor, facts, ranges));
        return;
    }
    let size = dtype.size_bytes() as u64;
    let (start, end) = match (source, factor.span()) {
        (Source::Member(member), _) if member.is_deflated => {
            (member.offset_bytes, member.offset_bytes + member.n_stored)
        }
        (Source::Quantised(part), Some(span)) => {
            let stored = part.stored(offset + span.start() * size..offset + (span.end() + 1) * size);
            (stored.start, stored.end)
        }
        (_, Some(span)) => (offset + span.start() * size, offset + (span.end() + 1) * size),
        (_, None) => (offset, offset),
    };
    ranges.push(ByteRange { file: source.whole(), start, end });
    for (role, scale) in [("row scale", &row_axis.scale), ("column scale", &col_axis.scale)] {
        if let Some(scale) = scale {
            describe(role, scale, facts, ranges);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::adapter::Adapter;

    const FILE: &str = "tests/data/adapters/roberta-mrpc/checkpoint-230/adapter_model.safetensors";

    /// The digest of the first module's A in a copy of the file that `change` has changed.
    fn of_a(change: impl FnOnce(&Adapter, &mut Vec<u8>)) -> [u8; 32] {
        let mut bytes = fs::read(FILE).unwrap();
        change(&Adapter::open(FILE).unwrap(), &mut bytes);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.safetensors");
        fs::write(&path, bytes).unwrap();
        blake3([&Adapter::open(&path).unwrap().modules()[0].a]).unwrap()
    }

    #[test]
    fn only_the_bytes_of_the_factors_count_and_each_of_them() {
        let first = of_a(|_, _| ());
        let n_bytes = |factor: &Factor| factor.rows * factor.cols * factor.dtype.size_bytes();
        let n = n_bytes(&Adapter::open(FILE).unwrap().modules()[0].a);
        for place in [0, 1, n / 2, n - 1] {
            let changed = of_a(|adapter, bytes| {
                bytes[adapter.modules()[0].a.offset_bytes as usize + place] ^= 1;
            });
            assert_ne!(changed, first, "byte {place} of A");
        }
        let other = of_a(|adapter, bytes| bytes[adapter.modules()[0].b.offset_bytes as usize] ^= 1);
        assert_eq!(other, first);
    }

    #[test]
    fn what_a_view_makes_of_the_bytes_counts() {
        let a = Adapter::open(FILE).unwrap().modules()[0].a.clone();
        let views = [a.clone(), a.clone().transposed(), a.clone().row_range(0..a.rows - 1)];
        let [whole, transposed, part] = views.map(|view| blake3([&view]).unwrap());
        assert!(whole != transposed && whole != part);
        assert_eq!(whole, blake3([&a]).unwrap());
        assert_ne!(whole, blake3([&a, &a]).unwrap());
    }
}
