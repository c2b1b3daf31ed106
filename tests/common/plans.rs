//! Plans as the planner would make them, literally.

use std::path::{Path, PathBuf};

use holdstill::claim::{Claim, Restart};
use holdstill::copy::rsync;
use holdstill::database::dialect::WRITE_LOGS;
use holdstill::database::{Flavour, Server};
use holdstill::host::{Cmd, Guard, Login, MountOrder, Reach, Secret, Sql};
use holdstill::plan::{Plan, Publish, Replica, Source, Tools, Window};
use holdstill::snapshot::lvm::{self, Name};
use holdstill::snapshot::thick::{self, Programs};
use holdstill::units::{Bytes, Millis};

use super::STATE;
use super::worlds::machine;

/// The run's id, which every name of the run contains.
pub(crate) const RUN: &str = "20260921T130640Z-0000002a";
/// Where the server's files are.
pub(crate) const SOURCE: &str = "/var/lib/mysql";
/// Where backups go.
pub(crate) const DESTINATION: &str = "/backup";
/// The volume group.
pub(crate) const VG: &str = "lab";
/// How long a statement may take.
const SQL_MS_MAX: Millis = Millis(5_000);

/// A MariaDB replica; the freeze is left to device-mapper.
pub(crate) fn mariadb_replica() -> Plan {
    let stop = vec!["STOP SLAVE SQL_THREAD"];
    let restarts = vec![("", "START SLAVE SQL_THREAD")];
    replica(alone(Flavour::MariaDb, "xfs"), "SHOW ALL SLAVES STATUS", &stop, &restarts)
}

/// The same with an explicit freeze.
pub(crate) fn explicit_freeze() -> Plan {
    let mut plan = mariadb_replica();
    let point = PathBuf::from(SOURCE);
    plan.window.freeze = Some(point.clone());
    plan.window.guard.thaw = vec![point.clone()];
    plan.claims.push(Claim::Frozen { point });
    plan
}

/// A MySQL replica of two sources.
pub(crate) fn mysql_two_channels() -> Plan {
    let stop = vec![
        "STOP REPLICA SQL_THREAD FOR CHANNEL 'east'",
        "STOP REPLICA SQL_THREAD FOR CHANNEL 'west'",
    ];
    let restarts = vec![
        ("east", "START REPLICA SQL_THREAD FOR CHANNEL 'east'"),
        ("west", "START REPLICA SQL_THREAD FOR CHANNEL 'west'"),
    ];
    replica(mysql_alone(), "SHOW REPLICA STATUS", &stop, &restarts)
}

/// A MySQL server that is no replica.
pub(crate) fn mysql_alone() -> Plan {
    alone(Flavour::MySql, "ext4")
}

/// Adds a replica's part to a plan.
fn replica(mut plan: Plan, status: &str, stop: &[&str], restarts: &[(&str, &str)]) -> Plan {
    plan.replica = Some(Replica {
        status: status.into(),
        stop: stop.iter().map(|text| Sql::control(*text, SQL_MS_MAX)).collect(),
    });
    let restart = |(channel, start): &(&str, &str)| Restart {
        channel: (*channel).into(),
        start: (*start).into(),
    };
    let duty = Claim::Replication {
        login: plan.login.clone(),
        status: status.into(),
        start: restarts.iter().map(restart).collect(),
        ms_max: SQL_MS_MAX,
    };
    let at = plan.claims.iter().position(|claim| *claim == Claim::Guarded);
    plan.claims.insert(at.expect("every plan has a dead-man"), duty);
    plan
}

