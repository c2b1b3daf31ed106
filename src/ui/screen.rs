//! Where a run is shown: one voice tells it, systemd hears how far it is, and the last words go to
//! the journal, if a stream leads there, or are written.
//!
//! While the window is open nothing is printed: standard output may lead to the very filesystem
//! that is frozen. `Traced` hands its acts over after the window has closed.

use std::cell::RefCell;
use std::rc::Rc;

use super::brief::{Brief, Success};
use super::entry;
use super::json::{Clock, Json};
use super::lines::Lines;
use super::terminal::{Sheet, Terminal};
use super::voice::{Done, Ending, PushedTo, SoFar, Streams, Voice};
use crate::error::Stop;
use crate::host::Fault;
use crate::host::linux::service::Service;
use crate::plan::Plan;
use crate::recover::Recovered;
use crate::retention::{Pruned, Pruning};
use crate::run::{Event, Outcome};

/// How a run is told.
pub enum Manner {
    /// To a person at a terminal.
    Terminal(Sheet),
    /// In one line.
    Brief,
    /// Not at all, unless something is wrong.
    Quiet,
    /// Line by line.
    Lines,
    /// As JSON, with the time by this clock.
    Json(Clock),
}

/// Where a run is shown. Clones share one screen.
#[derive(Clone)]
pub struct Screen(Rc<RefCell<State>>);

struct State {
    voice: Box<dyn Voice>,
    so_far: SoFar,
    streams: Streams,
    service: Service,
    told_percent: u8,
}

impl Screen {
    /// A screen on which nothing is shown yet.
    pub fn new(manner: Manner, streams: Streams, service: Service) -> Self {
        let on = streams.clone();
        let voice: Box<dyn Voice> = match manner {
            Manner::Terminal(sheet) => Box::new(Terminal::new(on, sheet)),
            Manner::Brief => Box::new(Brief::new(on, Success::Told)),
            Manner::Quiet => Box::new(Brief::new(on, Success::Silent)),
            Manner::Lines => Box::new(Lines::new(on)),
            Manner::Json(clock) => Box::new(Json::new(on, clock)),
        };
        let (so_far, told_percent) = (SoFar::default(), 0);
        Self(Rc::new(RefCell::new(State { voice, so_far, streams, service, told_percent })))
    }

    /// Shows an act that is over, with how long it took and how it failed, if it did.
    pub fn act(&self, line: &str, nanos: u64, fault: Option<&Fault>) {
        let state = &mut *self.0.borrow_mut();
        state.voice.act(&Done { line, nanos, fault }, &state.so_far);
    }

    /// From now on all that is told is of this run, whether it ever begins or not.
    pub fn named(&self, run: &str) {
        self.0.borrow_mut().so_far.run = Some(run.to_owned());
    }

    /// Says which run begins.
    pub fn begin(&self, plan: &Plan) {
        let state = &mut *self.0.borrow_mut();
        state.so_far.begin(plan);
        state.voice.begin(plan, &state.so_far);
    }

    /// Shows what the run tells.
    pub fn event(&self, event: &Event) {
        let state = &mut *self.0.borrow_mut();
        state.so_far.note(event);
        state.voice.event(event, &state.so_far);
        state.tell_manager(event);
    }

    /// Shows what became of dead runs; nothing if there were none.
    pub fn recovered(&self, all: &[Recovered]) {
        if !all.is_empty() {
            let state = &mut *self.0.borrow_mut();
            state.voice.recovered(all, &state.so_far);
        }
    }

    /// Shows what became of the backups after the run.
    pub fn pruned(&self, all: &Pruning, done: &Pruned) {
        let state = &mut *self.0.borrow_mut();
        state.so_far.removed = done.removed.len();
        state.voice.pruned(all, done, &state.so_far);
    }

    /// Shows how the run ended.
    pub fn outcome(&self, plan: &Plan, outcome: &Outcome) {
        self.0.borrow_mut().end(&Ending::Run(plan, outcome));
    }

    /// Shows whether the backup got to a place elsewhere.
    pub fn pushed(&self, to: &PushedTo<'_>) {
        let state = &mut *self.0.borrow_mut();
        state.voice.pushed(to, &state.so_far);
    }

    /// Shows why no run began.
    pub fn stopped(&self, stop: &Stop) {
        self.0.borrow_mut().end(&Ending::NotBegun(stop));
    }
}

impl State {
    /// Tells systemd each phase and each percent of the copy and of what is read back, and never
    /// more than this: all that it shows is the last line.
    fn tell_manager(&mut self, event: &Event) {
        match event {
            Event::Phase(phase) => {
                self.told_percent = 0;
                self.service.status(phase);
            }
            Event::Copying(progress) => self.tell_percent("copy", progress.percent),
            Event::Reading(progress) => self.tell_percent("read back", progress.percent()),
            _ => {}
        }
    }

    fn tell_percent(&mut self, what: &str, percent: u8) {
        if percent > self.told_percent {
            self.told_percent = percent;
            self.service.status(&format!("{what}: {percent} %"));
        }
    }

    /// The last words: to the journal, or else to the streams, but never to both.
    fn end(&mut self, end: &Ending<'_>) {
        self.streams.flush();
        let words = self.voice.ended(end, &self.so_far);
        let status = entry::status(end, &self.so_far);
        self.service.status(&status);
        let Some(words) = words else { return };
        let leads = self.service.leads();
        let err = if leads.err { words.err.as_str() } else { "" };
        let out = if leads.out { words.out.as_str() } else { "" };
        let message = format!("{err}{out}");
        let message = if message.is_empty() { &status } else { message.trim_end() };
        let spared = self.service.record(&entry::fields(end, &self.so_far, message));
        if !spared.err {
            self.streams.err(&words.err);
        }
        if !spared.out {
            self.streams.out(&words.out);
        }
    }
}
