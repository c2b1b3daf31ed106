//! What there is in a destination, and what becomes of each: looks alone.
//!
//! What is ours `store` tells. Whatever else is there stays, and what looks like a backup is told.

use std::path::{Path, PathBuf};

use super::{Backup, Judged, Keep, Rules, State, Verdict, judge};
use crate::host::{Ask, Fault, Host, Kind};
use crate::memory::{self, Standing};
use crate::store::{self, Form, Found, What};

/// What pruning a destination means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pruning {
    /// The destination, without links.
    pub(super) directory: PathBuf,
    /// Where what is known of each backup is kept.
    pub(super) state_dir: PathBuf,
    /// Removals that were interrupted.
    pub unfinished: Vec<Unfinished>,
    /// Every backup and its verdict, by name.
    pub backups: Vec<Judged>,
}

/// A removal that was interrupted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// The name of the backup that it was.
    pub run: String,
    /// Why it is not gone on with; nothing if it is.
    pub left_alone: Option<String>,
}

/// Looks what there is and judges it. `made` is the run that has just published here: where its
/// backup is not seen, this is not the destination that it was.
pub fn survey(
    host: &dyn Host,
    directory: &Path,
    state_dir: &Path,
    rules: &Rules,
    made: Option<&str>,
) -> Result<Pruning, Fault> {
    let machine = host.machine()?;
    let place = Place::find(host, directory, state_dir, machine.host.clone())?;
    let found = store::find(host, &place.directory)?;
    let whole = found.iter().filter(|one| one.form == Form::Whole);
    let backups: Vec<Backup> = whole.map(|one| place.backup(host, one)).collect();
    let is_there = |run: &str| {
        let published = |one: &Backup| matches!(one.state, State::Proven(_) | State::Damaged(_));
        backups.iter().any(|one| one.name == run && published(one))
    };
    if let Some(run) = made.filter(|run| !is_there(run)) {
        let why = format!("the backup of run {run} is not seen in '{}'", directory.display());
        return Err(Fault::refused(why));
    }
    let verdicts = judge(&backups, rules, machine.began(), made);
    let backups = backups.into_iter().zip(verdicts);
    Ok(Pruning {
        unfinished: found.iter().filter_map(|one| place.unfinished(host, one)).collect(),
        backups: backups.map(|(backup, verdict)| Judged { backup, verdict }).collect(),
        directory: place.directory,
        state_dir: place.state_dir,
    })
}

impl Pruning {
    /// The backups that go, oldest name first.
    pub fn goes(&self) -> impl Iterator<Item = &Judged> {
        self.backups.iter().filter(|one| matches!(one.verdict, Verdict::Remove(_)))
    }

    /// What the operator should know of, though nothing is done about it.
    pub fn warnings(&self) -> Vec<String> {
        let backups =
            self.backups.iter().filter_map(|one| match (&one.backup.state, &one.verdict) {
                (State::NotOurs(_), _) | (_, Verdict::Remove(_)) => None,
                (_, Verdict::Keep(why)) => why.iter().find_map(|why| {
                    let odd = matches!(why, Keep::LeftAlone(_) | Keep::Future(_));
                    odd.then(|| format!("'{}' is kept: {why}", one.backup.name))
                }),
            });
        let unfinished = self.unfinished.iter().filter_map(|one| {
            let why = one.left_alone.as_ref()?;
            Some(format!("'{}' is kept: left alone: {why}", Form::Removing.name(&one.run)))
        });
        backups.chain(unfinished).collect()
    }
}

/// Where we look, and who we are.
pub(super) struct Place {
    pub(super) directory: PathBuf,
    state_dir: PathBuf,
    us: String,
}

impl Place {
    /// The destination, with its own links resolved.
    pub(super) fn find(
        host: &dyn Host,
        directory: &Path,
        state_dir: &Path,
        us: String,
    ) -> Result<Self, Fault> {
        let entry = host.entry(directory)?.filter(|entry| entry.kind == Kind::Directory);
        let entry = entry.ok_or_else(|| {
            Fault::refused(format!("the destination '{}' is not there", directory.display()))
        })?;
        Ok(Self { directory: entry.real, state_dir: state_dir.into(), us })
    }

    /// How the backup of this name stands.
    pub(super) fn state(&self, host: &dyn Host, name: &str) -> State {
        match Form::of(name) {
            Some((Form::Whole, run)) => self.judged(host, run, self.look(host, Form::Whole, run)),
            _ => State::NotOurs("its name is not that of a run".into()),
        }
    }

    /// What stands there under a backup's name, or with a record.
    fn backup(&self, host: &dyn Host, one: &Found) -> Backup {
        let state = self.judged(host, &one.run, one.what.clone());
        Backup { name: one.run.clone(), state }
    }

    /// How a backup stands that was looked at, by its record and by what was found of it since.
    fn judged(&self, host: &dyn Host, run: &str, what: Result<What, Fault>) -> State {
        let ours = match what {
            Ok(What::Ours(ours)) => ours,
            Ok(What::Unclear(why)) => return State::Unclear(why),
            Ok(What::NotOurs(why)) => return State::NotOurs(why),
            Err(fault) => return State::Unclear(fault.to_string()),
        };
        if !ours.is_published() {
            return State::Damaged(ours.began);
        }
        match memory::recall(host, &self.state_dir, run).map(|known| known.standing()) {
            Ok(Standing::Damaged(..)) => State::Damaged(ours.began),
            Ok(_) => State::Proven(ours.began),
            Err(fault) => State::Unclear(format!("what is known of it cannot be read: {fault}")),
        }
    }

    fn look(&self, host: &dyn Host, form: Form, run: &str) -> Result<What, Fault> {
        store::look(host, &self.us, &self.directory, (form, run))
    }

    /// The removal that a name tells of, if it is such a name.
    fn unfinished(&self, host: &dyn Host, one: &Found) -> Option<Unfinished> {
        let of = |one: &Found| Unfinished {
            run: one.run.clone(),
            left_alone: self.may_go_on(host, &one.run, one.what.clone()).err(),
        };
        (one.form == Form::Removing).then(|| of(one))
    }

    /// Whether a removal is one of ours: by its record, which goes last, or because nothing is in
    /// it any more.
    pub(super) fn may_finish(&self, host: &dyn Host, run: &str) -> Result<(), String> {
        self.may_go_on(host, run, self.look(host, Form::Removing, run))
    }

    fn may_go_on(
        &self,
        host: &dyn Host,
        run: &str,
        what: Result<What, Fault>,
    ) -> Result<(), String> {
        let why = match what {
            Ok(What::Ours(_)) => return Ok(()),
            Ok(What::NotOurs(why)) => return Err(why),
            Ok(What::Unclear(why)) => why,
            Err(fault) => fault.to_string(),
        };
        let path = self.directory.join(Form::Removing.name(run));
        let names = host.list(&path).map_err(|fault| fault.to_string())?;
        if store::only_an_unfinished_record(&names) { Ok(()) } else { Err(why) }
    }
}
