//! Plans as the planner would make them, literally.

use std::path::{Path, PathBuf};

use holdstill::claim::{Claim, Restart};
use holdstill::copy::rsync::{self, Choice, Handed};
use holdstill::database::dialect::{LockKind, WRITE_LOGS};
use holdstill::database::opening::Opening;
use holdstill::database::{Flavour, Server, statements};
use holdstill::host::{
    Brim, Cmd, Guard, Login, MountOrder, Point, Priority, Reach, Secret, Shell, Sign, Sql,
};
use holdstill::plan::{
    Patience, Plan, Policy, Publish, Replica, Resume, Source, Store, Take, Tools, When, Window,
};
use holdstill::snapshot::command::{self, Programs};
use holdstill::snapshot::lvm::{self, Name};
use holdstill::snapshot::{Kind, thick, thin};
use holdstill::store;
use holdstill::units::{Bytes, Millis};

use super::STATE;
use super::worlds::machine;

/// The run's id, which every name of the run contains.
pub(crate) const RUN: &str = "20260921T130640Z-0000002a";
/// Where the server's files are.
pub(crate) const SOURCE: &str = "/var/lib/mysql";
/// Where the logs are, if they are apart.
pub(crate) const LOGS: &str = "/var/lib/mysql-logs";
/// Where backups go.
pub(crate) const DESTINATION: &str = "/backup";
/// The volume group.
pub(crate) const VG: &str = "lab";
/// The thin pool.
pub(crate) const POOL: &str = "pool";
/// The device of the destination.
const DESTINATION_DEVICE: &str = "8:17";
/// The size of a COW store.
const SIZE: Bytes = Bytes(512 << 20);
/// How long a statement may take.
const SQL_MS_MAX: Millis = Millis(5_000);

/// A MariaDB replica; the lock comes late, and the freeze is left to device-mapper.
pub(crate) fn mariadb_replica() -> Plan {
    let stop = vec!["STOP SLAVE SQL_THREAD"];
    let restarts = vec![("", "START SLAVE SQL_THREAD")];
    replica(alone(Flavour::MariaDb, "xfs"), "SHOW ALL SLAVES STATUS", &stop, &restarts)
}

/// The same with the lock first.
pub(crate) fn lock_first() -> Plan {
    let mut plan = mariadb_replica();
    plan.window.when = When::First;
    plan
}

/// The same with a command that is run to its end under the lock.
pub(crate) fn whole() -> Plan {
    let mut plan = lock_first();
    plan.shell = None;
    plan.claims.retain(|claim| !matches!(claim, Claim::Shell { .. }));
    plan.sources[0].take = take_whole(0, "data");
    plan
}

fn take_whole(at: usize, lv: &str) -> Take {
    let origin = Name::new(VG, lv);
    Take::Whole(thick::take(&programs(), &origin, &snapshot(at), &tag(), SIZE, Millis(20_000)))
}

/// The same from a thin volume.
pub(crate) fn thin_replica() -> Plan {
    let mut plan = mariadb_replica();
    let (origin, pool) = (Name::new(VG, "data"), thin::pool_device(&Name::new(VG, POOL)));
    plan.brims.push(Brim { pool: pool.clone(), percent_max: 90 });
    plan.sources[0].kind = Kind::Thin;
    plan.sources[0].store = None;
    plan.claims.retain(|claim| !is_of_a_store(claim));
    plan.sources[0].take = Take::Ordered {
        store: Vec::new(),
        order: thin::order(&origin, &snapshot(0), &tag(), &devices()),
        point: Point { origin: origin.device(), sign: Sign::Transaction(pool) },
    };
    plan
}

/// The same with the lock first: others may make a volume in the pool until lvm is at it.
pub(crate) fn thin_first() -> Plan {
    let mut plan = thin_replica();
    plan.window.when = When::First;
    plan
}

/// The same by a command that is run to its end under the lock.
pub(crate) fn thin_whole() -> Plan {
    let thin = thin_replica();
    let mut plan = Plan { brims: thin.brims, ..whole() };
    let (origin, hold) = (Name::new(VG, "data"), Millis(20_000));
    plan.sources[0].kind = Kind::Thin;
    plan.sources[0].store = None;
    plan.claims.retain(|claim| !is_of_a_store(claim));
    plan.sources[0].take =
        Take::Whole(thin::take(&programs(), &origin, &snapshot(0), &tag(), hold));
    plan
}

