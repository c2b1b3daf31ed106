//! Runs on the simulated machine that are shown: what was written to both streams.

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use holdstill::host::faulty::{Blow, Faulty};
use holdstill::host::linux::service::Service;
use holdstill::host::sim::Sim;
use holdstill::host::traced::{self, Traced};
use holdstill::host::{Act, Answer, Fault, Host, Look};
use holdstill::plan::Plan;
use holdstill::run::{self, Event, Outcome};
use holdstill::ui::{Clock, Manner, Screen, Streams};

use super::Scenario;
use super::recorder::Acts;

/// What is written, in memory.
pub(crate) type Written = Arc<Mutex<Vec<u8>>>;

/// What was written to standard output and to standard error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A screen whose streams are kept in memory.
pub(crate) struct Kept {
    pub(crate) screen: Screen,
    out: Written,
    err: Written,
}

impl Kept {
    /// Nothing is written yet.
    pub(crate) fn new(manner: Manner, service: Service) -> Self {
        let (out, err) = (Written::default(), Written::default());
        let streams = Streams::new(out.clone(), err.clone());
        Self { screen: Screen::new(manner, streams, service), out, err }
    }

    /// What was written, as text.
    pub(crate) fn text(&self) -> Shown {
        let bytes = |kept: &Written| kept.lock().expect("nobody panicked").clone();
        let text = |kept: &Written| String::from_utf8(bytes(kept)).expect("it is text");
        Shown { out: text(&self.out), err: text(&self.err) }
    }
}

/// Shows a run with these blows, as `holdstill backup` does; `tell` hands each event to the screen.
pub(crate) fn show(
    screen: &Screen,
    sim: Sim,
    plan: &Plan,
    script: &[(usize, Blow)],
    mut tell: impl FnMut(&Screen, &Event),
) -> Outcome {
    let acts = screen.clone();
    let mut host = Traced::new(Faulty::new(sim, script), move |event| {
        acts.act(&event.what.to_string(), event.nanos, event.outcome.as_ref().err());
    });
    screen.begin(plan);
    let outcome = run::backup(&mut host, plan, &mut |event| tell(screen, &event));
    drop(host);
    screen.outcome(plan, &outcome);
    outcome
}

/// The number of the first call of which a run makes this act, where it is shown: the clock is
/// read before and after each act.
pub(crate) fn call_of(scenario: &Scenario, words: &str) -> usize {
    let faulty = Watched(Rc::new(RefCell::new(Faulty::new(scenario.sim.clone(), &[]))));
    let acts = Rc::new(RefCell::new(Vec::new()));
    let told = Rc::clone(&acts);
    let act = move |event: &traced::Event| told.borrow_mut().push(event.what.to_string());
    run::backup(&mut Traced::new(faulty.clone(), act), &scenario.plan, &mut |_| {});
    let act = acts.borrow().iter().position(|act: &String| act.contains(words));
    let calls = faulty.0.borrow().calls();
    let mut acts = calls.iter().enumerate().filter(|(_, call)| call.acts);
    acts.nth(act.expect("there is such an act")).expect("as many").0
}

/// A host that is looked into afterwards.
#[derive(Clone)]
struct Watched(Rc<RefCell<Faulty<Sim>>>);

impl Host for Watched {
    fn look(&self, what: &Look) -> Result<Answer, Fault> {
        self.0.borrow().look(what)
    }

    fn act(&mut self, what: &Act) -> Result<Answer, Fault> {
        self.0.borrow_mut().act(what)
    }
}

/// What a whole run shows.
pub(crate) fn shown(manner: Manner, sim: Sim, plan: &Plan, script: &[(usize, Blow)]) -> Shown {
    let kept = Kept::new(manner, Service::default());
    show(&kept.screen, sim, plan, script, Screen::event);
    kept.text()
}

/// A wall clock that goes on by so many milliseconds with each look.
pub(crate) fn clock(step_ms: i64) -> Clock {
    let now = Cell::new(1_790_000_000_000);
    Box::new(move || {
        now.set(now.get() + step_ms);
        jiff::Timestamp::from_millisecond(now.get()).expect("it is a time")
    })
}

/// A stream that leads into a trace: each write is one line of it.
pub(crate) struct Leads(pub(crate) Acts);

impl Write for Leads {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.push("told");
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
