//! The snapshot points: giving the orders, and seeing the points pass.
//!
//! With the lock late, lvm has its order before the lock is asked for, and is held just before it
//! suspends the origin; to let it go is all that is left to do under the lock. A point is the
//! origin's suspend. That it is still to come, and that it has passed, is asked of device-mapper;
//! the command's own end comes up to half a second later and is nobody's matter in the window.

use super::window::Frozen;
use super::{Event, Run};
use crate::host::{Act, Ask, Cmd, Fault, Sight, Sign, Until, Watch};
use crate::plan::{Source, Take, When};
use crate::proof::PointTimes;
use crate::units::Millis;
use crate::wrong::{self, Wrong};

/// A volume under the lock and before its order.
struct Seen {
    /// The mark of a live origin on its old table.
    mark: u64,
    /// Just before the look that found it so.
    at_ns: u64,
    /// Just before lvm could go on to the suspend; nothing while it could not.
    let_go_ns: Option<u64>,
}

/// What is known under the lock and before the snapshot points.
pub(super) struct Eve {
    when: When,
    granted_ns: u64,
    seen: Vec<Seen>,
}

/// Sees how every volume stands before lvm can suspend it: live, on its old table.
pub(super) fn eve(run: &Run<'_>, when: When, granted_ns: u64) -> Result<Eve, Fault> {
    let seen: Result<_, _> = run.plan.sources.iter().map(|source| look(run, source)).collect();
    Ok(Eve { when, granted_ns, seen: seen? })
}

fn look(run: &Run<'_>, source: &Source) -> Result<Seen, Fault> {
    let at_ns = run.host.now()?;
    let Some(point) = source.point() else {
        return Ok(Seen { mark: 0, at_ns, let_go_ns: None });
    };
    let standing = run.host.standing(point)?;
    if standing.suspended {
        return Err(Fault::refused(format!("the device '{}' is suspended", point.origin)));
    }
    Ok(Seen { mark: standing.mark, at_ns, let_go_ns: None })
}

/// With the lock late: has lvm do all that comes before the suspend, and holds it there. Never
/// without the hold: a kernel freezes before device-mapper says that it suspends, so a look cannot
/// tell that nothing has begun. Where nobody may be held, the lock comes first.
pub(super) fn prepare(run: &mut Run<'_>) -> Result<When, Fault> {
    if run.plan.window.when == When::First {
        return Ok(When::First);
    }
    match hold(run) {
        Err(why @ Fault::Refused(_)) => {
            (run.tell)(Event::First(why.to_string()));
            return Ok(When::First);
        }
        held => held?,
    }
    let Some(shell) = &run.plan.shell else { return Ok(When::First) };
    for source in &run.plan.sources {
        order(run, source)?;
        see_held(run, source, shell.ms_max)?;
    }
    Ok(When::Late)
}

/// Sees that lvm is held still, before a server is locked for it in vain.
pub(super) fn still_held(run: &Run<'_>, when: When) -> Result<(), Fault> {
    if when == When::First {
        return Ok(());
    }
    run.plan.sources.iter().try_for_each(|source| see_held(run, source, Millis(0)))
}

fn see_held(run: &Run<'_>, source: &Source, ms_max: Millis) -> Result<(), Fault> {
    if wrong::design(Wrong::OrderNotHeld) {
        return Ok(());
    }
    watch(run, source, 0, Until::Held, ms_max).map(drop)
}

fn hold(run: &mut Run<'_>) -> Result<(), Fault> {
    if wrong::design(Wrong::OrderNotHeld) {
        return Ok(());
    }
    run.host.act(&Act::HoldShell).map(drop)
}

/// Lets lvm go on to the suspends that can be watched: under the lock.
pub(super) fn begin_all(run: &mut Run<'_>, eve: &mut Eve) -> Result<(), Fault> {
    let sources = run.plan.sources.iter().zip(&mut eve.seen);
    sources
        .filter(|(source, _)| source.point().is_some())
        .try_for_each(|(source, seen)| begin(run, eve.when, source, seen))
}

