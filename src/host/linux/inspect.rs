//! What stands on the disk: entries, links, names, texts, space. Nothing here changes anything.
//! Deliberately absent: passwords, which are read in `secret` and never leave this folder.

use std::collections::HashSet;
use std::fs::{self, DirEntry, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::libc::{O_NOCTTY, O_NONBLOCK};
use nix::sys::stat::{major, minor};
use nix::sys::statvfs::statvfs;

use crate::host::{Entry, Fault, Kind, Link, Space};
use crate::units::Bytes;

/// The largest text we read whole.
const TEXT_BYTES_MAX: u64 = 16 << 20;

/// The largest text of millions of lines: some 5 million files of a backup.
const LONG_BYTES_MAX: u64 = 1 << 30;

/// The largest `.isl` file: it holds one path.
const ISL_BYTES_MAX: u64 = 4096;

/// What stands at a path, links followed; nothing if it does not exist.
pub(super) fn entry(path: &Path) -> Result<Option<Entry>, Fault> {
    let found = fs::canonicalize(path).and_then(|real| Ok((fs::metadata(&real)?, real)));
    let Some((meta, real)) = existing(found).map_err(|error| cannot("look at", path, &error))?
    else {
        return Ok(None);
    };
    Ok(Some(Entry {
        real,
        kind: kind(&meta),
        device: device(meta.dev()),
        uid: meta.uid(),
        mode: meta.mode() & 0o7777,
    }))
}

/// The symbolic links and `.isl` files in a directory and in its subdirectories.
pub(super) fn links(path: &Path) -> Result<Vec<Link>, Fault> {
    let wrong = |error: io::Error| cannot("find links below", path, &error);
    let mut found = Vec::new();
    for entry in sorted(path).map_err(wrong)? {
        found.extend(link(&entry).map_err(wrong)?);
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            for inner in existing(sorted(&entry.path())).map_err(wrong)?.unwrap_or_default() {
                found.extend(link(&inner).map_err(wrong)?);
            }
        }
    }
    Ok(found)
}

/// The names in a directory, sorted; none if it does not exist.
pub(super) fn list(path: &Path) -> Result<Vec<String>, Fault> {
    let entries = existing(sorted(path)).map_err(|error| cannot("list", path, &error))?;
    let name = |entry: DirEntry| entry.file_name().to_string_lossy().into_owned();
    Ok(entries.unwrap_or_default().into_iter().map(name).collect())
}

/// A whole text file; nothing if it does not exist.
pub(super) fn text(path: &Path) -> Result<Option<String>, Fault> {
    existing(read(path, TEXT_BYTES_MAX)).map_err(|error| cannot("read", path, &error))
}

/// The same of what has a line for every file of a backup.
pub(super) fn long_text(path: &Path) -> Result<Option<String>, Fault> {
    existing(read(path, LONG_BYTES_MAX)).map_err(|error| cannot("read", path, &error))
}

/// The space on a path's filesystem.
pub(super) fn space(path: &Path) -> Result<Space, Fault> {
    let stat =
        statvfs(path).map_err(|errno| cannot("measure the space at", path, &errno.into()))?;
    let bytes = |blocks: u64| Bytes(blocks.saturating_mul(stat.fragment_size()));
    Ok(Space { total: bytes(stat.blocks()), free: bytes(stat.blocks_available()) })
}

/// The apparent size of the files below a directory, on its own filesystem; a file with several
/// names counts once.
pub(super) fn usage(path: &Path) -> Result<Bytes, Fault> {
    let wrong = |error: io::Error| cannot("measure the files below", path, &error);
    let device = fs::metadata(path).map_err(wrong)?.dev();
    let mut walk = Walk { device, seen: HashSet::new(), bytes: 0, pending: vec![path.into()] };
    while let Some(directory) = walk.pending.pop() {
        walk.directory(&directory).map_err(wrong)?;
    }
    Ok(Bytes(walk.bytes))
}

/// A device's number as the kernel writes it in mountinfo.
fn device(number: u64) -> String {
    format!("{}:{}", major(number), minor(number))
}

/// Reads a regular file that holds text. Not blocking on a pipe that somebody put there.
fn read(path: &Path, bytes_max: u64) -> io::Result<String> {
    let file = OpenOptions::new().read(true).custom_flags(O_NONBLOCK | O_NOCTTY).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "not a regular file"));
    }
    limited(&file, bytes_max)
}

/// Reads to the end of a file, unless that is too far.
pub(super) fn limited(file: &File, bytes_max: u64) -> io::Result<String> {
    let mut text = String::new();
    if file.take(bytes_max + 1).read_to_string(&mut text)? as u64 > bytes_max {
        let why = format!("it is larger than {}", Bytes(bytes_max));
        return Err(io::Error::new(ErrorKind::FileTooLarge, why));
    }
    Ok(text)
}

