//! What verifications and drills found of each backup: a file a backup in the state directory,
//! since a published backup is never written again. It is kept where the runs are and not beside
//! the backups, so a disk that damages a backup does not damage what is known of it.
//!
//! Deliberately absent: the judgement of a single file or table. A finding is what the operator is
//! told, in words; the manifest of a backup says what it should hold.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::host::{Act, Ask, Fault, Host};
use crate::units::{Bytes, Millis};

/// The version of the format that this program writes; others are told and not read.
pub const VERSION: u32 = 1;

/// How many problems of one look are kept in words; all of them are counted.
pub const PROBLEMS_MAX: usize = 20;

/// What the files end with.
const END: &str = ".json";

/// How a backup was looked at.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// Every file was read and compared with the manifest.
    Verify,
    /// A share of the files was.
    Sample,
    /// A private server started on it.
    Drill,
    /// A file that it shares with another backup was found damaged there.
    Shared,
}

/// What one look found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// When it was over, in UTC.
    pub at: Timestamp,
    /// How long it took.
    pub took_ms: Millis,
    /// How many files were read; nothing of a drill.
    pub files: Option<u64>,
    /// How many bytes were read; nothing of a drill.
    pub bytes: Option<Bytes>,
    /// How long a server took from its start until it could be used; only of a drill.
    pub ready_ms: Option<Millis>,
    /// How many problems there are.
    pub problems_found: u64,
    /// The first of them, in words.
    pub problems: Vec<String>,
}

/// All that is known of a backup: the newest finding of each kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The format's version.
    pub version: u32,
    /// The run that made the backup.
    pub run: String,
    /// The newest of each kind.
    pub found: BTreeMap<How, Finding>,
}

/// How a published backup stands by what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nobody has looked since it was published.
    Unseen,
    /// Every file was as the manifest says, the last time they were read.
    Verified(Timestamp),
    /// A server came up on it, the last time it was tried.
    Drilled(Timestamp),
    /// A look found a problem, and none of the same or greater reach has found it sound since.
    Damaged(Timestamp, String),
}

impl Finding {
    /// Whether nothing was wrong.
    pub fn is_sound(&self) -> bool {
        self.problems_found == 0
    }
}

impl Known {
    /// Nothing is known of this run's backup.
    pub fn nothing(run: &str) -> Self {
        Self { version: VERSION, run: run.into(), found: BTreeMap::new() }
    }

    /// How the backup stands.
    pub fn standing(&self) -> Standing {
        let of = |how| self.found.get(&how);
        let whole = of(How::Verify);
        let outdated = |how, one: &Finding| {
            matches!(how, How::Sample | How::Shared)
                && whole.is_some_and(|whole| whole.is_sound() && whole.at > one.at)
        };
        let bad = self.found.iter().filter(|(how, one)| !one.is_sound() && !outdated(**how, one));
        if let Some((_, worst)) = bad.max_by_key(|(_, one)| one.at) {
            let first = worst.problems.first().cloned().unwrap_or_default();
            return Standing::Damaged(worst.at, first);
        }
        match (of(How::Drill), whole) {
            (Some(drill), _) => Standing::Drilled(drill.at),
            (None, Some(whole)) => Standing::Verified(whole.at),
            (None, None) => Standing::Unseen,
        }
    }
}

/// The directory of what is known, below the state directory.
pub fn directory(state_dir: &Path) -> PathBuf {
    state_dir.join("known")
}

fn path(state_dir: &Path, run: &str) -> PathBuf {
    directory(state_dir).join(format!("{run}{END}"))
}

/// What is known of a backup; a file that cannot be read is a fault, not ignorance.
pub fn recall(host: &dyn Host, state_dir: &Path, run: &str) -> Result<Known, Fault> {
    let path = path(state_dir, run);
    let Some(text) = host.file(&path)? else { return Ok(Known::nothing(run)) };
    parse(&text, run).map_err(|why| Fault::refused(format!("'{}': {why}", path.display())))
}

/// Notes a finding. What was there and cannot be read is replaced: the new finding is the newer
/// one.
pub fn remember(
    host: &mut dyn Host,
    state_dir: &Path,
    run: &str,
    how: How,
    finding: Finding,
) -> Result<(), Fault> {
    let mut known = recall(host, state_dir, run).unwrap_or_else(|_| Known::nothing(run));
    known.found.insert(how, finding);
    let text = serde_json::to_string_pretty(&known).map_err(|e| Fault::refused(e.to_string()))?;
    host.act(&Act::MakeDir(directory(state_dir)))?;
    host.act(&Act::WriteFile { path: path(state_dir, run), text: text + "\n" }).map(drop)
}

/// Forgets a backup that was removed. Idempotent.
pub fn forget(host: &mut dyn Host, state_dir: &Path, run: &str) -> Result<(), Fault> {
    let path = path(state_dir, run);
    match host.entry(&path)? {
        None => Ok(()),
        Some(_) => host.act(&Act::RemoveFile(path)).map(drop),
    }
}

