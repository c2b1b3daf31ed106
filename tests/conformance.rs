//! Ring 3: the same cases on the simulated machine and on the real one, through the same seam.
//!
//! What the sweep proves, it proves on the simulated machine; these cases show that the real one
//! behaves as the simulated one does. The real half is ignored unless asked for, and then fails if
//! the lab is not there: it never passes by not running.

mod copying;
mod reading;
mod removal;
mod shell;
mod thin;

use std::path::PathBuf;

use holdstill::claim::Claim;
use holdstill::host::linux::Linux;
use holdstill::host::{
    Act, Answer, Ask, Cmd, Fault, Guard, Host, Keyed, Login, MountOrder, Overrun, Point, Reach,
    Secret, Session, Shell, Sign, Sql, Thaw, Until, Watch,
};
use holdstill::snapshot::command::{self, Programs};
use holdstill::snapshot::lvm::{self, Name};
use holdstill::snapshot::thick;
use holdstill::units::{Bytes, Millis};

use crate::common;

/// How long a statement or a command may take; emulation is slow.
const MS_MAX: Millis = Millis(60_000);
const RUN: &str = "20260921T130640Z-0000002a";
const TAG: &str = "holdstill-conformance";

/// Where the cases run.
struct Place {
    vg: String,
    origin: String,
    mount: PathBuf,
    filesystem: String,
    login: Login,
    scratch: PathBuf,
    programs: Programs,
    lvs: PathBuf,
    lvm: PathBuf,
    rsync: PathBuf,
    /// The pool, where the origin is a thin volume.
    pool: String,
    /// The devices that the group is on.
    devices: Vec<String>,
    /// Whether this process can be its own dead-man; a test executable cannot.
    dead_man: bool,
    /// Makes a volume that is not ours.
    foreign: fn(&mut dyn Host, &Place, &str),
}

/// A case: what it does, on whichever machine.
type Case = fn(&mut dyn Host, &Place);

const CASES: [(&str, Case); 11] = [
    ("a snapshot comes, is seen, and goes twice", snapshot_comes_and_goes),
    ("a volume of the same name without our tag stays", foreign_volume_stays),
    ("a snapshot of nothing leaves nothing", snapshot_of_nothing),
    ("our mount comes, is ours, and goes twice", mount_comes_and_goes),
    ("a freeze is thawed once", freeze_and_thaw),
    ("the lock session is one session", one_lock_session),
    ("nobody is visited where no jail is", no_jail),
    ("a killed session does not come back", killed_session),
    ("the dead-man comes and goes", dead_man),
    ("files are made whole, published once, and removed", files),
    ("the run lock is taken again by its holder", run_lock),
];

/// All but those of a thin volume.
fn all() -> impl Iterator<Item = (&'static str, Case)> {
    CASES
        .into_iter()
        .chain(shell::CASES)
        .chain(copying::CASES)
        .chain(reading::CASES)
        .chain(removal::CASES)
}

#[test]
fn on_the_simulated_machine() {
    for (name, case) in all() {
        println!("case: {name}");
        let mut sim = common::scenarios().remove(0).sim;
        case(&mut sim, &simulated());
    }
    for (name, case) in thin::CASES {
        println!("case: {name}");
        let pool = common::POOL.to_owned();
        case(&mut common::scenario("thin").sim, &Place { pool, ..simulated() });
    }
}

#[test]
#[ignore = "needs the lab: scripts/lab run SUITE -- conformance"]
fn on_the_real_machine() {
    let mut host = Linux::new().expect("the process can be prepared");
    let place = real(&host);
    for (name, case) in all() {
        println!("case: {name}");
        case(&mut host, &place);
    }
    let place = Place { origin: told("HOLDSTILL_LAB_THIN"), ..place };
    for (name, case) in thin::CASES {
        println!("case: {name}");
        case(&mut host, &place);
    }
}

fn simulated() -> Place {
    let mut plan = common::scenarios().remove(0).plan;
    let source = plan.sources.remove(0);
    Place {
        vg: source.vg,
        origin: source.lv,
        mount: source.mount,
        filesystem: source.filesystem,
        login: plan.login,
        scratch: plan.publish.directory,
        programs: Programs {
            lvcreate: "/sbin/lvcreate".into(),
            lvchange: "/sbin/lvchange".into(),
            lvremove: "/sbin/lvremove".into(),
            lvextend: "/sbin/lvextend".into(),
            dmsetup: "/sbin/dmsetup".into(),
        },
        lvs: plan.report.program,
        lvm: "/sbin/lvm".into(),
        rsync: "/usr/bin/rsync".into(),
        pool: String::new(),
        devices: vec!["/dev/sdb".into()],
        dead_man: true,
        foreign: |_, _, _| {},
    }
}

