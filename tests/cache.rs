//! The cache of bases: what comes back, what damage does, and many processes at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Barrier;
use std::time::{Duration, SystemTime};

use lorascope::internals::cache::{Cache, CachedModule, Cleared, Entry, Info, Key, N_PROJECTED, Summary};
use lorascope::{Basis, Dtype, Error, Matrix, Side, Update, UpdateFactors};

const LIMIT: u64 = Cache::DEFAULT_LIMIT_BYTES;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn key(n: u8) -> Key {
    std::array::from_fn(|i| if i == 0 { n } else { 0xa0 })
}

fn none() -> Box<[f32; N_PROJECTED]> {
    Box::new([0.0; N_PROJECTED])
}

fn update(seed: u64) -> UpdateFactors {
    let values = |n: usize| (0..n).map(|k| ((k as f64 + seed as f64) * 0.7).sin()).collect();
    let matrix = |rows, cols| Matrix { rows, cols, dtype: Dtype::F32, values: values(rows * cols) };
    UpdateFactors::of(Update { a: &matrix(3, 40), b: &matrix(21, 3), scaling: 2.0 }).unwrap()
}

fn basis(seed: u64) -> CachedModule {
    let basis = Basis::gaussian(5, 40, seed).unwrap();
    let projection = Box::new(std::array::from_fn(|i| i as f32 - seed as f32));
    CachedModule::Basis { basis, projection, update: seed.is_multiple_of(2).then(|| update(seed)) }
}

fn records(seed: u64) -> Vec<CachedModule> {
    vec![
        basis(seed),
        CachedModule::Missing("tensor `x`: found nothing but zeros, expected ü".to_owned()),
        basis(seed + 1),
    ]
}

fn all(entry: &Entry) -> Vec<CachedModule> {
    (0..entry.len()).map(|i| entry.read(i).unwrap()).collect()
}

/// The files of a folder but for its lock.
fn files(dir: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(dir).unwrap().map(|file| file.unwrap().path());
    files.filter(|path| path.file_name().unwrap() != "lock").collect()
}

fn bytes(dir: &Path) -> u64 {
    files(dir).iter().map(|file| file.metadata().unwrap().len()).sum()
}

#[test]
fn gives_back_to_the_bit_what_was_put_in_order() {
    let folder = folder();
    let cache = Cache::open(folder.path().join("deep/er"), LIMIT).unwrap();
    assert!(cache.get(&key(1)).unwrap().is_none());
    let put = cache.put(&key(1), &records(7)).unwrap();
    let got = cache.get(&key(1)).unwrap().unwrap();
    assert_eq!((all(&put), all(&got)), (records(7), records(7)));
    assert!(cache.get(&key(2)).unwrap().is_none());
    assert!(matches!(got.read(3), Err(Error::Invalid(_))));
    assert_eq!(cache.put(&key(3), &[]).unwrap().len(), 0);
    assert!(cache.get(&key(3)).unwrap().unwrap().is_empty());
}

