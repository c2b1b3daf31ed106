//! What there is in a destination, and what becomes of each: looks alone.
//!
//! Ours is a directory, no link, with the name of a run and a record that can be read, which names
//! this host and the same run. Whatever else is there stays, and what looks like a backup is told.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{Backup, Judged, Keep, Rules, State, Verdict, judge};
use crate::host::{Ask, Fault, Host, Kind};
use crate::store::{self, RECORD, Summary, TREE};

/// What the name of a backup that is being removed begins and ends with: it is none any more.
const REMOVING: (&str, &str) = (".", ".removing");

/// What pruning a destination means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pruning {
    /// The destination, without links.
    pub(super) directory: PathBuf,
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
    rules: &Rules,
    made: Option<&str>,
) -> Result<Pruning, Fault> {
    let machine = host.machine()?;
    let place = Place::find(host, directory, machine.host.clone())?;
    let names = host.list(&place.directory)?;
    let mut backups = Vec::new();
    for name in names.iter().filter(|name| !name.starts_with('.')) {
        backups.extend(place.backup(host, name));
    }
    let is_there = |run: &str| {
        backups.iter().any(|one| one.name == run && matches!(one.state, State::Proven(_)))
    };
    if let Some(run) = made.filter(|run| !is_there(run)) {
        let why = format!("the backup of run {run} is not seen in '{}'", directory.display());
        return Err(Fault::refused(why));
    }
    let verdicts = judge(&backups, rules, machine.began(), made);
    let backups = backups.into_iter().zip(verdicts);
    Ok(Pruning {
        unfinished: names.iter().filter_map(|name| place.unfinished(host, name)).collect(),
        backups: backups.map(|(backup, verdict)| Judged { backup, verdict }).collect(),
        directory: place.directory,
    })
}

/// The name of a backup while it is removed.
pub(super) fn removing(run: &str) -> String {
    let (begin, end) = REMOVING;
    format!("{begin}{run}{end}")
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
            Some(format!("'{}' is kept: left alone: {why}", removing(&one.run)))
        });
        backups.chain(unfinished).collect()
    }
}

/// Where we look, and who we are.
pub(super) struct Place {
    pub(super) directory: PathBuf,
    us: String,
}

impl Place {
    /// The destination, with its own links resolved.
    pub(super) fn find(host: &dyn Host, directory: &Path, us: String) -> Result<Self, Fault> {
        let entry = host.entry(directory)?.filter(|entry| entry.kind == Kind::Directory);
        let entry = entry.ok_or_else(|| {
            Fault::refused(format!("the destination '{}' is not there", directory.display()))
        })?;
        Ok(Self { directory: entry.real, us })
    }

    /// What stands there, if that has a backup's name, or a record.
    fn backup(&self, host: &dyn Host, name: &str) -> Option<Backup> {
        let state = if store::is_run(name) {
            self.state(host, name)
        } else {
            let record = host.file(&self.directory.join(name).join(RECORD));
            record.unwrap_or_default()?;
            State::NotOurs("its name is not that of a run".into())
        };
        Some(Backup { name: name.into(), state })
    }

    /// How the backup of this name stands.
    pub(super) fn state(&self, host: &dyn Host, name: &str) -> State {
        let found = match self.summary(host, name, name) {
            Ok(found) => found,
            Err(state) => return state,
        };
        let path = self.directory.join(name);
        match host.entry(&path.join(TREE)) {
            Ok(Some(tree)) if tree.kind == Kind::Directory => {}
            Ok(_) => return State::Unclear(format!("it has no '{TREE}'")),
            Err(fault) => return State::Unclear(fault.to_string()),
        }
        let time = match found.started.parse::<Timestamp>() {
            Ok(time) => time,
            Err(error) => return State::Unclear(format!("damaged record: {error}")),
        };
        match found.state.as_str() {
            "published" => State::Proven(time),
            "damaged" => State::Damaged(time),
            other => State::Unclear(format!("its state is '{other}'")),
        }
    }

    /// What the record of our own run tells, in the directory of this name.
    fn summary(&self, host: &dyn Host, name: &str, run: &str) -> Result<Summary, State> {
        let path = self.directory.join(name);
        let unseen = |fault: Fault| State::Unclear(fault.to_string());
        let not_ours = |why: &str| State::NotOurs(why.into());
        let entry = host.entry(&path).map_err(unseen)?;
        let entry = entry.ok_or_else(|| not_ours("it is a link that leads nowhere"))?;
        if entry.real != path {
            return Err(not_ours("it is a symbolic link"));
        }
        if entry.kind != Kind::Directory {
            return Err(not_ours("it is not a directory"));
        }
        let text = host.file(&path.join(RECORD)).map_err(unseen)?;
        let text = text.ok_or_else(|| State::Unclear(format!("it has no '{RECORD}'")))?;
        let found: Summary = serde_json::from_str(&text)
            .map_err(|error| State::Unclear(format!("damaged record: {error}")))?;
        match &found.host {
            Some(host) if *host == self.us => {}
            Some(host) => return Err(State::NotOurs(format!("it is of host '{host}'"))),
            None => return Err(State::Unclear("its record names no host".into())),
        }
        if found.run != run {
            return Err(State::Unclear(format!("its record is of run {}", found.run)));
        }
        Ok(found)
    }

    /// The removal that a name tells of, if it is such a name.
    fn unfinished(&self, host: &dyn Host, name: &str) -> Option<Unfinished> {
        let (begin, end) = REMOVING;
        let run = name.strip_prefix(begin)?.strip_suffix(end)?;
        let left_alone = self.may_finish(host, run).err();
        store::is_run(run).then(|| Unfinished { run: run.into(), left_alone })
    }

    /// Whether a removal is one of ours: by its record, which goes last, or because nothing is in
    /// it any more.
    pub(super) fn may_finish(&self, host: &dyn Host, run: &str) -> Result<(), String> {
        let name = removing(run);
        let path = self.directory.join(&name);
        let why = match self.summary(host, &name, run) {
            Ok(_) => return Ok(()),
            Err(State::Unclear(why)) => why,
            Err(State::NotOurs(why)) => return Err(why),
            Err(State::Proven(_) | State::Damaged(_)) => return Err("it is a backup".into()),
        };
        let names = host.list(&path).map_err(|fault| fault.to_string())?;
        if store::only_an_unfinished_record(&names) { Ok(()) } else { Err(why) }
    }
}
