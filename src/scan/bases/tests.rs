//! Files that are written while they are read.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::cached::Cached;
use super::files::Files;
use super::on_demand::OnDemand;
use super::stores::Stores;
use crate::adapter::Side;
use crate::engine::Precision;
use crate::error::{Error, Result};
use crate::scan::cache::{Cache, CachedModule};
use crate::scan::digest::Digest;
use crate::scan::folder::Folder;
use crate::scan::header::HeaderSummary;
use crate::scan::journal::records::Journal;
use crate::scan::keep::Keep;
use crate::scan::plan::{PairChoice, Plan, ScanOptions};
use crate::scan::profile::Profile;
use crate::scan::record::AdapterRecord;
use crate::scan::shard::Shard;
use crate::scan::side_modules::SideModules;
use crate::select::Narrowing;
use crate::sync::stop::NEVER;
use crate::sync::{FewThreads, Room};

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
            base: None,
        };
        let header = HeaderSummary::of(modules.open(&file).unwrap(), &modules);
        let plan = Plan::new(options, &[header.unwrap()]).unwrap();
        Folder::at(dir.path()).make().unwrap();
        Self { dir, file, plan, modules, profile: Profile::begin(false) }
    }

    fn files(&self) -> Files<'_> {
        let records = Journal::open(&Folder::at(self.dir.path()), &self.plan.id).unwrap();
        let (plan, modules, profile) = (&self.plan, self.modules.clone(), &self.profile);
        let (room, threads) = (Room::unlimited(), FewThreads::default());
        Files { plan, records, modules, profile, stop: &NEVER, room, threads }
    }

    fn cache(&self) -> Cache {
        Cache::open(self.dir.path().join("cache"), u64::MAX).unwrap()
    }
}

