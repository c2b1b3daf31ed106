//! Every refusal: what it says, and the hint that helps. Nothing is touched before any of them,
//! since the host of these tests cannot act.

use std::fmt::Write;

use super::golden::check;
use super::world::{self, REDO, ROOT, SOURCE, World, mount, said};
use crate::error::Stop;
use crate::host::{Entry, Fault, Kind, Link};
use crate::units::Bytes;

const MARIADB: &str = include_str!("../../../tests/facts/mariadb-10.11.txt");
const MYSQL: &str = include_str!("../../../tests/facts/mysql-8.0.txt");

/// The cases, by what they are about.
type Cases = fn(&mut Said);

const ALL: [(&str, Cases); 12] = [
    ("who and with what", who_and_with_what),
    (
        "the server is not the one whose files are here",
        the_server_is_not_the_one_whose_files_are_here,
    ),
    (
        "an applier that could not be started as it was",
        an_applier_that_could_not_be_started_as_it_was,
    ),
    ("the server", the_server),
    ("privileges name the exact grant", privileges_name_the_exact_grant),
    ("the volume", the_volume),
    (
        "several volumes that cannot stand still together",
        several_volumes_that_cannot_stand_still_together,
    ),
    ("volumes that no snapshot fits", volumes_that_no_snapshot_fits),
    ("thin pools that a snapshot could fill", thin_pools_that_a_snapshot_could_fill),
    ("the freeze", the_freeze),
    ("the destination", the_destination),
    ("replication", replication),
];

/// What was refused so far.
#[derive(Default)]
struct Said(String);

impl Said {
    /// Changes a sound machine, and notes why there is no backup of it then.
    fn check(&mut self, facts: &str, change: impl FnOnce(&mut World)) {
        let mut world = World::new(facts);
        change(&mut world);
        let all = world.whole_plan().expect_err("it must be refused");
        self.0 += &Stop::Refused(all).message();
        self.0 += "\n";
    }
}

/// Every refusal as it is read, to be read through as a whole.
#[test]
fn refusals_are_as_blessed() {
    let mut seen = Said::default();
    for (title, cases) in ALL {
        let _cannot_fail = writeln!(seen.0, "== {title}\n");
        cases(&mut seen);
    }
    check("refusals", &seen.0);
}

fn directory(world: &mut World) -> &mut Entry {
    world.entries.get_mut(std::path::Path::new("/backup")).expect("the destination is there")
}

fn who_and_with_what(seen: &mut Said) {
    seen.check(MARIADB, |world| world.machine.uid = 1000);
    seen.check(MARIADB, |world| world.missing_program = "rsync");
    seen.check(MARIADB, |world| world.missing_program = "lvcreate");
}

fn the_server_is_not_the_one_whose_files_are_here(seen: &mut Said) {
    seen.check(MARIADB, |world| world.answer("pid_file", "/run/mysqld/other.pid"));
    seen.check(MARIADB, |world| world.answer("innodb_flush_log_at_trx_commit", "0"));
}

fn an_applier_that_could_not_be_started_as_it_was(seen: &mut Said) {
    seen.check(MARIADB, |world| world.answer("Until_Condition", "Master"));
    seen.check(MARIADB, |world| {
        world.answer("Using_Gtid", "Slave_Pos");
        world.answer("Slave_IO_Running", "No");
    });
}

fn the_server(seen: &mut Said) {
    seen.check(MARIADB, |world| {
        world.greeting = Err(said(1045, "cannot connect to 'backup@/a.sock': denied"));
    });
    seen.check(MARIADB, |world| {
        world.greeting = Err(Fault::refused("cannot connect: the server offers no TLS"));
    });
    seen.check(MARIADB, |world| {
        drop(world.entries.remove(std::path::Path::new("/run/mysqld/mysqld.sock")));
    });
    seen.check(MARIADB, |world| world.answer("version", "10.3.39-MariaDB"));
    seen.check(MARIADB, |world| world.answer("wsrep_on", "ON"));
}

fn privileges_name_the_exact_grant(seen: &mut Said) {
    let none = "GRANT USAGE ON *.* TO `backup`@`localhost`";
    seen.check(MARIADB, |world| world.answer("Grants for backup@localhost", none));
    let some = "GRANT RELOAD, PROCESS, REPLICATION CLIENT ON *.* TO `backup`@`localhost`";
    seen.check(MYSQL, |world| world.answer("Grants for backup@localhost", some));
}

