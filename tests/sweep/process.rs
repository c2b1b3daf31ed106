//! One process on the simulated machine, under a script of faults: a backup or a recovery.

use std::path::Path;

use holdstill::host::faulty::{Blow, Call, End, Faulty};
use holdstill::host::sim::Sim;
use holdstill::plan::Plan;
use holdstill::recover::{self, Recovered};
use holdstill::run::{self, Outcome};

use crate::common::STATE;

/// Faults, by the number of the call they fall on.
pub(crate) type Script = Vec<(usize, Blow)>;

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// A backup.
    Backup,
    /// A recovery.
    Recover,
}

/// What a process told at its end; a dead one tells nothing.
#[derive(Debug)]
pub(crate) enum Told {
    /// The outcome of a backup.
    Outcome(Box<Outcome>),
    /// The ends of a recovery; nothing if it could not even begin.
    Recovered(Option<Vec<Recovered>>),
    /// Nothing.
    Nothing,
}

/// A process that has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The machine after it.
    pub(crate) sim: Sim,
    /// What it told.
    pub(crate) told: Told,
    /// Its calls.
    pub(crate) calls: Vec<Call>,
    /// What was left when it had done all it does, before the kernel cleaned up after it.
    pub(crate) rests: Vec<String>,
    /// The world just after the last fault, if that fell.
    pub(crate) after_last_blow: Option<u64>,
}

/// Runs a process to its end.
pub(crate) fn run(start: &Sim, plan: &Plan, work: Work, script: &[(usize, Blow)]) -> Ran {
    let mut host = Faulty::new(start.clone(), script);
    let told = match work {
        Work::Backup => Told::Outcome(Box::new(run::backup(&mut host, plan, &mut |_| {}))),
        Work::Recover => Told::Recovered(recover::recover(&mut host, Path::new(STATE)).ok()),
    };
    let rests = host.inner().world().rests();
    let (calls, after_last_blow) = (host.calls(), host.after_last_blow());
    let (sim, end) = host.end();
    let told = if end == End::Exit { told } else { Told::Nothing };
    Ran { sim, told, calls, rests, after_last_blow }
}
