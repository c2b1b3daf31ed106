//! What a run writes of its backup: the record, from its beginning to its end, and the statements
//! that attach a new replica.

use super::{Laps, Run};
use crate::copy::rsync::Stats;
use crate::database::attach::{self, Heading};
use crate::database::coordinates::Coordinates;
use crate::host::{Act, Fault};
use crate::plan::Plan;
use crate::store::{COORDINATES, Record, SourceVolume, VERSION, WindowTimes};

/// The record of a run that begins.
pub(super) fn begin(plan: &Plan) -> Record {
    let source = &plan.source;
    Record {
        version: VERSION,
        run: plan.run.clone(),
        state: "partial",
        host: plan.machine.host.clone(),
        started: plan.machine.began().to_string(),
        server: plan.server.clone(),
        datadir: source.datadir.clone(),
        source: SourceVolume {
            vg: source.vg.clone(),
            lv: source.lv.clone(),
            filesystem: source.filesystem.clone(),
            mount: source.mount.clone(),
        },
        lock: plan.window.lock.text.clone(),
        freeze: if plan.window.freeze.is_some() { "explicit" } else { "device-mapper" },
        coordinates: Coordinates::default(),
        window: WindowTimes::default(),
        timings_ms: serde_json::Map::new(),
        copied: Stats::default(),
        cow_percent: None,
        tools: serde_json::json!({
            "holdstill": env!("CARGO_PKG_VERSION"),
            "lvm": plan.tools.lvm,
            "rsync": plan.tools.rsync,
        }),
    }
}

/// Makes it the record of a whole backup.
pub(super) fn finish(record: &mut Record, laps: &Laps) {
    record.state = "published";
    for lap in laps.all() {
        record.timings_ms.insert(lap.phase.replace(' ', "_"), lap.ms.0.into());
    }
}

/// Writes the statements that attach a new replica.
pub(super) fn save_coordinates(run: &mut Run<'_>, record: &Record) -> Result<(), Fault> {
    let of = Heading { run: &record.run, host: &record.host, started: &record.started };
    let text = attach::statements(&of, &record.server, &record.coordinates);
    let path = run.plan.publish.partial.join(COORDINATES);
    run.host.act(&Act::WriteFile { path, text }).map(drop)
}
