//! Where backups could go: filesystems of their own that no server works on, with room for the
//! data. Deliberately absent: directories of the system's own filesystems, unless one is named.

use std::path::{Component, Path, PathBuf};

use super::{Place, choose, quoted};
use crate::config;
use crate::error::Stop;
use crate::host::{Ask, Entry, Host, Mount};
use crate::plan::{Refusal, mount_of};
use crate::trust;
use crate::units::Bytes;

/// Filesystems that keep what is written to them.
const KEPT: [&str; 9] = ["ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "nfs", "nfs4", "ceph"];

/// Directories of the system: a filesystem mounted at one of them has another purpose.
const SYSTEM: [&str; 15] = [
    "/boot", "/dev", "/efi", "/etc", "/home", "/nix", "/opt", "/proc", "/root", "/run", "/snap",
    "/sys", "/tmp", "/usr", "/var",
];

/// Every place, the likeliest first, and why others are none. `taken` are the devices that servers
/// work on, `needed` is what has to fit.
pub(super) fn places(
    host: &dyn Host,
    mounts: &[Mount],
    taken: &[String],
    needed: Bytes,
) -> Result<(Vec<Place>, Vec<String>), Refusal> {
    let (mut places, mut passed_over, mut seen) = (Vec::new(), Vec::new(), Vec::new());
    for mount in mounts.iter().filter(|mount| is_of_its_own(mount)) {
        if taken.contains(&mount.device) || seen.contains(&&mount.device) {
            continue;
        }
        seen.push(&mount.device);
        match place(host, mount, needed)? {
            Ok(place) => places.push(place),
            Err(why) => passed_over.push(format!("{} {why}", quoted(&mount.point))),
        }
    }
    places.sort_by_key(|place| (!choose::is_called_so(place), std::cmp::Reverse(place.free)));
    Ok((places, passed_over))
}

/// A whole filesystem that is not the system's.
fn is_of_its_own(mount: &Mount) -> bool {
    // A dataset or subvolume is mounted from below the root of its filesystem.
    let whole = mount.root == Path::new("/") || ["btrfs", "zfs"].contains(&mount.kind.as_str());
    let system = SYSTEM.iter().any(|directory| mount.point.starts_with(directory));
    KEPT.contains(&mount.kind.as_str()) && whole && !system && mount.point != Path::new("/")
}

fn place(host: &dyn Host, mount: &Mount, needed: Bytes) -> Result<Result<Place, String>, Refusal> {
    if mount.read_only {
        return Ok(Err("is mounted read-only".into()));
    }
    match host.entry(&mount.point)? {
        Some(entry) if entry.device != mount.device => return Ok(Err("is covered".into())),
        Some(entry) if trust::can_be_written_by_others(&entry) => {
            return Ok(Err(format!("can be written to by others (mode {:04o})", entry.mode)));
        }
        Some(_) => {}
        None => return Ok(Err("is not there".into())),
    }
    let free = host.space(&mount.point)?.free;
    if free < needed {
        return Ok(Err(format!("has {free} free, and there are {needed} to copy")));
    }
    Ok(Ok(Place { directory: mount.point.clone(), kind: mount.kind.clone(), free }))
}

/// The place that the operator names, if it can be one.
pub(super) fn named(
    host: &dyn Host,
    directory: &Path,
    mounts: &[Mount],
    taken: &[String],
) -> Result<Place, Stop> {
    let entry = config::destination(host, directory).map_err(|one| Stop::Usage(vec![one]))?;
    let directory = plain(directory, &entry);
    let shown = quoted(&directory);
    let mount = mount_of(&entry, mounts).ok_or_else(|| {
        let what = format!("cannot find the mount of the destination {shown}");
        Refusal::new(what, "Name a directory on a mounted filesystem.")
    })?;
    if taken.contains(&entry.device) {
        let at = quoted(&mount.point);
        let what =
            format!("the destination {shown} is on a filesystem that a server works on ({at})");
        return Err(Refusal::new(what, "Name a directory on another disk or machine.").into());
    }
    let free = host.space(&entry.real).map_err(Refusal::from)?.free;
    Ok(Place { directory, kind: mount.kind.clone(), free })
}

/// The path as it was typed, if a configuration may say it so.
fn plain(directory: &Path, entry: &Entry) -> PathBuf {
    let back = directory.components().any(|part| part == Component::ParentDir);
    if directory.is_absolute() && !back { directory.into() } else { entry.real.clone() }
}
