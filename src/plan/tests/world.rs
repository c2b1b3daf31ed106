//! A machine that answers looks from captured facts. What it was not told of is a failure of the
//! test, so a plan that asks more than before is seen.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use crate::config::{self, Config};
use crate::host::{
    Act, Answer, Cause, Cmd, Entry, Fault, Host, Kind, Link, Login, Look, Machine, Mount, Reach,
    Rows, Secret, Space, Synchrony,
};
use crate::plan::audit::{Audit, Sampling, audit};
use crate::plan::make::{self, Survey};
use crate::plan::{Asking, Note, Plan, Refusal};
use crate::units::{Bytes, Millis};

pub(super) const SOURCE: &str = "254:0";
pub(super) const REDO: &str = "254:1";
pub(super) const ROOT: &str = "8:1";
pub(super) const BACKUP: &str = "8:17";

/// A server on a thin volume that is mapped from end to end, with a snapshot of another run.
pub(super) const THIN: &str = include_str!("../../../tests/facts/lvm/lvs-thin.json");

const CONFIG: &str = "[server]\nuser = \"backup\"\n[destination]\ndirectory = \"/backup\"\n";

pub(super) struct World {
    pub(super) machine: Machine,
    pub(super) config: String,
    pub(super) missing_program: &'static str,
    pub(super) greeting: Result<u64, Fault>,
    pub(super) mounts: Vec<Mount>,
    pub(super) entries: BTreeMap<PathBuf, Entry>,
    pub(super) links: Vec<Link>,
    pub(super) synchrony: Synchrony,
    pub(super) usage: Bytes,
    pub(super) free: Bytes,
    pub(super) lvs: String,
    pub(super) vgs: String,
    pub(super) pvs: String,
    pub(super) sql: BTreeMap<String, Rows>,
    pub(super) ptrace_scope: &'static str,
    pub(super) asked: RefCell<Vec<String>>,
    /// What stands in the backups and in the ledgers.
    pub(super) files: BTreeMap<PathBuf, String>,
    /// The signal that came while it looked.
    pub(super) signal: Option<i32>,
    /// What the server writes.
    pub(super) written_each_s: Bytes,
    pub(super) clock: Cell<u64>,
}

pub(super) fn entry(path: &str, device: &str, kind: Kind) -> (PathBuf, Entry) {
    let entry = Entry { real: path.into(), kind, device: device.into(), uid: 0, mode: 0o700 };
    (path.into(), entry)
}

pub(super) fn mount(point: &str, kind: &str, source: &str, device: &str) -> Mount {
    Mount {
        point: point.into(),
        root: "/".into(),
        kind: kind.into(),
        source: source.into(),
        device: device.into(),
        read_only: false,
    }
}

/// A plan, and what was found on the way to it.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) plan: Plan,
    pub(super) notes: Vec<Note>,
}

impl Deref for Planned {
    type Target = Plan;

    fn deref(&self) -> &Plan {
        &self.plan
    }
}

impl World {
    /// A sound machine with this server.
    pub(super) fn new(facts: &str) -> Self {
        let directories = [
            ("/", ROOT),
            ("/var/lib", ROOT),
            ("/run", "0:24"),
            ("/etc/lvm", ROOT),
            ("/tmp", ROOT),
            ("/var/lib/mysql", SOURCE),
            ("/backup", BACKUP),
        ];
        let mut entries: BTreeMap<_, _> =
            directories.iter().map(|(path, on)| entry(path, on, Kind::Directory)).collect();
        entries.extend([entry("/run/mysqld/mysqld.sock", "0:24", Kind::Other)]);
        Self {
            machine: machine(),
            config: CONFIG.into(),
            missing_program: "",
            greeting: Ok(7),
            mounts: vec![
                mount("/", "ext4", "/dev/sda1", ROOT),
                mount("/run", "tmpfs", "tmpfs", "0:24"),
                mount("/var/lib/mysql", "xfs", "/dev/mapper/data-mysql", SOURCE),
                mount("/backup", "ext4", "/dev/sdb1", BACKUP),
            ],
            entries,
            links: Vec::new(),
            synchrony: Synchrony::Within(Millis(12)),
            usage: Bytes(3 << 30),
            free: Bytes(100 << 30),
            lvs: include_str!("../../../tests/facts/lvm/lvs.json").into(),
            vgs: include_str!("../../../tests/facts/lvm/vgs.json").into(),
            pvs: include_str!("../../../tests/facts/lvm/pvs.json").into(),
            sql: dialogue(facts),
            ptrace_scope: "1\n",
            asked: RefCell::default(),
            files: BTreeMap::new(),
            signal: None,
            written_each_s: Bytes(1 << 20),
            clock: Cell::default(),
        }
    }

