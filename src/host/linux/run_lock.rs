//! The run lock: one holdstill at a time, told by a lock that dies with its process.
//! Deliberately no reading of process numbers: only the kernel's lock decides.

use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::libc::O_NOFOLLOW;
use nix::sys::stat::{major, minor};
use procfs::LockType;

use super::inspect::limited;
use crate::host::Fault;

/// The longest text of a holder.
const HOLDER_BYTES_MAX: u64 = 4096;

/// The lock, held as long as this value lives.
pub(super) type RunLock = Flock<File>;

/// Takes the lock and writes who holds it.
///
/// `Refused` only if somebody else has it, with the holder's text and nothing else; every other
/// failure is `Unsure`, so that the two cannot be mistaken for each other.
pub(super) fn take(path: &Path, text: &str) -> Result<RunLock, Fault> {
    let wrong = |error: io::Error| {
        Fault::unsure(format!("cannot take the lock '{}': {error}", path.display()))
    };
    let mut lock = match Flock::lock(open(path).map_err(wrong)?, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => lock,
        Err((file, Errno::EWOULDBLOCK)) => return Err(held(&file)),
        Err((_, errno)) => return Err(wrong(errno.into())),
    };
    say(&mut lock, text).map_err(wrong)?;
    Ok(lock)
}

/// Who has the lock, in their own words; nothing if nobody has it. The kernel's list is read for
/// that: trying the lock would stand in the way of a run that begins at that moment.
pub(super) fn holder(path: &Path) -> Result<Option<String>, Fault> {
    let wrong = |error: &dyn Display| {
        Fault::refused(format!("cannot look at the lock '{}': {error}", path.display()))
    };
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|error| wrong(&error))?,
    };
    let meta = file.metadata().map_err(|error| wrong(&error))?;
    let said = limited(&file, HOLDER_BYTES_MAX).map_err(|error| wrong(&error))?;
    let locks = procfs::locks().map_err(|error| wrong(&error))?;
    let (major, minor) = (major(meta.dev()), minor(meta.dev()));
    let held = locks.iter().any(|lock| {
        // Where a filesystem has several volumes (btrfs) the list shows another device than the
        // file does; then the holder's own words have to name the process.
        let here = (u64::from(lock.devmaj), u64::from(lock.devmin)) == (major, minor)
            || lock.pid.is_some_and(|pid| said.contains(&format!("process {pid},")));
        lock.lock_type == LockType::FLock && lock.inode == meta.ino() && here
    });
    Ok(held.then(|| said.trim().to_owned()))
}

/// Writes who holds the lock, in place of what was said before. Over it and not after having cut it
/// off: on a full disk what is there can be written over, and where it cannot it still stands.
pub(super) fn say(lock: &mut RunLock, text: &str) -> io::Result<()> {
    lock.rewind()?;
    lock.write_all(text.as_bytes())?;
    lock.set_len(text.len() as u64)
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(O_NOFOLLOW)
        .open(path)
}

fn held(file: &File) -> Fault {
    let holder = limited(file, HOLDER_BYTES_MAX).unwrap_or_default();
    Fault::refused(holder.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_it_is_seen_without_taking_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        assert_eq!(holder(&path), Ok(None));
        let first = take(&path, "run 1\n").unwrap();
        assert_eq!(holder(&path), Ok(Some("run 1".into())));
        drop(first);
        assert_eq!(holder(&path), Ok(None), "its words are still there, and nobody has it");
        std::fs::write(dir.path().join("other"), "run 2").unwrap();
        let _other = take(&dir.path().join("other"), "run 2").unwrap();
        assert_eq!(holder(&path), Ok(None), "another file is locked");
    }

    #[test]
    fn the_second_one_learns_who_was_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = take(&path, "run 1, and a longer story\n").unwrap();
        assert_eq!(take(&path, "run 2").unwrap_err(), Fault::refused("run 1, and a longer story"));
        drop(first);
        let _third = take(&path, "run 3").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "run 3");
        assert!(matches!(take(&dir.path().join("none/lock"), ""), Err(Fault::Unsure(_))));
    }
}
