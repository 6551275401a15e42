//! Running the command line on files in a folder of the test's own.

use std::path::Path;
use std::process::{Command, Output};

/// Runs `lorascope COMMAND ARGS...` in the folder of the manifest.
pub fn run(command: &str, args: &[&str]) -> Output {
    let mut lorascope = Command::new(env!("CARGO_BIN_EXE_lorascope"));
    lorascope.arg(command).args(args).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap()
}

/// What was printed.
pub fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A folder that is gone after the test.
pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// A path as an argument.
pub fn shown(path: &Path) -> &str {
    path.to_str().unwrap()
}
