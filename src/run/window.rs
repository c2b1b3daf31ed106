//! The window: while writes are stopped. Prepared acts only; nothing of ours is written, and no
//! statement is sent while the filesystem is frozen.
//!
//! lvm is let go to suspend the origin under the lock, and the window closes as soon as the origin
//! is live again, not when the command ends.
//!
//! Deliberately absent: early returns that would leave the server locked. Whatever fails here
//! leaves through `again` or `settle`, which thaw and unlock before they do anything else.

use super::point::{self, Eve};
use super::{Event, Run, prepare};
use crate::claim::Claim;
use crate::database::{coordinates, dialect};
use crate::host::{Act, Ask, Fault, Rows, Session};
use crate::plan::When;
use crate::proof::{PointTimes, Proof};
use crate::store::{Record, WindowTimes};
use crate::wrong::{self, Wrong};

/// Writes are stopped by the server, or nothing writes.
pub(super) struct Locked {
    /// The lock session's number.
    connection: Option<u64>,
}

/// The filesystems stand still, or device-mapper will make them so.
pub(super) struct Frozen(());

/// The snapshots were taken under a lock that was proven to hold.
pub(super) struct Taken(());

/// Why a try gave no snapshot.
enum Miss {
    /// The server gave no lock in time, and its session can be ended to forget the wish.
    NotGranted(Fault),
    /// Nothing that trying again would mend.
    Failed(Fault),
}

impl From<Fault> for Miss {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault)
    }
}

/// The server's number for "lock wait timeout exceeded".
const LOCK_WAIT_TIMEOUT: u16 = 1205;

/// Takes the snapshots while the server holds still, if need be in several tries.
pub(super) fn hold_still(run: &mut Run<'_>, record: &mut Record) -> Result<Taken, Fault> {
    let when = point::prepare(run)?;
    // Once more: stopping appliers and preparing the snapshot took time.
    prepare::flush(run)?;
    let mut tries = 1;
    loop {
        run.host.heed_signal()?;
        let miss = match once(run, when) {
            Ok((taken, proof, position)) => {
                record.window = times(run, when, tries, proof);
                record.coordinates.own =
                    coordinates::own(&run.plan.server, &position).map_err(Fault::unsure)?;
                return Ok(taken);
            }
            Err(miss) => miss,
        };
        let why = match miss {
            Miss::Failed(fault) => return Err(fault),
            Miss::NotGranted(fault) => fault,
        };
        if tries >= run.plan.window.tries_max {
            return Err(why);
        }
        again(run, &why)?;
        tries += 1;
    }
}

/// Lets the server go, and gives it some time before the next try.
fn again(run: &mut Run<'_>, why: &Fault) -> Result<(), Fault> {
    let host = &mut *run.host;
    run.held.undo(host, |claim| matches!(claim, Claim::Locked { .. } | Claim::Guarded))?;
    (run.tell)(Event::Again(why.to_string()));
    run.host.pause(run.plan.window.pause)
}

/// One try: from a server that writes to a server that writes.
fn once(run: &mut Run<'_>, when: When) -> Result<(Taken, Proof, Vec<Rows>), Miss> {
    prepare::sessions(run)?;
    let connection = connection(run)?;
    point::still_held(run, when)?;
    run.host.act(&Act::Arm(run.plan.window.wait_ms_max))?;
    let asked_ns = run.host.now()?;
    let locked = lock(run, connection)?;
    let granted_ns = run.host.now()?;
    run.host.act(&Act::Arm(run.plan.window.hold_ms_max))?;
    // Where nothing is locked the position comes before all that it must be true of: whatever is
    // written after it is seen when it is asked for again.
    let early = if locked.connection.is_none() { Some(position(run)?) } else { None };
    write_logs(run, &locked)?;
    let eve = point::eve(run, when, granted_ns)?;
    let (points, position) = take(run, &locked, eve, early)?;
    thaw(run)?;
    prove(run, &locked)?;
    let proven_ns = run.host.now()?;
    unlock(run)?;
    let unlocked_ns = run.host.now()?;
    run.release(|claim| matches!(claim, Claim::Guarded))?;
    let unmoved = unmoved(run, &position)?;
    let is_locked = locked.connection.is_some();
    let of_lock = |ns: u64| is_locked.then_some(ns);
    let proof = Proof {
        asked_ns: of_lock(asked_ns),
        granted_ns: of_lock(granted_ns),
        points,
        proven_ns: of_lock(proven_ns),
        unlocked_ns: of_lock(unlocked_ns),
        unmoved,
    };
    Ok((Taken(()), proof, position))
}

/// The lock session's number, as the server knows it before the lock. The control session must see
/// it: behind a proxy the two could be on different servers, and the position of one would be told
/// of the files of another.
fn connection(run: &Run<'_>) -> Result<Option<u64>, Fault> {
    if run.plan.window.lock.is_none() {
        return Ok(None);
    }
    let ms_max = run.plan.window.ask_ms_max;
    let id = number(&run.host.query(Session::Lock, IDENTITY, ms_max)?)?;
    let seen = run.host.query(Session::Control, &dialect::session_seen(id), ms_max)?;
    if seen.only() == Some("1") {
        return Ok(Some(id));
    }
    Err(Fault::refused(format!("the lock session {id} is not on the server we look at")))
}

