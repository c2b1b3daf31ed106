//! What a run may leave behind, and how each such thing is undone.
//!
//! A claim is data: it is written to the ledger before the first act, and undone whether or not
//! its act failed or ever ran. So every undo looks first, is idempotent, recognises what is ours by
//! tag or content and never by name alone, and needs nothing but the claim itself.
//! Deliberately absent: the order of undoing and what to do when one fails; that is `settle`.

pub mod extended;
mod half;
mod words;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::database::replica;
use crate::host::{Act, Answer, Ask, Cmd, Fault, Host, Login, Session, Sql};
use crate::manifest;
use crate::snapshot::lvm;
use crate::snapshot::thick::Half;
use crate::store;
use crate::units::Millis;
use crate::wrong::{self, Wrong};

/// How often a removal is tried when something still holds the volume: `lvremove` right after
/// `umount` can fail on a udev race.
const REMOVE_TRIES_MAX: usize = 5;

/// What passes between two tries of the same undo.
const RETRY_PAUSE: Millis = Millis(250);

/// How often a started applier is looked for before it counts as not started.
const START_LOOKS_MAX: usize = 20;

/// One thing a run may leave behind. In a plan they stand in scope order, artifacts first and
/// quiesce last, so that undoing newest first lets the server go before it touches a volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "claim", rename_all = "kebab-case")]
pub enum Claim {
    /// A backup that is not published yet.
    Partial {
        /// Its directory.
        directory: PathBuf,
        /// The run that made it, as its `backup.json` says.
        run: String,
        /// The mount point of the destination's filesystem: without it nothing can be said.
        mount: PathBuf,
    },
    /// A snapshot volume.
    Snapshot {
        /// Reports volumes, as JSON.
        report: Cmd,
        /// Removes it, if it carries the tag.
        remove: Cmd,
        /// The volume group.
        vg: String,
        /// Its name.
        lv: String,
        /// The run's tag.
        tag: String,
    },
    /// Devices of a thick snapshot that lvm died over, which no report of lvm tells.
    Half {
        /// Reports volumes, as JSON.
        report: Cmd,
        /// The volume group.
        vg: String,
        /// The origin. While it has a snapshot, such devices are that one's.
        origin: String,
        /// Our snapshot.
        snapshot: String,
        /// The devices, and the commands about them.
        half: Box<Half>,
    },
    /// The extension of a thick snapshot's COW store, for which lvm suspends the origin.
    Extended {
        /// Reports volumes, as JSON.
        report: Cmd,
        /// The volume group.
        vg: String,
        /// The origin.
        origin: String,
        /// Our snapshot.
        snapshot: String,
        /// The devices that lvm suspends for it, and what lets each go on, in that order.
        resume: Vec<(String, Cmd)>,
    },
    /// The shell of lvm, and what it was ordered to do. It dies with its process, after it has
    /// ended what it does.
    Shell {
        /// How long that may take.
        ms_max: Millis,
    },
    /// The mounted snapshot.
    Mounted {
        /// The mount point; the directory is ours too.
        point: PathBuf,
        /// The device node mounted there.
        device: PathBuf,
    },
    /// The copy, while it goes on. It dies with its process.
    Copying,
    /// Replication channels whose appliers were stopped.
    Replication {
        /// The server.
        login: Login,
        /// Tells the state of every channel.
        status: String,
        /// Starts a channel's applier, one entry a channel that was running.
        start: Vec<Restart>,
        /// How long each statement may take.
        ms_max: Millis,
    },
    /// The dead-man.
    Guarded,
    /// The lock, held by the lock session.
    Locked {
        /// Releases it.
        unlock: Sql,
    },
    /// A filesystem frozen by us.
    Frozen {
        /// Its mount point.
        point: PathBuf,
    },
}

/// A channel to start again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    /// The channel's name, empty for the default channel.
    pub channel: String,
    /// The statement.
    pub start: String,
}

