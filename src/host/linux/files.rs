//! Directories and files: made, written, removed, and renamed.
//!
//! Every change is synced with its directory before it counts as done. Before the change a
//! failure is `Refused`, after it (a directory that would not sync) `Unsure`.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use nix::libc::{O_DIRECTORY, O_NOFOLLOW};

use super::inspect::cannot;
use super::mounts;
use crate::host::{Answer, Fault, UNFINISHED};

/// Makes a directory and its missing parents, mode 0700.
pub(super) fn make_dir(path: &Path) -> Result<Answer, Fault> {
    let missing: Vec<&Path> = path.ancestors().take_while(|part| !part.exists()).collect();
    for part in missing.into_iter().rev() {
        match create(part) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(cannot("make the directory", part, &error));
            }
            _ => drop(sync_parent(part)?),
        }
    }
    if path.is_dir() {
        return Ok(Answer::Done);
    }
    Err(Fault::refused(format!("'{}' is there, but is not a directory", path.display())))
}

/// Makes one new directory, mode 0700.
pub(super) fn new_dir(path: &Path) -> Result<Answer, Fault> {
    create(path).map_err(|error| cannot("make the directory", path, &error))?;
    sync_parent(path)
}

/// Writes a whole file, mode 0600, by way of a file beside it.
pub(super) fn write(path: &Path, text: &str) -> Result<Answer, Fault> {
    write_with(path, text, 0o600)
}

/// The same with mode 0644.
pub(super) fn write_readable(path: &Path, text: &str) -> Result<Answer, Fault> {
    write_with(path, text, 0o644)
}

fn write_with(path: &Path, text: &str, mode: u32) -> Result<Answer, Fault> {
    let beside = beside(path);
    write_synced(&beside, text, mode).and_then(|()| fs::rename(&beside, path)).map_err(
        |error| {
            let _cause_matters_more = fs::remove_file(&beside);
            cannot("write", path, &error)
        },
    )?;
    sync_parent(path)
}

/// Removes a file, and what a write of it may have left half done.
pub(super) fn remove(path: &Path) -> Result<Answer, Fault> {
    for file in [beside(path), path.to_owned()] {
        unless_missing(fs::remove_file(&file)).map_err(|error| cannot("remove", &file, &error))?;
    }
    sync_parent(path)
}

/// Removes an empty directory.
pub(super) fn remove_dir(path: &Path) -> Result<Answer, Fault> {
    unless_missing(fs::remove_dir(path))
        .map_err(|error| cannot("remove the directory", path, &error))?;
    sync_parent(path)
}

/// Removes a directory and all that is in it. Refused if anything is mounted there: the walk
/// below would go into it. Symbolic links are removed, never followed.
pub(super) fn remove_tree(path: &Path) -> Result<Answer, Fault> {
    let wrong = |error: io::Error| cannot("remove the directory", path, &error);
    let Some(real) = place(path).map_err(wrong)? else { return Ok(Answer::Done) };
    nothing_mounted(path, &real)?;
    unless_missing(fs::remove_dir_all(&real)).map_err(|error| {
        let told = cannot("remove all of", path, &error);
        if error.kind() == ErrorKind::NotADirectory {
            told
        } else {
            Fault::unsure(told.to_string())
        }
    })?;
    sync_parent(path)
}

/// Refuses where something is mounted at a path or below it.
pub(super) fn nothing_mounted(path: &Path, real: &Path) -> Result<(), Fault> {
    match mounts::all()?.into_iter().find(|mount| mount.point.starts_with(real)) {
        None => Ok(()),
        Some(mount) => {
            let (path, point) = (path.display(), mount.point.display());
            Err(Fault::refused(format!("cannot remove '{path}': '{point}' is mounted there")))
        }
    }
}

/// Gives a directory its owner and its permission bits, in that order: a change of the owner takes
/// bits away.
pub(super) fn own(path: &Path, owner: Option<(u32, u32)>, mode: u32) -> Result<Answer, Fault> {
    let flags = O_NOFOLLOW | O_DIRECTORY;
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let directory = opened.map_err(|error| cannot("open the directory", path, &error))?;
    let given = owner.map_or(Ok(()), |(uid, gid)| fchown(&directory, Some(uid), Some(gid)));
    given
        .and_then(|()| directory.set_permissions(Permissions::from_mode(mode)))
        .and_then(|()| directory.sync_all())
        .map(|()| Answer::Done)
        .map_err(|error| Fault::unsure(cannot("give away", path, &error).to_string()))
}

/// Renames a directory to a name that must be free.
pub(super) fn rename(from: &Path, to: &Path) -> Result<Answer, Fault> {
    renameat2(AT_FDCWD, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE).map_err(|errno| {
        let told = format!("cannot rename '{}' to '{}': {errno}", from.display(), to.display());
        if certainly_not_done(errno) { Fault::refused(told) } else { Fault::unsure(told) }
    })?;
    sync_parent(to)?;
    if from.parent() == to.parent() { Ok(Answer::Done) } else { sync_parent(from) }
}