#[test]
fn a_summary_is_the_record_but_for_its_rows() {
    let folder = folder();
    let entry = Cache::open(folder.path(), LIMIT).unwrap().put(&key(1), &records(7)).unwrap();
    let CachedModule::Basis { basis, projection: expected, update: Some(of_update) } = &records(7)[2] else {
        unreachable!()
    };
    match entry.summary(2).unwrap() {
        Summary::Basis { r, d, n_uncertain, sigma, projection, update } => {
            let update = update.unwrap();
            assert_eq!((update.n_terms, update.d_out, update.d_in), (3, 21, 40));
            assert_eq!(update.norm, of_update.norm());
            assert_eq!((r, d, n_uncertain), (basis.r(), basis.d(), basis.n_uncertain()));
            assert_eq!((&sigma[..], &projection), (basis.sigma(), expected));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(entry.summary(1).unwrap(), Summary::Missing(reason) if reason.ends_with("expected ü")));
}

#[test]
fn keeps_the_rank_of_the_factor_and_the_uncertain_directions() {
    let values = vec![4.0, 0.0, 0.0, 0.1, 0.0, 0.0];
    let matrix = Matrix { rows: 3, cols: 2, dtype: Dtype::Bf16, values };
    let basis = Basis::of_matrix(&matrix, Side::A).unwrap();
    assert_eq!((basis.r(), basis.q(), basis.n_uncertain()), (3, 2, 1));
    let folder = folder();
    let put = [CachedModule::Basis { basis, projection: none(), update: None }];
    let entry = Cache::open(folder.path(), LIMIT).unwrap().put(&key(1), &put).unwrap();
    assert_eq!(all(&entry), put);
}

#[test]
fn every_damaged_byte_and_every_truncation_is_a_miss_that_is_removed_or_an_error() {
    let folder = folder();
    let cache = Cache::open(folder.path(), LIMIT).unwrap();
    let small = || {
        let basis = Basis::from_rows(2, vec![1.0, 0.0], vec![3.0]).unwrap();
        [
            CachedModule::Basis { basis, projection: Box::new([0.5; N_PROJECTED]), update: None },
            CachedModule::Missing("why".to_owned()),
        ]
    };
    cache.put(&key(1), &small()).unwrap();
    let [path] = &files(folder.path())[..] else { panic!("one file") };
    let whole = fs::read(path).unwrap();
    let check = |bytes: &[u8], what: &str| {
        fs::write(path, bytes).unwrap();
        let Some(entry) = cache.get(&key(1)).unwrap() else {
            assert!(!path.exists(), "{what}: still there");
            return;
        };
        for i in 0..2 {
            match entry.read(i) {
                Ok(record) => assert_eq!(record, small()[i], "{what}: a wrong record"),
                Err(Error::Malformed(_)) => assert!(!path.exists(), "{what}: still there"),
                Err(error) => panic!("{what}: {error}"),
            }
        }
        assert!(!path.exists(), "{what}: not seen");
    };
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x11;
        check(&bytes, &format!("byte {at}"));
        check(&whole[..at], &format!("cut at {at}"));
    }
    check(&[&whole[..], b"x"].concat(), "longer");
    check(b"", "empty");
    fs::write(path, &whole).unwrap();
    assert_eq!(all(&cache.get(&key(1)).unwrap().unwrap()), small());
}

#[test]
fn another_keys_file_is_no_entry() {
    let folder = folder();
    let cache = Cache::open(folder.path(), LIMIT).unwrap();
    cache.put(&key(1), &records(1)).unwrap();
    let from = files(folder.path()).remove(0);
    cache.put(&key(2), &records(2)).unwrap();
    let to = files(folder.path()).into_iter().find(|path| *path != from).unwrap();
    fs::copy(&from, &to).unwrap();
    assert!(cache.get(&key(2)).unwrap().is_none());
    assert!(!to.exists() && from.exists());
}

#[test]
fn a_record_damaged_under_an_open_entry_is_one_line_and_made_again() {
    let folder = folder();
    let cache = Cache::open(folder.path(), LIMIT).unwrap();
    let entry = cache.put(&key(1), &records(1)).unwrap();
    let path = files(folder.path()).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_eq!(entry.read(0).unwrap(), records(1)[0]);
    let error = entry.read(2).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with(".safetensors: found a damaged entry of the cache, expected it as it was written")
    );
    assert!(error.hint().unwrap().contains("run the same command again"));
    assert!(cache.get(&key(1)).unwrap().is_none());
    assert_eq!(all(&cache.put(&key(1), &records(1)).unwrap()), records(1));
}

#[test]
fn a_writer_takes_as_many_records_as_it_announced() {
    let folder = folder();
    let cache = Cache::open(folder.path(), LIMIT).unwrap();
    for n in [1, 3] {
        let mut writer = cache.writer(&key(1), vec!["q".to_owned(); n]).unwrap();
        records(1).iter().take(2).for_each(|record| writer.push(record).unwrap());
        assert!(matches!(writer.finish(), Err(Error::Invalid(_))));
    }
    drop(cache.writer(&key(1), vec!["q".to_owned()]).unwrap());
    assert_eq!(files(folder.path()), [] as [PathBuf; 0]);
}

