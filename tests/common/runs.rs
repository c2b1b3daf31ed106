//! Whole runs on the simulated machine: what they did, what they told, and how they ended.

use holdstill::host::faulty::{Blow, Faulty};
use holdstill::host::sim::Sim;
use holdstill::plan::Plan;
use holdstill::run::{self, Outcome};

use super::Scenario;
use super::recorder::Recorder;

/// A run with these blows; its acts and what it told, and how it ended.
pub(crate) fn backup(
    sim: Sim,
    plan: &Plan,
    script: &[(usize, Blow)],
) -> (Vec<String>, Outcome, Sim) {
    let mut host = Recorder::new(Faulty::new(sim, script));
    let told = host.acts.clone();
    let outcome = run::backup(&mut host, plan, &mut |event| told.push(format!("{event:?}")));
    let acts = host.acts.take();
    (acts, outcome, host.host.end().0)
}

/// The machine after a process that died of the last of these blows.
pub(crate) fn crashed(scenario: &Scenario, script: &[(usize, Blow)]) -> Sim {
    let mut host = Faulty::new(scenario.sim.clone(), script);
    run::backup(&mut host, &scenario.plan, &mut |_| {});
    host.end().0
}

/// Why a run failed, which must have left nothing behind.
pub(crate) fn failure((_, outcome, sim): (Vec<String>, Outcome, Sim)) -> String {
    assert!(outcome.is_clean() && sim.world().rests().is_empty(), "{outcome:#?}");
    let failure = outcome.result.expect_err("it must fail");
    format!("{}: {}", failure.phase, failure.fault)
}

/// The number of the first call of which a backup makes this act.
pub(crate) fn call_of(scenario: &Scenario, words: &str) -> usize {
    let mut host = Recorder::new(Faulty::new(scenario.sim.clone(), &[]));
    run::backup(&mut host, &scenario.plan, &mut |_| {});
    let acts = host.acts.take();
    let act = acts.iter().position(|act| act.contains(words)).expect("there is such an act");
    let calls = host.host.calls();
    calls.iter().enumerate().filter(|(_, call)| call.acts).nth(act).expect("as many").0
}
