//! Every refusal: what it says, and the hint that helps. Nothing is touched before any of them,
//! since the host of these tests cannot act.

use super::world::{self, REDO, ROOT, SOURCE, World, mount, said};
use crate::host::Fault;
use crate::host::{Entry, Kind, Link};
use crate::units::Bytes;

const MARIADB: &str = include_str!("../../../tests/facts/mariadb-10.11.txt");
const MYSQL: &str = include_str!("../../../tests/facts/mysql-8.0.txt");

/// Changes a sound machine and expects this refusal and this hint.
fn check(facts: &str, change: impl FnOnce(&mut World), what: &str, hint: &str) {
    let mut world = World::new(facts);
    change(&mut world);
    let refusal = world.plan().expect_err("it must be refused");
    assert_eq!(refusal.what, what);
    assert_eq!(refusal.hint.as_deref(), Some(hint));
}

fn directory(world: &mut World) -> &mut Entry {
    world.entries.get_mut(std::path::Path::new("/backup")).expect("the destination is there")
}

#[test]
fn who_and_with_what() {
    check(
        MARIADB,
        |world| world.machine.uid = 1000,
        "cannot take snapshots as user 1000: expected root",
        "Run it as root, for example with 'sudo'.",
    );
    check(
        MARIADB,
        |world| world.missing_program = "rsync",
        "cannot find the program 'rsync'",
        "Run 'apt install rsync' or 'dnf install rsync'.",
    );
    check(
        MARIADB,
        |world| world.missing_program = "lvcreate",
        "cannot find the program 'lvcreate'",
        "Run 'apt install lvm2' or 'dnf install lvm2'.",
    );
}

#[test]
fn the_server_is_not_the_one_whose_files_are_here() {
    check(
        MARIADB,
        |world| world.answer("pid_file", "/run/mysqld/other.pid"),
        "the server at 'backup@/run/mysqld/mysqld.sock' is not seen to work in '/var/lib/mysql' on \
         this host (its pid file is '/run/mysqld/other.pid')",
        "Run holdstill on the server's own host, outside of containers, and connect to the server \
         itself.",
    );
    check(
        MARIADB,
        |world| world.answer("innodb_flush_log_at_trx_commit", "0"),
        "the server keeps the last commits in memory alone (innodb_flush_log_at_trx_commit is 0)",
        "Run 'SET GLOBAL innodb_flush_log_at_trx_commit = 2' on the server: it survives a crash of \
         the server, and a snapshot.",
    );
}

#[test]
fn an_applier_that_could_not_be_started_as_it_was() {
    check(
        MARIADB,
        |world| world.answer("Until_Condition", "Master"),
        "the channel runs until a set place (Master)",
        "Try again when its applier has stopped there.",
    );
    check(
        MARIADB,
        |world| {
            world.answer("Using_Gtid", "Slave_Pos");
            world.answer("Slave_IO_Running", "No");
        },
        "the receiver of the channel is stopped while its applier runs",
        "Run 'START SLAVE IO_THREAD', or let the applier finish and stop it as well.",
    );
}

#[test]
fn the_server() {
    check(
        MARIADB,
        |world| world.greeting = Err(said(1045, "cannot connect to 'backup@/a.sock': denied")),
        "cannot connect to 'backup@/a.sock': denied",
        "Check user and password in '/etc/holdstill/client.cnf': 'mariadb \
         --defaults-file=/etc/holdstill/client.cnf' or 'mysql \
         --defaults-file=/etc/holdstill/client.cnf' must get in.",
    );
    check(
        MARIADB,
        |world| world.greeting = Err(Fault::refused("cannot connect: the server offers no TLS")),
        "cannot connect: the server offers no TLS",
        "Give the server a certificate (ssl_cert, ssl_key), use its socket, or write tls = \"off\" \
         in [server] if everything may be sent in the clear.",
    );
    check(
        MARIADB,
        |world| drop(world.entries.remove(std::path::Path::new("/run/mysqld/mysqld.sock"))),
        "cannot reach the server: no socket at '/run/mysqld/mysqld.sock'",
        "Start the server, or name its socket with 'socket' in [server].",
    );
    check(
        MARIADB,
        |world| world.answer("version", "10.3.39-MariaDB"),
        "cannot back up this server: expected MariaDB 10.4 or later, found MariaDB \
         10.3.39-MariaDB",
        "Supported are MariaDB 10.4 and later, and MySQL 8.0, 8.4 and 9.",
    );
    check(
        MARIADB,
        |world| world.answer("wsrep_on", "ON"),
        "cannot back up a node of a Galera cluster yet (wsrep_on is ON)",
        "Back up an asynchronous replica of the cluster instead.",
    );
}

