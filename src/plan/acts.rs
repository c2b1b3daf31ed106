//! The acts of a run in which nothing goes wrong, from the plan alone: what the audit prints.
//! A test holds this list against the trace of a real run on the simulated machine.

use super::{Plan, Resume, Source, Take, When};
use crate::claim::Claim;
use crate::database::statements;
use crate::host::{Act, Cmd, Session, Sql};
use crate::ledger;
use crate::manifest;
use crate::store::{COORDINATES, RECORD};

/// An act of a run in which nothing goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it is, as the log will show it.
    pub act: String,
    /// The claim that undoes it, by its place in the plan; nothing if it leaves nothing behind.
    pub undone_by: Option<usize>,
}

/// Every act, in order.
pub(super) fn steps(plan: &Plan) -> Vec<Step> {
    let mut acts = before(plan);
    acts.extend(window(plan));
    acts.extend(after(plan));
    let undone_by = |act: &Act| plan.claims.iter().position(|claim| undoes(plan, claim, act));
    acts.iter().map(|act| Step { act: act.to_string(), undone_by: undone_by(act) }).collect()
}

/// Whether a claim undoes an act.
fn undoes(plan: &Plan, claim: &Claim, act: &Act) -> bool {
    match (act, claim) {
        (Act::NewDir(path) | Act::WriteFile { path, .. }, Claim::Partial { directory, .. }) => {
            path.starts_with(directory)
        }
        (Act::Run(_) | Act::Order(_), Claim::Snapshot { lv, .. }) => {
            plan.sources.iter().any(|one| one.snapshot == *lv && makes(one, act))
        }
        (Act::MakeDir(path), Claim::Mounted { point, .. })
        | (Act::Freeze(path), Claim::Frozen { point }) => path == point,
        (Act::Mount(order), Claim::Mounted { point, .. }) => order.point == *point,
        (Act::OpenShell(_) | Act::HoldShell, Claim::Shell { .. })
        | (Act::Connect(_), Claim::Locked { .. })
        | (Act::Guard(_) | Act::Arm(_), Claim::Guarded)
        | (Act::Start { .. }, Claim::Copying) => true,
        (Act::Sql(sql), Claim::Replication { .. }) => {
            plan.replica.iter().any(|replica| replica.stop.contains(sql))
        }
        (Act::Sql(sql), Claim::Locked { .. }) => {
            plan.window.lock.as_ref() == Some(sql) || plan.session.contains(sql)
        }
        _ => false,
    }
}

/// Whether an act makes a source's snapshot, or what it will be made of.
fn makes(source: &Source, act: &Act) -> bool {
    matches!(act, Act::Run(cmd) if store(source).contains(cmd)) || *act == take(source)
}

fn file(plan: &Plan, name: &str) -> Act {
    Act::WriteFile { path: plan.publish.partial.join(name), text: String::new() }
}

fn before(plan: &Plan) -> Vec<Act> {
    let sources = &plan.sources;
    let mut acts = vec![
        Act::WriteFile { path: plan.ledger.clone(), text: String::new() },
        Act::Isolate,
        Act::NewDir(plan.publish.partial.clone()),
        file(plan, RECORD),
    ];
    acts.extend(sources.iter().map(|one| Act::NewDir(plan.publish.partial.join(&one.tree))));
    acts.extend(sources.iter().map(|one| Act::MakeDir(one.view.point.clone())));
    acts.extend(sources.iter().flat_map(store).cloned().map(Act::Run));
    acts.extend(plan.shell.iter().cloned().map(Act::OpenShell));
    acts.extend(sources.iter().map(|one| Act::SyncFs(one.mount.clone())));
    let ms_max = plan.window.ask_ms_max;
    let kill = |id: &u64| Act::Sql(Sql::control(statements::kill(*id), ms_max));
    acts.extend(plan.patience.ending.iter().map(kill));
    acts.extend(plan.replica.iter().flat_map(|replica| &replica.stop).cloned().map(Act::Sql));
    acts
}

