//! Removes a scan from its folder: what its plan vouches for, and nothing else.
//!
//! The plan goes first, so that no other process takes what is still there for results of the next one; it stays under
//! another name until all is gone, for a run that goes on where this one was killed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::blocks::BlockSpec;
use super::cache::Cache;
use super::folder::{Folder, Head};
use crate::error::{Error, Fault, Remedy, Result};
use crate::files::{entries, is_claim_of, is_temp_file, remove, remove_stale_temp_files, set_aside};

impl Folder {
    /// Whether there is a scan here that can be removed: a plan that vouches for it, and folders that lead nowhere else.
    ///
    /// # Errors
    /// `Invalid` for a plan of another program, and for a link in the place of a folder; `Io` when the system refuses.
    pub(super) fn has_removable_scan(&self) -> Result<bool> {
        let plans = [self.plan_file(), set_aside(&self.plan_file()), self.removed_plan()];
        let Some(plan) = plans.into_iter().find(|path| path.symlink_metadata().is_ok()) else {
            return Ok(false);
        };
        if !self.read_head(&plan)?.as_ref().is_some_and(Head::is_of_scan) {
            let expected = "the plan of a scan, without which nothing is removed";
            let fault = Fault::new("a file that no scan wrote", expected);
            return Err(fault.at(plan).remedy(Remedy::OtherOutput).invalid());
        }
        for path in [self.pairs(), self.work(), self.records(), self.logs(), self.bases(), self.presences()] {
            if path.is_symlink() {
                let fault =
                    Fault::new("a symbolic link", "a folder, since what a link leads to is not removed");
                return Err(fault.at(path).remedy(Remedy::OtherOutput).invalid());
            }
        }
        Ok(true)
    }

    /// Removes what a scan left here, while the folder is locked. Other files stay.
    ///
    /// # Errors
    /// As [`Folder::has_removable_scan`].
    pub(super) fn clear(&self) -> Result<()> {
        if !self.has_removable_scan()? {
            return Ok(());
        }
        let aside = set_aside(&self.plan_file());
        let is_aside = self.read_head(&aside)?.as_ref().is_some_and(Head::is_of_scan);
        for plan in [Some(aside).filter(|_| is_aside), Some(self.plan_file())].into_iter().flatten() {
            match fs::rename(&plan, self.removed_plan()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::io("remove", plan, error));
                }
                _ => {}
            }
        }
        let is_block = |path: &Path| {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            path.extension().is_some_and(|end| end == "parquet") && BlockSpec::is_name(&stem)
        };
        let is_temp = |path: &Path| is_temp_file(&file_name(path));
        let is_lines = |path: &Path| path.extension().is_some_and(|end| end == "jsonl");
        remove_all(&self.pairs(), |path| is_block(path) || is_temp(path))?;
        remove_all(self.path(), is_temp)?;
        remove_all(&self.records(), is_lines)?;
        remove_all(&self.logs(), is_lines)?;
        self.remove_bases()?;
        for path in [self.adapters_file(), self.histograms_file(), self.relations_file(), self.removed_plan()]
        {
            remove(&path)?;
        }
        Ok(())
    }

    /// Goes on with a [`Folder::clear`] that was broken off.
    ///
    /// # Errors
    /// As there.
    pub(super) fn finish_clear(&self) -> Result<()> {
        match self.removed_plan().is_file() && !self.plan_file().exists() {
            true => self.clear(),
            false => Ok(()),
        }
    }

    /// Removes the bases that a scan without a cache keeps here.
    ///
    /// # Errors
    /// `Io` when the system refuses.
    pub(super) fn remove_bases(&self) -> Result<()> {
        let dir = self.bases();
        if !dir.is_dir() || dir.is_symlink() {
            return Ok(());
        }
        Cache::open(&dir, u64::MAX)?.clear()?;
        remove_all(&dir, |path| {
            let name = file_name(path);
            name == "lock" || is_claim_of("lock", &name) || is_temp_file(&name)
        })?;
        // What another share has added meanwhile, or the user, stays.
        let _ = fs::remove_dir(&dir);
        Ok(())
    }

    /// Removes files that processes were writing when they were killed.
    ///
    /// # Errors
    /// `Io` when the system refuses.
    pub(super) fn remove_stale_parts(&self) -> Result<()> {
        remove_stale_temp_files(self.path()).and_then(|()| remove_stale_temp_files(&self.pairs()))
    }
}

/// Removes the files of a folder that are such.
fn remove_all(dir: &Path, is_such: impl Fn(&Path) -> bool) -> Result<()> {
    let paths: Vec<PathBuf> =
        entries(dir)?.flatten().map(|entry| entry.path()).filter(|path| is_such(path)).collect();
    paths.iter().try_for_each(|path| remove(path))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