#[test]
fn privileges_name_the_exact_grant() {
    let mut world = World::new(MARIADB);
    let none = "GRANT USAGE ON *.* TO `backup`@`localhost`";
    world.answer("Grants for backup@localhost", none);
    let all = world.whole_plan().expect_err("nothing is granted");
    let told: Vec<_> = all.iter().map(|one| (one.what.as_str(), one.hint.as_deref())).collect();
    let account = "the account 'backup@localhost' lacks";
    assert_eq!(
        told,
        [
            (
                format!(
                    "{account} RELOAD (the lock), BINLOG MONITOR (the server's own position), SLAVE \
                     MONITOR (the state of replication), PROCESS (the places of the tablespaces)"
                )
                .as_str(),
                Some(
                    "Run: GRANT RELOAD, BINLOG MONITOR, SLAVE MONITOR, PROCESS ON *.* TO \
                     'backup'@'localhost';"
                )
            ),
            (
                format!("{account} REPLICATION SLAVE ADMIN (stopping and starting the applier)")
                    .as_str(),
                Some("Run: GRANT REPLICATION SLAVE ADMIN ON *.* TO 'backup'@'localhost';")
            ),
        ]
    );
    let some = "GRANT RELOAD, PROCESS, REPLICATION CLIENT ON *.* TO `backup`@`localhost`";
    check(
        MYSQL,
        |world| world.answer("Grants for backup@localhost", some),
        "the account 'backup@localhost' lacks REPLICATION_SLAVE_ADMIN (stopping and starting the \
         applier)",
        "Run: GRANT REPLICATION_SLAVE_ADMIN ON *.* TO 'backup'@'localhost';",
    );
}

#[test]
fn the_volume() {
    check(
        MARIADB,
        |world| {
            world.mounts.remove(2);
            world.put("/var/lib/mysql", ROOT);
        },
        "cannot take a snapshot of '/var/lib/mysql': it is on '/dev/sda1' (ext4 mounted at '/'), \
         which is not an LVM volume",
        "Move the data directory to a logical volume; see 'lsblk' and 'lvs'.",
    );
}

#[test]
fn several_volumes_that_cannot_stand_still_together() {
    let redo = |world: &mut World| {
        world.mounts.push(mount("/redo", "xfs", "/dev/mapper/data-redo", REDO));
        world.put("/redo", REDO);
        world.answer("innodb_log_group_home_dir", "/redo");
    };
    check(
        MARIADB,
        |world| {
            redo(world);
            world.machine.freezes_nest = Some(false);
        },
        "cannot freeze '/var/lib/mysql' explicitly on kernel 6.12.48: freezes do not nest there, \
         and suspending the volume fails with 'Device or resource busy' (EBUSY)",
        "The server's data is on several volumes, of which one picture needs such a freeze: move it \
         to one volume, or run a kernel of 6.8 or later.",
    );
    check(
        MARIADB,
        |world| {
            world.put("/srv/db1", ROOT);
            let (at, to) = ("/var/lib/mysql/db1".into(), "/srv/db1".into());
            world.links.push(Link { at, to });
        },
        "cannot take a snapshot of '/srv/db1': it is on '/dev/sda1' (ext4 mounted at '/'), which is \
         not an LVM volume",
        "Move the data directory to a logical volume; see 'lsblk' and 'lvs'.",
    );
    check(
        MARIADB,
        |world| {
            redo(world);
            world.vgs = world.vgs.replace("5368709120", "2147483648");
        },
        "too little space in the volume group 'data': the snapshot needs 208 MiB (218103808 bytes), \
         0 B (0 bytes) are free",
        "Add a disk with 'vgextend data DEVICE', or make 'size' under [snapshot] smaller.",
    );
}

