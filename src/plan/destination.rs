//! Where the backup goes: a directory of ours alone, on another filesystem, with room for it.

use std::path::{Path, PathBuf};

use super::make::pass;
use super::source::{OnVolume, mount_of};
use super::{Aspect, Note, Refusal, source};
use crate::config::{self, Config};
use crate::host::{Ask, Entry, Host, Mount};
use crate::shell;
use crate::units::Bytes;

/// What a copy may need beyond the files themselves, in percent: directories, block ends, and what
/// is written until the snapshot is taken.
const MARGIN_PERCENT: u64 = 5;

/// The destination, as far as a plan needs it.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// How much the copy will read.
    pub(super) copy_bytes: Bytes,
    /// The mount point of the filesystem.
    pub(super) mount: PathBuf,
    /// The number of its device.
    pub(super) device: String,
}

/// Where the destination is.
#[derive(Clone, Debug)]
pub(super) struct Place {
    entry: Entry,
    mount: Mount,
}

/// The destination's place, if a backup can be written there.
pub(super) fn place(host: &dyn Host, config: &Config) -> Result<Place, Refusal> {
    let path = &config.destination.directory;
    let entry = config::destination(host, path)?;
    let mount = writable(host, path, &entry)?;
    Ok(Place { entry, mount })
}

/// How much the copy will read, if the destination is another filesystem with room for it.
pub(super) fn check(
    host: &dyn Host,
    config: &Config,
    place: Place,
    source: &source::Found,
    notes: &mut Vec<Note>,
) -> Result<Found, Refusal> {
    let path = &config.destination.directory;
    let shown = path.display();
    let Place { entry, mount: Mount { point: mount, device, kind, .. } } = place;
    let on_source = |one: &&OnVolume| one.mount.device == entry.device;
    if let Some(volume) = source.volumes.iter().find(on_source) {
        let at = volume.mount.point.display();
        let what = format!("the destination '{shown}' is on the filesystem it backs up ('{at}')");
        return Err(Refusal::new(what, "Name a directory on another disk or machine."));
    }
    let mut wanted = Bytes(0);
    for part in source.volumes.iter().flat_map(|volume| &volume.parts) {
        wanted.0 = wanted.0.saturating_add(host.usage(&part.real)?.0);
    }
    let needed = Bytes(wanted.0.saturating_add(wanted.0 / 100 * MARGIN_PERCENT));
    let free = host.space(path)?.free;
    if needed > free {
        let what = format!(
            "too little space at the destination '{shown}': the backup needs {needed} ({} bytes, \
             {MARGIN_PERCENT} % of margin in it), {free} ({} bytes) are free",
            needed.0, free.0
        );
        let hint = "Remove old backups ('holdstill list' shows them), or name another directory.";
        return Err(Refusal::new(what, hint));
    }
    pass(
        notes,
        Aspect::Destination,
        format!(
            "'{shown}' ({kind}, device {device}, of user {}, mode {:04o}): {wanted} to copy, {free} free",
            entry.uid,
            entry.mode & 0o7777
        ),
    );
    Ok(Found { copy_bytes: wanted, mount, device })
}

/// The mount of the destination, if it can be written to.
fn writable(host: &dyn Host, path: &Path, entry: &Entry) -> Result<Mount, Refusal> {
    let mounts = host.mounts()?;
    let shown = path.display();
    let Some(mount) = mount_of(entry, &mounts) else {
        let what = format!("cannot find the mount of the destination '{shown}'");
        return Err(Refusal::new(what, "Name a directory on a mounted filesystem."));
    };
    if !mount.read_only {
        return Ok(mount.clone());
    }
    let at = mount.point.display();
    let what = format!("the destination '{shown}' is on a filesystem mounted read-only ('{at}')");
    Err(Refusal::new(what, format!("Run: mount -o remount,rw {}", shell::path(&mount.point))))
}
