//! Which blocks of a plan are done: their files are there, whole, and of this scan.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use rayon::prelude::*;

use super::block_pairs::BlockPairs;
use super::blocks::{BlockSpec, Blocks};
use super::digest::{Digest, Fingerprint};
use super::folder::Folder;
use super::journal::records::Journal;
use super::table::{BlockNote, PairTable, Schema};
use super::verified::{Bytes, Damage, Verified};
use crate::error::{Error, Fault, Result};
use crate::files::sync_files;
use crate::sync::lock;
use crate::sync::stop;
use crate::table::TableFile;

/// Looks at the files of blocks.
#[derive(Debug)]
pub struct Survey<'a> {
    pub(super) blocks: &'a Blocks<'a>,
    folder: &'a Folder,
    schema: Schema,
    /// Of each adapter, as far as they are known.
    digests: Vec<Option<Digest>>,
    /// Names of blocks that were found whole by their ends: these are looked at once.
    whole: Mutex<HashSet<String>>,
    verified: Arc<Verified>,
}

/// How a block is.
#[derive(Debug)]
pub(super) enum BlockState {
    /// There is no file.
    Absent,
    /// There is one that is not whole, or not this block's, and why.
    Damaged(String),
    /// With what the file says of itself, where it was looked at just now and was not written by an earlier version.
    Done(Option<BlockNote>),
}

impl<'a> Survey<'a> {
    /// Of these blocks in this folder.
    pub fn of(blocks: &'a Blocks<'a>, folder: &'a Folder) -> Self {
        let plan = blocks.plan();
        Self {
            blocks,
            folder,
            schema: PairTable::of(plan).schema(),
            digests: vec![],
            whole: Mutex::default(),
            verified: Arc::default(),
        }
    }

    /// That knows what is known of the bytes of blocks, and adds to it.
    pub(super) fn knowing(self, verified: &Arc<Verified>) -> Self {
        Self { verified: Arc::clone(verified), ..self }
    }

    /// What is known of the bytes of blocks.
    pub(super) fn verified(&self) -> &Arc<Verified> {
        &self.verified
    }

    /// That also looks whether blocks were made of the checkpoints that the records know.
    pub fn with_records(self, records: &Journal) -> Self {
        let n = self.blocks.plan().adapters.len() as u32;
        Self { digests: (0..n).map(|adapter| records.digest(adapter)).collect(), ..self }
    }

    /// Whether nothing is left to do for a block.
    pub fn is_done(&self, block: &BlockSpec) -> bool {
        if lock(&self.whole).contains(&block.name()) {
            return self.folder.block_file(&block.name()).exists();
        }
        matches!(self.state(block), BlockState::Done(_))
    }

    /// How a block is. Reads the end of its file and the heads of its pages; its bytes are those that were written, as far as that is
    /// known.
    pub(super) fn state(&self, block: &BlockSpec) -> BlockState {
        let name = block.name();
        if !self.folder.block_file(&name).exists() {
            return BlockState::Absent;
        }
        if let Some(Bytes::Damaged(damage)) = self.verified.get(&name) {
            return BlockState::Damaged(damage.text);
        }
        match self.check(block) {
            Ok(note) => {
                lock(&self.whole).insert(name);
                BlockState::Done(note)
            }
            Err(error) if is_gone(&error) => BlockState::Absent,
            Err(error) => BlockState::Damaged(error.to_string()),
        }
    }

    /// Reads the files of the blocks of these places of the plan that are done otherwise, once, for bytes that are not those that were
    /// written.
    ///
    /// # Errors
    /// `Stopped` when it was told to stop.
    pub(super) fn verify(&self, is_counted: impl Fn(usize) -> bool + Sync, stop: &AtomicBool) -> Result<()> {
        let blocks = self.blocks.iter().enumerate();
        let counted = blocks.filter_map(|(place, block)| is_counted(place).then_some(block));
        counted.par_bridge().try_for_each(|block| {
            stop::check(stop)?;
            if self.is_done(&block) {
                // What is wrong with it is known from now on.
                let _ = self.verify_one(&block);
            }
            Ok(())
        })
    }