#[test]
fn the_entries_used_the_longest_ago_go_first_and_stay_readable_while_open() {
    let folder = folder();
    let one = Cache::open(folder.path(), LIMIT).unwrap().put(&key(0), &records(0)).unwrap();
    let size = bytes(folder.path());
    let cache = Cache::open(folder.path(), 10 * size).unwrap();
    for n in 1..10 {
        cache.put(&key(n), &records(n.into())).unwrap();
    }
    assert_eq!(cache.info().unwrap().entries, 10, "ten fit");
    for n in [0, 2] {
        cache.get(&key(n)).unwrap().unwrap();
    }
    // The eleventh is over the limit: it goes down to nine tenths.
    cache.put(&key(10), &records(10)).unwrap();
    let there = |n| cache.get(&key(n)).unwrap().is_some();
    let left: Vec<u8> = (0..=10).filter(|&n| there(n)).collect();
    assert_eq!(left, [0, 2, 4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(cache.info().unwrap().bytes, 9 * size);
    let tiny = Cache::open(folder.path(), 1).unwrap();
    let put = tiny.put(&key(11), &records(11)).unwrap();
    assert_eq!(tiny.info().unwrap().entries, 0);
    if cfg!(unix) {
        assert_eq!((all(&one), all(&put)), (records(0), records(11)));
    }
}

#[test]
fn clear_removes_entries_and_abandoned_parts_and_nothing_else() {
    let folder = folder();
    let cache = Cache::open(folder.path(), LIMIT).unwrap();
    assert_eq!(cache.clear().unwrap().removed.entries, 0);
    cache.put(&key(1), &records(1)).unwrap();
    cache.put(&key(2), &records(2)).unwrap();
    let [other, left, busy] =
        ["notes.txt", ".lorascope-left.part", ".lorascope-busy.part"].map(|name| folder.path().join(name));
    [&other, &left, &busy].into_iter().for_each(|path| fs::write(path, "xyz").unwrap());
    // Another process is at it, as far as anybody can see.
    let at_work = fs::File::open(&busy).unwrap();
    at_work.lock().unwrap();
    let was = cache.info().unwrap();
    let n_bytes = bytes(folder.path()) - 3;
    assert_eq!((was.entries, was.bytes, was.limit_bytes), (2, n_bytes, LIMIT), "parts count");
    let removed = Info { bytes: n_bytes - 3, ..was };
    assert_eq!(cache.clear().unwrap(), Cleared { removed, left: 0 });
    let mut there = files(folder.path());
    there.sort();
    assert_eq!(there, [busy.clone(), other.clone()]);
    assert_eq!(cache.info().unwrap(), Info { entries: 0, bytes: 3, limit_bytes: LIMIT });
    // It is gone when that process is, though there is no entry.
    drop(at_work);
    assert_eq!(cache.clear().unwrap().removed.bytes, 3);
    assert_eq!(files(folder.path()), [other]);
}

#[test]
#[ignore = "runs as the process of another test"]
fn child_is_killed_half_way() {
    let cache = Cache::open(std::env::var(DIR).unwrap(), LIMIT).unwrap();
    let mut writer = cache.writer(&key(5), vec!["q".to_owned(), "v".to_owned()]).unwrap();
    let basis = Basis::gaussian(64, 1024, 0).unwrap();
    writer.push(&CachedModule::Basis { basis, projection: none(), update: None }).unwrap();
    println!("half");
    std::thread::sleep(Duration::from_secs(600));
}

#[test]
#[cfg(unix)]
fn what_a_killed_process_left_is_counted_and_goes_with_the_next_one() {
    use std::io::{BufRead as _, BufReader};
    let folder = folder();
    let cache = Cache::open(folder.path(), LIMIT).unwrap();
    cache.put(&key(1), &records(1)).unwrap();
    let whole = cache.info().unwrap();
    let killed = || {
        let mut child = child("child_is_killed_half_way", folder.path());
        let mut child = child.stdout(std::process::Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().ends_with("half")));
        // While it lives, nobody takes it away.
        cache.check_writable().unwrap();
        assert!(cache.info().unwrap().bytes > whole.bytes + 100_000);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(cache.info().unwrap().bytes > whole.bytes + 100_000);
    };
    killed();
    cache.check_writable().unwrap();
    assert_eq!(cache.info().unwrap(), whole);
    // Its bytes are no reason to evict entries.
    killed();
    let tight = Cache::open(folder.path(), 3 * whole.bytes).unwrap();
    fs::remove_file(folder.path().join("lock")).unwrap();
    tight.put(&key(2), &records(2)).unwrap();
    assert_eq!((tight.info().unwrap().entries, files(folder.path()).len()), (2, 2));
}

#[test]
fn an_entry_from_the_future_goes_first() {
    let folder = folder();
    let cache = Cache::open(folder.path(), LIMIT).unwrap();
    cache.put(&key(0), &records(0)).unwrap();
    let (size, path) = (bytes(folder.path()), files(folder.path()).remove(0));
    // The clock was a year ahead when it was used, and nobody has used it since.
    let ahead = SystemTime::now() + Duration::from_secs(365 * 86_400);
    fs::File::options().write(true).open(&path).unwrap().set_modified(ahead).unwrap();
    let cache = Cache::open(folder.path(), 3 * size).unwrap();
    for n in 1..=3 {
        cache.put(&key(n), &records(n.into())).unwrap();
    }
    assert!(cache.get(&key(0)).unwrap().is_none());
    assert!(cache.get(&key(3)).unwrap().is_some());
}

/// What stands in the place of an entry, and cannot be read or not as one.
#[test]
#[cfg(unix)]
fn an_entry_that_cannot_be_read_is_a_miss() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let folder = folder();
    let cache = Cache::open(folder.path(), LIMIT).unwrap();
    cache.put(&key(1), &records(1)).unwrap();
    let path = files(folder.path()).remove(0);
    // Root reads everything; `tests/scan/sharing.rs` takes another user then.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(&path).is_err() {
        assert!(cache.get(&key(1)).unwrap().is_none());
    }
    assert_eq!(all(&cache.put(&key(1), &records(1)).unwrap()), records(1));
    fs::remove_file(&path).unwrap();
    symlink(&path, &path).unwrap();
    assert!(cache.get(&key(1)).unwrap().is_none(), "a link to itself");
    assert_eq!(all(&cache.put(&key(1), &records(1)).unwrap()), records(1));
    fs::remove_file(&path).unwrap();
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    assert!(cache.get(&key(1)).unwrap().is_none(), "a pipe");
    assert_eq!(all(&cache.put(&key(1), &records(1)).unwrap()), records(1));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(cache.get(&key(1)).unwrap().is_none(), "a folder");
    assert!(matches!(cache.put(&key(1), &records(1)), Err(Error::Io { .. })));
    assert_eq!(files(folder.path()), [path]);
}

