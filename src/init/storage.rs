//! Where the data is: its mount, its logical volume, and the room that a snapshot would have.
//! Deliberately no second plan: what else a volume must be, the audit says.

use std::path::Path;

use super::{Home, Room, quoted};
use crate::host::{Ask, Host, Mount};
use crate::plan::{Refusal, mount_of, program};
use crate::snapshot::lvm::{self, Group, Volume};

/// What helps where lvm cannot be read.
const BY_HAND: &str = "Run 'lvs' and 'vgs' by hand: what do they say?";

/// The volume of a data directory and its room, or what is missing.
pub(super) fn find(host: &dyn Host, datadir: &Path, mounts: &[Mount]) -> Result<Home, Refusal> {
    let shown = quoted(datadir);
    let hint = "Is the server in a container? Run holdstill where its files are mounted.";
    let entry = host.entry(datadir)?;
    let entry = entry
        .ok_or_else(|| Refusal::new(format!("cannot find the data directory {shown}"), hint))?;
    let mount = mount_of(&entry, mounts)
        .ok_or_else(|| Refusal::new(format!("cannot find the mount of {shown}"), hint))?;
    let (lvs, vgs) = (program(host, "lvs")?, program(host, "vgs")?);
    let unreadable = |why: String| Refusal::new(why, BY_HAND);
    let volumes =
        lvm::volumes(&host.output(&lvm::only_asked(lvm::report(lvs)))?).map_err(unreadable)?;
    let volume = volumes.iter().find(|lv| lv.device == mount.device);
    let volume = volume.ok_or_else(|| no_volume(&shown, mount))?;
    let groups = lvm::groups(&host.output(&lvm::only_asked(lvm::report_groups(vgs)))?)
        .map_err(unreadable)?;
    Ok(Home {
        datadir: entry.real.clone(),
        mount: mount.clone(),
        room: room(volume, &volumes, &groups)?,
        volume: volume.clone(),
        data: host.usage(&entry.real)?,
    })
}

fn no_volume(datadir: &str, mount: &Mount) -> Refusal {
    let (source, kind, point) = (&mount.source, &mount.kind, quoted(&mount.point));
    let what = format!(
        "cannot take a snapshot of {datadir}: it is on '{source}' ({kind} mounted at {point}), which \
         is not an LVM volume"
    );
    Refusal::new(
        what,
        "Move the data directory to a logical volume, and leave some of the volume group free: see \
         'lsblk', 'vgs' and 'lvs'.",
    )
}

fn room(volume: &Volume, volumes: &[Volume], groups: &[Group]) -> Result<Room, Refusal> {
    if let Some(name) = volume.thin_pool() {
        let pool = volumes.iter().find(|lv| lv.is(&name));
        return Ok(Room::Pool { percent: pool.and_then(|lv| lv.pool_percent), name });
    }
    let vg = volume.name.vg();
    let group = groups.iter().find(|group| group.name == vg).ok_or_else(|| {
        Refusal::new(format!("expected the group '{vg}' in the report of vgs"), BY_HAND)
    })?;
    if group.free < group.extent {
        let what = format!("no room for a snapshot: the volume group '{vg}' has nothing free");
        let hint = format!("Add a disk with 'vgextend {vg} DEVICE', or make a volume smaller.");
        return Err(Refusal::new(what, hint));
    }
    Ok(Room::Group { free: group.free, extent: group.extent })
}