fn begin(run: &mut Run<'_>, when: When, source: &Source, seen: &mut Seen) -> Result<(), Fault> {
    seen.let_go_ns = Some(run.host.now()?);
    match when {
        When::First => order(run, source),
        When::Late if wrong::design(Wrong::OrderNotHeld) => Ok(()),
        When::Late => run.host.act(&Act::LetGo).map(drop),
    }
}

fn order(run: &mut Run<'_>, source: &Source) -> Result<(), Fault> {
    let Take::Ordered { order, .. } = &source.take else { return Ok(()) };
    let ordered = run.host.act(&Act::Order(order.clone()));
    ordered.map(drop).map_err(|f| f.during("cannot order the snapshot"))
}

/// Sees every point pass, one volume after the other.
pub(super) fn take(run: &mut Run<'_>, _: &Frozen, mut eve: Eve) -> Result<Vec<PointTimes>, Fault> {
    let seen = std::mem::take(&mut eve.seen);
    let sources = run.plan.sources.iter().zip(seen);
    sources.map(|(source, seen)| take_one(run, source, &eve, seen)).collect()
}

fn take_one(
    run: &mut Run<'_>,
    source: &Source,
    eve: &Eve,
    mut seen: Seen,
) -> Result<PointTimes, Fault> {
    let taken = match &source.take {
        Take::Whole(cmd) => whole(run, cmd, &mut seen),
        Take::Ordered { .. } => ordered(run, source, eve, &mut seen),
    };
    #[cfg(feature = "wrong-designs")]
    if taken.is_err() && wrong::design(Wrong::FailedActNotUndone) {
        use crate::claim::Claim;
        run.held.forget(|claim| matches!(claim, Claim::Snapshot { .. }));
    }
    let sight = taken.map_err(|f| f.during("cannot take the snapshot"))?;
    let of_pool = source.point().is_some_and(|point| matches!(point.sign, Sign::Transaction(_)));
    Ok(PointTimes {
        volume: format!("{}/{}", source.vg, source.lv),
        let_go_ns: seen.let_go_ns.unwrap_or(sight.at),
        seen_ns: seen.at_ns,
        suspended_ns: sight.suspended,
        resumed_ns: sight.at,
        transactions: of_pool.then_some([seen.mark, sight.mark]),
    })
}

/// Runs the command to its end, which lies after the point.
fn whole(run: &mut Run<'_>, cmd: &Cmd, seen: &mut Seen) -> Result<Sight, Fault> {
    seen.let_go_ns = Some(run.host.now()?);
    run.host.act(&Act::Run(cmd.clone()))?;
    Ok(Sight { suspended: None, at: run.host.now()?, mark: 0 })
}

/// Lets lvm go, if that was not done yet, and sees the point pass. What is left of the time
/// that the lock may be held is the time it has.
fn ordered(run: &mut Run<'_>, source: &Source, eve: &Eve, seen: &mut Seen) -> Result<Sight, Fault> {
    if seen.let_go_ns.is_none() {
        begin(run, eve.when, source, seen)?;
    }
    let held_ms = run.host.now()?.saturating_sub(eve.granted_ns) / 1_000_000;
    let ms_max = Millis(run.plan.window.hold_ms_max.0.saturating_sub(held_ms));
    // What an eye on `slaves` in sysfs would do: that changes when the new table is loaded, long
    // before the suspend.
    if wrong::design(Wrong::UnlockAtLoad) {
        return Ok(Sight { suspended: None, at: run.host.now()?, mark: seen.mark + 1 });
    }
    watch(run, source, seen.mark, Until::Past, ms_max)
}

fn watch(
    run: &Run<'_>,
    source: &Source,
    mark: u64,
    until: Until,
    ms_max: Millis,
) -> Result<Sight, Fault> {
    let Some(point) = source.point().cloned() else {
        return Err(Fault::refused("a command that is run to its end cannot be watched"));
    };
    run.host.watch(&Watch { point, mark, until, ms_max })
}