/// The commands that make a source's COW store before the window.
fn store(source: &Source) -> &[Cmd] {
    match &source.take {
        Take::Whole(_) => &[],
        Take::Ordered { store, .. } => store,
    }
}

fn window(plan: &Plan) -> Vec<Act> {
    let window = &plan.window;
    let late = window.when == When::Late;
    let orders = || plan.sources.iter().map(take);
    let mut acts = Vec::new();
    if late {
        acts.push(Act::HoldShell);
        acts.extend(orders());
    }
    acts.extend(plan.sources.iter().map(|one| Act::SyncFs(one.mount.clone())));
    if window.lock.is_some() {
        acts.push(Act::Connect(plan.login.clone()));
        acts.extend(plan.session.iter().cloned().map(Act::Sql));
    }
    acts.push(Act::Guard(window.guard.clone()));
    acts.push(Act::Arm(window.wait_ms_max));
    acts.extend(window.lock.iter().cloned().map(Act::Sql));
    acts.push(Act::Arm(window.hold_ms_max));
    acts.push(Act::Sql(window.write_logs.clone()));
    acts.extend(window.freeze.iter().cloned().map(Act::Freeze));
    if late {
        acts.push(Act::LetGo);
    } else {
        acts.extend(orders());
    }
    acts.extend(window.freeze.iter().rev().cloned().map(Act::Thaw));
    acts.extend(plan.unlock().cloned().map(Act::Sql));
    acts.extend(plan.unlock().map(|_| Act::Hangup(Session::Lock)));
    acts.push(Act::Disarm);
    acts
}

fn take(source: &Source) -> Act {
    match &source.take {
        Take::Whole(cmd) => Act::Run(cmd.clone()),
        Take::Ordered { order, .. } => Act::Order(order.clone()),
    }
}

fn after(plan: &Plan) -> Vec<Act> {
    let partial = &plan.publish.partial;
    let mut acts = resume(plan, Resume::AfterWindow);
    acts.extend(plan.claims.iter().filter_map(|claim| match claim {
        Claim::Shell { ms_max } => Some(Act::CloseShell(*ms_max)),
        _ => None,
    }));
    acts.extend(plan.sources.iter().map(|one| Act::Mount(one.view.clone())));
    acts.extend(plan.sources.iter().flat_map(|one| copy(plan, one)));
    acts.extend(resume(plan, Resume::AfterCopy));
    acts.push(Act::End);
    for one in plan.sources.iter().rev() {
        acts.push(Act::Unmount(one.view.point.clone()));
        acts.push(Act::RemoveDir(one.view.point.clone()));
    }
    acts.extend(plan.removals().into_iter().cloned().map(Act::Run));
    acts.extend([
        file(plan, manifest::FILE),
        file(plan, COORDINATES),
        file(plan, RECORD),
        Act::SyncFs(partial.clone()),
        Act::Publish { from: partial.clone(), to: plan.publish.published.clone() },
        Act::RemoveFile(plan.ledger.clone()),
        Act::RemoveFile(ledger::resumed(&plan.ledger)),
    ]);
    acts
}

/// What is linked first, and then the rest.
fn copy(plan: &Plan, source: &Source) -> Vec<Act> {
    let priority = plan.copy_priority;
    let mut acts = Vec::new();
    if let Some(links) = &source.links {
        acts.push(Act::WriteFile { path: links.list.clone(), text: String::new() });
        acts.push(Act::Start { cmd: links.cmd.clone(), priority });
        acts.push(Act::RemoveFile(links.list.clone()));
    }
    acts.push(Act::Start { cmd: source.copy.clone(), priority });
    acts
}

/// The appliers start again, if that is when they do.
fn resume(plan: &Plan, when: Resume) -> Vec<Act> {
    if plan.resume() != when {
        return Vec::new();
    }
    let restarts = plan.restarts().into_iter();
    let start = restarts.map(|(start, ms_max)| Act::Sql(Sql::control(start, ms_max)));
    let resumed = ledger::resumed(&plan.ledger);
    start.chain([Act::WriteFile { path: resumed, text: String::new() }]).collect()
}
