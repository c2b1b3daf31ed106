//! Texts: the end of a run, the audit, the recovery. Pure: data in, text out.

use super::voice::{Ending, SoFar};
use super::words::Text;
use crate::error::Code;
use crate::plan::Plan;
use crate::recover::{End, Recovered};
use crate::run::{Drilled, Event, Outcome};
use crate::settle::Left;
use crate::store::WindowTimes;

/// What is said of a snapshot that stays a little longer.
pub(super) const LINGERS: &str = "the snapshot is removed later";

/// The lock window in one line.
pub(super) fn window(times: &WindowTimes) -> String {
    let suspended = times.suspended_ms.map_or_else(String::new, |ms| format!(", suspended {ms}"));
    let tries = if times.tries > 1 { format!(", {} tries", times.tries) } else { String::new() };
    format!(
        "window: waited {}, locked {}, released {}{suspended} (lock {}, {}{tries})",
        times.waited_ms, times.locked_ms, times.released_ms, times.lock, times.when
    )
}

/// The end of a run, line by line, as far as it goes to standard output.
pub(super) fn closing_lines(outcome: &Outcome, times: Option<&WindowTimes>) -> String {
    let mut text = Text::default();
    if let Some(path) = outcome.published() {
        text.line(format!("published: {}", path.display()));
    }
    if let Some(times) = times {
        text.line(window(times));
    }
    for one in &outcome.killed {
        text.line(format!("ended: {one}"));
    }
    text.line(format!("exit {}", Code::of(outcome).number()));
    text.0
}

/// What was published, in one line; nothing if nothing was.
pub(super) fn success(end: &Ending<'_>, so_far: &SoFar) -> Option<String> {
    let Ending::Run(_, outcome) = end else { return None };
    let path = outcome.published()?.display();
    let size = so_far
        .copied
        .map_or_else(String::new, |all| format!(": {} in {} files", all.bytes, all.files));
    let took = outcome.laps.total().lasting();
    let window = so_far.window.as_ref().map_or_else(String::new, held);
    let removed = match so_far.removed {
        0 => String::new(),
        1 => "; removed 1 old backup".into(),
        more => format!("; removed {more} old backups"),
    };
    let proven = match &outcome.drilled {
        Drilled::Sound(ready, _) => format!("; a server was ready on it after {ready}"),
        Drilled::Failed(_) => "; NOT PROVEN".into(),
        Drilled::NotAsked => String::new(),
    };
    Some(format!("published '{path}'{size}, {took}{window}{proven}{removed}"))
}

/// How the server was held still, in half a line.
fn held(times: &WindowTimes) -> String {
    let (lock, when) = (times.lock, times.when);
    if times.proof.asked_ns.is_none() {
        return format!("; nothing was locked ({lock}, {when})");
    }
    format!("; locked {} after {} ({lock}, {when})", times.locked_ms, times.waited_ms)
}

/// What an operator must see even where little is told.
pub(super) fn warning(event: &Event) -> Option<String> {
    match event {
        Event::Killed(one) => Some(format!("ended {one}")),
        Event::NotExtended(why) => Some(why.clone()),
        Event::BadPages(one) => Some(one.to_string()),
        Event::Lingers(why) => Some(format!("{LINGERS}: {why}")),
        _ => None,
    }
}

/// What went wrong, and what is left: for standard error.
pub(super) fn trouble(end: &Ending<'_>) -> String {
    match end {
        Ending::NotBegun(stop) => stop.message(),
        Ending::Run(plan, outcome) => trouble_of_run(plan, outcome),
    }
}

fn trouble_of_run(plan: &Plan, outcome: &Outcome) -> String {
    let mut text = Text::default();
    if let Err(failure) = &outcome.result {
        text.line(format!("holdstill: failed while in '{}': {}", failure.phase, failure.fault));
        if let Some(hint) = failure.hint() {
            text.line(format!("hint: {hint}"));
        }
        if outcome.is_clean() {
            text.line("rolled back clean: the server goes on and nothing is left");
        }
    }
    if let Drilled::Failed(why) = &outcome.drilled {
        text.line(format!("holdstill: the drill failed: {why}"));
        let run = &plan.run;
        text.line(format!("hint: Run 'holdstill drill {run}' to see all that is found."));
    }
    left(&mut text, &outcome.left);
    if let (Some(fault), []) = (&outcome.kept, outcome.left.as_slice()) {
        text.line(format!("in doubt: {fault}"));
    }
    if !outcome.is_clean() {
        text.line(format!("the ledger is kept: {}", plan.ledger.display()));
        text.line("hint: Run 'holdstill recover' to settle what is left.");
    }
    text.0
}

/// What a settling left behind: what it means, and why.
fn left(text: &mut Text, left: &[Left]) {
    for one in left {
        text.line(format!("left: {}: {}", one.claim, one.fault));
        text.line(format!("      {}", one.claim.left_behind()));
    }
}

/// What became of each ledger.
pub fn recovered(all: &[Recovered]) -> String {
    let mut text = Text::default();
    if all.is_empty() {
        text.line("nothing to recover");
    }
    for one in all {
        let path = one.path.display();
        match &one.end {
            End::Clean { ledger } => {
                text.line(format!("recovered run {}: nothing is left", ledger.run));
            }
            End::Unusable { why } => text.line(format!("kept '{path}': {why}")),
            End::Kept { run, left: still, ledger } => {
                text.line(format!("run {run} is not settled, '{path}' is kept"));
                left(&mut text, still);
                if let Some(fault) = ledger {
                    text.line(format!("left: the ledger itself: {fault}"));
                }
            }
        }
    }
    text.0
}
