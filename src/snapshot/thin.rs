//! Thin snapshots: another volume of the origin's pool, which shares its blocks until one of the
//! two is written to. It has no size of its own, so its room is the pool's.
//!
//! Thin snapshots are born with a flag that keeps them from being activated (lvmthin(7)); ours are
//! made without it.

use super::command::{Programs, devices_option, lvm};
use super::lvm::Name;
use crate::host::Cmd;
use crate::units::Millis;

/// What lvm hangs behind a pool's name for the device that is the pool (`tpool` in lvm2's
/// lib/thin/thin.c); the one of the plain name is at most a linear one above it.
const POOL_LAYER: &str = "-tpool";

/// Takes the snapshot, tagged. A size would make it a thick one (lvcreate(8)).
pub fn take(programs: &Programs, origin: &Name, snapshot: &Name, tag: &str, ms_max: Millis) -> Cmd {
    lvm(&programs.lvcreate, ms_max)
        .arg("--snapshot")
        .arg("--setactivationskip")
        .arg("n")
        .arg("--yes")
        .arg("--name")
        .arg(snapshot.lv())
        .arg("--addtag")
        .arg(tag)
        .arg(origin.to_string())
}

/// The same as a line for the shell of lvm, its last one.
pub fn order(origin: &Name, snapshot: &Name, tag: &str, devices: &[String]) -> String {
    let (devices, own) = (devices_option(devices), snapshot.lv());
    format!(
        "lvcreate --snapshot --setactivationskip n --yes --name {own} --addtag {tag}{devices} \
         {origin}"
    )
}

/// The name in device-mapper of the device that is the pool.
pub fn pool_device(pool: &Name) -> String {
    pool.device() + POOL_LAYER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_tagged_has_no_size_and_may_be_activated() {
        let programs = Programs {
            lvcreate: "/sbin/lvcreate".into(),
            lvchange: "".into(),
            lvremove: "".into(),
            lvextend: "".into(),
            dmsetup: "".into(),
        };
        let (origin, own) = (Name::new("lab", "data"), Name::new("lab", "hs-1"));
        let cmd = take(&programs, &origin, &own, "ours", Millis(1)).to_string();
        let order = order(&origin, &own, "ours", &["/dev/sdb".into()]);
        let begin = "lvcreate --snapshot --setactivationskip n --yes --name hs-1 --addtag ours";
        assert_eq!(cmd, format!("{begin} lab/data"));
        assert_eq!(order, format!("{begin} --devices /dev/sdb lab/data"));
    }

    #[test]
    fn hyphens_of_the_pool_are_doubled_and_that_of_its_layer_is_not() {
        assert_eq!(pool_device(&Name::new("my-vg", "a-pool")), "my--vg-a--pool-tpool");
    }
}
