//! Everything that is known of the backups of a destination: what stands there, what verifications
//! and drills found, and how the runs went. Looks alone.
//!
//! Deliberately absent: a judgement whether that is enough, which is `check`'s, and one of what
//! stays, which is `retention`'s.

mod position;
mod state;

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::check::{self, Leftover};
use crate::config::Config;
use crate::history::{self, Entry};
use crate::host::{Ask, Fault, Host, Space, run_began};
use crate::memory::{self, Known};
use crate::store::{self, Form, Found, Missing, Ours, What};
use crate::units::{Bytes, Millis};

pub use position::Position;
pub use state::State;

/// The backups of a destination.
#[derive(Clone, Debug, PartialEq)]
pub struct Catalog {
    /// When it was looked at.
    pub at: Timestamp,
    /// The host.
    pub host: String,
    /// The destination.
    pub directory: PathBuf,
    /// The space there; nothing if that is not known.
    pub space: Option<Space>,
    /// Every backup, oldest run first; unfinished ones and those of others as well.
    pub backups: Vec<Backup>,
}

/// All that is known of a backup.
#[derive(Clone, Debug, PartialEq)]
pub struct Backup {
    /// Its name.
    pub run: String,
    /// Where it is.
    pub path: PathBuf,
    /// When its run began, by its record or else by its name.
    pub began: Option<Timestamp>,
    /// How it stands.
    pub state: State,
    /// What its record tells, if that can be read and is ours.
    pub ours: Option<Box<Ours>>,
    /// What verifications and drills found, or why that cannot be read.
    pub known: Result<Known, String>,
    /// How its run went, as far as the history goes back.
    pub outcome: Option<Entry>,
}

/// Looks at every backup of the destination.
pub fn look(host: &dyn Host, config: &Config) -> Result<Catalog, Fault> {
    let machine = host.machine()?;
    let at = machine.began();
    let directory = &config.destination.directory;
    let (leftovers, alive) = check::leftovers(host, &config.state_dir, at)?;
    let history = history::find(host, &config.state_dir)?;
    let around = Around { host, state_dir: &config.state_dir, leftovers, alive, history };
    let found = store::find(host, directory)?;
    let mut backups: Vec<Backup> = found.into_iter().map(|one| around.backup(one)).collect();
    backups.sort_by(|one, other| one.run.cmp(&other.run));
    let (directory, space) = (directory.clone(), host.space(directory).ok());
    Ok(Catalog { at, host: machine.host, directory, space, backups })
}

/// What there is beside the destination.
struct Around<'a> {
    host: &'a dyn Host,
    state_dir: &'a Path,
    leftovers: Vec<Leftover>,
    alive: Option<String>,
    history: Vec<Result<Entry, String>>,
}

impl Around<'_> {
    fn backup(&self, one: Found) -> Backup {
        let Found { run, path, form, what } = one;
        // Of what is not ours nothing is known, whatever its name is.
        let foreign = matches!(what, Ok(What::NotOurs(_)));
        let known = if foreign {
            Ok(Known::nothing(&run))
        } else {
            memory::recall(self.host, self.state_dir, &run).map_err(|fault| fault.to_string())
        };
        let outcome = self.history.iter().flatten().find(|entry| entry.run == run && !foreign);
        let (outcome, state) = (outcome.cloned(), self.state(&run, form, &what, &known));
        let ours = match what {
            Ok(What::Ours(ours)) => Some(ours),
            _ => None,
        };
        let began = ours.as_ref().map(|ours| ours.began).or_else(|| run_began(&run));
        Backup { run, path, began, state, ours, known, outcome }
    }

    fn state(
        &self,
        run: &str,
        form: Form,
        what: &Result<What, Fault>,
        known: &Result<Known, String>,
    ) -> State {
        match (form, what) {
            (_, Ok(What::NotOurs(why))) => State::NotOurs(why.clone()),
            (Form::Partial, _) if self.is_alive(run) => State::UnderWay,
            (Form::Partial, _) if self.has_ledger(run) => State::Died,
            (Form::Partial, _) => State::Forgotten,
            (Form::Removing, _) => State::Removing,
            (Form::Whole, Ok(What::Unclear(why))) => State::Unreadable(why.clone()),
            (Form::Whole, Err(fault)) => State::Unreadable(fault.to_string()),
            (Form::Whole, Ok(What::Ours(ours))) if !ours.is_published() => {
                State::Damaged(None, "its record says so".into())
            }
            (Form::Whole, Ok(What::Ours(_))) => State::of(known.as_ref().ok()),
        }
    }

    fn is_alive(&self, run: &str) -> bool {
        self.alive.as_deref().is_some_and(|holder| check::is_run(holder, run))
    }

    fn has_ledger(&self, run: &str) -> bool {
        self.leftovers.iter().any(|one| one.run == run)
    }
}

impl Catalog {
    /// How long ago something was; nothing if it is yet to come.
    pub fn age(&self, time: Timestamp) -> Option<Millis> {
        u64::try_from(self.at.duration_since(time).as_millis()).ok().map(Millis)
    }

    /// Every backup that was published and can be read, oldest first; damaged ones as well.
    pub fn published(&self) -> impl DoubleEndedIterator<Item = &Backup> {
        self.backups.iter().filter(|one| one.state.is_published())
    }

    /// The bytes that their records tell, added up.
    pub fn bytes(&self) -> Bytes {
        let bytes = self.published().filter_map(Backup::bytes);
        Bytes(bytes.fold(0, |sum, Bytes(bytes)| sum.saturating_add(bytes)))
    }

    /// The one backup that is meant, by its name or a beginning that only it has, or the newest
    /// that is published.
    pub fn find(&self, wanted: Option<&str>) -> Result<&Backup, Missing> {
        let Some(wanted) = wanted else {
            return self.published().next_back().ok_or(Missing::Any);
        };
        let run = store::pick(self.backups.iter().map(|one| one.run.clone()), wanted)?;
        self.backups.iter().find(|one| one.run == run).ok_or(Missing::Any)
    }
}

impl Backup {
    /// Its size.
    pub fn bytes(&self) -> Option<Bytes> {
        self.ours.as_ref().map(|ours| ours.summary.copied.bytes)
    }

    /// Where it stands in the stream of changes.
    pub fn position(&self) -> Option<Position> {
        Position::of(&self.ours.as_ref()?.summary.coordinates)
    }

    /// How long its run took: as the history tells, or else by its record, which was finished just
    /// before it was published.
    pub fn took_ms(&self) -> Option<Millis> {
        let told = self.outcome.as_ref().and_then(|outcome| outcome.took_ms);
        let phases = &self.ours.as_ref().filter(|_| self.state.is_published())?.summary.timings_ms;
        told.or_else(|| (!phases.is_empty()).then(|| Millis(phases.values().map(|ms| ms.0).sum())))
    }

    /// How full its COW store was, in percent: at its fullest, or else after the copy.
    pub fn cow_percent(&self) -> Option<u64> {
        let peak = self.outcome.as_ref().and_then(|outcome| outcome.cow_percent_max);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a percentage")]
        let after = || Some(self.ours.as_ref()?.summary.cow_percent?.clamp(0.0, 1e6).ceil() as u64);
        peak.or_else(after)
    }
}
