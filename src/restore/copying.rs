//! The commands that copy a place of a restore. Pure.
//!
//! Deliberately absent: what becomes of them; the story listens to that.

use std::path::Path;

use super::{Place, Plan};
use crate::copy::rsync;
use crate::host::{Cmd, Fault};
use crate::units::Millis;

/// How long one command may copy: a week.
const COPY_MS_MAX: Millis = Millis(7 * 24 * 3600 * 1000);

/// How many names one command is handed: their length is bounded, and so is an argument vector.
const PARTS_MAX: usize = 400;

/// The commands that copy a place, each with some of what is right in it: so the directory itself
/// stays ours alone. A file that is interrupted keeps its name and is known by its time, which
/// rsync sets last.
pub(super) fn commands(plan: &Plan, place: &Place, there: &[String]) -> Result<Vec<Cmd>, Fault> {
    let root = plan.backup.join(&place.from);
    let mut parts = Vec::new();
    for entry in place.entries.iter().filter(|one| one.path.components().count() == 1) {
        let name = entry.path.to_str().ok_or_else(|| Fault::refused("a name is no text"))?;
        parts.extend(there.iter().find(|one| *one == name).cloned());
    }
    let excludes: Vec<String> = place.excluded.iter().map(|path| anchored(path)).collect();
    let command = |parts: &[String]| {
        let mut cmd = rsync::command(&rsync::Order {
            rsync: &plan.rsync,
            root: &root,
            parts,
            excludes: &excludes,
            target: &place.to,
            choice: rsync::Choice::All,
            handed: rsync::Handed::Summed,
            bandwidth_max: None,
            ms_max: COPY_MS_MAX,
        });
        let mut more = vec!["--inplace".to_owned()];
        more.extend(plan.owner.map(|owner| format!("--chown={owner}")));
        cmd.args.splice(0..0, more);
        cmd
    };
    Ok(parts.chunks(PARTS_MAX).map(command).collect())
}

/// The command that gives a place what the directory itself has beside its owner and mode.
pub(super) fn attributes(plan: &Plan, place: &Place) -> Cmd {
    rsync::attributes(&plan.rsync, &plan.backup.join(&place.from), &place.to, COPY_MS_MAX)
}

/// A path as a pattern of rsync that means nothing else (rsync(1), "PATTERN MATCHING RULES"): a
/// backslash takes a wildcard's meaning only where there is a wildcard.
fn anchored(path: &Path) -> String {
    let text = path.to_string_lossy();
    let wild = |letter: char| matches!(letter, '*' | '?' | '[');
    if !text.contains(wild) {
        return format!("/{text}");
    }
    let escaped = text.chars().flat_map(|letter| {
        let mark = (wild(letter) || letter == '\\').then_some('\\');
        mark.into_iter().chain([letter])
    });
    format!("/{}", escaped.collect::<String>())
}
