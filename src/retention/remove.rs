//! Backups are removed: first the name goes, then the files, the record last.
//!
//! Whatever interrupts this, a name without a dot is a whole backup, and what has lost its name
//! says whose it is until it is empty; the next pruning finishes it. The caller holds the run lock.

use std::path::Path;

use super::survey::Place;
use super::{Backup, Pruning};
use crate::host::{Act, Ask, Fault, Host};
use crate::memory;
use crate::store::{Form, RECORD};

/// How a pruning went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The backups that are gone.
    pub removed: Vec<String>,
    /// What could not be removed, and why, each in words.
    pub failed: Vec<String>,
    /// The signal that ended it early.
    pub signal: Option<i32>,
}

/// One removal.
enum Step<'a> {
    Finish(&'a str),
    Remove(&'a Backup),
}

/// Finishes what was interrupted and removes what is to go, one after the other, until a signal
/// comes. One that fails does not keep the others. Idempotent.
pub fn prune(host: &mut dyn Host, pruning: &Pruning) -> Pruned {
    let ours = pruning.unfinished.iter().filter(|one| one.left_alone.is_none());
    let finish = ours.map(|one| Step::Finish(&one.run));
    let remove = pruning.goes().map(|one| Step::Remove(&one.backup));
    let mut done = Pruned::default();
    for step in finish.chain(remove) {
        match host.signal() {
            Ok(None) => {}
            Ok(signal) => {
                done.signal = signal;
                break;
            }
            Err(fault) => {
                done.failed.push(fault.to_string());
                break;
            }
        }
        let name = step.name();
        match go(host, pruning, &step) {
            Ok(()) => done.removed.push(name.into()),
            Err(fault) => {
                done.failed.push(format!("cannot remove the backup '{name}': {fault}"));
                done.signal = host.signal().unwrap_or_default();
            }
        }
        if done.signal.is_some() {
            break;
        }
    }
    done
}

impl Step<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Finish(run) => run,
            Self::Remove(backup) => &backup.name,
        }
    }
}

/// Looked at once more, each just before it goes: between the verdict and this the others went,
/// which may have taken an hour.
fn go(host: &mut dyn Host, pruning: &Pruning, step: &Step<'_>) -> Result<(), Fault> {
    let us = host.machine()?.host;
    let place = Place::find(host, &pruning.directory, &pruning.state_dir, us)?;
    match step {
        Step::Finish(run) => {
            // The rename may not be on stable storage, and must be before a file goes.
            host.act(&Act::SyncFs(place.directory.clone()))?;
            finish(host, pruning, &place, run)
        }
        Step::Remove(backup) => {
            if place.state(host, &backup.name) != backup.state {
                return Err(Fault::refused("it is not what it was"));
            }
            nothing_mounted(host, &place.directory.join(&backup.name))?;
            withdraw(host, &place.directory, &backup.name)?;
            finish(host, pruning, &place, &backup.name)
        }
    }
}

/// Asked before it loses its name, so that it stays whole; the removal itself asks again.
fn nothing_mounted(host: &dyn Host, path: &Path) -> Result<(), Fault> {
    match host.mounts()?.iter().find(|mount| mount.point.starts_with(path)) {
        None => Ok(()),
        Some(mount) => Err(Fault::refused(format!("'{}' is mounted there", mount.point.display()))),
    }
}

/// From here on it is no backup. In doubt whether that is on stable storage nothing else is done:
/// what came back after a power loss would look like a whole one.
fn withdraw(host: &mut dyn Host, directory: &Path, run: &str) -> Result<(), Fault> {
    let (from, to) = (directory.join(run), directory.join(Form::Removing.name(run)));
    host.act(&Act::Withdraw { from, to }).map(drop)
}

/// The record goes last, so that what is interrupted says whose it is, and is forgotten by whoever
/// finishes it.
fn finish(host: &mut dyn Host, pruning: &Pruning, place: &Place, run: &str) -> Result<(), Fault> {
    place.may_finish(host, run).map_err(Fault::refused)?;
    let directory = place.directory.join(Form::Removing.name(run));
    host.act(&Act::Empty { directory: directory.clone(), but: RECORD.into() })?;
    memory::forget(host, &pruning.state_dir, run)?;
    host.act(&Act::RemoveFile(directory.join(RECORD)))?;
    host.act(&Act::RemoveDir(directory)).map(drop)
}
