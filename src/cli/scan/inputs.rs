//! What the command line names: checkpoints, and what to pair.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::args::ScanArgs;
use crate::cli::limits::limits;
use crate::error::{Error, Fault};
use crate::scan::plan::PairChoice;
use crate::text::quoted;

/// How often it is looked, while a list is waited for, whether to stop.
const LOOK: Duration = Duration::from_millis(20);

/// The paths and globs that are named, and what to pair.
///
/// # Errors
/// `Stopped` when it was told to stop while it waits for a list.
pub(super) fn named(args: &ScanArgs, stop: &AtomicBool) -> Result<(Vec<PathBuf>, PairChoice)> {
    let (mut named, pairs) = pair_choice(args)?;
    if let Some(list) = &args.list {
        named.extend(of_list(list, &read_list(list, stop)?)?);
    }
    if named.is_empty() {
        return Err(Fault::new("no RUN", "checkpoints, folders of them, or globs")
            .of("scan")
            .invalid()
            .into());
    }
    Ok((named, pairs))
}

/// What to pair, and the inputs: words after `--pairs all` are inputs.
fn pair_choice(args: &ScanArgs) -> Result<(Vec<PathBuf>, PairChoice)> {
    let mut named = args.runs.clone();
    if let (Some(left), Some(right)) = (&args.which.left, &args.which.right) {
        return Ok((named, PairChoice::LeftRight(left.clone(), right.clone())));
    }
    let Some((first, rest)) = args.which.pairs.split_first() else { return Ok((named, PairChoice::All)) };
    let rest: Vec<PathBuf> = rest.iter().map(PathBuf::from).collect();
    let choice = match first.as_str() {
        "all" => PairChoice::All,
        "consecutive" => PairChoice::Consecutive,
        "against" if rest.is_empty() => {
            let hint = "lorascope scan RUNS... --pairs against REF... -o OUT";
            return Err(Fault::new("no REF", "one after `against`")
                .of("--pairs")
                .hint(hint)
                .invalid()
                .into());
        }
        "against" => return Ok((named, PairChoice::Against(rest))),
        other => {
            return Err(Fault::new(quoted(other), "`all`, `consecutive` or `against REF...`")
                .of("--pairs")
                .invalid()
                .into());
        }
    };
    named.extend(rest);
    Ok((named, choice))
}

/// The bytes of a list, which may come from a pipe: it is read by a thread of its own, which a stop leaves waiting.
fn read_list(path: &Path, stop: &AtomicBool) -> Result<Vec<u8>, Error> {
    let (send, read) = mpsc::channel();
    let of_thread = path.to_owned();
    let reader = thread::Builder::new().name("list".to_owned()).spawn(move || {
        // Nobody waits for it any more after a stop.
        let _ = send.send(read_all(&of_thread));
    });
    reader.map_err(|error| Error::io("read", path, error))?;
    loop {
        match read.recv_timeout(LOOK) {
            Ok(bytes) => return bytes,
            Err(_) if stop.load(Ordering::Relaxed) => return Err(Error::Stopped),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Error::io("read", path, io::Error::other("its reader failed")));
            }
        }
    }
}

fn read_all(path: &Path) -> Result<Vec<u8>, Error> {
    if path == Path::new("-") {
        return limits().read_text(Path::new("stdin"), io::stdin().lock());
    }
    let file = File::open(path).map_err(|error| Error::io("read", path, error))?;
    limits().read_text(path, file)
}

/// The paths of a list, one a line; empty lines and those that begin with `#` are left out.
///
/// # Errors
/// `Malformed` for bytes that cannot be a path on this system.
fn of_list(list: &Path, bytes: &[u8]) -> Result<Vec<PathBuf>, Error> {
    let lines = (1..).zip(bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii));
    let named = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with(b"#"));
    let path = |(number, line): (usize, &[u8])| {
        path_of(line).ok_or_else(|| {
            let fault = Fault::new(quoted(&String::from_utf8_lossy(line)), "UTF-8 text");
            fault.at(list).of(format!("line {number}")).malformed()
        })
    };
    named.map(path).collect()
}

/// Paths are bytes here.
#[cfg(unix)]
fn path_of(line: &[u8]) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt as _;
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(line)))
}

#[cfg(not(unix))]
fn path_of(line: &[u8]) -> Option<PathBuf> {
    std::str::from_utf8(line).ok().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_a_path_a_line() {
        let found = of_list(Path::new("list"), b"# runs\na/b\n\n  c d \r\n").unwrap();
        assert_eq!(found, [PathBuf::from("a/b"), PathBuf::from("c d")]);
    }

    #[test]
    #[cfg(unix)]
    fn a_path_that_is_not_text_is_a_path() {
        use std::os::unix::ffi::OsStrExt as _;
        let found = of_list(Path::new("list"), b"a\n\xffb\n").unwrap();
        assert_eq!(
            found.iter().map(|path| path.as_os_str().as_bytes()).collect::<Vec<_>>(),
            [&b"a"[..], b"\xffb"]
        );
    }
}
