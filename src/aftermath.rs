//! What follows a run that is over: its outcome in the history, the figures for monitoring, and the
//! operator's hook. Nothing here changes how the run ended; what goes wrong is told.
//!
//! Deliberately absent: anything at all where writes may still be stopped. The ledger is kept then,
//! and tells more; and the dead-man, which lets go once more when we end, must not wait.

use std::path::Path;

use crate::claim::Claim;
use crate::config::Config;
use crate::error::Stop;
use crate::history::{self, Attempt, Entry, Figures};
use crate::hooks::{self, Moment};
use crate::host::{Ask, Fault, Host};
use crate::run::Outcome;
use crate::settle::{self, Left};
use crate::textfile;

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
    all_but_the_history(host, config, attempt, &entry, &mut wrong);
    wrong.0
}

/// Follows a run up that did not begin. The caller holds the run lock unless there is no state
/// directory, which is not made for this.
pub fn of_stop(
    host: &mut dyn Host,
    config: &Config,
    attempt: &Attempt,
    stop: &Stop,
) -> Vec<String> {
    if matches!(stop, Stop::Unsettled { server: settle::Server::MayStandStill, .. }) {
        return vec![NOTHING_DONE.into()];
    }
    let entry = attempt.stopped(host, stop);
    let mut wrong = Told::default();
    match note(host, config, &entry) {
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
    wrong.note(NOTED, note_in(host, state_dir, &entry).map(drop));
    wrong.0
}

const NOTED: &str = "cannot note the outcome";
const NOTHING_DONE: &str =
    "the outcome is not noted and no hook is run: writes may still be stopped";

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

fn note(host: &mut dyn Host, config: &Config, entry: &Entry) -> Result<Noted, Fault> {
    note_in(host, &config.state_dir, entry)
}

/// Only where the state directory is there and ours: a refusal makes nothing.
fn note_in(host: &mut dyn Host, state_dir: &Path, entry: &Entry) -> Result<Noted, Fault> {
    let us = host.machine()?.uid;
    match host.entry(state_dir)? {
        Some(found) if us == 0 || us == found.uid => {
            history::save(host, state_dir, entry).map(|()| Noted::Yes)
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
    if let Some(path) = &config.monitoring.textfile {
        wrong.note("cannot tell Prometheus", textfile::refresh(host, &config.state_dir, path));
    }
    hook(host, config, attempt, entry, wrong);
}

fn hook(host: &mut dyn Host, config: &Config, attempt: &Attempt, entry: &Entry, wrong: &mut Told) {
    let moment = if entry.backup.is_some() { Moment::After } else { Moment::OnFailure };
    let ran = hooks::run(host, config, moment, attempt, Some(entry));
    wrong.note(&format!("the hook '{}' failed", moment.key()), ran);
}

/// Whether writes may still be stopped when a run is over: by what is left, or by something past
/// its deadline that may still come. A copy or a mount that hangs stops nobody's writes.
fn may_stand_still(outcome: &Outcome) -> bool {
    let late = |fault: &Fault| fault.is_overdue();
    settle::server(&outcome.left) == settle::Server::MayStandStill
        || outcome.left.iter().any(removal_is_late)
        || outcome.kept.as_ref().is_some_and(late)
        || outcome.result.as_ref().is_err_and(|failure| late(&failure.fault))
}

/// lvm suspends the origin to remove its snapshot.
fn removal_is_late(left: &Left) -> bool {
    matches!(left.claim, Claim::Snapshot { .. }) && left.fault.is_overdue()
}
