//! Everything before the window: the ledger first, then what can be made ready while the server
//! still writes, so that little is left to do while it does not.

use super::{Run, destination};
use crate::database::coordinates::{self, Channel};
use crate::database::settings;
use crate::host::{Act, Ask, Fault, Rows, Session};
use crate::ledger::{self, Ledger};
use crate::plan::Take;
use crate::store::{self, Record};
use crate::wrong::{self, Wrong};

/// Writes the ledger: the first thing a run leaves on the machine.
pub(super) fn ledger(run: &mut Run<'_>) -> Result<(), Fault> {
    if wrong::design(Wrong::ClaimSavedAfterItsAct) {
        return Ok(());
    }
    save_ledger(run)
}

fn save_ledger(run: &mut Run<'_>) -> Result<(), Fault> {
    let plan = run.plan;
    let ledger = Ledger {
        version: ledger::VERSION,
        run: plan.run.clone(),
        host: plan.machine.host.clone(),
        boot: plan.machine.boot.clone(),
        pid: plan.machine.pid,
        claims: plan.claims.clone(),
    };
    ledger::save(run.host, &plan.ledger, &ledger)
}

/// Makes the partial backup and the mount points, in a mount namespace of our own.
pub(super) fn stage(run: &mut Run<'_>, record: &Record) -> Result<(), Fault> {
    let plan = run.plan;
    run.host.act(&Act::Isolate)?;
    destination::stands(run)?;
    run.host.act(&Act::NewDir(plan.publish.partial.clone()))?;
    store::save(run.host, &plan.publish.partial, record)?;
    for source in &plan.sources {
        run.host.act(&Act::NewDir(plan.publish.partial.join(&source.tree)))?;
    }
    for source in &plan.sources {
        run.host.act(&Act::MakeDir(source.view.point.clone()))?;
    }
    if wrong::design(Wrong::ClaimSavedAfterItsAct) {
        return save_ledger(run);
    }
    Ok(())
}

/// Makes the COW stores and the shell of lvm that will take the orders: what costs time and can be
/// had while the server still writes.
pub(super) fn snapshots(run: &mut Run<'_>) -> Result<(), Fault> {
    for source in &run.plan.sources {
        let Take::Ordered { store, .. } = &source.take else { continue };
        for cmd in store {
            let made = run.host.act(&Act::Run(cmd.clone()));
            made.map_err(|f| f.during("cannot make the COW store"))?;
        }
    }
    match &run.plan.shell {
        Some(shell) => run.host.act(&Act::OpenShell(shell.clone())).map(drop),
        None => Ok(()),
    }
}

/// Opens the lock session, prepares it, and starts the dead-man that holds its socket.
pub(super) fn sessions(run: &mut Run<'_>) -> Result<(), Fault> {
    if run.plan.window.lock.is_some() {
        run.host.act(&Act::Connect(run.plan.login.clone()))?;
        for sql in &run.plan.session {
            // BACKUP STAGE START waits, and fails, while another backup has its own.
            let prepared = run.host.act(&Act::Sql(sql.clone()));
            prepared.map_err(|f| f.during("cannot prepare the lock session"))?;
        }
    }
    run.host.act(&Act::Guard(run.plan.window.guard.clone())).map(drop)
}

/// Stops the appliers that run. Before any lock: never while holding one.
pub(super) fn stop_appliers(run: &mut Run<'_>) -> Result<(), Fault> {
    run.host.greet(&run.plan.login)?;
    let Some(replica) = &run.plan.replica else { return Ok(()) };
    for stop in &replica.stop {
        run.host.act(&Act::Sql(stop.clone())).map_err(|f| f.during("cannot stop the applier"))?;
    }
    Ok(())
}

/// The channels' executed positions, read with every applier stopped.
pub(super) fn channels(run: &Run<'_>) -> Result<Vec<Channel>, Fault> {
    let Some(rows) = status(run)? else { return Ok(Vec::new()) };
    let channels = coordinates::channels(&run.plan.server, &rows).map_err(Fault::unsure)?;
    if let Some(busy) = channels.iter().find(|channel| channel.applying) {
        return Err(Fault::refused(format!("channel '{}' still applies", busy.name)));
    }
    // MySQL's STOP REPLICA succeeds even if the applier failed before it stopped, and then the
    // position may lag behind what was applied ("Replication and Transaction Inconsistencies").
    match channels.iter().find(|channel| channel.errno != 0 && run.plan.restarts_channel(channel)) {
        None => Ok(channels),
        Some(Channel { name, errno, .. }) => {
            let why =
                format!("the applier of channel '{name}' failed as it stopped: error {errno}");
            Err(Fault::refused(why))
        }
    }
}

/// Looks for temporary tables of the appliers again, now that they stand: what they opened since
/// the plan was made would be in no file either.
pub(super) fn no_temporary_tables(run: &Run<'_>) -> Result<(), Fault> {
    if run.plan.replica.is_none() {
        return Ok(());
    }
    let ms_max = run.plan.window.ask_ms_max;
    let rows = run.host.query(Session::Control, settings::OPEN_TEMPORARY_TABLES, ms_max)?;
    settings::open_temporary_tables(&rows).map_err(Fault::refused)
}

/// Proves that no position moved between the reading and the end of the window.
pub(super) fn same_channels(run: &Run<'_>, before: &[Channel]) -> Result<(), Fault> {
    let after = channels(run)?;
    let (before, after) = (executed(before), executed(&after));
    if before == after {
        return Ok(());
    }
    Err(Fault::refused(format!("the applier moved while it was stopped: {before:?}, {after:?}")))
}

fn executed(channels: &[Channel]) -> Vec<(&str, &str, u64)> {
    channels.iter().map(Channel::executed).collect()
}

fn status(run: &Run<'_>) -> Result<Option<Rows>, Fault> {
    let Some(replica) = &run.plan.replica else { return Ok(None) };
    let ms_max = run.plan.window.ask_ms_max;
    run.host.query(Session::Control, &replica.status, ms_max).map(Some)
}

/// Writes out what the source filesystems hold in memory, so that a freeze finds little to do.
pub(super) fn flush(run: &mut Run<'_>) -> Result<(), Fault> {
    for source in &run.plan.sources {
        run.host.act(&Act::SyncFs(source.mount.clone()))?;
    }
    Ok(())
}
