//! The acts of a run in which nothing goes wrong, from the plan alone: what the audit prints.
//! A test holds this list against the trace of a real run on the simulated machine.

use super::Plan;
use crate::host::{Act, Session, Sql};
use crate::ledger;
use crate::store::{COORDINATES, RECORD, TREE};

/// Every act, in order, as the log will show it.
pub(super) fn acts(plan: &Plan) -> Vec<String> {
    let file =
        |name: &str| Act::WriteFile { path: plan.publish.partial.join(name), text: String::new() };
    let mut acts = vec![
        Act::WriteFile { path: plan.ledger.clone(), text: String::new() },
        Act::Isolate,
        Act::NewDir(plan.publish.partial.clone()),
        file(RECORD),
        Act::NewDir(plan.publish.partial.join(TREE)),
        Act::MakeDir(plan.mount.point.clone()),
        Act::SyncFs(plan.source.mount.clone()),
    ];
    acts.extend(plan.replica.iter().flat_map(|replica| &replica.stop).cloned().map(Act::Sql));
    acts.push(Act::Connect(plan.login.clone()));
    acts.extend(plan.session.iter().cloned().map(Act::Sql));
    acts.push(Act::Guard(plan.window.guard.clone()));
    acts.extend(window(plan));
    acts.extend(after(plan));
    acts.iter().map(Act::to_string).collect()
}

fn window(plan: &Plan) -> Vec<Act> {
    let window = &plan.window;
    let mut acts = vec![Act::Arm(window.wait_ms_max), plan.lock(), Act::Arm(window.hold_ms_max)];
    acts.push(Act::Sql(window.write_logs.clone()));
    acts.extend(window.freeze.iter().cloned().map(Act::Freeze));
    acts.push(Act::Run(window.snapshot.clone()));
    acts.extend(window.freeze.iter().cloned().map(Act::Thaw));
    acts.extend(plan.unlock().cloned().map(Act::Sql));
    acts.extend([Act::Hangup(Session::Lock), Act::Disarm]);
    acts
}

fn after(plan: &Plan) -> Vec<Act> {
    let partial = &plan.publish.partial;
    let file = |name: &str| Act::WriteFile { path: partial.join(name), text: String::new() };
    let restarts = plan.restarts();
    let mut acts: Vec<Act> =
        restarts.iter().map(|(start, ms_max)| Act::Sql(Sql::control(*start, *ms_max))).collect();
    let resumed = ledger::resumed(&plan.ledger);
    acts.extend([
        Act::WriteFile { path: resumed.clone(), text: String::new() },
        Act::Mount(plan.mount.clone()),
        Act::Run(plan.copy.clone()),
        file(COORDINATES),
        file(RECORD),
        Act::SyncFs(partial.clone()),
        Act::Publish { from: partial.clone(), to: plan.publish.published.clone() },
        Act::Unmount(plan.mount.point.clone()),
        Act::RemoveDir(plan.mount.point.clone()),
    ]);
    acts.extend(plan.removal().cloned().map(Act::Run));
    acts.extend([Act::RemoveFile(plan.ledger.clone()), Act::RemoveFile(resumed)]);
    acts
}
