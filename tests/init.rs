//! The first configuration: a machine's answers in, the file and the report out, word for word; and
//! what is written passes its own check and the audit.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use holdstill::error::Stop;
use holdstill::host::{
    Act, Answer, Cause, Cmd, Entry, Fault, Host, Kind, Link, Look, Machine, Mount, Rows, Space,
};
use holdstill::init::{self, Asked};
use holdstill::units::Bytes;
use holdstill::{config, plan, ui};

use crate::common::golden;

const MARIADB: &str = include_str!("facts/mariadb-10.11.txt");
const MYSQL: &str = include_str!("facts/mysql-8.0.txt");
const LVS: &str = include_str!("facts/lvm/lvs.json");
const LVS_THIN: &str = include_str!("facts/lvm/lvs-thin.json");
const VGS: &str = include_str!("facts/lvm/vgs.json");
const PVS: &str = include_str!("facts/lvm/pvs.json");
const CONFIG: &str = "/etc/holdstill/holdstill.toml";
const SOCKET: &str = "/run/mysqld/mysqld.sock";
const SECOND: &str = "/run/mysqld/second.sock";
const CLIENT: &str = "/etc/holdstill/client.cnf";
const OPTIONS: &str = "[client]\nuser = backup\npassword = not-to-be-seen\n";

/// The machine's answers; what it was not told of fails the test.
struct Fake {
    texts: BTreeMap<PathBuf, String>,
    entries: BTreeMap<PathBuf, Entry>,
    links: BTreeMap<PathBuf, Vec<Link>>,
    mounts: Vec<Mount>,
    sql: BTreeMap<String, Rows>,
    greeting: Result<u64, Fault>,
    lvs: String,
    vgs: String,
    missing: &'static str,
    free: Bytes,
    acts: RefCell<Vec<String>>,
}

fn entry(path: &str, kind: Kind, device: &str, mode: u32) -> (PathBuf, Entry) {
    (path.into(), Entry { real: path.into(), kind, device: device.into(), uid: 0, mode })
}

fn mount(point: &str, kind: &str, source: &str, device: &str) -> Mount {
    Mount {
        point: point.into(),
        root: "/".into(),
        kind: kind.into(),
        source: source.into(),
        device: device.into(),
        read_only: false,
    }
}

impl Fake {
    /// A machine with LVM and a filesystem for backups, on which no server runs.
    fn idle() -> Self {
        let directories = [
            ("/", "8:1"),
            ("/etc", "8:1"),
            ("/etc/lvm", "8:1"),
            ("/var", "8:1"),
            ("/var/lib", "8:1"),
            ("/run", "0:24"),
            ("/tmp", "8:1"),
            ("/var/lib/mysql", "254:0"),
            ("/backup", "8:17"),
        ];
        let entries = directories
            .iter()
            .map(|(path, device)| entry(path, Kind::Directory, device, 0o700))
            .collect();
        Self {
            texts: BTreeMap::new(),
            entries,
            links: BTreeMap::new(),
            mounts: vec![
                mount("/", "ext4", "/dev/sda1", "8:1"),
                mount("/run", "tmpfs", "tmpfs", "0:24"),
                mount("/var/lib/mysql", "xfs", "/dev/mapper/data-mysql", "254:0"),
                mount("/backup", "ext4", "/dev/sdb1", "8:17"),
            ],
            sql: BTreeMap::new(),
            greeting: Ok(7),
            lvs: LVS.into(),
            vgs: VGS.into(),
            missing: "",
            free: Bytes(100 << 30),
            acts: RefCell::default(),
        }
    }

    /// The same with a server of these answers.
    fn with(program: &str, facts: &str) -> Self {
        let mut fake = Self::idle();
        fake.sql = dialogue(facts);
        fake.server(812, program, "/var/lib/mysql", "254:0", SOCKET);
        fake
    }

