//! Simulated machines. Each holds things of others, which every test expects to survive: an
//! earlier backup, volumes, a mount, directories.

use std::path::Path;

use holdstill::database::Flavour;
use holdstill::host::sim::{Channel, Mounted, Owner, Server, Sim, World};
use holdstill::host::{Machine, Mount};

use super::STATE;
use super::plans::{DESTINATION, LOGS, POOL, RUN, SOURCE, VG};

/// The machine that all plans are made for.
pub(crate) fn machine() -> Machine {
    Machine {
        host: "replica.example".into(),
        boot: "6f4e".into(),
        kernel: "6.12.0".into(),
        freezes_nest: Some(true),
        pid: 4711,
        uid: 0,
        unix_seconds: 1_790_000_000,
        random: 42,
    }
}

/// A MariaDB replica on xfs.
pub(crate) fn mariadb_replica() -> Sim {
    world(Server::new(Flavour::MariaDb, SOURCE, vec![Channel::new("", true)]), "xfs")
}

/// The same on a kernel that lets no process be traced.
pub(crate) fn untraceable() -> Sim {
    let sim = mariadb_replica();
    sim.arrange().traceable = false;
    sim
}

/// The same on a thin volume.
pub(crate) fn thin() -> Sim {
    let sim = mariadb_replica();
    sim.arrange().volumes.make_thin(0, POOL);
    sim
}

/// The same with the logs on a volume of their own.
pub(crate) fn two_volumes() -> Sim {
    let sim = mariadb_replica();
    let mut world = sim.arrange();
    world.volumes.add_foreign(VG, "logs", "ext4");
    world.files.foreign_dir(Path::new(LOGS));
    mount(&mut world, LOGS, &format!("/dev/mapper/{VG}-logs"), "253:3", "ext4");
    drop(world);
    sim
}

/// A MySQL replica of two sources, with a third channel that was stopped before us.
pub(crate) fn mysql_two_channels() -> Sim {
    let channels =
        vec![Channel::new("east", true), Channel::new("west", true), Channel::new("old", false)];
    world(Server::new(Flavour::MySql, SOURCE, channels), "ext4")
}

/// A MySQL server that is no replica.
pub(crate) fn mysql_alone() -> Sim {
    world(Server::new(Flavour::MySql, SOURCE, Vec::new()), "ext4")
}

/// A MariaDB replica where somebody's volume has the very name of our snapshot, without our tag.
pub(crate) fn name_taken() -> Sim {
    let sim = mariadb_replica();
    sim.arrange().volumes.add_foreign(VG, &format!("hs-{RUN}"), "xfs");
    sim
}

/// The same on a kernel where freezes do not nest, where an explicit freeze makes lvcreate fail and
/// leave a volume behind.
pub(crate) fn linux_6_1() -> Sim {
    let sim = mariadb_replica();
    sim.arrange().machine.freezes_nest = Some(false);
    sim
}

fn world(server: Server, filesystem: &str) -> Sim {
    let mut world = World::new(machine(), server);
    world.volumes.add_foreign(VG, "data", filesystem);
    let other_run = "hs-20260801T030000Z-00000007";
    world.volumes.add_foreign(VG, other_run, filesystem);
    world.volumes.all[1].tags.push("holdstill-20260801T030000Z-00000007".into());
    world.volumes.add_foreign("other", "root", "ext4");
    for directory in [SOURCE, "/run/holdstill", "/mnt/others", &format!("{STATE}/ledger")] {
        world.files.foreign_dir(Path::new(directory));
    }
    let earlier = Path::new(DESTINATION).join("20260801T030000Z-00000007");
    world.files.foreign_file(&earlier.join("backup.json"), r#"{"run":"earlier"}"#);
    world.files.foreign_file(&earlier.join("tree/ibdata1"), "an earlier backup");
    mount(&mut world, SOURCE, &format!("/dev/mapper/{VG}-data"), "253:0", filesystem);
    mount(&mut world, DESTINATION, "/dev/sdb1", "8:17", "ext4");
    mount(&mut world, "/mnt/others", "/dev/mapper/other-root", "253:2", "ext4");
    Sim::new(world)
}

fn mount(world: &mut World, point: &str, source: &str, device: &str, kind: &str) {
    let mount = Mount {
        point: point.into(),
        root: "/".into(),
        kind: kind.into(),
        source: source.into(),
        device: device.into(),
        read_only: false,
    };
    world.mounts.push(Mounted { mount, owner: Owner::Foreign, private: false });
}