/// What the kernel checks before it renames anything (rename(2)); an I/O error is none of these.
fn certainly_not_done(errno: Errno) -> bool {
    use Errno::{
        EACCES, EBUSY, EEXIST, EINVAL, ELOOP, ENAMETOOLONG, ENOENT, ENOSPC, ENOTDIR, EPERM, EROFS,
        EXDEV,
    };
    [
        EACCES,
        EBUSY,
        EEXIST,
        EINVAL,
        ELOOP,
        ENAMETOOLONG,
        ENOENT,
        ENOSPC,
        ENOTDIR,
        EPERM,
        EROFS,
        EXDEV,
    ]
    .contains(&errno)
}

fn create(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// Where a file is written before it gets its name. Always the same, so that a crash leaves one
/// at most, which the next write or removal takes with it.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(UNFINISHED);
    path.with_file_name(name)
}

fn write_synced(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    unless_missing(fs::remove_file(path))?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(O_NOFOLLOW)
        .open(path)?;
    // Our own mask leaves nothing to others.
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// The path with its parents' links resolved, but not its own; nothing if it is not there.
pub(super) fn place(path: &Path) -> io::Result<Option<PathBuf>> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::new(ErrorKind::InvalidInput, "not below a directory"));
    };
    match fs::canonicalize(parent) {
        Ok(parent) => Ok(Some(parent.join(name)).filter(|real| real.symlink_metadata().is_ok())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn unless_missing(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Syncs the directory that holds a name; nothing to sync if there is no such directory.
fn sync_parent(path: &Path) -> Result<Answer, Fault> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    unless_missing(File::open(parent).and_then(|directory| directory.sync_all()))
        .map(|()| Answer::Done)
        .map_err(|error| {
            Fault::unsure(format!("cannot sync the directory '{}': {error}", parent.display()))
        })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    fn refused(outcome: &Result<Answer, Fault>) -> bool {
        matches!(outcome, Err(Fault::Refused(_)))
    }

    #[test]
    fn directories_are_private_and_new_ones_are_new() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b/c");
        assert_eq!(make_dir(&deep), Ok(Answer::Done));
        assert_eq!(make_dir(&deep), Ok(Answer::Done));
        assert_eq!(deep.metadata().unwrap().mode() & 0o777, 0o700);
        assert!(refused(&new_dir(&deep)));
        assert_eq!(new_dir(&deep.join("d")), Ok(Answer::Done));
        fs::write(dir.path().join("file"), "").unwrap();
        assert!(refused(&make_dir(&dir.path().join("file"))));
        assert!(refused(&make_dir(&dir.path().join("file/below"))));
    }

    #[test]
    fn a_directory_is_given_and_a_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        fs::create_dir(&path).unwrap();
        let meta = path.metadata().unwrap();
        for owner in [None, Some((meta.uid(), meta.gid()))] {
            assert_eq!(own(&path, owner, 0o2750), Ok(Answer::Done));
            assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o2750);
            assert_eq!(own(&path, owner, 0o700), Ok(Answer::Done));
        }
        symlink("data", dir.path().join("link")).unwrap();
        assert!(refused(&own(&dir.path().join("link"), None, 0o755)));
        fs::write(dir.path().join("file"), "").unwrap();
        assert!(refused(&own(&dir.path().join("file"), None, 0o755)));
        assert!(refused(&own(&dir.path().join("none"), None, 0o755)));
        assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o700);
    }

    #[test]
    fn a_file_is_written_whole_and_removed_twice() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger");
        fs::write(dir.path().join("ledger.new"), "half of an ear").unwrap();
        assert_eq!(write(&path, "one"), Ok(Answer::Done));
        assert_eq!(write(&path, "two"), Ok(Answer::Done));
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(write_readable(&path, "three"), Ok(Answer::Done));
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o644);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(refused(&write(&dir.path().join("none/ledger"), "three")));
        assert_eq!(remove(&path), Ok(Answer::Done));
        assert_eq!(remove(&path), Ok(Answer::Done));
        assert_eq!(remove(&dir.path().join("none/ledger")), Ok(Answer::Done));
    }

    #[test]
    fn a_tree_goes_but_what_its_links_point_to_stays() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        fs::create_dir_all(tree.join("sub")).unwrap();
        fs::write(dir.path().join("keep"), "me").unwrap();
        symlink(dir.path(), tree.join("sub/out")).unwrap();
        assert!(refused(&remove_dir(&tree)));
        assert_eq!(remove_tree(&tree), Ok(Answer::Done));
        assert_eq!(remove_tree(&tree), Ok(Answer::Done));
        assert_eq!(remove_dir(&tree), Ok(Answer::Done));
        assert!(dir.path().join("keep").exists());
        symlink("keep", dir.path().join("link")).unwrap();
        assert!(remove_tree(&dir.path().join("keep")).is_err());
        assert!(refused(&remove_tree(Path::new("/proc"))), "something is mounted there");
    }

    #[test]
    fn a_rename_never_replaces() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("partial"), dir.path().join("published"));
        fs::create_dir(&from).unwrap();
        assert_eq!(rename(&from, &to), Ok(Answer::Done));
        fs::create_dir(&from).unwrap();
        assert!(refused(&rename(&from, &to)));
        assert!(from.exists() && to.exists());
        assert!(refused(&rename(&dir.path().join("none"), &dir.path().join("other"))));
    }
}