    pub(super) fn config(&self) -> Config {
        config::parse(Path::new("/etc/holdstill/holdstill.toml"), &self.config)
            .expect("the test's configuration is right")
    }

    /// The plan, or the only thing that speaks against it: one cause, one refusal.
    pub(super) fn plan(&self) -> Result<Planned, Refusal> {
        self.whole_plan().map_err(|mut all| {
            assert_eq!(all.len(), 1, "{all:#?}");
            all.remove(0)
        })
    }

    /// The plan, or everything that speaks against it.
    pub(super) fn whole_plan(&self) -> Result<Planned, Vec<Refusal>> {
        self.plan_of(&self.machine.run_id())
    }

    /// The same as this run.
    pub(super) fn plan_of(&self, run: &str) -> Result<Planned, Vec<Refusal>> {
        let Survey { notes, plan, .. } =
            make::survey(self, &self.config(), &login(), Asking::ToAct(run));
        let refusals = || notes.iter().filter_map(Note::as_refusal).collect();
        plan.ok_or_else(refusals).map(|plan| Planned { plan, notes })
    }

    pub(super) fn audit(&self) -> Audit {
        let sampling = Sampling { each: Millis(1_000), samples: 2 };
        audit(self, &self.config(), &login(), &sampling, &mut |_| {})
    }

    /// What stands in a file, if anything does.
    fn text(&self, path: &Path) -> Option<String> {
        if path.starts_with("/sys/dev/block") {
            let sectors = self.clock.get() / 1_000_000_000 * self.written_each_s.0 / 512;
            return Some(format!("1 0 8 0 2 0 {sectors} 0 0 0 0\n"));
        }
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        match name {
            "ptrace_scope" => Some(self.ptrace_scope.into()),
            "mysqld.pid" => Some("812\n".into()),
            _ => self.files.get(path).cloned(),
        }
    }

    fn names(&self, directory: &Path) -> Vec<String> {
        let below =
            |path: &Path| Some(path.strip_prefix(directory).ok()?.iter().next()?.to_owned());
        let names: std::collections::BTreeSet<_> =
            self.files.keys().filter_map(|path| below(path)).collect();
        names.iter().map(|name| name.to_string_lossy().into_owned()).collect()
    }

    /// Changes a value in the answers, which must be there.
    pub(super) fn answer(&mut self, column: &str, value: &str) {
        let mut found = false;
        for rows in self.sql.values_mut() {
            for at in 0..rows.columns.len() {
                if rows.columns[at] == column {
                    rows.rows.iter_mut().for_each(|row| row[at] = Some(value.into()));
                    found = true;
                }
            }
            for row in rows.rows.iter_mut().filter(|row| row[0].as_deref() == Some(column)) {
                row[1] = Some(value.into());
                found = true;
            }
        }
        assert!(found, "no answer has '{column}'");
    }

    /// Where the server says it works.
    fn datadir(&self) -> PathBuf {
        let rows = self.sql.values().flat_map(|rows| &rows.rows);
        let value = |row: &Vec<Option<String>>| {
            (row[0].as_deref()? == "datadir").then(|| row[1].clone())?
        };
        rows.clone().find_map(value).unwrap_or_default().into()
    }

    pub(super) fn put(&mut self, path: &str, device: &str) {
        self.entries.extend([entry(path, device, Kind::Directory)]);
    }
}