#[test]
fn volumes_that_no_snapshot_fits() {
    check(
        MARIADB,
        |world| world.lvs = world.lvs.replacen("\"pool_lv\":\"\"", "\"pool_lv\":\"pool\"", 1),
        "cannot take a snapshot of 'data/mysql': it lives in 'pool', which is no thin pool \
         (-wi-ao----)",
        "Run the server on an ordinary volume, or on a thin one.",
    );
    check(
        MARIADB,
        |world| world.lvs = world.lvs.replacen("\"origin\":\"\"", "\"origin\":\"real\"", 1),
        "cannot take a snapshot of 'data/mysql': it is itself a snapshot of 'real'",
        "Run the server on an ordinary volume, not on a snapshot.",
    );
    check(
        MARIADB,
        |world| world.mounts[2].kind = "btrfs".into(),
        "cannot take a snapshot of 'data/mysql': its filesystem is 'btrfs'",
        "Supported are xfs, ext4 and ext3.",
    );
    check(
        MARIADB,
        |world| world.vgs = world.vgs.replace("5368709120", "1073741824"),
        "too little space in the volume group 'data': the snapshot needs 2 GiB (2147483648 \
         bytes), 1 GiB (1073741824 bytes) are free",
        "Add a disk with 'vgextend data DEVICE', or make 'size' under [snapshot] smaller.",
    );
}

#[test]
fn thin_pools_that_a_snapshot_could_fill() {
    let thin = |change: &'static dyn Fn(String) -> String| {
        move |world: &mut World| world.lvs = change(world::THIN.into())
    };
    let unfit = |why: &str, attr: &str| {
        format!(
            "cannot take a snapshot of 'data/mysql' in its thin pool 'data/pool': {why} ({attr})"
        )
    };
    let hint = "Look at 'lvs --all' and the end of 'dmesg'; lvmthin(7) tells how a pool is \
                repaired and extended.";
    for (attr, why) in [
        ("twi-aotzD-", "it is out of data space"),
        ("twi-aotzM-", "its metadata is read-only"),
        ("twi-aotzF-", "it has failed"),
        ("twi-cotz--", "it needs to be checked"),
        ("twi-XotzX-", "lvm does not know its state"),
    ] {
        let change = |world: &mut World| world.lvs = world::THIN.replace("twi-aotz--", attr);
        check(MARIADB, change, &unfit(why, attr), hint);
    }
    check(
        MARIADB,
        thin(&|lvs| lvs.replace("\"42.80\"", "\"80.01\"")),
        "cannot take a snapshot of 'data/mysql' in its thin pool 'data/pool': 80.01 % of its data \
         are in use, at most 80 may",
        "Run 'lvextend --size +SIZE data/pool', or raise 'pool_percent_max' under [snapshot].",
    );
    check(
        MARIADB,
        thin(&|lvs| lvs.replace("\"12.21\"", "\"99.00\"")),
        "cannot take a snapshot of 'data/mysql' in its thin pool 'data/pool': 99 % of its metadata \
         are in use, at most 80 may",
        "Run 'lvextend --poolmetadatasize +SIZE data/pool', or raise 'pool_percent_max' under \
         [snapshot].",
    );
    check(
        MARIADB,
        thin(&|lvs| lvs.replace("\"lv_name\":\"pool\"", "\"lv_name\":\"other\"")),
        "expected the pool 'data/pool' in the report of lvs",
        "Run 'lvs' and 'vgs' by hand: what do they say?",
    );
}