#[test]
#[cfg(unix)]
fn a_link_in_the_place_of_the_lock_is_not_followed() {
    let folder = folder();
    let notes = folder.path().join("notes");
    fs::write(&notes, "mine").unwrap();
    let cache = Cache::open(folder.path().join("cache"), LIMIT).unwrap();
    cache.put(&key(1), &records(1)).unwrap();
    fs::remove_file(cache.dir().join("lock")).unwrap();
    for target in [notes.as_path(), Path::new("/nowhere/at/all")] {
        std::os::unix::fs::symlink(target, cache.dir().join("lock")).unwrap();
        for refused in
            [cache.put(&key(2), &records(2)).err(), cache.clear().err(), cache.check_writable().err()]
        {
            let refused = refused.expect("it was followed").to_string();
            assert!(refused.contains("lock: cannot lock: a link or a special file"), "{refused}");
        }
        fs::remove_file(cache.dir().join("lock")).unwrap();
    }
    assert_eq!(fs::read_to_string(&notes).unwrap(), "mine");
    assert_eq!(all(&cache.get(&key(1)).unwrap().unwrap()), records(1));
}

/// Another user made the lock, and may write to it only himself.
#[test]
#[cfg(unix)]
fn a_lock_that_cannot_be_written_is_waited_for_and_the_files_are_counted() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder();
    Cache::open(folder.path(), LIMIT).unwrap().put(&key(0), &records(0)).unwrap();
    let (size, lock) = (bytes(folder.path()), folder.path().join("lock"));
    for mode in [0o444, 0] {
        // Root may do anything: there, the sum is kept as usual.
        fs::set_permissions(&lock, fs::Permissions::from_mode(mode)).unwrap();
        let cache = Cache::open(folder.path(), 3 * size).unwrap();
        for n in 1..=6 {
            cache.put(&key(n), &records(n.into())).unwrap();
            assert!(cache.info().unwrap().bytes <= 3 * size);
        }
        assert!(cache.get(&key(6)).unwrap().is_some());
    }
}

