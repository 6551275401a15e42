//! Who holds a lock, so that it is known at once when that process is gone.

use std::fs;
use std::path::Path;

/// This process, in one word; `-` where the system does not say enough to tell a dead process from a foreign one.
pub(super) fn this_process() -> String {
    neighbourhood().map_or_else(|| "-".to_owned(), |near| format!("{near}/{}", std::process::id()))
}

/// Whether the process of this word certainly ended: it ran as this user, since this boot and in this name space of
/// processes, where a process that lives is seen.
pub(super) fn has_ended(owner: &str) -> bool {
    let Some((near, pid)) = owner.rsplit_once('/') else { return false };
    let is_pid = !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit());
    is_pid && neighbourhood().is_some_and(|own| own == near) && !Path::new("/proc").join(pid).exists()
}

/// Boot, name space of processes and user.
#[cfg(target_os = "linux")]
fn neighbourhood() -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let space = fs::read_link("/proc/self/ns/pid").ok()?;
    let user = fs::metadata("/proc/self").ok()?.uid();
    let plain = |c: &char| c.is_ascii_alphanumeric();
    let word = |text: &str| text.chars().filter(plain).collect::<String>();
    Some(format!("{}.{}.{user}", word(&boot), word(space.to_str()?)))
}

#[cfg(not(target_os = "linux"))]
fn neighbourhood() -> Option<String> {
    None
}
