//! A walk through a tree: everything that stands there, as it is, with no link followed and no
//! other filesystem entered. Deliberately absent: what is in the files.

use std::fs::{self, DirEntry, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::inspect::cannot;
use super::signals::FromNow;
use crate::host::{Fault, Found, Moment, Tree, Type};
use crate::units::Bytes;

/// Everything below a directory. Whether the directory itself is a link is the caller's affair.
pub(super) fn walk(root: &Path, interrupt: &FromNow) -> Result<Tree, Fault> {
    let meta = fs::metadata(root).map_err(|error| cannot("look at", root, &error))?;
    let mut walk = Walk { device: meta.dev(), tree: Tree::default(), pending: Vec::new() };
    walk.directory(root, Path::new("")).map_err(|error| cannot("list", root, &error))?;
    while let Some(directory) = walk.pending.pop() {
        if let Some(signal) = interrupt.came() {
            return Err(Fault::refused(format!("interrupted by {signal}")));
        }
        if let Err(error) = walk.directory(&root.join(&directory), &directory) {
            walk.tree.unseen.push((directory, error.to_string()));
        }
    }
    let mut tree = walk.tree;
    tree.found.sort_unstable_by(|one, other| bytes(&one.path).cmp(bytes(&other.path)));
    Ok(tree)
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

struct Walk {
    device: u64,
    tree: Tree,
    /// Directories that were not entered yet, relative to the root.
    pending: Vec<PathBuf>,
}

impl Walk {
    fn directory(&mut self, path: &Path, relative: &Path) -> io::Result<()> {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let relative = relative.join(entry.file_name());
            if let Err(error) = self.entry(&entry, &relative) {
                self.tree.unseen.push((relative, error.to_string()));
            }
        }
        Ok(())
    }

    fn entry(&mut self, entry: &DirEntry, relative: &Path) -> io::Result<()> {
        let meta = entry.metadata()?;
        let found = found(relative.into(), &meta, &entry.path())?;
        if meta.dev() != self.device {
            self.tree.unseen.push((relative.into(), "something is mounted there".into()));
        } else if meta.is_dir() {
            self.pending.push(relative.into());
        }
        self.tree.found.push(found);
        Ok(())
    }
}

fn found(path: PathBuf, meta: &Metadata, at: &Path) -> io::Result<Found> {
    let kind = meta.file_type();
    let is = match (kind.is_file(), kind.is_dir(), kind.is_symlink()) {
        (true, _, _) => Type::File,
        (_, true, _) => Type::Directory,
        (_, _, true) => Type::Link,
        _ => Type::Other,
    };
    Ok(Found {
        path,
        is,
        size: Bytes(if matches!(is, Type::File | Type::Link) { meta.len() } else { 0 }),
        mode: meta.mode() & 0o7777,
        uid: meta.uid(),
        gid: meta.gid(),
        mtime: Moment {
            seconds: meta.mtime(),
            nanos: u32::try_from(meta.mtime_nsec()).unwrap_or_default(),
        },
        target: if is == Type::Link { Some(fs::read_link(at)?) } else { None },
        inode: meta.ino(),
        names: meta.nlink(),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::signals::Signals;
    use super::*;

    fn calm() -> FromNow {
        Signals::of_test(Arc::default()).since_now()
    }

    #[test]
    fn everything_is_found_as_it_is_and_no_link_is_followed() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path();
        fs::create_dir_all(root.join("tree/db")).unwrap();
        fs::write(root.join("tree/db/t"), "abc").unwrap();
        fs::set_permissions(root.join("tree/db/t"), PermissionsExt::from_mode(0o4640)).unwrap();
        fs::hard_link(root.join("tree/db/t"), root.join("tree/db.x")).unwrap();
        symlink("/", root.join("tree/out")).unwrap();
        let pipe = root.join("tree/pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let tree = walk(root, &calm()).unwrap();
        assert_eq!(tree.unseen, []);
        let shape = |one: &Found| (one.path.display().to_string(), one.is, one.size.0, one.names);
        let shapes: Vec<_> = tree.found.iter().filter(|one| one.is != Type::Directory).collect();
        let shapes: Vec<_> = shapes.into_iter().map(shape).collect();
        let wanted = [
            ("tree/db.x", Type::File, 3, 2),
            ("tree/db/t", Type::File, 3, 2),
            ("tree/out", Type::Link, 1, 1),
            ("tree/pipe", Type::Other, 0, 1),
        ];
        assert_eq!(
            shapes,
            wanted.map(|(path, is, size, names)| (path.to_owned(), is, size, names))
        );
        let paths: Vec<_> = tree.found.iter().map(|one| bytes(&one.path)).collect();
        assert!(paths.is_sorted(), "{paths:?}");
        let file = &tree.found[3];
        assert_eq!((file.mode, file.inode), (0o4640, tree.found[2].inode));
        assert!(file.mtime.seconds > 0);
        let link = tree.found.iter().find(|one| one.is == Type::Link).unwrap();
        assert_eq!(link.target.as_deref(), Some(Path::new("/")));
    }

    #[test]
    fn a_mount_is_told_and_not_entered_and_a_signal_ends_it() {
        let tree = walk(Path::new("/"), &calm()).unwrap();
        let mounted = tree.unseen.iter().find(|(path, _)| path == Path::new("proc"));
        assert_eq!(mounted.map(|(_, why)| why.as_str()), Some("something is mounted there"));
        assert!(!tree.found.iter().any(|one| one.path.starts_with("proc/self")));
        let flag = Arc::new(AtomicUsize::new(0));
        let interrupt = Signals::of_test(Arc::clone(&flag)).since_now();
        flag.store(15, Ordering::SeqCst);
        assert!(walk(Path::new("/usr"), &interrupt).is_err());
        assert!(walk(Path::new("/nowhere"), &calm()).is_err());
    }
}
