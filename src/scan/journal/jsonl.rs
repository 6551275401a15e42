//! Lines of JSON that each process appends to a file of its own, so that no two write to one: host and process id name it.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, Result};
use crate::files::{append_to_plain, entries, open_plain};

/// The machine's name, empty where it has none.
pub fn host_name() -> String {
    sysinfo::System::host_name().unwrap_or_default()
}

/// This process's file in a folder.
#[derive(Debug)]
pub struct JsonlWriter {
    path: PathBuf,
    file: File,
}

impl JsonlWriter {
    /// Opens the file. What is in it stays: a process of the same name may have left half a line, which is ended.
    ///
    /// # Errors
    /// `Io` when the system refuses.
    pub fn open(dir: &Path) -> Result<Self> {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        let host: String = host_name().chars().map(plain).take(60).collect();
        let path = dir.join(format!("{host}-{}.jsonl", std::process::id()));
        let open = || -> io::Result<File> {
            fs::create_dir_all(dir)?;
            let mut file = append_to_plain(&path)?;
            if file.metadata()?.len() > 0 {
                file.write_all(b"\n")?;
            }
            Ok(file)
        };
        let file = open().map_err(|error| Error::io("write", &path, error))?;
        Ok(Self { path, file })
    }

    /// Appends a line.
    ///
    /// # Errors
    /// `Io` when the system refuses.
    pub fn append(&mut self, line: &impl Serialize) -> Result<()> {
        let mut text = serde_json::to_vec(line).expect("numbers, strings and lists are JSON");
        text.push(b'\n');
        self.file.write_all(&text).map_err(|error| Error::io("write", &self.path, error))
    }

    /// Waits until the lines are on the disk.
    ///
    /// # Errors
    /// `Io` when the system refuses.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|error| Error::io("write", &self.path, error))
    }
}

/// How far the files of a folder were read: bytes of whole lines.
#[derive(Debug, Default)]
pub struct JsonlTail(HashMap<PathBuf, u64>);

impl JsonlTail {
    /// Hands on every line that was added to any process's file since the last time. A process that was killed may have
    /// left half a line.
    ///
    /// # Errors
    /// `Io` when the system refuses.
    pub fn read_new(&mut self, dir: &Path, mut take: impl FnMut(&[u8])) -> Result<()> {
        for entry in entries(dir)? {
            let path = entry?.path();
            if path.extension().is_none_or(|end| end != "jsonl") {
                continue;
            }
            let mut lines = vec![];
            let from = self.0.get(&path).copied().unwrap_or(0);
            let read = open_plain(&path).and_then(|mut file| {
                file.seek(SeekFrom::Start(from))?;
                file.read_to_end(&mut lines)
            });
            read.map_err(|error| Error::io("read", &path, error))?;
            // Another process may be writing the last line just now.
            let whole = lines.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
            lines[..whole].split(|&byte| byte == b'\n').for_each(&mut take);
            self.0.insert(path, from + whole as u64);
        }
        Ok(())
    }
}
