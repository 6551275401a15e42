//! Which blocks of a plan are done: their files are there, whole, and of this scan.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Mutex;

use super::block_pairs::BlockPairs;
use super::blocks::{BlockSpec, Blocks};
use super::digest::{Digest, Fingerprint};
use super::folder::Folder;
use super::journal::records::Journal;
use super::table::{BlockNote, PairTable, Schema};
use crate::error::{Error, Fault, Result};
use crate::sync::lock;
use crate::table::TableFile;

/// Looks at the files of blocks.
#[derive(Debug)]
pub struct Survey<'a> {
    pub(super) blocks: &'a Blocks<'a>,
    folder: &'a Folder,
    schema: Schema,
    /// Of each adapter, as far as they are known.
    digests: Vec<Option<Digest>>,
    /// Names of blocks that were found whole: these are looked at once.
    whole: Mutex<HashSet<String>>,
}

/// How a block is.
#[derive(Debug)]
pub(super) enum BlockState {
    /// There is no file.
    Absent,
    /// There is one that is not whole, or not this block's.
    Damaged(Error),
    Done,
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
        }
    }

    /// That also looks whether blocks were made of the checkpoints that the records know.
    pub fn with_records(self, records: &Journal) -> Self {
        let n = self.blocks.plan().adapters.len() as u32;
        Self { digests: (0..n).map(|adapter| records.digest(adapter)).collect(), ..self }
    }

    /// Whether nothing is left to do for a block.
    pub fn is_done(&self, block: &BlockSpec) -> bool {
        matches!(self.state(block), BlockState::Done)
    }

    /// How a block is. Reads the end of its file and the heads of its pages, once.
    pub(super) fn state(&self, block: &BlockSpec) -> BlockState {
        let name = block.name();
        let path = self.folder.block_file(&name);
        if !path.exists() {
            return BlockState::Absent;
        }
        if lock(&self.whole).contains(&name) {
            return BlockState::Done;
        }
        match self.check(block) {
            Ok(_) => {
                lock(&self.whole).insert(name);
                BlockState::Done
            }
            // It was removed meanwhile.
            Err(Error::Io { cause, .. }) if cause.kind() == std::io::ErrorKind::NotFound => {
                BlockState::Absent
            }
            Err(error) => BlockState::Damaged(error),
        }
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
