//! Drills on a machine of paper: what it says is written down beforehand, what is done is kept.
//!
//! Deliberately absent: walls. They are the kernel's, and the lab tries them.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use super::*;
use crate::config::{self, Config};
use crate::host::{
    Act, Answer, Cause, Entry, Exit, Fault, Host, Kind, Look, Machine, Mount, Rows, Said, Space,
};
use crate::memory::{self, How};
use crate::plan::Refusal;
use crate::units::{Bytes, Millis};

const RUN: &str = "20261123T010203Z-00002a";
const RECORD: &str = include_str!("record.json");
const STATE: &str = "/var/lib/holdstill";

/// A machine of paper.
pub(super) struct Paper {
    pub(super) files: BTreeMap<PathBuf, String>,
    pub(super) directories: Vec<PathBuf>,
    pub(super) answers: Vec<(&'static str, Result<Rows, Fault>)>,
    pub(super) said: RefCell<VecDeque<Said>>,
    pub(super) acts: Vec<String>,
    pub(super) clock: Cell<u64>,
    pub(super) calls: Cell<usize>,
    /// From which call on a signal is seen.
    pub(super) signal_at: usize,
    /// Which act fails.
    pub(super) fails_at: usize,
    pub(super) free: Bytes,
    pub(super) clones: bool,
    pub(super) version: &'static str,
    pub(super) lock: Option<&'static str>,
}

pub(super) fn rows(columns: &[&str], all: &[&[&str]]) -> Rows {
    let cell = |text: &&str| Some((*text).to_owned());
    Rows {
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        rows: all.iter().map(|row| row.iter().map(cell).collect()).collect(),
    }
}

pub(super) fn said(lines: &[&str], exit: Option<&str>) -> Said {
    let exit = exit.map(|stderr| Exit { code: Some(0), stderr: stderr.into() });
    Said { lines: lines.iter().map(|line| (*line).to_owned()).collect(), exit }
}

impl Paper {
    /// One on which a drill finds the backup sound.
    pub(super) fn new() -> Self {
        let backup = Path::new("/backup").join(RUN);
        let file = |path: &Path, text: &str| (path.to_owned(), text.to_owned());
        let files = [
            file(&backup.join("backup.json"), RECORD),
            file(&backup.join("tree/mysql/bin.index"), "./bin.000001\n"),
            file(Path::new("/proc/filesystems"), "nodev\tproc\nnodev\toverlay\n\text4\n"),
            file(Path::new("/usr/sbin/mariadbd"), ""),
            file(Path::new("/srv/db/mysql/ibdata1"), "production's"),
        ];
        let check =
            rows(&["Table", "Op", "Msg_type", "Msg_text"], &[&["t", "check", "status", "OK"]]);
        let gtids = ["gtid_binlog_pos", "gtid_slave_pos", "gtid_current_pos"];
        let answers = vec![
            ("SELECT @@socket", Ok(rows(&["socket"], &[&[crate::host::jail::SOCKET]]))),
            ("SELECT VERSION()", Ok(rows(&["version", "comment"], &[&["10.11.19-MariaDB", ""]]))),
            ("SHOW MASTER STATUS", Ok(rows(&["File", "Position"], &[&["bin.000002", "4"]]))),
            ("SELECT @@GLOBAL.gtid", Ok(rows(&gtids, &[&["0-7-9", "", "0-7-9"]]))),
            ("SHOW BINARY LOGS", Ok(rows(&["Log_name", "File_size"], &[&["bin.000001", "4096"]]))),
            (judge::TABLES, Ok(rows(&["db", "name"], &[&["shop", "a"], &["shop", "b`c"]]))),
            ("CHECK TABLE", Ok(check)),
            ("SELECT 'asserted'", Ok(rows(&["1"], &[&["1"]]))),
        ];
        let talk = [
            said(&["@jail 4711"], None),
            said(&["@begun 5000000", "0 [Note] Starting MariaDB"], None),
        ];
        Self {
            files: files.into(),
            directories: vec!["/srv/db".into(), "/backup".into()],
            answers,
            said: RefCell::new(talk.into()),
            acts: Vec::new(),
            clock: Cell::new(0),
            calls: Cell::new(0),
            signal_at: usize::MAX,
            fails_at: usize::MAX,
            free: Bytes(1 << 40),
            clones: true,
            version: "mariadbd  Ver 10.11.19-MariaDB for Linux",
            lock: None,
        }
    }

