//! A directory is emptied, but for one file, unless a signal asks us to stop.
//!
//! By descriptors and not by paths: nobody can lead the walk elsewhere by putting a link where a
//! directory was. Deliberately absent: a removal that goes on whatever comes; settling has that,
//! in `files::remove_tree`.

use std::ffi::OsStr;
use std::fs::{self, DirEntry, File};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::files::{nothing_mounted, place};
use super::inspect::cannot;
use super::signals::Signals;
use crate::host::{Answer, Fault};

/// Removes all that is in a directory but one name, and syncs it. Refused if anything is mounted
/// there.
pub(super) fn empty(path: &Path, but: &str, signals: &Signals) -> Result<Answer, Fault> {
    let wrong = |error: io::Error| cannot("empty the directory", path, &error);
    let Some(real) = place(path).map_err(wrong)? else { return Ok(Answer::Done) };
    nothing_mounted(path, &real)?;
    let directory = File::from(open(AT_FDCWD, real.as_os_str()).map_err(wrong)?);
    let device = directory.metadata().map_err(wrong)?.dev();
    let walk = Walk { device, signals };
    let emptied = walk.empty(&directory, Some(OsStr::new(but)));
    emptied
        .and_then(|()| directory.sync_all())
        .map(|()| Answer::Done)
        .map_err(|error| Fault::unsure(wrong(error).to_string()))
}

/// One walk through a tree.
struct Walk<'a> {
    device: u64,
    signals: &'a Signals,
}

impl Walk<'_> {
    fn empty(&self, directory: &File, but: Option<&OsStr>) -> io::Result<()> {
        // The kernel's own name of what is open: read_dir takes no descriptor.
        let names = fs::read_dir(format!("/proc/self/fd/{}", directory.as_raw_fd()))?;
        for entry in names.collect::<io::Result<Vec<DirEntry>>>()? {
            let name = entry.file_name();
            if Some(name.as_os_str()) == but {
                continue;
            }
            self.heed_signal()?;
            if entry.file_type()?.is_dir() {
                self.remove_directory(directory, &name)?;
            } else {
                unlinkat(directory, name.as_os_str(), UnlinkatFlags::NoRemoveDir)?;
            }
        }
        Ok(())
    }

    fn remove_directory(&self, parent: &File, name: &OsStr) -> io::Result<()> {
        let inner = File::from(open(parent, name)?);
        if inner.metadata()?.dev() != self.device {
            let why = format!("'{}' is another filesystem", name.to_string_lossy());
            return Err(io::Error::new(ErrorKind::CrossesDevices, why));
        }
        self.empty(&inner, None)?;
        unlinkat(parent, name, UnlinkatFlags::RemoveDir)?;
        Ok(())
    }

    fn heed_signal(&self) -> io::Result<()> {
        match self.signals.seen() {
            None => Ok(()),
            Some(signal) => Err(io::Error::other(format!("interrupted by signal {signal}"))),
        }
    }
}

/// Opens a directory that is no link.
fn open(parent: impl std::os::fd::AsFd, name: &OsStr) -> io::Result<std::os::fd::OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    Ok(openat(parent, name, flags, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn signals() -> (Arc<AtomicUsize>, Signals) {
        let flag = Arc::new(AtomicUsize::new(0));
        (Arc::clone(&flag), Signals::of_test(flag))
    }

    fn left(path: &Path) -> Vec<String> {
        let names = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).collect()
    }

    #[test]
    fn all_goes_but_the_record_and_what_links_point_to() {
        let home = tempfile::tempdir().unwrap();
        let backup = home.path().join("backup");
        fs::create_dir_all(backup.join("tree/db/deep")).unwrap();
        fs::write(home.path().join("keep"), "me").unwrap();
        for file in ["backup.json", "coordinates.sql", "tree/ibdata1", "tree/db/deep/t.ibd"] {
            fs::write(backup.join(file), file).unwrap();
        }
        symlink(home.path(), backup.join("tree/db/out")).unwrap();
        symlink("../keep", backup.join("link")).unwrap();
        for _ in 0..2 {
            assert_eq!(empty(&backup, "backup.json", &signals().1), Ok(Answer::Done));
            assert_eq!(left(&backup), ["backup.json"]);
        }
        assert_eq!(fs::read_to_string(home.path().join("keep")).unwrap(), "me");
        assert_eq!(empty(&home.path().join("none"), "x", &signals().1), Ok(Answer::Done));
    }

    #[test]
    fn a_link_a_file_and_a_mount_are_refused() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("there")).unwrap();
        fs::write(home.path().join("there/file"), "").unwrap();
        symlink("there", home.path().join("link")).unwrap();
        for path in [home.path().join("link"), home.path().join("there/file"), "/proc".into()] {
            let told = empty(&path, "x", &signals().1);
            assert!(matches!(told, Err(Fault::Refused(_))), "{told:?}");
        }
        assert_eq!(left(&home.path().join("there")), ["file"]);
    }

    #[test]
    fn a_signal_stops_it_and_the_next_one_finishes() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("tree")).unwrap();
        fs::write(home.path().join("tree/file"), "").unwrap();
        let (flag, signals) = signals();
        flag.store(15, Ordering::SeqCst);
        let told = empty(home.path(), "x", &signals).unwrap_err();
        assert!(matches!(told, Fault::Unsure(_)), "{told:?}");
        assert!(told.to_string().ends_with("interrupted by signal 15"), "{told}");
        assert!(home.path().join("tree/file").exists());
        flag.store(0, Ordering::SeqCst);
        assert_eq!(empty(home.path(), "x", &signals), Ok(Answer::Done));
        assert_eq!(left(home.path()), Vec::<String>::new());
    }
}
