//! Texts: the end of a run, the audit, the recovery, the list. Pure: data in, text out.

use std::fmt::Write as _;

use crate::error::Code;
use crate::plan::Plan;
use crate::recover::{End, Recovered};
use crate::run::Outcome;
use crate::settle::Left;
use crate::store::{Listed, Summary, WindowTimes};

/// A text that grows; writing to a `String` cannot fail.
#[derive(Default)]
pub(super) struct Text(pub(super) String);

impl Text {
    pub(super) fn line(&mut self, line: impl AsRef<str>) {
        let _cannot_fail = writeln!(self.0, "{}", line.as_ref());
    }
}

/// The lock window in one line.
pub(super) fn window(times: &WindowTimes) -> String {
    let suspended = times.suspended_ms.map_or_else(String::new, |ms| format!(", suspended {ms}"));
    let tries = if times.tries > 1 { format!(", {} tries", times.tries) } else { String::new() };
    format!(
        "window: waited {}, locked {}, released {}{suspended} (lock {}, {}{tries})",
        times.waited_ms, times.locked_ms, times.released_ms, times.lock, times.when
    )
}

/// The end of a run: what goes to standard output, and what goes to standard error.
pub(super) fn outcome(
    plan: &Plan,
    outcome: &Outcome,
    times: Option<&WindowTimes>,
) -> (String, String) {
    let (mut out, mut err) = (Text::default(), Text::default());
    match &outcome.result {
        Ok(published) => out.line(format!("published: {}", published.path.display())),
        Err(failure) => {
            err.line(format!("holdstill: failed while in '{}': {}", failure.phase, failure.fault));
            if let Some(hint) = failure.hint() {
                err.line(format!("hint: {hint}"));
            }
            if outcome.is_clean() {
                err.line("rolled back clean: the server goes on and nothing is left");
            }
        }
    }
    if let Some(times) = times {
        out.line(window(times));
    }
    for one in &outcome.killed {
        out.line(format!("ended: {one}"));
    }
    left(&mut err, &outcome.left);
    if let (Some(fault), []) = (&outcome.kept, outcome.left.as_slice()) {
        err.line(format!("in doubt: {fault}"));
    }
    if !outcome.is_clean() {
        err.line(format!("the ledger is kept: {}", plan.ledger.display()));
        err.line("hint: Run 'holdstill recover' to settle what is left.");
    }
    out.line(format!("exit {}", Code::of(outcome).number()));
    (out.0, err.0)
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
            End::Clean { run } => text.line(format!("recovered run {run}: nothing is left")),
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

/// The backups of a destination.
pub fn list(all: &[Listed]) -> String {
    let mut text = Text::default();
    if all.is_empty() {
        text.line("no backups");
        return text.0;
    }
    text.line(format!("{:<26} {:<10} {:>10} {:>11}", "BACKUP", "STATE", "SIZE", "LOCKED"));
    for one in all {
        let name = one.path.file_name().unwrap_or_default().to_string_lossy();
        text.line(match &one.summary {
            Ok(summary) => row(&name, summary),
            Err(why) => format!("{name:<26} {why}"),
        });
    }
    text.0
}

fn row(name: &str, summary: &Summary) -> String {
    let size = summary.copied.bytes.to_string();
    let locked = summary.window.locked_ms.to_string();
    format!("{name:<26} {:<10} {size:>10} {locked:>11}", summary.state)
}
