//! The machine and the programs that a run needs.

use std::path::PathBuf;

use super::make::pass;
use super::{Aspect, Note, Refusal, Tools};
use crate::host::{Ask, Cmd, Host, Machine, Overrun};
use crate::snapshot::{command, lvm};
use crate::units::Millis;

/// How long a program may take to tell its version.
const VERSION_MS_MAX: Millis = Millis(10_000);

/// The programs, each at its absolute path.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    pub(super) lvm: PathBuf,
    pub(super) lvs: PathBuf,
    pub(super) pvs: PathBuf,
    pub(super) vgs: PathBuf,
    pub(super) rsync: PathBuf,
    pub(super) volumes: command::Programs,
    pub(super) reports: Reports,
}

/// What the looking is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking<'a> {
    /// To act on it, as the run of this id: lvm reports under its locks, so that nobody changes it
    /// at that moment.
    ToAct(&'a str),
    /// To know: nothing is touched, not even a lock of lvm's.
    Only,
}

/// How lvm makes its reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reports {
    /// Under its locks.
    Locked,
    /// Without any.
    Unlocked,
}

impl Asking<'_> {
    /// The id of the run; of one that nobody will begin, what it would be at this moment.
    pub(super) fn run(self, machine: &Machine) -> String {
        match self {
            Self::ToAct(run) => run.to_owned(),
            Self::Only => machine.run_id(),
        }
    }

    fn reports(self) -> Reports {
        match self {
            Self::ToAct(_) => Reports::Locked,
            Self::Only => Reports::Unlocked,
        }
    }
}

impl Programs {
    /// A report of lvm's, in the manner of the asking.
    pub(super) fn reporting(&self, report: Cmd) -> Cmd {
        match self.reports {
            Reports::Locked => report,
            Reports::Unlocked => lvm::only_asked(report),
        }
    }
}

/// The machine, if we may act on it.
pub(crate) fn machine(host: &dyn Host) -> Result<Machine, Refusal> {
    let machine = host.machine()?;
    if machine.uid == 0 {
        return Ok(machine);
    }
    let what = format!("cannot take snapshots as user {}: expected root", machine.uid);
    Err(Refusal::new(what, "Run it as root, for example with 'sudo'."))
}

/// Finds the programs and their versions.
pub(super) fn find(
    host: &dyn Host,
    asking: Asking<'_>,
    notes: &mut Vec<Note>,
) -> Result<(Programs, Tools), Refusal> {
    let lvm = program(host, "lvm")?;
    let programs = Programs {
        lvm: lvm.clone(),
        pvs: program(host, "pvs")?,
        lvs: program(host, "lvs")?,
        vgs: program(host, "vgs")?,
        volumes: command::Programs {
            lvcreate: program(host, "lvcreate")?,
            lvchange: program(host, "lvchange")?,
            lvremove: program(host, "lvremove")?,
            lvextend: program(host, "lvextend")?,
            dmsetup: program(host, "dmsetup")?,
        },
        rsync: program(host, "rsync")?,
        reports: asking.reports(),
    };
    let tools = Tools {
        lvm: version(host, lvm, "version", "LVM version:")?,
        rsync: version(host, programs.rsync.clone(), "--version", "version ")?,
    };
    pass(notes, Aspect::Programs, format!("lvm {}, rsync {}", tools.lvm, tools.rsync));
    Ok((programs, tools))
}

/// Where a program is, or what installs it.
pub(crate) fn program(host: &dyn Host, name: &'static str) -> Result<PathBuf, Refusal> {
    host.program(name)?.ok_or_else(|| {
        let (apt, dnf) = match name {
            "rsync" => ("rsync", "rsync"),
            "dmsetup" => ("dmsetup", "device-mapper"),
            _ => ("lvm2", "lvm2"),
        };
        let hint = format!("Run 'apt install {apt}' or 'dnf install {dnf}'.");
        Refusal::new(format!("cannot find the program '{name}'"), hint)
    })
}

/// The word after `before` in the program's answer; a version is told, never decided on.
fn version(host: &dyn Host, program: PathBuf, arg: &str, before: &str) -> Result<String, Refusal> {
    let cmd =
        Cmd { program, args: Vec::new(), ms_max: VERSION_MS_MAX, overrun: Overrun::LeaveAlone };
    let text = host.output(&cmd.arg(arg))?;
    let after = text.split_once(before).map(|(_, after)| after);
    let word = after.and_then(|after| after.split_ascii_whitespace().next());
    Ok(word.unwrap_or("unknown").to_owned())
}
