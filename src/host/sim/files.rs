//! Files and directories of the simulated machine, whose they are, and what of them would survive
//! a power loss.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use crate::host::{Fault, Kind, UNFINISHED};

/// Whose a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// It was there before us; it is not to be touched.
    Foreign,
    /// A run made it, and it is not published.
    Ours,
    /// Part of a published backup of ours.
    Published,
}

/// A file or directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// A file's content; nothing for a directory.
    pub text: Option<String>,
    /// Whether it is on stable storage.
    pub synced: bool,
    /// Whose it is.
    pub owner: Owner,
    /// The first name of the same file, if it is a hard link to another's.
    pub first: Option<PathBuf>,
}

/// All of them, by path.
#[derive(Clone, Debug, Default)]
pub struct Files {
    nodes: BTreeMap<PathBuf, Node>,
    /// What others can write to as well.
    open: BTreeSet<PathBuf>,
    /// Permission bits that were given.
    modes: BTreeMap<PathBuf, u32>,
}

/// Where the real machine writes a file before it gets its name.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(UNFINISHED);
    name.into()
}

impl Files {
    /// Puts a directory of others there, with its parents.
    pub fn foreign_dir(&mut self, path: &Path) {
        for part in path.ancestors() {
            let node = Node { text: None, synced: true, owner: Owner::Foreign, first: None };
            self.nodes.entry(part.into()).or_insert(node);
        }
    }

    /// Puts a file of others there, with its directories.
    pub fn foreign_file(&mut self, path: &Path, text: &str) {
        self.foreign_dir(path.parent().unwrap_or(path));
        let text = Some(text.into());
        let node = Node { text, synced: true, owner: Owner::Foreign, first: None };
        self.nodes.insert(path.into(), node);
    }

    /// Puts a file of a published backup of ours there, with the directories that are missing.
    pub fn published_file(&mut self, path: &Path, text: &str) {
        self.file_of(Owner::Published, path, text);
    }

    /// The same of what a dead process of ours has left.
    pub fn ours_file(&mut self, path: &Path, text: &str) {
        self.file_of(Owner::Ours, path, text);
    }

    fn file_of(&mut self, owner: Owner, path: &Path, text: &str) {
        let node = |text| Node { text, synced: true, owner, first: None };
        for part in path.ancestors().skip(1) {
            self.nodes.entry(part.into()).or_insert(node(None));
        }
        self.nodes.insert(path.into(), node(Some(text.into())));
    }

    /// Lets others write to a path.
    pub fn open_to_others(&mut self, path: &Path) {
        self.open.insert(path.into());
    }

    /// Gives a directory its permission bits.
    pub(super) fn own(&mut self, path: &Path, mode: u32) -> Result<(), Fault> {
        if self.kind(path) != Some(Kind::Directory) {
            return Err(Fault::refused(format!("'{}' is not a directory", path.display())));
        }
        self.open.remove(path);
        self.modes.insert(path.into(), mode);
        Ok(())
    }

    /// Permission bits.
    pub(super) fn mode(&self, path: &Path) -> u32 {
        let usual = if self.kind(path) == Some(Kind::Directory) { 0o700 } else { 0o600 };
        let ours = self.modes.get(path).copied().unwrap_or(usual);
        if self.open.contains(path) { ours | 0o022 } else { ours }
    }

    /// What stands at a path.
    pub fn get(&self, path: &Path) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// A file's content.
    pub fn text(&self, path: &Path) -> Option<&str> {
        self.get(path)?.text.as_deref()
    }

    /// The kind of what stands at a path.
    pub(super) fn kind(&self, path: &Path) -> Option<Kind> {
        let node = self.get(path)?;
        Some(if node.text.is_some() { Kind::File } else { Kind::Directory })
    }

    /// The names in a directory, sorted.
    pub fn names(&self, directory: &Path) -> Vec<String> {
        let inside = self.below(directory).filter(|(path, _)| path.parent() == Some(directory));
        inside.filter_map(|(path, _)| Some(path.file_name()?.to_str()?.to_owned())).collect()
    }