#[test]
fn the_freeze() {
    let explicit = |world: &mut World| world.config.push_str("[lock]\nfreeze = \"explicit\"\n");
    check(
        MARIADB,
        |world| {
            explicit(world);
            world.machine.kernel = "6.1.0-44".into();
            world.machine.freezes_nest = Some(false);
        },
        "cannot freeze '/var/lib/mysql' explicitly on kernel 6.1.0-44: freezes do not nest there, \
         and suspending the volume fails with 'Device or resource busy' (EBUSY)",
        "Write 'freeze = \"auto\"' under [lock]: device-mapper freezes by itself.",
    );
    check(
        MARIADB,
        |world| {
            explicit(world);
            world.put("/etc/lvm", SOURCE);
        },
        "cannot freeze '/var/lib/mysql' explicitly: '/etc/lvm' is on it and is written to \
         meanwhile",
        "Write 'freeze = \"auto\"' under [lock], or move one of them.",
    );
    check(
        MARIADB,
        |world| world.put("/var/lib/holdstill", SOURCE),
        "the ledger's directory '/var/lib/holdstill' is on the filesystem that is backed up \
         ('/var/lib/mysql')",
        "Name a directory on another filesystem with 'state_dir': a ledger must stay writable \
         while that one stands still.",
    );
}

#[test]
fn the_destination() {
    check(
        MARIADB,
        |world| drop(world.entries.remove(std::path::Path::new("/backup"))),
        "the destination '/backup' is not there",
        "Run 'mkdir --mode 0700 /backup', or mount what belongs there.",
    );
    check(
        MARIADB,
        |world| directory(world).kind = Kind::File,
        "the destination '/backup' is not a directory",
        "Name a directory under [destination].",
    );
    check(
        MARIADB,
        |world| directory(world).device = SOURCE.into(),
        "the destination '/backup' is on the filesystem it backs up ('/var/lib/mysql')",
        "Name a directory on another disk or machine.",
    );
    check(
        MARIADB,
        |world| directory(world).mode = 0o777,
        "the destination '/backup' can be written to by others (mode 0777)",
        "Run 'chmod go-w /backup'.",
    );
    check(
        MARIADB,
        |world| world.mounts[3].read_only = true,
        "the destination '/backup' is on a filesystem mounted read-only ('/backup')",
        "Run 'mount -o remount,rw /backup'.",
    );
    check(
        MARIADB,
        |world| world.free = Bytes(3 << 30),
        "too little space at the destination '/backup': the backup needs 3.1 GiB (3382286742 \
         bytes, 5 % of margin in it), 3 GiB (3221225472 bytes) are free",
        "Remove old backups ('holdstill list' shows them), or name another directory.",
    );
}

#[test]
fn replication() {
    check(
        MARIADB,
        |world| world.answer("Slave_open_temp_tables", "2"),
        "the applier holds 2 temporary tables open, which no backup contains",
        "Try again later, or set binlog_format=ROW on the source, which needs none.",
    );
    check(
        MYSQL,
        |world| {
            world.answer("replica_preserve_commit_order", "OFF");
            world.answer("slave_preserve_commit_order", "OFF");
        },
        "the channel applies in parallel without GTID and out of order: its position may have \
         gaps",
        "Set replica_preserve_commit_order=ON, or SOURCE_AUTO_POSITION=1.",
    );
    check(
        MYSQL,
        |world| world.answer("Replica_SQL_Running", "No"),
        "the channel applies in parallel without GTID and is stopped: its position may lag behind",
        "Start it with START REPLICA so that it can be stopped cleanly, or set \
         SOURCE_AUTO_POSITION=1.",
    );
    check(
        MYSQL,
        |world| world.answer("Channel_Name", "group_replication_applier"),
        "cannot back up a member of a replication group yet",
        "Back up an asynchronous replica of the group instead.",
    );
}