/// Who a session is; a reconnected one would have another number.
const IDENTITY: &str = "SELECT CONNECTION_ID()";

fn number(rows: &Rows) -> Result<u64, Fault> {
    let found = rows.only().unwrap_or("nothing");
    found.parse().map_err(|_| Fault::unsure(format!("expected a number, found '{found}'")))
}

/// Takes the lock. One that the server did not grant in time is asked for again in another session:
/// MySQL 9.7 keeps what a FLUSH that timed out already holds until its own session ends.
fn lock(run: &mut Run<'_>, connection: Option<u64>) -> Result<Locked, Miss> {
    let lock = run.plan.window.lock.as_ref().filter(|_| !wrong::design(Wrong::NoLock));
    let asked = lock.map_or(Ok(()), |lock| run.host.act(&Act::Sql(lock.clone())).map(drop));
    asked.map_err(|fault| {
        let timed_out = fault.cause().sql == Some(LOCK_WAIT_TIMEOUT);
        let fault = fault.during("cannot lock the server");
        if timed_out { Miss::NotGranted(fault) } else { Miss::Failed(fault) }
    })?;
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

/// Takes the snapshots, and meanwhile asks for the position, where nothing is frozen by us.
fn take(
    run: &mut Run<'_>,
    locked: &Locked,
    mut eve: Eve,
    early: Option<Vec<Rows>>,
) -> Result<(Vec<PointTimes>, Vec<Rows>), Fault> {
    drop_lock_too_early(run)?;
    if run.plan.window.freeze.is_empty() {
        point::begin_all(run, &mut eve)?;
    }
    let position = early.map_or_else(|| position(run), Ok)?;
    let frozen = freeze(run, locked)?;
    let points = point::take(run, &frozen, eve)?;
    Ok((points, position))
}

/// The server's own position and GTID sets: they stand still now. Asked on the control session,
/// for the lock session is asked nothing that could end it.
fn position(run: &Run<'_>) -> Result<Vec<Rows>, Fault> {
    let window = &run.plan.window;
    let ask = |text: &String| run.host.query(Session::Control, text, window.ask_ms_max);
    window.position.iter().map(ask).collect()
}

/// Where nothing is locked, a position that moved says that somebody wrote.
fn unmoved(run: &Run<'_>, before: &[Rows]) -> Result<Option<bool>, Fault> {
    match run.plan.window.lock {
        Some(_) => Ok(None),
        None if wrong::design(Wrong::StillnessAssumed) => Ok(Some(true)),
        None => Ok(Some(position(run)? == before)),
    }
}

/// Freezes if the plan says so; where one volume is the source, device-mapper freezes by itself.
fn freeze(run: &mut Run<'_>, _: &Locked) -> Result<Frozen, Fault> {
    for point in &run.plan.window.freeze {
        let frozen = run.host.act(&Act::Freeze(point.clone()));
        if frozen.as_ref().is_err_and(Fault::is_overdue) {
            run.held.expect_late_freeze();
        }
        frozen?;
    }
    Ok(Frozen(()))
}

/// Only the lock is dropped: its session lives on, so nothing but the snapshot's content tells.
fn drop_lock_too_early(run: &mut Run<'_>) -> Result<(), Fault> {
    match run.plan.unlock().filter(|_| wrong::design(Wrong::LockDroppedBeforeSuspend)) {
        Some(unlock) => run.host.act(&Act::Sql(unlock.clone())).map(drop),
        None => Ok(()),
    }
}

fn thaw(run: &mut Run<'_>) -> Result<(), Fault> {
    run.release(|claim| matches!(claim, Claim::Frozen { .. }))
}

/// The lock lives in the session: if that died, the snapshot is worthless.
fn prove(run: &Run<'_>, locked: &Locked) -> Result<(), Fault> {
    let Some(before) = locked.connection else { return Ok(()) };
    let rows = run.host.query(Session::Lock, IDENTITY, run.plan.window.ask_ms_max);
    let found = number(&rows.map_err(|f| f.during("the lock session did not survive"))?)?;
    if found == before {
        return Ok(());
    }
    Err(Fault::refused(format!("the lock was lost: session {before} is now session {found}")))
}

/// Unlocks and ends the lock session, which has done its work.
fn unlock(run: &mut Run<'_>) -> Result<(), Fault> {
    run.release(|claim| matches!(claim, Claim::Locked { .. }))
}

fn times(run: &Run<'_>, when: When, tries: u32, proof: Proof) -> WindowTimes {
    let when = match (run.plan.window.when, when) {
        (When::First, _) => "first",
        (When::Late, When::Late) => "late",
        (When::Late, When::First) => "late, then first",
    };
    let lock = run.plan.window.kind.name();
    WindowTimes { lock, when, tries, proof, ..WindowTimes::default() }.measured()
}
