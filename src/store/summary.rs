//! What a record tells, as far as this program reads it. Whatever a later or an earlier program
//! wrote besides is no reason not to read the rest.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use super::{BadPages, Linked, ManifestFile, SourceVolume, StatementsFile, VERSION, seal};
use crate::database::Server;
use crate::database::coordinates::Coordinates;
use crate::database::statements::Killed;
use crate::units::{Bytes, Millis};

/// What a record tells. What is not needed to take it for a backup may be missing.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Summary {
    /// The version of its format.
    #[serde(default = "first")]
    pub version: u32,
    /// The run.
    pub run: String,
    /// The host it was made on.
    #[serde(default)]
    pub host: Option<String>,
    /// `partial` or `published`.
    pub state: String,
    /// When it began.
    pub started: String,
    /// The server.
    #[serde(default)]
    pub server: Option<Server>,
    /// The data directory, relative to the first volume's `tree`; empty if it is `tree` itself.
    #[serde(default)]
    pub datadir: PathBuf,
    /// The volumes it was taken from, the data directory's first.
    #[serde(default)]
    pub sources: Vec<SourceVolume>,
    /// The lock statement; empty if nothing was locked.
    #[serde(default)]
    pub lock: String,
    /// Who froze the filesystem: `device-mapper` or `explicit`.
    #[serde(default)]
    pub freeze: String,
    /// Where it stands in the stream of changes.
    #[serde(default)]
    pub coordinates: Coordinates,
    /// What was copied.
    pub copied: CopiedSummary,
    /// The lock window.
    pub window: WindowSummary,
    /// The statements of others that were ended for it.
    #[serde(default)]
    pub killed: Vec<Killed>,
    /// How long each phase took, by its name.
    #[serde(default)]
    pub timings_ms: BTreeMap<String, Millis>,
    /// What became of files that did not change.
    #[serde(default)]
    pub linked: Option<Linked>,
    /// How full the COW store was after the copy.
    #[serde(default)]
    pub cow_percent: Option<f64>,
    /// The programs that took part: their versions.
    #[serde(default)]
    pub tools: BTreeMap<String, Value>,
    /// The list of its files; nothing of a backup that was made before there were any.
    #[serde(default)]
    pub manifest: Option<ManifestFile>,
    /// The statements that attach a new replica.
    #[serde(default)]
    pub statements: Option<StatementsFile>,
    /// Tablespaces that were bad in the source already.
    #[serde(default)]
    pub bad_pages: Vec<BadPages>,
}

impl Summary {
    /// The bytes that were copied for it, without those that are links.
    pub fn bytes_copied(&self) -> Bytes {
        let linked = self.linked.as_ref().map_or(0, |linked| linked.bytes.0);
        Bytes(self.copied.bytes.0.saturating_sub(linked))
    }
}

/// The size of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct CopiedSummary {
    /// Regular files.
    #[serde(default)]
    pub files: Option<u64>,
    /// Bytes.
    pub bytes: Bytes,
}

/// The lock window of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct WindowSummary {
    /// How writes were stopped: `ftwrl`, `backup-stage` or `none`.
    #[serde(default)]
    pub lock: String,
    /// When the lock was asked for.
    #[serde(default)]
    pub when: String,
    /// How often it was asked for.
    #[serde(default)]
    pub tries: Option<u32>,
    /// Milliseconds from asking for the lock to having it.
    pub waited_ms: Millis,
    /// Milliseconds from having the lock to having released it.
    pub locked_ms: Millis,
    /// Of that: the longest that a volume was seen suspended, if it was seen at all.
    #[serde(default)]
    pub suspended_ms: Option<Millis>,
    /// Of that: releasing the lock.
    #[serde(default)]
    pub released_ms: Option<Millis>,
}

/// Reads a record's text, if that is whole and of a known version: one that is bent is told.
pub fn read(text: &str) -> Result<Summary, String> {
    let damaged = |why: String| format!("damaged record: {why}");
    let summary: Summary = serde_json::from_str(text).map_err(|e| damaged(e.to_string()))?;
    if !(1..=VERSION).contains(&summary.version) {
        let found = summary.version;
        return Err(format!("expected a record of version 1 or {VERSION}, found version {found}"));
    }
    seal::check(text, summary.version > 1).map_err(damaged)?;
    Ok(summary)
}

/// The version of a record that tells none.
fn first() -> u32 {
    1
}
