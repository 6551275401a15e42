//! The records of a scan's files: lines that each process appends to a file of its own. A file for each adapter would cost
//! more than to read it, on some file systems.
//!
//! A line ends with a digest of itself and of the scan's id. One that was damaged is as if it were not there, and so is one of
//! a scan that was in the folder before, and whose process still goes on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::jsonl::{JsonlTail, JsonlWriter};
use crate::error::Result;
use crate::names::natural_cmp;
use crate::scan::digest::{Digest, Fingerprint};
use crate::scan::folder::Folder;
use crate::scan::record::AdapterRecord;
use crate::sync::lock;

/// How often it is looked for what other processes have found.
const REFRESH: Duration = Duration::from_secs(1);

/// What is known of the files of a scan.
#[derive(Debug)]
pub struct Journal {
    dir: PathBuf,
    scan: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// A tree, which never holds two copies of itself as it grows.
    records: BTreeMap<u32, AdapterRecord>,
    lines: JsonlTail,
    read_at: Instant,
    /// The lines of this process, once there is one.
    own: Option<JsonlWriter>,
}

/// A line: an adapter's number and its record.
#[derive(Serialize, Deserialize)]
struct RecordLine {
    adapter: u32,
    #[serde(flatten)]
    record: AdapterRecord,
}

/// A line as it is stored.
#[derive(Serialize, Deserialize)]
struct SealedLine {
    #[serde(flatten)]
    line: RecordLine,
    seal: Fingerprint,
}

impl RecordLine {
    /// A digest of the scan's id and of what the line says.
    fn seal(&self, scan: &str) -> Fingerprint {
        let json = serde_json::to_vec(self).expect("numbers, strings and lists are JSON");
        Fingerprint::of(&[scan.as_bytes(), b"\n", &json].concat())
    }
}

impl Journal {
    /// All that processes have found so far for the scan of this id.
    ///
    /// # Errors
    /// `Io` when the system refuses.
    pub fn open(folder: &Folder, scan: &str) -> Result<Self> {
        let (records, lines) = Default::default();
        let mut state = State { records, lines, read_at: Instant::now(), own: None };
        let (dir, scan) = (folder.records(), scan.to_owned());
        state.read(&dir, &scan)?;
        Ok(Self { dir, scan, state: Mutex::new(state) })
    }

    /// The record of an adapter, if it was there when all were read last.
    pub fn get(&self, adapter: u32) -> Option<AdapterRecord> {
        self.state().records.get(&adapter).cloned()
    }

    /// The digest in an adapter's record, if it was there when all were read last.
    pub fn digest(&self, adapter: u32) -> Option<Digest> {
        self.state().records.get(&adapter).map(|record| record.digest)
    }

    /// The record of an adapter, if another process has left one until about now.
    ///
    /// # Errors
    /// `Io` when the system refuses.
    pub fn find(&self, adapter: u32) -> Result<Option<AdapterRecord>> {
        let mut state = self.state();
        if !state.records.contains_key(&adapter) && state.read_at.elapsed() >= REFRESH {
            state.read(&self.dir, &self.scan)?;
        }
        Ok(state.records.get(&adapter).cloned())
    }

    /// Leaves a record for others. One that a power cut has cut short is made again.
    ///
    /// # Errors
    /// `Io` when the system refuses.
    pub fn put(&self, adapter: u32, record: AdapterRecord) -> Result<()> {
        self.state().append(&self.dir, &self.scan, RecordLine { adapter, record }).map(drop)
    }

