//! What every manner of telling a run does, each in a file of its own: [`terminal`] for a person,
//! [`brief`] for cron, [`lines`] as a log, [`json`] for programs.
//!
//! A voice writes at once or not at all. While the window is open nothing is told to it, so nothing
//! is written then; no voice has a thread that could.
//!
//! [`terminal`]: super::terminal
//! [`brief`]: super::brief
//! [`lines`]: super::lines
//! [`json`]: super::json

use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;

use indicatif::ProgressDrawTarget;

use crate::copy::rsync::Stats;
use crate::error::{Code, Stop};
use crate::host::Fault;
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
}

/// The phase before a run begins.
pub(super) const PLAN: &str = "plan";

impl Default for SoFar {
    fn default() -> Self {
        Self { run: None, phase: PLAN, expected: Bytes(0), copied: None, window: None }
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

/// The last words, each text with its newlines, or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    /// For standard output.
    pub(super) out: String,
    /// For standard error.
    pub(super) err: String,
}

/// Something that can be written to and shared.
pub type Sink = Rc<RefCell<dyn Write>>;

/// Where it is written.
#[derive(Clone)]
pub struct Streams {
    out: Sink,
    err: Sink,
    bar: fn() -> ProgressDrawTarget,
}

impl Streams {
    /// Standard output and standard error.
    pub fn standard() -> Self {
        let out = Rc::new(RefCell::new(std::io::stdout()));
        let err = Rc::new(RefCell::new(std::io::stderr()));
        Self { out, err, bar: ProgressDrawTarget::stdout }
    }

    /// These two, on which no bar is drawn.
    pub fn new(out: Sink, err: Sink) -> Self {
        Self { out, err, bar: ProgressDrawTarget::hidden }
    }

    /// Where a bar is drawn: on standard output, if that is what these are.
    pub(super) fn bar(&self) -> ProgressDrawTarget {
        (self.bar)()
    }

    /// Writes a text to standard output, in one piece and at once.
    pub(super) fn out(&self, text: &str) {
        write(&self.out, text);
    }

    /// Writes a text to standard error, in one piece and at once.
    pub(super) fn err(&self, text: &str) {
        write(&self.err, text);
    }
}

fn write(sink: &Sink, text: &str) {
    if !text.is_empty() {
        let mut sink = sink.borrow_mut();
        let _nobody_reads = sink.write_all(text.as_bytes()).and_then(|()| sink.flush());
    }
}
