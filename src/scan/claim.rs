//! What a process may put into an output folder: results of the scan whose plan is there, and of no other.
//!
//! While a scan runs, its folder may be removed or be taken by another scan. A result is written next to its place first, and
//! then the plan is looked at: whoever puts another plan there has removed what was there before, the file on its way too, so
//! that it cannot be put in place any more.

use std::io::ErrorKind;
use std::sync::{Arc, Mutex};

use super::folder::{Folder, open_file};
use super::plan::Plan;
use crate::error::{Error, Fault, Result};
use crate::files::FileStamp;
use crate::sync::lock;

/// A process's right to write results of its plan.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    folder: &'a Folder,
    plan: &'a Plan,
    seen: Mutex<Seen>,
}

/// The plan as it was read last.
#[derive(Debug, Default)]
struct Seen {
    file: Option<FileId>,
    /// Where it has changed since.
    now: Option<Arc<Plan>>,
}

/// What changes when a file is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId {
    stamp: FileStamp,
    /// Device, inode, and the time of the last change in seconds and nanoseconds.
    #[cfg(unix)]
    inode: (u64, u64, i64, i64),
}

impl<'a> Claim<'a> {
    /// Of this plan, which is in place.
    pub(super) fn of(folder: &'a Folder, plan: &'a Plan) -> Self {
        Self { folder, plan, seen: Mutex::default() }
    }

    /// Looks whether the plan in the folder is still this one. Returns it where other processes have added adapters to it, or
    /// have gone on without some.
    ///
    /// # Errors
    /// `Invalid` when it is another one or none; `Io` when the system refuses.
    pub(super) fn check(&self) -> Result<Option<Arc<Plan>>> {
        let mut seen = lock(&self.seen);
        let file = self.file()?;
        if seen.file != Some(file) {
            let now = self.folder.read_plan()?.ok_or_else(|| self.taken("no plan any more"))?;
            if !self.plan.goes_on_as(&now) {
                return Err(self.taken("the plan of another scan"));
            }
            let has_changed =
                (&now.adapters.len(), &now.forgotten) != (&self.plan.adapters.len(), &self.plan.forgotten);
            *seen = Seen { file: Some(file), now: has_changed.then(|| Arc::new(now)) };
        }
        Ok(seen.now.clone())
    }

    /// What an error comes from: a file that is gone went with the folder, maybe.
    pub(super) fn explain(&self, error: Error) -> Error {
        match error {
            Error::Io { .. } => self.check().err().unwrap_or(error),
            other => other,
        }
    }

    /// The error of [`Claim::check`] where there is one, to stand at the end of what is written.
    pub(super) fn refusal<T>(&self) -> impl Iterator<Item = Result<T>> {
        std::iter::once_with(|| self.check().err().map(Err)).flatten()
    }

    /// Opened, since network file systems look a file up anew only then.
    fn file(&self) -> Result<FileId> {
        let path = self.folder.plan_file();
        let metadata = open_file(&path).and_then(|file| file.metadata());
        let metadata = metadata.map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => self.taken("no plan any more"),
            _ => Error::io("read", &path, error),
        })?;
        Ok(FileId {
            stamp: FileStamp::new(&metadata),
            #[cfg(unix)]
            inode: {
                use std::os::unix::fs::MetadataExt as _;
                (metadata.dev(), metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
            },
        })
    }

    fn taken(&self, found: &str) -> Error {
        let hint = "another process has removed this scan or begun another one in its place, and nothing more was written: \
                    give each scan an output folder of its own";
        Fault::new(found, "the one that this scan began with")
            .at(self.folder.plan_file())
            .hint(hint)
            .invalid()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::scan::plan::tests::plan;

    #[test]
    fn a_plan_is_its_own_until_it_is_replaced_or_removed() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::at(dir.path());
        let own = Plan { id: "own".to_owned(), ..plan(3) };
        folder.write_plan(&own, || Ok(())).unwrap();
        let claim = Claim::of(&folder, &own);
        for _ in 0..2 {
            assert!(claim.check().unwrap().is_none());
        }
        // Another process has recorded its engine, and one has added adapters.
        let grown = Plan { id: "own".to_owned(), ..plan(5) };
        let grown = Plan { generations: vec![3, 5], ..grown };
        folder.write_plan(&grown, || Ok(())).unwrap();
        assert_eq!(claim.check().unwrap().unwrap().adapters.len(), 5);
        assert_eq!(claim.refusal::<()>().count(), 0);
        let others = [
            Plan { id: "other".to_owned(), ..own.clone() },
            Plan { block: own.block + 1, ..own.clone() },
            Plan { id: "own".to_owned(), ..plan(2) },
        ];
        for other in others {
            folder.write_plan(&other, || Ok(())).unwrap();
            let error = claim.check().unwrap_err().to_string();
            assert!(
                error.ends_with("found the plan of another scan, expected the one that this scan began with"),
                "{error}"
            );
            assert_eq!(claim.refusal::<()>().count(), 1);
        }
        folder.write_plan(&own, || Ok(())).unwrap();
        assert!(claim.check().unwrap().is_none());
        fs::remove_file(folder.plan_file()).unwrap();
        let error = claim.check().unwrap_err().to_string();
        assert!(error.contains("found no plan any more"), "{error}");
        assert!(folder.write_plan(&own, || claim.check().map(drop)).is_err());
        assert!(!folder.plan_file().exists());
    }
}
