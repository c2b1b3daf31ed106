//! What an lvm that somebody has killed over the extension of a COW store leaves suspended: the
//! origin, the snapshot, and the devices below both. Writes to the origin hang, and a process that
//! has the snapshot mounted cannot even end; so neither could the snapshot be removed.
//!
//! Ours are such suspends while lvm knows our snapshot of that origin. One of a command of lvm that
//! still works is its own affair, and is waited for.

use crate::host::{Act, Ask, Cmd, Fault, Host};
use crate::snapshot::lvm::{self, Name};

/// Lets every device that is suspended go on, in this order; which they were. All are tried.
/// Idempotent.
pub fn resume<'a>(
    host: &mut dyn Host,
    devices: &'a [(String, Cmd)],
) -> Result<Vec<&'a str>, Fault> {
    let (mut resumed, mut failed) = (Vec::new(), Ok(()));
    for (device, resume) in devices {
        match resume_one(host, device, resume) {
            Ok(true) => resumed.push(device.as_str()),
            Ok(false) => {}
            Err(fault) => failed = Err(fault.during(&format!("'{device}' may be suspended"))),
        }
    }
    failed.map(|()| resumed)
}

fn resume_one(host: &mut dyn Host, device: &str, resume: &Cmd) -> Result<bool, Fault> {
    let suspended = is_suspended(host, device)?;
    if suspended {
        host.act(&Act::Run(resume.clone()))?;
    }
    Ok(suspended)
}

fn is_suspended(host: &dyn Host, device: &str) -> Result<bool, Fault> {
    Ok(host.device(device)?.is_some_and(|device| device.suspended))
}

/// Lets go on what a dead lvm left suspended over our snapshot.
pub(super) fn let_go_on(
    host: &mut dyn Host,
    report: &Cmd,
    [origin, snapshot]: [&Name; 2],
    devices: &[(String, Cmd)],
) -> Result<(), Fault> {
    let mut all = devices.iter().map(|(device, _)| is_suspended(host, device));
    if !all.any(|suspended| !matches!(suspended, Ok(false))) {
        return Ok(());
    }
    // The report also waits for whatever another command of lvm does to the group.
    let volumes = lvm::volumes(&host.output(report)?).map_err(Fault::unsure)?;
    let ours = |lv: &lvm::Volume| lv.is(snapshot) && lv.origin.as_deref() == Some(origin.lv());
    if volumes.iter().any(ours) {
        resume(host, devices)?;
    }
    Ok(())
}