/// Something that is done to a file, and its name.
type Deed = (&'static str, fn(&Path));

/// The bytes of the file with the last number of a factor changed.
fn other_bytes() -> Vec<u8> {
    let mut bytes = fs::read(FILE).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    bytes
}

fn renamed_over(file: &Path, bytes: &[u8]) {
    let other = file.with_extension("new");
    fs::write(&other, bytes).unwrap();
    fs::rename(&other, file).unwrap();
}

const WRITERS: [Deed; 3] = [
    ("renamed over", |file| renamed_over(file, &other_bytes())),
    ("written again", |file| fs::write(file, other_bytes()).unwrap()),
    ("cut", |file| {
        let whole = fs::read(file).unwrap();
        fs::write(file, &whole[..whole.len() - 4]).unwrap();
    }),
];

/// What changes the time of a file and leaves its bytes.
const TOUCHES: [Deed; 4] = [
    ("touched", |file| {
        let file = fs::File::options().append(true).open(file).unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(5)).unwrap();
    }),
    ("dated back", |file| {
        let file = fs::File::options().append(true).open(file).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    }),
    ("renamed over by the same", |file| renamed_over(file, &fs::read(FILE).unwrap())),
    ("written again as it was", |file| fs::write(file, fs::read(FILE).unwrap()).unwrap()),
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

fn cached(cache: Cache) -> Cached {
    Cached::new(Stores::only(cache), Shard::WHOLE)
}

#[test]
fn a_file_that_is_written_while_it_is_factorised_leaves_no_bases() {
    for (what, write) in WRITERS {
        let one = One::new();
        let (files, cache) = (one.files(), one.cache());
        let file = files.open(0, true).unwrap();
        let digest = files.digest(&file, None).unwrap();
        write(&one.file);
        assert_changed(cached(cache.clone()).factorise(&files, &digest.into(), &file, digest), what);
        assert_eq!(cache.info().unwrap().entries, 0, "{what}");
    }
}

#[test]
fn a_file_that_is_touched_while_it_is_factorised_has_the_bases_that_it_had() {
    let one = One::new();
    let files = one.files();
    let file = files.open(0, true).unwrap();
    let expected: Vec<CachedModule> =
        file.modules().iter().map(|module| file.factorise(&files, module).unwrap()).collect();
    for (what, touch) in TOUCHES {
        let one = One::new();
        let files = one.files();
        let file = files.open(0, true).unwrap();
        let digest = files.digest(&file, None).unwrap();
        touch(&one.file);
        let entry = cached(one.cache()).factorise(&files, &digest.into(), &file, digest).unwrap();
        let found: Vec<CachedModule> = (0..entry.len()).map(|place| entry.read(place).unwrap()).collect();
        assert_eq!(found, expected, "{what}");
        for n_kept_open in [0, 1] {
            let (one, other) = (One::new(), One::new());
            let (files, of_other) = (one.files(), other.files());
            let on_demand = OnDemand::keeping(false, n_kept_open);
            on_demand.ensure(&files, &[0]).unwrap();
            for (place, expected) in expected.iter().enumerate() {
                touch(&one.file);
                assert_eq!(
                    on_demand.make(&files, 0, place).unwrap(),
                    *expected,
                    "{what}, {n_kept_open} open"
                );
            }
            // Before it is read at all.
            touch(&other.file);
            let on_demand = OnDemand::keeping(false, n_kept_open);
            on_demand.ensure(&of_other, &[0]).unwrap();
            assert_eq!(on_demand.make(&of_other, 0, 1).unwrap(), expected[1], "{what}, {n_kept_open} open");
        }
    }
}

#[test]
fn a_file_that_is_written_before_its_block_is_computed_is_seen_without_a_cache_too() {
    for (what, write) in WRITERS {
        for n_kept_open in [0, 1] {
            let one = One::new();
            let (files, on_demand) = (one.files(), OnDemand::keeping(false, n_kept_open));
            on_demand.ensure(&files, &[0]).unwrap();
            on_demand.make(&files, 0, 0).unwrap();
            write(&one.file);
            assert_changed(on_demand.make(&files, 0, 1), what);
            // A module that could not be read is not one without a basis.
            assert_eq!(one.files().records.get(0).unwrap().missing, [], "{what}");
        }
    }
}

#[test]
fn a_file_that_is_removed_is_an_error_that_names_it() {
    for n_kept_open in [0, 1] {
        let one = One::new();
        let (files, on_demand) = (one.files(), OnDemand::keeping(false, n_kept_open));
        on_demand.ensure(&files, &[0]).unwrap();
        fs::remove_file(&one.file).unwrap();
        for error in
            [on_demand.make(&files, 0, 1).unwrap_err(), cached(one.cache()).ensure(&files, &[0]).unwrap_err()]
        {
            let text = error.to_string();
            assert!(
                text.contains("a.safetensors: ") && text.to_lowercase().contains("no such file"),
                "{text}"
            );
        }
        assert_eq!(one.cache().info().unwrap().entries, 0);
    }
}

#[test]
fn bases_that_are_removed_while_they_are_used_are_made_again() {
    let one = One::new();
    let files = one.files();
    let expected: Vec<CachedModule> = {
        let cached = cached(one.cache());
        cached.ensure(&files, &[0]).unwrap();
        (0..2).map(|place| cached.read(&files, 0, place).unwrap()).collect()
    };
    // Cleared between any two steps.
    let cached_twice = cached(one.cache());
    one.cache().clear().unwrap();
    cached_twice.ensure(&files, &[0]).unwrap();
    for (place, expected) in expected.iter().enumerate() {
        one.cache().clear().unwrap();
        assert_eq!(cached_twice.read(&files, 0, place).unwrap(), *expected);
        cached_twice.forget(0);
    }
    // No room for a single one: it is gone before it can be looked for.
    let tiny = cached(Cache::open(one.dir.path().join("tiny"), 1).unwrap());
    tiny.ensure(&files, &[0]).unwrap();
    for (place, expected) in expected.iter().enumerate() {
        assert_eq!(tiny.read(&files, 0, place).unwrap(), *expected);
        tiny.forget(0);
    }
    assert_eq!(tiny.n_factorised(), 3);
}

#[test]
fn a_disk_that_damages_what_it_is_given_is_done_without() {
    let one = One::new();
    let files = one.files();
    let cached = cached(one.cache());
    cached.ensure(&files, &[0]).unwrap();
    let expected = cached.read(&files, 0, 1).unwrap();
    let damage = || {
        for entry in fs::read_dir(one.cache().dir()).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.extension().is_some_and(|end| end == "safetensors") {
                let mut bytes = fs::read(&entry).unwrap();
                // Past the index, so that the entry opens.
                let n = bytes.len();
                bytes[n / 2..].fill(0xa5);
                fs::write(&entry, bytes).unwrap();
            }
        }
    };
    for _ in 0..3 {
        damage();
        assert_eq!(cached.read(&files, 0, 1).unwrap(), expected);
    }
}

