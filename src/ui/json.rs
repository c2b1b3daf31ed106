//! The run as JSON, one object a line; `packaging/json-lines.md` lists what may come, and a test
//! holds both against each other.
//!
//! Each status has the same figures whenever it comes, null where one is not known. New statuses
//! and new figures may be added; none changes its meaning while the version stays.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::voice::{Done, Ending, PushedTo, SoFar, Streams, Voice, Words};
use super::{report, retention};
use crate::copy::rsync::Progress;
use crate::error::{Code, Stop};
use crate::host::Fault;
use crate::plan::Plan;
use crate::recover::{End, Recovered};
use crate::retention::{Pruned, Pruning};
use crate::run::{Drilled, Event, Filling, Outcome};
use crate::settle::Left;
use crate::sums;

/// The version of the envelope and of what is in it.
const VERSION: u32 = 1;

/// What changes all the time is told no more often than this.
const APART_MS_MIN: i64 = 1_000;

/// What the wall clock says.
pub type Clock = Box<dyn Fn() -> Timestamp>;

/// One line.
#[derive(Serialize)]
struct Envelope<'a> {
    version: u32,
    run: Option<&'a str>,
    sequence: u64,
    time: String,
    phase: &'a str,
    status: &'a str,
    figures: Value,
}

/// Lines of JSON.
pub(super) struct Json {
    streams: Streams,
    clock: Clock,
    sequence: u64,
    /// When the copy, or what is read back of it, and the store were last told of.
    copying: Option<Timestamp>,
    filling: Option<Timestamp>,
}

impl Json {
    /// Lines on standard output.
    pub(super) fn new(streams: Streams, clock: Clock) -> Self {
        Self { streams, clock, sequence: 0, copying: None, filling: None }
    }

    fn tell(&mut self, so_far: &SoFar, status: &str, figures: Value) {
        self.sequence += 1;
        let envelope = Envelope {
            version: VERSION,
            run: so_far.run.as_deref(),
            sequence: self.sequence,
            time: format!("{:.3}", (self.clock)()),
            phase: so_far.phase,
            status,
            figures,
        };
        // Strings and numbers alone: there is nothing in it that cannot be written.
        if let Ok(line) = serde_json::to_string(&envelope) {
            self.streams.out(&(line + "\n"));
        }
    }

    fn copying(&mut self, progress: Progress, so_far: &SoFar) {
        if due(&mut self.copying, (self.clock)()) {
            let total = so_far.expected.max(progress.bytes);
            let (bytes, percent) = (progress.bytes, progress.percent);
            let figures = json!({"bytes": bytes, "bytes_expected": total, "percent": percent});
            self.tell(so_far, "copying", figures);
        }
    }

    fn reading(&mut self, progress: sums::Progress, so_far: &SoFar) {
        if due(&mut self.copying, (self.clock)()) {
            let (bytes, total) = (progress.bytes, progress.total);
            let figures =
                json!({"bytes": bytes, "bytes_expected": total, "percent": progress.percent()});
            self.tell(so_far, "reading", figures);
        }
    }

    fn filling(&mut self, filling: &Filling, so_far: &SoFar) {
        if due(&mut self.filling, (self.clock)()) {
            let figures = json!({"percent": filling.percent, "full_in_ms": filling.full_in});
            self.tell(so_far, "store-fill", figures);
        }
    }
}

/// Whether it is time to tell something again, which is noted then.
fn due(last: &mut Option<Timestamp>, now: Timestamp) -> bool {
    let since = last.map_or(i64::MAX, |last| now.as_millisecond() - last.as_millisecond());
    // A clock that was set back must not silence us.
    let due = !(0..APART_MS_MIN).contains(&since);
    if due {
        *last = Some(now);
    }
    due
}

impl Voice for Json {
    fn recovered(&mut self, all: &[Recovered], so_far: &SoFar) {
        for one in all {
            self.tell(so_far, "dead-run", dead_run(one));
        }
    }

    fn begin(&mut self, plan: &Plan, so_far: &SoFar) {
        let figures = json!({
            "holdstill": env!("CARGO_PKG_VERSION"),
            "host": plan.machine.host,
            "server": plan.login.to_string(),
            "server_version": plan.server.text,
            "destination": plan.publish.published,
            "bytes_expected": plan.copy_bytes,
        });
        self.tell(so_far, "run-begun", figures);
    }

    fn act(&mut self, done: &Done<'_>, so_far: &SoFar) {
        let fault = done.fault.map(Fault::to_string);
        let ms = done.nanos / 1_000_000;
        self.tell(so_far, "act-ended", json!({"act": done.line, "ms": ms, "fault": fault}));
    }

