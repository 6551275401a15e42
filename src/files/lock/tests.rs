use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::*;

/// A holder is dead after a third of a second here.
const PACE: Pace = Pace { beat: Duration::from_millis(30), dead: Duration::from_millis(300) };

fn with_flock(file: &File) -> io::Result<()> {
    file.lock()
}

/// As file systems without locks answer.
fn refusals() -> Vec<io::Error> {
    let mut refusals = vec![io::ErrorKind::Unsupported.into(), io::Error::other("none here")];
    if cfg!(target_os = "linux") {
        // EINVAL, ENOLCK, ENOSYS, EOPNOTSUPP.
        refusals.extend([22, 37, 38, 95].map(io::Error::from_raw_os_error));
    }
    refusals
}

fn without_flock(_: &File) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[test]
fn only_one_holds_a_lock_with_flock_and_without() {
    for is_by_files in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let (is_held, n_held) = (AtomicBool::new(false), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..25 {
                        let flock = if is_by_files { without_flock } else { with_flock };
                        let lock = Lock::by(flock, &path, PACE).unwrap();
                        assert!(!is_held.swap(true, Ordering::SeqCst), "two hold it");
                        n_held.fetch_add(1, Ordering::SeqCst);
                        thread::yield_now();
                        is_held.store(false, Ordering::SeqCst);
                        drop(lock);
                    }
                });
            }
        });
        assert_eq!(n_held.into_inner(), 200);
        let left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!(left, ["lock"]);
    }
}

#[test]
fn whatever_flock_is_refused_with_the_lock_is_one_by_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    for refusal in refusals() {
        let said = format!("{refusal:?}");
        let refusal = std::cell::Cell::new(Some(refusal));
        let lock = Lock::by(|_| Err(refusal.take().expect("asked once")), &path, PACE).unwrap();
        assert!(claim_path(&path).exists(), "{said}");
        drop(lock);
        assert!(!claim_path(&path).exists(), "{said}");
    }
}

#[test]
fn a_holder_that_lives_keeps_its_lock_for_longer_than_a_dead_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let lock = Lock::by(without_flock, &path, PACE).unwrap();
    thread::scope(|scope| {
        let since = Instant::now();
        let waits = scope.spawn(|| Lock::by(without_flock, &path, PACE).unwrap());
        thread::sleep(4 * PACE.dead);
        assert!(!waits.is_finished(), "it was taken away");
        drop(lock);
        waits.join().unwrap();
        assert!(since.elapsed() >= 4 * PACE.dead);
    });
}

#[test]
#[cfg(target_os = "linux")]
fn a_claim_is_never_seen_without_its_text() {
    let folder = tempfile::tempdir().unwrap();
    if let Err(error) = claim::make_whole(&folder.path().join("whole"), b"x") {
        eprintln!("skipped: this file system gives no name to a file without one: {error}");
        return;
    }
    let path = folder.path().join("lock");
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let looks = scope.spawn(|| {
            let mut n_seen = 0;
            while !is_over.load(Ordering::SeqCst) {
                if let Ok(text) = fs::read_to_string(claim_path(&path)) {
                    assert!(text.ends_with('\n'), "{text:?}");
                    n_seen += 1;
                }
            }
            n_seen
        });
        for _ in 0..2000 {
            drop(Lock::by(without_flock, &path, PACE).unwrap());
        }
        is_over.store(true, Ordering::SeqCst);
        assert!(looks.join().unwrap() > 0);
    });
}

/// A claim as a killed process leaves it.
fn leave(path: &Path, text: &str) {
    fs::write(claim_path(path), text).unwrap();
}

#[test]
fn what_a_killed_holder_left_is_taken_over_by_one_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let token = "0123456789abcdef";
    for (text, of_takeover) in [
        (format!("{token} other.host/7 00000000000000000003\n"), None),
        // Half written, and not written at all.
        (token.to_owned(), None),
        (String::new(), None),
        // Who took it over was killed too.
        (format!("{token} - 00000000000000000003\n"), Some(format!("lock.held.{token}"))),
    ] {
        leave(&path, &text);
        if let Some(name) = of_takeover {
            fs::write(folder.path().join(name), "fedcba9876543210 - 00000000000000000000\n").unwrap();
        }
        let since = Instant::now();
        let is_held = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    let lock = Lock::by(without_flock, &path, PACE).unwrap();
                    assert!(!is_held.swap(true, Ordering::SeqCst), "two hold it: {text}");
                    thread::sleep(Duration::from_millis(5));
                    is_held.store(false, Ordering::SeqCst);
                    drop(lock);
                });
            }
        });
        assert!(since.elapsed() >= PACE.dead, "{text}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{text}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_holder_of_this_machine_that_ended_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let mut child = std::process::Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let own = owner::this_process();
    assert!(!owner::has_ended(&own) && !owner::has_ended("-") && !owner::has_ended("a.b.0/"));
    let (near, _) = own.rsplit_once('/').unwrap();
    let (ended, foreign) = (format!("{near}/{}", child.id()), format!("other{near}/{}", child.id()));
    assert!(owner::has_ended(&ended) && !owner::has_ended(&foreign));
    leave(&path, &format!("0123456789abcdef {ended} 00000000000000000003\n"));
    let since = Instant::now();
    Lock::by(without_flock, &path, Pace::USUAL).unwrap();
    assert!(since.elapsed() < Pace::USUAL.dead / 2);
}

#[test]
fn a_lock_that_is_removed_while_it_is_waited_for_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let first = Lock::by(with_flock, &path, PACE).unwrap();
    thread::scope(|scope| {
        let waits = scope.spawn(|| Lock::by(with_flock, &path, PACE).unwrap());
        thread::sleep(Duration::from_millis(50));
        fs::remove_file(&path).unwrap();
        drop(first);
        let second = waits.join().unwrap();
        assert!(is_named(&second.file, &path).unwrap(), "it holds a file that nobody else finds");
    });
}

#[cfg(unix)]
mod of_others {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_link_or_a_special_file_in_the_place_of_a_lock_is_refused_and_what_it_leads_to_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("lock"), folder.path().join("notes"));
        fs::write(&other, "mine").unwrap();
        for target in ["notes", "nowhere", "/dev/null"] {
            symlink(target, &path).unwrap();
            assert!(Lock::by(with_flock, &path, PACE).is_err(), "{target}");
            fs::remove_file(&path).unwrap();
        }
        assert_eq!(fs::read_to_string(&other).unwrap(), "mine");
        assert!(!folder.path().join("nowhere").exists());
        for name in ["lock", "lock.held"] {
            let made = std::process::Command::new("mkfifo").arg(folder.path().join(name)).status().unwrap();
            assert!(made.success());
            assert!(Lock::by(without_flock, &path, PACE).is_err(), "{name}");
            fs::remove_file(folder.path().join(name)).unwrap();
        }
    }

    #[test]
    fn a_lock_is_for_all_who_may_write_to_its_folder() {
        for (of_folder, of_lock) in [(0o777, 0o666), (0o770, 0o660), (0o755, 0o644), (0o700, 0o600)] {
            let folder = tempfile::tempdir().unwrap();
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(of_folder)).unwrap();
            let path = folder.path().join("lock");
            let mut lock = Lock::by(with_flock, &path, PACE).unwrap();
            lock.file().unwrap().write_all(b"7").unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, of_lock);
        }
    }
}