    /// One more server: its process, and what the kernel tells of it.
    fn server(&mut self, pid: u32, program: &str, datadir: &str, device: &str, socket: &str) {
        let proc = PathBuf::from(format!("/proc/{pid}"));
        let (at, mut process) = entry(&proc.display().to_string(), Kind::Directory, "0:22", 0o555);
        process.uid = 110;
        self.entries.insert(at, process);
        let (real, data) = entry(datadir, Kind::Directory, device, 0o700);
        self.entries.insert(proc.join("cwd"), data.clone());
        self.entries.insert(real, data);
        let (at, mut listens) = entry(socket, Kind::Other, "0:24", 0o777);
        listens.uid = 110;
        self.entries.insert(at, listens);
        self.texts.insert(proc.join("comm"), format!("{program}\n"));
        let inode = 47_000 + pid;
        let table = format!(
            "Num       RefCount Protocol Flags    Type St Inode Path\n\
             0: 00000002 00000000 00010000 0001 01 {inode} {socket}\n\
             0: 00000002 00000000 00010000 0001 01 99999 /run/other.sock\n"
        );
        self.texts.insert(proc.join("net/unix"), table);
        let to = format!("socket:[{inode}]").into();
        self.links.insert(proc.join("fd"), vec![Link { at: proc.join("fd/21"), to }]);
    }

    fn file(&mut self, path: &str, text: &str, mode: u32) {
        self.texts.insert(path.into(), text.into());
        self.entries.extend([entry(path, Kind::File, "8:1", mode)]);
    }

    fn output(&self, cmd: &Cmd) -> String {
        let name = cmd.program.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        match name {
            "lvs" => self.lvs.clone(),
            "vgs" => self.vgs.clone(),
            "pvs" => PVS.into(),
            "lvm" if cmd.args[0] == "lvmconfig" => "thin_pool_autoextend_threshold=80\n".into(),
            "lvm" => "  LVM version:     2.03.16(2) (2022-05-18)\n".into(),
            "rsync" => "rsync  version 3.2.7  protocol version 31\n".into(),
            other => panic!("it ran '{other}'"),
        }
    }
}

/// Reads questions and answers: a line `? QUESTION`, then what a client prints with `--batch`.
fn dialogue(facts: &str) -> BTreeMap<String, Rows> {
    let value = |text: &str| (text != "NULL").then(|| text.replace("\\n", "\n"));
    let read = |section: &str| {
        let mut lines = section.trim_end_matches('\n').lines();
        let question = lines.next().unwrap_or_default().to_owned();
        let mut rows = lines.map(|line| line.split('\t').map(value).collect::<Vec<_>>());
        let columns = rows.next().unwrap_or_default().into_iter().flatten().collect();
        (question, Rows { columns, rows: rows.collect() })
    };
    facts.split("\n? ").skip(1).map(read).collect()
}

impl Host for Fake {
    fn look(&self, what: &Look) -> Result<Answer, Fault> {
        Ok(match what {
            Look::Machine => Answer::Machine(Machine {
                host: "db2".into(),
                boot: "7d1c".into(),
                kernel: "6.12.48".into(),
                freezes_nest: Some(true),
                pid: 4242,
                uid: 0,
                unix_seconds: 1_795_313_546,
                random: 7,
            }),
            Look::Program(name) if *name == self.missing => Answer::Path(None),
            Look::Program(name) => Answer::Path(Some(Path::new("/usr/sbin").join(name))),
            Look::Run(cmd) => Answer::Text(Some(self.output(cmd))),
            Look::Greet(_) => Answer::Connection(self.greeting.clone()?),
            Look::Mounts => Answer::Mounts(self.mounts.clone()),
            Look::List(path) => Answer::Names(
                self.entries
                    .keys()
                    .filter(|one| one.parent() == Some(path))
                    .filter_map(|one| Some(one.file_name()?.to_str()?.to_owned()))
                    .collect(),
            ),
            Look::Path(path) => Answer::Entry(self.entries.get(path).cloned()),
            Look::Links(path) => Answer::Links(self.links.get(path).cloned().unwrap_or_default()),
            Look::File(path) if path.ends_with("ptrace_scope") => Answer::Text(Some("1\n".into())),
            Look::File(path) if path.ends_with("mysqld.pid") => Answer::Text(Some("812\n".into())),
            Look::File(path) => Answer::Text(self.texts.get(path).cloned()),
            Look::Usage(_) => Answer::Bytes(Bytes(3 << 30)),
            Look::Space(_) => Answer::Space(Space { total: self.free, free: self.free }),
            Look::Query { text, .. } => {
                Answer::Rows(self.sql.get(text).unwrap_or_else(|| panic!("asked '{text}'")).clone())
            }
            other => panic!("it did '{other}'"),
        })
    }

