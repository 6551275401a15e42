//! The files of a scan's adapters: that they are still what was planned, and the bases of what is in them.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use crate::adapter::{Adapter, Module};
use crate::basis::{Numbers, Wanted};
use crate::error::{Error, Result};
use crate::files::FileStamp;
use crate::measure::start_projection::{N_PROJECTED, start_projection};
use crate::scan::cache::CachedModule;
use crate::scan::digest::Digest;
use crate::scan::journal::records::Journal;
use crate::scan::module_size::ModuleSize;
use crate::scan::plan::Plan;
use crate::scan::profile::{Profile, Stage};
use crate::scan::record::{AdapterRecord, changed, content_digest};
use crate::scan::side_modules::SideModules;
use crate::sync::stop;
use crate::sync::{FewThreads, Room};

/// How often a file is opened that is touched in between.
const N_TRIES: usize = 100;

/// Times of files are this exact everywhere.
const TICK: Duration = Duration::from_secs(2);

/// Shards that are held open of one checkpoint, at most.
const MAX_HELD_OF_ONE: usize = 4;

/// What is asked of the files.
pub struct Files<'a> {
    /// Whose adapters.
    pub plan: &'a Plan,
    /// What is known of them.
    pub records: Journal,
    /// What is compared of each.
    pub modules: SideModules,
    /// Where the time goes.
    pub profile: &'a Profile,
    /// Set when nothing more is to be factorised.
    pub stop: &'a AtomicBool,
    /// The memory for factorisations that run at once.
    pub room: Room,
    /// The threads for these.
    pub threads: FewThreads,
}

/// A checkpoint as it was when it was opened, with the modules that are compared.
pub(super) struct OpenFile {
    adapter: Adapter,
    /// Of what was digested.
    stamp: FileStamp,
    /// Whether it was written a moment before it was opened: another moment's bytes may have the same time.
    is_new: bool,
    is_held: bool,
}

