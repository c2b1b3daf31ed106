//! Thick snapshots: a COW store of a fixed size beside the origin, in the same volume group.

use std::path::PathBuf;

use super::lvm::Name;
use crate::host::{Cmd, Overrun};
use crate::units::{Bytes, Millis};

/// How long a removal may take before it is reported and left alone.
const REMOVE_MS_MAX: Millis = Millis(60_000);

/// The programs of lvm that a thick snapshot needs.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `lvcreate`.
    pub lvcreate: PathBuf,
    /// `lvremove`.
    pub lvremove: PathBuf,
}

/// Takes the snapshot, tagged. It suspends the origin for a moment, which freezes the filesystem.
pub fn take(
    programs: &Programs,
    origin: &Name,
    snapshot: &Name,
    tag: &str,
    size: Bytes,
    ms_max: Millis,
) -> Cmd {
    let size = format!("{}b", size.0);
    lvm(&programs.lvcreate, ms_max)
        .arg("--snapshot")
        .arg("--yes")
        .arg("--name")
        .arg(snapshot.lv())
        .arg("--addtag")
        .arg(tag)
        .arg("--size")
        .arg(size)
        .arg(origin.to_string())
}

/// Removes the snapshot, or nothing if the volume of that name does not carry the tag.
pub fn remove(programs: &Programs, snapshot: &Name, tag: &str) -> Cmd {
    lvm(&programs.lvremove, REMOVE_MS_MAX)
        .arg("--yes")
        .arg("--select")
        .arg(format!("lv_tags={{{tag}}}"))
        .arg(snapshot.to_string())
}

/// An lvm command is never killed: one lost inside its critical section can leave a device
/// suspended until reboot.
fn lvm(program: &std::path::Path, ms_max: Millis) -> Cmd {
    Cmd { program: program.into(), args: Vec::new(), ms_max, overrun: Overrun::LeaveAlone }
}
