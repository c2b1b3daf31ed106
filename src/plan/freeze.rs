//! Who freezes, and what must not be on the filesystem meanwhile.

use std::path::{Path, PathBuf};

use super::make::pass;
use super::{Note, Refusal, source};
use crate::config::{Config, Freeze};
use crate::host::{Ask, Fault, Host, Machine};

/// What lvm and we write to while the filesystem is frozen: on it, they would wait for the thaw
/// that only we can do.
const WRITTEN: [&str; 2] = ["/etc/lvm", "/run"];

/// Refuses what would fail or hang once writes are stopped.
pub(super) fn check(
    host: &dyn Host,
    config: &Config,
    machine: &Machine,
    source: &source::Found,
    notes: &mut Vec<Note>,
) -> Result<(), Refusal> {
    if is_on(host, &config.state_dir, source)? {
        return Err(state_dir_on_source(config, source));
    }
    match config.lock.freeze {
        Freeze::Auto => pass(notes, "freeze", "by device-mapper, as it suspends the volume"),
        Freeze::Explicit => {
            nests(machine, source)?;
            let written = WRITTEN.iter().map(PathBuf::from).chain([config.run_dir.clone()]);
            for path in written {
                if is_on(host, &path, source)? {
                    return Err(written_while_frozen(&path, source));
                }
            }
            pass(notes, "freeze", "explicit, and the kernel lets device-mapper freeze again");
        }
    }
    Ok(())
}

/// Before Linux 6.8 or so a freeze does not nest: device-mapper's own freeze of a filesystem that
/// is already frozen fails with EBUSY, and lvcreate leaves half a snapshot behind (seen on 6.1; it
/// works on 6.12). Vendors backport, so the kernel is probed and its version never compared.
fn nests(machine: &Machine, source: &source::Found) -> Result<(), Refusal> {
    if machine.freezes_nest == Some(true) {
        return Ok(());
    }
    let doubt = if machine.freezes_nest.is_none() { "may fail" } else { "fails" };
    let what = format!(
        "cannot freeze '{}' explicitly on kernel {}: freezes do not nest there, and suspending the \
         volume {doubt} with 'Device or resource busy' (EBUSY)",
        source.mount.point.display(),
        machine.kernel
    );
    let hint = "Write 'freeze = \"auto\"' under [lock]: device-mapper freezes by itself.";
    Err(Refusal::new(what, hint))
}

fn state_dir_on_source(config: &Config, source: &source::Found) -> Refusal {
    let what = format!(
        "the ledger's directory '{}' is on the filesystem that is backed up ('{}')",
        config.state_dir.display(),
        source.mount.point.display()
    );
    let hint = "Name a directory on another filesystem with 'state_dir': a ledger must stay \
                writable while that one stands still.";
    Refusal::new(what, hint)
}

fn written_while_frozen(path: &Path, source: &source::Found) -> Refusal {
    let what = format!(
        "cannot freeze '{}' explicitly: '{}' is on it and is written to meanwhile",
        source.mount.point.display(),
        path.display()
    );
    Refusal::new(what, "Write 'freeze = \"auto\"' under [lock], or move one of them.")
}

/// Whether a path, or what of it exists, is on the source's filesystem.
fn is_on(host: &dyn Host, path: &Path, source: &source::Found) -> Result<bool, Fault> {
    for path in path.ancestors() {
        if let Some(entry) = host.entry(path)? {
            return Ok(entry.device == source.mount.device);
        }
    }
    Ok(false)
}
