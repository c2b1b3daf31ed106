//! What can be wrong with a backup, in words and as data.

use std::fmt;
use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use crate::digest::Digest;
use crate::manifest;

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Problem {
    /// Where, relative to the backup's directory, written as in the manifest.
    pub path: String,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(tag = "problem", rename_all = "kebab-case")]
pub enum What {
    /// The record is no record, or its seal does not fit: nothing it tells is believed.
    Record {
        /// Why.
        why: String,
    },
    /// The manifest is not the one that the record tells of: no file can be held against it.
    Manifest {
        /// Why.
        why: String,
    },
    /// It is not there.
    Missing,
    /// It is there and should not be.
    Extra {
        /// What it is.
        found: String,
    },
    /// It is something else.
    Type {
        /// What it was.
        expected: String,
        /// What it is.
        found: String,
    },
    /// It has another length.
    Size {
        /// In bytes, as it was.
        expected: u64,
        /// As it is.
        found: u64,
    },
    /// It is as long as it was, and something else is in it.
    Content {
        /// The sum as it was.
        expected: Digest,
        /// The sum as it is.
        found: Digest,
    },
    /// It cannot be read.
    Unreadable {
        /// Why.
        why: String,
    },
    /// Its permissions changed.
    Mode {
        /// In octal, as they were.
        expected: String,
        /// As they are.
        found: String,
    },
    /// Its owner or group changed.
    Owner {
        /// As numbers, as they were: `100:101`.
        expected: String,
        /// As they are.
        found: String,
    },
    /// It was written to, or somebody set its time.
    Time {
        /// When it was written last, in seconds since 1970.
        expected: String,
        /// What it tells now.
        found: String,
    },
    /// The link leads elsewhere.
    Target {
        /// Where it led.
        expected: String,
        /// Where it leads.
        found: String,
    },
    /// It is what was copied, and that was bad in the source already.
    BadPages {
        /// How many pages were checked.
        checked: u64,
        /// How many of them have a checksum that does not fit.
        bad: u64,
        /// The numbers of the first of those.
        first_bad: Vec<u64>,
    },
}

impl Problem {
    /// Something about this path.
    pub fn new(path: &Path, what: What) -> Self {
        Self { path: manifest::shown(path), what }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        match &self.what {
            What::Record { why } => write!(f, "{why}"),
            What::Manifest { why } => write!(f, "damaged manifest '{path}': {why}"),
            What::Missing => write!(f, "missing: '{path}'"),
            What::Extra { found } => write!(f, "extra: '{path}', a {found}"),
            What::Size { expected, found } if found < expected => {
                write!(f, "truncated: '{path}': expected {expected} bytes, found {found}")
            }
            What::Size { expected, found } => {
                write!(f, "longer: '{path}': expected {expected} bytes, found {found}")
            }
            What::Content { .. } => write!(f, "changed content: '{path}'"),
            What::Unreadable { why } => write!(f, "unreadable: '{path}': {why}"),
            What::Type { expected, found } => changed(f, "type", path, expected, found),
            What::Mode { expected, found } => changed(f, "mode", path, expected, found),
            What::Owner { expected, found } => changed(f, "owner", path, expected, found),
            What::Time { expected, found } => changed(f, "time", path, expected, found),
            What::Target { expected, found } => changed(f, "link", path, expected, found),
            What::BadPages { checked, bad, first_bad } => {
                let bad = crate::store::BadPages {
                    file: path.clone(),
                    checked: *checked,
                    bad: *bad,
                    first_bad: first_bad.clone(),
                };
                write!(f, "{bad}")
            }
        }
    }
}

fn changed(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    path: &str,
    expected: &str,
    found: &str,
) -> fmt::Result {
    write!(f, "changed {what}: '{path}': expected '{expected}', found '{found}'")
}