fn the_volume(seen: &mut Said) {
    seen.check(MARIADB, |world| {
        world.mounts.remove(2);
        world.put("/var/lib/mysql", ROOT);
    });
}

fn several_volumes_that_cannot_stand_still_together(seen: &mut Said) {
    let redo = |world: &mut World| {
        world.mounts.push(mount("/redo", "xfs", "/dev/mapper/data-redo", REDO));
        world.put("/redo", REDO);
        world.answer("innodb_log_group_home_dir", "/redo");
    };
    seen.check(MARIADB, |world| {
        redo(world);
        world.machine.freezes_nest = Some(false);
    });
    seen.check(MARIADB, |world| {
        world.put("/srv/db1", ROOT);
        let (at, to) = ("/var/lib/mysql/db1".into(), "/srv/db1".into());
        world.links.push(Link { at, to });
    });
    seen.check(MARIADB, |world| {
        redo(world);
        world.vgs = world.vgs.replace("5368709120", "2147483648");
    });
}

fn volumes_that_no_snapshot_fits(seen: &mut Said) {
    seen.check(MARIADB, |world| {
        world.lvs = world.lvs.replacen("\"pool_lv\":\"\"", "\"pool_lv\":\"pool\"", 1);
    });
    seen.check(MARIADB, |world| {
        world.lvs = world.lvs.replacen("\"origin\":\"\"", "\"origin\":\"real\"", 1);
    });
    seen.check(MARIADB, |world| world.mounts[2].kind = "btrfs".into());
    seen.check(MARIADB, |world| world.vgs = world.vgs.replace("5368709120", "1073741824"));
}

fn thin_pools_that_a_snapshot_could_fill(seen: &mut Said) {
    let thin = |change: &'static dyn Fn(String) -> String| {
        move |world: &mut World| world.lvs = change(world::THIN.into())
    };
    for attr in ["twi-aotzD-", "twi-aotzM-", "twi-aotzF-", "twi-cotz--", "twi-XotzX-"] {
        let change = |world: &mut World| world.lvs = world::THIN.replace("twi-aotz--", attr);
        seen.check(MARIADB, change);
    }
    seen.check(MARIADB, thin(&|lvs| lvs.replace("\"42.80\"", "\"80.01\"")));
    seen.check(MARIADB, thin(&|lvs| lvs.replace("\"12.21\"", "\"99.00\"")));
    seen.check(MARIADB, thin(&|lvs| lvs.replace("\"lv_name\":\"pool\"", "\"lv_name\":\"other\"")));
}

fn the_freeze(seen: &mut Said) {
    let explicit = |world: &mut World| world.config.push_str("[lock]\nfreeze = \"explicit\"\n");
    seen.check(MARIADB, |world| {
        explicit(world);
        world.machine.kernel = "6.1.0-44".into();
        world.machine.freezes_nest = Some(false);
    });
    seen.check(MARIADB, |world| {
        explicit(world);
        world.put("/etc/lvm", SOURCE);
    });
    seen.check(MARIADB, |world| world.put("/var/lib/holdstill", SOURCE));
}

fn the_destination(seen: &mut Said) {
    seen.check(MARIADB, |world| drop(world.entries.remove(std::path::Path::new("/backup"))));
    seen.check(MARIADB, |world| directory(world).kind = Kind::File);
    seen.check(MARIADB, |world| directory(world).device = SOURCE.into());
    seen.check(MARIADB, |world| directory(world).mode = 0o777);
    seen.check(MARIADB, |world| world.mounts[3].read_only = true);
    seen.check(MARIADB, |world| world.free = Bytes(3 << 30));
}

fn replication(seen: &mut Said) {
    seen.check(MARIADB, |world| world.answer("Slave_open_temp_tables", "2"));
    seen.check(MYSQL, |world| {
        world.answer("replica_preserve_commit_order", "OFF");
        world.answer("slave_preserve_commit_order", "OFF");
    });
    seen.check(MYSQL, |world| world.answer("Replica_SQL_Running", "No"));
    seen.check(MYSQL, |world| world.answer("Channel_Name", "group_replication_applier"));
}