    /// Everything below a directory, without itself.
    pub fn below<'a>(
        &'a self,
        directory: &'a Path,
    ) -> impl Iterator<Item = (&'a PathBuf, &'a Node)> {
        let range = self.nodes.range(directory.to_owned()..);
        range
            .skip_while(move |(path, _)| *path == directory)
            .take_while(move |(path, _)| path.starts_with(directory))
    }

    /// Makes one directory.
    pub(super) fn make_dir(&mut self, path: &Path) -> Result<(), Fault> {
        if self.get(path).is_some() {
            return Err(Fault::refused(format!("'{}' is there", path.display())));
        }
        self.put(path, Node { text: None, synced: true, owner: Owner::Ours, first: None })
    }

    /// Makes a directory and its missing parents.
    pub(super) fn make_dirs(&mut self, path: &Path) -> Result<(), Fault> {
        let missing: Vec<_> = path.ancestors().take_while(|one| self.get(one).is_none()).collect();
        missing.into_iter().rev().try_for_each(|one| self.make_dir(one))
    }

    /// Writes a whole file; `synced` says whether it would survive a power loss.
    pub(super) fn write(&mut self, path: &Path, text: String, synced: bool) -> Result<(), Fault> {
        self.nodes.remove(&beside(path));
        self.put(path, Node { text: Some(text), synced, owner: Owner::Ours, first: None })
    }

    /// Makes a hard link to a file.
    pub(super) fn link(&mut self, to: &Path, path: &Path) -> Result<(), Fault> {
        let node = self.get(to).filter(|node| node.text.is_some()).cloned();
        let node = node.ok_or_else(|| Fault::refused(format!("'{}' is no file", to.display())))?;
        let first = Some(node.first.unwrap_or_else(|| to.into()));
        self.put(path, Node { first, owner: Owner::Ours, ..node })
    }

    /// The first name of the file that stands at a path.
    pub(super) fn first_name<'a>(&'a self, path: &'a Path) -> &'a Path {
        self.get(path).and_then(|node| node.first.as_deref()).unwrap_or(path)
    }

    /// How many names a file has.
    pub(super) fn names_of(&self, path: &Path) -> u64 {
        let first = self.first_name(path);
        self.nodes.keys().filter(|one| self.first_name(one) == first).count() as u64
    }

    /// A write that was interrupted before the file got its name.
    pub(super) fn write_half(&mut self, path: &Path, text: &str) {
        let half = text.chars().take(text.len() / 2).collect();
        let (text, owner) = (Some(half), Owner::Ours);
        let node = Node { text, synced: true, owner, first: None };
        let _no_such_directory = self.put(&beside(path), node);
    }

    fn put(&mut self, path: &Path, node: Node) -> Result<(), Fault> {
        let parent = path.parent().unwrap_or(path);
        if self.kind(parent) != Some(Kind::Directory) {
            return Err(Fault::refused(format!("'{}' is not a directory", parent.display())));
        }
        self.modes.remove(path);
        self.nodes.insert(path.into(), node);
        Ok(())
    }

    /// Removes a file and what an interrupted write left beside it.
    pub(super) fn remove_file(&mut self, path: &Path) -> Result<(), Fault> {
        if self.kind(path) == Some(Kind::Directory) {
            return Err(Fault::refused(format!("'{}' is a directory", path.display())));
        }
        self.nodes.remove(&beside(path));
        self.nodes.remove(path);
        Ok(())
    }

    /// Removes an empty directory.
    pub(super) fn remove_dir(&mut self, path: &Path) -> Result<(), Fault> {
        if self.below(path).next().is_some() {
            return Err(Fault::refused(format!("'{}' is not empty", path.display())));
        }
        self.nodes.remove(path);
        Ok(())
    }

    /// Removes a directory and all below it.
    pub(super) fn remove_tree(&mut self, path: &Path) {
        self.nodes.retain(|one, _| !one.starts_with(path));
    }

    /// A removal that was interrupted: every file that stands in the directory itself is gone,
    /// what is below its directories is not. The order is the filesystem's, so this may happen.
    pub(super) fn remove_half(&mut self, path: &Path) {
        self.nodes.retain(|one, node| one.parent() != Some(path) || node.text.is_none());
    }

    /// Removes all that is in a directory but one name.
    pub(super) fn empty(&mut self, directory: &Path, but: &str) {
        let stays = directory.join(but);
        self.nodes
            .retain(|one, _| one == directory || *one == stays || !one.starts_with(directory));
    }

    /// That, interrupted: the files of its directories are gone, and nothing else is.
    pub(super) fn empty_half(&mut self, directory: &Path) {
        self.nodes.retain(|one, node| {
            node.text.is_none() || one.parent() == Some(directory) || !one.starts_with(directory)
        });
    }

    /// Writes out everything below a path.
    pub(super) fn sync(&mut self, path: &Path) {
        for (_, node) in self.nodes.iter_mut().filter(|(one, _)| one.starts_with(path)) {
            node.synced = true;
        }
    }

    /// Renames a directory, whose things are of this owner then.
    pub(super) fn rename(&mut self, from: &Path, to: &Path, owner: Owner) -> Result<(), Fault> {
        if self.get(to).is_some() || self.kind(from) != Some(Kind::Directory) {
            return Err(Fault::refused(format!("cannot rename '{}'", from.display())));
        }
        let moved: Vec<_> =
            self.nodes.keys().filter(|path| path.starts_with(from)).cloned().collect();
        for path in moved {
            let (Some(mut node), Ok(rest)) = (self.nodes.remove(&path), path.strip_prefix(from))
            else {
                continue;
            };
            node.owner = owner;
            // `join` with nothing would add a slash at the end.
            let path = if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) };
            self.nodes.insert(path, node);
        }
        Ok(())
    }

    /// A power loss takes what was not synced.
    pub(super) fn lose_unsynced(&mut self) {
        self.nodes.retain(|_, node| node.synced);
    }

    /// What a run left, in words.
    pub(super) fn rests(&self) -> Vec<String> {
        let ours = self.nodes.iter().filter(|(_, node)| node.owner == Owner::Ours);
        ours.map(|(path, _)| format!("file {}", path.display())).collect()
    }

    /// What is of others.
    pub(super) fn foreign(&self) -> Vec<(&Path, &Node)> {
        let others = self.nodes.iter().filter(|(_, node)| node.owner == Owner::Foreign);
        others.map(|(path, node)| (path.as_path(), node)).collect()
    }

    /// Hexadecimal digits are left out, since they are mostly times and sums.
    pub(super) fn fingerprint(&self, hash: &mut impl Hasher) {
        let ours = self.nodes.iter().filter(|(_, node)| node.owner != Owner::Foreign);
        for (path, node) in ours {
            (path, node.synced, node.owner).hash(hash);
            let mut text = node.text.clone().unwrap_or_default().into_bytes();
            text.retain(|byte| !byte.is_ascii_hexdigit());
            hash.write(&text);
        }
        self.nodes.len().hash(hash);
    }
}
