//! The manifest of a backup, `manifest.jsonl` beside its `backup.json`: what its trees hold, one
//! JSON object a line.
//!
//! (An entry is on one line; here one is broken for want of room.)
//!
//! ```text
//! {"format":"holdstill-manifest","version":1,"run":"20261123T010203Z-00002a","sum":"blake3"}
//! {"path":"tree","type":"directory","size":0,"mode":"0750","uid":100,"gid":101,
//!  "mtime":1795396000,"mtime_ns":5}
//! {"path":"tree/ibdata1","type":"file","size":12582912,...,"blake3":"af13..."}
//! {"path":"tree/log","type":"link","size":4,...,"target":"/var"}
//! {"end":true,"entries":3,"files":1,"bytes":12582912}
//! ```
//!
//! Entries stand in ascending order of their paths' bytes, each once, each behind the directory it
//! is in; so nothing can be reached through a link. Paths are relative to the backup's directory.
//! The last line counts the others, so a manifest that was cut is noticed.
//!
//! Paths and link targets are bytes: UTF-8 stands as it is, but for the backslash, which is `\\`; a
//! byte that belongs to no UTF-8 is `\x` and two lower case hexadecimal digits. On top of that
//! comes JSON, which doubles each backslash.
//!
//! Deliberately absent: reading the files, which is the host's, and comparing, which is `verify`'s.

mod line;
mod path;
mod read;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

pub use read::{Entries, Malformed, shown};

pub use crate::host::{Moment, Type};

use crate::digest::Digest;
use crate::host::Found;
use crate::units::Bytes;

/// The manifest's file.
pub const FILE: &str = "manifest.jsonl";
/// The version of the format that this program writes and reads.
pub const VERSION: u32 = 1;

/// One thing in a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where, relative to the backup's directory: `tree/ibdata1`.
    pub path: PathBuf,
    /// What stands there.
    pub is: Type,
    /// A file's bytes, the length of a link's target; 0 for everything else.
    pub size: Bytes,
    /// Permission bits, with set-id and sticky bits: `0o7777` at most.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// When its content last changed.
    pub mtime: Moment,
    /// Where a link leads, as it says; of links only.
    pub target: Option<PathBuf>,
    /// The sum of the content; of files only.
    pub blake3: Option<Digest>,
}

/// What a manifest counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// All entries.
    pub entries: u64,
    /// Regular files.
    pub files: u64,
    /// The bytes in them; those of a file with several names count for each.
    pub bytes: Bytes,
}

/// A whole manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The run that made the backup.
    pub run: String,
    /// In order of their paths' bytes.
    pub entries: Vec<Entry>,
}

impl Manifest {
    /// A manifest of these entries, which it puts in order.
    pub fn new(run: &str, mut entries: Vec<Entry>) -> Self {
        entries.sort_unstable_by(|one, other| path::order(&one.path, &other.path));
        Self { run: run.into(), entries }
    }

    /// Reads a whole manifest.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let entries = Entries::of(text)?;
        let run = entries.run().to_owned();
        Ok(Self { run, entries: entries.collect::<Result<_, _>>()? })
    }

    /// Reads the manifest of a run whose record tells its sum; why not, if it is another one.
    pub fn sealed(text: &str, told: Digest, run: &str) -> Result<Self, String> {
        let found = Digest::of(text.as_bytes());
        if told != found {
            return Err(format!("the record tells its sum as {told}, found {found}"));
        }
        let manifest = Self::parse(text).map_err(|why| why.to_string())?;
        if manifest.run != run {
            return Err(format!("the record is of run {run}, it is of run {}", manifest.run));
        }
        Ok(manifest)
    }

    /// Its text, which ends with a line feed.
    pub fn text(&self) -> Result<String, String> {
        line::text(self)
    }

    /// What it counts.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        self.entries.iter().for_each(|entry| totals.count(entry));
        totals
    }
}

impl Totals {
    fn count(&mut self, entry: &Entry) {
        self.entries += 1;
        if entry.is == Type::File {
            self.files += 1;
            self.bytes.0 = self.bytes.0.saturating_add(entry.size.0);
        }
    }
}

impl Entry {
    /// What was found at this path, and the sum of what is in it.
    pub fn new(path: PathBuf, found: &Found, blake3: Option<Digest>) -> Self {
        Self {
            path,
            is: found.is,
            size: found.size,
            mode: found.mode,
            uid: found.uid,
            gid: found.gid,
            mtime: found.mtime,
            target: found.target.clone(),
            blake3,
        }
    }
}
