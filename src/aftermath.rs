//! What follows a run that is over, or a recovery of dead ones: its outcome in the history, the
//! figures for monitoring, and the operator's hook. Nothing here changes how the run ended; what
//! goes wrong is told.
//!
//! Deliberately absent: anything at all where writes may still be stopped. The ledger is kept then,
//! and tells more; and the dead-man, which lets go once more when we end, must not wait.

use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::error::{Code, Stop};
use crate::history::{self, Attempt, Entry, Figures};
use crate::hooks::{self, Moment};
use crate::host::{Ask, Fault, Host};
use crate::ledger::Ledger;
use crate::memory::{self, Finding, How};
use crate::recover::{self, End, Recovered};
use crate::run::Outcome;
use crate::settle;
use crate::{store, textfile};

/// Follows a run up that began. The caller holds the run lock. What went wrong, each in a line.
pub fn of_run(
    host: &mut dyn Host,
    config: &Config,
    attempt: &Attempt,
    outcome: &Outcome,
    figures: &Figures,
) -> Vec<String> {
    if may_stand_still(outcome) {
        return vec![NOTHING_DONE.into()];
    }
    let entry = attempt.outcome(host, outcome, figures);
    let mut wrong = Told::default();
    wrong.note(NOTED, history::save(host, &config.state_dir, &entry));
    wrong.note("cannot note the bad pages", bad_pages(host, config, outcome));
    all_but_the_history(host, config, attempt, &entry, &mut wrong);
    wrong.0
}

/// A backup with pages that were bad in the source already is a true copy, and no proven backup.
fn bad_pages(host: &mut dyn Host, config: &Config, outcome: &Outcome) -> Result<(), Fault> {
    if outcome.published().is_none() || outcome.bad_pages.is_empty() {
        return Ok(());
    }
    let problems = outcome.bad_pages.iter().map(ToString::to_string);
    let finding = Finding {
        at: host.machine()?.began(),
        took_ms: outcome.laps.total(),
        files: None,
        bytes: None,
        ready_ms: None,
        problems_found: outcome.bad_pages.len() as u64,
        problems: problems.take(memory::PROBLEMS_MAX).collect(),
    };
    memory::remember(host, &config.state_dir, &outcome.run, How::Verify, finding)
}

/// Follows a run up that did not begin. The caller holds the run lock unless there is no state
/// directory, which is not made for this.
pub fn of_stop(
    host: &mut dyn Host,
    config: &Config,
    attempt: &Attempt,
    stop: &Stop,
) -> Vec<String> {
    if may_stand_still_by(stop) {
        return vec![NOTHING_DONE.into()];
    }
    let entry = attempt.stopped(host, stop);
    let mut wrong = Told::default();
    match note(host, &config.state_dir, &entry, history::save) {
        Ok(Noted::Yes) => all_but_the_history(host, config, attempt, &entry, &mut wrong),
        Ok(Noted::NoPlace) => hook(host, config, attempt, &entry, &mut wrong),
        Err(fault) => {
            wrong.note(NOTED, Err(fault));
            hook(host, config, attempt, &entry, &mut wrong);
        }
    }
    wrong.0
}

/// Notes that a run did not begin, and no more: another one is alive, and its writes may be stopped
/// at this moment; or the configuration cannot be read.
pub fn only_noted(
    host: &mut dyn Host,
    state_dir: &Path,
    attempt: &Attempt,
    stop: &Stop,
) -> Vec<String> {
    let entry = attempt.stopped(host, stop);
    let mut wrong = Told::default();
    wrong.note(NOTED, note(host, state_dir, &entry, history::write).map(drop));
    wrong.0
}

/// Follows a run up that did not begin since the run lock could not be taken, for another reason
/// than somebody who has it: a full disk, or one that has become read-only. The hook needs neither.
pub fn without_lock(
    host: &mut dyn Host,
    config: &Config,
    attempt: &Attempt,
    stop: &Stop,
) -> Vec<String> {
    if may_stand_still_by(stop) {
        return vec![NOTHING_DONE.into()];
    }
    let entry = attempt.stopped(host, stop);
    let mut wrong = Told::default();
    wrong.note(NOTED, note(host, &config.state_dir, &entry, history::write).map(drop));
    match is_held_by_another(host, config) {
        Ok(false) => hook(host, config, attempt, &entry, &mut wrong),
        Ok(true) => wrong.0.push(NO_HOOK.into()),
        Err(fault) => wrong.note(NO_HOOK, Err(fault)),
    }
    wrong.0
}

/// Whether somebody else has the run lock. One that we have is not to be taken for another's where
/// no more can be written into it.
fn is_held_by_another(host: &dyn Host, config: &Config) -> Result<bool, Fault> {
    let us = format!("process {},", host.machine()?.pid);
    let holder = host.run_lock(&config.state_dir.join("lock"))?;
    Ok(holder.is_some_and(|holder| !holder.contains(&us)))
}