impl Claim {
    /// Undoes the claim, and tells what is left if that cannot be confirmed. Idempotent.
    pub fn undo(&self, host: &mut dyn Host) -> Result<(), Fault> {
        match self {
            Self::Partial { directory, run, mount } => {
                mounted(host, mount)?;
                remove_partial(host, directory, run)
            }
            Self::Snapshot { report, remove, vg, lv, tag } => {
                remove_snapshot(host, report, remove, &lvm::Name::new(vg, lv), tag)
            }
            Self::Half { report, vg, origin, snapshot, half } => {
                let name = |lv| lvm::Name::new(vg, lv);
                half::clear(host, report, [&name(origin), &name(snapshot)], half)
            }
            Self::Extended { report, vg, origin, snapshot, resume } => {
                let name = |lv| lvm::Name::new(vg, lv);
                extended::let_go_on(host, report, [&name(origin), &name(snapshot)], resume)
            }
            Self::Shell { ms_max } => host.act(&Act::CloseShell(*ms_max)).map(drop),
            Self::Mounted { point, device } => unmount(host, point, device),
            Self::Copying => host.act(&Act::End).map(drop),
            Self::Replication { login, status, start, ms_max } => {
                restart(host, login, status, start, *ms_max)
            }
            Self::Guarded => host.act(&Act::Disarm).map(drop),
            Self::Locked { unlock } => release(host, unlock),
            Self::Frozen { point } => thaw(host, point),
        }
    }
}

/// What is not to be seen is gone only if its filesystem is there.
fn mounted(host: &dyn Host, mount: &Path) -> Result<(), Fault> {
    if host.mounts()?.iter().any(|one| one.point == mount) {
        return Ok(());
    }
    Err(Fault::refused(format!("nothing is mounted at '{}'", mount.display())))
}

/// Removes the partial copy if its `backup.json` names our run, or if nothing else is in it yet.
/// The record goes last: a removal that is interrupted leaves a directory that still says whose it
/// is. What we did not put there keeps the directory.
fn remove_partial(host: &mut dyn Host, directory: &Path, run: &str) -> Result<(), Fault> {
    if host.entry(directory)?.is_none() {
        return Ok(());
    }
    let names = host.list(directory)?;
    if names.is_empty() {
        return host.act(&Act::RemoveDir(directory.into())).map(drop);
    }
    let record = host.file(&directory.join(store::RECORD))?.unwrap_or_default();
    let interrupted = store::only_an_unfinished_record(&names);
    if !interrupted && store::run_of(&record).as_deref() != Some(run) {
        let why = format!("'{}' is not of run {run}, it is left alone", directory.display());
        return Err(Fault::refused(why));
    }
    for tree in names.iter().filter(|name| store::is_tree(name)) {
        host.act(&Act::RemoveTree(directory.join(tree)))?;
    }
    if names.iter().any(|name| name.starts_with(store::LIST)) {
        host.act(&Act::RemoveFile(directory.join(store::LIST)))?;
    }
    host.act(&Act::RemoveFile(directory.join(manifest::FILE)))?;
    host.act(&Act::RemoveFile(directory.join(store::COORDINATES)))?;
    host.act(&Act::RemoveFile(directory.join(store::RECORD)))?;
    host.act(&Act::RemoveDir(directory.into())).map(drop)
}

/// Removes the volume that carries the run's tag; a volume of the same name without it is not ours.
fn remove_snapshot(
    host: &mut dyn Host,
    report: &Cmd,
    remove: &Cmd,
    name: &lvm::Name,
    tag: &str,
) -> Result<(), Fault> {
    let by_name = wrong::design(Wrong::UndoByName);
    let mut remove = remove.clone();
    if by_name {
        remove.args.retain(|arg| arg != "--select" && !arg.starts_with("lv_tags="));
    }
    let mut last = Ok(());
    for attempt in 0..REMOVE_TRIES_MAX {
        let volumes = lvm::volumes(&host.output(report)?).map_err(Fault::unsure)?;
        if !volumes.iter().any(|lv| lv.name.vg() == name.vg()) {
            return Err(Fault::refused(format!("the volume group '{}' is not there", name.vg())));
        }
        if !volumes.iter().any(|lv| lv.is(name) && (by_name || lv.has_tag(tag))) {
            return Ok(());
        }
        wait_before(attempt, host);
        last = host.act(&Act::Run(remove.clone())).map(drop);
        if last.as_ref().is_err_and(Fault::is_overdue) {
            return last;
        }
    }
    last.and_then(|()| Err(Fault::unsure(format!("'{name}' is still there after its removal"))))
}

