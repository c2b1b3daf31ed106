//! The room that the snapshots take: that of a thick one in its volume group, as a COW store, and
//! that of a thin one in the pool of its origin, which it shares.

use super::make::{pass, warn};
use super::source::{self, unreadable};
use super::tools::Programs;
use super::{Aspect, Note, Refusal};
use crate::config::Config;
use crate::host::{Ask, Cmd, Host, Overrun};
use crate::snapshot::lvm::{self, Group, Name, Volume};
use crate::units::{Bytes, Millis};

/// How long lvm may take to tell its configuration.
const CONFIG_MS_MAX: Millis = Millis(10_000);

/// The threshold that says that lvm extends no pool by itself (lvm.conf(5)).
const NEVER_EXTENDED: &str = "thin_pool_autoextend_threshold=100";

/// Where a snapshot keeps what changes.
#[derive(Clone, Debug)]
pub(super) enum Room {
    /// In a COW store of this size, which may be extended to that, as far as the group reaches now.
    Store { size: Bytes, size_max: Bytes, reach: Bytes },
    /// In this thin pool.
    Pool(Name),
}

/// The room of each volume's snapshot, if there is enough of it.
pub(super) fn rooms(
    host: &dyn Host,
    config: &Config,
    programs: &Programs,
    source: &source::Found,
    notes: &mut Vec<Note>,
) -> Result<Vec<Room>, Refusal> {
    let report = host.output(&programs.reporting(lvm::report_groups(programs.vgs.clone())))?;
    let mut groups = lvm::groups(&report).map_err(unreadable)?;
    let mut rooms = Vec::new();
    for one in &source.volumes {
        rooms.push(match one.volume.thin_pool() {
            Some(pool) => in_pool(config, &one.volume, pool, &source.report, notes)?,
            None => cow_store(config, &one.volume, &mut groups, notes)?,
        });
    }
    if rooms.iter().any(|room| matches!(room, Room::Pool(_))) {
        extension(host, programs, notes);
    }
    Ok(rooms)
}

/// One COW store, taken off what its group has free.
fn cow_store(
    config: &Config,
    volume: &Volume,
    groups: &mut [Group],
    notes: &mut Vec<Note>,
) -> Result<Room, Refusal> {
    let vg = volume.name.vg();
    let group = groups
        .iter_mut()
        .find(|group| group.name == vg)
        .ok_or_else(|| unreadable(format!("expected the group '{vg}' in the report of vgs")))?;
    let size = config.snapshot.size.of(volume.size, group.extent);
    if size > group.free {
        let what = format!(
            "too little space in the volume group '{vg}': the snapshot needs {size} ({} bytes), {} \
             ({} bytes) are free",
            size.0, group.free, group.free.0
        );
        let hint = format!(
            "Add a disk with 'vgextend {vg} DEVICE', or make 'size' under [snapshot] smaller."
        );
        return Err(Refusal::new(what, hint));
    }
    let size_max = size.max(config.snapshot.cow_extend_max.of(volume.size, group.extent));
    let (free, percent) = (group.free, config.snapshot.cow_percent_extend);
    let extended = if size_max == size {
        "never extended".to_owned()
    } else {
        format!("extended to at most {size_max} when {percent} % of it are full")
    };
    let found = format!("{size} of {free} free in the volume group '{vg}', {extended}");
    pass(notes, Aspect::Snapshot, found);
    group.free = Bytes(free.0 - size.0);
    Ok(Room::Store { size, size_max, reach: free })
}

/// A pool that is sound and has room. A full one stops the writes of every volume in it, the
/// server's too, so how much is left counts more than what a copy is likely to need.
fn in_pool(
    config: &Config,
    volume: &Volume,
    name: Name,
    report: &[Volume],
    notes: &mut Vec<Note>,
) -> Result<Room, Refusal> {
    let pool = report.iter().find(|lv| lv.is(&name));
    let pool =
        pool.ok_or_else(|| unreadable(format!("expected the pool '{name}' in the report of lvs")))?;
    let cannot = format!("cannot take a snapshot of '{}' in its thin pool '{name}'", volume.name);
    if let Some(why) = pool.why_pool_unfit() {
        let hint = "Look at 'lvs --all' and the end of 'dmesg'; lvmthin(7) tells how a pool is \
                    repaired and extended.";
        return Err(Refusal::new(format!("{cannot}: {why} ({})", pool.attr), hint));
    }
    let (data, metadata) = pool.pool_percent.ok_or_else(|| {
        unreadable(format!("expected how full the pool '{name}' is in the report of lvs"))
    })?;
    let limit = config.snapshot.pool_percent_max;
    for (what, percent, option) in
        [("data", data, "--size"), ("metadata", metadata, "--poolmetadatasize")]
    {
        if percent > f64::from(limit) {
            let what =
                format!("{cannot}: {percent} % of its {what} are in use, at most {limit} may");
            let hint = format!(
                "Run 'lvextend {option} +SIZE {name}', or raise 'pool_percent_max' under [snapshot]."
            );
            return Err(Refusal::new(what, hint));
        }
    }
    let found = format!(
        "thin, in the pool '{name}' of {}: {data} % of its data and {metadata} % of its metadata \
         are in use; 'size' is not used",
        pool.size
    );
    pass(notes, Aspect::Snapshot, found);
    Ok(Room::Pool(name))
}

/// Tells that nobody will extend a pool. Where lvm does not tell, nothing is said.
fn extension(host: &dyn Host, programs: &Programs, notes: &mut Vec<Note>) {
    let args = ["lvmconfig", "--type", "full", "activation/thin_pool_autoextend_threshold"];
    let (program, args) = (programs.lvm.clone(), args.map(String::from).to_vec());
    let cmd = Cmd { program, args, ms_max: CONFIG_MS_MAX, overrun: Overrun::LeaveAlone };
    let told = host.output(&cmd).unwrap_or_default();
    if told.trim() == NEVER_EXTENDED {
        let found = "lvm does not extend thin pools by itself (thin_pool_autoextend_threshold is \
                     100), and a full one stops the server";
        warn(notes, Aspect::Snapshot, found);
    }
}
