//! Where a drill writes: one throw-away directory, named in a file of the state directory before it
//! is made, and removed at the end. A drill that was killed leaves it; whoever has the drill lock
//! next removes it, and needs no configuration for that.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::host::{Act, Ask, Fault, Host};
use crate::locks::{self, Held};

/// The file that names the directory.
const NOTE: &str = "drill.json";
/// What every directory of a drill is called first.
const PREFIX: &str = ".drill-";
/// The file in it that says that it is one.
const MARK: &str = "holdstill-drill";
/// The version of the note.
const VERSION: u32 = 1;

/// A throw-away directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    version: u32,
    /// The directory itself.
    pub(super) home: PathBuf,
}

/// What became of the directory that a dead drill left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// There was none.
    Nothing,
    /// It is gone.
    Removed(PathBuf),
    /// A drill is alive, as it says of itself.
    Alive(String),
}

impl Place {
    /// The directory of a drill of this id.
    pub(super) fn new(below: &Path, id: &str) -> Self {
        Self { version: VERSION, home: below.join(format!("{PREFIX}{id}")) }
    }

    /// Notes the directory and makes it.
    pub(super) fn make(&self, host: &mut dyn Host, state_dir: &Path) -> Result<(), Fault> {
        let text =
            serde_json::to_string(self).map_err(|error| Fault::refused(error.to_string()))?;
        host.act(&Act::WriteFile { path: state_dir.join(NOTE), text: text + "\n" })?;
        host.act(&Act::NewDir(self.home.clone()))?;
        let text = format!("{}\n", self.home.display());
        host.act(&Act::WriteFile { path: self.home.join(MARK), text }).map(drop)
    }

    /// Removes the directory and then its note. Idempotent.
    pub(super) fn remove(&self, host: &mut dyn Host, state_dir: &Path) -> Result<(), Fault> {
        if host.entry(&self.home)?.is_some() {
            self.empty(host)?;
        }
        host.act(&Act::RemoveFile(state_dir.join(NOTE))).map(drop)
    }

    /// Only what has our mark goes with all that is in it; one that is empty was never marked.
    fn empty(&self, host: &mut dyn Host) -> Result<(), Fault> {
        let mark = self.home.join(MARK);
        match host.file(&mark)? {
            Some(text) if Path::new(text.trim()) == self.home => {
                host.act(&Act::RemoveTree(self.home.clone())).map(drop)
            }
            Some(_) => {
                let home = self.home.display();
                Err(Fault::refused(format!("'{home}' is marked as another directory")))
            }
            None => {
                // The mark may be half written; then there is nothing else in it.
                host.act(&Act::RemoveFile(mark))?;
                host.act(&Act::RemoveDir(self.home.clone())).map(drop)
            }
        }
    }
}

/// Takes the drill lock, or tells who has it; then removes what a dead drill left. `who` are we, in
/// words, for those who come too late.
pub fn begin(host: &mut dyn Host, state_dir: &Path, who: &str) -> Result<Settled, Fault> {
    if let Held::Others(holder) = locks::take(host, state_dir, locks::DRILL, who)? {
        return Ok(Settled::Alive(holder));
    }
    let note = state_dir.join(NOTE);
    let Some(text) = host.file(&note)? else { return Ok(Settled::Nothing) };
    let wrong = |why: String| Fault::refused(format!("'{}': {why}", note.display()));
    let place: Place = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let name = place.home.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if place.version != VERSION || !name.starts_with(PREFIX) || !place.home.is_absolute() {
        return Err(wrong("it names no directory of a drill".into()));
    }
    place.remove(host, state_dir)?;
    Ok(Settled::Removed(place.home))
}

/// Removes what a dead drill left, unless one is alive or there is nothing.
pub fn settle(host: &mut dyn Host, state_dir: &Path) -> Result<Settled, Fault> {
    if host.file(&state_dir.join(NOTE))?.is_none() {
        return Ok(Settled::Nothing);
    }
    begin(host, state_dir, "a recovery of drills")
}
