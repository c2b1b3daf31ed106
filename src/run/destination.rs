//! The destination, asked for again by every phase that writes to it.

use super::Run;
use crate::host::{Ask, Fault, Host};
use crate::plan::Plan;

/// Whether what was planned on is mounted at the destination still: what is written there while
/// nothing is would fill the filesystem below. The table of mounts is asked and not the filesystem,
/// which may hang.
pub(super) fn stands(run: &Run<'_>) -> Result<(), Fault> {
    is_mounted(run.host, run.plan)
}

/// The same while something else of the run is borrowed.
pub(super) fn is_mounted(host: &dyn Host, plan: &Plan) -> Result<(), Fault> {
    let (point, device) = &plan.publish.mount;
    let mounts = host.mounts()?;
    let found = mounts.iter().rev().find(|mount| mount.point == *point);
    if found.is_some_and(|mount| mount.device == *device) {
        return Ok(());
    }
    let found = found.map_or_else(|| "nothing".into(), |mount| format!("device {}", mount.device));
    Err(Fault::refused(format!(
        "the destination is not what it was: expected device {device} mounted at '{}', found {found}",
        point.display()
    )))
}
