//! Files as the system has them: replaced whole or not at all, read by position, locked, and recognised by size and time.

#[cfg(feature = "scan")]
mod folder;
mod id;
#[cfg(feature = "scan")]
mod lock;
#[cfg(feature = "scan")]
mod npy;
#[cfg(feature = "scan")]
mod open_limit;
mod patience;
#[cfg(feature = "scan")]
mod plain;
#[cfg(any(feature = "scan", feature = "gpu"))]
mod replace;
mod stamp;
#[cfg(feature = "scan")]
mod sync;

use std::fs::File;
use std::io;

#[cfg(feature = "scan")]
pub(crate) use self::folder::{entries, remove};
pub use self::id::FileId;
#[cfg(feature = "scan")]
pub(crate) use self::lock::{Lock, hold, is_claim_of, is_free, is_refusal, share};
#[cfg(feature = "scan")]
pub(crate) use self::npy::npy_header;
#[cfg(feature = "cli")]
pub(crate) use self::open_limit::raise_limit;
#[cfg(feature = "scan")]
pub(crate) use self::open_limit::{n_at_work, n_kept_open};
#[cfg(feature = "scan")]
pub(crate) use self::patience::has_too_many;
pub(crate) use self::patience::patiently;
#[cfg(feature = "scan")]
pub(crate) use self::plain::{append_to_plain, open_plain};
#[cfg(feature = "scan")]
pub(crate) use self::replace::parent_dir;
#[cfg(any(feature = "scan", feature = "gpu"))]
pub(crate) use self::replace::{Durability, replace_atomically};
#[cfg(feature = "scan")]
pub(crate) use self::replace::{
    is_abandoned, is_temp_file, remove_stale_temp_files, replace_with_bytes, set_aside, temp_file_next_to,
};
pub use self::stamp::FileStamp;
#[cfg(feature = "scan")]
pub(crate) use self::sync::sync_files;

/// Fills `to` with the bytes from `offset` on. Threads can share the file.
#[cfg(unix)]
pub(crate) fn read_exact_at(file: &File, to: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, to, offset)
}

/// Fills `to` with the bytes from `offset` on. Threads can share the file.
#[cfg(windows)]
pub(crate) fn read_exact_at(file: &File, mut to: &mut [u8], mut offset: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt as _;
    while !to.is_empty() {
        match file.seek_read(to, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => (to, offset) = (&mut to[n..], offset + n as u64),
        }
    }
    Ok(())
}

/// Fills `to` with the bytes from `offset` on. The system has one position a file, so threads cannot share it.
#[cfg(not(any(unix, windows)))]
pub(crate) fn read_exact_at(mut file: &File, to: &mut [u8], offset: u64) -> io::Result<()> {
    use std::io::{Read as _, Seek as _};
    file.seek(io::SeekFrom::Start(offset)).and_then(|_| file.read_exact(to))
}
