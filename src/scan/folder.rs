//! A scan's output folder: where everything lies in it.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use serde::de::IgnoredAny;
use serde_json::Value;

use super::plan::{Plan, SCHEMA};
use crate::error::{Error, Fault, Remedy, Result};
use crate::files::{Durability, Lock, entries, open_plain, replace_atomically, set_aside};
use crate::sync::stop;

const LOCK: &str = "lock";

/// How often a process that waits for a lock looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);

/// An output folder.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder, there or not.
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Makes what is not there of it.
    ///
    /// # Errors
    /// `Invalid` when something else has its place, `Io` when the system refuses.
    pub fn make(&self) -> Result<()> {
        for path in [self.pairs(), self.records(), self.logs(), self.presences()] {
            fs::create_dir_all(&path).map_err(|error| match error.kind() {
                io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                    Fault::new("a file on its way", "a place for a folder").at(&path).invalid()
                }
                _ => Error::io("make", &path, error),
            })?;
        }
        Ok(())
    }

    /// A folder that holds a scan.
    ///
    /// # Errors
    /// `Invalid` when it does not, `NotFound` when it is not there.
    pub fn open(path: &Path) -> Result<Self> {
        let folder = Self::at(path);
        if folder.plan_file().is_file() {
            return Ok(folder);
        }
        Err(match path.exists() {
            true => Fault::stating("not the output folder of a scan: it has no plan.json")
                .at(path)
                .remedy(Remedy::MakeScan)
                .invalid(),
            false => Fault::no_such_file(path).remedy(Remedy::MakeScan).not_found(),
        })
    }

    /// As the user named it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The plan.
    pub fn plan_file(&self) -> PathBuf {
        self.path.join("plan.json")
    }

    /// The table of pairs: a folder of Parquet files.
    pub fn pairs(&self) -> PathBuf {
        self.path.join("pairs")
    }

    /// The files of the table of pairs, in the order of their names; none when nothing was compared yet.
    ///
    /// # Errors
    /// `Io` when the system refuses to list them.
    pub(crate) fn pair_files(&self) -> Result<Vec<PathBuf>> {
        let mut files = vec![];
        for entry in entries(&self.pairs())? {
            let path = entry?.path();
            if path.extension().is_some_and(|end| end == "parquet") {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }

    /// How all pairs are spread, where `top:K` keeps only some.
    pub fn histograms_file(&self) -> PathBuf {
        self.path.join("histograms.parquet")
    }

    /// The table of adapters.
    pub fn adapters_file(&self) -> PathBuf {
        self.path.join("adapters.parquet")
    }

    /// The table of the pairs that are related, of a scan that has the updates.
    pub fn relations_file(&self) -> PathBuf {
        self.path.join("relations.parquet")
    }

    /// What only runs of the scan need.
    pub(super) fn work(&self) -> PathBuf {
        self.path.join("work")
    }

    /// What is known of each adapter's file: lines in a file for each process.
    pub fn records(&self) -> PathBuf {
        self.work().join("adapters")
    }

    /// Who did which block and when: a file for each process.
    pub fn logs(&self) -> PathBuf {
        self.work().join("log")
    }

    /// A file for each process that is at work here.
    pub(super) fn presences(&self) -> PathBuf {
        self.work().join("running")
    }

    /// The plan of a scan that is being removed.
    pub(super) fn removed_plan(&self) -> PathBuf {
        self.work().join("removed.json")
    }

    /// Bases that several blocks need, where there is no cache to keep them in.
    pub fn bases(&self) -> PathBuf {
        self.work().join("bases")
    }

    /// The file of a block.
    pub fn block_file(&self, name: &str) -> PathBuf {
        self.pairs().join(format!("{name}.parquet"))
    }

    /// Keeps other processes from changing the plan until it is dropped. Waits for the one that holds it, unless `stop` is set.
    ///
    /// # Errors
    /// `Io` when the system refuses, `Stopped` when it was told to stop while it waited.
    pub(crate) fn lock(&self, stop: &AtomicBool) -> Result<Lock> {
        let path = self.lock_file();
        let (locked, waiting) = mpsc::channel();
        let of_thread = path.clone();
        let wait = move || _ = locked.send(Lock::wait_for(&of_thread));
        // A wait cannot be broken off. Who is told to stop leaves it, and what comes of it is dropped.
        let spawned = thread::Builder::new().name("wait for lock".to_owned()).spawn(wait);
        spawned.map_err(|error| Error::io("lock", &path, error))?;
        loop {
            match waiting.recv_timeout(LOOK) {
                Ok(lock) => return lock.map_err(|error| Error::io("lock", &path, error)),
                Err(RecvTimeoutError::Timeout) => stop::check(stop)?,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::io("lock", &path, io::ErrorKind::Other.into()));
                }
            }
        }
    }

    fn lock_file(&self) -> PathBuf {
        self.work().join(LOCK)
    }

    /// The plan, where there is one already.
    ///
    /// # Errors
    /// `Malformed` when it cannot be read, `Unsupported` when another version wrote another layout.
    pub fn read_plan(&self) -> Result<Option<Plan>> {
        let path = self.plan_file();
        let Some(file) = open_plan(&path)? else { return Ok(None) };
        let wrong = |found: String, expected: &str| Fault::new(found, expected).at(&path);
        // From the file as it is read: the text beside the plan would take half a kilobyte an adapter.
        let plan: Plan = match serde_json::from_reader(file) {
            Ok(plan) => plan,
            Err(error) if error.is_io() => return Err(Error::io("read", &path, error.into())),
            Err(error) => {
                let head = self.read_head(&path)?;
                let is_of_scan = head.as_ref().is_some_and(Head::is_of_scan);
                let way_out = if is_of_scan { Remedy::StartOver } else { Remedy::OtherOutput };
                let text = format!("JSON that cannot be read ({error})");
                return Err(match head.map(|head| head.schema()) {
                    Some(schema) if schema != Some(SCHEMA.into()) => other_schema(schema, &path, way_out),
                    Some(_) => {
                        let found = format!("a plan that cannot be read ({error})");
                        wrong(found, "the fields of a plan").remedy(way_out).malformed()
                    }
                    None => wrong(text, "a plan").remedy(way_out).malformed(),
                });
            }
        };
        if plan.schema != SCHEMA {
            return Err(other_schema(Some(plan.schema.into()), &path, Remedy::StartOver));
        }
        if let Some(found) = plan.contradiction() {
            let fault = wrong(found.to_owned(), "a plan as it was written");
            return Err(fault.remedy(Remedy::StartOver).malformed());
        }
        Ok(Some(plan))
    }

    /// What of a plan's file tells whose it is; `None` where it is not JSON, or not there.
    ///
    /// # Errors
    /// `Io` when the system refuses.
    pub(super) fn read_head(&self, plan: &Path) -> Result<Option<Head>> {
        Ok(open_plan(plan)?.and_then(|file| serde_json::from_reader(file).ok()))
    }

    /// Puts the plan in place, unless `check` refuses it once it is written.
    ///
    /// # Errors
    /// Those of `check`; `Io` when the system refuses.
    pub fn write_plan(&self, plan: &Plan, check: impl FnOnce() -> Result<()>) -> Result<()> {
        let path = self.plan_file();
        replace_atomically(&path, Durability::PowerCut, |file| {
            let mut file = BufWriter::new(file);
            let written = serde_json::to_writer_pretty(&mut file, plan).map_err(io::Error::from);
            let written = written.and_then(|()| file.write_all(b"\n")).and_then(|()| file.flush());
            written.map_err(|error| Error::io("write", &path, error))?;
            check()
        })
    }
}

