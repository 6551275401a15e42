//! Files that are written while they are read.

use std::fs;
use std::path::{Path, PathBuf};

use super::cached::Cached;
use super::files::Files;
use super::on_demand::OnDemand;
use crate::adapter::Side;
use crate::engine::Precision;
use crate::error::{Error, Result};
use crate::scan::cache::Cache;
use crate::scan::digest::Digest;
use crate::scan::folder::Folder;
use crate::scan::header::HeaderSummary;
use crate::scan::journal::records::Journal;
use crate::scan::keep::Keep;
use crate::scan::memory::Room;
use crate::scan::plan::{PairChoice, Plan, ScanOptions};
use crate::scan::profile::Profile;
use crate::scan::record::AdapterRecord;
use crate::scan::shard::Shard;
use crate::scan::side_modules::SideModules;
use crate::select::Narrowing;

const FILE: &str = "tests/data/adapters/roberta-mrpc/checkpoint-230/adapter_model.safetensors";

/// A scan of one checkpoint, a copy of [`FILE`], in a folder of its own.
struct One {
    dir: tempfile::TempDir,
    file: PathBuf,
    plan: Plan,
    modules: SideModules,
    profile: Profile,
}

impl One {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.safetensors");
        fs::copy(FILE, &file).unwrap();
        let modules = SideModules::new(Side::B, Narrowing::default());
        let options = ScanOptions {
            side: Side::B,
            pairs: PairChoice::All,
            same_base: false,
            modules: vec![],
            layers: None,
            projections: vec![],
            keep: Keep::Powers,
            angles: false,
            update: false,
            precision: Precision::F32,
        };
        let header = HeaderSummary::of(modules.open(&file).unwrap(), &modules);
        let plan = Plan::new(options, &[header.unwrap()]).unwrap();
        Folder::at(dir.path()).make().unwrap();
        Self { dir, file, plan, modules, profile: Profile::begin(false) }
    }

    fn files(&self) -> Files<'_> {
        let records = Journal::open(&Folder::at(self.dir.path())).unwrap();
        Files {
            plan: &self.plan,
            records,
            modules: self.modules.clone(),
            profile: &self.profile,
            room: Room::unlimited(),
        }
    }

    fn cache(&self) -> Cache {
        Cache::open(self.dir.path().join("cache"), u64::MAX).unwrap()
    }
}

/// A way to write a file again, and its name.
type Writer = (&'static str, fn(&Path));

const WRITERS: [Writer; 2] = [
    ("renamed over", |file| {
        let other = file.with_extension("new");
        fs::copy(FILE, &other).unwrap();
        fs::rename(&other, file).unwrap();
    }),
    ("cut and written again", |file| {
        let whole = fs::read(file).unwrap();
        fs::write(file, &whole[..whole.len() - 4]).unwrap();
    }),
];

fn assert_changed<T>(result: Result<T>, what: &str) {
    match result {
        Err(Error::Invalid(fault)) => {
            assert_eq!(fault.found, "other bytes than when the scan began", "{what}");
        }
        Err(error) => panic!("{what}: {error}"),
        Ok(_) => panic!("{what}: not seen"),
    }
}

#[test]
fn a_file_that_is_written_while_it_is_factorised_leaves_no_bases() {
    for (what, write) in WRITERS {
        let one = One::new();
        let (files, cache) = (one.files(), one.cache());
        let cached = Cached::new(cache.clone(), Shard::WHOLE);
        let file = files.open(0, true).unwrap();
        let digest = files.digest(&file, None).unwrap();
        write(&one.file);
        assert_changed(cached.factorise(&files, &digest.into(), &file), what);
        assert_eq!(cache.info().unwrap().entries, 0, "{what}");
    }
}

#[test]
fn a_file_that_is_written_before_its_block_is_computed_is_seen_without_a_cache_too() {
    for (what, write) in WRITERS {
        let one = One::new();
        let (files, on_demand) = (one.files(), OnDemand::new(false));
        on_demand.ensure(&files, &[0]).unwrap();
        on_demand.make(&files, 0, 0).unwrap();
        write(&one.file);
        assert_changed(on_demand.make(&files, 0, 1), what);
        // A module that could not be read is not one without a basis.
        assert_eq!(one.files().records.get(0).unwrap().missing, [], "{what}");
    }
}

#[test]
fn a_file_of_another_digest_than_its_record_has_is_refused() {
    let one = One::new();
    let files = one.files();
    let file = files.open(0, true).unwrap();
    let digest = files.digest(&file, None).unwrap();
    let record = |digest| AdapterRecord { digest, key: None, stamp: file.stamp(), missing: vec![] };
    assert_eq!(files.digest(&file, Some(&record(digest))).unwrap(), digest);
    let other = record(Digest::from([7; 32]));
    assert_changed(files.digest(&file, Some(&other)), "digest");

    // As another process left it: with another stamp, so that the file is digested.
    let stamp = crate::files::FileStamp { modified_ns: Some(1), ..file.stamp() };
    files.records.put(0, AdapterRecord { stamp, ..other }).unwrap();
    assert_changed(Cached::new(one.cache(), Shard::WHOLE).ensure(&files, &[0]), "cached");
    assert_eq!(one.cache().info().unwrap().entries, 0);
    assert_changed(OnDemand::new(false).ensure(&files, &[0]), "on demand");
}