fn machine() -> Machine {
    Machine {
        host: "db2".into(),
        boot: "7d1c".into(),
        kernel: "6.12.48".into(),
        freezes_nest: Some(true),
        pid: 4242,
        uid: 0,
        unix_seconds: 1_795_313_546,
        random: 0xff00_beef,
    }
}

pub(super) fn login() -> Login {
    Login {
        reach: Reach::Socket("/run/mysqld/mysqld.sock".into()),
        user: Some("backup".into()),
        secret: Secret::OptionFile("/etc/holdstill/client.cnf".into()),
        connect_ms_max: Millis(10_000),
    }
}

/// Reads questions and answers: a line `? QUESTION`, then what the client prints with `--batch`.
pub(super) fn dialogue(facts: &str) -> BTreeMap<String, Rows> {
    let sections = facts.split("\n? ").skip(1);
    sections
        .map(|section| {
            let mut lines = section.trim_end_matches('\n').lines();
            let question = lines.next().unwrap_or_default().to_owned();
            let mut rows = lines.map(|line| line.split('\t').map(value).collect::<Vec<_>>());
            let columns = rows.next().unwrap_or_default().into_iter().flatten().collect();
            (question, Rows { columns, rows: rows.collect() })
        })
        .collect()
}

fn value(text: &str) -> Option<String> {
    (text != "NULL").then(|| text.replace("\\n", "\n"))
}

fn output(world: &World, cmd: &Cmd) -> String {
    let name = cmd.program.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match name {
        "lvs" => world.lvs.clone(),
        "vgs" => world.vgs.clone(),
        "pvs" => world.pvs.clone(),
        "lvm" if cmd.args[0] == "lvmconfig" => "thin_pool_autoextend_threshold=100\n".into(),
        "lvm" => "  LVM version:     2.03.16(2) (2022-05-18)\n".into(),
        "rsync" => "rsync  version 3.2.7  protocol version 31\n".into(),
        other => panic!("the plan ran '{other}'"),
    }
}

impl Host for World {
    fn look(&self, what: &Look) -> Result<Answer, Fault> {
        self.asked.borrow_mut().push(what.to_string());
        Ok(match what {
            Look::Machine => Answer::Machine(self.machine.clone()),
            Look::Program(name) if *name == self.missing_program => Answer::Path(None),
            Look::Program(name) => Answer::Path(Some(Path::new("/usr/sbin").join(name))),
            Look::Run(cmd) => Answer::Text(Some(output(self, cmd))),
            Look::Greet(_) => Answer::Connection(self.greeting.clone()?),
            Look::Mounts => Answer::Mounts(self.mounts.clone()),
            Look::Path(path) if path.starts_with("/proc/812") => {
                Answer::Entry(self.entries.get(&self.datadir()).cloned())
            }
            Look::Path(path) => Answer::Entry(self.entries.get(path).cloned()),
            Look::Links(_) => Answer::Links(self.links.clone()),
            Look::Usage(_) => Answer::Bytes(self.usage),
            Look::Space(_) => Answer::Space(Space { total: self.free, free: self.free }),
            Look::File(path) | Look::LongFile(path) => Answer::Text(self.text(path)),
            Look::List(path) => Answer::Names(self.names(path)),
            Look::Signal => Answer::Signal(self.signal),
            Look::Now => Answer::Nanos(self.clock.get()),
            Look::Synchrony => Answer::Synchrony(self.synchrony),
            Look::Pause(ms) => {
                self.clock.set(self.clock.get() + ms.0 * 1_000_000);
                Answer::Done
            }
            Look::Query { text, .. } => match self.sql.get(text) {
                Some(rows) => Answer::Rows(rows.clone()),
                None => panic!("the plan asked '{text}'"),
            },
            other => panic!("the plan did '{other}'"),
        })
    }

    fn act(&mut self, what: &Act) -> Result<Answer, Fault> {
        panic!("the plan acted: '{what}'")
    }
}

/// A fault with the server's number.
pub(super) fn said(number: u16, why: &str) -> Fault {
    Fault::Refused(Cause { why: why.into(), sql: Some(number) })
}
