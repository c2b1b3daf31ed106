//! Thick snapshots: a COW store of a fixed size beside the origin, in the same volume group.

use serde::{Deserialize, Serialize};

use super::command::{Programs, devices_option, lvm};
use super::lvm::Name;
use crate::host::Cmd;
use crate::units::{Bytes, Millis};

/// How long making a store may take before it is reported and left alone.
const STORE_MS_MAX: Millis = Millis(60_000);

/// How long extending a store may take before it is reported and left alone.
const EXTEND_MS_MAX: Millis = Millis(30_000);

/// How long a command of device-mapper may take.
const DMSETUP_MS_MAX: Millis = Millis(10_000);

/// What lvm adds to the name and the id of an origin for the device below it (lvm2,
/// `dev_manager.c`).
pub const REAL_LAYER: &str = "-real";
/// The same for the device of a COW store.
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

/// Makes the store of a snapshot larger, to a size that is still to be added with [`to_size`]. The
/// origin is suspended for a moment while the kernel learns of it.
pub fn extend(programs: &Programs, snapshot: &Name) -> Cmd {
    lvm(&programs.lvextend, EXTEND_MS_MAX).arg("--yes").arg(snapshot.to_string())
}

/// The same to this size. A store that has it already is an error of lvm's, and stays as it is.
#[must_use]
pub fn to_size(extend: &Cmd, size: Bytes) -> Cmd {
    extend.clone().arg("--size").arg(format!("{}b", size.0))
}

/// The devices that are suspended while a store is extended, and what lets each go on, in lvm's own
/// order: those below first, since what is above them waits for them.
pub fn resume(programs: &Programs, [origin, snapshot]: [&Name; 2]) -> [(String, Cmd); 4] {
    let resume = |device: &String| lvm(&programs.dmsetup, DMSETUP_MS_MAX).arg("resume").arg(device);
    let (origin, snapshot) = (origin.device(), snapshot.device());
    let (real, store) = (origin.clone() + REAL_LAYER, snapshot.clone() + STORE_LAYER);
    [real, store, snapshot, origin].map(|device| {
        let cmd = resume(&device);
        (device, cmd)
    })
}

/// The devices of half a snapshot, which an lvm that died leaves in device-mapper and no report of
/// lvm tells, and the commands about them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Half {
    /// The origin's device.
    pub origin: String,
    /// The device below it, which any snapshot of it shares.
    pub real: String,
    /// The devices that are ours alone: that of the snapshot, and that of its COW store.
    pub own: [String; 2],
    /// Throws away the origin's table that is not live yet.
    pub clear: Cmd,
    /// Lets a suspended origin go on.
    pub resume: Cmd,
    /// Removes a device, whose name is to be added.
    pub remove: Cmd,
}

/// What an lvm that died over this snapshot may have left.
pub fn half(programs: &Programs, origin: &Name, snapshot: &Name) -> Half {
    let dmsetup = |verb: &str| lvm(&programs.dmsetup, DMSETUP_MS_MAX).arg(verb);
    let device = origin.device();
    Half {
        real: device.clone() + REAL_LAYER,
        own: [snapshot.device(), snapshot.device() + STORE_LAYER],
        clear: dmsetup("clear").arg(&device),
        resume: dmsetup("resume").arg(&device),
        remove: dmsetup("remove").arg("--retry"),
        origin: device,
    }
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
            lvextend: "".into(),
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
            lvextend: "".into(),
            dmsetup: "/sbin/dmsetup".into(),
        };
        let half = half(&programs, &Name::new("lab", "a-b"), &Name::new("lab", "hs-1"));
        assert_eq!((half.origin.as_str(), half.real.as_str()), ("lab-a--b", "lab-a--b-real"));
        assert_eq!(half.own, ["lab-hs--1", "lab-hs--1-cow"]);
        let told = [half.clear, half.resume, half.remove].map(|cmd| cmd.to_string());
        assert_eq!(
            told,
            ["dmsetup clear lab-a--b", "dmsetup resume lab-a--b", "dmsetup remove --retry"]
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

    #[test]
    fn what_an_extension_suspends_goes_on_from_below() {
        let programs = Programs {
            lvcreate: "/sbin/lvcreate".into(),
            lvchange: "".into(),
            lvremove: "".into(),
            lvextend: "".into(),
            dmsetup: "/sbin/dmsetup".into(),
        };
        let (origin, snapshot) = (Name::new("lab", "data"), Name::new("lab", "hs-1"));
        let all = resume(&programs, [&origin, &snapshot]).map(|(_, cmd)| cmd.to_string());
        let wanted = ["lab-data-real", "lab-hs--1-cow", "lab-hs--1", "lab-data"];
        assert_eq!(all, wanted.map(|device| format!("dmsetup resume {device}")));
    }
}