impl Files<'_> {
    /// Opens an adapter's header, and with `hold` its file for all that is read of it.
    pub(super) fn open(&self, adapter: u32, hold: bool) -> Result<OpenFile> {
        self.open_path(&self.plan.adapters[adapter as usize].path, hold)
    }

    fn open_path(&self, path: &Path, hold: bool) -> Result<OpenFile> {
        for _ in 0..N_TRIES {
            let adapter = match self.modules.open(path) {
                Ok(adapter) => adapter,
                Err(error @ (Error::Io { .. } | Error::NotFound(_))) => return Err(error),
                // It was touched while its header was read, maybe.
                Err(Error::Invalid(_)) => continue,
                // That it opened when the plan was made and does not now is news to the user.
                Err(_) => return Err(changed(path)),
            };
            let is_held = hold && adapter.model_files().count() <= MAX_HELD_OF_ONE;
            if is_held {
                match adapter.hold_open() {
                    // It was touched in between.
                    Err(Error::Invalid(_)) => continue,
                    held => held?,
                }
            }
            let stamp = adapter.stamp();
            let age = adapter.modified().and_then(|modified| SystemTime::now().duration_since(modified).ok());
            let is_new = age.is_some_and(|age| age < TICK);
            return Ok(OpenFile { adapter, stamp, is_new, is_held });
        }
        Err(changed(path))
    }

    /// The same adapter, without a file that is held. It keeps its stamp: what was written in between is seen by that.
    pub(super) fn let_go(&self, adapter: u32, file: &OpenFile) -> Result<OpenFile> {
        Ok(OpenFile { stamp: file.stamp, is_new: file.is_new, ..self.open(adapter, false)? })
    }

    /// Digests what is read of the file; it must be what an earlier `record` says.
    pub(super) fn digest(&self, file: &OpenFile, record: Option<&AdapterRecord>) -> Result<Digest> {
        stop::check(self.stop)?;
        let path = file.adapter.path();
        let digest = || content_digest(&file.adapter, &self.modules);
        let digest =
            self.profile.time(Stage::Read, || file.name(), digest).map_err(|error| file.named(error))?;
        match record {
            Some(record) if record.digest != digest => Err(changed(path)),
            _ => Ok(digest),
        }
    }

    /// Sees to it that a file still has the bytes of this digest, which were read of it: its time may change without them.
    ///
    /// # Errors
    /// `Invalid` when it has others, `Io` when the system refuses to read.
    pub(super) fn check_same(&self, file: &OpenFile, digest: Digest) -> Result<()> {
        if file.is_unchanged()? {
            return Ok(());
        }
        let path = file.adapter.path();
        let again = self.open_path(path, true)?;
        let now = content_digest(&again.adapter, &self.modules).map_err(|error| again.named(error))?;
        if now == digest { Ok(()) } else { Err(changed(path)) }
    }

    /// The basis of a module from a file that is opened again, and held, for it may be touched all the time: its bytes must be those
    /// of the adapter's record.
    ///
    /// # Errors
    /// As [`Files::factorise`].
    pub(super) fn factorise_again(&self, adapter: u32, place: usize) -> Result<(CachedModule, OpenFile)> {
        let file = self.open(adapter, true)?;
        let digest = self.digest(&file, self.records.get(adapter).as_ref())?;
        let record = file.factorise(self, &file.modules()[place])?;
        self.check_same(&file, digest)?;
        Ok((record, file))
    }

    /// The basis of a module, or why it has none: numbers without a subspace stop no scan. A factor that the side does not need
    /// may be anything: without A's numbers the start is not known, without those of both the update is not.
    ///
    /// # Errors
    /// `Io` when the system refuses to read, `Invalid` when the file changed since it was opened, `Stopped` when nothing more is
    /// to be done.
    pub(super) fn factorise(&self, module: &Module) -> Result<CachedModule> {
        stop::check(self.stop)?;
        let SideModules { side, update, .. } = self.modules;
        if let Some(flaw) = Numbers::other_form(module, side) {
            return Ok(CachedModule::Missing(flaw.reason().to_owned()));
        }
        let _room = self.room.take(ModuleSize::of(module, &self.modules).factor_bytes);
        let wanted = if update { Wanted::Both } else { Wanted::SideAndA };
        let numbers = Numbers::read_until(module, side, wanted, self.stop)?;
        let factorised = match update {
            true => numbers.basis_and_update(side).map(|(basis, update)| (basis, Some(update))),
            false => numbers.basis(side).map(|basis| (basis, None)),
        };
        let (basis, update) = match factorised {
            Ok(factorised) => factorised,
            Err(flaw) => return Ok(CachedModule::Missing(flaw.reason().to_owned())),
        };
        let projection = numbers.a().map_or([0.0; N_PROJECTED], start_projection);
        Ok(CachedModule::Basis { basis, projection: Box::new(projection), update })
    }
}

impl OpenFile {
    /// In the order of the adapter's layout in the plan.
    pub(super) fn modules(&self) -> &[Arc<Module>] {
        self.adapter.modules()
    }

    /// Factorises one of its modules.
    ///
    /// # Errors
    /// As [`Files::factorise`].
    pub(super) fn factorise(&self, files: &Files<'_>, module: &Module) -> Result<CachedModule> {
        files.factorise(module).map_err(|error| self.named(error))
    }

    /// What is read of a file is `Invalid`, or ends early, only where it changed.
    fn named(&self, error: Error) -> Error {
        match error {
            Error::Invalid(_) => changed(self.adapter.path()),
            Error::Io { cause, .. } if cause.kind() == ErrorKind::UnexpectedEof => {
                changed(self.adapter.path())
            }
            other => other,
        }
    }

    /// As the user named it.
    pub(super) fn name(&self) -> String {
        self.adapter.path().display().to_string()
    }

    pub(super) fn stamp(&self) -> FileStamp {
        self.stamp
    }

    /// Whether certainly nobody has written or touched the file since it was opened.
    pub(super) fn is_unchanged(&self) -> Result<bool> {
        Ok(self.adapter.stamp_now()? == self.stamp && !self.is_new)
    }

    /// Files that it holds open.
    pub(super) fn n_held(&self) -> usize {
        if self.is_held { self.adapter.model_files().count() } else { 0 }
    }
}
