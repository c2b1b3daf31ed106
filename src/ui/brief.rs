//! The run in one line, for the mail of cron: what was published, or what went wrong. What an
//! operator must see besides goes to standard error, when it happens.

use super::report;
use super::voice::{Done, Ending, PushedTo, SoFar, Streams, Voice, Words};
use crate::plan::Plan;
use crate::recover::Recovered;
use crate::retention::{Pruned, Pruning};
use crate::run::Event;

/// What is said of a run in which nothing was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Success {
    /// One line.
    Told,
    /// Nothing.
    Silent,
}

/// One line, or none.
pub(super) struct Brief {
    streams: Streams,
    success: Success,
}

impl Brief {
    /// Says of a success what is asked for, and of anything else what must be said.
    pub(super) fn new(streams: Streams, success: Success) -> Self {
        Self { streams, success }
    }
}

impl Voice for Brief {
    fn recovered(&mut self, all: &[Recovered], _: &SoFar) {
        self.streams.err(&report::recovered(all));
    }

    fn begin(&mut self, _: &Plan, _: &SoFar) {}

    fn act(&mut self, _: &Done<'_>, _: &SoFar) {}

    fn event(&mut self, event: &Event, _: &SoFar) {
        if let Some(warning) = report::warning(event) {
            self.streams.err(&format!("holdstill: {warning}\n"));
        }
    }

    fn pruned(&mut self, _: &Pruning, _: &Pruned, _: &SoFar) {}

    fn pushed(&mut self, to: &PushedTo<'_>, _: &SoFar) {
        let words = to.words();
        self.streams.err(&words.err);
        if self.success == Success::Told {
            self.streams.out(&words.out);
        }
    }

    fn ended(&mut self, end: &Ending<'_>, so_far: &SoFar) -> Option<Words> {
        let err = report::trouble(end);
        let success = report::success(end, so_far).filter(|_| self.success == Success::Told);
        let out = success.map_or_else(String::new, |line| line + "\n");
        Some(Words { out, err }).filter(|words| *words != Words::default())
    }
}
