//! The destination, asked for again by every phase that writes to it.

use super::Run;
use crate::host::{Ask, Fault};

/// Whether what was planned on is mounted at the destination still: what is written there while
/// nothing is would fill the filesystem below. The table of mounts is asked and not the filesystem,
/// which may hang.
pub(super) fn stands(run: &Run<'_>) -> Result<(), Fault> {
    let (point, device) = &run.plan.publish.mount;
    let mounts = run.host.mounts()?;
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
