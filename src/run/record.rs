//! What a run writes of its backup: the record, from its beginning to its end, and the statements
//! that attach a new replica.

use super::Run;
use crate::copy::rsync::Stats;
use crate::database::attach::{self, Heading};
use crate::database::coordinates::Coordinates;
use crate::host::{Act, Fault};
use crate::plan::{Linking, Plan, Source};
use crate::store::{
    COORDINATES, Linked, Record, SourceVolume, StatementsFile, VERSION, WindowTimes,
};

/// The record of a run that begins.
pub(super) fn begin(plan: &Plan) -> Record {
    let source = |source: &Source| SourceVolume {
        vg: source.vg.clone(),
        lv: source.lv.clone(),
        filesystem: source.filesystem.clone(),
        mount: source.mount.clone(),
        tree: source.tree.clone(),
        snapshot: source.kind,
    };
    Record {
        version: VERSION,
        run: plan.run.clone(),
        state: "partial",
        host: plan.machine.host.clone(),
        started: plan.machine.began().to_string(),
        server: plan.server.clone(),
        datadir: plan.datadir.clone(),
        sources: plan.sources.iter().map(source).collect(),
        opening: plan.opening.clone(),
        lock: plan.window.lock.as_ref().map_or_else(String::new, |sql| sql.text.clone()),
        freeze: if plan.window.freeze.is_empty() { "device-mapper" } else { "explicit" },
        coordinates: Coordinates::default(),
        window: WindowTimes::default(),
        killed: Vec::new(),
        timings_ms: serde_json::Map::new(),
        copied: Stats::default(),
        linked: plan.linking.as_ref().map(linked),
        cow_percent: None,
        tools: serde_json::json!({
            "holdstill": env!("CARGO_PKG_VERSION"),
            "lvm": plan.tools.lvm,
            "rsync": plan.tools.rsync,
        }),
        manifest: None,
        statements: None,
        bad_pages: Vec::new(),
        seal: String::new(),
    }
}

/// What is to become of files that did not change.
fn linked(linking: &Linking) -> Linked {
    Linked {
        run: linking.base.as_ref().map(|base| base.run.clone()),
        why_not: linking.why_not.clone(),
        clock_ms_max: linking.clock_ms_max,
        ..Linked::default()
    }
}

/// Makes it the record of a whole backup.
pub(super) fn finish(record: &mut Record, run: &Run<'_>) {
    record.state = "published";
    record.killed.clone_from(&run.killed);
    for lap in run.laps.all() {
        record.timings_ms.insert(lap.phase.replace(' ', "_"), lap.ms.0.into());
    }
}

/// Writes the statements that attach a new replica.
pub(super) fn save_coordinates(run: &mut Run<'_>, record: &mut Record) -> Result<(), Fault> {
    let of = Heading { run: &record.run, host: &record.host, started: &record.started };
    let text = attach::statements(&of, &record.server, &record.coordinates);
    record.statements = Some(StatementsFile::new(&text));
    let path = run.plan.publish.partial.join(COORDINATES);
    run.host.act(&Act::WriteFile { path, text }).map(drop)
}