/// A server that is no replica.
fn alone(flavour: Flavour, filesystem: &str) -> Plan {
    let login = login();
    let publish = publish();
    let source = source(filesystem);
    let mount = mount(filesystem);
    let unlock = Sql::lock("UNLOCK TABLES", SQL_MS_MAX);
    Plan {
        run: RUN.into(),
        machine: machine(),
        server: server(flavour),
        notes: Vec::new(),
        ledger: Path::new(STATE).join("ledger").join(format!("{RUN}.json")),
        claims: claims(&publish, &source, &mount, unlock),
        session: vec![Sql::lock("SET SESSION lock_wait_timeout=3", SQL_MS_MAX)],
        replica: None,
        window: window(flavour),
        copy: copy(&mount.point, &publish.partial),
        copy_bytes: Bytes(65_536),
        tools: Tools { lvm: "2.03.16".into(), rsync: "3.2.7".into() },
        login,
        publish,
        source,
        mount,
    }
}

fn claims(publish: &Publish, source: &Source, mount: &MountOrder, unlock: Sql) -> Vec<Claim> {
    vec![
        Claim::Partial {
            directory: publish.partial.clone(),
            run: RUN.into(),
            mount: DESTINATION.into(),
        },
        Claim::Snapshot {
            report: source.report.clone(),
            remove: thick::remove(&programs(), &snapshot(), &tag()),
            vg: VG.into(),
            lv: source.snapshot.clone(),
            tag: tag(),
        },
        Claim::Mounted { point: mount.point.clone(), device: mount.device.clone() },
        Claim::Guarded,
        Claim::Locked { unlock },
    ]
}

fn window(flavour: Flavour) -> Window {
    let (origin, size) = (Name::new(VG, "data"), Bytes(512 << 20));
    Window {
        guard: Guard { thaw: Vec::new() },
        wait_ms_max: Millis(8_000),
        hold_ms_max: Millis(30_000),
        lock: Sql::lock("FLUSH TABLES WITH READ LOCK", SQL_MS_MAX),
        write_logs: Sql::lock(WRITE_LOGS, SQL_MS_MAX),
        position: server(flavour).own_position(),
        freeze: None,
        snapshot: thick::take(&programs(), &origin, &snapshot(), &tag(), size, Millis(20_000)),
        ask_ms_max: Millis(1_000),
    }
}

fn login() -> Login {
    Login {
        reach: Reach::Socket("/run/mysqld/mysqld.sock".into()),
        user: Some("backup".into()),
        secret: Secret::None,
        connect_ms_max: Millis(3_000),
    }
}

fn server(flavour: Flavour) -> Server {
    let (version, text) = match flavour {
        Flavour::MariaDb => ((10, 11, 6), "10.11.6-MariaDB"),
        Flavour::MySql => ((8, 4, 3), "8.4.3"),
    };
    Server { flavour, version, text: text.into() }
}

fn source(filesystem: &str) -> Source {
    Source {
        mount: SOURCE.into(),
        filesystem: filesystem.into(),
        vg: VG.into(),
        lv: "data".into(),
        snapshot: snapshot().lv().into(),
        tag: tag(),
        report: lvm::report("/sbin/lvs".into()),
        datadir: PathBuf::new(),
    }
}

fn mount(filesystem: &str) -> MountOrder {
    MountOrder {
        device: snapshot().node(),
        point: format!("/run/holdstill/{RUN}").into(),
        kind: filesystem.into(),
        data: if filesystem == "xfs" { "nouuid".into() } else { String::new() },
    }
}

fn publish() -> Publish {
    let directory = PathBuf::from(DESTINATION);
    Publish {
        partial: directory.join(format!(".{RUN}.partial")),
        published: directory.join(RUN),
        directory,
    }
}

fn copy(root: &Path, partial: &Path) -> Cmd {
    rsync::command(&rsync::Order {
        rsync: Path::new("/usr/bin/rsync"),
        root,
        parts: &[".".to_owned()],
        excludes: &[],
        target: &partial.join("tree"),
        ms_max: Millis(3_600_000),
    })
}

fn snapshot() -> Name {
    Name::new(VG, &format!("hs-{RUN}"))
}

fn tag() -> String {
    format!("holdstill-{RUN}")
}

fn programs() -> Programs {
    Programs { lvcreate: "/sbin/lvcreate".into(), lvremove: "/sbin/lvremove".into() }
}
