//! The invariants that can only be judged when a process has ended. Those of every act are checked
//! by the simulated machine itself.

use std::path::Path;

use holdstill::claim::Claim;
use holdstill::host::sim::{Breach, Rule, Sim, World};
use holdstill::plan::Plan;
use holdstill::recover::Recovered;
use holdstill::run::Outcome;
use holdstill::settle;
use holdstill::store;

use super::process::{Ran, Told};

type Verdict = Result<(), Breach>;

fn breach(rule: Rule, what: impl Into<String>) -> Verdict {
    Err(Breach { rule, what: what.into() })
}

/// Judges a process that has ended, by the world before it and after it.
pub(crate) fn ended(before: &Sim, plan: &Plan, ran: &Ran) -> Verdict {
    let world = ran.sim.world();
    if let Some(first) = world.breaches.first() {
        return Err(first.clone());
    }
    if !world.is_writable() && !hangs_on_a_dead_lvm(&world, plan) {
        return breach(Rule::Writable, format!("left: {:?}", world.rests()));
    }
    if world.foreign() != before.world().foreign() {
        return breach(Rule::Foreign, "a thing of others is gone or changed");
    }
    match &ran.told {
        Told::Outcome(outcome) => told(plan, ran, outcome),
        Told::Recovered(Some(all)) => all.iter().try_for_each(|one| recovered(ran, one)),
        Told::Recovered(None) | Told::Nothing => Ok(()),
    }
}

/// The outcome told equals the world.
fn told(plan: &Plan, ran: &Ran, outcome: &Outcome) -> Verdict {
    let stands = stands(&ran.sim, plan);
    match &outcome.result {
        Ok(_) if !stands => return breach(Rule::Told, "told published, nothing stands"),
        Err(_) if stands && outcome.kept.is_none() => {
            return breach(Rule::Told, "told failed, a backup stands");
        }
        _ => {}
    }
    let is_named = |id: &&u64| outcome.killed.iter().any(|one| one.id == **id);
    if let Some(id) = ran.sim.world().server.killed.iter().find(|id| !is_named(id)) {
        return breach(Rule::Told, format!("the statement of session {id} was ended in silence"));
    }
    cleanness(ran, outcome.is_clean(), &plan.ledger)?;
    if outcome.kept.as_ref().is_some_and(holdstill::host::Fault::is_overdue) {
        return Ok(());
    }
    let untold = ran.rests.iter().find(|rest| !is_told(plan, outcome, rest));
    untold.map_or(Ok(()), |rest| breach(Rule::Told, format!("left and not told: {rest}")))
}

/// Whether the published backup stands.
fn stands(sim: &Sim, plan: &Plan) -> bool {
    sim.world().files.get(&plan.publish.published.join(store::RECORD)).is_some()
}

/// Told clean: nothing is left, also of what came late. Told not clean: the ledger is there for
/// whom it may help, or nothing is left all the same.
fn cleanness(ran: &Ran, told_clean: bool, ledger: &Path) -> Verdict {
    let world = ran.sim.world();
    let rests = world.rests();
    let mut all = ran.rests.iter().chain(&rests);
    match (told_clean, all.next()) {
        (true, Some(rest)) => breach(Rule::Told, format!("told clean, left: {rest}")),
        (false, _)
            if rests.iter().any(|rest| needs_ledger(rest)) && world.files.get(ledger).is_none() =>
        {
            breach(Rule::Told, format!("no ledger for what is left: {rests:?}"))
        }
        _ => Ok(()),
    }
}

/// Whether nothing but an origin that a dead lvm left suspended stands in the way, and the ledger
/// is there for the recovery that lets it go on: nobody else could, when we fail as well.
fn hangs_on_a_dead_lvm(world: &World, plan: &Plan) -> bool {
    let ledger = plan.ledger.display().to_string();
    world.volumes.stuck.is_some()
        && world.server.lock.is_none()
        && world.frozen.is_empty()
        && world.rests().iter().any(|rest| rest.contains(&ledger))
}

/// What was never finished writing, or stands beside a ledger that is dropped, is removed by the
/// next recovery without one.
fn needs_ledger(rest: &str) -> bool {
    let stray = [".json.new", ".json.resumed", ".json.resumed.new"];
    !stray.iter().any(|end| rest.ends_with(end)) || rest.contains("backup.json")
}

/// Whether a rest is one that the outcome tells.
fn is_told(plan: &Plan, outcome: &Outcome, rest: &str) -> bool {
    let is_of = |claim: &Claim| match claim {
        Claim::Partial { directory, .. } => rest.contains(&directory.display().to_string()),
        Claim::Snapshot { .. } => rest.starts_with("volume "),
        Claim::Half { .. } | Claim::Extended { .. } => rest.starts_with("device "),
        Claim::Shell { .. } => rest == "shell of lvm",
        Claim::Copying => rest == "copy",
        Claim::Mounted { point, .. } => rest.ends_with(&point.display().to_string()),
        Claim::Replication { .. } => rest.starts_with("stopped "),
        Claim::Guarded => rest == "dead-man",
        Claim::Locked { .. } => rest.starts_with("lock "),
        Claim::Frozen { .. } => rest.starts_with("freeze "),
    };
    rest.contains(&plan.ledger.display().to_string())
        || outcome.left.iter().any(|left| is_of(&left.claim))
}

/// What a recovery told of one ledger.
fn recovered(ran: &Ran, one: &Recovered) -> Verdict {
    cleanness(ran, one.end.is_clean(), &one.path)
}

/// After a recovery without faults the slate is clean, and settling once more changes nothing.
pub(crate) fn recovered_for_good(before: &Sim, plan: &Plan, ran: &Ran) -> Verdict {
    let rests = ran.sim.world().rests();
    if !rests.is_empty() {
        return breach(Rule::Clean, format!("{rests:?}"));
    }
    if stands(before, plan) != stands(&ran.sim, plan) {
        return breach(Rule::Foreign, "a recovery published or removed a backup");
    }
    let mut again = ran.sim.clone();
    let claims: Vec<Claim> = plan.claims.iter().filter(|claim| outlives(claim)).cloned().collect();
    let left = settle::settle(&mut again, &claims);
    again.end_process();
    if !left.is_empty() || again.world().rests() != ran.sim.world().rests() {
        return breach(Rule::Twice, format!("{left:?}, {:?}", again.world().rests()));
    }
    let silent = Told::Nothing;
    let (calls, rests) = (Vec::new(), Vec::new());
    ended(before, plan, &Ran { sim: again, told: silent, calls, rests, after_last_blow: None })
}

/// The claims that a process does not take with it.
fn outlives(claim: &Claim) -> bool {
    !matches!(claim, Claim::Locked { .. } | Claim::Guarded | Claim::Shell { .. })
}