/// The file of a plan; `None` where there is none.
fn open_plan(path: &Path) -> Result<Option<BufReader<File>>> {
    match open_file(path) {
        Ok(file) => Ok(Some(BufReader::new(file))),
        // A file where the folder should be is reported by whoever makes it.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(Error::io("read", path, error)),
    }
}

/// Opens the file of a plan, or what was set aside while it is replaced.
pub(super) fn open_file(path: &Path) -> io::Result<File> {
    // What is not in one place may just have been put into the other.
    let places = [path, &set_aside(path), path];
    let is_absent =
        |opened: &io::Result<File>| matches!(opened, Err(error) if error.kind() == io::ErrorKind::NotFound);
    let mut opened = places.into_iter().map(open_plain);
    opened.find(|opened| !is_absent(opened)).unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()))
}

/// What tells whose a plan is, of any version.
#[derive(serde::Deserialize)]
pub(super) struct Head {
    schema: Option<Value>,
    version: Option<Value>,
    options: Option<Value>,
    layouts: Option<Kind>,
    adapters: Option<Kind>,
    generations: Option<Kind>,
}

/// Whether a value is a list, whatever is in it.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Kind {
    List(Vec<IgnoredAny>),
    Other(IgnoredAny),
}

impl Head {
    /// Whether a scan wrote it, of this version or of another one.
    pub(super) fn is_of_scan(&self) -> bool {
        let is_list = |kind: &Option<Kind>| matches!(kind, Some(Kind::List(list)) if !list.is_empty());
        let has = |key: &str| self.options.as_ref().is_some_and(|options| options.get(key).is_some());
        self.schema.as_ref().is_some_and(Value::is_u64)
            && self.version.as_ref().is_some_and(Value::is_string)
            && ["side", "pairs", "keep"].into_iter().all(has)
            && [&self.layouts, &self.adapters, &self.generations].into_iter().all(is_list)
    }

    fn schema(&self) -> Option<u64> {
        self.schema.as_ref().and_then(Value::as_u64)
    }
}

fn other_schema(schema: Option<u64>, path: &Path, way_out: Remedy) -> Error {
    let found = schema.map_or("no schema".to_owned(), |schema| format!("schema {schema}"));
    Fault::new(found, format!("schema {SCHEMA}")).at(path).remedy(way_out).unsupported()
}
