//! The files of a scan's adapters: that they are still what was planned, and the bases of what is in them.

use std::sync::Arc;

use crate::adapter::{Adapter, Module};
use crate::basis::{Numbers, Wanted};
use crate::error::{Error, Result};
use crate::files::FileStamp;
use crate::measure::start_projection::{N_PROJECTED, start_projection};
use crate::scan::cache::CachedModule;
use crate::scan::digest::Digest;
use crate::scan::journal::records::Journal;
use crate::scan::memory::{ModuleSize, Room};
use crate::scan::plan::Plan;
use crate::scan::profile::{Profile, Stage};
use crate::scan::record::{AdapterRecord, changed, content_digest};
use crate::scan::side_modules::SideModules;

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
    /// The memory for factorisations that run at once.
    pub room: Room,
}

/// A checkpoint as it was when it was opened, with the modules that are compared.
pub(super) struct OpenFile {
    adapter: Adapter,
    stamp: FileStamp,
}

impl Files<'_> {
    /// Opens an adapter's header, and with `hold` its file for all that is read of it.
    pub(super) fn open(&self, adapter: u32, hold: bool) -> Result<OpenFile> {
        let path = &self.plan.adapters[adapter as usize].path;
        // That it opened when the plan was made and does not now is news to the user.
        let adapter = self.modules.open(path).map_err(|_| changed(path))?;
        let stamp = adapter.stamp();
        if hold {
            adapter.hold_open()?;
        }
        Ok(OpenFile { adapter, stamp })
    }

    /// Digests what is read of the file; it must be what an earlier `record` says.
    pub(super) fn digest(&self, file: &OpenFile, record: Option<&AdapterRecord>) -> Result<Digest> {
        let path = file.adapter.path();
        let digest = || content_digest(&file.adapter, &self.modules);
        let digest = self.profile.time(Stage::Read, || file.name(), digest)?;
        match record {
            Some(record) if record.digest != digest => Err(changed(path)),
            _ => Ok(digest),
        }
    }

    /// The basis of a module, or why it has none: numbers without a subspace stop no scan. A factor that the side does not need
    /// may be anything: without A's numbers the start is not known, without those of both the update is not.
    ///
    /// # Errors
    /// `Io` when the system refuses to read, `Invalid` when the file changed since it was opened.
    pub(super) fn factorise(&self, module: &Module) -> Result<CachedModule> {
        let SideModules { side, update, .. } = self.modules;
        let _room = self.room.take(ModuleSize::of(module, &self.modules).factor_bytes());
        let numbers = Numbers::read(module, side, if update { Wanted::Both } else { Wanted::SideAndA })?;
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
        files.factorise(module).map_err(|error| match error {
            Error::Invalid(_) => changed(self.adapter.path()),
            other => other,
        })
    }

    /// As the user named it.
    pub(super) fn name(&self) -> String {
        self.adapter.path().display().to_string()
    }

    pub(super) fn stamp(&self) -> FileStamp {
        self.stamp
    }

    /// Sees to it that nobody has written the file since it was opened.
    pub(super) fn check_unchanged(&self) -> Result<()> {
        if self.adapter.stamp_now()? == self.stamp { Ok(()) } else { Err(changed(self.adapter.path())) }
    }
}
