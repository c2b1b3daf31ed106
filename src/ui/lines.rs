//! The run line by line, as a log: phases, acts with their milliseconds, how far the copy is.
//!
//! With or without a terminal the same. What is done in the window is told after it, by `Traced`.

use super::voice::{Done, Ending, PushedTo, SoFar, Streams, Voice, Words};
use super::{report, retention};
use crate::plan::Plan;
use crate::recover::Recovered;
use crate::retention::{Pruned, Pruning};
use crate::run::{Drilled, Event};
use crate::units::Bytes;

/// A line is printed each time the copy has come this many percent further.
const LINE_PERCENT: u8 = 10;

/// The log.
pub(super) struct Lines {
    streams: Streams,
    told_percent: u8,
}

impl Lines {
    /// A log on standard output.
    pub(super) fn new(streams: Streams) -> Self {
        Self { streams, told_percent: 0 }
    }

    fn say(&self, line: &str) {
        self.streams.out(&format!("{line}\n"));
    }

    fn further(&mut self, done: &str, bytes: Bytes, percent: u8) {
        if percent >= self.told_percent + LINE_PERCENT {
            self.told_percent = percent;
            self.say(&format!("  {done} {bytes} ({percent} %)"));
        }
    }

    fn phase(&mut self, phase: &str) {
        self.told_percent = 0;
        self.say(phase);
    }
}

impl Voice for Lines {
    fn recovered(&mut self, all: &[Recovered], _: &SoFar) {
        self.streams.out(&report::recovered(all));
    }

    fn begin(&mut self, plan: &Plan, _: &SoFar) {
        let (version, run, login) = (env!("CARGO_PKG_VERSION"), &plan.run, &plan.login);
        self.say(&format!("holdstill {version}: run {run}, server {login}"));
    }

    fn act(&mut self, done: &Done<'_>, _: &SoFar) {
        let (ms, line) = (done.nanos / 1_000_000, done.line);
        match done.fault {
            None => self.say(&format!("  {ms:>6} ms  {line}")),
            Some(fault) => self.say(&format!("  {ms:>6} ms  {line}\n             failed: {fault}")),
        }
    }

    fn event(&mut self, event: &Event, _: &SoFar) {
        match event {
            Event::Phase(phase) => self.phase(phase),
            Event::Copying(progress) => self.further("copied", progress.bytes, progress.percent),
            Event::Reading(progress) => {
                self.further("read", progress.bytes, progress.percent());
            }
            Event::ReadBack(all, took) => {
                self.say(&format!("  read {} files, {} in {took}", all.files, all.bytes));
            }
            Event::Linked(all, run) => {
                self.say(&format!("  linked {} files, {} to {run}", all.files, all.bytes));
            }
            Event::Lingers(why) => self.say(&format!("  {}: {why}", report::LINGERS)),
            Event::BadPages(one) => self.say(&format!("  {one}")),
            Event::Copied(all, took) => {
                self.say(&format!("  copied {} files, {} in {took}", all.files, all.bytes));
            }
            Event::Extended(what) => self.say(&format!("  extended {what}")),
            Event::NotExtended(why) => self.say(&format!("  {why}")),
            Event::Waiting(what) => self.say(&format!("  waiting for {what}")),
            Event::Killed(one) => self.say(&format!("  ended {one}")),
            Event::Again(why) => self.say(&format!("  once more: {why}")),
            Event::First(why) => self.say(&format!("  the lock comes first: {why}")),
            Event::Drilled(Drilled::Sound(ready, tables)) => {
                self.say(&format!("  a server was ready after {ready}, {tables} tables are whole"));
            }
            Event::Drilled(_) | Event::Ended(_) | Event::Filling(_) | Event::Window(_) => {}
        }
    }

    fn pruned(&mut self, all: &Pruning, done: &Pruned, _: &SoFar) {
        self.streams.out(&(retention::pruning(all) + &retention::pruned(all, done)));
    }

    fn pushed(&mut self, to: &PushedTo<'_>, _: &SoFar) {
        let words = to.words();
        self.streams.out(&words.out);
        self.streams.err(&words.err);
    }

    fn ended(&mut self, end: &Ending<'_>, so_far: &SoFar) -> Option<Words> {
        let out = match end {
            Ending::NotBegun(_) => String::new(),
            Ending::Run(_, outcome) => report::closing_lines(outcome, so_far.window.as_ref()),
        };
        Some(Words { out, err: report::trouble(end) })
    }
}
