//! Who freezes, and what must not be on the filesystem meanwhile.

use std::path::{Path, PathBuf};

use super::make::pass;
use super::source::OnVolume;
use super::{Aspect, Note, Refusal, source};
use crate::config::{Config, Freeze};
use crate::host::{Ask, Fault, Host, Machine};

/// What lvm and we write to while the filesystem is frozen: on it, they would wait for the thaw
/// that only we can do.
const WRITTEN: [&str; 2] = ["/etc/lvm", "/run"];

/// The mount points that we freeze, none if device-mapper does. Refuses what would fail or hang
/// once writes are stopped.
pub(super) fn points(
    host: &dyn Host,
    config: &Config,
    machine: &Machine,
    source: &source::Found,
    notes: &mut Vec<Note>,
) -> Result<Vec<PathBuf>, Refusal> {
    for volume in &source.volumes {
        if is_on(host, &config.state_dir, volume)? {
            return Err(state_dir_on_source(config, volume));
        }
    }
    let several = source.volumes.len() > 1;
    if config.lock.freeze == Freeze::Auto && !several {
        pass(notes, Aspect::Freeze, "by device-mapper, as it suspends the volume");
        return Ok(Vec::new());
    }
    for volume in &source.volumes {
        nests(machine, volume, several)?;
        let written = WRITTEN.iter().map(PathBuf::from).chain([config.run_dir.clone()]);
        for path in written {
            if is_on(host, &path, volume)? {
                return Err(written_while_frozen(&path, volume));
            }
        }
    }
    let why =
        if several { "explicit, since one moment of several volumes needs it" } else { "explicit" };
    pass(notes, Aspect::Freeze, format!("{why}, and the kernel lets device-mapper freeze again"));
    Ok(source.volumes.iter().map(|volume| volume.mount.point.clone()).collect())
}

/// Before Linux 6.8 or so a freeze does not nest: device-mapper's own freeze of a filesystem that
/// is already frozen fails with EBUSY, and lvcreate leaves half a snapshot behind (seen on 6.1; it
/// works on 6.12). Vendors backport, so the kernel is probed and its version never compared.
fn nests(machine: &Machine, volume: &OnVolume, several: bool) -> Result<(), Refusal> {
    if machine.freezes_nest == Some(true) {
        return Ok(());
    }
    let doubt = if machine.freezes_nest.is_none() { "may fail" } else { "fails" };
    let what = format!(
        "cannot freeze '{}' explicitly on kernel {}: freezes do not nest there, and suspending the \
         volume {doubt} with 'Device or resource busy' (EBUSY)",
        volume.mount.point.display(),
        machine.kernel
    );
    let hint = if several {
        "The server's data is on several volumes, of which one picture needs such a freeze: move it \
         to one volume, or run a kernel of 6.8 or later."
    } else {
        "Write 'freeze = \"auto\"' under [lock]: device-mapper freezes by itself."
    };
    Err(Refusal::new(what, hint))
}

fn state_dir_on_source(config: &Config, volume: &OnVolume) -> Refusal {
    let what = format!(
        "the ledger's directory '{}' is on the filesystem that is backed up ('{}')",
        config.state_dir.display(),
        volume.mount.point.display()
    );
    let hint = "Name a directory on another filesystem with 'state_dir': a ledger must stay \
                writable while that one stands still.";
    Refusal::new(what, hint)
}

fn written_while_frozen(path: &Path, volume: &OnVolume) -> Refusal {
    let what = format!(
        "cannot freeze '{}' explicitly: '{}' is on it and is written to meanwhile",
        volume.mount.point.display(),
        path.display()
    );
    Refusal::new(what, "Write 'freeze = \"auto\"' under [lock], or move one of them.")
}

/// Whether a path, or what of it exists, is on the source's filesystem.
fn is_on(host: &dyn Host, path: &Path, volume: &OnVolume) -> Result<bool, Fault> {
    for path in path.ancestors() {
        if let Some(entry) = host.entry(path)? {
            return Ok(entry.device == volume.mount.device);
        }
    }
    Ok(false)
}