/// Gives what stands in the way of an undo some time, except before the first try.
fn wait_before(attempt: usize, host: &mut dyn Host) {
    if attempt > 0 {
        let _only_time_is_lost = host.pause(RETRY_PAUSE);
    }
}

/// Unmounts our device from the mount point, and removes the point; a foreign mount is left alone.
fn unmount(host: &mut dyn Host, point: &Path, device: &Path) -> Result<(), Fault> {
    let ours = |host: &dyn Host| -> Result<bool, Fault> {
        let mounts = host.mounts()?;
        Ok(mounts.iter().any(|m| m.point == point && Path::new(&m.source) == device))
    };
    if ours(host)? {
        host.act(&Act::Unmount(point.into()))?;
        if ours(host)? {
            return Err(Fault::unsure(format!("'{}' is still mounted", point.display())));
        }
    }
    if host.mounts()?.iter().any(|m| m.point == point) || host.entry(point)?.is_none() {
        return Ok(());
    }
    host.act(&Act::RemoveDir(point.into())).map(drop)
}

/// Starts the appliers that do not run, and sees them running.
fn restart(
    host: &mut dyn Host,
    login: &Login,
    status: &str,
    start: &[Restart],
    ms_max: Millis,
) -> Result<(), Fault> {
    host.greet(login)?;
    // Even where an applier runs: a stop that timed out may still be on its way, and the server
    // lets the start wait behind it. On a running applier it is no more than a note.
    let mut last = Ok(());
    for one in start {
        last = host.act(&Act::Sql(Sql::control(&one.start, ms_max))).map(drop);
        if last.as_ref().is_err_and(Fault::is_overdue) {
            return last;
        }
    }
    for attempt in 0..START_LOOKS_MAX {
        let rows = host.query(Session::Control, status, ms_max)?;
        let idle: Vec<_> =
            start.iter().filter(|one| !replica::applier_runs(&rows, &one.channel)).collect();
        if idle.is_empty() {
            return Ok(());
        }
        wait_before(attempt + 1, host);
        for one in idle {
            last = host.act(&Act::Sql(Sql::control(&one.start, ms_max))).map(drop);
            if last.as_ref().is_err_and(Fault::is_overdue) {
                return last;
            }
        }
    }
    last.and_then(|()| Err(Fault::unsure("the applier does not stay running".to_owned())))
}

/// Unlocks, and closes the session's socket in any case, which the server answers by releasing the
/// lock: MySQL 9.7 keeps that of a FLUSH that timed out whatever is unlocked. Where one of the two
/// fails the session is ended from the control session.
fn release(host: &mut dyn Host, unlock: &Sql) -> Result<(), Fault> {
    let kill = Act::Kill(unlock.session);
    if let Err(fault) = host.act(&Act::Sql(unlock.clone())) {
        if wrong::design(Wrong::UnlockWithoutLastResort) {
            return Err(fault);
        }
        let _closed_anyway = host.act(&kill);
    }
    host.act(&Act::Hangup(unlock.session)).or_else(|_| host.act(&kill)).map(drop)
}

/// Thaws, and takes nothing but the kernel's own word for it.
fn thaw(host: &mut dyn Host, point: &Path) -> Result<(), Fault> {
    match host.act(&Act::Thaw(point.into()))? {
        Answer::Thaw(_) => Ok(()),
        other => Err(Fault::unsure(format!("expected the word of the kernel, found {other:?}"))),
    }
}