fn parse(text: &str, run: &str) -> Result<Known, String> {
    let known: Known =
        serde_json::from_str(text).map_err(|error| format!("it is damaged: {error}"))?;
    if known.version != VERSION {
        return Err(format!("expected version {VERSION}, found version {}", known.version));
    }
    if known.run != run {
        return Err(format!("expected run {run}, found run {}", known.run));
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::linux::Linux;

    const RUN: &str = "20261123T010203Z-00002a";

    fn finding(second: i64, problems: &[&str]) -> Finding {
        Finding {
            at: Timestamp::from_second(second).unwrap(),
            took_ms: Millis(10),
            files: Some(3),
            bytes: Some(Bytes(4096)),
            ready_ms: None,
            problems_found: problems.len() as u64,
            problems: problems.iter().map(|one| (*one).to_owned()).collect(),
        }
    }

    fn standing(found: &[(How, Finding)]) -> Standing {
        Known { found: found.iter().cloned().collect(), ..Known::nothing(RUN) }.standing()
    }

    #[test]
    fn a_problem_stands_until_a_look_of_the_same_reach_finds_none() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let damaged = |second| Standing::Damaged(at(second), "a".into());
        assert_eq!(standing(&[]), Standing::Unseen);
        assert_eq!(standing(&[(How::Sample, finding(1, &[]))]), Standing::Unseen);
        assert_eq!(standing(&[(How::Verify, finding(1, &[]))]), Standing::Verified(at(1)));
        let drilled = [(How::Drill, finding(2, &[])), (How::Verify, finding(1, &[]))];
        assert_eq!(standing(&drilled), Standing::Drilled(at(2)));
        let rotten = [(How::Drill, finding(2, &[])), (How::Sample, finding(1, &["a"]))];
        assert_eq!(standing(&rotten), damaged(1), "a server does not read every file");
        let cleared = [(How::Verify, finding(3, &[])), (How::Sample, finding(1, &["a"]))];
        assert_eq!(standing(&cleared), Standing::Verified(at(3)));
        let earlier = [(How::Verify, finding(1, &[])), (How::Sample, finding(3, &["a"]))];
        assert_eq!(standing(&earlier), damaged(3));
        let shared = [(How::Verify, finding(1, &[])), (How::Shared, finding(2, &["a"]))];
        assert_eq!(standing(&shared), damaged(2));
        let cleared = [(How::Verify, finding(3, &[])), (How::Shared, finding(2, &["a"]))];
        assert_eq!(standing(&cleared), Standing::Verified(at(3)));
        let unusable = [(How::Verify, finding(3, &[])), (How::Drill, finding(1, &["a"]))];
        assert_eq!(standing(&unusable), damaged(1), "reading files starts no server");
    }

    #[test]
    fn what_is_remembered_is_recalled_until_it_is_forgotten() {
        let home = tempfile::tempdir().unwrap();
        let mut host = Linux::new().unwrap();
        assert_eq!(recall(&host, home.path(), RUN), Ok(Known::nothing(RUN)));
        remember(&mut host, home.path(), RUN, How::Verify, finding(1, &["a"])).unwrap();
        remember(&mut host, home.path(), RUN, How::Drill, finding(2, &[])).unwrap();
        remember(&mut host, home.path(), RUN, How::Verify, finding(3, &[])).unwrap();
        let known = recall(&host, home.path(), RUN).unwrap();
        assert_eq!(known.found[&How::Verify], finding(3, &[]));
        assert_eq!(known.found[&How::Drill], finding(2, &[]));
        forget(&mut host, home.path(), RUN).unwrap();
        forget(&mut host, home.path(), RUN).unwrap();
        assert_eq!(recall(&host, home.path(), RUN), Ok(Known::nothing(RUN)));
    }

    #[test]
    fn another_run_another_version_and_a_cut_text_are_told() {
        let text = serde_json::to_string(&Known::nothing(RUN)).unwrap();
        assert_eq!(parse(&text, RUN), Ok(Known::nothing(RUN)));
        let other = text.replace("\"version\":1", "\"version\":2");
        assert_eq!(parse(&other, RUN), Err("expected version 1, found version 2".into()));
        assert!(parse(&text, "20261123T010203Z-00002b").unwrap_err().contains("expected run"));
        for end in 0..text.len() {
            assert!(parse(&text[..end], RUN).is_err());
        }
        let home = tempfile::tempdir().unwrap();
        let mut host = Linux::new().unwrap();
        host.act(&Act::MakeDir(directory(home.path()))).unwrap();
        let path = path(home.path(), RUN);
        host.act(&Act::WriteFile { path, text: "{".into() }).unwrap();
        assert!(recall(&host, home.path(), RUN).is_err(), "taken for ignorance");
        remember(&mut host, home.path(), RUN, How::Drill, finding(2, &[])).unwrap();
        assert_eq!(
            recall(&host, home.path(), RUN).unwrap().standing(),
            standing(&[(How::Drill, finding(2, &[]))])
        );
    }
}
