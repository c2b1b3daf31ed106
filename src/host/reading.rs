//! Reading trees: what stands there, and the sums of what is in the files.

use std::path::PathBuf;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::priority::Priority;
use crate::digest::Digest;
use crate::units::Bytes;

/// What stands at a path, links not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Type {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// Anything else: a device, a pipe, a socket.
    Other,
}

/// A moment of a file's clock: seconds since 1970 in UTC, and the nanoseconds behind them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Whole seconds, rounded down.
    pub seconds: i64,
    /// Below 1 000 000 000.
    pub nanos: u32,
}

/// One thing in a tree, as `lstat` tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where, relative to where the walk began.
    pub path: PathBuf,
    /// What stands there.
    pub is: Type,
    /// A file's bytes, the length of a link's target; 0 for everything else.
    pub size: Bytes,
    /// Permission bits, with set-id and sticky bits.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// When its content last changed.
    pub mtime: Moment,
    /// Where a link leads, as it says; of links only.
    pub target: Option<PathBuf>,
    /// The number that all names of one file share.
    pub inode: u64,
    /// How many names it has.
    pub names: u64,
}

/// What a walk found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// Everything below the directory, in order of the paths' bytes.
    pub found: Vec<Found>,
    /// What could not be looked at, or where another filesystem is mounted, and why.
    pub unseen: Vec<(PathBuf, String)>,
}

/// Files to be read whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The directory that the paths are relative to. No link below it is followed.
    pub directory: PathBuf,
    /// Which.
    pub files: Arc<[ToRead]>,
    /// How much of the machine that may take.
    pub priority: Priority,
}

/// A file to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToRead {
    /// Where.
    pub path: PathBuf,
    /// How many bytes it has; another number is an error.
    pub size: Bytes,
}

/// What came of a reading since it was last asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readings {
    /// Files that were read, by their place in the order given, or why that failed.
    pub files: Vec<(usize, Result<Sum, String>)>,
    /// How many bytes were read since the beginning, also of files that are not read to their end.
    pub bytes: Bytes,
    /// Whether all of them were told.
    pub over: bool,
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    /// Of all its bytes.
    pub blake3: Digest,
    /// What its pages are like, if it is a tablespace.
    pub pages: Option<Pages>,
}

/// What was found of the pages of one tablespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pages {
    /// How many were checked.
    pub checked: u64,
    /// How many of them have a checksum that does not fit.
    pub bad: u64,
    /// The numbers of the first of those.
    pub first_bad: Vec<u64>,
    /// Why not all were checked; nothing if they were.
    pub skipped: Option<String>,
}

impl Type {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Link => "link",
            Self::Other => "device, pipe or socket",
        }
    }
}

impl Reading {
    /// A reading of nothing: what ends another one.
    pub fn nothing() -> Self {
        let (directory, priority) = (PathBuf::from("/"), Priority::default());
        Self { directory, files: Arc::default(), priority }
    }
}
