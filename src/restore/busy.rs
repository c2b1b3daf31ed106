//! Which directories running servers work in: by what their processes have open, since a server
//! that is on its way up or down answers nobody.

use std::path::{Path, PathBuf};

use crate::host::{Ask, Fault, Host};
use crate::init::processes;

/// A directory or file that a running server uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InUse {
    pub(super) pid: u32,
    pub(super) program: String,
    pub(super) path: PathBuf,
}

/// What running servers work in: each one's working directory, which is its data directory, and
/// the files that it has open.
pub(super) fn all(host: &dyn Host) -> Result<Vec<InUse>, Fault> {
    let mut found = Vec::new();
    for process in processes::servers(host)?.into_iter().filter_map(|one| one.process) {
        let (pid, program) = (process.pid, &process.program);
        let mut add = |path| found.push(InUse { pid, program: program.clone(), path });
        // Who works in '/' uses nothing in particular there.
        process.works_in.into_iter().filter(|path| path != Path::new("/")).for_each(&mut add);
        let open = host.links(&PathBuf::from(format!("/proc/{pid}/fd"))).unwrap_or_default();
        let files = open.into_iter().map(|link| link.to).filter(|path| is_file(path));
        files.for_each(&mut add);
    }
    Ok(found)
}

/// Whether what a descriptor leads to is in a filesystem, and no device.
fn is_file(path: &Path) -> bool {
    path.is_absolute() && !["/dev", "/proc", "/sys"].iter().any(|top| path.starts_with(top))
}

/// What of a directory is in use, or what in use it is inside of.
pub(super) fn meets<'a>(all: &'a [InUse], directory: &Path) -> Option<&'a InUse> {
    all.iter().find(|one| one.path.starts_with(directory) || directory.starts_with(&one.path))
}
