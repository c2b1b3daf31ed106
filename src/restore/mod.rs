//! A backup becomes a data directory again: what was asked for becomes a plan by looks alone, the
//! story copies, reads back and hands over, and the advice says what a server needs to start on it
//! and which statements make it a replica.
//!
//! Until it is whole a directory belongs to root alone and holds a marker, so that no server starts
//! on half of it and the same command goes on with it. Where it is asked for a private server does
//! the recovery first, and is told whose replica it is. Deliberately absent: any way to write into
//! a directory that holds something else, and the start of the operator's server.

mod advice;
mod busy;
mod compare;
mod copying;
mod find;
mod layout;
pub mod make;
mod marker;
mod owner;
mod prepare;
mod record;
mod space;
mod story;
mod target;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

pub use advice::{needs, statements};
pub use compare::{Problem, Whose, of_backup};
pub use marker::NAME as MARKER;
pub use owner::Owner;
pub use prepare::{Apply, preparation};
pub use record::Record;
pub use space::Room;
pub use story::{Event, Figures, HAND_OVER, Outcome, PREPARE, Unfinished, restore};

use crate::drill::Preparation;
use crate::manifest::Entry;
use crate::units::Bytes;

/// What an operator asks for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// A run's id, a beginning of one, `newest`, or the path of a backup.
    pub backup: String,
    /// What becomes the data directory.
    pub to: PathBuf,
    /// Directories of the backup, such as `tree.2`, and where their content goes.
    pub trees: Vec<(PathBuf, PathBuf)>,
    /// Directories of the backup that are left out.
    pub without: Vec<PathBuf>,
    /// Whose the files will be; as in the backup if absent.
    pub owner: Option<String>,
    /// Whether the server stays the one that it was.
    pub identity: Identity,
    /// What is done with a backup that is known to be damaged, or cannot be proven.
    pub damage: Damage,
    /// Where the statements that make it a replica are written.
    pub statements: Option<PathBuf>,
}

/// Whether the server that starts on the files is another one than that which was backed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Identity {
    /// Another one: `auto.cnf`, which has the `server_uuid`, is left out.
    New,
    /// The same one, which is gone.
    Kept,
}

/// What is done with a backup that is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// It is refused.
    Refused,
    /// It is restored all the same, and what is damaged is told.
    Taken,
}

/// One restore, decided.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The run that made the backup.
    pub run: String,
    /// The backup's directory.
    pub backup: PathBuf,
    /// What is known of the backup.
    pub record: Record,
    /// What goes where, the data directory first.
    pub places: Vec<Place>,
    /// What of those places is left out, relative to the backup.
    pub kept_back: Vec<PathBuf>,
    /// Whose everything will be; nothing if as in the backup.
    pub owner: Option<Owner>,
    /// Whether we may give files to others.
    pub us: Us,
    /// What is done about damage.
    pub damage: Damage,
    /// The room that it takes.
    pub rooms: Vec<Room>,
    /// The marker's text.
    pub marker: String,
    /// Where the statements are written.
    pub statements: Option<PathBuf>,
    /// How it is prepared, if it is to be.
    pub preparation: Option<Preparation>,
    /// What an operator should know.
    pub notes: Vec<String>,
    /// The program that copies.
    pub rsync: PathBuf,
}

/// Who restores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Us {
    /// Root, who can give a file to anybody.
    Root,
    /// Somebody else, who restores what is his own.
    Somebody,
}

/// A directory of the backup, and the one that it becomes.
#[derive(Clone, Debug)]
pub struct Place {
    /// Relative to the backup.
    pub from: PathBuf,
    /// Where it was on the host that was backed up.
    pub was: PathBuf,
    /// Absolute, without links.
    pub to: PathBuf,
    /// How it stands there.
    pub stands: Stands,
    /// The directory itself.
    pub root: Entry,
    /// What it holds, in order, by paths relative to it.
    pub entries: Vec<Entry>,
    /// What of the backup's directory goes elsewhere or nowhere, relative to it.
    pub excluded: Vec<PathBuf>,
}

/// How the directory that something is restored to stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands {
    /// It is not there.
    Absent,
    /// It is empty.
    Empty,
    /// The same restore was interrupted there.
    Begun,
    /// The same restore was interrupted there while a server recovered it: it is emptied first.
    Spoiled,
}

impl Plan {
    /// How many files are restored, and their bytes.
    pub fn totals(&self) -> (u64, Bytes) {
        let all = self.places.iter().map(Place::totals);
        all.fold((0, Bytes(0)), |(files, Bytes(sum)), (more, Bytes(bytes))| {
            (files + more, Bytes(sum.saturating_add(bytes)))
        })
    }

    /// Whether an interrupted restore is gone on with.
    pub fn goes_on(&self) -> bool {
        self.places.iter().any(|place| place.stands == Stands::Begun)
    }

    /// Whether every file has a sum to be held against.
    pub fn can_prove(&self) -> bool {
        let files = self.places.iter().flat_map(|place| &place.entries);
        files
            .filter(|entry| entry.is == crate::manifest::Type::File)
            .all(|one| one.blake3.is_some())
    }
}

impl Place {
    /// How many files it holds, and their bytes.
    pub fn totals(&self) -> (u64, Bytes) {
        let files = self.entries.iter().filter(|entry| entry.is == crate::manifest::Type::File);
        files.fold((0, Bytes(0)), |(count, Bytes(sum)), one| {
            (count + 1, Bytes(sum.saturating_add(one.size.0)))
        })
    }
}
