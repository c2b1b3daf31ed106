//! Freezing and thawing mounted filesystems, by the ioctls that `xfs_freeze` uses.
//!
//! Both calls can block in the kernel for as long as a disk does, so each runs on a thread of its
//! own and is waited for with a deadline. A late one may still happen: `Overdue`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;

use super::inspect::cannot;
use super::kernel;
use crate::host::{Answer, Fault, Thaw};

/// How long a freeze or a thaw may take before we stop waiting for it.
const FREEZE_MS_MAX: u64 = 30_000;

/// Mount points that were opened beforehand, so that nothing is looked up while one is frozen.
#[derive(Default)]
pub(super) struct Points(BTreeMap<PathBuf, OwnedFd>);

impl Points {
    /// Opens mount points, until `close`.
    pub(super) fn open(&mut self, paths: &[PathBuf]) -> Result<(), Fault> {
        for path in paths {
            self.0.insert(path.clone(), opened(path)?);
        }
        Ok(())
    }

    /// Those of these mount points that are open.
    pub(super) fn opened(&self, paths: &[PathBuf]) -> Vec<BorrowedFd<'_>> {
        paths.iter().filter_map(|path| Some(self.0.get(path)?.as_fd())).collect()
    }

    /// Lets the mount points go: an open one keeps its filesystem busy.
    pub(super) fn close(&mut self) {
        self.0.clear();
    }

    /// Freezes.
    pub(super) fn freeze(&self, path: &Path) -> Result<Answer, Fault> {
        match self.in_time("freeze", path, |point| kernel::freeze(point.as_fd()))? {
            Ok(()) => Ok(Answer::Done),
            Err(Errno::EBUSY) => Err(Fault::refused(format!(
                "cannot freeze '{}': it is frozen already",
                path.display()
            ))),
            Err(errno @ (Errno::EOPNOTSUPP | Errno::EPERM | Errno::EINVAL | Errno::ENOTTY)) => {
                Err(cannot("freeze", path, &errno.into()))
            }
            Err(errno) => {
                Err(Fault::unsure(format!("cannot freeze '{}': {errno}", path.display())))
            }
        }
    }

    /// Thaws.
    pub(super) fn thaw(&self, path: &Path) -> Result<Answer, Fault> {
        self.in_time("thaw", path, |point| thaw(point.as_fd()))?
            .map(Answer::Thaw)
            .map_err(|errno| Fault::unsure(format!("cannot thaw '{}': {errno}", path.display())))
    }

    /// Does one of the two on its own thread.
    fn in_time<T: Send + 'static>(
        &self,
        what: &str,
        path: &Path,
        call: impl FnOnce(OwnedFd) -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let point = match self.0.get(path) {
            Some(point) => point.try_clone().map_err(|error| cannot(what, path, &error))?,
            None => opened(path)?,
        };
        let (say, hear) = mpsc::channel();
        thread::Builder::new()
            .spawn(move || say.send(call(point)))
            .map_err(|error| cannot(what, path, &error))?;
        hear.recv_timeout(Duration::from_millis(FREEZE_MS_MAX)).map_err(|_| {
            let path = path.display();
            Fault::overdue(format!("'{path}' did not {what} within {FREEZE_MS_MAX} ms"))
        })
    }
}

/// Thaws the filesystem of an open mount point; that it was live is as good.
pub(crate) fn thaw(point: BorrowedFd<'_>) -> Result<Thaw, Errno> {
    match kernel::thaw(point) {
        Ok(()) => Ok(Thaw::Thawed),
        Err(Errno::EINVAL) => Ok(Thaw::WasLive),
        Err(errno) => Err(errno),
    }
}

fn opened(path: &Path) -> Result<OwnedFd, Fault> {
    let directory = File::open(path).and_then(|file| {
        let is_dir = file.metadata()?.is_dir();
        if is_dir { Ok(file) } else { Err(io::Error::from(Errno::ENOTDIR)) }
    });
    directory.map(OwnedFd::from).map_err(|error| cannot("open", path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_directory_is_refused() {
        let points = Points::default();
        let refused = |outcome| matches!(outcome, Err(Fault::Refused(_)));
        assert!(refused(points.freeze(Path::new("/dev/null"))));
        assert!(refused(points.thaw(Path::new("/no/such/place"))));
        assert!(refused(points.freeze(Path::new("/proc"))), "proc cannot be frozen");
    }
}
