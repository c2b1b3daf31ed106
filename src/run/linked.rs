//! Which files of the copy are those of an earlier backup, by their inodes. Their sums are what the
//! earlier manifest says, if that fits what stands there; they are not read again.
//!
//! Damage that an earlier backup has in a shared file is in both, and not told here: a verification
//! of either finds it and tells it of the other. What must not happen is that damage gets a sum of
//! its own: where rsync can make no link, since only the owner changed, it copies from the earlier
//! backup. So a file that could have been linked and was not must have the sum that it had.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet, hash_map};
use std::path::{Path, PathBuf};

use super::{Event, Run};
use crate::copy::rsync::Stats;
use crate::digest::Digest;
use crate::host::{self, Ask, Fault, Found, Host, Kind, Type};
use crate::manifest::{self, Entry, Manifest};
use crate::memory::{self, Finding, How};
use crate::plan::Base;
use crate::store::Record;
use crate::units::{Bytes, Millis};

/// What is shared with an earlier backup.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Linked {
    /// The sums of the files that are, by path.
    sums: HashMap<PathBuf, Digest>,
    /// The sums that files must have which could have been.
    expected: HashMap<PathBuf, Digest>,
    stats: Stats,
}

impl Linked {
    /// The sum of a file, if it is shared.
    pub(super) fn sum(&self, path: &Path) -> Option<Digest> {
        self.sums.get(path).copied()
    }
}

/// Those whose directory is where it was. rsync follows a link on the way to a file that it is
/// given by name, and an absolute one leads out of the snapshot, to the server's own files.
pub(super) fn inside<'a>(
    host: &dyn Host,
    root: &Path,
    names: &'a [String],
) -> Result<impl Iterator<Item = &'a str>, Fault> {
    let no_root = || Fault::refused(format!("'{}' is not there", root.display()));
    let real = host.entry(root)?.ok_or_else(no_root)?.real;
    let mut stands = HashMap::new();
    for directory in names.iter().filter_map(|name| Path::new(name).parent()) {
        if let hash_map::Entry::Vacant(place) = stands.entry(directory) {
            let found = host.entry(&root.join(directory))?;
            let is_it = |entry: host::Entry| {
                entry.kind == Kind::Directory && entry.real == real.join(directory)
            };
            place.insert(found.is_some_and(is_it));
        }
    }
    let stands = move |name: &&String| Path::new(*name).parent().is_some_and(|at| stands[at]);
    Ok(names.iter().filter(stands).map(String::as_str))
}

/// Finds what is shared; nothing where nothing was to be linked.
pub(super) fn look(run: &mut Run<'_>, found: &[Found]) -> Result<Linked, Fault> {
    let Some(base) = run.plan.base() else { return Ok(Linked::default()) };
    let text = run.host.long_file(&base.path.join(manifest::FILE))?.unwrap_or_default();
    let gone = |why: String| Fault::refused(format!("cannot link to {}: {why}", base.run));
    let manifest = Manifest::sealed(&text, base.manifest, &base.run).map_err(gone)?;
    let theirs = run.host.tree(&base.path)?.found;
    judge(base, &manifest.entries, &theirs, found).map_err(|path| distrust(run, base, path))
}

