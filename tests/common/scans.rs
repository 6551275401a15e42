//! Scans as a user runs them, in a folder of their own, and their tables.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;

/// A folder in which `lorascope` runs.
pub struct Place {
    dir: tempfile::TempDir,
}

/// How a command ended.
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap() }
    }

    /// In the system's folder for temporary files, where other users can come in.
    pub fn for_all() -> Self {
        let dir = tempfile::tempdir().unwrap();
        #[cfg(unix)]
        fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        Self { dir }
    }

    /// With the checkpoints of [`mixed`](super::checkpoints::mixed).
    pub fn mixed() -> Self {
        let place = Self::new();
        super::checkpoints::mixed(place.root());
        place
    }

    pub fn root(&self) -> &Path {
        self.dir.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `lorascope scan` with these arguments, on the CPU, with a cache of this place.
    pub fn scan(&self, args: &str) -> Command {
        let mut command = self.lorascope(&format!("scan {args}"));
        let args = command.get_args().map(|arg| arg.to_owned()).collect::<Vec<_>>();
        let has = |name: &str| args.iter().any(|arg| arg == name);
        let (has_engine, has_cache) = (has("--engine"), has("--cache") || has("--no-cache"));
        if !has_engine {
            command.args(["--engine", "cpu"]);
        }
        if !has_cache {
            command.args(["--cache", "cache"]);
        }
        command
    }

    /// Any command, split at spaces.
    pub fn lorascope(&self, args: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lorascope"));
        command.args(args.split_whitespace()).current_dir(self.root()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("SLURM_") || text.starts_with("JOB_") || text == "XDG_CACHE_HOME" {
                command.env_remove(&name);
            }
        }
        command.env("XDG_CACHE_HOME", self.path("user-cache"));
        command
    }

    /// Runs a scan to its end.
    pub fn run(&self, args: &str) -> Ended {
        ended(&self.scan(args).output().unwrap())
    }

    /// Runs a scan that is done without a word of error.
    pub fn done(&self, args: &str) -> Ended {
        let ended = self.run(args);
        assert_eq!(ended.code, Some(0), "scan {args}: {}", ended.stderr);
        ended
    }

    /// The option for the least memory that a scan can do with: one block and one factorisation at once.
    pub fn least_memory(&self, args: &str) -> String {
        let refused = self.run(&format!("{args} --memory 1 --dry-run"));
        let hint = refused.stderr.lines().find_map(|line| line.strip_prefix("hint: give it "));
        let hint = hint.unwrap_or_else(|| panic!("scan {args}: {}", refused.stderr));
        hint.split(',').next().unwrap().to_owned()
    }

    /// Makes `to` the folder of a scan that is planned as that in `from` but with this many adapters a side of a block, and
    /// that has nothing done.
    pub fn replan(&self, from: &str, to: &str, block: usize) {
        let text = fs::read_to_string(self.path(from).join("plan.json")).unwrap();
        let mut plan: serde_json::Value = serde_json::from_str(&text).unwrap();
        plan["block"] = block.into();
        fs::create_dir_all(self.path(to)).unwrap();
        fs::write(self.path(to).join("plan.json"), serde_json::to_vec(&plan).unwrap()).unwrap();
    }

    /// The rows of all files of a scan, in the order of the files.
    pub fn table(&self, out: &str) -> Vec<Row> {
        files(&self.path(out).join("pairs")).iter().flat_map(|file| rows(file)).collect()
    }

    /// The table of adapters.
    pub fn adapters(&self, out: &str) -> Vec<Row> {
        rows(&self.path(out).join("adapters.parquet"))
    }

    /// Every file of the result, by name.
    pub fn bytes(&self, out: &str) -> BTreeMap<String, Vec<u8>> {
        let mut paths = files(&self.path(out).join("pairs"));
        paths.push(self.path(out).join("adapters.parquet"));
        let named = |path: &PathBuf| {
            (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap())
        };
        paths.iter().map(named).collect()
    }
}

/// Panics with the names alone where two results differ.
pub fn assert_same(found: &BTreeMap<String, Vec<u8>>, expected: &BTreeMap<String, Vec<u8>>, what: &str) {
    let names = |result: &BTreeMap<String, Vec<u8>>| result.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(found), names(expected), "{what}");
    let differing: Vec<&String> = found.keys().filter(|name| found[*name] != expected[*name]).collect();
    assert!(differing.is_empty(), "{what}: {differing:?} differ");
}

/// What a command left, without what a software Vulkan driver's window system part may say.
pub fn ended(output: &Output) -> Ended {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let stderr = text(&output.stderr);
    let lines = stderr.lines().filter(|line| !line.contains("XDG_RUNTIME_DIR"));
    Ended {
        code: output.status.code(),
        stdout: text(&output.stdout),
        stderr: lines.map(|line| format!("{line}\n")).collect(),
    }
}

/// The Parquet files of a folder, by name.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return vec![] };
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|end| end == "parquet")).collect();
    files.sort();
    files
}

/// A row, by column; `Null` is `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct Row(BTreeMap<String, Option<Field>>);

impl Row {
    /// A number of any type; `None` for NULL.
    pub fn number(&self, column: &str) -> Option<f64> {
        self.field(column).map(|field| match field {
            Field::Int(value) => f64::from(*value),
            Field::Long(value) => *value as f64,
            Field::Float(value) => f64::from(*value),
            Field::Double(value) => *value,
            other => panic!("{column} is {other:?}"),
        })
    }

    /// A number that is there.
    pub fn int(&self, column: &str) -> usize {
        self.number(column).unwrap_or_else(|| panic!("{column} is NULL")) as usize
    }

    pub fn text(&self, column: &str) -> Option<&str> {
        self.field(column).map(|field| match field {
            Field::Str(text) => text.as_str(),
            other => panic!("{column} is {other:?}"),
        })
    }

    pub fn flag(&self, column: &str) -> Option<bool> {
        self.field(column).map(|field| match field {
            Field::Bool(flag) => *flag,
            other => panic!("{column} is {other:?}"),
        })
    }

    pub fn list(&self, column: &str) -> Vec<f64> {
        let Some(Field::ListInternal(list)) = self.field(column) else { panic!("{column} is no list") };
        let number = |field: &Field| match field {
            Field::Float(value) => f64::from(*value),
            other => panic!("{column} has {other:?}"),
        };
        list.elements().iter().map(number).collect()
    }

    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    fn field(&self, column: &str) -> Option<&Field> {
        self.0.get(column).unwrap_or_else(|| panic!("no column {column}")).as_ref()
    }
}

/// The rows of a file.
pub fn rows(file: &Path) -> Vec<Row> {
    let reader = SerializedFileReader::new(File::open(file).unwrap()).unwrap();
    let row = |row: parquet::record::Row| {
        let column = |(name, field): (&String, &Field)| {
            (name.clone(), (!matches!(field, Field::Null)).then(|| field.clone()))
        };
        Row(row.get_column_iter().map(column).collect())
    };
    reader.get_row_iter(None).unwrap().map(|found| row(found.unwrap())).collect()
}
