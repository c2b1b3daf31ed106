//! What of a backup goes where. Pure: entries and wishes in, places out.
//!
//! Everything that is no part of the data directory must be given a place or left out by name: a
//! server without its undo or redo files does not start, and nobody should learn that only then.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Identity;
use crate::manifest::{Entry, Type};
use crate::units::Bytes;

/// What makes a server of MySQL the one that it is: its `server_uuid`.
const UUID_FILE: &str = "auto.cnf";

/// A directory of the backup and where its content goes; nothing if it is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) from: PathBuf,
    pub(super) to: Option<PathBuf>,
}

/// What goes to one directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) from: PathBuf,
    pub(super) to: PathBuf,
    pub(super) root: Entry,
    pub(super) entries: Vec<Entry>,
    pub(super) excluded: Vec<PathBuf>,
}

/// A directory of the backup that nobody has named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Homeless {
    pub(super) path: PathBuf,
    pub(super) files: u64,
    pub(super) bytes: Bytes,
}

/// What goes where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) placed: Vec<Placed>,
    pub(super) kept_back: Vec<PathBuf>,
    pub(super) homeless: Vec<Homeless>,
}

/// Lays the entries out; an error names a wish for what is no directory of the backup. The first
/// wish is the data directory's.
pub(super) fn lay_out(
    entries: &[Entry],
    wishes: &[Wish],
    identity: Identity,
) -> Result<Layout, PathBuf> {
    let mut layout = Layout::default();
    for wish in wishes {
        let root = entries.iter().find(|one| one.path == wish.from && one.is == Type::Directory);
        let root = root.ok_or_else(|| wish.from.clone())?;
        let Some(to) = &wish.to else { continue };
        layout.placed.push(Placed {
            from: wish.from.clone(),
            to: to.clone(),
            root: root.clone(),
            entries: Vec::new(),
            excluded: excluded(wish, wishes),
        });
    }
    let mut homeless = BTreeMap::new();
    for entry in entries {
        match wish_of(&entry.path, wishes) {
            None => count(entry, &mut homeless),
            Some(Wish { to: None, .. }) => {}
            Some(wish) => layout.place(wish, wishes, entry, identity),
        }
    }
    layout.homeless = outermost(homeless);
    Ok(layout)
}

/// The innermost wish that a path is in.
fn wish_of<'a>(path: &Path, wishes: &'a [Wish]) -> Option<&'a Wish> {
    let above = wishes.iter().filter(|wish| path.starts_with(&wish.from));
    above.max_by_key(|wish| wish.from.components().count())
}

/// What in a directory belongs to other wishes, relative to it.
fn excluded(wish: &Wish, wishes: &[Wish]) -> Vec<PathBuf> {
    let inner = wishes.iter().filter(|other| other.from != wish.from);
    inner.filter_map(|other| Some(other.from.strip_prefix(&wish.from).ok()?.into())).collect()
}

impl Layout {
    fn place(&mut self, wish: &Wish, wishes: &[Wish], entry: &Entry, identity: Identity) {
        let Some(placed) = self.placed.iter_mut().find(|placed| placed.from == wish.from) else {
            return;
        };
        let Ok(inside) = entry.path.strip_prefix(&wish.from) else { return };
        if inside.as_os_str().is_empty() {
            return;
        }
        let of_server = wishes.first() == Some(wish) && inside == Path::new(UUID_FILE);
        // rsync leaves out what is neither file, directory nor link.
        if (of_server && identity == Identity::New) || entry.is == Type::Other {
            placed.excluded.push(inside.into());
            self.kept_back.push(entry.path.clone());
            return;
        }
        placed.entries.push(Entry { path: inside.into(), ..entry.clone() });
    }
}

/// Counts what is not a directory in the directory that it is in.
fn count(entry: &Entry, homeless: &mut BTreeMap<PathBuf, (u64, u64)>) {
    if entry.is == Type::Directory {
        return;
    }
    let parent = entry.path.parent().unwrap_or(&entry.path).to_owned();
    let (files, bytes) = homeless.entry(parent).or_default();
    *files += 1;
    *bytes = bytes.saturating_add(if entry.is == Type::File { entry.size.0 } else { 0 });
}

/// Of directories inside each other only the outer one.
fn outermost(all: BTreeMap<PathBuf, (u64, u64)>) -> Vec<Homeless> {
    let mut found: Vec<Homeless> = Vec::new();
    let mut all: Vec<_> = all.into_iter().collect();
    all.sort_by_key(|(path, _)| path.components().count());
    for (path, (files, bytes)) in all {
        match found.iter_mut().find(|outer| path.starts_with(&outer.path)) {
            Some(outer) => {
                outer.files += files;
                outer.bytes.0 = outer.bytes.0.saturating_add(bytes);
            }
            None => found.push(Homeless { path, files, bytes: Bytes(bytes) }),
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}