    fn act(&mut self, what: &Act) -> Result<Answer, Fault> {
        self.acts.borrow_mut().push(what.to_string());
        match what {
            Act::Publish { to, .. } if self.entries.contains_key(to) => {
                Err(Fault::refused("it is there"))
            }
            Act::WriteFile { path, text } => {
                self.file(&path.display().to_string(), text, 0o600);
                Ok(Answer::Done)
            }
            _ => Ok(Answer::Done),
        }
    }
}

fn asked() -> Asked {
    Asked { config: CONFIG.into(), ..Asked::default() }
}

/// The file and the report, or the refusal; the file passes its own check.
fn told(fake: &Fake, asked: &Asked) -> String {
    let facts = match init::find(fake, asked, None) {
        Ok(facts) => facts,
        Err(stop) => return format!("exit {}\n{}", stop.code().number(), stop.message()),
    };
    let text = init::compose(&facts);
    config::check_text(fake, &asked.config, &text, None).expect("what is written is right");
    let meant = config::parse(&asked.config, &text).expect("what is written can be read");
    let login = config::login(fake, &meant, None).expect("its option file is right");
    let audit = plan::make::plan(fake, &meant, &login, plan::Asking::Only).map(drop);
    let report =
        ui::found(&init::notes(&facts), Some(CONFIG.as_ref()), &audit, &init::next(&facts), None);
    assert!(!report.contains("not-to-be-seen") && !text.contains("not-to-be-seen"));
    let mut all = text;
    let _cannot_fail = write!(all, "\n==\n{report}");
    all
}

fn check(name: &str, fake: &Fake, asked: &Asked) {
    golden(name, &told(fake, asked));
}

fn refused(fake: &Fake, asked: &Asked, words: &[&str]) {
    let told = told(fake, asked);
    assert!(told.starts_with("exit 3\n") && told.contains("\nhint: "), "{told}");
    for word in words {
        assert!(told.contains(word), "'{word}' is not in {told}");
    }
}

#[test]
fn a_mariadb_replica_on_a_thick_volume() {
    let mut fake = Fake::with("mariadbd", MARIADB);
    fake.file(CLIENT, OPTIONS, 0o600);
    check("init-mariadb-replica.txt", &fake, &asked());
}

#[test]
fn mysql_on_a_thin_volume_lets_root_in() {
    let mut fake = Fake::with("mysqld", MYSQL);
    fake.lvs = LVS_THIN.into();
    check("init-mysql-thin.txt", &fake, &asked());
}

#[test]
fn a_server_that_lets_nobody_in() {
    let mut fake = Fake::with("mariadbd", MARIADB);
    let denied = Cause { why: "access denied for user 'root'".into(), sql: Some(1698) };
    fake.greeting = Err(Fault::Refused(denied));
    fake.file("/root/.my.cnf", OPTIONS, 0o644);
    fake.vgs = VGS.replace("5368709120", "1073741824");
    check("init-not-let-in.txt", &fake, &asked());
}

#[test]
fn of_two_servers_none_is_guessed() {
    let mut fake = Fake::with("mariadbd", MARIADB);
    fake.server(900, "mysqld", "/srv/mysql", "8:33", SECOND);
    check("init-two-servers.txt", &fake, &asked());
    let one = Asked { socket: Some(SOCKET.into()), ..asked() };
    assert!(told(&fake, &one).contains("process 812, mariadbd"));
    // Nobody is asked about an account for a server that is not chosen.
    let mut ask = |what: &str, _: &str| panic!("asked for the {what}");
    assert!(init::find(&fake, &asked(), Some(&mut ask)).is_err());
    // An option file that names a socket has chosen.
    fake.file(CLIENT, &format!("{OPTIONS}socket = {SOCKET}\n"), 0o600);
    assert!(told(&fake, &asked()).contains("process 812, mariadbd"));
}

#[test]
fn without_lvm_it_says_what_is_missing() {
    let mut fake = Fake::with("mariadbd", MARIADB);
    fake.mounts.remove(2);
    let datadir = fake.entries.get_mut(Path::new("/var/lib/mysql")).expect("it is there");
    datadir.device = "8:1".into();
    check("init-no-lvm.txt", &fake, &asked());
    let mut fake = Fake::with("mariadbd", MARIADB);
    fake.missing = "lvs";
    refused(&fake, &asked(), &["cannot find the program 'lvs'", "apt install lvm2"]);
    let mut fake = Fake::with("mariadbd", MARIADB);
    fake.vgs = VGS.replace("5368709120", "0");
    refused(&fake, &asked(), &["'data' has nothing free", "vgextend data"]);
}

