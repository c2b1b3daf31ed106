//! What the past tells: how old the newest backup is, how long its copy took, whether the clock has
//! gone on since, and what dead runs have left.

use jiff::Timestamp;

use super::super::make::{pass, warn};
use super::super::{Aspect, Note};
use super::unseen;
use crate::config::Config;
use crate::host::{Ask, Host, Synchrony};
use crate::ledger;
use crate::store::{self, Form, Found, Ours, Summary, What};
use crate::units::{Bytes, Millis};

const SET_IT: &str = "Look at 'timedatectl', which tells what keeps the clock, and let chrony or \
                      systemd-timesyncd do it.";

/// The newest backup that can be read, if there is one.
pub(super) fn look(
    host: &dyn Host,
    config: &Config,
    now: Timestamp,
    notes: &mut Vec<Note>,
) -> Option<Summary> {
    let all = match store::find(host, &config.destination.directory) {
        Ok(all) => all,
        Err(fault) => {
            unseen(notes, Aspect::LastBackup, &fault);
            return None;
        }
    };
    damaged(&all, notes);
    let Some(newest) = all.iter().rev().find_map(Found::counts) else {
        let found = format!("none at '{}'", config.destination.directory.display());
        warn(notes, Aspect::LastBackup, found);
        return None;
    };
    age(newest, now, notes);
    Some(newest.summary.clone())
}

/// Whether the clock is kept right: backups are named by it, and their age is told by it.
pub(super) fn clock(host: &dyn Host, now: Timestamp, notes: &mut Vec<Note>) {
    match host.synchrony() {
        Ok(Synchrony::Within(ms)) => {
            pass(notes, Aspect::Clock, format!("{now}, synchronized, off by {ms} at most"));
        }
        Ok(Synchrony::Free) => {
            let found = format!("{now}, and nothing keeps it right");
            notes.push(Note::warning(Aspect::Clock, found).with_hint(SET_IT));
        }
        Err(fault) => unseen(notes, Aspect::Clock, &fault),
    }
}

fn damaged(all: &[Found], notes: &mut Vec<Note>) {
    for one in all.iter().filter(|one| one.form == Form::Whole) {
        let why = match &one.what {
            Ok(What::Unclear(why)) => why.clone(),
            Ok(_) => continue,
            Err(fault) => fault.to_string(),
        };
        warn(notes, Aspect::LastBackup, format!("'{}': {why}", one.path.display()));
    }
}

fn age(newest: &Ours, now: Timestamp, notes: &mut Vec<Note>) {
    let (started, newest) = (newest.began, &newest.summary);
    let old = now.duration_since(started);
    if old.is_negative() {
        let found = format!("it is {now}, and the backup {} began at {started}", newest.run);
        notes.push(Note::warning(Aspect::Clock, found).with_hint(SET_IT));
        return;
    }
    let (run, bytes, locked) = (&newest.run, newest.copied.bytes, newest.window.locked_ms);
    let found = format!(
        "{run}: {} old, {bytes}, locked for {locked}",
        Millis(u64::try_from(old.as_millis()).unwrap_or(0)).lasting()
    );
    pass(notes, Aspect::LastBackup, found);
}

/// How long a copy of so much will take, if it is as fast as the newest one.
pub(super) fn copy_time(
    newest: Option<&Summary>,
    bytes: Bytes,
    notes: &mut Vec<Note>,
) -> Option<Millis> {
    let took = newest.and_then(|newest| {
        let took = newest.timings_ms.get("copy").filter(|ms| ms.0 > 0)?;
        // Of a copy that was links alone nothing is told about how fast one is.
        let _copied = Some(newest.bytes_copied()).filter(|bytes| bytes.0 > 0)?;
        let ms =
            u128::from(bytes.0) * u128::from(took.0) / u128::from(newest.bytes_copied().0.max(1));
        Some((newest, Millis(u64::try_from(ms).unwrap_or(u64::MAX))))
    });
    let Some((newest, ms)) = took else {
        pass(notes, Aspect::Copy, "how long it will take is not known: no earlier backup tells");
        return None;
    };
    let found = format!("{bytes} in about {}, as fast as that of {}", ms.lasting(), newest.run);
    pass(notes, Aspect::Copy, found);
    Some(ms)
}

/// What dead runs have left.
pub(super) fn leftovers(host: &dyn Host, config: &Config, notes: &mut Vec<Note>) {
    let all = match ledger::find(host, &config.state_dir) {
        Ok(all) => all,
        Err(fault) => return unseen(notes, Aspect::Leftovers, &fault),
    };
    if all.is_empty() {
        pass(notes, Aspect::Leftovers, "no ledger of an earlier run");
    }
    for one in &all {
        let found = format!("'{}': a run that is alive, or has died", one.path.display());
        let hint = "The next run settles a dead one first, and 'holdstill recover' does it now.";
        notes.push(Note::warning(Aspect::Leftovers, found).with_hint(hint));
    }
}
