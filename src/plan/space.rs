//! The room that the snapshot's COW store takes in the volume group.

use super::make::pass;
use super::source::{self, unreadable};
use super::tools::Programs;
use super::{Note, Refusal};
use crate::config::Config;
use crate::host::{Ask, Host};
use crate::snapshot::lvm;
use crate::units::Bytes;

/// The size of the COW store, if the group has room for it.
pub(super) fn cow_store(
    host: &dyn Host,
    config: &Config,
    programs: &Programs,
    source: &source::Found,
    notes: &mut Vec<Note>,
) -> Result<Bytes, Refusal> {
    let report = host.output(&lvm::report_groups(programs.vgs.clone()))?;
    let groups = lvm::groups(&report).map_err(unreadable)?;
    let vg = source.volume.name.vg();
    let group = groups
        .iter()
        .find(|group| group.name == vg)
        .ok_or_else(|| unreadable(format!("expected the group '{vg}' in the report of vgs")))?;
    let size = config.snapshot.size.of(source.volume.size, group.extent);
    if size > group.free {
        let what = format!(
            "too little space in the volume group '{vg}': the snapshot needs {size} ({} bytes), {} \
             ({} bytes) are free",
            size.0, group.free, group.free.0
        );
        let hint = format!(
            "Add a disk with 'vgextend {vg} DEVICE', or make 'size' under [snapshot] smaller."
        );
        return Err(Refusal::new(what, hint));
    }
    pass(notes, "snapshot", format!("{size} of {} free in the volume group '{vg}'", group.free));
    Ok(size)
}
