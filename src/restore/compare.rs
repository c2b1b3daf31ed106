//! What landed against what should have: as a verification compares, with the owner that was asked
//! for. Pure; the sums are read by the story.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use super::{Owner, Place, marker, target};
use crate::host::{Sum, Tree};
use crate::manifest::{self, Entry};
use crate::verify::compare::compare as verified;
use crate::verify::{self, What};

/// Something that is not as the manifest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where and what; the path is relative to the backup.
    pub of: verify::Problem,
    /// Whose it is, as far as that was looked at.
    pub fault: Whose,
}

/// What is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// What was restored, and perhaps the backup.
    Copy,
    /// The backup.
    Backup,
}

/// What a comparison of one place found.
pub(super) struct Compared {
    pub(super) problems: Vec<Problem>,
    /// The files of which nothing but the content is left to be seen, relative to the place.
    pub(super) readable: BTreeSet<PathBuf>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = if self.fault == Whose::Backup { "in the backup: " } else { "" };
        write!(f, "{whose}{}", self.of)
    }
}

impl Problem {
    /// Something about what is at this path in a place.
    fn at(place: &Place, path: &Path, what: What, fault: Whose) -> Self {
        Self { of: verify::Problem::new(&place.from.join(path), what), fault }
    }

    /// Whether another copy could be right.
    pub(super) fn is_of_content(&self) -> bool {
        use What::{Content, Missing, Size, Type, Unreadable};
        matches!(
            self.of.what,
            Content { .. } | Missing | Size { .. } | Type { .. } | Unreadable { .. }
        )
    }
}

/// A path in a place as a problem names it.
pub(super) fn shown(place: &Place, path: &Path) -> String {
    manifest::shown(&place.from.join(path))
}

/// What is wrong with the backup itself, in words.
pub fn of_backup(problems: &[Problem]) -> Vec<String> {
    let theirs = problems.iter().filter(|one| one.fault == Whose::Backup);
    theirs.map(|one| one.of.to_string()).collect()
}

/// Everything that is wrong with a place, but for what is in the files.
pub(super) fn compare(place: &Place, mut tree: Tree, owner: Option<Owner>) -> Compared {
    tree.found.retain(|one| !ours(&one.path));
    tree.unseen.retain(|(path, _)| !ours(path));
    let given = |entry: &Entry| match owner {
        Some(Owner { uid, gid }) => Entry { uid, gid, ..entry.clone() },
        None => entry.clone(),
    };
    let wanted: Vec<Entry> = place.entries.iter().map(given).collect();
    let compared = verified(&wanted, &tree);
    let problem = |one: verify::Problem| {
        let from = manifest::shown(&place.from);
        let of = verify::Problem { path: format!("{from}/{}", one.path), ..one };
        Problem { of, fault: Whose::Copy }
    };
    Compared {
        readable: compared.readable.iter().map(|one| one.path.clone()).collect(),
        problems: compared.problems.into_iter().map(problem).collect(),
    }
}

/// Whether something at the top is the marker, or was there before.
fn ours(path: &Path) -> bool {
    let name = path.to_str().unwrap_or_default();
    marker::is_name(name) || path.starts_with(target::LOST_AND_FOUND)
}

/// What of a file that was read is not as the manifest says. Pages that were bad in the source
/// already are not the restore's affair: what was backed up is what is restored.
pub(super) fn content(
    place: &Place,
    entry: &Entry,
    sum: &Result<Sum, String>,
    fault: Whose,
) -> Option<Problem> {
    let expected = entry.blake3?;
    let what = match sum {
        Ok(sum) if sum.blake3 == expected => return None,
        Ok(sum) => What::Content { expected, found: sum.blake3 },
        Err(why) => What::Unreadable { why: why.clone() },
    };
    Some(Problem::at(place, &entry.path, what, fault))
}
