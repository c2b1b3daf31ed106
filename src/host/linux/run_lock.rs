//! The run lock: one holdstill at a time, told by a lock that dies with its process.
//! Deliberately no reading of process numbers: only the kernel's lock decides.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::libc::O_NOFOLLOW;

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

/// Writes who holds the lock, in place of what was said before.
pub(super) fn say(lock: &mut RunLock, text: &str) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    lock.write_all(text.as_bytes())
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