    fn event(&mut self, event: &Event, so_far: &SoFar) {
        let (status, figures) = match event {
            Event::Copying(progress) => return self.copying(*progress, so_far),
            Event::Filling(filling) => return self.filling(filling, so_far),
            Event::Reading(progress) => return self.reading(*progress, so_far),
            Event::ReadBack(all, took) => {
                ("read-back", json!({"files": all.files, "bytes": all.bytes, "ms": took}))
            }
            Event::BadPages(one) => ("bad-pages", json!(one)),
            Event::Lingers(why) => ("snapshot-lingers", json!({"why": why})),
            Event::Phase(_) => ("phase-begun", json!({})),
            Event::Ended(lap) => ("phase-ended", json!({"ms": lap.ms})),
            Event::Copied(all, took) => {
                ("copied", json!({"files": all.files, "bytes": all.bytes, "ms": took}))
            }
            Event::Linked(all, run) => {
                ("linked", json!({"files": all.files, "bytes": all.bytes, "to": run}))
            }
            Event::Extended(what) => ("store-extended", json!({"what": what})),
            Event::NotExtended(why) => ("store-not-extended", json!({"why": why})),
            Event::Waiting(what) => ("waiting", json!({"statements": what})),
            Event::Killed(one) => ("statement-ended", json!(one)),
            Event::Again(why) => ("lock-again", json!({"why": why})),
            Event::First(why) => ("lock-first", json!({"why": why})),
            Event::Window(times) => ("window", json!(times)),
            Event::Drilled(Drilled::NotAsked) => return,
            Event::Drilled(Drilled::Sound(ready, tables)) => (
                "drilled",
                json!({"sound": true, "ready_ms": ready, "tables": tables, "why": null}),
            ),
            Event::Drilled(Drilled::Failed(why)) => {
                ("drilled", json!({"sound": false, "ready_ms": null, "tables": null, "why": why}))
            }
        };
        self.tell(so_far, status, figures);
    }

    fn pruned(&mut self, all: &Pruning, done: &Pruned, so_far: &SoFar) {
        self.tell(so_far, "pruned", retention::figures(all, done));
    }

    fn pushed(&mut self, to: &PushedTo<'_>, so_far: &SoFar) {
        let trouble = to.ended.err();
        let figures = json!({
            "place": to.place,
            "pushed": trouble.is_none(),
            "fault": trouble.map(|one| one.fault.to_string()),
            "hint": trouble.and_then(|one| one.hint.as_ref()),
            "exit": to.code.number(),
        });
        self.tell(so_far, "pushed", figures);
        self.streams.err(&to.words().err);
    }

    fn ended(&mut self, end: &Ending<'_>, so_far: &SoFar) -> Option<Words> {
        match end {
            Ending::NotBegun(stop) => self.tell(so_far, "not-begun", not_begun(stop)),
            Ending::Run(plan, outcome) => {
                let status = if outcome.result.is_ok() { "published" } else { "failed" };
                self.tell(so_far, status, ended(plan, outcome, so_far));
            }
        }
        Some(Words { out: String::new(), err: report::trouble(end) })
    }
}

fn not_begun(stop: &Stop) -> Value {
    let reasons = stop.reasons();
    let reasons = reasons.iter().map(|one| json!({"fault": one.what, "hint": one.hint}));
    json!({"exit": stop.code().number(), "reasons": reasons.collect::<Vec<_>>()})
}

/// The figures that both ends of a run have, and those of the one that it came to.
fn ended(plan: &Plan, outcome: &Outcome, so_far: &SoFar) -> Value {
    let mut figures = match &outcome.result {
        Ok(published) => json!({
            "backup": published.path,
            "files": so_far.copied.map(|all| all.files),
            "bytes": so_far.copied.map(|all| all.bytes),
        }),
        Err(failure) => json!({
            "failed_phase": failure.phase,
            "fault": failure.fault.to_string(),
            "hint": failure.hint(),
            "signal": failure.signal,
        }),
    };
    let window = so_far.window.as_ref();
    figures["exit"] = json!(Code::of(outcome).number());
    figures["ms"] = json!(outcome.laps.total());
    figures["waited_ms"] = json!(window.map(|times| times.waited_ms));
    figures["locked_ms"] = json!(window.map(|times| times.locked_ms));
    figures["killed"] = json!(outcome.killed);
    figures["left"] = left(&outcome.left);
    figures["in_doubt"] = json!(outcome.kept.as_ref().map(Fault::to_string));
    figures["ledger"] = json!(Some(&plan.ledger).filter(|_| !outcome.is_clean()));
    figures
}

fn left(all: &[Left]) -> Value {
    let one = |one: &Left| {
        let (claim, fault) = (one.claim.to_string(), one.fault.to_string());
        json!({"claim": claim, "fault": fault, "means": one.claim.left_behind()})
    };
    all.iter().map(one).collect()
}

fn dead_run(one: &Recovered) -> Value {
    let (run, end, still, why) = match &one.end {
        End::Clean { ledger } => (Some(&ledger.run), "settled", Value::Array(Vec::new()), None),
        End::Kept { run, left: still, ledger } => {
            (Some(run), "kept", left(still), ledger.as_ref().map(Fault::to_string))
        }
        End::Unusable { why } => (None, "unusable", Value::Array(Vec::new()), Some(why.clone())),
    };
    json!({"dead_run": run, "ledger": one.path, "end": end, "left": still, "why": why})
}
