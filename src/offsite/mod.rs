//! Ways out: published backups go to another host or into a restic repository, and come back.
//!
//! What leaves is what was published and proven here, with its record and manifest; nothing of the
//! server is held meanwhile, so a push may take hours, be interrupted, and go on. Two ways, one
//! small set of operations: push, list, verify, fetch, remove. At either end a backup counts only
//! once all of it was compared: another host gives it its name then, a repository its record.
//! Deliberately absent: a copy that goes straight from the snapshot to another host (a snapshot
//! costs the server, and a network is slow), a merge of two places, and any secret.

mod audit;
mod fetch;
mod long;
mod memo;
mod prepare;
mod push;
mod restic;
mod retain;
mod ssh;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use jiff::Timestamp;

pub use audit::notes;
pub use fetch::{Fetched, fetch, here};
pub use memo::{Memo, keep_only, note_verified, recall};
pub use prepare::{prepare, programs};
pub use push::{Pushed, choose, not_begun, push};
pub use retain::{Plan as Removal, judge, prune};

use crate::config::{Offsite, Way};
use crate::copy::ssh::Care;
use crate::host::{Fault, Host, Priority};
use crate::plan::Refusal;
use crate::store::{self, Form, Summary};
use crate::sums::Progress;
use crate::units::Bytes;

/// A place that can be worked with: its programs and files were found.
#[derive(Clone, Debug)]
pub struct Site {
    /// As it is configured.
    pub place: Offsite,
    /// The name of this host.
    us: String,
    /// The programs of its way.
    programs: Programs,
    /// How much of the machine it may take.
    priority: Priority,
}

#[derive(Clone, Debug)]
enum Programs {
    Ssh { ssh: PathBuf, rsync: PathBuf, socket: PathBuf },
    Restic { env: PathBuf, restic: PathBuf },
}

/// A backup at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Far {
    /// The run that made it.
    pub run: String,
    /// The host it was made on, as far as that is known.
    pub host: Option<String>,
    /// Whether it is whole there.
    pub form: Form,
    /// Its size, if that is known.
    pub bytes: Option<Bytes>,
    /// Why nothing is done about it; nothing if it is as it should be.
    pub unclear: Option<String>,
    /// The text of its record, where that comes with the list.
    record: Option<String>,
    /// Restic's names for it: that of its data, then that of its record.
    ids: Vec<String>,
}

/// What a push, a fetch or a verification tells while it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Something begins.
    Phase(&'static str),
    /// So much is done of it.
    Further(Progress),
}

/// Why something could not be done, and what helps where that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Why.
    pub fault: Fault,
    /// A full sentence that names what helps.
    pub hint: Option<String>,
}

impl Trouble {
    /// A trouble with its hint.
    pub fn new(why: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { fault: Fault::refused(why), hint: Some(hint.into()) }
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self { fault: Fault::refused(refusal.what), hint: refusal.hint }
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self { fault, hint: None }
    }
}

/// Who works, and who is told.
pub struct Work<'a> {
    /// The machine.
    pub host: &'a mut dyn Host,
    /// What is told.
    pub tell: &'a mut dyn FnMut(Event),
}

/// How much of a repository's data a verification reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// All.
    All,
    /// So many percent.
    Percent(u8),
}

impl Far {
    /// When its run began.
    pub fn began(&self) -> Option<Timestamp> {
        crate::host::run_began(&self.run)
    }

    /// Whether it is whole, and nothing speaks against it.
    pub fn counts(&self) -> bool {
        self.form == Form::Whole && self.unclear.is_none()
    }
}

impl Site {
    /// What stands there, by run: looks alone, over the network.
    pub fn list(&self, host: &dyn Host) -> Result<Vec<Far>, Trouble> {
        let mut all = match (&self.place.way, &self.programs) {
            (Way::Ssh(_), _) => ssh::list(self, host)?,
            (Way::Restic(_), _) => restic::list(self, host)?,
        };
        all.sort_by(|one, other| one.run.cmp(&other.run));
        Ok(all)
    }

    /// Sends a backup that is not there, and makes it count once all of it was compared.
    fn send(&self, work: &mut Work<'_>, backup: &Backup<'_>) -> Result<(), Trouble> {
        match self.place.way {
            Way::Ssh(_) => ssh::push(self, work, backup),
            Way::Restic(_) => restic::push(self, work, backup),
        }
    }

    /// Holds a backup there against the one here: what is wrong with it, in words, or nothing.
    /// `local` is its directory here, if there is one.
    pub fn verify(
        &self,
        work: &mut Work<'_>,
        far: &Far,
        local: Option<&Path>,
        depth: Depth,
    ) -> Result<Vec<String>, Trouble> {
        match self.place.way {
            Way::Ssh(_) => ssh::verify(self, work, far, local),
            Way::Restic(_) => restic::verify(self, work, far, local, depth),
        }
    }

    /// Writes all of a backup into a directory that is there. From a host it goes on with what is
    /// there of it, from a repository it begins anew.
    fn receive(
        &self,
        work: &mut Work<'_>,
        far: &Far,
        into: &Path,
        care: Care,
    ) -> Result<(), Trouble> {
        match self.place.way {
            Way::Ssh(_) => ssh::receive(self, work, &far.run, into, care),
            Way::Restic(_) => restic::receive(self, work, far, into),
        }
    }

    /// Removes backups, and what pushes left that are over; each that is gone, or why not.
    fn remove(&self, work: &mut Work<'_>, gone: &[Far]) -> Vec<(String, Result<(), Trouble>)> {
        match self.place.way {
            Way::Ssh(_) => ssh::remove(self, work, gone),
            Way::Restic(_) => restic::remove(self, work, gone),
        }
    }

    /// Ends what is shared between the commands. Idempotent.
    pub fn close(&self, host: &mut dyn Host) {
        if let Way::Ssh(_) = self.place.way {
            ssh::close(self, host);
        }
    }
}

/// A backup that leaves.
struct Backup<'a> {
    run: &'a str,
    directory: &'a Path,
    /// The text of its record.
    record: &'a str,
    summary: &'a Summary,
}

/// What a record tells of a backup that is elsewhere.
fn read_record(far: &mut Far, text: &str) {
    match store::read(text) {
        Ok(summary) if summary.run != far.run => {
            far.unclear = Some(format!("its record is of run {}", summary.run));
        }
        Ok(summary) => {
            far.bytes = Some(summary.manifest.map_or(summary.copied.bytes, |one| one.bytes));
            far.host = summary.host;
        }
        Err(why) => far.unclear = Some(why),
    }
}
