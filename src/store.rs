//! The directory of a backup: its record `backup.json`, its `coordinates.sql`, its `tree`.
//!
//! The record is written first, as a partial one, so that an unfinished directory says whose it
//! is; the finished record is written last, before the rename that publishes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::copy::rsync::Stats;
use crate::database::Server;
use crate::database::coordinates::Coordinates;
use crate::database::statements::Killed;
use crate::host::{Act, Ask, Fault, Host, UNFINISHED};
use crate::proof::Proof;
use crate::snapshot::Kind;
use crate::units::{Bytes, Millis};

/// The record's file.
pub const RECORD: &str = "backup.json";
/// The directory of the copied files; those of a second volume are in `tree.2`, and so on.
pub const TREE: &str = "tree";
/// The statements that attach a new replica.
pub const COORDINATES: &str = "coordinates.sql";
/// The version of the record's format.
pub const VERSION: u32 = 1;

/// What is known of a backup.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    /// The format's version.
    pub version: u32,
    /// The run that made it.
    pub run: String,
    /// `partial` or `published`.
    pub state: &'static str,
    /// The host it was made on.
    pub host: String,
    /// When the run began, in UTC.
    pub started: String,
    /// The server.
    pub server: Server,
    /// The data directory, relative to the first volume's `tree`; empty if it is `tree` itself.
    pub datadir: PathBuf,
    /// The volumes it was taken from, the data directory's first.
    pub sources: Vec<SourceVolume>,
    /// The lock statement; empty if nothing was locked.
    pub lock: String,
    /// Who froze the filesystem: `device-mapper` or `explicit`.
    pub freeze: &'static str,
    /// Where it stands in the stream of changes.
    pub coordinates: Coordinates,
    /// The lock window.
    pub window: WindowTimes,
    /// The statements of others that were ended for it.
    pub killed: Vec<Killed>,
    /// How long each phase took until the record was finished.
    pub timings_ms: serde_json::Map<String, serde_json::Value>,
    /// What was copied.
    pub copied: Stats,
    /// How full the COW store was after the copy; nothing where there was none.
    pub cow_percent: Option<f64>,
    /// The programs that took part: their versions.
    pub tools: serde_json::Value,
}

/// A volume that a backup was taken from.
#[derive(Clone, Debug, Serialize)]
pub struct SourceVolume {
    /// The volume group.
    pub vg: String,
    /// The logical volume.
    pub lv: String,
    /// Its filesystem.
    pub filesystem: String,
    /// Where it was mounted.
    pub mount: PathBuf,
    /// The directory of its files in the backup.
    pub tree: String,
    /// The kind of its snapshot: `thick` or `thin`.
    pub snapshot: Kind,
}

/// The lock window.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WindowTimes {
    /// How writes were stopped: `ftwrl`, `backup-stage` or `none`.
    pub lock: &'static str,
    /// When: `late`, with lvm held just before its suspend, `first`, before the snapshot was
    /// ordered, or `late, then first`, where lvm could not be held.
    pub when: &'static str,
    /// How often the lock was asked for.
    pub tries: u32,
    /// From asking for the lock to having it.
    pub waited_ms: Millis,
    /// From having the lock to having released it.
    pub locked_ms: Millis,
    /// Of that: the longest that a volume was seen suspended, if it was seen at all.
    pub suspended_ms: Option<Millis>,
    /// Of that: releasing the lock.
    pub released_ms: Millis,
    /// The times that prove it.
    pub proof: Proof,
}

impl WindowTimes {
    /// The figures that follow from the proof.
    #[must_use]
    pub fn measured(self) -> Self {
        let ms = |ns: Option<u64>| Millis(ns.unwrap_or(0) / 1_000_000);
        let proof = &self.proof;
        Self {
            waited_ms: ms(proof.waited_ns()),
            locked_ms: ms(proof.locked_ns()),
            released_ms: ms(proof.released_ns()),
            suspended_ms: proof.suspended_ns().map(|ns| ms(Some(ns))),
            ..self
        }
    }
}

/// Writes the record into a backup's directory.
pub fn save(host: &mut dyn Host, directory: &Path, record: &Record) -> Result<(), Fault> {
    let text = serde_json::to_string_pretty(record).map_err(|e| Fault::refused(e.to_string()))?;
    host.act(&Act::WriteFile { path: directory.join(RECORD), text: text + "\n" }).map(drop)
}

/// The run that a record's text names.
pub fn run_of(text: &str) -> Option<String> {
    Some(serde_json::from_str::<Summary>(text).ok()?.run)
}

/// Whether a directory holds nothing but a record that was never finished writing.
pub fn only_an_unfinished_record(names: &[String]) -> bool {
    names.iter().all(|name| name.strip_suffix(UNFINISHED) == Some(RECORD))
}

/// The directory of the files of a volume, counted from 0.
pub fn tree(volume: usize) -> String {
    if volume == 0 { TREE.into() } else { format!("{TREE}.{}", volume + 1) }
}

/// Whether a name in a backup's directory is one that [`tree`] gives.
pub fn is_tree(name: &str) -> bool {
    let number = name.strip_prefix(TREE).and_then(|rest| rest.strip_prefix('.'));
    name == TREE || number.is_some_and(|number| number.parse::<usize>().is_ok())
}

/// Whether a name is that of a run, and so of its backup: `YYYYMMDDTHHMMSSZ-xxxxxx`.
pub fn is_run(name: &str) -> bool {
    let shape = |text: &str, of: &str| {
        let fits = |(byte, of): (u8, u8)| match of {
            b'0' => byte.is_ascii_digit(),
            b'x' => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
            _ => byte == of,
        };
        text.len() == of.len() && text.bytes().zip(of.bytes()).all(fits)
    };
    shape(name, "00000000T000000Z-xxxxxx") || shape(name, "00000000T000000Z-xxxxxxxx")
}

/// What a list shows of a backup.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Summary {
    /// The run.
    pub run: String,
    /// The host it was made on.
    #[serde(default)]
    pub host: Option<String>,
    /// `partial` or `published`.
    pub state: String,
    /// When it began.
    pub started: String,
    /// What was copied.
    pub copied: CopiedSummary,
    /// The lock window.
    pub window: WindowSummary,
    /// How long each phase took, by its name.
    #[serde(default)]
    pub timings_ms: BTreeMap<String, Millis>,
}

/// The size of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct CopiedSummary {
    /// Bytes.
    pub bytes: Bytes,
}

/// The lock window of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct WindowSummary {
    /// Milliseconds.
    pub waited_ms: Millis,
    /// Milliseconds.
    pub locked_ms: Millis,
}

/// A directory in the destination that looks like a backup.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Where.
    pub path: PathBuf,
    /// What its record says, or why it cannot be read.
    pub summary: Result<Summary, String>,
}

/// The backups of a destination, oldest first.
pub fn list(host: &dyn Host, destination: &Path) -> Result<Vec<Listed>, Fault> {
    let mut all = Vec::new();
    for name in host.list(destination)?.iter().filter(|name| !name.starts_with('.')) {
        let path = destination.join(name);
        let Some(text) = host.file(&path.join(RECORD)).unwrap_or(None) else { continue };
        let summary = serde_json::from_str(&text).map_err(|e| format!("damaged record: {e}"));
        all.push(Listed { path, summary });
    }
    Ok(all)
}