/// What is shared, or the path of the first file that is linked to something else than what the
/// earlier manifest lists. Pure.
fn judge<'a>(
    base: &Base,
    entries: &[Entry],
    theirs: &[Found],
    ours: &'a [Found],
) -> Result<Linked, &'a Path> {
    let entries: HashMap<&Path, &Entry> =
        entries.iter().map(|entry| (entry.path.as_path(), entry)).collect();
    let mut inodes: HashMap<u64, Vec<&Path>> = HashMap::new();
    for one in theirs.iter().filter(|one| one.is == Type::File && one.names > 1) {
        inodes.entry(one.inode).or_default().push(&one.path);
    }
    let mut names: HashMap<u64, u64> = HashMap::new();
    for one in ours.iter().filter(|one| one.is == Type::File) {
        *names.entry(one.inode).or_default() += 1;
    }
    let mut linked = Linked::default();
    for one in ours.iter().filter(|one| one.is == Type::File) {
        let entry = |path: &&Path| entries.get(path).copied();
        match inodes.get(&one.inode) {
            Some(paths) => {
                let known = paths.iter().filter_map(entry).find(|entry| fits(base, entry, one));
                let sum = known.and_then(|entry| entry.blake3).ok_or(one.path.as_path())?;
                linked.sums.insert(one.path.clone(), sum);
            }
            // It has a name that is in neither backup.
            None if one.names > names[&one.inode] => return Err(&one.path),
            None => {
                let same =
                    entry(&one.path.as_path()).filter(|entry| is_unchanged(base, entry, one));
                let sum = same.and_then(|entry| entry.blake3);
                linked.expected.extend(sum.map(|sum| (one.path.clone(), sum)));
            }
        }
    }
    linked.stats = counted(ours.iter().filter(|one| linked.sums.contains_key(&one.path)));
    Ok(linked)
}

/// Whether a file is what an entry says, and old enough for that to mean something.
fn fits(base: &Base, entry: &Entry, one: &Found) -> bool {
    is_unchanged(base, entry, one)
        && (entry.mode, entry.uid, entry.gid) == (one.mode, one.uid, one.gid)
}

fn is_unchanged(base: &Base, entry: &Entry, one: &Found) -> bool {
    entry.is == Type::File
        && entry.size == one.size
        && entry.mtime == one.mtime
        && entry.mtime < base.until
}

/// Files and their bytes, one of several names once.
pub(super) fn counted<'a>(files: impl Iterator<Item = &'a Found>) -> Stats {
    let mut seen = HashSet::new();
    let mut all = Stats::default();
    for one in files {
        if one.names == 1 || seen.insert(one.inode) {
            all.add(Stats { files: 1, bytes: one.size });
        }
    }
    all
}

/// Holds what was read against what must be the same.
pub(super) fn hold_against(
    run: &mut Run<'_>,
    linked: &Linked,
    manifest: &Manifest,
) -> Result<(), Fault> {
    let Some(base) = run.plan.base() else { return Ok(()) };
    let other = |entry: &&Entry| {
        linked.expected.get(&entry.path).is_some_and(|sum| entry.blake3 != Some(*sum))
    };
    match manifest.entries.iter().find(other) {
        None => Ok(()),
        Some(entry) => Err(distrust(run, base, &entry.path)),
    }
}

/// Tells how much is linked; it is part of the backup like what was copied.
pub(super) fn note(run: &mut Run<'_>, linked: &Linked, record: &mut Record) {
    let (Some(base), Some(told)) = (run.plan.base(), &mut record.linked) else { return };
    (told.files, told.bytes) = (linked.stats.files, linked.stats.bytes);
    record.copied.add(linked.stats);
    (run.tell)(Event::Linked(linked.stats, base.run.clone()));
}

/// Remembers that the earlier backup is not what its manifest says, so that the next run copies
/// everything. This run has failed: nobody knows what it has linked.
fn distrust(run: &mut Run<'_>, base: &Base, path: &Path) -> Fault {
    let shown = manifest::shown(path);
    let problem = format!("not what its manifest says: '{shown}', seen by run {}", run.plan.run);
    let finding = Finding {
        at: run.plan.machine.began(),
        took_ms: Millis(0),
        files: Some(1),
        bytes: Some(Bytes(0)),
        ready_ms: None,
        problems_found: 1,
        problems: vec![problem],
    };
    let why = format!(
        "'{shown}' is not what the manifest of {} says, which it was to be linked to; 'holdstill \
         verify {}' tells more, and the next run copies everything",
        base.run, base.run
    );
    match memory::remember(run.host, &base.state_dir, &base.run, How::Shared, finding) {
        Ok(()) => Fault::refused(why),
        Err(fault) => Fault::refused(why).during(&format!("cannot note it: {fault}")),
    }
}
