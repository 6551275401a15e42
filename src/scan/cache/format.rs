//! The layout of an entry's file: a safetensors file, whose tensors other programs read by name.
//!
//! ```text
//! length   of the JSON, a word of 8 bytes
//! JSON     name, type, shape and place of every tensor, filled up with blanks
//! index    header   magic, version, n records, bytes of the file, key (4 words), checksum of all of this up to the records
//!          table    n lines: offset, then the bytes of each part of the record, then the checksum of each part
//! records  of a basis, in three parts: the summary, which is r, d, n_uncertain, q, σ (q words), the projection (512 f32), and
//!          for an update its n_terms, d_out, d_in and norm; the rows (q, d) in f32; those of the update
//!          or a text: why there is no basis
//! ```
//!
//! All words are little-endian and of 8 bytes. The JSON is for others: an entry is read by its index, which takes no time
//! for the modules and parts that are not asked for.
//!
//! Checksums are XXH3 of 64 bits. They are there for disks, not for enemies: who may write to the cache may write anything
//! there. Whatever else happens to a part, it goes unseen in one of 2⁶⁴ cases, as with any checksum of that size, and XXH3
//! takes a sixth of the time that reading takes, where a cryptographic hash takes longer than reading.

use std::hash::Hasher as _;

use twox_hash::XxHash3_64;

use super::Key;
use super::record::{CachedModule, N_PROJECTED, Summary, UpdateShape};
use crate::basis::UpdateFactors;

const MAGIC: u64 = u64::from_le_bytes(*b"lorabase");
const VERSION: u64 = 5;
pub(super) const WORD: usize = 8;
pub(super) const HEADER_BYTES: usize = 9 * WORD;
pub(super) const LINE_BYTES: usize = (1 + 2 * N_PARTS) * WORD;
/// r, d, n_uncertain and q.
pub(super) const COUNTS: usize = 4;

/// The parts of a record, in the order in which they lie there. A reason why there is no basis has only the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Summary,
    Basis,
    Update,
}

const N_PARTS: usize = 3;

/// Where a record lies in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IndexLine {
    pub(super) offset: u64,
    /// Bytes of each part.
    pub(super) bytes: [u64; N_PARTS],
    pub(super) checksums: [u64; N_PARTS],
}

impl IndexLine {
    /// Of parts that follow each other from `offset` on.
    pub(super) fn of(offset: u64, parts: [&[u8]; N_PARTS]) -> Self {
        Self { offset, bytes: parts.map(|part| part.len() as u64), checksums: parts.map(checksum) }
    }

    pub(super) fn n_bytes(&self, part: Part) -> u64 {
        self.bytes[part as usize]
    }

    pub(super) fn checksum(&self, part: Part) -> u64 {
        self.checksums[part as usize]
    }

    pub(super) fn offset(&self, part: Part) -> u64 {
        self.offset + self.bytes[..part as usize].iter().sum::<u64>()
    }

    /// Whether the record lies past the table and within the file.
    fn fits(&self, start: u64, end: u64) -> bool {
        let last = self.bytes.iter().try_fold(self.offset, |last, bytes| last.checked_add(*bytes));
        let [_, basis, update] = self.bytes;
        let are_numbers = basis.is_multiple_of(4) && update.is_multiple_of(4);
        self.offset >= start && last.is_some_and(|last| last <= end) && are_numbers
    }
}

pub(super) fn checksum(bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot(bytes)
}

/// The checksum of what comes before the records: the length, the JSON, and the index without its checksum.
fn head_checksum(json: &[u8], header: &[u8], table: &[u8]) -> u64 {
    let mut hash = XxHash3_64::new();
    hash.write(&(json.len() as u64).to_le_bytes());
    [json, &header[..HEADER_BYTES - WORD], table].iter().for_each(|part| hash.write(part));
    hash.finish()
}

