//! The record of a backup, as far as a restore needs it: read as it was written, and refused where
//! it does not say what a server needs.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::database::Server;
use crate::database::coordinates::Coordinates;
use crate::database::opening::Opening;
use crate::store::{self, ManifestFile};

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Record {
    /// The run that made it.
    pub run: String,
    /// `published`, or why it is no backup.
    pub state: String,
    /// The host it was made on.
    pub host: String,
    /// When the run began, in UTC.
    pub started: String,
    /// The server.
    pub server: Server,
    /// The data directory, relative to the first volume's tree.
    pub datadir: PathBuf,
    /// The volumes, the data directory's first.
    pub sources: Vec<Volume>,
    /// Where it stands in the stream of changes.
    pub coordinates: Coordinates,
    /// Its manifest; nothing of a backup that was made before there were any.
    #[serde(default)]
    pub manifest: Option<ManifestFile>,
    /// What a server must be told to open the files, as far as it was written down.
    #[serde(default)]
    pub opening: Opening,
}

/// A volume that was backed up.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Volume {
    /// Where it was mounted.
    pub mount: PathBuf,
    /// The directory of its files in the backup.
    pub tree: PathBuf,
}

impl Record {
    /// Reads a record's text, if its seal fits.
    pub fn parse(text: &str) -> Result<Self, String> {
        store::read(text)?;
        let record: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if record.sources.is_empty() {
            return Err("it names no volume".into());
        }
        Ok(record)
    }

    /// The data directory, relative to the backup.
    pub fn datadir(&self) -> PathBuf {
        let tree = self.sources.first().map(|one| one.tree.clone()).unwrap_or_default();
        tree.components().chain(self.datadir.components()).collect()
    }

    /// Where a directory of the backup was on the host that was backed up.
    pub fn origin(&self, inside: &Path) -> PathBuf {
        let of = |one: &Volume| {
            let below = inside.strip_prefix(&one.tree).ok()?;
            Some(one.mount.components().chain(below.components()).collect())
        };
        self.sources.iter().find_map(of).unwrap_or_else(|| inside.into())
    }
}
