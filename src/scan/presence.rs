//! Which processes are at work in an output folder: a file for each, that it holds as long as it lives.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::folder::Folder;
use super::journal::host_name;
use crate::error::{Error, Result};
use crate::files::{entries, hold, is_free, is_refusal, open_plain, share};

const SUFFIX: &str = "process";

/// How often a folder is made that others take away.
const N_TRIES: usize = 10;

/// Bytes that are read of what a file says, at most.
const MAX_BYTES: u64 = 200;

/// This process at work in a folder, until it is dropped.
#[derive(Debug)]
pub(super) struct Presence {
    path: PathBuf,
    /// Held: a process that is killed lets go of it.
    _file: File,
}

impl Presence {
    /// Begins to be at work, while the folder is locked. What processes left that were killed is removed.
    ///
    /// # Errors
    /// `Io` when the system refuses.
    pub(super) fn begin(folder: &Folder) -> Result<Self> {
        for (path, file) in files(folder)? {
            if file.is_ok_and(|file| is_free(&file) == Some(true)) {
                // Another process may have been faster.
                let _ = fs::remove_file(path);
            }
        }
        let dir = folder.presences();
        let named = format!("process {} on {}", std::process::id(), host_name());
        let make = || -> io::Result<(PathBuf, File)> {
            // Another process may have taken the empty folder away.
            fs::create_dir_all(&dir)?;
            let mut builder = tempfile::Builder::new();
            builder.suffix(".process").prefix("");
            let new = |path: &Path| OpenOptions::new().read(true).write(true).create_new(true).open(path);
            let (mut file, path) = builder.make_in(&dir, new)?.keep()?;
            // Other users look whether it is held.
            share(&file, &path);
            file.write_all(named.as_bytes())?;
            hold(&file, &path)?;
            Ok((path, file))
        };
        let is_gone =
            |made: &io::Result<_>| matches!(made, Err(error) if error.kind() == io::ErrorKind::NotFound);
        let made = (0..N_TRIES).map(|_| make()).find(|made| !is_gone(made)).unwrap_or_else(make);
        let (path, file) = made.map_err(|error| Error::io("write", &dir, error))?;
        Ok(Self { path, _file: file })
    }

    /// A process that is at work in a folder, in words; one of which nothing can be seen counts as one. Where the file system
    /// has no locks, nothing tells that one is.
    ///
    /// # Errors
    /// `Io` when the system refuses.
    pub(super) fn of_another(folder: &Folder) -> Result<Option<String>> {
        Ok(files(folder)?.into_iter().find_map(|(path, file)| at_work(&path, file)))
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        if let Some(dir) = self.path.parent() {
            // Where it was the last.
            let _ = fs::remove_dir(dir);
        }
    }
}

/// The process of a file, if it is at work.
fn at_work(path: &Path, file: io::Result<File>) -> Option<String> {
    match file {
        Ok(file) => (is_free(&file) == Some(false)).then(|| {
            let mut text = vec![];
            // Whatever it says, it is there.
            let _ = file.take(MAX_BYTES).read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        }),
        Err(error) if is_refusal(&error) => Some(format!("another user's, {}", path.display())),
        // It was removed meanwhile, or is not of a process.
        Err(_) => None,
    }
}

/// The files of all processes, opened.
fn files(folder: &Folder) -> Result<Vec<(PathBuf, io::Result<File>)>> {
    let dir = folder.presences();
    let paths = entries(&dir)?.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    let paths = paths.map(|entry| entry.path()).filter(|path| is_presence(path));
    Ok(paths.map(|path| (open_plain(&path), path)).map(|(file, path)| (path, file)).collect())
}

/// Whether a file of [`Folder::presences`] is one of these.
fn is_presence(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == SUFFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_there_as_long_as_it_holds_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::at(dir.path());
        assert_eq!(Presence::of_another(&folder).unwrap(), None);
        folder.make().unwrap();
        let presence = Presence::begin(&folder).unwrap();
        let said = Presence::of_another(&folder).unwrap().unwrap();
        assert!(said.starts_with(&format!("process {} on ", std::process::id())), "{said}");
        drop(presence);
        assert_eq!(Presence::of_another(&folder).unwrap(), None);
        // What a killed process leaves, and the user's own.
        fs::create_dir_all(folder.presences()).unwrap();
        fs::write(folder.presences().join("x.process"), "process 1 on a").unwrap();
        fs::write(folder.presences().join("notes.txt"), "mine").unwrap();
        assert_eq!(Presence::of_another(&folder).unwrap(), None);
        drop(Presence::begin(&folder).unwrap());
        let left: Vec<_> =
            fs::read_dir(folder.presences()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["notes.txt"]);
    }

    #[test]
    #[cfg(unix)]
    fn all_who_may_read_the_folder_see_a_process() {
        use std::os::unix::fs::PermissionsExt as _;
        for (of_folder, of_file) in [(0o777, 0o666), (0o770, 0o660), (0o755, 0o644), (0o700, 0o600)] {
            let dir = tempfile::tempdir().unwrap();
            let folder = Folder::at(dir.path());
            folder.make().unwrap();
            fs::set_permissions(folder.presences(), fs::Permissions::from_mode(of_folder)).unwrap();
            let presence = Presence::begin(&folder).unwrap();
            let mode = fs::metadata(&presence.path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, of_file, "{of_folder:o}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_process_that_cannot_be_looked_at_is_at_work_and_a_pipe_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::at(dir.path());
        folder.make().unwrap();
        let pipe = folder.presences().join("pipe.process");
        assert!(std::process::Command::new("mkfifo").arg(pipe).status().unwrap().success());
        assert_eq!(Presence::of_another(&folder).unwrap(), None);
        let of = |kind: io::ErrorKind| at_work(Path::new("out/x.process"), Err(kind.into()));
        assert_eq!(of(io::ErrorKind::PermissionDenied).as_deref(), Some("another user's, out/x.process"));
        assert_eq!(of(io::ErrorKind::NotFound), None);
    }
}