#[test]
fn a_wrong_count_of_bytes_is_set_right_by_counting() {
    let folder = folder();
    let cache = Cache::open(folder.path(), LIMIT).unwrap();
    cache.put(&key(1), &records(1)).unwrap();
    for wrong in [&b"no"[..], &u64::MAX.to_le_bytes()] {
        fs::write(folder.path().join("lock"), wrong).unwrap();
        cache.put(&key(2), &records(2)).unwrap();
        assert_eq!(cache.info().unwrap().entries, 2);
        let sum = fs::read(folder.path().join("lock")).unwrap();
        assert_eq!(sum, cache.info().unwrap().bytes.to_le_bytes());
    }
}

#[test]
fn a_file_in_place_of_the_folder_is_refused() {
    let folder = folder();
    let path = folder.path().join("file");
    fs::write(&path, "x").unwrap();
    let error = Cache::open(&path, LIMIT).unwrap_err();
    assert!(error.to_string().ends_with("file: found a file, expected a folder for the cache"), "{error}");
}

#[test]
fn an_entry_is_a_safetensors_file_of_named_tensors() {
    use safetensors::{Dtype as Stored, SafeTensors};
    let folder = folder();
    let cache = Cache::open(folder.path(), LIMIT).unwrap();
    let names = ["layers.0.q_proj", "a \"name\"\n", "ü"].map(str::to_owned);
    let mut writer = cache.writer(&key(1), names.to_vec()).unwrap();
    records(4).iter().for_each(|record| writer.push(record).unwrap());
    writer.finish().unwrap();
    let bytes = fs::read(&files(folder.path())[0]).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    // The first record has an update.
    assert_eq!(file.len(), 1 + 7 + 1 + 4);
    for (name, record) in names.iter().zip(records(4)) {
        let tensor = |part: &str| file.tensor(&format!("{name}.{part}")).unwrap();
        let CachedModule::Basis { basis, projection, update } = record else {
            assert!(tensor("missing").data().ends_with("expected ü".as_bytes()));
            continue;
        };
        let numbers = |part: &str| -> Vec<f32> {
            assert_eq!(tensor(part).dtype(), Stored::F32);
            tensor(part).data().chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
        };
        assert_eq!((tensor("rows").shape(), numbers("rows")), (&[5, 40][..], basis.rows().to_vec()));
        assert_eq!(numbers("projection"), projection.to_vec());
        if let Some(update) = update {
            assert_eq!(tensor("update.norm").data(), update.norm().to_le_bytes());
            // x of d_out = 21, zeros up to 32, v of d_in = 40.
            assert_eq!((tensor("update.rows").shape(), update.n_terms()), (&[3, 72][..], 3));
            let row = &numbers("update.rows")[..72];
            assert!(row[21..32].iter().all(|&x| x == 0.0) && row[32..].iter().any(|&x| x != 0.0));
        }
        let sigma =
            tensor("sigma").data().chunks(8).map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap()));
        assert!(sigma.eq(basis.sigma().iter().copied()));
        let counts =
            tensor("counts").data().chunks(8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap()));
        assert!(counts.eq([5, 40, 0, 5]));
    }
}

#[test]
fn threads_share_an_entry() {
    let folder = folder();
    let entry = Cache::open(folder.path(), LIMIT).unwrap().put(&key(1), &records(1)).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..200).for_each(|i| assert_eq!(entry.read(i % 3).unwrap(), records(1)[i % 3])));
        }
    });
}

/// Puts and gets six keys many times under a limit of three entries, and checks all that it reads.
fn churn(dir: &Path, limit_bytes: u64, start: u64) {
    let cache = Cache::open(dir, limit_bytes).unwrap();
    for round in 0..150 {
        let n = (round * 7 + start * 3) % 6;
        let entry = match cache.get(&key(n as u8)).unwrap() {
            Some(entry) => entry,
            None => cache.put(&key(n as u8), &records(n)).unwrap(),
        };
        assert_eq!(all(&entry), records(n));
    }
}

