//! A host on which calls go wrong, by a script. Every call is numbered; a script names calls and
//! what happens at each.
//!
//! Deliberately absent: chance. Whoever tests all scripts tests all that can go wrong.

use std::cell::RefCell;
use std::mem;

use super::sim::Event;
use super::{Act, Answer, Fault, Host, Look, Session};
use crate::units::Millis;

/// What a simulated machine offers beside [`Host`], so that things can go wrong on it.
pub trait Fragile: Host {
    /// An act is ordered: time passes and rules are checked, but nothing is done yet.
    fn order(&self, act: &Act);
    /// An act that was ordered takes effect.
    fn land(&self, act: &Act) -> Result<Answer, Fault>;
    /// An act that nobody waits for any more takes effect.
    fn land_late(&self, act: &Act);
    /// An act is interrupted in its middle.
    fn land_half(&self, act: &Act);
    /// Whether an event would change anything now.
    fn is_possible(&self, event: Event) -> bool;
    /// Something happens.
    fn happen(&self, event: Event);
    /// What tells this world apart from another for an engine.
    fn fingerprint(&self) -> u64;
    /// The process ends, by itself or by a crash; or the machine does, by a loss of power.
    fn end(&self, loss: bool);
}

/// What goes wrong at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// It fails, not done.
    FailBefore,
    /// It fails, half done.
    FailHalf,
    /// It fails, done.
    FailAfter,
    /// The process dies before it.
    CrashBefore,
    /// The process dies in its middle, and so does a command of lvm.
    CrashHalf,
    /// The process dies after it.
    CrashAfter,
    /// The power fails after it.
    PowerLoss,
    /// It is past its deadline; an act takes effect later.
    Overdue(Late),
    /// Something happens just before it, and it goes well.
    Event(Event),
}

impl Blow {
    /// One of each kind, for who tries every call with all of them: what is overdue comes last, and
    /// what happens is a signal.
    pub const EVERY: [Self; 9] = [
        Self::FailBefore,
        Self::FailHalf,
        Self::FailAfter,
        Self::CrashBefore,
        Self::CrashHalf,
        Self::CrashAfter,
        Self::PowerLoss,
        Self::Overdue(Late::End),
        Self::Event(Event::Signal),
    ];
}

/// When an overdue act takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// Before the n-th call after it.
    Calls(usize),
    /// When the process has done all it does, just before it is gone.
    End,
}

/// What a call was, as far as the choice of blows depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Whether it changes something.
    pub acts: bool,
    /// Whether it has a middle.
    pub has_half: bool,
    /// How long it may take, if it has a deadline; without one it cannot be overdue, since the
    /// host waits for it.
    pub ms_max: Option<Millis>,
    /// Which of [`Event::UNASKED`] would have changed something then; not told of a call before
    /// the last blow of the script, where nobody asks.
    pub possible: [bool; Event::UNASKED.len()],
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It went on to its end.
    Exit,
    /// It was killed.
    Crash,
    /// The power failed.
    PowerLoss,
}

/// A host on which calls go wrong.
#[derive(Debug)]
pub struct Faulty<H> {
    host: H,
    script: Vec<(usize, Blow)>,
    state: RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    calls: Vec<Call>,
    end: Option<End>,
    late: Vec<(Late, usize, Act)>,
    after_last: Option<u64>,
    fired: usize,
}