/// The same with an explicit freeze.
pub(crate) fn explicit_freeze() -> Plan {
    frozen(mariadb_replica())
}

/// A server with data on two volumes.
pub(crate) fn two_volumes() -> Plan {
    let mut plan = whole();
    let take = take_whole(1, "logs");
    plan.sources.push(Source { take, ..source(1, "logs", LOGS, "ext4") });
    let (claims, second) = (plan.claims, &plan.sources[1]);
    plan.claims = claims
        .into_iter()
        .flat_map(|claim| {
            let more = match &claim {
                Claim::Half { .. } => Some(half_claim("logs", 1)),
                Claim::Snapshot { .. } => Some(snapshot_claim(1)),
                Claim::Extended { .. } => Some(extended_claim("logs", 1)),
                Claim::Mounted { .. } => Some(mounted_claim(&second.view)),
                _ => None,
            };
            std::iter::once(claim).chain(more)
        })
        .collect();
    frozen(plan)
}

/// Adds the freeze of every source to a plan.
fn frozen(mut plan: Plan) -> Plan {
    plan.window.freeze = plan.sources.iter().map(|source| source.mount.clone()).collect();
    plan.window.guard.thaw.clone_from(&plan.window.freeze);
    let frozen = plan.window.freeze.iter().map(|point| Claim::Frozen { point: point.clone() });
    plan.claims.extend(frozen);
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
        resume: Resume::AfterWindow,
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
    let publish = publish();
    let kind = match flavour {
        Flavour::MariaDb => LockKind::BackupStage,
        Flavour::MySql => LockKind::FlushTables,
    };
    let sources = vec![source(0, "data", SOURCE, filesystem)];
    let mut session = vec!["SET SESSION lock_wait_timeout=3"];
    session.extend(kind.prepare());
    Plan {
        run: RUN.into(),
        machine: machine(),
        opening: Opening::default(),
        server: server(flavour),
        ledger: Path::new(STATE).join("ledger").join(format!("{RUN}.json")),
        claims: claims(&publish, &sources[0], kind),
        session: session.into_iter().map(|text| Sql::lock(text, SQL_MS_MAX)).collect(),
        patience: Patience {
            question: kind.lock().map(|_| statements::question(5)),
            policy: Policy::Refuse,
            ending: Vec::new(),
        },
        replica: None,
        window: window(flavour, kind),
        shell: Some(Shell {
            program: "/sbin/lvm".into(),
            warm: command::warm(&devices()),
            ms_max: Millis(20_000),
        }),
        brims: Vec::new(),
        sources,
        report: lvm::report("/sbin/lvs".into()),
        tag: tag(),
        datadir: PathBuf::new(),
        copy_priority: Priority::default(),
        copy_bytes: Bytes(65_536),
        linking: None,
        tools: Tools { lvm: "2.03.16".into(), rsync: "3.2.7".into() },
        login: login(),
        publish,
    }
}

fn claims(publish: &Publish, source: &Source, kind: LockKind) -> Vec<Claim> {
    let mut claims = vec![
        Claim::Partial {
            directory: publish.partial.clone(),
            run: RUN.into(),
            mount: DESTINATION.into(),
        },
        half_claim("data", 0),
        snapshot_claim(0),
        extended_claim("data", 0),
        Claim::Shell { ms_max: Millis(20_000) },
        mounted_claim(&source.view),
        Claim::Copying,
        Claim::Guarded,
    ];
    let unlock = kind.unlock().map(|unlock| Sql::lock(unlock, SQL_MS_MAX));
    claims.extend(unlock.map(|unlock| Claim::Locked { unlock }));
    claims
}

fn snapshot_claim(at: usize) -> Claim {
    Claim::Snapshot {
        report: lvm::report("/sbin/lvs".into()),
        remove: command::remove(&programs(), &snapshot(at), &tag()),
        vg: VG.into(),
        lv: snapshot(at).lv().into(),
        tag: tag(),
    }
}

fn half_claim(lv: &str, at: usize) -> Claim {
    let half = Box::new(thick::half(&programs(), &Name::new(VG, lv), &snapshot(at)));
    Claim::Half {
        report: lvm::report("/sbin/lvs".into()),
        vg: VG.into(),
        origin: lv.into(),
        snapshot: snapshot(at).lv().into(),
        half,
    }
}

