//! How each snapshot is taken: by an order to a warmed shell of lvm, whose point is seen in
//! device-mapper, or, where that cannot be, by a command that is run to its end under the lock.

use std::path::Path;

use super::make::pass;
use super::source::{self, OnVolume, unreadable};
use super::space::Room;
use super::tools::Programs;
use super::{Aspect, Note, Refusal, Take, Tools, When};
use crate::config;
use crate::database::dialect::LockKind;
use crate::host::{Ask, Host, Point, Shell, Sign};
use crate::snapshot::lvm::{self, Name};
use crate::snapshot::{command, thick, thin};
use crate::units::Millis;

/// Since when lvm knows `--devices` (lvm2, `WHATS_NEW` of 2.03.12).
const DEVICES_SINCE: [u32; 3] = [2, 3, 12];

/// How long starting the shell, and each command that warms it, may take.
const SHELL_MS_MAX: Millis = Millis(60_000);

/// How long lvm may be held with its group locked: a thin pool of it cannot grow meanwhile.
const HELD_MS_MAX: Millis = Millis(120_000);

/// How the snapshots can be taken.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// Each by a command that is run to its end.
    Whole,
    /// By orders to a shell that looks at these devices alone.
    Ordered(Vec<String>),
}

/// Chooses the way, and says why.
pub(super) fn way(
    host: &dyn Host,
    programs: &Programs,
    tools: &Tools,
    source: &source::Found,
    notes: &mut Vec<Note>,
) -> Result<Way, Refusal> {
    if source.volumes.len() > 1 {
        let why = "each of several volumes waits for the one before it";
        pass(notes, Aspect::Snapshot, format!("taken by 'lvcreate' under the lock: {why}"));
        return Ok(Way::Whole);
    }
    if let Some(why) = source.volumes.iter().find_map(|one| unordered(one, tools)) {
        pass(notes, Aspect::Snapshot, format!("taken by 'lvcreate' under the lock: {why}"));
        return Ok(Way::Whole);
    }
    let report = host.output(&programs.reporting(lvm::report_devices(programs.pvs.clone())))?;
    let mut devices: Vec<String> = Vec::new();
    for one in &source.volumes {
        devices.extend(lvm::devices(&report, one.volume.name.vg()).map_err(unreadable)?);
    }
    devices.sort();
    devices.dedup();
    let found = format!("ordered from a warm lvm that looks at {} alone", devices.join(", "));
    pass(notes, Aspect::Snapshot, found);
    Ok(Way::Ordered(devices))
}

/// Why a volume's snapshot cannot be ordered and seen.
fn unordered(one: &OnVolume, tools: &Tools) -> Option<String> {
    if numbers(&tools.lvm) < DEVICES_SINCE.to_vec() {
        return Some(format!("lvm {} has no '--devices'", tools.lvm));
    }
    // The first letter says what a volume is, `-` an ordinary one, `V` a thin one (lvs(8), NOTES).
    // The table of one that has a thick snapshot already would be the same before and after.
    (!one.volume.attr.starts_with(['-', 'V'])).then(|| {
        format!(
            "'{}' is neither an ordinary nor a thin volume ({})",
            one.volume.name, one.volume.attr
        )
    })
}

/// How long lvm could be held if the lock is granted in the last try.
fn held_at_most(lock: &config::Lock) -> Millis {
    let each = lock.wait_ms_max.0.saturating_add(lock.pause_ms.0);
    Millis(each.saturating_mul(u64::from(lock.tries_max)))
}

/// Whether no process may trace another, not even its own child
/// (Documentation/admin-guide/LSM/Yama.rst: 3, "no attach").
fn untraceable(host: &dyn Host) -> Result<bool, Refusal> {
    let scope = host.file(Path::new("/proc/sys/kernel/yama/ptrace_scope"))?;
    Ok(scope.is_some_and(|scope| scope.trim() == "3"))
}

/// The numbers of a version such as `2.03.16(2)`.
pub(super) fn numbers(version: &str) -> Vec<u32> {
    let plain = version.split('(').next().unwrap_or_default();
    plain.split('.').map_while(|part| part.parse().ok()).collect()
}

impl Way {
    /// The shell, if orders are given.
    pub(super) fn shell(&self, programs: &Programs) -> Option<Shell> {
        let Self::Ordered(devices) = self else { return None };
        let (program, warm) = (programs.lvm.clone(), command::warm(devices));
        Some(Shell { program, warm, ms_max: SHELL_MS_MAX })
    }

    /// When the lock is asked for: late, if the operator lets it and the kernel lets lvm be held.
    pub(super) fn when(
        &self,
        host: &dyn Host,
        lock: &config::Lock,
        kind: LockKind,
        notes: &mut Vec<Note>,
    ) -> Result<When, Refusal> {
        if kind.lock().is_none() {
            return Ok(When::First);
        }
        let why = match (self, lock.when) {
            (Self::Whole, _) => "the snapshot is a command of its own",
            (_, config::When::First) => "'when' says so",
            _ if held_at_most(lock) > HELD_MS_MAX => {
                "lvm, and its volume group, could be held for more than two minutes"
            }
            _ if untraceable(host)? => "the kernel lets no process be traced (yama/ptrace_scope)",
            _ => {
                pass(
                    notes,
                    Aspect::Lock,
                    "asked for when lvm is held just before it suspends the volume",
                );
                return Ok(When::Late);
            }
        };
        pass(notes, Aspect::Lock, format!("asked for before the snapshot is ordered: {why}"));
        Ok(When::First)
    }

    /// How one volume's snapshot is taken.
    pub(super) fn take(
        &self,
        programs: &command::Programs,
        origin: &Name,
        snapshot: &Name,
        tag: &str,
        (room, hold): (&Room, Millis),
    ) -> Take {
        match (self, room) {
            (Self::Whole, Room::Store { size, .. }) => {
                Take::Whole(thick::take(programs, origin, snapshot, tag, *size, hold))
            }
            (Self::Whole, Room::Pool(_)) => {
                Take::Whole(thin::take(programs, origin, snapshot, tag, hold))
            }
            (Self::Ordered(devices), Room::Pool(pool)) => Take::Ordered {
                store: Vec::new(),
                order: thin::order(origin, snapshot, tag, devices),
                point: Point {
                    origin: origin.device(),
                    sign: Sign::Transaction(thin::pool_device(pool)),
                },
            },
            (Self::Ordered(devices), Room::Store { size, .. }) => Take::Ordered {
                store: vec![
                    thick::store(programs, snapshot, tag, *size),
                    thick::rest(programs, snapshot),
                ],
                order: thick::order(origin, snapshot, devices),
                point: Point { origin: origin.device(), sign: Sign::Tables(snapshot.device()) },
            },
        }
    }
}