/// What comes before the records in a file of `n_bytes`.
pub(super) fn head(json: &[u8], key: &Key, n_bytes: u64, lines: &[IndexLine]) -> Vec<u8> {
    let mut index = Vec::with_capacity(HEADER_BYTES + lines.len() * LINE_BYTES);
    let header = [MAGIC, VERSION, lines.len() as u64, n_bytes];
    header.iter().for_each(|word| index.extend(word.to_le_bytes()));
    index.extend(key);
    index.extend([0; WORD]);
    for IndexLine { offset, bytes, checksums } in lines {
        let words = std::iter::once(offset).chain(bytes).chain(checksums);
        words.for_each(|word| index.extend(word.to_le_bytes()));
    }
    let (header, table) = index.split_at(HEADER_BYTES);
    let checksum = head_checksum(json, header, table);
    index[HEADER_BYTES - WORD..HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
    [&(json.len() as u64).to_le_bytes(), json, &index].concat()
}

/// The bytes of the table that a header announces, when it is one of this key and of a file of `n_bytes`.
pub(super) fn table_bytes(header: &[u8; HEADER_BYTES], key: &Key, n_bytes: u64) -> Option<u64> {
    let mut words = words(header);
    let is_ours = words.next() == Some(MAGIC) && words.next() == Some(VERSION);
    let n_records = words.next()?;
    let is_whole = words.next() == Some(n_bytes) && header[4 * WORD..8 * WORD] == *key;
    (is_ours && is_whole).then(|| n_records.checked_mul(LINE_BYTES as u64))?
}

/// The lines of a table, when the checksum says that it, the header and the JSON are as they were written. Records begin at
/// `start`.
pub(super) fn lines(
    json: &[u8],
    header: &[u8],
    table: &[u8],
    start: u64,
    n_bytes: u64,
) -> Option<Vec<IndexLine>> {
    if words(header).last() != Some(head_checksum(json, header, table)) {
        return None;
    }
    let line = |bytes: &[u8]| {
        let mut words = words(bytes);
        let offset = words.next()?;
        let mut parts = || Some([words.next()?, words.next()?, words.next()?]);
        let line = IndexLine { offset, bytes: parts()?, checksums: parts()? };
        line.fits(start, n_bytes).then_some(line)
    };
    table.chunks_exact(LINE_BYTES).map(line).collect()
}

/// The summary of a record.
pub(super) fn summary(record: &CachedModule) -> Vec<u8> {
    match record {
        CachedModule::Missing(reason) => reason.as_bytes().to_vec(),
        CachedModule::Basis { basis, projection, update } => {
            let counts: [usize; COUNTS] = [basis.r(), basis.d(), basis.n_uncertain(), basis.q()];
            let mut bytes = vec![];
            counts.iter().for_each(|&count| bytes.extend((count as u64).to_le_bytes()));
            basis.sigma().iter().for_each(|sigma| bytes.extend(sigma.to_le_bytes()));
            projection.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
            if let Some(update) = update {
                let shape = [update.n_terms(), update.d_out(), update.d_in()];
                shape.iter().for_each(|&count| bytes.extend((count as u64).to_le_bytes()));
                bytes.extend(update.norm().to_le_bytes());
            }
            bytes
        }
    }
}

/// The record that a summary with so many bytes of rows, of the basis and of the update, belongs to; `None` for what no record
/// can be.
pub(super) fn parse_summary(bytes: &[u8], rows_bytes: [u64; 2]) -> Option<Summary> {
    // A basis has at least one row.
    if rows_bytes[0] == 0 {
        return Some(Summary::Missing(String::from_utf8(bytes.to_vec()).ok()?));
    }
    let (counts, rest) = bytes.split_at_checked(COUNTS * WORD)?;
    let mut counts = words(counts).map(usize::try_from);
    let mut next = || counts.next()?.ok();
    let (r, d, n_uncertain, q) = (next()?, next()?, next()?, next()?);
    let (sigma, projection) = rest.split_at_checked(q.checked_mul(WORD)?)?;
    let sigma = words(sigma).map(f64::from_bits).collect();
    let (projection, update) = projection.split_at_checked(4 * N_PROJECTED)?;
    let update = match update {
        [] => None,
        update => Some(parse_update(update)?),
    };
    let mut values = projection.chunks_exact(4).map(|bytes| bytes.try_into().map(f32::from_le_bytes));
    let mut to = Box::new([0.0; N_PROJECTED]);
    for value in &mut *to {
        *value = values.next()?.ok()?;
    }
    let of_update = update.map_or(Some(0), |update| update.n_numbers());
    let bytes = |numbers: Option<usize>| numbers.and_then(|n| n.checked_mul(4)).map(|n| n as u64);
    let is_whole = [q.checked_mul(d), of_update].map(bytes) == rows_bytes.map(Some);
    is_whole.then_some(Summary::Basis { r, d, n_uncertain, sigma, projection: to, update })
}

fn parse_update(bytes: &[u8]) -> Option<UpdateShape> {
    let (counts, norm) = bytes.split_at_checked(3 * WORD)?;
    let mut counts = words(counts).map(usize::try_from);
    let mut next = || counts.next()?.ok();
    let (n_terms, d_out, d_in) = (next()?, next()?, next()?);
    Some(UpdateShape { n_terms, d_out, d_in, norm: f64::from_le_bytes(norm.try_into().ok()?) })
}

impl UpdateShape {
    /// Numbers of its rows; `None` for more than fit a machine.
    pub(super) fn n_numbers(&self) -> Option<usize> {
        self.n_terms.checked_mul(UpdateFactors::row_numbers(self.d_in, self.d_out)?)
    }
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    bytes.chunks_exact(WORD).map(|bytes| bytes.try_into().map_or(0, u64::from_le_bytes))
}
