//! What thick and thin snapshots share: the programs, the shell of lvm that takes the order, and
//! the removal. Deliberately absent: how a snapshot is taken, in which they differ.

use std::path::{Path, PathBuf};

use super::lvm::Name;
use crate::host::{Cmd, Overrun};
use crate::units::Millis;

/// How long a removal may take before it is reported and left alone.
const REMOVE_MS_MAX: Millis = Millis(60_000);

/// The programs of lvm that change volumes.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `lvcreate`.
    pub lvcreate: PathBuf,
    /// `lvchange`.
    pub lvchange: PathBuf,
    /// `lvremove`.
    pub lvremove: PathBuf,
    /// `lvextend`.
    pub lvextend: PathBuf,
    /// `dmsetup`.
    pub dmsetup: PathBuf,
}

/// What warms the shell: it reads the group's devices and asks the kernel for volumes.
///
/// Deliberately without `--devices`: a shell of lvm crashes in the command that follows one with it
/// (seen with 2.03.16 and 2.03.31).
pub fn warm(devices: &[String]) -> Vec<String> {
    let devices = named(devices).map(|list| list.replace(',', " ")).unwrap_or_default();
    let line = format!("pvs --noheadings --options pv_name,lv_name,lv_attr {devices}");
    vec![line.trim_end().into()]
}

/// The option that lets an order look at these devices alone, with a space before it.
pub(super) fn devices_option(devices: &[String]) -> String {
    named(devices).map(|list| format!(" --devices {list}")).unwrap_or_default()
}

/// The devices as `--devices` takes them. Nothing if one could not be told there or would not
/// survive lvm's own splitting: naming them only saves the time of looking at all others.
fn named(devices: &[String]) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.:+@=%".contains(c);
    let all_plain = devices.iter().all(|one| one.starts_with('/') && one.chars().all(plain));
    (all_plain && !devices.is_empty()).then(|| devices.join(","))
}

/// Removes the snapshot, or nothing if the volume of that name does not carry the tag.
pub fn remove(programs: &Programs, snapshot: &Name, tag: &str) -> Cmd {
    lvm(&programs.lvremove, REMOVE_MS_MAX)
        .arg("--yes")
        .arg("--select")
        .arg(format!("lv_tags={{{tag}}}"))
        .arg(snapshot.to_string())
}

/// An lvm command is never killed: one lost inside its critical section can leave a device
/// suspended until reboot.
pub(super) fn lvm(program: &Path, ms_max: Millis) -> Cmd {
    Cmd { program: program.into(), args: Vec::new(), ms_max, overrun: Overrun::LeaveAlone }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_warms_the_shell_reads_the_devices_and_never_names_them_by_the_option() {
        let devices = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        let line = "pvs --noheadings --options pv_name,lv_name,lv_attr";
        assert_eq!(warm(&devices(&["/dev/a", "/dev/b"])), [format!("{line} /dev/a /dev/b")]);
        assert_eq!(warm(&devices(&["/dev/a b"])), [line]);
    }
}