/// One walk through a tree.
struct Walk {
    device: u64,
    seen: HashSet<u64>,
    bytes: u64,
    pending: Vec<PathBuf>,
}

impl Walk {
    /// Counts the files of one directory; what vanishes meanwhile does not count.
    fn directory(&mut self, path: &Path) -> io::Result<()> {
        for entry in existing(fs::read_dir(path))?.into_iter().flatten() {
            let entry = entry?;
            if let Some(meta) = existing(entry.metadata())? {
                self.count(&entry, &meta);
            }
        }
        Ok(())
    }

    fn count(&mut self, entry: &DirEntry, meta: &Metadata) {
        if meta.dev() != self.device {
            return;
        }
        if meta.is_dir() {
            self.pending.push(entry.path());
        } else if meta.nlink() == 1 || self.seen.insert(meta.ino()) {
            self.bytes = self.bytes.saturating_add(meta.len());
        }
    }
}

fn kind(meta: &Metadata) -> Kind {
    match (meta.is_file(), meta.is_dir()) {
        (true, _) => Kind::File,
        (_, true) => Kind::Directory,
        _ => Kind::Other,
    }
}

/// Where an entry leads, if it is a link of either sort.
fn link(entry: &DirEntry) -> io::Result<Option<Link>> {
    let at = entry.path();
    let told = if entry.file_type()?.is_symlink() {
        existing(fs::read_link(&at))?
    } else if at.extension().is_some_and(|end| end == "isl") {
        existing(read(&at, ISL_BYTES_MAX))?.map(|text| PathBuf::from(text.trim()))
    } else {
        None
    };
    Ok(told.map(|told| resolved(at, &told)))
}

fn resolved(at: PathBuf, told: &Path) -> Link {
    let full = at.parent().unwrap_or(Path::new("/")).join(told);
    let to = fs::canonicalize(&full).unwrap_or_else(|_| told.to_owned());
    Link { at, to }
}

fn sorted(path: &Path) -> io::Result<Vec<DirEntry>> {
    let mut entries = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(DirEntry::file_name);
    Ok(entries)
}

/// Not being there is an answer, not an error.
fn existing<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// A look or an act that certainly did not work, in the words all of them use.
pub(super) fn cannot(what: &str, path: &Path, error: &io::Error) -> Fault {
    Fault::refused(format!("cannot {what} '{}': {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn an_entry_is_found_through_links_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "x").unwrap();
        fs::set_permissions(dir.path().join("file"), PermissionsExt::from_mode(0o640)).unwrap();
        symlink("file", dir.path().join("link")).unwrap();
        let found = entry(&dir.path().join("link")).unwrap().unwrap();
        assert_eq!(found.real, fs::canonicalize(dir.path()).unwrap().join("file"));
        assert_eq!((found.kind, found.mode), (Kind::File, 0o640));
        assert!(found.device.contains(':'));
        assert_eq!(entry(&dir.path().join("none")), Ok(None));
        assert_eq!(entry(&dir.path().join("file/below")), Ok(None));
    }

    #[test]
    fn links_are_found_two_levels_deep_and_isl_files_among_them() {
        let dir = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(dir.path()).unwrap();
        fs::create_dir_all(root.join("db/deep")).unwrap();
        symlink("db", root.join("alias")).unwrap();
        symlink("/nowhere/at/all", root.join("db/dangling")).unwrap();
        symlink("/", root.join("db/deep/too_deep")).unwrap();
        fs::write(root.join("db/t.isl"), format!("{}\n", root.join("db").display())).unwrap();
        let found: Vec<_> =
            links(&root).unwrap().into_iter().map(|link| (link.at, link.to)).collect();
        let wanted = [
            (root.join("alias"), root.join("db")),
            (root.join("db/dangling"), "/nowhere/at/all".into()),
            (root.join("db/t.isl"), root.join("db")),
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn texts_have_a_limit_and_are_regular_files() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("text"), "hold still").unwrap();
        assert_eq!(text(&dir.path().join("text")), Ok(Some("hold still".into())));
        assert_eq!(text(&dir.path().join("none")), Ok(None));
        assert!(read(&dir.path().join("text"), 4).is_err());
        nix::unistd::mkfifo(&dir.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(text(&dir.path().join("pipe")).is_err());
    }

    #[test]
    fn usage_counts_each_file_once_and_names_are_sorted() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sub")).unwrap();
        fs::write(dir.path().join("sub/a"), [0; 1000]).unwrap();
        fs::hard_link(dir.path().join("sub/a"), dir.path().join("b")).unwrap();
        fs::write(dir.path().join("c"), [0; 24]).unwrap();
        assert_eq!(usage(dir.path()), Ok(Bytes(1024)));
        assert_eq!(list(dir.path()).unwrap(), ["b", "c", "sub"]);
        assert_eq!(list(&dir.path().join("none")), Ok(vec![]));
        assert!(space(dir.path()).unwrap().total.0 > 0);
    }
}
