//! What stands there against what the manifest lists. Pure, but for the statements' few bytes.
//!
//! The time of a directory is not held against anything: it tells no more than what was added to it
//! and removed, and both are told by name.

use std::cmp::Ordering;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::problem::{Problem, What};
use crate::digest::Digest;
use crate::host::{Ask, Found, Host, Moment, Tree, Type};
use crate::manifest::{self, Entry};
use crate::store::{COORDINATES, RECORD, Summary};

/// What a comparison found.
pub(crate) struct Compared<'a> {
    pub(crate) problems: Vec<Problem>,
    /// The files of which nothing but the content is left to be seen.
    pub(crate) readable: Vec<&'a Entry>,
}

/// Compares the entries with what stands in the backup's directory; both are in order of the paths'
/// bytes.
pub(crate) fn compare<'a>(entries: &'a [Entry], tree: &Tree) -> Compared<'a> {
    let mut compared = Compared { problems: Vec::new(), readable: Vec::new() };
    for (path, why) in &tree.unseen {
        compared.problems.push(Problem::new(path, What::Unreadable { why: why.clone() }));
    }
    let unseen = |path: &Path| tree.unseen.iter().any(|(one, _)| path.starts_with(one));
    let mut found = tree.found.iter().filter(|one| !is_known(&one.path)).peekable();
    for entry in entries {
        while let Some(extra) = found.next_if(|one| order(&one.path, &entry.path).is_lt()) {
            compared.problems.push(stray(extra));
        }
        match found.next_if(|one| order(&one.path, &entry.path).is_eq()) {
            Some(one) => {
                let problems = differences(entry, one);
                let whole =
                    entry.is == Type::File && one.is == Type::File && entry.size == one.size;
                compared.readable.extend(Some(entry).filter(|_| whole));
                compared.problems.extend(problems);
            }
            None if unseen(&entry.path) => {}
            None => compared.problems.push(Problem::new(&entry.path, What::Missing)),
        }
    }
    compared.problems.extend(found.map(stray));
    compared
}

fn order(one: &Path, other: &Path) -> Ordering {
    one.as_os_str().as_bytes().cmp(other.as_os_str().as_bytes())
}

/// Whether it is one of the files beside the trees.
fn is_known(path: &Path) -> bool {
    [RECORD, COORDINATES, manifest::FILE].iter().any(|name| path == Path::new(name))
}

fn stray(found: &Found) -> Problem {
    Problem::new(&found.path, What::Extra { found: found.is.name().into() })
}

/// Everything about one path that is not its content.
fn differences(entry: &Entry, found: &Found) -> Vec<Problem> {
    let mut all = Vec::new();
    if entry.is != found.is {
        let (expected, found) = (entry.is.name().into(), found.is.name().into());
        return vec![Problem::new(&entry.path, What::Type { expected, found })];
    }
    if entry.target != found.target {
        let shown = |target: &Option<_>| target.as_deref().map(manifest::shown).unwrap_or_default();
        let (expected, found) = (shown(&entry.target), shown(&found.target));
        all.push(What::Target { expected, found });
    } else if entry.size != found.size {
        all.push(What::Size { expected: entry.size.0, found: found.size.0 });
    }
    if entry.mode != found.mode {
        let (expected, found) = (octal(entry.mode), octal(found.mode));
        all.push(What::Mode { expected, found });
    }
    if (entry.uid, entry.gid) != (found.uid, found.gid) {
        let shown = |uid: u32, gid: u32| format!("{uid}:{gid}");
        let (expected, found) = (shown(entry.uid, entry.gid), shown(found.uid, found.gid));
        all.push(What::Owner { expected, found });
    }
    if entry.mtime != found.mtime && entry.is != Type::Directory {
        let (expected, found) = (shown(entry.mtime), shown(found.mtime));
        all.push(What::Time { expected, found });
    }
    all.into_iter().map(|what| Problem::new(&entry.path, what)).collect()
}

fn octal(mode: u32) -> String {
    format!("{mode:04o}")
}

fn shown(moment: Moment) -> String {
    format!("{}.{:09}", moment.seconds, moment.nanos)
}

/// The statements beside the trees, which are in no manifest.
pub(super) fn statements(host: &dyn Host, backup: &Path, summary: &Summary) -> Vec<Problem> {
    let Some(told) = &summary.statements else { return Vec::new() };
    let what = match host.file(&backup.join(COORDINATES)) {
        Err(fault) => What::Unreadable { why: fault.to_string() },
        Ok(None) => What::Missing,
        Ok(Some(text)) => {
            let (expected, found) = (told.blake3, Digest::of(text.as_bytes()));
            if expected == found {
                return Vec::new();
            }
            What::Content { expected, found }
        }
    };
    vec![Problem::new(Path::new(COORDINATES), what)]
}
