//! The runs of the pictures: what the history tells of each, and of a backup that it does not reach
//! back to, its record.

use jiff::Timestamp;

use crate::catalog::{Backup, Catalog};
use crate::history::Entry;
use crate::units::{Bytes, Millis};

/// So many of the newest runs are drawn; the history has hardly more.
const RUNS_MAX: usize = 100;

/// One run.
#[derive(Clone, Debug)]
pub(super) struct Point {
    /// Its id.
    pub(super) run: String,
    /// When it began.
    pub(super) began: Timestamp,
    /// Why it made no backup, or left something; nothing if all was well.
    pub(super) failed: Option<String>,
    /// How long it took.
    pub(super) took_ms: Option<Millis>,
    /// How long the parts of it took.
    pub(super) parts_ms: Parts,
    /// How long the lock was waited for, if the window was reached.
    pub(super) waited_ms: Option<Millis>,
    /// How long it was held.
    pub(super) locked_ms: Option<Millis>,
    /// How long a volume was seen suspended.
    pub(super) suspended_ms: Option<Millis>,
    /// The size of the backup, if there was one.
    pub(super) bytes: Option<Bytes>,
    /// How full the COW store was, in percent.
    pub(super) cow_percent: Option<u64>,
}

/// The parts of a run, as a person would tell them apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    /// Until writes are stopped; nothing if that is not told apart.
    pub(super) before: Option<Millis>,
    /// From there until the snapshot is mounted.
    pub(super) snapshot: Option<Millis>,
    /// The copy.
    pub(super) copy: Option<Millis>,
    /// All the rest.
    pub(super) rest: Option<Millis>,
}

/// The runs, oldest first.
pub(super) fn points(catalog: &Catalog, runs: &[Entry]) -> Vec<Point> {
    let backup = |run: &str| catalog.published().find(|one| one.run == run);
    let mut all: Vec<Point> = runs.iter().map(|run| of_run(run, backup(&run.run))).collect();
    let known = |one: &&Backup| !runs.iter().any(|run| run.run == one.run);
    all.extend(catalog.published().filter(known).filter_map(of_backup));
    all.sort_by(|one, other| one.began.cmp(&other.began).then_with(|| one.run.cmp(&other.run)));
    let old = all.len().saturating_sub(RUNS_MAX);
    all.split_off(old)
}

fn of_run(run: &Entry, backup: Option<&Backup>) -> Point {
    let parts = backup.map(parts).unwrap_or_default();
    let copy = parts.copy.or(run.copy_ms);
    let told = [parts.before, parts.snapshot, copy].into_iter().flatten().map(|ms| ms.0).sum();
    let rest = run.took_ms.map(|Millis(took)| Millis(took.saturating_sub(told)));
    Point {
        run: run.run.clone(),
        began: run.started,
        failed: failed(run),
        took_ms: run.took_ms,
        parts_ms: Parts { copy, rest, ..parts },
        waited_ms: run.waited_ms,
        locked_ms: run.locked_ms,
        suspended_ms: run.suspended_ms,
        bytes: run.backup.as_ref().and(run.bytes).or_else(|| backup?.bytes()),
        cow_percent: run.cow_percent_max,
    }
}

fn of_backup(one: &Backup) -> Option<Point> {
    let window = &one.ours.as_ref()?.summary.window;
    Some(Point {
        run: one.run.clone(),
        began: one.began?,
        failed: None,
        took_ms: one.took_ms(),
        parts_ms: parts(one),
        waited_ms: Some(window.waited_ms),
        locked_ms: Some(window.locked_ms),
        suspended_ms: window.suspended_ms,
        bytes: one.bytes(),
        cow_percent: one.cow_percent(),
    })
}

fn parts(one: &Backup) -> Parts {
    let Some(ours) = &one.ours else { return Parts::default() };
    let times = &ours.summary.timings_ms;
    let sum = |names: &[&str]| {
        let known: Vec<u64> = names.iter().filter_map(|name| Some(times.get(*name)?.0)).collect();
        (!known.is_empty()).then(|| Millis(known.iter().sum()))
    };
    Parts {
        before: sum(&["prepare", "wait_for_long_statements", "stop_the_applier"]),
        snapshot: sum(&["hold_still", "prove_that_it_held_still", "resume_the_applier", "mount"]),
        copy: sum(&["copy"]),
        rest: sum(&["publish", "settle"]),
    }
}

/// Why a run is not one to be content with.
pub(super) fn failed(run: &Entry) -> Option<String> {
    if run.exit == Some(0) {
        return None;
    }
    let phase = run.phase.as_ref().map(|phase| format!("while in '{phase}': "));
    let why = run.fault.clone().or_else(|| run.left.first().map(|left| format!("left: {left}")));
    let why = why.or_else(|| run.kept.clone()).unwrap_or_else(|| "it has told no reason".into());
    Some(format!("{}{why}", phase.unwrap_or_default()))
}