fn extended_claim(lv: &str, at: usize) -> Claim {
    let resume = thick::resume(&programs(), [&Name::new(VG, lv), &snapshot(at)]);
    Claim::Extended {
        report: lvm::report("/sbin/lvs".into()),
        vg: VG.into(),
        origin: lv.into(),
        snapshot: snapshot(at).lv().into(),
        resume: resume.into(),
    }
}

/// What only a thick snapshot has.
fn is_of_a_store(claim: &Claim) -> bool {
    matches!(claim, Claim::Half { .. } | Claim::Extended { .. })
}

fn mounted_claim(view: &MountOrder) -> Claim {
    Claim::Mounted { point: view.point.clone(), device: view.device.clone() }
}

fn window(flavour: Flavour, kind: LockKind) -> Window {
    Window {
        guard: Guard { thaw: Vec::new() },
        wait_ms_max: Millis(8_000),
        hold_ms_max: Millis(30_000),
        kind,
        lock: kind.lock().map(|lock| Sql::lock(lock, SQL_MS_MAX)),
        when: When::Late,
        tries_max: 3,
        pause: Millis(500),
        write_logs: Sql::lock(WRITE_LOGS, SQL_MS_MAX),
        position: server(flavour).own_position(),
        freeze: Vec::new(),
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

fn source(at: usize, lv: &str, mount: &str, filesystem: &str) -> Source {
    let (origin, snapshot, tree) = (Name::new(VG, lv), snapshot(at), store::tree(at));
    let view = view(at, filesystem);
    Source {
        mount: mount.into(),
        filesystem: filesystem.into(),
        vg: VG.into(),
        lv: lv.into(),
        take: Take::Ordered {
            store: vec![
                thick::store(&programs(), &snapshot, &tag(), SIZE),
                thick::rest(&programs(), &snapshot),
            ],
            order: thick::order(&origin, &snapshot, &devices()),
            point: Point { origin: origin.device(), sign: Sign::Tables(snapshot.device()) },
        },
        snapshot: snapshot.lv().into(),
        kind: Kind::Thick,
        copy: copy(&view.point, &publish().partial.join(&tree), Choice::All),
        links: None,
        store: Some(cow_store(&origin, &snapshot)),
        view,
        tree,
    }
}

/// A COW store that may be extended once.
fn cow_store(origin: &Name, snapshot: &Name) -> Store {
    Store {
        device: snapshot.device(),
        percent_extend: 70,
        percent_stop: 95,
        step: SIZE,
        size_max: Bytes(2 * SIZE.0),
        group: lvm::report_group("/sbin/vgs".into(), VG),
        extend: thick::extend(&programs(), snapshot),
        resume: thick::resume(&programs(), [origin, snapshot]),
    }
}

fn devices() -> Vec<String> {
    vec!["/dev/sdc".into()]
}

fn view(at: usize, filesystem: &str) -> MountOrder {
    MountOrder {
        device: snapshot(at).node(),
        point: format!("/run/holdstill/{RUN}{}", end(at)).into(),
        kind: filesystem.into(),
        data: if filesystem == "xfs" { "nouuid".into() } else { String::new() },
    }
}

/// What the names of a second volume end in.
fn end(at: usize) -> String {
    if at == 0 { String::new() } else { format!(".{}", at + 1) }
}

fn publish() -> Publish {
    let directory = PathBuf::from(DESTINATION);
    Publish {
        partial: directory.join(format!(".{RUN}.partial")),
        published: directory.join(RUN),
        mount: (DESTINATION.into(), DESTINATION_DEVICE.into()),
        directory,
    }
}

pub(super) fn copy(root: &Path, target: &Path, choice: Choice<'_>) -> Cmd {
    rsync::command(&rsync::Order {
        rsync: Path::new("/usr/bin/rsync"),
        root,
        parts: &[".".to_owned()],
        excludes: &[],
        target,
        choice,
        handed: Handed::Plain,
        bandwidth_max: None,
        ms_max: Millis(3_600_000),
    })
}

fn snapshot(at: usize) -> Name {
    Name::new(VG, &format!("hs-{RUN}{}", end(at)))
}

fn tag() -> String {
    format!("holdstill-{RUN}")
}

fn programs() -> Programs {
    Programs {
        lvcreate: "/sbin/lvcreate".into(),
        lvchange: "/sbin/lvchange".into(),
        lvremove: "/sbin/lvremove".into(),
        lvextend: "/sbin/lvextend".into(),
        dmsetup: "/sbin/dmsetup".into(),
    }
}
