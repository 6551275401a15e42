//! A lock without `flock`: a file that only one process can make. Its holder changes it again and again; one that stays as
//! it is belongs to a process that was killed.
//!
//! Times are those of the process that waits, between two looks at the file, so that clocks may differ and jump. Who finds
//! a claim dead removes it under a claim on that very one, so that no two do, and none removes its successor.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use super::owner;
use crate::files::{parent_dir, patiently};

/// How a claim is named: the lock, and this.
pub(super) const SUFFIX: &str = ".held";

/// The longest pause between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// How claims are told from dead ones.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// How often a holder changes its claim.
    pub(super) beat: Duration,
    /// How long a dead one stays as it is, at least.
    pub(super) dead: Duration,
}

impl Pace {
    /// A network file system may stand still for some seconds.
    pub(super) const USUAL: Self = Self { beat: Duration::from_secs(2), dead: Duration::from_secs(30) };
}

/// A claim that is held until this is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    path: PathBuf,
    token: String,
    heart: Option<(Sender<()>, JoinHandle<()>)>,
}

/// What a look at a claim shows. A text of one word more or less is one that is just being written.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    text: String,
    modified: Option<SystemTime>,
}

impl Claim {
    /// Waits until the file can be made, or its holder is dead.
    ///
    /// # Errors
    /// Those of the system.
    pub(super) fn wait_for(path: &Path, pace: Pace) -> io::Result<Self> {
        let token = format!("{:016x}", RandomState::new().build_hasher().finish());
        let owner = owner::this_process();
        let first = text(&token, &owner, 0);
        let mut last: Option<(Seen, Instant)> = None;
        let mut pause = Duration::from_millis(1);
        loop {
            match patiently(|| make(path, first.as_bytes())) {
                Ok(()) => return Self::begin(path, token, owner, pace),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            let Some(seen) = look(path)? else { continue };
            let since = match last.take() {
                Some((before, since)) if before == seen => since,
                _ => Instant::now(),
            };
            if seen.owner().is_some_and(owner::has_ended) || since.elapsed() >= pace.dead {
                remove_dead(path, &seen, pace)?;
                continue;
            }
            last = Some((seen, since));
            thread::sleep(pause);
            pause = (2 * pause).min(LOOK);
        }
    }

    fn begin(path: &Path, token: String, owner: String, pace: Pace) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let (of_heart, own) = (path.to_owned(), token.clone());
        let begun = thread::Builder::new().name("lock".to_owned()).spawn(move || {
            let mut beat = 0;
            while stopped.recv_timeout(pace.beat) == Err(RecvTimeoutError::Timeout) {
                beat += 1;
                // What cannot be written now can be at the next beat, or the claim is lost.
                let _ = renew(&of_heart, &own, &text(&own, &owner, beat));
            }
        });
        match begun {
            Ok(heart) => Ok(Self { path: path.to_owned(), token, heart: Some((stop, heart)) }),
            Err(error) => {
                let _ = fs::remove_file(path);
                Err(error)
            }
        }
    }
}

/// Makes a file that is not there, with its text in it from the start if the system can: one that was killed in between leaves an
/// empty claim, which is waited for.
fn make(path: &Path, text: &[u8]) -> io::Result<()> {
    match make_whole(path, text) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {}
        made => return made,
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text).inspect_err(|_| _ = fs::remove_file(path))
}

/// Gives a name to a file that was written without one.
#[cfg(target_os = "linux")]
pub(super) fn make_whole(path: &Path, text: &[u8]) -> io::Result<()> {
    use std::os::fd::AsRawFd as _;

    use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, openat};

    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let mut file = File::from(openat(CWD, parent_dir(path), flags, Mode::from_raw_mode(0o666))?);
    file.write_all(text)?;
    let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
    linkat(CWD, unnamed.as_str(), CWD, path, AtFlags::SYMLINK_FOLLOW)?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn make_whole(_: &Path, _: &[u8]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Texts of one claim have one length, so that one over another leaves nothing of it.
fn text(token: &str, owner: &str, beat: u64) -> String {
    format!("{token} {owner} {beat:020}\n")
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some((stop, heart)) = self.heart.take() {
            drop(stop);
            let _ = heart.join();
        }
        // A process that stood still for too long has lost its claim to another.
        if look(&self.path).is_ok_and(|seen| seen.is_some_and(|seen| seen.token() == Some(&self.token))) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Seen {
    fn words(&self) -> Option<[&str; 3]> {
        let words: Vec<&str> = self.text.split_whitespace().collect();
        words.try_into().ok()
    }

    fn token(&self) -> Option<&str> {
        let [token, ..] = self.words()?;
        (token.len() == 16 && token.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(token)
    }

    fn owner(&self) -> Option<&str> {
        self.words().map(|[_, owner, _]| owner)
    }
}

/// What a claim is now; `None` where there is none. It is opened for each look, since only that makes a network file system
/// ask its server.
fn look(path: &Path) -> io::Result<Option<Seen>> {
    let read = || -> io::Result<Seen> {
        // A pipe would be waited for.
        if !fs::symlink_metadata(path)?.is_file() {
            return Err(super::not_a_lock());
        }
        let file = patiently(|| File::open(path))?;
        let modified = file.metadata()?.modified().ok();
        let mut text = vec![];
        file.take(1024).read_to_end(&mut text)?;
        Ok(Seen { text: String::from_utf8_lossy(&text).into_owned(), modified })
    };
    match read() {
        Ok(seen) => Ok(Some(seen)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes another beat over one's own claim.
fn renew(path: &Path, token: &str, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut there = vec![0; token.len()];
    file.read_exact(&mut there)?;
    if there != token.as_bytes() {
        return Err(io::ErrorKind::NotFound.into());
    }
    io::Seek::rewind(&mut file)?;
    file.write_all(text.as_bytes())
}

/// Removes a claim that is dead, if it is still there. Nobody but its holder does so without a claim on its token.
fn remove_dead(path: &Path, dead: &Seen, pace: Pace) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", dead.token().unwrap_or("unreadable")));
    let _turn = Claim::wait_for(Path::new(&name), pace)?;
    if look(path)?.as_ref() != Some(dead) {
        return Ok(());
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
