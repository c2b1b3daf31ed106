//! The marker of a restore that is not over: a file in each directory that is restored to. Whoever
//! finds it knows that the directory is not whole, and the same restore goes on there, or that only
//! the marker itself is left to remove.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Asked, Identity, Owner, Place, Stands};
use crate::host::UNFINISHED;

/// The marker's name. Servers take no notice of a file that begins with a dot.
pub const NAME: &str = ".holdstill-restore.json";

/// The version of its format.
const VERSION: u32 = 1;

/// What a restore does, as far as another one must do the same to go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Marker {
    /// For a person who finds it.
    about: String,
    version: u32,
    /// The run that made the backup.
    pub(super) run: String,
    /// What goes where.
    places: Vec<(PathBuf, PathBuf)>,
    without: Vec<PathBuf>,
    identity: Identity,
    owner: Option<String>,
    /// Whether a server may have changed what was restored: then nothing of it is gone on with.
    #[serde(default)]
    preparing: bool,
    /// Whether everything is prepared and given to its owner, and only markers are to be removed.
    #[serde(default)]
    ready: bool,
}

impl Marker {
    /// The marker of a restore.
    pub(super) fn of(run: &str, asked: &Asked, owner: Option<Owner>, places: &[Place]) -> Self {
        Self {
            about: "This directory is not whole: a restore of holdstill is not over.".into(),
            version: VERSION,
            run: run.into(),
            places: places.iter().map(|one| (one.from.clone(), one.to.clone())).collect(),
            without: asked.without.clone(),
            identity: asked.identity,
            owner: owner.map(|owner| owner.to_string()),
            preparing: false,
            ready: false,
        }
    }

    /// How the same restore stands where this marker was found; nothing if it is another one's.
    pub(super) fn stands(&self, found: &Self) -> Option<Stands> {
        let stands = if found.preparing { Stands::Spoiled } else { Stands::Begun };
        self.is_of_same(found).then_some(stands)
    }

    /// Where the same restore was interrupted among its last acts: the directories that are ready
    /// but for their markers.
    pub(super) fn ready_in(&self, found: &Self) -> Option<Vec<&Path>> {
        let is_ready = found.ready && self.is_of_same(found);
        is_ready.then(|| self.places.iter().map(|(_, to)| to.as_path()).collect())
    }

    /// Whether it is the same restore's, however far that had come.
    fn is_of_same(&self, found: &Self) -> bool {
        let Self { preparing, ready, .. } = *found;
        Self { preparing, ready, ..self.clone() } == *found
    }

    /// Its text.
    pub(super) fn text(&self) -> String {
        // Strings and numbers alone: there is nothing in it that cannot be written.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Reads one.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }
}

/// The same marker while a server recovers what was restored.
pub(super) fn preparing(text: &str) -> Result<String, String> {
    Ok(Marker { preparing: true, ..Marker::parse(text)? }.text())
}

/// The same marker when nothing is left to do but to remove it.
pub(super) fn ready(text: &str) -> Result<String, String> {
    Ok(Marker { preparing: true, ready: true, ..Marker::parse(text)? }.text())
}

/// Whether a name in a directory is the marker's, finished or not.
pub(super) fn is_name(name: &str) -> bool {
    name.strip_suffix(UNFINISHED).unwrap_or(name) == NAME
}
