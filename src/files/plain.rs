//! Opens files that are read whole, but for what would have to be waited for.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// Opens a file to read. A pipe, a socket or a device in its place is refused: a read of it may never end.
///
/// # Errors
/// Those of the system, and for what is not a file.
pub(crate) fn open_plain(path: &Path) -> io::Result<File> {
    checked(OpenOptions::new().read(true), path)
}

/// Opens a file to write at its end, which is made if it is not there, with the same refusal.
///
/// # Errors
/// As [`open_plain`].
pub(crate) fn append_to_plain(path: &Path) -> io::Result<File> {
    checked(OpenOptions::new().append(true).create(true), path)
}

fn checked(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        // To open a pipe is to wait for its other end without this, which changes nothing of files.
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32);
    }
    let file = options.open(path).map_err(|error| match is_of_a_pipe(&error) {
        true => not_a_file(),
        false => error,
    })?;
    let kind = file.metadata()?.file_type();
    // Whoever reads a folder is told so by the system.
    if kind.is_file() || kind.is_dir() { Ok(file) } else { Err(not_a_file()) }
}

/// ENXIO: a pipe that nobody reads was opened to write, or a socket was.
fn is_of_a_pipe(error: &io::Error) -> bool {
    cfg!(unix) && error.raw_os_error() == Some(6)
}

fn not_a_file() -> io::Error {
    io::Error::other("a pipe, a socket or a device, not a file")
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::io::{Read as _, Write as _};
    use std::process::Command;

    use super::*;

    #[test]
    fn what_is_not_a_file_is_refused_at_once_and_files_are_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        assert!(Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        std::os::unix::fs::symlink("pipe", at("link")).unwrap();
        for path in [at("pipe"), at("socket"), at("link"), "/dev/zero".into()] {
            for opened in [open_plain(&path), append_to_plain(&path)] {
                let error = opened.unwrap_err().to_string();
                assert_eq!(error, "a pipe, a socket or a device, not a file", "{}", path.display());
            }
        }
        for part in ["a", "b"] {
            append_to_plain(&at("file")).unwrap().write_all(part.as_bytes()).unwrap();
        }
        let mut text = String::new();
        open_plain(&at("file")).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "ab");
        assert_eq!(open_plain(&at("gone")).unwrap_err().kind(), io::ErrorKind::NotFound);
        fs::create_dir(at("folder")).unwrap();
        assert!(open_plain(&at("folder")).unwrap().read(&mut [0]).is_err());
    }
}
