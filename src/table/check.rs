//! Looks over a file's footer and the headers of its pages, before its reader takes memory for what they announce.

use std::fs::File;

use parquet::basic::Type as Physical;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::ColumnChunkMetaData;

use super::bounds::{PageHeader, is_footer};
use crate::files::read_exact_at;

/// Bytes of a footer, at most: ten thousand columns take a few megabytes.
const MAX_FOOTER_BYTES: u64 = 16 << 20;

/// Bytes of an unpacked page, at most: a page of ours ends at about one megabyte.
const MAX_PAGE_BYTES: i64 = 16 << 20;

/// Bytes of a page's header, at most.
const MAX_HEADER_BYTES: u64 = 8 << 10;

/// What a Parquet file begins and ends with.
const MAGIC: &[u8; 4] = b"PAR1";

/// Parquet's numbers of the encodings that are read: plain, by a dictionary (two numbers), run lengths, and differences.
/// The others take memory for counts that no page header has.
const ENCODINGS: [i64; 5] = [0, 2, 8, 3, 5];

/// Checks both ends of a file and its footer.
pub(super) fn check_footer(file: &File, n_bytes: u64) -> ParquetResult<()> {
    let read = |to: &mut [u8], from_end: u64| match n_bytes.checked_sub(from_end) {
        Some(offset) => read_exact_at(file, to, offset).map_err(ParquetError::from),
        None => Err(wrong("not a Parquet file".to_owned())),
    };
    let [mut head, mut length, mut tail] = [[0; 4]; 3];
    read(&mut head, n_bytes)?;
    read(&mut length, 8)?;
    read(&mut tail, 4)?;
    if head != *MAGIC || tail != *MAGIC {
        return Err(wrong("not a Parquet file".to_owned()));
    }
    let length = u64::from(u32::from_le_bytes(length));
    if length > MAX_FOOTER_BYTES.min(n_bytes) {
        return Err(wrong(format!("a footer of {length} bytes")));
    }
    let mut footer = vec![0; length as usize];
    read(&mut footer, 8 + length)?;
    if is_footer(&footer) { Ok(()) } else { Err(wrong("a footer that no table has".to_owned())) }
}

/// Checks the pages of a column in a row group.
pub(super) fn check_pages(file: &File, n_bytes: u64, chunk: &ColumnChunkMetaData) -> ParquetResult<()> {
    let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
    let (start, n) = (u64::try_from(start).ok(), u64::try_from(chunk.compressed_size()).ok());
    let range = start.zip(n).and_then(|(start, n)| Some(start..start.checked_add(n)?));
    let range = range.filter(|range| range.end <= n_bytes);
    let range = range.ok_or_else(|| wrong("a column outside of the file".to_owned()))?;
    let mut at = range.start;
    let mut buffer = vec![];
    while at < range.end {
        buffer.resize((range.end - at).min(MAX_HEADER_BYTES) as usize, 0);
        read_exact_at(file, &mut buffer, at)?;
        let page = PageHeader::of(&buffer).filter(|page| is_page(page, chunk.column_type()));
        let page = page.ok_or_else(|| wrong(format!("a page that no table has, at byte {at}")))?;
        at += page.n_bytes as u64 + page.n_packed as u64;
    }
    Ok(())
}

/// Whether a page takes little memory, and its dictionary no more than its bytes allow.
fn is_page(page: &PageHeader, of: Physical) -> bool {
    let entry_bytes = match of {
        Physical::INT64 | Physical::DOUBLE => 8,
        // A text has four bytes before it for its length.
        _ => 4,
    };
    page.n_packed >= 0
        && (0..=MAX_PAGE_BYTES).contains(&page.n_unpacked)
        && page.n_entries.is_none_or(|n| (0..=page.n_unpacked / entry_bytes).contains(&n))
        && ENCODINGS.contains(&page.encoding)
}

fn wrong(found: String) -> ParquetError {
    ParquetError::General(found)
}