#[allow(clippy::disallowed_methods, reason = "the lab tells where it is by its environment")]
fn told(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

fn real(host: &Linux) -> Place {
    let program = |name| host.program(name).expect("it can be looked for").expect("it is there");
    let mount = PathBuf::from(told("HOLDSTILL_LAB_MOUNT"));
    let mounts = host.mounts().expect("mounts can be read");
    let mounted = mounts.iter().find(|one| one.point == mount).expect("the origin is mounted");
    Place {
        vg: told("HOLDSTILL_LAB_VG"),
        origin: told("HOLDSTILL_LAB_ORIGIN"),
        filesystem: mounted.kind.clone(),
        mount,
        login: Login {
            reach: Reach::Socket(told("HOLDSTILL_LAB_SOCKET").into()),
            user: None,
            secret: Secret::OptionFile(told("HOLDSTILL_LAB_OPTION_FILE").into()),
            connect_ms_max: MS_MAX,
        },
        scratch: told("HOLDSTILL_LAB_SCRATCH").into(),
        programs: Programs {
            lvcreate: program("lvcreate"),
            lvchange: program("lvchange"),
            lvremove: program("lvremove"),
            lvextend: program("lvextend"),
            dmsetup: program("dmsetup"),
        },
        lvs: program("lvs"),
        lvm: program("lvm"),
        rsync: program("rsync"),
        pool: told("HOLDSTILL_LAB_POOL"),
        devices: devices(host, program("pvs"), &told("HOLDSTILL_LAB_VG")),
        dead_man: false,
        foreign: |host, place, lv| {
            let cmd = thick::take(
                &place.programs,
                &place.origin(),
                &Name::new(&place.vg, lv),
                "somebody-else",
                Bytes(16 << 20),
                MS_MAX,
            );
            host.act(&Act::Run(cmd)).expect("somebody else makes a snapshot");
        },
    }
}

fn devices(host: &Linux, pvs: PathBuf, vg: &str) -> Vec<String> {
    let args = ["--noheadings", "--options", "pv_name,vg_name"].map(String::from).to_vec();
    let cmd = Cmd { program: pvs, args, ms_max: MS_MAX, overrun: Overrun::LeaveAlone };
    let text = host.output(&cmd).expect("pvs reports");
    let rows = text.lines().filter_map(|line| line.trim().split_once(' '));
    rows.filter(|(_, group)| group.trim() == vg).map(|(name, _)| name.to_owned()).collect()
}

impl Place {
    fn origin(&self) -> Name {
        Name::new(&self.vg, &self.origin)
    }

    fn claim(&self, lv: &str) -> Claim {
        let name = Name::new(&self.vg, lv);
        Claim::Snapshot {
            report: lvm::report(self.lvs.clone()),
            remove: command::remove(&self.programs, &name, TAG),
            vg: self.vg.clone(),
            lv: lv.into(),
            tag: TAG.into(),
        }
    }

    fn take(&self, host: &mut dyn Host, lv: &str, size: Bytes) -> Result<Answer, Fault> {
        let name = Name::new(&self.vg, lv);
        let cmd = thick::take(&self.programs, &self.origin(), &name, TAG, size, MS_MAX);
        host.act(&Act::Run(cmd))
    }

    /// Makes the store of a snapshot, without suspending anything.
    fn store(&self, host: &mut dyn Host, lv: &str) {
        let cmd = thick::store(&self.programs, &Name::new(&self.vg, lv), TAG, Bytes(64 << 20));
        host.act(&Act::Run(cmd)).expect("there is room");
        let rest = thick::rest(&self.programs, &Name::new(&self.vg, lv));
        host.act(&Act::Run(rest)).expect("it can rest");
    }

    fn shell(&self) -> Act {
        let (program, warm) = (self.lvm.clone(), command::warm(&self.devices));
        Act::OpenShell(Shell { program, warm, ms_max: MS_MAX })
    }

    fn order(&self, origin: &str, lv: &str) -> Act {
        let (origin, own) = (Name::new(&self.vg, origin), Name::new(&self.vg, lv));
        Act::Order(thick::order(&origin, &own, &self.devices))
    }

    fn point(&self, lv: &str) -> Point {
        let own = device(&Name::new(&self.vg, lv));
        Point { origin: device(&self.origin()), sign: Sign::Tables(own) }
    }

    fn watch(&self, lv: &str, until: Until) -> Watch {
        Watch { point: self.point(lv), mark: 0, until, ms_max: MS_MAX }
    }

    fn volume(&self, host: &dyn Host, lv: &str) -> Option<lvm::Volume> {
        let text = host.output(&lvm::report(self.lvs.clone())).expect("lvs reports");
        let all = lvm::volumes(&text).expect("the report can be read");
        all.into_iter().find(|one| one.is(&Name::new(&self.vg, lv)))
    }
}

/// A volume's name in device-mapper.
fn device(name: &Name) -> String {
    let node = name.node();
    node.file_name().expect("a node has a name").to_string_lossy().into_owned()
}

fn snapshot_comes_and_goes(host: &mut dyn Host, place: &Place) {
    let lv = format!("hs-{RUN}");
    place.take(host, &lv, Bytes(64 << 20)).expect("there is room");
    let volume = place.volume(host, &lv).expect("it is reported");
    assert!(volume.has_tag(TAG));
    assert_eq!(volume.origin.as_deref(), Some(place.origin.as_str()));
    assert_eq!(volume.why_invalid(), None);
    place.claim(&lv).undo(host).expect("it can be removed");
    assert_eq!(place.volume(host, &lv), None);
    place.claim(&lv).undo(host).expect("removing nothing is done");
}

fn foreign_volume_stays(host: &mut dyn Host, place: &Place) {
    let lv = "somebody-elses";
    (place.foreign)(host, place, lv);
    let before = place.volume(host, lv);
    if before.is_some() {
        place.take(host, lv, Bytes(64 << 20)).expect_err("the name is taken");
    }
    place.claim(lv).undo(host).expect("there is nothing of ours");
    assert_eq!(place.volume(host, lv).map(|one| one.tags), before.map(|one| one.tags));
    let theirs = command::remove(&place.programs, &Name::new(&place.vg, lv), "somebody-else");
    if place.volume(host, lv).is_some() {
        host.act(&Act::Run(theirs)).expect("its owner removes it");
    }
}

fn snapshot_of_nothing(host: &mut dyn Host, place: &Place) {
    let lv = format!("hs-{RUN}");
    let (origin, name) = (Name::new(&place.vg, "not-there"), Name::new(&place.vg, &lv));
    let cmd = thick::take(&place.programs, &origin, &name, TAG, Bytes(64 << 20), MS_MAX);
    host.act(&Act::Run(cmd)).expect_err("there is no such origin");
    assert_eq!(place.volume(host, &lv), None);
    place.claim(&lv).undo(host).expect("removing nothing is done");
}

/// Mounts a volume of ours.
fn mounted(host: &mut dyn Host, place: &Place, lv: &str) -> MountOrder {
    let point = PathBuf::from(format!("/run/holdstill/{RUN}"));
    host.act(&Act::Isolate).expect("a namespace can be had");
    host.act(&Act::MakeDir(point.clone())).expect("the point can be made");
    let order = MountOrder {
        device: Name::new(&place.vg, lv).node(),
        point,
        kind: place.filesystem.clone(),
        data: if place.filesystem == "xfs" { "nouuid".into() } else { String::new() },
    };
    host.act(&Act::Mount(order.clone())).expect("the snapshot can be mounted");
    order
}

fn mount_comes_and_goes(host: &mut dyn Host, place: &Place) {
    let lv = format!("hs-{RUN}");
    place.take(host, &lv, Bytes(64 << 20)).expect("there is room");
    let MountOrder { device, point, .. } = mounted(host, place, &lv);
    let mounts = host.mounts().expect("mounts can be read");
    let found = mounts.iter().rev().find(|one| one.point == point).expect("it is mounted");
    assert_eq!(found.device, place.volume(host, &lv).expect("it is reported").device);
    assert!(found.read_only);
    let claim = Claim::Mounted { point: point.clone(), device };
    claim.undo(host).expect("it can be unmounted");
    assert_eq!(host.entry(&point).expect("it can be looked at"), None);
    claim.undo(host).expect("unmounting nothing is done");
    place.claim(&lv).undo(host).expect("it can be removed");
}

fn freeze_and_thaw(host: &mut dyn Host, place: &Place) {
    let point = place.mount.clone();
    host.act(&Act::Freeze(point.clone())).expect("it can be frozen");
    let thaw = |host: &mut dyn Host| host.act(&Act::Thaw(point.clone()));
    assert_eq!(thaw(host), Ok(Answer::Thaw(Thaw::Thawed)));
    assert_eq!(thaw(host), Ok(Answer::Thaw(Thaw::WasLive)));
    Claim::Frozen { point: point.clone() }.undo(host).expect("thawing the live is done");
}

fn identity(host: &dyn Host) -> Result<String, Fault> {
    let rows = host.query(Session::Lock, "SELECT CONNECTION_ID()", MS_MAX)?;
    Ok(rows.only().unwrap_or_default().to_owned())
}

fn no_jail(host: &mut dyn Host, place: &Place) {
    let reach = Reach::Socket(place.scratch.join("no-such.sock"));
    let told = host.act(&Act::Visit(Login { reach, ..place.login.clone() }));
    assert!(matches!(told, Err(Fault::Refused(_))), "{told:?}");
    let asked = host.query(Session::Drill, "SELECT 1", MS_MAX);
    assert!(asked.is_err(), "{asked:?}");
    let keyed = Act::SqlKeyed(Keyed {
        session: Session::Drill,
        before: "CHANGE MASTER TO MASTER_PASSWORD = ".into(),
        after: String::new(),
        secret: Secret::None,
        ms_max: MS_MAX,
    });
    assert!(!keyed.to_string().contains("''") && keyed.to_string().ends_with("***"), "{keyed}");
    host.act(&keyed).expect_err("there is no private server");
    host.act(&Act::Hangup(Session::Drill)).expect("there is nothing to close");
}

fn one_lock_session(host: &mut dyn Host, place: &Place) {
    host.greet(&place.login).expect("the server answers");
    host.act(&Act::Connect(place.login.clone())).expect("the lock session opens");
    host.act(&Act::Connect(place.login.clone())).expect_err("there is only one");
    let before = identity(host).expect("it is alive");
    let lock = Sql::lock("FLUSH TABLES WITH READ LOCK", MS_MAX);
    host.act(&Act::Sql(lock)).expect("the lock is granted");
    assert_eq!(identity(host), Ok(before));
    let claim = Claim::Locked { unlock: Sql::lock("UNLOCK TABLES", MS_MAX) };
    claim.undo(host).expect("it can be unlocked");
    claim.undo(host).expect("unlocking twice is done");
    host.act(&Act::Hangup(Session::Lock)).expect("it can be closed");
    host.act(&Act::Hangup(Session::Lock)).expect("closing twice is done");
    identity(host).expect_err("it is closed");
}

fn killed_session(host: &mut dyn Host, place: &Place) {
    host.greet(&place.login).expect("the server answers");
    host.act(&Act::Kill(Session::Lock)).expect_err("there is none yet, or it is gone");
    host.act(&Act::Connect(place.login.clone())).expect("the lock session opens");
    host.act(&Act::Kill(Session::Lock)).expect("it can be killed");
    identity(host).expect_err("it is dead, and does not reconnect");
    Claim::Locked { unlock: Sql::lock("UNLOCK TABLES", MS_MAX) }
        .undo(host)
        .expect("the last resort is done");
}

fn dead_man(host: &mut dyn Host, place: &Place) {
    host.act(&Act::Disarm).expect("dismissing nobody is done");
    // The real one is shown in the lab, by killing real runs.
    if place.dead_man {
        host.act(&Act::Connect(place.login.clone())).expect("the lock session opens");
        let guard = Guard { thaw: vec![place.mount.clone()] };
        host.act(&Act::Guard(guard)).expect("it comes");
        host.act(&Act::Arm(MS_MAX)).expect("it is armed");
        host.act(&Act::Disarm).expect("it goes");
        host.act(&Act::Hangup(Session::Lock)).expect("it can be closed");
    }
}

fn files(host: &mut dyn Host, place: &Place) {
    let partial = place.scratch.join(format!(".{RUN}.partial"));
    let published = place.scratch.join(RUN);
    host.act(&Act::NewDir(partial.clone())).expect("the directory is new");
    host.act(&Act::NewDir(partial.clone())).expect_err("it is not new any more");
    host.act(&Act::MakeDir(partial.clone())).expect("it may be there");
    let file = partial.join("backup.json");
    for text in ["one\n", "two\n"] {
        host.act(&Act::WriteFile { path: file.clone(), text: text.into() }).expect("it is written");
    }
    assert_eq!(host.file(&file), Ok(Some("two\n".into())));
    assert_eq!(host.list(&partial), Ok(vec!["backup.json".into()]));
    host.act(&Act::RemoveDir(partial.clone())).expect_err("it is not empty");
    let publish = Act::Publish { from: partial.clone(), to: published.clone() };
    host.act(&publish).expect("the name is free");
    host.act(&Act::NewDir(partial.clone())).expect("the old name is free");
    host.act(&publish).expect_err("the name is taken");
    assert_eq!(host.file(&published.join("backup.json")), Ok(Some("two\n".into())));
    host.act(&Act::RemoveDir(partial.clone())).expect("it is empty");
    host.act(&Act::RemoveDir(partial.clone())).expect("removing nothing is done");
    host.act(&Act::RemoveTree(published.clone())).expect("it can be removed");
    assert_eq!(host.entry(&published), Ok(None));
    assert_eq!(host.file(&published.join("backup.json")), Ok(None));
    host.act(&Act::RemoveFile(file)).expect("removing nothing is done");
}

fn run_lock(host: &mut dyn Host, place: &Place) {
    let path = place.scratch.join("lock");
    for text in ["first", "again, with more to say"] {
        let take = Act::TakeRunLock { path: path.clone(), text: text.into() };
        host.act(&take).expect("it is ours");
        assert_eq!(host.file(&path), Ok(Some(text.into())));
    }
    host.act(&Act::RemoveFile(path)).expect("it can be removed");
}
