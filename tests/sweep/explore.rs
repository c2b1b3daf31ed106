//! Every script of faults, one after another: the tree of all that can go wrong.
//!
//! A fault is put on every call of a process, then, in the process that went on from there, another
//! one on every later call, and so on. When a process has ended, recoveries follow until one
//! without a fault; they are exposed to the faults that are still to be spent.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use holdstill::host::faulty::{Blow, Call, Fragile, Late};
use holdstill::host::sim::{Breach, Event, Sim};

use super::check;
use super::process::{self, Ran, Script, Work};
use crate::common::Scenario;

/// A broken invariant and the way there.
#[derive(Clone, Debug)]
pub(crate) struct Caught {
    /// The scenario.
    pub(crate) scenario: &'static str,
    /// The faults of every process so far.
    pub(crate) way: Vec<Script>,
    /// What was broken.
    pub(crate) breach: Breach,
}

impl fmt::Display for Caught {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n    by {:?}", self.scenario, self.breach, self.way)
    }
}

/// How late an overdue act may take effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delays {
    /// At once, or when the process is done.
    Extremes,
    /// Before every later call.
    All,
}

/// A sweep of one scenario.
pub(crate) struct Sweep {
    scenario: Scenario,
    delays: Delays,
    /// Worlds from which recoveries were swept already, and with how many faults. What follows
    /// depends on nothing else, so this leaves nothing out.
    recovered: HashMap<u64, usize>,
    /// What followed a second fault before; see `is_news`.
    followed: HashSet<u64>,
    /// How many processes ran.
    pub(crate) runs: u64,
    /// What was caught; a sweep of a process ends at its first.
    pub(crate) caught: Vec<Caught>,
}

impl Sweep {
    /// A sweep that has not begun.
    pub(crate) fn new(scenario: Scenario, delays: Delays) -> Self {
        let (recovered, followed) = (HashMap::new(), HashSet::new());
        Self { scenario, delays, recovered, followed, runs: 0, caught: Vec::new() }
    }

    /// Sweeps everything with up to so many faults.
    pub(crate) fn all(&mut self, faults: usize) {
        self.backups(&Script::new(), faults);
    }

    /// Sweeps all that begins with a script in the backup, with `spare` more faults to spend.
    fn backups(&mut self, script: &Script, spare: usize) {
        let ran = self.backup(script);
        let start = self.scenario.sim.clone();
        if !self.judge(std::slice::from_ref(script), &start, &ran) {
            return;
        }
        self.recoveries(&mut vec![script.clone()], &ran.sim, spare);
        if spare > 0 && self.is_news(script, &ran) {
            for longer in extended(script, &ran, Work::Backup, self.delays) {
                self.backups(&longer, spare - 1);
            }
        }
    }

    fn backup(&mut self, script: &Script) -> Ran {
        self.runs += 1;
        process::run(&self.scenario.sim, &self.scenario.plan, Work::Backup, script)
    }

    /// Recovers from a world: once without faults, and with every fault that is to spare.
    fn recoveries(&mut self, way: &mut Vec<Script>, world: &Sim, spare: usize) {
        let print = world.fingerprint();
        if self.recovered.get(&print).is_some_and(|done| *done >= spare) {
            return;
        }
        self.recovered.insert(print, spare);
        let good = self.recovery(way, world, Vec::new());
        let Some(good) = good else { return };
        if let Err(breach) = check::recovered_for_good(world, &self.scenario.plan, &good) {
            self.catch(way, breach);
            return;
        }
        self.spoiled_recoveries(way, world, &Vec::new(), &good, spare);
    }

    /// Recoveries with one more fault than `script`, and all that follows from each.
    fn spoiled_recoveries(
        &mut self,
        way: &mut Vec<Script>,
        world: &Sim,
        script: &Script,
        ran: &Ran,
        spare: usize,
    ) {
        if spare == 0 {
            return;
        }
        for longer in extended(script, ran, Work::Recover, self.delays) {
            let Some(spoiled) = self.recovery(way, world, longer.clone()) else { continue };
            way.push(longer.clone());
            self.recoveries(way, &spoiled.sim, spare - 1);
            way.pop();
            self.spoiled_recoveries(way, world, &longer, &spoiled, spare - 1);
        }
    }

    fn recovery(&mut self, way: &mut Vec<Script>, world: &Sim, script: Script) -> Option<Ran> {
        self.runs += 1;
        let ran = process::run(world, &self.scenario.plan, Work::Recover, &script);
        way.push(script);
        let fine = self.judge(way, world, &ran);
        way.pop();
        fine.then_some(ran)
    }

    fn judge(&mut self, way: &[Script], before: &Sim, ran: &Ran) -> bool {
        match check::ended(before, &self.scenario.plan, ran) {
            Ok(()) => true,
            Err(breach) => {
                self.catch(way, breach);
                false
            }
        }
    }

    fn catch(&mut self, way: &[Script], breach: Breach) {
        let (scenario, way) = (self.scenario.name, way.to_vec());
        self.caught.push(Caught { scenario, way, breach });
    }

    /// Whether a third fault may show something new after these two. Where the world after the
    /// second fault, every later call and the end are the same as before, it is taken as no.
    fn is_news(&mut self, script: &Script, ran: &Ran) -> bool {
        let (Some((at, _)), Some(world)) = (script.last(), ran.after_last_blow) else {
            return true;
        };
        if script.len() < 2 {
            return true;
        }
        let mut hash = DefaultHasher::new();
        (world, ran.sim.fingerprint()).hash(&mut hash);
        format!("{:?} {:?}", &ran.calls[*at + 1..], ran.rests).hash(&mut hash);
        self.followed.insert(hash.finish())
    }
}

/// The script with one more fault, on every call after its last one.
fn extended(script: &Script, ran: &Ran, work: Work, delays: Delays) -> Vec<Script> {
    let first = script.last().map_or(0, |(at, _)| at + 1);
    let (calls, last) = (ran.calls.iter().enumerate().skip(first), ran.calls.len());
    calls
        .flat_map(|(at, call)| {
            let blows = blows(call, work, delays, last - at);
            blows.into_iter().map(move |blow| (at, blow))
        })
        .map(|blow| script.iter().copied().chain([blow]).collect())
        .collect()
}

/// What can go wrong at a call.
fn blows(call: &Call, work: Work, delays: Delays, calls_left: usize) -> Vec<Blow> {
    let mut blows = vec![Blow::FailBefore, Blow::CrashBefore];
    if call.acts {
        blows.extend([Blow::FailAfter, Blow::CrashAfter, Blow::PowerLoss]);
    }
    if call.has_half {
        blows.extend([Blow::FailHalf, Blow::CrashHalf]);
    }
    if call.ms_max.is_some() {
        blows.push(Blow::Overdue(Late::End));
        let later = if delays == Delays::All { calls_left } else { 1 };
        let later = if call.acts { later } else { 0 };
        blows.extend((1..=later).map(|n| Blow::Overdue(Late::Calls(n))));
    }
    if work == Work::Backup {
        let events = Event::UNASKED.into_iter().zip(call.possible);
        blows.extend(events.filter(|(_, can)| *can).map(|(event, _)| Blow::Event(event)));
    }
    blows
}
