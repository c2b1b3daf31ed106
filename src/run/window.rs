//! The window: while writes are stopped. Prepared acts only; nothing of ours is written, and no
//! statement is sent while the filesystem is frozen.
//!
//! Deliberately absent: early returns that would leave the server locked. Whatever fails here
//! leaves through `settle`, which thaws and unlocks before it does anything else.

use super::Run;
use crate::claim::Claim;
use crate::database::{coordinates, dialect};
use crate::host::{Act, Answer, Ask, Fault, Rows, Session};
use crate::store::{Record, WindowTimes};
use crate::units::Millis;
use crate::wrong::{self, Wrong};

/// Writes are stopped by the server.
struct Locked {
    connection: u64,
}

/// The filesystem stands still, or device-mapper will make it so.
struct Frozen(());

/// The snapshot was taken under a lock that was proven to hold.
pub(super) struct Taken(());

/// The monotonic times of the window, in nanoseconds.
struct Marks {
    asked: u64,
    granted: u64,
    ordered: u64,
    taken: u64,
    proven: u64,
    released: u64,
}

/// Takes the snapshot while the server holds still.
pub(super) fn hold_still(run: &mut Run<'_>, record: &mut Record) -> Result<Taken, Fault> {
    let connection = connection(run)?;
    run.host.act(&Act::Arm(run.plan.window.wait_ms_max))?;
    let asked = run.host.now()?;
    let locked = lock(run, connection)?;
    let granted = run.host.now()?;
    run.host.act(&Act::Arm(run.plan.window.hold_ms_max))?;
    write_logs(run, &locked)?;
    let position = position(run)?;
    let frozen = freeze(run, &locked)?;
    let ordered = run.host.now()?;
    let taken = snapshot(run, frozen)?;
    let at_taken = run.host.now()?;
    thaw(run)?;
    prove(run, &locked)?;
    let proven = run.host.now()?;
    unlock(run)?;
    let released = run.host.now()?;
    run.release(|claim| matches!(claim, Claim::Guarded))?;

    let marks = Marks { asked, granted, ordered, taken: at_taken, proven, released };
    record.window = marks.times();
    record.coordinates.own =
        coordinates::own(&run.plan.server, &position).map_err(Fault::unsure)?;
    Ok(taken)
}

/// The lock session's number, as the server knows it before the lock. The control session must see
/// it: behind a proxy the two could be on different servers, and the position of one would be told
/// of the files of another.
fn connection(run: &Run<'_>) -> Result<u64, Fault> {
    let ms_max = run.plan.window.ask_ms_max;
    let id = number(&run.host.query(Session::Lock, IDENTITY, ms_max)?)?;
    let seen = run.host.query(Session::Control, &dialect::session_seen(id), ms_max)?;
    if seen.only() == Some("1") {
        return Ok(id);
    }
    Err(Fault::refused(format!("the lock session {id} is not on the server we look at")))
}

/// Who a session is; a reconnected one would have another number.
const IDENTITY: &str = "SELECT CONNECTION_ID()";

fn number(rows: &Rows) -> Result<u64, Fault> {
    let found = rows.only().unwrap_or("nothing");
    found.parse().map_err(|_| Fault::unsure(format!("expected a number, found '{found}'")))
}

fn lock(run: &mut Run<'_>, connection: u64) -> Result<Locked, Fault> {
    if !wrong::design(Wrong::NoLock) {
        run.host.act(&run.plan.lock()).map_err(|f| f.during("cannot lock the server"))?;
    }
    Ok(Locked { connection })
}

/// Every commit that the positions count must be in the files.
fn write_logs(run: &mut Run<'_>, _: &Locked) -> Result<(), Fault> {
    if wrong::design(Wrong::LogsLeftInMemory) {
        return Ok(());
    }
    let written = run.host.act(&Act::Sql(run.plan.window.write_logs.clone()));
    written.map(drop).map_err(|f| f.during("cannot write out the engine's logs"))
}

/// The server's own position and GTID sets: they stand still now. Asked on the control session,
/// for the lock session is asked nothing that could end it.
fn position(run: &Run<'_>) -> Result<Vec<Rows>, Fault> {
    let window = &run.plan.window;
    let ask = |text: &String| run.host.query(Session::Control, text, window.ask_ms_max);
    window.position.iter().map(ask).collect()
}

/// Freezes if the plan says so; where one volume is the source, device-mapper freezes by itself.
fn freeze(run: &mut Run<'_>, _: &Locked) -> Result<Frozen, Fault> {
    if let Some(point) = &run.plan.window.freeze {
        let frozen = run.host.act(&Act::Freeze(point.clone()));
        if frozen.as_ref().is_err_and(Fault::is_overdue) {
            run.held.expect_late_freeze();
        }
        frozen?;
    }
    Ok(Frozen(()))
}

fn snapshot(run: &mut Run<'_>, _: Frozen) -> Result<Taken, Fault> {
    if let Some(unlock) = run.plan.unlock().filter(|_| lock_is_dropped()) {
        run.host.act(&Act::Sql(unlock.clone()))?;
    }
    let ordered = run.host.act(&Act::Run(run.plan.window.snapshot.clone()));
    #[cfg(feature = "wrong-designs")]
    if ordered.is_err() && wrong::design(Wrong::FailedActNotUndone) {
        run.held.forget(|claim| matches!(claim, Claim::Snapshot { .. }));
    }
    ordered.map(|_: Answer| Taken(())).map_err(|f| f.during("cannot take the snapshot"))
}

/// Only the lock is dropped: its session lives on, so nothing but the snapshot's content tells.
fn lock_is_dropped() -> bool {
    wrong::design(Wrong::LockDroppedBeforeSuspend)
}

fn thaw(run: &mut Run<'_>) -> Result<(), Fault> {
    run.release(|claim| matches!(claim, Claim::Frozen { .. }))
}

/// The lock lives in the session: if that died, the snapshot is worthless.
fn prove(run: &Run<'_>, locked: &Locked) -> Result<(), Fault> {
    let rows = run.host.query(Session::Lock, IDENTITY, run.plan.window.ask_ms_max);
    let found = number(&rows.map_err(|f| f.during("the lock session did not survive"))?)?;
    if found == locked.connection {
        return Ok(());
    }
    let before = locked.connection;
    Err(Fault::refused(format!("the lock was lost: session {before} is now session {found}")))
}

/// Unlocks and ends the lock session, which has done its work.
fn unlock(run: &mut Run<'_>) -> Result<(), Fault> {
    run.release(|claim| matches!(claim, Claim::Locked { .. }))
}

impl Marks {
    fn times(&self) -> WindowTimes {
        let ms = |from: u64, to: u64| Millis(to.saturating_sub(from) / 1_000_000);
        WindowTimes {
            waited_ms: ms(self.asked, self.granted),
            locked_ms: ms(self.granted, self.released),
            snapshot_ms: ms(self.ordered, self.taken),
            proven_ms: ms(self.taken, self.proven),
            released_ms: ms(self.proven, self.released),
        }
    }
}
