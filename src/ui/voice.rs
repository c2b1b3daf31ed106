//! What every manner of telling a run does, each in a file of its own: [`terminal`] for a person,
//! [`brief`] for cron, [`lines`] as a log, [`json`] for programs.
//!
//! A voice writes when it is told something or not at all; how long it waits for its reader is said
//! in [`stream`]. While the window is open nothing is told to it, so nothing is written then; no
//! voice has a thread that could.
//!
//! [`terminal`]: super::terminal
//! [`brief`]: super::brief
//! [`lines`]: super::lines
//! [`json`]: super::json
//! [`stream`]: super::stream

use std::io::Write;
use std::sync::{Arc, Mutex};

use indicatif::ProgressDrawTarget;

use super::canvas::Canvas;
use super::{offsite, stream};
use crate::copy::rsync::Stats;
use crate::error::{Code, Stop};
use crate::host::Fault;
use crate::host::linux::outlet::Outlet;
use crate::offsite::{Pushed, Trouble};
use crate::plan::Plan;
use crate::recover::Recovered;
use crate::retention::{Pruned, Pruning};
use crate::run::{Event, Outcome};
use crate::store::WindowTimes;
use crate::units::Bytes;

/// A manner of telling.
pub(super) trait Voice {
    /// Dead runs were looked for, and some were found.
    fn recovered(&mut self, all: &[Recovered], so_far: &SoFar);
    /// A run begins.
    fn begin(&mut self, plan: &Plan, so_far: &SoFar);
    /// An act is over.
    fn act(&mut self, done: &Done<'_>, so_far: &SoFar);
    /// The run tells something.
    fn event(&mut self, event: &Event, so_far: &SoFar);
    /// The run has published, and old backups may have gone.
    fn pruned(&mut self, all: &Pruning, done: &Pruned, so_far: &SoFar);
    /// It is over, and a place elsewhere was to get the backup.
    fn pushed(&mut self, to: &PushedTo<'_>, so_far: &SoFar);
    /// It is over: the last words, which somebody else writes; nothing if there is nothing to say.
    fn ended(&mut self, end: &Ending<'_>, so_far: &SoFar) -> Option<Words>;
}

/// What is known of a run from what it told.
#[derive(Debug)]
pub(super) struct SoFar {
    /// The run, as soon as it has its id.
    pub(super) run: Option<String>,
    /// The phase it is in.
    pub(super) phase: &'static str,
    /// How much the copy is expected to read.
    pub(super) expected: Bytes,
    /// What was copied.
    pub(super) copied: Option<Stats>,
    /// The window.
    pub(super) window: Option<WindowTimes>,
    /// How many old backups were removed.
    pub(super) removed: usize,
}

/// The phase before a run begins.
pub(super) const PLAN: &str = "plan";

impl Default for SoFar {
    fn default() -> Self {
        Self { run: None, phase: PLAN, expected: Bytes(0), copied: None, window: None, removed: 0 }
    }
}

impl SoFar {
    /// A run begins.
    pub(super) fn begin(&mut self, plan: &Plan) {
        self.run = Some(plan.run.clone());
        self.expected = plan.copy_bytes;
    }

    /// The run tells something.
    pub(super) fn note(&mut self, event: &Event) {
        match event {
            Event::Phase(phase) => self.phase = phase,
            Event::Copied(stats, _) => self.copied = Some(*stats),
            Event::Linked(stats, _) => self.copied.iter_mut().for_each(|all| all.add(*stats)),
            Event::Window(times) => self.window = Some(times.clone()),
            _ => {}
        }
    }
}

/// An act that is over.
pub(super) struct Done<'a> {
    /// What it was.
    pub(super) line: &'a str,
    /// How long it took, in nanoseconds.
    pub(super) nanos: u64,
    /// How it failed, if it did.
    pub(super) fault: Option<&'a Fault>,
}

/// How it all ended.
pub(super) enum Ending<'a> {
    /// It stopped before a run began.
    NotBegun(&'a Stop),
    /// A run ended.
    Run(&'a Plan, &'a Outcome),
}

impl Ending<'_> {
    /// The exit code.
    pub(super) fn code(&self) -> Code {
        match self {
            Self::NotBegun(stop) => stop.code(),
            Self::Run(_, outcome) => Code::of(outcome),
        }
    }
}

/// A place that was to get the backup at the end of its run.
pub struct PushedTo<'a> {
    /// The place.
    pub place: &'a str,
    /// The run that made the backup.
    pub run: &'a str,
    /// Whether it got it, or what is in the way.
    pub ended: Result<Pushed, &'a Trouble>,
    /// The exit code of the process, if nothing else goes wrong.
    pub code: Code,
}

impl PushedTo<'_> {
    /// In words.
    pub(super) fn words(&self) -> Words {
        let Self { place, run, .. } = self;
        match self.ended {
            Ok(pushed) => Words { out: offsite::pushed(place, run, pushed), ..Words::default() },
            Err(trouble) => {
                let what = format!("'{run}' is not pushed to '{place}'");
                Words { err: offsite::trouble(&what, trouble), ..Words::default() }
            }
        }
    }
}

/// The last words, each text with its newlines, or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    /// For standard output.
    pub(super) out: String,
    /// For standard error.
    pub(super) err: String,
}

/// Something that can be written to and shared, one text with each call.
pub type Sink = Arc<Mutex<dyn Write + Send>>;

/// How often in a second a bar is drawn, at most.
const DRAWINGS_PER_SECOND_MAX: u8 = 20;

/// Where it is written.
#[derive(Clone)]
pub struct Streams {
    out: Sink,
    err: Sink,
}

impl Streams {
    /// Standard output and standard error.
    pub fn standard() -> Self {
        Self { out: stream::out().clone(), err: stream::err().clone() }
    }

    /// Two that are waited for as those are.
    pub fn of(out: Outlet, err: Outlet) -> Self {
        let [out, err] = stream::pair(out, err);
        Self { out, err }
    }

    /// Two that take everything.
    pub fn new(out: Sink, err: Sink) -> Self {
        Self { out, err }
    }

    /// Where a bar is drawn: on standard output, so wide unless that is a terminal and says else.
    pub(super) fn bar(&self, columns: usize) -> ProgressDrawTarget {
        let canvas = Box::new(Canvas::new(Arc::clone(&self.out), columns));
        ProgressDrawTarget::term_like_with_hz(canvas, DRAWINGS_PER_SECOND_MAX)
    }

    /// Writes a text to standard output, in one piece.
    pub(super) fn out(&self, text: &str) {
        write(&self.out, text);
    }

    /// Writes a text to standard error, in one piece.
    pub(super) fn err(&self, text: &str) {
        write(&self.err, text);
    }

    /// Waits once more for a reader that hangs: before the last words, when nothing else waits.
    pub(super) fn flush(&self) {
        let _nobody_reads = stream::lock(&self.out).flush();
        if !Arc::ptr_eq(&self.out, &self.err) {
            let _nobody_reads = stream::lock(&self.err).flush();
        }
    }
}

fn write(sink: &Sink, text: &str) {
    if !text.is_empty() {
        let _nobody_reads = stream::lock(sink).write_all(text.as_bytes());
    }
}