    fn answering(mut self, begin: &str, answer: Result<Rows, Fault>) -> Self {
        let known = self.answers.iter_mut().find(|(known, _)| known.starts_with(begin));
        known.expect("it is asked").1 = answer;
        self
    }

    pub(super) fn talking(self, talk: &[Said]) -> Self {
        *self.said.borrow_mut() = talk.to_vec().into();
        self
    }

    fn exists(&self, path: &Path) -> bool {
        self.files.keys().chain(&self.directories).any(|known| known.starts_with(path))
    }

    fn entry(&self, path: &Path) -> Option<Entry> {
        let kind = if self.files.contains_key(path) { Kind::File } else { Kind::Directory };
        let real = path.into();
        self.exists(path).then(|| Entry { real, kind, device: "8:1".into(), uid: 0, mode: 0o700 })
    }

    fn names(&self, path: &Path) -> Vec<String> {
        let all = self.files.keys().chain(&self.directories);
        let below = all.filter_map(|known| known.strip_prefix(path).ok()?.components().next());
        let mut names: Vec<String> =
            below.map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
        names.sort();
        names.dedup();
        names
    }
}

impl Host for Paper {
    fn look(&self, what: &Look) -> Result<Answer, Fault> {
        self.calls.set(self.calls.get() + 1);
        self.clock.set(self.clock.get() + 1_000_000);
        Ok(match what {
            Look::Machine => Answer::Machine(Machine::example()),
            Look::Now => Answer::Nanos(self.clock.get()),
            Look::Signal => Answer::Signal((self.calls.get() >= self.signal_at).then_some(15)),
            Look::Program(name) => Answer::Path(Some(Path::new("/usr/sbin").join(name))),
            Look::Mounts => Answer::Mounts(vec![Mount {
                point: "/".into(),
                root: "/".into(),
                kind: "ext4".into(),
                source: "/dev/sda1".into(),
                device: "8:1".into(),
                read_only: false,
            }]),
            Look::Path(path) => Answer::Entry(self.entry(path)),
            Look::List(path) => Answer::Names(self.names(path)),
            Look::File(path) => Answer::Text(self.files.get(path).cloned()),
            Look::Space(_) => Answer::Space(Space { total: Bytes(1 << 40), free: self.free }),
            Look::Usage(_) => Answer::Bytes(Bytes(1 << 40)),
            Look::Run(_) => Answer::Text(Some(self.version.into())),
            Look::Hear(_) => Answer::Said(self.said.borrow_mut().pop_front().unwrap_or_default()),
            Look::Query { text, .. } => {
                let known = self.answers.iter().find(|(begin, _)| text.starts_with(begin));
                Answer::Rows(known.unwrap_or_else(|| panic!("nobody expects '{text}'")).1.clone()?)
            }
            other => panic!("nobody expects to {other}"),
        })
    }

