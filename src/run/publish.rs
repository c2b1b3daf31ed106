//! The commit point. A backup exists from the moment of one rename, with all of its content
//! already on stable storage. An error there is ambiguous: look, do not assume.

use std::path::PathBuf;

use super::read_back::ReadBack;
use super::{Run, destination, record};
use crate::host::{Act, Ask, Fault, Host};
use crate::plan::Plan;
use crate::store::{self, Record};
use crate::wrong::{self, Wrong};

/// A backup that is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its directory.
    pub path: PathBuf,
}

/// Finishes the record, writes everything to stable storage, and renames.
pub(super) fn publish(
    run: &mut Run<'_>,
    _: ReadBack,
    mut record: Record,
) -> Result<Published, Fault> {
    let plan = run.plan;
    let partial = &plan.publish.partial;
    proven(plan, &record)?;
    destination::stands(run)?;
    record::finish(&mut record, run);
    record::save_coordinates(run, &mut record)?;
    store::save(run.host, partial, &record)?;
    run.host.act(&Act::SyncFs(partial.clone()))?;
    run.host.heed_signal()?;
    commit(run.host, plan)
}

/// What cannot be proven is not published, and not even copied: this is asked right after the
/// window, and once more as the last gate.
pub(super) fn proven(plan: &Plan, record: &Record) -> Result<(), Fault> {
    let (proof, kind) = (&record.window.proof, plan.window.kind);
    proof.check(kind, plan.sources.len()).map_err(|why| {
        Fault::refused(format!("the times do not prove that the server held still: {why}"))
    })
}

fn commit(host: &mut dyn Host, plan: &Plan) -> Result<Published, Fault> {
    let from = plan.publish.partial.clone();
    let renamed = host.act(&Act::Publish { from, to: plan.publish.published.clone() });
    let Err(fault) = renamed else { return Ok(found(plan)) };
    if !stands(host, plan).unwrap_or(false) {
        return Err(fault);
    }
    // The name is there, but the rename itself may not be on stable storage yet.
    host.act(&Act::SyncFs(plan.publish.directory.clone()))?;
    Ok(found(plan))
}

/// Whether the published backup stands and is of this run; a fault says that nobody knows.
pub(super) fn stands(host: &dyn Host, plan: &Plan) -> Result<bool, Fault> {
    if wrong::design(Wrong::CommitErrorTakenAsNo) {
        return Ok(false);
    }
    let record = host.file(&plan.publish.published.join(store::RECORD))?;
    Ok(record.and_then(|text| store::run_of(&text)).as_deref() == Some(&plan.run))
}

/// The published backup of a plan.
pub(super) fn found(plan: &Plan) -> Published {
    Published { path: plan.publish.published.clone() }
}
