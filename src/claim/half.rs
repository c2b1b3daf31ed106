//! Half a snapshot: what an lvm that somebody has killed leaves in device-mapper. No report of lvm
//! tells it, and no other command of lvm removes it.
//!
//! Ours are the devices with our snapshot's name, unless lvm knows a volume of that name. While
//! one of them is there, so is what it hangs on: the origin's table that is not live yet, and its
//! suspend. The device below the origin carries lvm's own id; when lvm is at nothing and knows no
//! snapshot, it is what a dead lvm left, and so are such a table and such a suspend. A suspend
//! without any of these is somebody's, and only told.

use crate::host::{Act, Ask, Device, Fault, Host};
use crate::snapshot::lvm::{self, Name};
use crate::snapshot::thick::{Half, REAL_LAYER};
use crate::units::Millis;

use super::Cmd;

/// What somebody else's command gets to end what it does, before its devices count as left behind.
const MOMENT: Millis = Millis(1_000);

/// What there is.
struct Found<'a> {
    /// Our own devices.
    own: Vec<&'a str>,
    /// Whether the device below the origin is there, and lvm's.
    real: bool,
    suspended: bool,
}

/// Clears away what is ours or nobody's. Our own snapshot's volume is gone by then.
pub(super) fn clear(
    host: &mut dyn Host,
    report: &Cmd,
    [origin, snapshot]: [&Name; 2],
    half: &Half,
) -> Result<(), Fault> {
    if find(host, half)?.is_nothing() {
        return Ok(());
    }
    let look = |host: &dyn Host| -> Result<(Found<'_>, bool), Fault> {
        // The report also waits for whatever another command of lvm does to the group.
        let known = known(host, report, [origin, snapshot])?;
        let mut found = find(host, half)?;
        if known.taken {
            found.own.clear();
        }
        Ok((found, known.shared))
    };
    let (mut found, mut shared) = look(host)?;
    if found.own.is_empty() && (found.suspended || found.real && !shared) {
        host.pause(MOMENT)?;
        (found, shared) = look(host)?;
    }
    let below = (found.real && !shared).then_some(half.real.as_str());
    let dead = !found.own.is_empty() || below.is_some();
    if !dead {
        return left(&found, half, shared);
    }
    if !shared {
        host.act(&Act::Run(half.clear.clone()))?;
    }
    if found.suspended {
        host.act(&Act::Run(half.resume.clone()))?;
    }
    for device in found.own.iter().copied().chain(below) {
        host.act(&Act::Run(half.remove.clone().arg(device)))?;
    }
    let (found, shared) = look(host)?;
    left(&found, half, shared)
}

fn find<'a>(host: &dyn Host, half: &'a Half) -> Result<Found<'a>, Fault> {
    let mut own = Vec::new();
    for device in &half.own {
        if host.device(device)?.is_some() {
            own.push(device.as_str());
        }
    }
    let Some(Device { uuid, suspended }) = host.device(&half.origin)? else {
        return Ok(Found { own, real: false, suspended: false });
    };
    let below = host.device(&half.real)?;
    let real = below.is_some_and(|below| below.uuid == uuid + REAL_LAYER);
    Ok(Found { own, real, suspended })
}

/// What lvm knows.
struct Known {
    /// Whether the origin has a snapshot, which has devices such as these.
    shared: bool,
    /// Whether there is a volume of our snapshot's name: that one is somebody else's.
    taken: bool,
}

fn known(host: &dyn Host, report: &Cmd, [origin, snapshot]: [&Name; 2]) -> Result<Known, Fault> {
    let volumes = lvm::volumes(&host.output(report)?).map_err(Fault::unsure)?;
    if !volumes.iter().any(|lv| lv.is(origin)) {
        return Err(Fault::refused(format!("the volume '{origin}' is not there")));
    }
    let of_it =
        |lv: &lvm::Volume| lv.name.vg() == origin.vg() && lv.origin.as_deref() == Some(origin.lv());
    let taken = volumes.iter().any(|lv| lv.is(snapshot));
    Ok(Known { shared: volumes.iter().any(of_it), taken })
}

fn left(found: &Found<'_>, half: &Half, shared: bool) -> Result<(), Fault> {
    if found.suspended {
        let name = &half.origin;
        return Err(Fault::refused(format!(
            "the device '{name}' is suspended, and writes to it hang: 'dmsetup resume {name}' lets \
             them go on"
        )));
    }
    let below = (found.real && !shared).then_some(half.real.as_str());
    match found.own.iter().copied().chain(below).next() {
        None => Ok(()),
        Some(device) => Err(Fault::unsure(format!("the device '{device}' is still there"))),
    }
}

impl Found<'_> {
    fn is_nothing(&self) -> bool {
        self.own.is_empty() && !self.real && !self.suspended
    }
}
