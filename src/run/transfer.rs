//! From the snapshots to the partial backup: mount them, prove that they are ours, copy them, and
//! look whether they stay valid and have room, and whether the destination is there, all the while.

use super::linked;
use super::room::Rooms;
use super::window::Taken;
use super::{Event, Run, destination};
use crate::copy::rsync::{self, Stats};
use crate::host::{Act, Ask, Cmd, Exit, Fault};
use crate::plan::{Links, Source};
use crate::proof::PointTimes;
use crate::snapshot::lvm::{self, Volume};
use crate::store::Record;
use crate::units::{Bytes, Millis};
use crate::wrong::{self, Wrong};

/// How long a copy is listened to before everything that it depends on is looked at again.
const LISTEN: Millis = Millis(500);

/// Our snapshots are mounted.
pub(super) struct Mounted(());

/// The whole tree was copied from snapshots that are still valid.
pub(super) struct Copied {
    /// What rsync saw in the source where a part of it was linked.
    pub(super) listed: Option<Stats>,
}

/// Mounts the snapshots read-only and proves that what is mounted are our devices.
pub(super) fn mount(run: &mut Run<'_>, _: Taken, points: &[PointTimes]) -> Result<Mounted, Fault> {
    for (source, point) in run.plan.sources.iter().zip(points) {
        mount_one(run, source, point)?;
    }
    Ok(Mounted(()))
}

fn mount_one(run: &mut Run<'_>, source: &Source, point: &PointTimes) -> Result<(), Fault> {
    let volume = volume(run, source)?;
    if !wrong::design(Wrong::AnyTransaction) {
        point.holds(volume.transaction).map_err(Fault::refused)?;
    }
    let order = &source.view;
    run.host.act(&Act::Mount(order.clone()))?;
    let mounts = run.host.mounts()?;
    let found = mounts.iter().rev().find(|mount| mount.point == order.point);
    let found = found.map_or("nothing", |mount| mount.device.as_str());
    if found == volume.device {
        return Ok(());
    }
    let (point, ours) = (order.point.display(), &volume.device);
    Err(Fault::refused(format!("expected our device {ours} at '{point}', found {found}")))
}

/// The snapshot as lvm reports it, valid and with our tag.
fn volume(run: &Run<'_>, source: &Source) -> Result<Volume, Fault> {
    let volumes = lvm::volumes(&run.host.output(&run.plan.report)?).map_err(Fault::unsure)?;
    let name = source.snapshot_name();
    let found = volumes.into_iter().find(|lv| lv.is(&name) && lv.has_tag(&run.plan.tag));
    let volume =
        found.ok_or_else(|| Fault::refused(format!("the snapshot '{name}' is not there")))?;
    match volume.why_invalid() {
        None => Ok(volume),
        Some(why) => Err(Fault::refused(format!("the snapshot '{name}' is invalid: {why}"))),
    }
}

/// Copies, and then looks whether the snapshots are still valid: cached pages of an invalid one can
/// still be read, so a copy may end without an error.
pub(super) fn copy(run: &mut Run<'_>, _: Mounted, record: &mut Record) -> Result<Copied, Fault> {
    if wrong::design(Wrong::PublishBeforeCopy) {
        return Ok(Copied { listed: None });
    }
    let began = run.host.now()?;
    let mut rooms = Rooms::of(&run.plan.sources);
    let mut listed = run.plan.base().map(|_| Stats::default());
    for source in &run.plan.sources {
        link_one(run, source, record, &mut rooms)?;
        let tail = follow(run, &source.copy, record.copied.bytes, &mut rooms)?;
        record.copied.add(tail.stats());
        if let Some(listed) = &mut listed {
            listed.add(tail.listed());
        }
    }
    let took = run.host.now()?.saturating_sub(began) / 1_000_000;
    (run.tell)(Event::Copied(record.copied, Millis(took)));
    for source in &run.plan.sources {
        let fill = volume(run, source)?.fill_percent;
        record.cow_percent = record.cow_percent.into_iter().chain(fill).reduce(f64::max);
    }
    Ok(Copied { listed })
}

/// Links what did not change on one volume. What of it did is copied here already. The list is gone
/// before anything counts what is in the backup.
fn link_one(
    run: &mut Run<'_>,
    source: &Source,
    record: &mut Record,
    rooms: &mut Rooms<'_>,
) -> Result<(), Fault> {
    let Some(Links { list, names, cmd }) = &source.links else { return Ok(()) };
    let text = rsync::list(linked::inside(run.host, &source.view.point, names)?);
    run.host.act(&Act::WriteFile { path: list.clone(), text })?;
    let tail = follow(run, cmd, record.copied.bytes, rooms)?;
    record.copied.add(tail.stats());
    run.host.act(&Act::RemoveFile(list.clone())).map(drop)
}

/// Runs one command of the copy to its end; what was copied `before` counts for the progress that
/// is told.
fn follow(
    run: &mut Run<'_>,
    cmd: &Cmd,
    before: Bytes,
    rooms: &mut Rooms<'_>,
) -> Result<rsync::Tail, Fault> {
    let mut tail = rsync::Tail::default();
    rooms.look(run)?;
    let (cmd, priority) = (cmd.clone(), run.plan.copy_priority);
    run.host.act(&Act::Start { cmd, priority })?;
    loop {
        let said = run.host.hear(LISTEN)?;
        if let Some(progress) = said.lines.iter().filter_map(|line| tail.read(line)).last() {
            (run.tell)(Event::Copying(progress.after(before)));
        }
        run.host.heed_signal()?;
        destination::stands(run)?;
        if let Some(exit) = said.exit {
            return succeeded(&exit).map(|()| tail);
        }
        rooms.look(run)?;
    }
}

/// Any status but 0 is a failure: even 24, "vanished files", cannot happen on a snapshot.
fn succeeded(exit: &Exit) -> Result<(), Fault> {
    match exit.code {
        Some(0) => Ok(()),
        Some(code) => {
            Err(Fault::unsure(format!("rsync ended with status {code}: {}", exit.stderr)))
        }
        None => Err(Fault::unsure("rsync was ended by a signal")),
    }
}