#[test]
fn without_a_server_it_says_so() {
    let mut fake = Fake::idle();
    check("init-no-server.txt", &fake, &asked());
    fake.entries.extend([entry(SOCKET, Kind::Other, "0:24", 0o777)]);
    fake.entries.extend([entry("/run/mysqld", Kind::Directory, "0:24", 0o755)]);
    refused(&fake, &asked(), &["mysqld.sock' is there, but who listens"]);
    // Anybody may listen at '/tmp/mysql.sock', or put a socket of his own at a server's place.
    let mut fake = Fake::idle();
    fake.entries.extend([entry("/tmp/mysql.sock", Kind::Other, "8:1", 0o777)]);
    fake.entries.extend([entry("/tmp", Kind::Directory, "8:1", 0o777)]);
    let told = told(&fake, &asked());
    assert!(told.starts_with("exit 3\n") && !told.contains("is there, but who"), "{told}");
}

#[test]
fn a_strangers_socket_at_a_servers_place_is_not_taken() {
    let mut fake = Fake::with("mysqld", MYSQL);
    fake.entries.get_mut(Path::new(SOCKET)).expect("it listens").uid = 1000;
    fake.greeting = Err(Fault::refused("it was asked"));
    refused(&fake, &asked(), &["cannot find the socket of process 812", "--socket"]);
}

#[test]
fn a_persons_program_gets_no_password() {
    let mut fake = Fake::with("mysqld", MYSQL);
    fake.entries.get_mut(Path::new("/proc/812")).expect("it runs").uid = 1000;
    fake.greeting = Err(Fault::refused("it was asked"));
    refused(&fake, &asked(), &["of user 1000, who may be anybody", "--socket"]);
}

#[test]
fn a_destination_is_never_where_a_server_works() {
    let mut fake = Fake::with("mariadbd", MARIADB);
    let onto = |directory: &str| Asked { destination: Some(directory.into()), ..asked() };
    refused(&fake, &onto("/var/lib/mysql"), &["on a filesystem that a server works on"]);
    assert!(told(&fake, &onto("/nowhere")).starts_with("exit 2\n"));
    // The place of another server's data is none either, nor is one that others can write to.
    fake.mounts[3] = mount("/srv/mysql", "xfs", "/dev/sdb1", "8:17");
    fake.server(900, "mysqld", "/srv/mysql", "8:17", SECOND);
    let one = Asked { socket: Some(SOCKET.into()), ..asked() };
    refused(&fake, &one, &["there is no other filesystem", "--destination"]);
    fake.mounts.push(mount("/open", "nfs4", "nas:/", "0:50"));
    fake.entries.extend([entry("/open", Kind::Directory, "0:50", 0o777)]);
    refused(&fake, &one, &["'/open' can be written to by others (mode 0777)"]);
}

#[test]
fn of_several_places_the_one_called_so_is_taken_or_none() {
    let mut fake = Fake::with("mariadbd", MARIADB);
    fake.mounts.push(mount("/data1", "xfs", "/dev/sdx", "8:80"));
    fake.entries.extend([entry("/data1", Kind::Directory, "8:80", 0o755)]);
    let taken = told(&fake, &asked());
    assert!(taken.contains("directory = \"/backup\"") && taken.contains("also go to '/data1'"));
    fake.mounts[3].point = "/data2".into();
    fake.entries.extend([entry("/data2", Kind::Directory, "8:17", 0o755)]);
    refused(&fake, &asked(), &["several places: '/data2' (ext4, 100 GiB free); '/data1'"]);
    fake.free = Bytes(1 << 30);
    refused(&fake, &asked(), &["'/data1' has 1 GiB free, and there are 3 GiB to copy"]);
}

#[test]
fn a_person_is_asked_twice_at_most() {
    let mut fake = Fake::with("mariadbd", MARIADB);
    fake.file("/etc/my.cnf", OPTIONS, 0o600);
    let mut questions = Vec::new();
    let mut ask = |what: &str, default: &str| {
        questions.push(format!("{what} [{default}]"));
        Ok::<_, Stop>(if what.contains("account") { "/etc/my.cnf" } else { "/backup" }.to_owned())
    };
    let facts = init::find(&fake, &asked(), Some(&mut ask)).expect("all is found");
    assert_eq!(facts.account.option_file, Some("/etc/my.cnf".into()));
    let expected = [
        "option file of the account to log in with ('none': root by the socket) [none]",
        "directory for the backups [/backup]",
    ];
    assert_eq!(questions, expected);
}

