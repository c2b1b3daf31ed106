//! From the snapshot to the partial backup: mount it, prove that it is ours, copy it, and look
//! whether it stayed valid all the while.

use super::window::Taken;
use super::{Event, Run};
use crate::copy::rsync;
use crate::host::{Act, Ask, Exit, Fault};
use crate::snapshot::lvm::{self, Volume};
use crate::store::Record;
use crate::wrong::{self, Wrong};

/// Our snapshot is mounted.
pub(super) struct Mounted(());

/// The whole tree was copied from a snapshot that is still valid.
pub(super) struct Copied(());

/// Mounts the snapshot read-only and proves that what is mounted is our device.
pub(super) fn mount(run: &mut Run<'_>, _: Taken) -> Result<Mounted, Fault> {
    let volume = volume(run)?;
    let order = &run.plan.mount;
    run.host.act(&Act::Mount(order.clone()))?;
    let mounts = run.host.mounts()?;
    let found = mounts.iter().rev().find(|mount| mount.point == order.point);
    let found = found.map_or("nothing", |mount| mount.device.as_str());
    if found == volume.device {
        return Ok(Mounted(()));
    }
    let (point, ours) = (order.point.display(), &volume.device);
    Err(Fault::refused(format!("expected our device {ours} at '{point}', found {found}")))
}

/// The snapshot as lvm reports it, valid and with our tag.
fn volume(run: &Run<'_>) -> Result<Volume, Fault> {
    let source = &run.plan.source;
    let volumes = lvm::volumes(&run.host.output(&source.report)?).map_err(Fault::unsure)?;
    let name = lvm::Name::new(&source.vg, &source.snapshot);
    let found = volumes.into_iter().find(|lv| lv.is(&name) && lv.has_tag(&source.tag));
    let volume =
        found.ok_or_else(|| Fault::refused(format!("the snapshot '{name}' is not there")))?;
    match volume.why_invalid() {
        None => Ok(volume),
        Some(why) => Err(Fault::refused(format!("the snapshot '{name}' is invalid: {why}"))),
    }
}

/// Copies, and then looks whether the snapshot is still valid: cached pages of an invalid one can
/// still be read, so a copy may end without an error.
pub(super) fn copy(run: &mut Run<'_>, _: Mounted, record: &mut Record) -> Result<Copied, Fault> {
    if wrong::design(Wrong::PublishBeforeCopy) {
        return Ok(Copied(()));
    }
    let tell = &mut *run.tell;
    let mut tail = rsync::Tail::default();
    let mut each = |line: &str| {
        if let Some(progress) = tail.read(line) {
            tell(Event::Copying(progress));
        }
    };
    let exit = run.host.stream(&run.plan.copy, &mut each)?;
    succeeded(&exit)?;
    record.copied = tail.stats();
    record.cow_percent = volume(run)?.fill_percent;
    Ok(Copied(()))
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