    fn act(&mut self, what: &Act) -> Result<Answer, Fault> {
        self.calls.set(self.calls.get() + 1);
        let line = what.to_string();
        self.acts.push(line.split(" '{").next().unwrap_or_default().to_owned());
        if self.acts.len() == self.fails_at {
            return Err(Fault::unsure("as asked"));
        }
        match what {
            Act::TakeRunLock { .. } if self.lock.is_some() => {
                return Err(Fault::refused(self.lock.unwrap_or_default()));
            }
            Act::Run(_) if !self.clones => return Err(Fault::unsure("no clones here")),
            Act::NewDir(path) | Act::MakeDir(path) => self.directories.push(path.clone()),
            Act::WriteFile { path, text } => drop(self.files.insert(path.clone(), text.clone())),
            Act::RemoveFile(path) => drop(self.files.remove(path)),
            Act::RemoveDir(path) | Act::RemoveTree(path) => {
                self.directories.retain(|known| !known.starts_with(path));
                self.files.retain(|known, _| !known.starts_with(path));
            }
            _ => {}
        }
        Ok(Answer::Done)
    }
}

fn config(drill: &str) -> Config {
    let text = format!(
        "state_dir = \"{STATE}\"\n[destination]\ndirectory = \"/backup\"\n[drill]\n\
         assertions = [\"SELECT 'asserted'\"]\n{drill}"
    );
    config::parse(Path::new("h.toml"), &text).expect("it is right")
}

fn planned(paper: &Paper) -> Result<Drill, Refusal> {
    plan(paper, &config(""), None)
}

/// A drill on such a machine, and what became of that.
fn drilled(mut paper: Paper) -> (Outcome, Paper) {
    let drill = planned(&paper).expect("nothing stands against it");
    paper.calls.set(0);
    let outcome = super::drill(&mut paper, &drill, &mut |_| {});
    (outcome, paper)
}

fn problems(paper: Paper) -> Vec<String> {
    let (outcome, paper) = drilled(paper);
    assert!(!paper.exists(Path::new("/backup/.drill-20260921T141320Z-000007")), "it is left");
    let report = outcome.result.expect("it is carried through");
    assert_eq!(report.is_sound(), report.problems.is_empty() && report.ready_ms.is_some());
    report.problems
}

#[test]
fn a_sound_backup_is_found_sound_and_nothing_is_left() {
    let (outcome, mut paper) = drilled(Paper::new());
    let report = outcome.result.expect("it is carried through");
    assert_eq!((outcome.left, report.problems.clone()), (None, Vec::<String>::new()));
    assert!(report.is_sound());
    assert_eq!((report.tables.checked, report.assertions), (2, (1, 1)));
    assert_eq!(report.same, ["gtid_binlog_pos 0-7-9", "binary log bin.000001:4096"]);
    let home = "/backup/.drill-20260921T141320Z-000007";
    let expected = [
        format!("write {STATE}/drill.json"),
        format!("mkdir {home}"),
        format!("write {home}/holdstill-drill"),
        format!("cp --reflink=always -- /backup/{RUN}/backup.json {home}/clone"),
        format!("mkdir {home}/changed-tree"),
        format!("mkdir {home}/work-tree"),
        format!("mkdir {home}/seen-tree"),
        format!("mkdir {home}/tmp"),
        "exe jail".into(),
        format!("connect the drill session to root@/proc/4711/root{}", crate::host::jail::SOCKET),
        "close the drill session".into(),
        "end the long command, if it still runs".into(),
        format!("rm --recursive --one-file-system {home}"),
        format!("rm --force {STATE}/drill.json"),
    ];
    assert_eq!(paper.acts, expected);
    remember(&mut paper, Path::new(STATE), &report).expect("it can be noted");
    let known = memory::recall(&paper, Path::new(STATE), RUN).expect("it is there");
    assert_eq!(known.found[&How::Drill].ready_ms, report.ready_ms);
}

#[test]
fn each_kind_of_damage_is_named() {
    let table = |kind: &str, text: &str| {
        rows(&["Table", "Op", "Msg_type", "Msg_text"], &[&["t", "check", kind, text]])
    };
    let corrupt = Ok(table("error", "Corrupt"));
    let told = problems(Paper::new().answering("CHECK TABLE", corrupt));
    assert_eq!(told, ["`shop`.`a`: Corrupt", "`shop`.`b``c`: Corrupt"]);
    let other = rows(&["gtid_binlog_pos"], &[&["0-7-8"]]);
    let told = problems(Paper::new().answering("SELECT @@GLOBAL.gtid", Ok(other)));
    assert!(told[0].contains("record says '0-7-9', the server '0-7-8'"), "{told:?}");
    let short = rows(&["Log_name", "File_size"], &[&["bin.000001", "4095"]]);
    let told = problems(Paper::new().answering("SHOW BINARY LOGS", Ok(short)));
    assert!(told[0].contains("'bin.000001:4096', the server 'bin.000001:4095'"), "{told:?}");
    for (answer, said) in [(vec!["0"], "expected 1, found 0"), (vec![], "found 0")] {
        let answer: Vec<&[&str]> = answer.iter().map(std::slice::from_ref).collect();
        let false_one = Ok(rows(&["1"], &answer));
        let told = problems(Paper::new().answering("SELECT 'asserted'", false_one));
        assert!(told[0].starts_with("assertion 'SELECT 'asserted''") && told[0].contains(said));
    }
    let unknown = Fault::Refused(Cause { sql: Some(1146), why: "no such table".into() });
    let told = problems(Paper::new().answering("SELECT 'asserted'", Err(unknown)));
    assert!(told[0].ends_with("no such table"), "{told:?}");
}

#[test]
fn a_server_that_does_not_come_or_dies_is_told_with_its_own_words() {
    let begun = said(&["@jail 4711", "@begun 5000000"], None);
    let over = ["0 [ERROR] InnoDB: redo log is damaged", "@over it was killed by SIGABRT"];
    let paper = Paper::new().talking(&[begun.clone(), said(&over, Some(""))]);
    let told = problems(refusing(paper));
    let words = "it was killed by SIGABRT: [ERROR] InnoDB: redo log is damaged";
    assert_eq!(told, [format!("the server does not come up: {words}")]);
    let gone = Err(Fault::unsure("the connection is gone"));
    let dies = said(&over, Some(""));
    // It is started again for the tables that are left, and dies of each.
    let paper = Paper::new().talking(&[begun.clone(), dies.clone(), begun.clone(), dies, begun]);
    let told = problems(paper.answering("CHECK TABLE", gone));
    let each = ["`shop`.`a`", "`shop`.`b``c`"];
    let each = each.map(|table| format!("{table}: the connection is gone: {words}"));
    assert_eq!(told, each);
}

/// The same machine, on which nobody listens at the socket: what ends a visit is its act's number.
fn refusing(mut paper: Paper) -> Paper {
    paper.fails_at = 10;
    paper
}

#[test]
fn what_says_nothing_of_the_backup_is_no_finding() {
    let no_jail = said(&[], Some("cannot lay an overlay"));
    let (outcome, _) = drilled(Paper::new().talking(&[no_jail]));
    assert_eq!(outcome.result.unwrap_err().to_string(), "cannot lay an overlay");
    let full = Paper { free: Bytes(1 << 20), ..Paper::new() };
    let (outcome, paper) = drilled(full);
    assert!(outcome.result.unwrap_err().to_string().starts_with("too little space"));
    assert!(!paper.acts.iter().any(|act| act.starts_with("exe jail")), "it was started");
    let (outcome, _) = drilled(Paper { clones: false, free: Bytes(1 << 39), ..Paper::new() });
    let told = outcome.result.unwrap_err().to_string();
    assert!(told.ends_with("since files cannot be cloned there"), "{told}");
    let elsewhere = rows(&["socket"], &[&["/run/mysqld/mysqld.sock"]]);
    let (outcome, _) = drilled(Paper::new().answering("SELECT @@socket", Ok(elsewhere)));
    assert!(outcome.result.unwrap_err().to_string().contains("found the one at"));
}

#[test]
fn whenever_a_signal_comes_the_jail_ends_and_nothing_is_left() {
    let mut interrupted = 0;
    for signal_at in 1..120 {
        let (outcome, paper) = drilled(Paper { signal_at, ..Paper::new() });
        interrupted += usize::from(outcome.result.is_err());
        assert_eq!(outcome.left, None);
        assert!(paper.names(Path::new("/backup")).len() == 1, "{signal_at}: {:?}", paper.acts);
        assert!(!paper.exists(&Path::new(STATE).join("drill.json")));
        assert!(paper.acts.iter().any(|act| act.starts_with("end the long command")));
    }
    assert!(interrupted > 20, "only {interrupted} of them were noticed");
}

#[test]
fn whatever_act_fails_the_directory_is_gone_or_still_known_and_the_next_one_removes_it() {
    for fails_at in 1..=14 {
        let (_, mut paper) = drilled(Paper { fails_at, ..Paper::new() });
        let note = Path::new(STATE).join("drill.json");
        let left = paper.names(Path::new("/backup")).len() > 1;
        assert!(!left || paper.exists(&note), "{fails_at}: {:?}", paper.acts);
        paper.fails_at = usize::MAX;
        let settled =
            begin(&mut paper, Path::new(STATE), "a drill of it").expect("it can be settled");
        assert_eq!(matches!(settled, Settled::Removed(_)), left || fails_at == 14, "{fails_at}");
        assert_eq!(paper.names(Path::new("/backup")), [RUN]);
        assert!(!paper.exists(&note));
    }
}

#[test]
fn only_a_directory_of_a_drill_is_ever_removed() {
    for home in ["/backup", "/etc/.drilled", "relative/.drill-x"] {
        let mut paper = Paper::new();
        let text = format!("{{\"version\":1,\"home\":\"{home}\"}}");
        paper.files.insert(Path::new(STATE).join("drill.json"), text);
        begin(&mut paper, Path::new(STATE), "x").expect_err(home);
        assert!(!paper.acts.iter().any(|act| act.starts_with("rm")), "{:?}", paper.acts);
    }
    let mut alive = Paper { lock: Some("a drill of x"), ..Paper::new() };
    let settled = begin(&mut alive, Path::new(STATE), "y");
    assert_eq!(settled, Ok(Settled::Alive("a drill of x".into())));
}

#[test]
fn what_stands_against_a_drill_is_told_before_anything_is_touched() {
    let told = |paper: &Paper| planned(paper).expect_err("something stands against it").what;
    let newer = Paper { version: "mariadbd  Ver 11.8.6-MariaDB for Linux", ..Paper::new() };
    assert!(told(&newer).contains("is MariaDB 11.8.6-MariaDB"), "{}", told(&newer));
    let mut partial = Paper::new();
    let record = Path::new("/backup").join(RUN).join("backup.json");
    partial.files.insert(record.clone(), RECORD.replace("published", "partial"));
    assert!(told(&partial).contains("no whole backup"), "{}", told(&partial));
    let mut none = Paper::new();
    none.files.remove(Path::new("/srv/db/mysql/ibdata1"));
    none.directories.retain(|path| path != Path::new("/srv/db"));
    assert!(told(&none).contains("no such directory here"), "{}", told(&none));
    let mut outside = Paper::new();
    outside.files.insert(record, RECORD.replace("\"mysql\"", "\"../../etc\""));
    assert!(told(&outside).contains("names the directory"), "{}", told(&outside));
    let wanted = plan(&Paper::new(), &config(""), Some("20261123T010203Z-00002b"));
    assert!(wanted.expect_err("there is none").what.contains("there is no backup"));
}

#[test]
fn a_private_server_opens_the_files_as_they_were_and_does_nothing_else() {
    let past = past::Past::read(RECORD).expect("it is a record");
    let with = |binary| {
        let logs = options::Logs { binary, relay: false };
        options::all(&past, Some(Path::new("/usr")), Bytes(128 << 20), logs)
    };
    let all = with(true);
    assert_eq!(all[0], "--no-defaults");
    for option in [
        "--datadir=/srv/db/mysql",
        "--skip-networking",
        "--skip-grant-tables",
        "--loose-skip-slave-start",
        "--loose-innodb-page-size=16384",
        "--loose-innodb-log-file-size=16777216",
        "--log-bin=/srv/db/mysql/bin",
        "--plugin-load-add=ha_rocksdb.so",
    ] {
        assert!(all.iter().any(|one| one == option), "{option} is not in {all:?}");
    }
    assert!(with(false).contains(&"--skip-log-bin".to_owned()));
    assert!(!with(false).iter().any(|one| one.starts_with("--log-bin=")));
    assert_eq!(options::redo_bytes(&past), Bytes(16 << 20));
    assert_eq!(past.find(Path::new("/etc/passwd")), None);
}

#[test]
fn assertions_in_a_file_are_one_a_line() {
    let text = "-- first\n\nSELECT 1;\n  # no\n  SELECT 2 ;\n";
    assert_eq!(judge::assertions(text), ["SELECT 1", "SELECT 2"]);
}

/// One on which nobody ever answers.
struct Deaf(Paper);
impl Host for Deaf {
    fn look(&self, what: &Look) -> Result<Answer, Fault> {
        self.0.look(what)
    }

    fn act(&mut self, what: &Act) -> Result<Answer, Fault> {
        match what {
            Act::Visit(_) => Err(Fault::refused("nobody is there")),
            other => self.0.act(other),
        }
    }
}

#[test]
fn a_silent_server_is_not_waited_for_for_ever() {
    let paper = Paper::new().talking(&[said(&["@jail 4711", "@begun 5000000"], None)]);
    let mut drill = planned(&paper).expect("nothing stands against it");
    drill.server.quiet_ms_max = Millis(40);
    let outcome = super::drill(&mut Deaf(paper), &drill, &mut |_| {});
    let report = outcome.result.expect("it is carried through");
    assert!(report.problems[0].contains("silent for 40 ms"), "{:?}", report.problems);
}
