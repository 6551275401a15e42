//! The side log: who did which block and when. Result files hold neither, so that they do not depend on it.

use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::jsonl::{JsonlTail, JsonlWriter, host_name};
use crate::error::Result;
use crate::scan::folder::Folder;
use crate::scan::shard::{Numbering, Shard};
use crate::sync::lock;

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
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
    lines: Mutex<JsonlWriter>,
    line: LogLine,
}

impl Log {
    /// Begins a log with a line of its own.
    ///
    /// # Errors
    /// `Io` when the system refuses.
    pub fn begin(folder: &Folder, shard: Shard, array_min: Option<usize>) -> Result<Self> {
        let lines = Mutex::new(JsonlWriter::open(&folder.logs())?);
        let (host, pid) = (host_name(), std::process::id());
        let line = LogLine { time_s: now_s(), host, pid, shard: (shard.k, shard.n), array_min, block: None };
        let log = Self { lines, line };
        log.write(&log.line);
        Ok(log)
    }

    /// Notes that a block is done.
    pub fn block(&self, name: &str) {
        self.write(&LogLine { time_s: now_s(), block: Some(name.to_owned()), ..self.line.clone() });
    }

    fn write(&self, line: &LogLine) {
        // The log only tells of results that are in place: a full disk stops the results themselves.
        let _ = lock(&self.lines).append(line);
    }
}

/// Every line of every process, in the order of time.
///
/// # Errors
/// `Io` when the system refuses.
pub fn read(folder: &Folder) -> Result<Vec<LogLine>> {
    let mut lines: Vec<LogLine> = vec![];
    JsonlTail::default()
        .read_new(&folder.logs(), |line| lines.extend(serde_json::from_slice::<LogLine>(line)))?;
    lines.sort_by(|a, b| (a.time_s, &a.host, a.pid, &a.block).cmp(&(b.time_s, &b.host, b.pid, &b.block)));
    Ok(lines)
}

/// How the shares of a folder were counted by its last array.
pub fn numbering(lines: &[LogLine]) -> Option<Numbering> {
    let of_array = |line: &LogLine| Some(Numbering { n: line.shard.1, first_id: line.array_min? });
    lines.iter().rev().find_map(of_array)
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