    /// Adds a module without a basis to the adapter's record, on the disk before anything that is written later.
    ///
    /// # Errors
    /// `Io` when the system refuses.
    pub fn add_missing(&self, adapter: u32, module: String, reason: String) -> Result<()> {
        let mut state = self.state();
        let Some(known) = state.records.get(&adapter) else { return Ok(()) };
        let record = AdapterRecord { missing: vec![(module, reason)], ..known.clone() };
        state.append(&self.dir, &self.scan, RecordLine { adapter, record })?.sync()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    /// Reads the lines that were added to any file.
    fn read(&mut self, dir: &Path, scan: &str) -> Result<()> {
        self.read_at = Instant::now();
        let records = &mut self.records;
        self.lines.read_new(dir, |line| match serde_json::from_slice::<SealedLine>(line) {
            Ok(SealedLine { line, seal }) if line.seal(scan) == seal => add(records, line),
            // What was in half a line, or in a damaged one, is made again.
            _ => {}
        })
    }

    /// Leaves a line for others, in this process's file.
    fn append(&mut self, dir: &Path, scan: &str, line: RecordLine) -> Result<&JsonlWriter> {
        let own = match &mut self.own {
            Some(own) => own,
            none => none.insert(JsonlWriter::open(dir)?),
        };
        let sealed = SealedLine { seal: line.seal(scan), line };
        own.append(&sealed)?;
        add(&mut self.records, sealed.line);
        Ok(own)
    }
}

/// Takes a line up. Processes may each know of some modules of a file that have no basis.
fn add(records: &mut BTreeMap<u32, AdapterRecord>, RecordLine { adapter, mut record }: RecordLine) {
    if let Some(known) = records.remove(&adapter).filter(|known| known.digest == record.digest) {
        record.key = record.key.or(known.key);
        record.missing.extend(known.missing);
        record.missing.sort_by(|a, b| natural_cmp(&a.0, &b.0));
        record.missing.dedup();
    }
    records.insert(adapter, record);
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::files::FileStamp;

    const SCAN: &str = "0123456789abcdef";

    fn record(byte: u8, missing: &[&str]) -> AdapterRecord {
        AdapterRecord {
            digest: Digest::from([byte; 32]),
            key: (byte > 1).then(|| Digest::from([byte; 32])),
            stamp: FileStamp { n_bytes: 5, modified_ns: Some(7) },
            missing: missing.iter().map(|module| (module.to_string(), "zeros".to_owned())).collect(),
        }
    }

    #[test]
    fn what_one_process_leaves_another_one_finds() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::at(dir.path());
        let (one, other) = (Journal::open(&folder, SCAN).unwrap(), Journal::open(&folder, SCAN).unwrap());
        one.put(3, record(1, &[])).unwrap();
        one.put(4, record(2, &["q"])).unwrap();
        assert_eq!(other.get(3), None);
        other.state().read_at -= REFRESH;
        assert_eq!(other.find(3).unwrap(), Some(record(1, &[])));
        assert_eq!(Journal::open(&folder, SCAN).unwrap().get(4), Some(record(2, &["q"])));
        // Only what is new is read again.
        one.put(5, record(1, &[])).unwrap();
        other.state().records.clear();
        other.state().read_at -= REFRESH;
        assert_eq!((other.find(4).unwrap(), other.get(5)), (None, Some(record(1, &[]))));
    }

    #[test]
    fn modules_without_a_basis_add_up() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::at(dir.path());
        let records = Journal::open(&folder, SCAN).unwrap();
        records.put(0, record(1, &[])).unwrap();
        for module in ["layer.10", "layer.9", "layer.9"] {
            records.add_missing(0, module.to_owned(), "zeros".to_owned()).unwrap();
        }
        let expected = Some(record(1, &["layer.9", "layer.10"]));
        assert_eq!(
            (records.get(0), Journal::open(&folder, SCAN).unwrap().get(0)),
            (expected.clone(), expected)
        );
    }

    #[test]
    fn a_record_of_another_digest_is_of_another_file() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::at(dir.path());
        let records = Journal::open(&folder, SCAN).unwrap();
        records.put(0, record(2, &["q"])).unwrap();
        // Neither the key nor what had no basis is true of the new file.
        records.put(0, record(1, &["v"])).unwrap();
        let expected = Some(record(1, &["v"]));
        assert_eq!(
            (records.get(0), Journal::open(&folder, SCAN).unwrap().get(0)),
            (expected.clone(), expected)
        );
    }

    #[test]
    fn half_a_line_is_no_record_and_harms_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::at(dir.path());
        Journal::open(&folder, SCAN).unwrap().put(0, record(1, &[])).unwrap();
        let path = fs::read_dir(folder.records()).unwrap().next().unwrap().unwrap().path();
        let line = fs::read(&path).unwrap();
        for cut in 1..line.len() {
            fs::write(&path, &line[..cut]).unwrap();
            assert_eq!(Journal::open(&folder, SCAN).unwrap().get(0), None, "{cut}");
            Journal::open(&folder, SCAN).unwrap().put(1, record(2, &[])).unwrap();
            assert_eq!(Journal::open(&folder, SCAN).unwrap().get(1), Some(record(2, &[])), "{cut}");
        }
    }

    #[test]
    fn no_flipped_character_makes_another_record() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::at(dir.path());
        let whole = record(2, &["q"]);
        Journal::open(&folder, SCAN).unwrap().put(0, whole.clone()).unwrap();
        let path = fs::read_dir(folder.records()).unwrap().next().unwrap().unwrap().path();
        let line = fs::read(&path).unwrap();
        for at in 0..line.len() {
            for flip in [1, 2, 0x10] {
                let mut damaged = line.clone();
                damaged[at] ^= flip;
                fs::write(&path, &damaged).unwrap();
                let journal = Journal::open(&folder, SCAN).unwrap();
                let text = String::from_utf8_lossy(&damaged);
                // A digit may have changed its case.
                assert!(journal.get(0).is_none_or(|found| found == whole), "{text}");
                assert!((1..99).all(|adapter| journal.get(adapter).is_none()), "{text}");
            }
        }
    }

    #[test]
    fn a_line_of_another_scan_is_no_record_of_this_one() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::at(dir.path());
        Journal::open(&folder, "another").unwrap().put(0, record(2, &["q"])).unwrap();
        assert_eq!(Journal::open(&folder, SCAN).unwrap().get(0), None);
    }
}
