//! What is told of a claim: what it is, how it is undone, and what it means if it is left behind.

use std::fmt;

use super::Claim;
use crate::shell;

impl Claim {
    /// What it means for the server or the machine if this is left behind.
    pub fn left_behind(&self) -> String {
        match self {
            Self::Partial { directory, .. } => {
                format!("the unpublished copy '{}' still takes space", directory.display())
            }
            Self::Snapshot { vg, lv, .. } => {
                format!("the snapshot '{vg}/{lv}' slows every write to its origin until removed")
            }
            Self::Half { vg, origin, .. } => format!(
                "half a snapshot of '{vg}/{origin}' is left in device-mapper: 'dmsetup ls --tree' \
                 shows it, and 'dmsetup info' whether the volume is suspended"
            ),
            Self::Extended { vg, origin, .. } => format!(
                "WRITES MAY HANG: '{vg}/{origin}' may still be suspended: 'dmsetup info' shows what \
                 is, and 'dmsetup resume' lets it go on"
            ),
            Self::Shell { .. } => {
                "a command of lvm is still running: if writes hang, 'dmsetup info' \
                                   shows what is suspended, and 'dmsetup resume' lets it go on; \
                                   recover when 'pgrep -x lvm' shows nothing any more"
                    .into()
            }
            Self::Mounted { point, .. } => {
                format!("the snapshot may still be mounted at '{}'", point.display())
            }
            Self::Copying => {
                "the copy may still be running: if it hangs, 'ps -C rsync' shows it, and the end of \
                 'dmesg' what it waits for; recover when it has ended"
                    .into()
            }
            Self::Replication { start, .. } => format!(
                "the replica may not be applying: run {}",
                start.iter().map(|one| format!("'{}'", one.start)).collect::<Vec<_>>().join(", ")
            ),
            Self::Guarded => "the dead-man may still be waiting; it ends by itself".into(),
            Self::Locked { .. } => "the server may still be locked by our session".into(),
            Self::Frozen { point } => format!(
                "WRITES MAY HANG: '{}' may still be frozen; run: fsfreeze --unfreeze {}",
                point.display(),
                shell::path(point)
            ),
        }
    }

    /// How it is undone, as a person would do it.
    pub fn undoing(&self) -> String {
        match self {
            Self::Partial { directory, .. } => format!("rm --recursive {}", shell::path(directory)),
            Self::Snapshot { remove, .. } => remove.to_string(),
            Self::Half { half, .. } => {
                let [own, store] = &half.own;
                format!("{}, {}; {} {own} {store}", half.clear, half.resume, half.remove)
            }
            Self::Extended { resume, .. } => sequence(resume, |(_, cmd)| cmd.to_string()),
            Self::Shell { ms_max } => format!("end it, in {ms_max} at most"),
            Self::Mounted { point, .. } => {
                format!("umount {p}; rmdir {p}", p = shell::path(point))
            }
            Self::Copying => "end it".into(),
            Self::Replication { start, .. } => sequence(start, |one| one.start.clone()),
            Self::Guarded => "dismiss it".into(),
            Self::Locked { unlock } => format!("{}; close its session", unlock.text),
            Self::Frozen { point } => format!("fsfreeze --unfreeze {}", shell::path(point)),
        }
    }
}

fn sequence<T>(all: &[T], told: impl Fn(&T) -> String) -> String {
    all.iter().map(told).collect::<Vec<_>>().join("; ")
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Partial { directory, .. } => write!(f, "partial copy {}", directory.display()),
            Self::Snapshot { vg, lv, tag, .. } => write!(f, "snapshot {vg}/{lv} (tag {tag})"),
            Self::Half { vg, origin, .. } => write!(f, "half a snapshot of {vg}/{origin}"),
            Self::Extended { vg, snapshot, .. } => write!(f, "extension of {vg}/{snapshot}"),
            Self::Shell { .. } => f.write_str("shell of lvm"),
            Self::Mounted { point, .. } => write!(f, "mount {}", point.display()),
            Self::Copying => f.write_str("copy"),
            Self::Replication { start, .. } => write!(f, "{} stopped applier(s)", start.len()),
            Self::Guarded => f.write_str("dead-man"),
            Self::Locked { .. } => f.write_str("lock"),
            Self::Frozen { point } => write!(f, "freeze of {}", point.display()),
        }
    }
}