#[test]
fn what_the_cache_refuses_goes_to_the_spare_one_and_is_told_once() {
    let one = One::new();
    let files = one.files();
    let lock = one.dir.path().join("cache/lock");
    // A folder in the place of the lock: entries can be written, but not put in place.
    fs::create_dir_all(&lock).unwrap();
    let spare = Cache::open(one.dir.path().join("spare"), u64::MAX).unwrap();
    let stores = Stores::with_spare(one.cache(), spare.clone(), true);
    assert_eq!(stores.refusal(), None);
    let cached = Cached::new(stores, Shard::WHOLE);
    cached.ensure(&files, &[0]).unwrap();
    cached.read(&files, 0, 1).unwrap();
    assert!(cached.refusal().unwrap().contains("lock"), "{:?}", cached.refusal());
    assert_eq!((one.cache().info().unwrap().bytes, spare.info().unwrap().entries), (0, 1));
    assert_eq!(cached.n_factorised(), 1);
    // Without a spare one there is nothing else.
    assert!(
        self::cached(one.cache())
            .factorise(
                &files,
                &[7; 32],
                &files.open(0, true).unwrap(),
                files.digest(&files.open(0, true).unwrap(), None).unwrap()
            )
            .is_err()
    );
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
    assert_changed(cached(one.cache()).ensure(&files, &[0]), "cached");
    assert_eq!(one.cache().info().unwrap().entries, 0);
    assert_changed(OnDemand::new(false).ensure(&files, &[0]), "on demand");
}

#[test]
fn a_stop_is_seen_between_factorisations() {
    let one = One::new();
    let stop = std::sync::atomic::AtomicBool::new(true);
    let files = Files { stop: &stop, ..one.files() };
    let is_stopped = |result: Result<()>| assert!(matches!(result, Err(Error::Stopped)), "{result:?}");
    is_stopped(cached(one.cache()).ensure(&files, &[0]));
    is_stopped(OnDemand::new(true).ensure(&files, &[0]));
    // Nothing was kept, and nothing half.
    assert_eq!(one.cache().info().unwrap().entries, 0);
    let file = one.files().open(0, true).unwrap();
    is_stopped(file.factorise(&files, &file.modules()[0]).map(drop));
}

#[test]
fn a_stop_is_seen_between_the_steps_of_making_factors_and_both_are_those_that_are_made_one_by_one() {
    use std::sync::atomic::AtomicBool;

    use crate::adapter::{Adapter, Factor};

    for file in ["lokr", "lokr-tucker", "loha", "loha-wide", "loha-tucker"] {
        let adapter = Adapter::open(format!("tests/data/libraries/lycoris/{file}.safetensors")).unwrap();
        let mut n = 0;
        for module in adapter.modules().iter().filter(|module| module.full_rank().is_some()) {
            let [a, b] = Factor::made_together(&module.a, &module.b, &NEVER).unwrap().unwrap();
            assert_eq!([a, b], [&module.a, &module.b].map(|factor| factor.read().unwrap()), "{file}");
            let stopped = Factor::made_together(&module.a, &module.b, &AtomicBool::new(true)).unwrap();
            assert!(matches!(stopped, Err(Error::Stopped)), "{file}");
            n += 1;
        }
        assert!(n > 0, "{file}");
    }
    let one = One::new();
    let file = one.files().open(0, true).unwrap();
    let module = &file.modules()[0];
    assert!(Factor::made_together(&module.a, &module.b, &NEVER).is_none());
}

#[test]
fn a_header_is_kept_until_its_file_is_written_again() {
    use super::opened::Opened;

    let one = One::new();
    let files = one.files();
    let day_ago = SystemTime::now() - Duration::from_secs(86_400);
    let date =
        |file: &Path| fs::File::options().append(true).open(file).unwrap().set_modified(day_ago).unwrap();
    let opened = Opened::keeping(1000);
    let same = |opened: &Opened| {
        let [first, second] = [(); 2].map(|()| opened.get(&files, 0).unwrap());
        std::sync::Arc::ptr_eq(&first, &second)
    };
    // Its time does not tell yet.
    assert!(!same(&opened));
    date(&one.file);
    assert!(same(&opened));
    let before = opened.get(&files, 0).unwrap();
    renamed_over(&one.file, &other_bytes());
    let after = opened.get(&files, 0).unwrap();
    assert!(!std::sync::Arc::ptr_eq(&before, &after) && after.stamp() != before.stamp());
    date(&one.file);
    assert!(!same(&Opened::keeping(0)));
}
