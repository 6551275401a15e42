//! Where a scan keeps its bases: in the cache, and in the output folder once the cache cannot be written.

use std::io;
use std::sync::OnceLock;

use crate::error::{Error, Result};
use crate::scan::cache::{Cache, Entry, Key};

/// How often an entry is written when its folder is removed under it, by a process that has completed the scan.
const N_TRIES: usize = 3;

/// A cache, and what takes its place.
#[derive(Debug)]
pub struct Stores {
    cache: Cache,
    spare: Option<Cache>,
    is_writable: bool,
    /// Why nothing is put into the cache any more.
    refusal: OnceLock<String>,
}

impl Stores {
    /// A cache that cannot be done without.
    pub fn only(cache: Cache) -> Self {
        Self { cache, spare: None, is_writable: true, refusal: OnceLock::new() }
    }

    /// A cache, and another one for what it does not take. With `is_writable` off, everything goes there.
    pub fn with_spare(cache: Cache, spare: Cache, is_writable: bool) -> Self {
        Self { cache, spare: Some(spare), is_writable, refusal: OnceLock::new() }
    }

    /// Why nothing is put into the cache any more, if it took entries at first.
    pub(super) fn refusal(&self) -> Option<&str> {
        self.refusal.get().map(String::as_str)
    }

    /// As [`Cache::get`].
    ///
    /// # Errors
    /// As [`Cache::get`].
    pub(super) fn get(&self, key: &Key) -> Result<Option<Entry>> {
        match (self.cache.get(key)?, &self.spare) {
            (None, Some(spare)) => spare.get(key),
            (found, _) => Ok(found),
        }
    }

    /// Puts an entry where it can be put. `write` makes it in one cache; the inner error is the cache's.
    ///
    /// # Errors
    /// That of `write`, and that of the last cache that is left.
    pub(super) fn put(&self, write: impl Fn(&Cache) -> Result<Result<Entry>>) -> Result<Entry> {
        let Some(spare) = &self.spare else { return insistently(&self.cache, write)? };
        if self.is_writable && self.refusal.get().is_none() {
            match insistently(&self.cache, &write)? {
                Ok(entry) => return Ok(entry),
                // The first reason is the one to tell.
                Err(error) => drop(self.refusal.set(error.to_string())),
            }
        }
        insistently(spare, write)?
    }
}

fn insistently(cache: &Cache, write: impl Fn(&Cache) -> Result<Result<Entry>>) -> Result<Result<Entry>> {
    let mut n_tries = 0;
    loop {
        n_tries += 1;
        match write(cache)? {
            Err(Error::Io { cause, .. }) if cause.kind() == io::ErrorKind::NotFound && n_tries < N_TRIES => {}
            written => return Ok(written),
        }
    }
}
