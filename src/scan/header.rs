//! What a scan keeps of a checkpoint's header: enough to plan by, small enough for a hundred thousand of them.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::digest::Fingerprint;
use super::module_size::{ModuleSize, svd_work};
use super::side_modules::SideModules;
use crate::adapter::{Adapter, unread};
use crate::error::{Fault, Result};
use crate::files::{FileId, FileStamp};
use crate::sync::lock;

/// A checkpoint by its header.
#[derive(Debug, Clone)]
pub struct HeaderSummary {
    /// As the user named it.
    pub path: PathBuf,
    /// The naming scheme of the tensors.
    pub naming_scheme: String,
    /// What its config names.
    pub base_model: Option<String>,
    /// The modules that the scan compares, in natural order; most adapters of a folder share one list of them.
    pub modules: Arc<[HeaderModule]>,
    /// Stored bytes of the factors that are read.
    pub n_bytes: u64,
    /// What of the update is not read, in words, DoRA's magnitudes too.
    pub unread: Option<String>,
    /// How many modules have factors that were turned, see [`Adapter::n_turned`].
    pub n_turned: usize,
    /// How many of the modules that the scan compares have a rank above their d_in or d_out.
    pub n_above_size: usize,
    /// Of the file that holds the tensors.
    pub stamp: FileStamp,
    /// The largest counts of numbers of any of these modules.
    pub largest: ModuleSize,
    /// Multiply-adds of the SVDs that factors are made by, of updates of other forms.
    pub svd_work: f64,
    /// Which files hold the tensors, however they are named; none where the system does not know.
    pub files: Box<[FileId]>,
    /// Of names, shapes and types of these modules' factors and the file's size.
    pub fingerprint: Fingerprint,
}

/// A module of a checkpoint, as far as a plan needs it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HeaderModule {
    /// Canonical name; of a numbered module, with what tells files that number alike.
    pub name: String,
    /// Whether the name is a running number.
    pub is_numbered: bool,
    /// Dimension of the side's space.
    pub d: usize,
    /// The rank.
    pub r: usize,
    /// Columns of A.
    pub d_in: usize,
}

impl HeaderSummary {
    /// What is kept of an adapter.
    ///
    /// # Errors
    /// `Unsupported` for a path that is not UTF-8.
    pub fn of(adapter: Adapter, side_modules: &SideModules) -> Result<Self> {
        let path = adapter.path();
        if path.to_str().is_none() {
            // Plans and tables hold text.
            return Err(Fault::new("a path that is not UTF-8", "one that is").at(path).unsupported());
        }
        let numbering = adapter.naming_scheme().is_numbered().then(|| numbering(&adapter));
        let stamp = adapter.stamp();
        let adapter = side_modules.of(adapter);
        let mut hash = blake3::Hasher::new();
        let (mut n_bytes, mut largest, mut work) = (0, ModuleSize::default(), 0.0);
        let mut modules = Vec::with_capacity(adapter.modules().len());
        for module in adapter.modules() {
            for factor in [&module.a, &module.b] {
                let facts = format!("{}\0{:?}\0{}\n", factor.name, (factor.rows, factor.cols), factor.dtype);
                hash.update(facts.as_bytes());
            }
            let bytes =
                |factor: &crate::Factor| (factor.rows * factor.cols * factor.dtype.size_bytes()) as u64;
            n_bytes += side_modules.factors(module).map(bytes).sum::<u64>();
            largest = largest.max(ModuleSize::of(module, side_modules));
            work += side_modules.made(module).map_or(0.0, svd_work);
            let name = match &numbering {
                Some(numbering) => format!("{} ({numbering})", module.name),
                None => module.name.clone(),
            };
            let is_numbered = numbering.is_some();
            modules.push(HeaderModule {
                name,
                is_numbered,
                d: side_modules.side.d(module),
                r: module.rank(),
                d_in: module.d_in(),
            });
        }
        hash.update(&stamp.n_bytes.to_le_bytes());
        Ok(Self {
            path: adapter.path().to_owned(),
            naming_scheme: adapter.naming_scheme().to_string(),
            base_model: adapter.base_model().map(str::to_owned),
            modules: modules.into(),
            unread: unread::summary(&adapter.unread_and_magnitudes()),
            n_turned: adapter.n_turned(),
            n_above_size: adapter.n_above_size(),
            n_bytes,
            largest,
            svd_work: work,
            files: adapter.file_ids().unwrap_or_default().into(),
            stamp,
            fingerprint: hash.finalize().into(),
        })
    }
}

/// One list of modules for all adapters that have the same: a hundred thousand lists of names are gigabytes.
#[derive(Debug, Default)]
pub struct ModuleLists(Mutex<HashSet<Arc<[HeaderModule]>>>);

impl ModuleLists {
    /// The checkpoint with the list that others have too.
    pub fn share(&self, mut opened: HeaderSummary) -> HeaderSummary {
        let mut known = lock(&self.0);
        match known.get(&opened.modules) {
            Some(same) => opened.modules = Arc::clone(same),
            None => _ = known.insert(Arc::clone(&opened.modules)),
        }
        opened
    }
}

/// What tells whether two files count their modules alike: a digest of every module's shape. Names that are running numbers
/// mean the same module only where all of it agrees, so it is a part of their names in a scan.
fn numbering(adapter: &Adapter) -> String {
    let mut hash = blake3::Hasher::new();
    for module in adapter.modules() {
        hash.update(format!("{}\0{}\0{}\n", module.name, module.d_in(), module.d_out()).as_bytes());
    }
    format!("numbered, shapes {}", &hash.finalize().to_hex()[..6])
}