const DIR: &str = "LORASCOPE_TEST_CACHE";

/// This test's own executable, running one of its ignored tests.
fn child(test: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture"]).env(DIR, dir);
    command
}

#[test]
#[ignore = "runs as the process of another test"]
fn child_churns() {
    let limit = std::env::var("LORASCOPE_TEST_LIMIT").unwrap().parse().unwrap();
    churn(Path::new(&std::env::var(DIR).unwrap()), limit, std::process::id().into());
}

#[test]
fn processes_and_threads_race_on_keys_and_on_eviction() {
    let folder = folder();
    Cache::open(folder.path(), LIMIT).unwrap().put(&key(0), &records(0)).unwrap();
    let limit = 3 * bytes(folder.path());
    let children: Vec<_> = (0..4)
        .map(|_| {
            child("child_churns", folder.path())
                .env("LORASCOPE_TEST_LIMIT", limit.to_string())
                .spawn()
                .unwrap()
        })
        .collect();
    let barrier = Barrier::new(4);
    std::thread::scope(|scope| {
        for start in 0..4 {
            let (barrier, dir) = (&barrier, folder.path());
            scope.spawn(move || {
                barrier.wait();
                churn(dir, limit, start);
            });
        }
    });
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert!(bytes(folder.path()) <= limit, "{} of {limit}", bytes(folder.path()));
    assert!(files(folder.path()).iter().all(|file| file.extension().is_some_and(|end| end == "safetensors")));
}

#[test]
#[ignore = "runs as the process of another test"]
fn child_fills_the_disk() {
    let cache = Cache::open(std::env::var(DIR).unwrap(), LIMIT).unwrap();
    let basis = Basis::gaussian(16, 1024, 0).unwrap();
    let large = CachedModule::Basis { basis, projection: none(), update: None };
    let error = cache.put(&key(2), &[large]).unwrap_err();
    assert!(
        matches!(error, Error::Io { .. }) && error.to_string().contains(".safetensors: cannot write: "),
        "{error}"
    );
    assert_eq!(all(&cache.get(&key(1)).unwrap().unwrap()), records(1));
    assert_eq!(all(&cache.put(&key(3), &records(3)).unwrap()), records(3));
}

/// A limit on the size of a file, 32 KiB, stands for the full disk.
#[test]
#[cfg(unix)]
fn a_full_disk_is_an_error_that_leaves_the_cache_as_it_was() {
    let folder = folder();
    Cache::open(folder.path(), LIMIT).unwrap().put(&key(1), &records(1)).unwrap();
    let child = child("child_fills_the_disk", folder.path());
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$@\"", "sh"]);
    limited.arg(child.get_program()).args(child.get_args()).env(DIR, folder.path());
    assert!(limited.status().unwrap().success());
    assert_eq!(files(folder.path()).len(), 2);
}

fn lorascope(args: &[&str], home: &Path) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lorascope"));
    let output = command.args(args).env("HOME", home).env("XDG_CACHE_HOME", home).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn the_command_counts_and_clears_the_users_own_cache_or_a_named_one() {
    let folder = folder();
    let own = folder.path().join("lorascope");
    let dir = own.display();
    let info = lorascope(&["cache", "info"], folder.path());
    assert_eq!(info, format!("{dir}: 0 entries, 0 B, limit 20.00 GiB\n"));
    assert!(!own.exists(), "looking makes no folder");
    let cache = Cache::open(&own, LIMIT).unwrap();
    cache.put(&key(1), &records(1)).unwrap();
    let bytes = bytes(&own);
    let text = lorascope(&["cache", "info", "--json", "--cache", own.to_str().unwrap()], Path::new("/"));
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&json["entries"], &json["bytes"], &json["limit_bytes"]),
        (&1.into(), &bytes.into(), &LIMIT.into())
    );
    let cleared = lorascope(&["cache", "clear"], folder.path());
    assert_eq!(cleared, format!("{dir}: 1 entry, {:.2} KiB removed\n", bytes as f64 / 1024.0));
    assert_eq!(cache.info().unwrap().entries, 0);
}