/// Follows up what became of dead runs. One that is settled and has told no end by itself is noted;
/// `by` is who has settled it. Prometheus is told where a configuration says how. The caller holds
/// the run lock.
pub fn of_recovery(
    host: &mut dyn Host,
    state_dir: &Path,
    config: Option<&Config>,
    all: &[Recovered],
    by: &str,
) -> Vec<String> {
    if recover::server(all) == settle::Server::MayStandStill {
        return vec![NOTHING_TOLD.into()];
    }
    let mut wrong = Told::default();
    for one in all {
        if let End::Clean { ledger } = &one.end {
            wrong.note(NOTED, note_untold(host, state_dir, ledger, by));
        }
    }
    if let Some(config) = config {
        figures(host, config, &mut wrong);
    }
    wrong.0
}

/// Notes how a run ended that has not told it itself.
fn note_untold(
    host: &mut dyn Host,
    state_dir: &Path,
    ledger: &Ledger,
    by: &str,
) -> Result<(), Fault> {
    if host.entry(&history::path(state_dir, &ledger.run))?.is_some() {
        return Ok(());
    }
    let now = host.machine()?.began();
    let entry = history::untold(ledger, now, published(host, ledger), by);
    history::save(host, state_dir, &entry)
}

/// The backup that a run published before it died, if it is seen.
fn published(host: &dyn Host, ledger: &Ledger) -> Option<PathBuf> {
    let path = ledger.destination()?.join(&ledger.run);
    let record = host.file(&path.join(store::RECORD)).ok()??;
    (store::run_of(&record)? == ledger.run).then_some(path)
}

const NOTED: &str = "cannot note the outcome";
const NOTHING_DONE: &str =
    "the outcome is not noted and no hook is run: writes may still be stopped";
const NOTHING_TOLD: &str =
    "no outcome is noted and Prometheus is not told: writes may still be stopped";
const NO_HOOK: &str = "no hook is run: another run may be alive";

/// What went wrong, in lines.
#[derive(Default)]
struct Told(Vec<String>);

impl Told {
    fn note(&mut self, what: &str, done: Result<(), Fault>) {
        if let Err(fault) = done {
            self.0.push(format!("{what}: {fault}"));
        }
    }
}

/// Whether the outcome of a run that did not begin was noted.
enum Noted {
    Yes,
    NoPlace,
}

/// How an outcome is written: by one who is alone, or by anybody.
type Write = fn(&mut dyn Host, &Path, &Entry) -> Result<(), Fault>;

/// Only where the state directory is there and ours: a refusal makes nothing.
fn note(
    host: &mut dyn Host,
    state_dir: &Path,
    entry: &Entry,
    write: Write,
) -> Result<Noted, Fault> {
    let us = host.machine()?.uid;
    match host.entry(state_dir)? {
        Some(found) if us == 0 || us == found.uid => {
            write(host, state_dir, entry).map(|()| Noted::Yes)
        }
        _ => Ok(Noted::NoPlace),
    }
}

fn all_but_the_history(
    host: &mut dyn Host,
    config: &Config,
    attempt: &Attempt,
    entry: &Entry,
    wrong: &mut Told,
) {
    figures(host, config, wrong);
    hook(host, config, attempt, entry, wrong);
}

fn figures(host: &mut dyn Host, config: &Config, wrong: &mut Told) {
    if let Some(path) = &config.monitoring.textfile {
        wrong.note("cannot tell Prometheus", textfile::refresh(host, config, path));
    }
}

fn hook(host: &mut dyn Host, config: &Config, attempt: &Attempt, entry: &Entry, wrong: &mut Told) {
    let proven = entry.exit != Some(Code::Unproven.number());
    let whole = entry.backup.is_some() && proven;
    let moment = if whole { Moment::After } else { Moment::OnFailure };
    let ran = hooks::run(host, config, moment, attempt, Some(entry));
    wrong.note(&format!("the hook '{}' failed", moment.key()), ran);
}

/// Whether writes may still be stopped when a run is over: by what is left, or by something past
/// its deadline that may still come. A copy or a mount that hangs stops nobody's writes.
fn may_stand_still(outcome: &Outcome) -> bool {
    let late = |fault: &Fault| fault.is_overdue();
    settle::server(&outcome.left) == settle::Server::MayStandStill
        || outcome.kept.as_ref().is_some_and(late)
        || outcome.result.as_ref().is_err_and(|failure| late(&failure.fault))
}

/// The same where a dead run is not settled.
fn may_stand_still_by(stop: &Stop) -> bool {
    matches!(stop, Stop::Unsettled { server: settle::Server::MayStandStill, .. })
}
