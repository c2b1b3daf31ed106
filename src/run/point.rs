//! The snapshot points: giving the orders, and seeing the points pass.
//!
//! A point is the origin's suspend. That it is still to come, and that it has passed, is asked of
//! device-mapper; the command's own end comes up to half a second later and is nobody's matter in
//! the window.

use super::Run;
use super::window::Frozen;
use crate::host::{Act, Ask, Cmd, Fault, Sight, Sign, Until, Watch};
use crate::plan::{Source, Take};
use crate::proof::PointTimes;
use crate::units::Millis;
use crate::wrong::{self, Wrong};

/// A volume under the lock and before its order.
pub(super) struct Seen {
    /// The mark of a live origin on its old table.
    mark: u64,
    /// Just before the look that found it so.
    at_ns: u64,
    /// Just before the order; nothing while it is still to be given.
    ordered_ns: Option<u64>,
}

/// How every volume stands before anything is ordered: live, on its old table.
pub(super) fn before(run: &Run<'_>) -> Result<Vec<Seen>, Fault> {
    run.plan.sources.iter().map(|source| look(run, source)).collect()
}

fn look(run: &Run<'_>, source: &Source) -> Result<Seen, Fault> {
    let at_ns = run.host.now()?;
    let Some(point) = source.point() else {
        return Ok(Seen { mark: 0, at_ns, ordered_ns: None });
    };
    let standing = run.host.standing(point)?;
    if standing.suspended {
        return Err(Fault::refused(format!("the device '{}' is suspended", point.origin)));
    }
    Ok(Seen { mark: standing.mark, at_ns, ordered_ns: None })
}

/// Gives the orders that can be watched. Never before the lock: lvm freezes before device-mapper
/// says that it suspends, and what a freeze catches before the lock is not covered by it.
pub(super) fn order_all(run: &mut Run<'_>, seen: &mut [Seen]) -> Result<(), Fault> {
    for (source, seen) in run.plan.sources.iter().zip(seen) {
        order(run, source, seen)?;
    }
    Ok(())
}

fn order(run: &mut Run<'_>, source: &Source, seen: &mut Seen) -> Result<(), Fault> {
    let Take::Ordered { order, .. } = &source.take else { return Ok(()) };
    seen.ordered_ns = Some(run.host.now()?);
    let ordered = run.host.act(&Act::Order(order.clone()));
    ordered.map(drop).map_err(|f| f.during("cannot order the snapshot"))
}

/// Sees every point pass, one volume after the other.
pub(super) fn take(
    run: &mut Run<'_>,
    _: &Frozen,
    seen: Vec<Seen>,
    granted_ns: u64,
) -> Result<Vec<PointTimes>, Fault> {
    let sources = run.plan.sources.iter();
    sources.zip(seen).map(|(source, seen)| take_one(run, source, seen, granted_ns)).collect()
}

fn take_one(
    run: &mut Run<'_>,
    source: &Source,
    mut seen: Seen,
    granted_ns: u64,
) -> Result<PointTimes, Fault> {
    let taken = match &source.take {
        Take::Whole(cmd) => whole(run, cmd, &mut seen),
        Take::Ordered { .. } => ordered(run, source, &mut seen, granted_ns),
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
        ordered_ns: seen.ordered_ns.unwrap_or(sight.at),
        seen_ns: seen.at_ns,
        suspended_ns: sight.suspended,
        resumed_ns: sight.at,
        transactions: of_pool.then_some([seen.mark, sight.mark]),
    })
}

/// Runs the command to its end, which lies after the point.
fn whole(run: &mut Run<'_>, cmd: &Cmd, seen: &mut Seen) -> Result<Sight, Fault> {
    seen.ordered_ns = Some(run.host.now()?);
    run.host.act(&Act::Run(cmd.clone()))?;
    Ok(Sight { suspended: None, at: run.host.now()?, mark: 0 })
}

/// Gives the order, if that was not done yet, and sees its point pass. What is left of the time
/// that the lock may be held is the time it has.
fn ordered(
    run: &mut Run<'_>,
    source: &Source,
    seen: &mut Seen,
    granted_ns: u64,
) -> Result<Sight, Fault> {
    if seen.ordered_ns.is_none() {
        order(run, source, seen)?;
    }
    let held_ms = run.host.now()?.saturating_sub(granted_ns) / 1_000_000;
    let ms_max = Millis(run.plan.window.hold_ms_max.0.saturating_sub(held_ms));
    // What an eye on `slaves` in sysfs would do: that changes when the new table is loaded, long
    // before the suspend.
    let at_load = wrong::design(Wrong::UnlockAtLoad);
    watch(run, source, seen, if at_load { Until::Near } else { Until::Past }, ms_max)
}

fn watch(
    run: &Run<'_>,
    source: &Source,
    seen: &Seen,
    until: Until,
    ms_max: Millis,
) -> Result<Sight, Fault> {
    let Some(point) = source.point().cloned() else {
        return Err(Fault::refused("a command that is run to its end cannot be watched"));
    };
    run.host.watch(&Watch { point, mark: seen.mark, until, ms_max })
}