    /// The same of one block.
    ///
    /// # Errors
    /// `Malformed` when its bytes are not those that were written, `Io` when the system refuses to read.
    pub(super) fn verify_one(&self, block: &BlockSpec) -> Result<()> {
        let name = block.name();
        if let Some(Bytes::Whole | Bytes::Written) = self.verified.get(&name) {
            return Ok(());
        }
        let path = self.folder.block_file(&name);
        let verified = TableFile::open(&path).and_then(|file| file.verify());
        match &verified {
            Ok(()) => self.verified.put(name, Bytes::Whole),
            Err(error) if is_gone(error) => _ = lock(&self.whole).remove(&name),
            Err(error) => {
                lock(&self.whole).remove(&name);
                self.verified.put(name, Bytes::Damaged(Damage { path, text: error.to_string() }));
            }
        }
        verified
    }

    /// Takes up that this process has put a block in place.
    pub(super) fn put(&self, block: &BlockSpec) {
        self.verified.put(block.name(), Bytes::Written);
    }

    /// Waits until the blocks that this process has put in place are on the disk.
    ///
    /// # Errors
    /// `Io` when the system refuses.
    pub(super) fn sync(&self) -> Result<()> {
        let is_written = |name: &String| matches!(self.verified.get(name), Some(Bytes::Written));
        let written: Vec<String> = self.blocks.iter().map(|block| block.name()).filter(is_written).collect();
        let files: Vec<PathBuf> = written.iter().map(|name| self.folder.block_file(name)).collect();
        sync_files(&self.folder.pairs(), &files)?;
        written.into_iter().for_each(|name| self.verified.put(name, Bytes::Whole));
        Ok(())
    }

    /// What the file of a block says of itself; `None` for one that an earlier version wrote.
    ///
    /// # Errors
    /// `Malformed` when it is not whole or not this block's, `Io` when the system refuses.
    pub(super) fn check(&self, block: &BlockSpec) -> Result<Option<BlockNote>> {
        let path = self.folder.block_file(&block.name());
        let file = TableFile::open(&path)?;
        file.check(&self.schema)?;
        let wrong = |found: &str, expected: &str| Err(Fault::new(found, expected).at(&path).malformed());
        let Some(note) = BlockNote::of(&file) else { return Ok(None) };
        if note.mark != self.blocks.mark(block) {
            return wrong("a block of another scan", "one of this scan");
        }
        let inputs = inputs(&self.blocks.pairs(block), |adapter| *self.digests.get(adapter as usize)?);
        if inputs.is_some_and(|inputs| inputs != note.inputs) {
            return wrong("a block of checkpoints with other bytes", "one of those that the scan has read");
        }
        Ok(Some(note))
    }

    /// Where the file of a block is, or is to be.
    pub(super) fn file(&self, block: &BlockSpec) -> PathBuf {
        self.folder.block_file(&block.name())
    }

    /// The blocks that are done.
    pub(super) fn done(&self) -> impl Iterator<Item = BlockSpec> {
        self.blocks.iter().filter(|block| self.is_done(block))
    }

    /// Their files.
    pub(super) fn files(&self) -> impl Iterator<Item = PathBuf> {
        self.done().map(|block| self.folder.block_file(&block.name()))
    }
}

/// Whether the file was removed meanwhile.
fn is_gone(error: &Error) -> bool {
    matches!(error, Error::Io { cause, .. } if cause.kind() == std::io::ErrorKind::NotFound)
}

/// A digest of what was read of the adapters of a block; `None` where some are not known.
pub(super) fn inputs(pairs: &BlockPairs, digest: impl Fn(u32) -> Option<Digest>) -> Option<Fingerprint> {
    let mut adapters: Vec<u32> = pairs.paired().into_iter().collect();
    adapters.sort_unstable();
    let mut hash = blake3::Hasher::new();
    for adapter in adapters {
        hash.update(&adapter.to_le_bytes());
        hash.update(&<[u8; 32]>::from(digest(adapter)?));
    }
    Some(hash.finalize().into())
}
