//! A scan's output folder: where everything lies in it.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::plan::{Plan, SCHEMA};
use crate::error::{Error, Fault, Remedy, Result};
use crate::files::{Durability, Lock, is_claim_of, is_temp_file, replace_atomically, set_aside};

const LOCK: &str = "lock";

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
        for path in [self.pairs(), self.records(), self.logs()] {
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
        let folder = self.pairs();
        let named = |error| Error::io("list", &folder, error);
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
            entries => entries.map_err(named)?,
        };
        let mut files = vec![];
        for entry in entries {
            let path = entry.map_err(named)?.path();
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

    fn work(&self) -> PathBuf {
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

    /// Bases that several blocks need, where there is no cache to keep them in.
    pub fn bases(&self) -> PathBuf {
        self.work().join("bases")
    }

    /// The file of a block.
    pub fn block_file(&self, name: &str) -> PathBuf {
        self.pairs().join(format!("{name}.parquet"))
    }

    /// Keeps other processes from changing the plan until it is dropped.
    ///
    /// # Errors
    /// `Io` when the system refuses.
    pub(crate) fn lock(&self) -> Result<Lock> {
        let path = self.lock_file();
        Lock::wait_for(&path).map_err(|error| Error::io("lock", &path, error))
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
        let open = || {
            let there = File::open(&path).or_else(|error| match error.kind() {
                io::ErrorKind::NotFound => File::open(set_aside(&path)),
                _ => Err(error),
            });
            there.map(BufReader::new)
        };
        let file = match open() {
            Ok(file) => file,
            // A file where the folder should be is reported by whoever makes it.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(Error::io("read", &path, error)),
        };
        let wrong =
            |found: String, expected: &str| Fault::new(found, expected).at(&path).remedy(Remedy::StartOver);
        // From the file as it is read: the text beside the plan would take half a kilobyte an adapter.
        let plan: Plan = match serde_json::from_reader(file) {
            Ok(plan) => plan,
            Err(error) if error.is_io() => return Err(Error::io("read", &path, error.into())),
            Err(error) => {
                let file = open().map_err(|error| Error::io("read", &path, error))?;
                let head = serde_json::from_reader::<_, Head>(file).map(|head| head.schema);
                return Err(match head {
                    Ok(schema) if schema != Some(SCHEMA.into()) => other_schema(schema, wrong),
                    Ok(_) => {
                        let found = format!("a plan that cannot be read ({error})");
                        wrong(found, "the fields of a plan").malformed()
                    }
                    Err(_) => wrong(format!("JSON that cannot be read ({error})"), "a plan").malformed(),
                });
            }
        };
        if plan.schema != SCHEMA {
            return Err(other_schema(Some(plan.schema.into()), wrong));
        }
        if let Some(found) = plan.contradiction() {
            return Err(wrong(found.to_owned(), "a plan as it was written").malformed());
        }
        Ok(Some(plan))
    }

    /// Puts the plan in place.
    ///
    /// # Errors
    /// `Io` when the system refuses.
    pub fn write_plan(&self, plan: &Plan) -> Result<()> {
        let path = self.plan_file();
        replace_atomically(&path, Durability::PowerCut, |file| {
            let mut file = BufWriter::new(file);
            let written = serde_json::to_writer_pretty(&mut file, plan).map_err(io::Error::from);
            let written = written.and_then(|()| file.write_all(b"\n")).and_then(|()| file.flush());
            written.map_err(|error| Error::io("write", &path, error))
        })
    }

    /// Removes blocks that were not written to their end, once all are there.
    ///
    /// # Errors
    /// `Io` when the system refuses.
    pub fn remove_parts(&self) -> Result<()> {
        let mut parts = self.blocks().filter(|path| is_temp_file(&file_name(path)));
        parts.try_for_each(|path| gone(&path, fs::remove_file(&path)))
    }

    /// The files of blocks, whole or on the way.
    fn blocks(&self) -> impl Iterator<Item = PathBuf> {
        let entries = fs::read_dir(self.pairs()).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| is_ours(path))
    }

    /// Removes what a scan left here. Other files stay, as does everything in a folder that holds no plan.
    ///
    /// # Errors
    /// `Io` when the system refuses.
    pub fn clear(&self) -> Result<()> {
        if !self.plan_file().exists() {
            return Ok(());
        }
        for path in [self.bases(), self.records(), self.logs()] {
            gone(&path, fs::remove_dir_all(&path))?;
        }
        let files = [
            self.adapters_file(),
            self.histograms_file(),
            self.relations_file(),
            self.lock_file(),
            self.plan_file(),
        ];
        let claims = fs::read_dir(self.work()).into_iter().flatten().flatten().map(|entry| entry.path());
        let claims = claims.filter(|path| is_claim_of(LOCK, &file_name(path)));
        for path in self.blocks().chain(claims).chain(files) {
            gone(&path, fs::remove_file(&path))?;
        }
        for path in [self.pairs(), self.work()] {
            // Whatever else lies there is the user's.
            let _ = fs::remove_dir(&path);
        }
        Ok(())
    }
}

/// What tells whether the rest of a plan can be read.
#[derive(serde::Deserialize)]
struct Head {
    schema: Option<u64>,
}

fn other_schema(schema: Option<u64>, wrong: impl Fn(String, &str) -> Fault) -> Error {
    let found = schema.map_or("no schema".to_owned(), |schema| format!("schema {schema}"));
    wrong(found, &format!("schema {SCHEMA}")).unsupported()
}

/// Whether a file of `pairs/` is a block's, or was on the way to be one.
fn is_ours(path: &Path) -> bool {
    let name = file_name(path);
    name.ends_with(".parquet") || is_temp_file(&name)
}

fn file_name(path: &Path) -> Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}

fn gone(path: &Path, removed: io::Result<()>) -> Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path, error)),
        _ => Ok(()),
    }
}
