//! The directory of a backup: its record `backup.json`, its `manifest.jsonl`, its
//! `coordinates.sql`, its `tree`.
//!
//! The record is written first, as a partial one, so that an unfinished directory says whose it
//! is; the finished record is written last, before the rename that publishes. Either is sealed: it
//! has a sum of itself. `packaging/schema/backup.json` is its shape, which a test holds against
//! these types. What stands in a destination, and what a record tells, is read here and nowhere
//! else.

mod found;
mod pick;
mod seal;
mod summary;

use std::fmt;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use found::{Form, Found, Ours, What, find, look};
pub use pick::{Missing, pick};
pub use summary::{CopiedSummary, Summary, WindowSummary, read};

use crate::copy::rsync::Stats;
use crate::database::Server;
use crate::database::coordinates::Coordinates;
use crate::database::opening::Opening;
use crate::database::statements::Killed;
use crate::digest::Digest;
use crate::host::{Act, Fault, Host, Pages, UNFINISHED};
use crate::manifest::Totals;
use crate::proof::Proof;
use crate::snapshot::Kind;
use crate::units::{Bytes, Millis};

/// The record's file.
pub const RECORD: &str = "backup.json";
/// The directory of the copied files; those of a second volume are in `tree.2`, and so on.
pub const TREE: &str = "tree";
/// The statements that attach a new replica.
pub const COORDINATES: &str = "coordinates.sql";
/// What may be linked to an earlier backup; it is in a partial one alone, while rsync reads it.
pub const LIST: &str = "unchanged.list";
/// The version of the record's format. Version 1 had neither manifest nor seal.
pub const VERSION: u32 = 2;

/// What is known of a backup.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Record {
    /// The format's version: 2. Keys may be added to it, none goes or changes its meaning.
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
    /// What another server needs to open the files as this one had them.
    pub opening: Opening,
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
    /// What is in it, linked or not.
    pub copied: Stats,
    /// What became of files that did not change; null where all files were to be copied.
    pub linked: Option<Linked>,
    /// How full the COW store was after the copy; nothing where there was none.
    pub cow_percent: Option<f64>,
    /// The programs that took part: their versions.
    pub tools: serde_json::Value,
    /// The list of all files with their sums; null while the backup is partial.
    pub manifest: Option<ManifestFile>,
    /// The statements that attach a new replica; null while the backup is partial.
    pub statements: Option<StatementsFile>,
    /// Tablespaces with pages that were bad in the source already: the copy is true to it.
    pub bad_pages: Vec<BadPages>,
    /// The BLAKE3 sum of this file as it would be with nothing between these quotes.
    pub seal: String,
}

/// What became of the files that did not change since an earlier backup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Linked {
    /// The run of the backup that they are linked to; null where everything was copied.
    pub run: Option<String>,
    /// Why everything was copied, if that has a reason other than that it was the first backup.
    pub why_not: Option<String>,
    /// How many files are links.
    pub files: u64,
    /// The bytes in them.
    pub bytes: Bytes,
    /// How far off the clock was at most when the run was planned; null where nothing keeps it
    /// right. The next backup links nothing to one whose clock was not known.
    pub clock_ms_max: Option<Millis>,
}

/// The manifest of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ManifestFile {
    /// Its name, beside this record.
    pub file: String,
    /// Its BLAKE3 sum.
    pub blake3: Digest,
    /// How many files, directories and links it lists.
    pub entries: u64,
    /// How many of them are regular files.
    pub files: u64,
    /// The bytes in those.
    pub bytes: Bytes,
}

/// The statements that attach a new replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StatementsFile {
    /// Its name, beside this record.
    pub file: String,
    /// Its BLAKE3 sum.
    pub blake3: Digest,
}

/// A tablespace with pages whose checksum does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BadPages {
    /// Which, relative to the backup's directory.
    pub file: String,
    /// How many pages were checked.
    pub checked: u64,
    /// How many of them are bad.
    pub bad: u64,
    /// The numbers of the first of those, from 0.
    pub first_bad: Vec<u64>,
}

/// A volume that a backup was taken from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
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

impl ManifestFile {
    /// A manifest of this text, which counts so much.
    pub fn new(text: &str, totals: Totals) -> Self {
        let Totals { entries, files, bytes } = totals;
        let (file, blake3) = (crate::manifest::FILE.into(), Digest::of(text.as_bytes()));
        Self { file, blake3, entries, files, bytes }
    }
}

impl StatementsFile {
    /// Statements of this text.
    pub fn new(text: &str) -> Self {
        Self { file: COORDINATES.into(), blake3: Digest::of(text.as_bytes()) }
    }
}

impl BadPages {
    /// The bad pages of a file, if it has any.
    pub fn of(path: &Path, pages: &Pages) -> Option<Self> {
        let (file, first_bad) = (crate::manifest::shown(path), pages.first_bad.clone());
        let (checked, bad) = (pages.checked, pages.bad);
        (bad > 0).then_some(Self { file, checked, bad, first_bad })
    }
}

impl fmt::Display for BadPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, checked, bad, first_bad } = self;
        let first: Vec<String> = first_bad.iter().map(ToString::to_string).collect();
        let more = if *bad > first_bad.len() as u64 { ", ..." } else { "" };
        write!(
            f,
            "bad pages of the source: '{file}': {bad} of {checked} (page {}{more})",
            first.join(", ")
        )
    }
}

/// Writes the record into a backup's directory, sealed.
pub fn save(host: &mut dyn Host, directory: &Path, record: &Record) -> Result<(), Fault> {
    let text = text(record).map_err(Fault::refused)?;
    host.act(&Act::WriteFile { path: directory.join(RECORD), text }).map(drop)
}

/// The text of a record, sealed.
pub fn text(record: &Record) -> Result<String, String> {
    let open = Record { seal: String::new(), ..record.clone() };
    let text = serde_json::to_string_pretty(&open).map_err(|error| error.to_string())?;
    sealed(&(text + "\n"))
}

/// Seals a text whose seal is empty.
pub fn sealed(text: &str) -> Result<String, String> {
    seal::put(text)
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