/// A call that is being made.
enum What<'a> {
    Look(&'a Look),
    Act(&'a Act),
}

impl<H: Fragile> Faulty<H> {
    /// A host on which these calls go wrong; the first call is number 0.
    pub fn new(host: H, script: &[(usize, Blow)]) -> Self {
        Self { host, script: script.to_vec(), state: RefCell::default() }
    }

    /// Every call so far.
    pub fn calls(&self) -> Vec<Call> {
        self.state.borrow().calls.clone()
    }

    /// The machine below.
    pub fn inner(&self) -> &H {
        &self.host
    }

    /// What the world was like just after the last blow of the script; nothing if it never fell.
    pub fn after_last_blow(&self) -> Option<u64> {
        self.state.borrow().after_last
    }

    /// Ends the process: what is late takes effect, and then the kernel cleans up. Gives back the
    /// machine and how the process ended.
    pub fn end(self) -> (H, End) {
        let state = self.state.into_inner();
        let end = state.end.unwrap_or(End::Exit);
        if end != End::PowerLoss {
            for (_, _, act) in &state.late {
                self.host.land_late(act);
            }
        }
        self.host.end(end == End::PowerLoss);
        (self.host, end)
    }

    /// Numbers a call, lets land what is due, and finds the blow that falls on it.
    fn begin(&self, what: &What<'_>) -> Result<Option<Blow>, Fault> {
        if self.state.borrow().end.is_some() {
            return Err(dead());
        }
        self.land_due();
        let number = self.state.borrow().calls.len();
        let call = self.call(number, what);
        let mut state = self.state.borrow_mut();
        state.calls.push(call);
        let blow = self.script.iter().find(|(at, _)| *at == number).map(|(_, blow)| *blow);
        state.fired += usize::from(blow.is_some());
        Ok(blow)
    }

    fn land_due(&self) {
        let mut state = self.state.borrow_mut();
        if state.late.is_empty() {
            return;
        }
        let number = state.calls.len();
        let is_due =
            |late: &Late, since: usize| matches!(late, Late::Calls(n) if since + n <= number);
        let (due, rest) = mem::take(&mut state.late)
            .into_iter()
            .partition(|(late, since, _)| is_due(late, *since));
        state.late = rest;
        let due: Vec<(Late, usize, Act)> = due;
        for (_, _, act) in &due {
            self.host.land_late(act);
        }
    }

    fn call(&self, number: usize, what: &What<'_>) -> Call {
        let is_asked = self.script.last().is_none_or(|(last, _)| number > *last);
        let (acts, has_half, ms_max) = match what {
            What::Look(look) => (false, false, look_ms_max(look)),
            What::Act(act) => (true, has_half(act), act_ms_max(act)),
        };
        Call {
            acts,
            has_half,
            ms_max,
            possible: Event::UNASKED.map(|event| is_asked && self.host.is_possible(event)),
        }
    }

    /// After a blow: notes the world if it was the last one.
    fn struck(&self) {
        let mut state = self.state.borrow_mut();
        if state.fired == self.script.len() {
            state.after_last = Some(self.host.fingerprint());
        }
    }

    fn die(&self, end: End) -> Fault {
        self.state.borrow_mut().end = Some(end);
        dead()
    }

    fn be_late(&self, session: Option<Session>, ms_max: Option<Millis>) -> Fault {
        self.host.happen(Event::NoAnswer(session, ms_max.unwrap_or_default()));
        Fault::overdue("it is past its deadline")
    }

    fn strike_look(&self, what: &Look, blow: Blow) -> Result<Answer, Fault> {
        match blow {
            Blow::Event(event) => {
                self.host.happen(event);
                self.host.look(what)
            }
            Blow::Overdue(_) => {
                let session = match what {
                    Look::Query { session, .. } => Some(*session),
                    _ => None,
                };
                Err(self.be_late(session, look_ms_max(what)))
            }
            Blow::FailBefore | Blow::FailHalf | Blow::FailAfter => Err(Fault::unsure("it failed")),
            Blow::PowerLoss => Err(self.die(End::PowerLoss)),
            Blow::CrashBefore | Blow::CrashHalf | Blow::CrashAfter => Err(self.die(End::Crash)),
        }
    }

    fn strike_act(&self, what: &Act, blow: Blow) -> Result<Answer, Fault> {
        if blow == Blow::CrashBefore {
            return Err(self.die(End::Crash));
        }
        if let Blow::Event(event) = blow {
            self.host.happen(event);
        }
        self.host.order(what);
        match blow {
            Blow::Event(_) => return self.host.land(what),
            Blow::FailHalf | Blow::CrashHalf => self.host.land_half(what),
            Blow::FailAfter | Blow::CrashAfter | Blow::PowerLoss => {
                let _whatever_it_said = self.host.land(what);
            }
            Blow::FailBefore | Blow::CrashBefore | Blow::Overdue(_) => {}
        }
        Err(match blow {
            Blow::FailBefore => Fault::refused("it was refused"),
            Blow::CrashAfter | Blow::CrashHalf => self.die(End::Crash),
            Blow::PowerLoss => self.die(End::PowerLoss),
            Blow::Overdue(late) => {
                let mut state = self.state.borrow_mut();
                let number = state.calls.len() - 1;
                state.late.push((late, number, what.clone()));
                drop(state);
                let session = match what {
                    Act::Sql(sql) => Some(sql.session),
                    Act::SqlKeyed(keyed) => Some(keyed.session),
                    _ => None,
                };
                self.be_late(session, act_ms_max(what))
            }
            _ => Fault::unsure("it failed"),
        })
    }

    fn do_act(&self, what: &Act) -> Result<Answer, Fault> {
        match self.begin(&What::Act(what))? {
            None => {
                self.host.order(what);
                self.host.land(what)
            }
            Some(blow) => {
                let answer = self.strike_act(what, blow);
                self.struck();
                answer
            }
        }
    }
}

impl<H: Fragile> Host for Faulty<H> {
    fn look(&self, what: &Look) -> Result<Answer, Fault> {
        match self.begin(&What::Look(what))? {
            None => self.host.look(what),
            Some(blow) => {
                let answer = self.strike_look(what, blow);
                self.struck();
                answer
            }
        }
    }

    fn act(&mut self, what: &Act) -> Result<Answer, Fault> {
        self.do_act(what)
    }
}

fn dead() -> Fault {
    Fault::unsure("the process is dead")
}

fn has_half(act: &Act) -> bool {
    match act {
        Act::WriteFile { .. }
        | Act::WriteReadable { .. }
        | Act::RemoveTree(_)
        | Act::Empty { .. } => true,
        Act::Sql(sql) => sql.text.starts_with("FLUSH TABLES"),
        Act::Run(cmd) => ["lvcreate", "lvextend"].iter().any(|name| cmd.program.ends_with(name)),
        _ => false,
    }
}

/// The deadline of an act. A freeze and a thaw wait for the disk on a thread of their own, a
/// dead-man that is dismissed is waited for; everything else without a limit is waited out.
fn act_ms_max(act: &Act) -> Option<Millis> {
    match act {
        Act::Run(cmd) | Act::Hook(cmd) => Some(cmd.ms_max),
        Act::Sql(sql) => Some(sql.ms_max),
        Act::SqlKeyed(keyed) => Some(keyed.ms_max),
        Act::Connect(login) | Act::Visit(login) => Some(login.connect_ms_max),
        Act::OpenShell(shell) => Some(shell.ms_max),
        Act::CloseShell(ms) => Some(*ms),
        Act::Kill(_) | Act::Disarm | Act::Freeze(_) | Act::Thaw(_) | Act::End => {
            Some(Millis(10_000))
        }
        _ => None,
    }
}

fn look_ms_max(look: &Look) -> Option<Millis> {
    match look {
        Look::Run(cmd) => Some(cmd.ms_max),
        Look::Query { ms_max, .. } => Some(*ms_max),
        Look::Greet(login) => Some(login.connect_ms_max),
        Look::Watch(watch) => Some(watch.ms_max),
        _ => None,
    }
}
