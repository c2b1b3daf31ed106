//! Thick snapshots: a COW store of a fixed size beside the origin, in the same volume group.

use super::command::{Programs, devices_option, lvm};
use super::lvm::Name;
use crate::host::Cmd;
use crate::units::{Bytes, Millis};

/// How long making a store may take before it is reported and left alone.
const STORE_MS_MAX: Millis = Millis(60_000);

/// How long a command of device-mapper may take.
const DMSETUP_MS_MAX: Millis = Millis(10_000);

/// What lvm calls the device below an origin, and the one of a COW store (lvm2, `dev_manager.c`).
const REAL_LAYER: &str = "-real";
const STORE_LAYER: &str = "-cow";

/// Takes the snapshot, tagged. It suspends the origin for a moment, which freezes the filesystem.
pub fn take(
    programs: &Programs,
    origin: &Name,
    snapshot: &Name,
    tag: &str,
    size: Bytes,
    ms_max: Millis,
) -> Cmd {
    let size = format!("{}b", size.0);
    lvm(&programs.lvcreate, ms_max)
        .arg("--snapshot")
        .arg("--yes")
        .arg("--name")
        .arg(snapshot.lv())
        .arg("--addtag")
        .arg(tag)
        .arg("--size")
        .arg(size)
        .arg(origin.to_string())
}

/// Makes the snapshot's COW store as a plain volume, tagged, which suspends nothing.
///
/// Its first 4 KiB are zeroed, where an old store would have its header: the kernel takes one that
/// it finds there for its own, and one of zeroes for a new store (`read_header` in
/// dm-snap-persistent.c). It clears the rest of what it reads by itself.
pub fn store(programs: &Programs, snapshot: &Name, tag: &str, size: Bytes) -> Cmd {
    lvm(&programs.lvcreate, STORE_MS_MAX)
        .arg("--yes")
        .arg("--wipesignatures")
        .arg("n")
        .arg("--zero")
        .arg("y")
        .arg("--name")
        .arg(snapshot.lv())
        .arg("--addtag")
        .arg(tag)
        .arg("--size")
        .arg(format!("{}b", size.0))
        .arg(snapshot.vg())
}

/// Takes the store's device away: lvm would do that under the lock, and wait for the kernel.
pub fn rest(programs: &Programs, snapshot: &Name) -> Cmd {
    let cmd = lvm(&programs.lvchange, STORE_MS_MAX);
    cmd.arg("--yes").arg("--activate").arg("n").arg(snapshot.to_string())
}

/// Makes the store a snapshot of the origin: a line for the shell of lvm, its last one. It must not
/// zero the store, which would take the time that `store` has taken before.
pub fn order(origin: &Name, snapshot: &Name, devices: &[String]) -> String {
    let devices = devices_option(devices);
    format!("lvconvert --yes --snapshot --zero n{devices} {origin} {snapshot}")
}

/// What an lvm that died between making its devices and the suspend leaves in device-mapper, and
/// no report of lvm tells: the devices that only a snapshot has, and the commands that clear them
/// away, each with the device that it is about. The origin lives on; only its new table goes.
pub fn half(
    programs: &Programs,
    origin: &Name,
    snapshot: &Name,
) -> ([String; 2], Vec<(String, Cmd)>) {
    let dmsetup = |args: &[&str]| Cmd {
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        ..lvm(&programs.dmsetup, DMSETUP_MS_MAX)
    };
    let store = snapshot.device() + STORE_LAYER;
    let real = origin.device() + REAL_LAYER;
    let steps = vec![
        (origin.device(), dmsetup(&["clear", &origin.device()])),
        (snapshot.device(), dmsetup(&["remove", "--retry", &snapshot.device()])),
        (real.clone(), dmsetup(&["remove", "--retry", &real])),
        (store.clone(), dmsetup(&["remove", "--retry", &store])),
    ];
    ([store, real], steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Overrun;

    fn devices(all: &[&str]) -> Vec<String> {
        all.iter().map(|one| (*one).to_owned()).collect()
    }

    #[test]
    fn a_store_is_a_plain_tagged_volume_with_zeroes_at_its_beginning() {
        let programs = Programs {
            lvcreate: "/sbin/lvcreate".into(),
            lvchange: "".into(),
            lvremove: "".into(),
            dmsetup: "".into(),
        };
        let cmd = store(&programs, &Name::new("lab", "hs-1"), "ours", Bytes(64 << 20));
        assert_eq!(
            cmd.to_string(),
            "lvcreate --yes --wipesignatures n --zero y --name hs-1 --addtag ours --size 67108864b lab"
        );
        assert_eq!(cmd.overrun, Overrun::LeaveAlone);
    }

    #[test]
    fn what_a_dead_lvm_leaves_is_known_by_its_names() {
        let programs = Programs {
            lvcreate: "".into(),
            lvchange: "".into(),
            lvremove: "".into(),
            dmsetup: "/sbin/dmsetup".into(),
        };
        let (devices, steps) = half(&programs, &Name::new("lab", "a-b"), &Name::new("lab", "hs-1"));
        assert_eq!(devices, ["lab-hs--1-cow", "lab-a--b-real"]);
        let told: Vec<String> = steps.iter().map(|(_, cmd)| cmd.to_string()).collect();
        assert_eq!(
            told,
            [
                "dmsetup clear lab-a--b",
                "dmsetup remove --retry lab-hs--1",
                "dmsetup remove --retry lab-a--b-real",
                "dmsetup remove --retry lab-hs--1-cow"
            ]
        );
    }

    #[test]
    fn an_order_names_the_devices_if_lvm_would_read_them_as_they_are() {
        let (origin, own) = (Name::new("lab", "data"), Name::new("lab", "hs-1"));
        let told = |all: &[&str]| order(&origin, &own, &devices(all));
        assert_eq!(
            told(&["/dev/sdb", "/dev/mapper/a-b"]),
            "lvconvert --yes --snapshot --zero n --devices /dev/sdb,/dev/mapper/a-b lab/data lab/hs-1"
        );
        for odd in [&[][..], &["/dev/a b"], &["/dev/sdb", "/dev/a,b"], &["[unknown]"], &["/#"]] {
            assert_eq!(told(odd), "lvconvert --yes --snapshot --zero n lab/data lab/hs-1");
        }
    }
}
