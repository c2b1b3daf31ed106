//! Whether what stands at a path is ours alone, since what it says is done as root: nobody else can
//! change it, nor put something else in its place.
//!
//! Deliberately absent: what a stranger could read; a file with a password is looked at by
//! `config::load`.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::host::{Ask, Entry, Fault, Host};
use crate::shell;

/// The bits with which others than the owner may write.
const OTHERS_WRITE: u32 = 0o022;

/// In a directory with this bit others cannot replace what is not theirs (inode(7)).
const STICKY: u32 = 0o1000;

/// Somebody else who can change what stands at a path, or replace it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Others {
    /// Where they can: the path itself, or a directory above it.
    pub at: PathBuf,
    /// How.
    pub how: How,
}

/// How others can change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Its permission bits let them.
    Mode(u32),
    /// It belongs to this user, who is neither root nor we.
    Owner(u32),
}

/// Who else can change what stands at a path; nobody if nothing does. Links are followed, and both
/// the directories that are named and those that are meant are looked at.
pub fn others(host: &dyn Host, path: &Path) -> Result<Option<Others>, Fault> {
    let itself = here(host, path)?;
    let Some(entry) = host.entry(path)?.filter(|_| itself.is_none()) else { return Ok(itself) };
    let us = host.machine()?.uid;
    let mut above: Vec<&Path> = path.ancestors().chain(entry.real.ancestors()).collect();
    above.retain(|one| !one.as_os_str().is_empty() && *one != path && *one != entry.real);
    for at in above {
        if let Some(how) = host.entry(at)?.and_then(|entry| how(&entry, us, STICKY)) {
            return Ok(Some(Others { at: at.into(), how }));
        }
    }
    Ok(None)
}

/// The same of the path alone, where the directories above it are known.
pub fn here(host: &dyn Host, path: &Path) -> Result<Option<Others>, Fault> {
    let Some(entry) = host.entry(path)? else { return Ok(None) };
    let how = how(&entry, host.machine()?.uid, 0);
    Ok(how.map(|how| Others { at: path.into(), how }))
}

/// How others can change an entry; `spared` are the bits that take it back.
fn how(entry: &Entry, us: u32, spared: u32) -> Option<How> {
    if can_be_written_by_others(entry) && entry.mode & spared == 0 {
        return Some(How::Mode(entry.mode & 0o7777));
    }
    (entry.uid != 0 && entry.uid != us).then_some(How::Owner(entry.uid))
}

/// Whether the permission bits let others than the owner write.
pub fn can_be_written_by_others(entry: &Entry) -> bool {
    entry.mode & OTHERS_WRITE != 0
}

impl Others {
    /// The command that takes it from them.
    pub fn command(&self) -> String {
        let at = shell::path(&self.at);
        match self.how {
            How::Mode(_) => format!("chmod go-w {at}"),
            How::Owner(_) => format!("chown root {at}"),
        }
    }
}

impl fmt::Display for Others {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at.display();
        match self.how {
            How::Mode(mode) => write!(f, "others can write to '{at}' (mode {mode:04o})"),
            How::Owner(uid) => write!(f, "'{at}' belongs to user {uid}"),
        }
    }
}
