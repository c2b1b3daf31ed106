//! What is remembered of a place: how the pushes to it went, and what verifications there found
//! damaged. A small file in the state directory, so that monitoring need not ask over the network.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::restic::REPOSITORY;
use super::{Depth, Far};
use crate::host::{Act, Ask, Fault, Host};

/// The version of the format.
const VERSION: u32 = 1;

/// What is remembered of a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memo {
    version: u32,
    /// The newest backup that was pushed whole.
    pub pushed: Option<Push>,
    /// The push that failed since, and why.
    pub failed: Option<Failure>,
    /// What was found damaged there, by its run, and not found sound since.
    #[serde(default)]
    pub damaged: BTreeMap<String, Damage>,
}

/// A push that came to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Push {
    /// The backup.
    pub run: String,
    /// When it was over.
    pub at: Timestamp,
}

/// A push that did not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The backup.
    pub run: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub why: String,
}

/// A backup that a verification there found damaged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// When.
    pub at: Timestamp,
    /// The first problem, in words.
    pub problem: String,
}

impl Memo {
    /// What is known to be wrong with a run's backup there: its own damage, or that of the
    /// repository, which no backup in it can be sure of.
    pub fn damage_of(&self, run: &str) -> Option<&Damage> {
        let of_all = || self.damaged.values().find(|one| one.problem.starts_with(REPOSITORY));
        self.damaged.get(run).or_else(of_all)
    }

    fn nothing() -> Self {
        Self { version: VERSION, pushed: None, failed: None, damaged: BTreeMap::new() }
    }
}

fn path(state_dir: &Path, place: &str) -> PathBuf {
    state_dir.join("pushed").join(format!("{place}.json"))
}

/// What is remembered; a file that cannot be read is a fault, not ignorance.
pub fn recall(host: &dyn Host, state_dir: &Path, place: &str) -> Result<Memo, Fault> {
    let path = path(state_dir, place);
    let Some(text) = host.file(&path)? else { return Ok(Memo::nothing()) };
    let wrong = |why: String| Fault::refused(format!("'{}': {why}", path.display()));
    let memo: Memo = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    if memo.version != VERSION {
        return Err(wrong(format!("expected version {VERSION}, found {}", memo.version)));
    }
    Ok(memo)
}

/// Notes how a push went. An older backup that is pushed by hand does not hide a newer one. What
/// was pushed was compared there: it takes the place of one that was damaged, and was removed.
pub(super) fn note(
    host: &mut dyn Host,
    state_dir: &Path,
    place: &str,
    run: &str,
    ended: Result<(), &Fault>,
) -> Result<(), Fault> {
    let mut memo = recall(host, state_dir, place)?;
    let at = host.machine()?.began();
    let run = run.to_owned();
    match ended {
        Ok(()) => {
            if memo.pushed.as_ref().is_none_or(|before| before.run <= run) {
                memo.pushed = Some(Push { run: run.clone(), at });
            }
            memo.failed = memo.failed.filter(|failed| failed.run > run);
            memo.damaged.remove(&run);
        }
        Err(fault) => memo.failed = Some(Failure { run, at, why: fault.to_string() }),
    }
    save(host, state_dir, place, &memo)
}

/// Notes what a verification there found: problems stay until all of the backup was read and found
/// sound, as a share that is sound says nothing of the rest.
pub fn note_verified(
    host: &mut dyn Host,
    state_dir: &Path,
    place: &str,
    run: &str,
    problems: &[String],
    depth: Depth,
) -> Result<(), Fault> {
    let mut memo = recall(host, state_dir, place)?;
    let changed = match problems.first() {
        Some(first) => {
            let damage = Damage { at: host.machine()?.began(), problem: first.clone() };
            memo.damaged.insert(run.into(), damage);
            true
        }
        None => depth == Depth::All && memo.damaged.remove(run).is_some(),
    };
    if changed { save(host, state_dir, place, &memo) } else { Ok(()) }
}

/// Forgets what was found of backups that are not there any more. Where none are, a disk may not
/// be mounted there, and nothing is forgotten.
pub fn keep_only(
    host: &mut dyn Host,
    state_dir: &Path,
    place: &str,
    there: &[Far],
) -> Result<(), Fault> {
    if there.is_empty() {
        return Ok(());
    }
    let mut memo = recall(host, state_dir, place)?;
    let before = memo.damaged.len();
    memo.damaged.retain(|run, _| there.iter().any(|far| far.run == *run));
    if memo.damaged.len() < before { save(host, state_dir, place, &memo) } else { Ok(()) }
}

fn save(host: &mut dyn Host, state_dir: &Path, place: &str, memo: &Memo) -> Result<(), Fault> {
    let text = serde_json::to_string_pretty(memo).map_err(|e| Fault::refused(e.to_string()))?;
    host.act(&Act::MakeDir(state_dir.join("pushed")))?;
    host.act(&Act::WriteFile { path: path(state_dir, place), text: text + "\n" }).map(drop)
}
