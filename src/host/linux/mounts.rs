//! Mounts: listed, made in a namespace of our own, taken away, and synced.
//! Deliberately no lazy and no forced unmount: both only hide what is still in use.

use std::fs::File;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::syncfs;
use procfs::FromRead;
use procfs::process::{MountInfo, MountInfos};

use super::inspect::cannot;
use crate::host::{Answer, Fault, Mount, MountOrder};

/// Our own view: that of this thread, since a namespace belongs to a thread.
const MOUNTINFO: &str = "/proc/thread-self/mountinfo";

/// How often a busy mount is tried again, and the pause between: udev opens a device for a
/// moment after most changes.
const BUSY_TRIES_MAX: u32 = 10;
const BUSY_PAUSE: Duration = Duration::from_millis(200);

/// Every mount, in the kernel's order.
pub(super) fn all() -> Result<Vec<Mount>, Fault> {
    let infos = MountInfos::from_file(MOUNTINFO)
        .map_err(|error| Fault::refused(format!("cannot read '{MOUNTINFO}': {error}")))?;
    Ok(infos.0.into_iter().map(told).collect())
}

/// Gives this thread, and every child it starts, a mount namespace of its own.
///
/// Slave and not private: an unmount on the host still reaches us, so we never keep a device
/// busy that its owner let go; what we mount never leaks out.
pub(super) fn isolate() -> Result<Answer, Fault> {
    unshare(CloneFlags::CLONE_NEWNS)
        .map_err(|errno| Fault::refused(format!("cannot unshare the mounts: {errno}")))?;
    let none: Option<&Path> = None;
    nix::mount::mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_SLAVE, none)
        .map_err(|errno| Fault::unsure(format!("cannot keep our mounts to ourselves: {errno}")))?;
    Ok(Answer::Done)
}

/// Mounts a filesystem, always read-only.
pub(super) fn mount(order: &MountOrder) -> Result<Answer, Fault> {
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let data = Some(order.data.as_str()).filter(|data| !data.is_empty());
    let kind = Some(order.kind.as_str());
    match nix::mount::mount(Some(&order.device), &order.point, kind, flags, data) {
        Ok(()) => Ok(Answer::Done),
        Err(errno) => {
            let (device, point) = (order.device.display(), order.point.display());
            Err(Fault::refused(format!("cannot mount '{device}' on '{point}': {errno}")))
        }
    }
}

/// Unmounts; refused if nothing is mounted there.
pub(super) fn unmount(path: &Path) -> Result<Answer, Fault> {
    let mut outcome = umount2(path, MntFlags::UMOUNT_NOFOLLOW);
    for _ in 1..BUSY_TRIES_MAX {
        if outcome != Err(Errno::EBUSY) {
            break;
        }
        sleep(BUSY_PAUSE);
        outcome = umount2(path, MntFlags::UMOUNT_NOFOLLOW);
    }
    match outcome {
        Ok(()) => Ok(Answer::Done),
        Err(Errno::EINVAL | Errno::ENOENT) => {
            Err(Fault::refused(format!("nothing is mounted on '{}'", path.display())))
        }
        Err(errno) => Err(cannot("unmount", path, &errno.into())),
    }
}

/// Writes all of a filesystem's dirty data.
pub(super) fn sync(path: &Path) -> Result<Answer, Fault> {
    let directory = File::open(path).map_err(|error| cannot("sync", path, &error))?;
    syncfs(&directory).map(|()| Answer::Done).map_err(|errno| {
        Fault::unsure(format!("cannot sync the filesystem at '{}': {errno}", path.display()))
    })
}

fn told(info: MountInfo) -> Mount {
    let read_only = info.mount_options.contains_key("ro") || info.super_options.contains_key("ro");
    Mount {
        point: unescaped(info.mount_point.as_os_str().as_bytes()),
        root: unescaped(info.root.as_bytes()),
        kind: info.fs_type,
        source: unescaped(info.mount_source.as_deref().unwrap_or("none").as_bytes())
            .to_string_lossy()
            .into_owned(),
        device: info.majmin,
        read_only,
    }
}

/// The kernel writes blanks, tabs, newlines and backslashes as `\` and three octal digits, and
/// `procfs` hands them on as they are.
fn unescaped(mut text: &[u8]) -> PathBuf {
    let mut plain = Vec::with_capacity(text.len());
    while let Some((&first, rest)) = text.split_first() {
        let octal = rest.get(..3).filter(|_| first == b'\\').and_then(octal);
        plain.push(octal.unwrap_or(first));
        text = if octal.is_some() { &rest[3..] } else { rest };
    }
    std::ffi::OsString::from_vec(plain).into()
}

fn octal(digits: &[u8]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_told_as_they_are() {
        assert_eq!(unescaped(br"/with\040blank\134and"), Path::new("/with blank\\and"));
        assert_eq!(unescaped(br"/odd\09"), Path::new(r"/odd\09"));
        assert_eq!(unescaped(br"\"), Path::new(r"\"));
        let line = r"36 35 98:0 /mnt1 /my\040data ro,noatime master:1 - xfs /dev/mapper/a-b rw,x";
        let mount = told(MountInfo::from_line(line).unwrap());
        assert_eq!(mount.point, Path::new("/my data"));
        assert_eq!((mount.device.as_str(), mount.kind.as_str()), ("98:0", "xfs"));
        assert_eq!((mount.root.as_path(), mount.read_only), (Path::new("/mnt1"), true));
    }

    #[test]
    fn the_root_is_mounted_and_a_plain_directory_is_not() {
        assert!(all().unwrap().iter().any(|mount| mount.point == Path::new("/")));
        let dir = tempfile::tempdir().unwrap();
        for path in [dir.path().to_owned(), dir.path().join("none")] {
            // Without root the kernel refuses for another reason, but it refuses.
            assert!(matches!(unmount(&path), Err(Fault::Refused(_))));
        }
        assert_eq!(sync(dir.path()), Ok(Answer::Done));
    }
}