#[test]
fn nothing_is_ever_overwritten() {
    let mut fake = Fake::with("mariadbd", MARIADB);
    fake.entries.extend([entry("/etc/holdstill", Kind::Directory, "8:1", 0o700)]);
    let path = Path::new(CONFIG);
    init::vacant(&fake, path).expect("nothing is there");
    init::write(&mut fake, path, "text").expect("it can be written");
    let expected = [
        "mkdir --parents /etc/holdstill",
        "write /etc/holdstill/.holdstill.toml.init",
        "mv --no-clobber /etc/holdstill/.holdstill.toml.init /etc/holdstill/holdstill.toml",
    ];
    assert_eq!(fake.acts.take(), expected);
    fake.file(CONFIG, "mine", 0o600);
    let refusal = init::vacant(&fake, path).expect_err("it is there");
    assert!(refusal.what.contains("never overwritten") && refusal.hint.is_some());
    // One that came in between is not overwritten either, and nothing is left beside it.
    let stop = init::write(&mut fake, path, "text").expect_err("it is there");
    assert_eq!(stop.code().number(), 3);
    let last = fake.acts.take().pop();
    assert_eq!(last.as_deref(), Some("rm --force /etc/holdstill/.holdstill.toml.init"));
    fake.entries.get_mut(Path::new("/etc/holdstill")).expect("it is there").mode = 0o777;
    let refusal = init::vacant(&fake, Path::new("/etc/holdstill/b.toml")).expect_err("it is open");
    assert_eq!(refusal.hint.as_deref(), Some("Run: chmod go-w /etc/holdstill"));
}

/// The same on the real machine, where the kernel says what is free.
#[test]
fn a_file_is_written_whole_closed_and_once() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = tempfile::tempdir().expect("a directory can be made");
    let path = home.path().join("made/holdstill.toml");
    let mut host = holdstill::host::linux::Linux::new().expect("there is a machine");
    init::vacant(&host, &path).expect("nothing is there");
    init::write(&mut host, &path, "first").expect("it can be written");
    let stop = init::write(&mut host, &path, "second").expect_err("it is there");
    assert_eq!(stop.code().number(), 3, "{stop}");
    assert_eq!(init::vacant(&host, &path).expect_err("it is there").what, stop.to_string());
    assert_eq!(std::fs::read_to_string(&path).expect("it is there"), "first");
    let mode = |path: &Path| std::fs::metadata(path).expect("it is there").permissions().mode();
    let directory = path.parent().expect("it has one");
    assert_eq!((mode(&path) & 0o777, mode(directory) & 0o777), (0o600, 0o700));
    assert_eq!(std::fs::read_dir(directory).expect("it can be read").count(), 1);
}

#[test]
fn a_second_server_gets_places_of_its_own() {
    let mut fake = Fake::with("mariadbd", MARIADB);
    let usual =
        |of: &str| format!("[server]\nsocket = '{of}'\n[destination]\ndirectory = '/backup'\n");
    fake.file(CONFIG, &usual(SECOND), 0o600);
    let asked = Asked { config: "/etc/holdstill/db-1.toml".into(), ..asked() };
    let stop = init::find(&fake, &asked, None).expect_err("the backups would be mixed");
    assert!(stop.message().contains("such as: mkdir -m 700 /backup/db-1\n"), "{}", stop.message());
    fake.entries.extend([entry("/backup/db-1", Kind::Directory, "8:17", 0o700)]);
    let asked = Asked { destination: Some("/backup/db-1".into()), ..asked };
    let written =
        |fake: &Fake| init::compose(&init::find(fake, &asked, None).expect("all is there"));
    let own = "state_dir = \"/var/lib/holdstill-db-1\"\nrun_dir = \"/run/holdstill-db-1\"\n";
    assert!(written(&fake).contains(own), "{}", written(&fake));
    config::parse(&asked.config, &written(&fake)).expect("what is written can be read");
    fake.file(CONFIG, &usual(SOCKET), 0o600);
    assert!(!written(&fake).contains("state_dir"), "it is the same server");
}
