//! The side log: who did which block and when. Result files hold neither, so that they do not depend on it.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::folder::Folder;
use super::shard::{Numbering, Shard};
use crate::error::{Error, Result};

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Seconds since 1970.
    pub time_s: u64,
    /// The machine.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// Its share, K of N.
    pub shard: (usize, usize),
    /// The array's first task id, where the share came from an array.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub array_min: Option<usize>,
    /// The block that was done; none in the line that a process begins with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<String>,
}

/// The log of this process.
#[derive(Debug)]
pub struct Log {
    file: Mutex<File>,
    line: Line,
}

impl Log {
    /// Begins a log with a line of its own.
    ///
    /// # Errors
    /// `Io` when the system refuses.
    pub fn begin(folder: &Folder, shard: Shard, array_min: Option<usize>) -> Result<Self> {
        let (host, pid) = (host_name(), std::process::id());
        let path = folder.logs().join(format!("{}.jsonl", process_name()));
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.map_err(|error| Error::io("write", &path, error))?;
        let line = Line { time_s: now_s(), host, pid, shard: (shard.k, shard.n), array_min, block: None };
        let log = Self { file: Mutex::new(file), line };
        log.write(&log.line);
        Ok(log)
    }

    /// Notes that a block is done.
    pub fn block(&self, name: &str) {
        self.write(&Line { time_s: now_s(), block: Some(name.to_owned()), ..self.line.clone() });
    }

    fn write(&self, line: &Line) {
        let mut text = serde_json::to_vec(line).expect("numbers and strings are JSON");
        text.push(b'\n');
        // The log only tells of results that are in place: a full disk stops the results themselves.
        let _ = self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&text);
    }
}

/// Every line of every process, in the order of time.
///
/// # Errors
/// `Io` when the system refuses.
pub fn read(folder: &Folder) -> Result<Vec<Line>> {
    let dir = folder.logs();
    let mut lines: Vec<Line> = vec![];
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(lines),
        Err(error) => return Err(Error::io("list", &dir, error)),
    };
    for entry in entries {
        let path = entry.map_err(|error| Error::io("list", &dir, error))?.path();
        let file = File::open(&path).map_err(|error| Error::io("read", &path, error))?;
        for text in BufReader::new(file).lines() {
            let text = text.map_err(|error| Error::io("read", &path, error))?;
            // A process that was killed may have left half a line.
            lines.extend(serde_json::from_str::<Line>(&text));
        }
    }
    lines.sort_by(|a, b| (a.time_s, &a.host, a.pid, &a.block).cmp(&(b.time_s, &b.host, b.pid, &b.block)));
    Ok(lines)
}

/// How the shares of a folder were counted by its last array.
pub fn numbering(lines: &[Line]) -> Option<Numbering> {
    let of_array = |line: &Line| Some(Numbering { n: line.shard.1, first_id: line.array_min? });
    lines.iter().rev().find_map(of_array)
}

fn host_name() -> String {
    sysinfo::System::host_name().unwrap_or_default()
}

/// Names this process's own files in an output folder: host and process id.
pub fn process_name() -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let host: String = host_name().chars().map(plain).take(60).collect();
    format!("{host}-{}", std::process::id())
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
