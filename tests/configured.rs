//! `config check` and `config show`: every key of the full file is shown, what is shown means the
//! same when it is fed back, and a key that is set changes its own line; and the program itself.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use holdstill::config::{self, Config, KEYS, Origin, Shown};
use holdstill::option_file::OptionFile;

use crate::common::golden;

const FULL: &str = include_str!("../config/full.toml");
const FILE: &str = "/etc/holdstill/holdstill.toml";

fn meant(text: &str) -> Config {
    config::parse(Path::new(FILE), text).unwrap_or_else(|all| panic!("{all:#?}\n{text}"))
}

fn shown(text: &str) -> Vec<Shown> {
    config::shown(text, &meant(text), None)
}

fn toml(text: &str) -> String {
    config::as_toml(Path::new(FILE), &shown(text))
}

/// What each file is for is in its name; each says something that is not a default.
const SCENARIOS: [&str; 8] = [
    "mariadb-replica-by-cron.toml",
    "monitored.toml",
    "mysql-replica-by-systemd.toml",
    "mysql-tls-over-tcp.toml",
    "primary-by-hand.toml",
    "replica-without-lock.toml",
    "thin-pool.toml",
    "two-volumes.toml",
];

#[test]
fn every_shipped_scenario_is_right() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/scenarios");
    let files = std::fs::read_dir(&directory).expect("it is there");
    let name = |file: std::fs::DirEntry| file.file_name().to_string_lossy().into_owned();
    let mut names: Vec<_> = files.map(|file| name(file.expect("it can be read"))).collect();
    names.sort();
    assert_eq!(names, SCENARIOS);
    for name in names {
        let text = std::fs::read_to_string(directory.join(&name)).expect("it can be read");
        let said = shown(&text).into_iter().filter(|one| matches!(one.origin, Origin::Line(_)));
        let said: Vec<_> = said.map(|one| one.key).collect();
        assert!(said.contains(&"directory") && said.len() >= 2, "{name} says {said:?} alone");
        assert_eq!(meant(&toml(&text)), meant(&text), "{name}");
        for line in text.lines() {
            assert!(line.chars().count() <= 105, "{name}: too long: {line}");
        }
    }
}

/// The line of a key below its section.
fn line<'a>(toml: &'a str, section: &str, key: &str) -> &'a str {
    let mut at = "";
    for line in toml.lines() {
        if let Some(name) = line.strip_prefix('[') {
            at = name.trim_end_matches(']');
        } else if at == section && line.trim_start_matches('#').starts_with(&format!("{key} =")) {
            return line;
        }
    }
    panic!("{section}.{key} is not in\n{toml}")
}

#[test]
fn every_key_is_shown_with_where_it_comes_from() {
    for text in [FULL, "[destination]\ndirectory = \"/backup\"\n"] {
        let toml = toml(text);
        for (section, keys) in KEYS {
            for key in keys {
                assert!(line(&toml, section, key).contains("  # "), "{section}.{key}");
            }
        }
        for one in shown(text).iter().filter(|one| one.section != "server") {
            let known = one.value.is_some() || matches!(one.origin, Origin::NotSet(_));
            assert!(known, "{}.{} has no value", one.section, one.key);
        }
    }
}

/// Every way to set a server's keys; the last line of each is the one that is tried.
const SERVERS: [&str; 9] = [
    "socket = \"/s\"",
    "host = \"db\"",
    "host = \"db\"\nport = 3307",
    "host = \"db\"\ntls = \"off\"",
    "host = \"db\"\ntls_ca = \"/ca.pem\"",
    "user = \"me\"",
    "option_file = \"/o.cnf\"",
    "credential = \"c\"",
    "connect_ms_max = 5",
];

/// Every other key with a value that is not its default.
const OTHERS: [(&str, &str); 48] = [
    ("", "state_dir = \"/s\""),
    ("", "run_dir = \"/r\""),
    ("lock", "kind = \"backup-stage\""),
    ("lock", "when = \"first\""),
    ("lock", "wait_ms_max = 5"),
    ("lock", "hold_ms_max = 5"),
    ("lock", "tries_max = 5"),
    ("lock", "pause_ms = 5"),
    ("lock", "freeze = \"explicit\""),
    ("lock", "long_statements = \"kill\""),
    ("lock", "long_statement_s_min = 7"),
    ("lock", "long_wait_ms_max = 5"),
    ("lock", "kill_select_s_min = 5"),
    ("replica", "stop_ms_max = 5"),
    ("replica", "keep_replication_stopped = \"copy\""),
    ("snapshot", "size = \"1537MiB\""),
    ("snapshot", "cow_extend_max = \"30%\""),
    ("snapshot", "cow_percent_extend = 50"),
    ("snapshot", "cow_percent_stop = 96"),
    ("snapshot", "pool_percent_max = 50"),
    ("snapshot", "pool_percent_stop = 91"),
    ("copy", "ms_max = 5"),
    ("copy", "nice = 5"),
    ("copy", "io_class = \"idle\""),
    ("copy", "bandwidth_max = \"3MiB\""),
    ("copy", "unchanged = \"link\""),
    ("drill", "directory = \"/scratch\""),
    ("drill", "server = \"/opt/mariadb/bin/mariadbd\""),
    ("drill", "memory = \"512MiB\""),
    ("drill", "seconds_max = 5"),
    ("drill", "quiet_seconds_max = 5"),
    ("drill", "assertions = [\"SELECT 'a \\\"b\\\"' = 'c'\"]"),
    ("drill", "assertions_file = \"/etc/holdstill/assertions.sql\""),
    ("hooks", "before = [\"/b\", \"a \\\"quoted\\\" word\"]"),
    ("hooks", "after = [\"/a\"]"),
    ("hooks", "on_failure = [\"/f\"]"),
    ("hooks", "seconds_max = 5"),
    ("monitoring", "textfile = \"/t.prom\""),
    ("monitoring", "age_warning_hours = 5"),
    ("monitoring", "age_critical_hours = 77"),
    ("monitoring", "locked_ms_warning = 5"),
    ("monitoring", "locked_ms_critical = 77777"),
    ("retention", "keep_last = 5"),
    ("retention", "keep_daily = 5"),
    ("retention", "keep_weekly = 5"),
    ("retention", "keep_monthly = 5"),
    ("retention", "keep_yearly = 5"),
    ("destination", "directory = \"/a \\\"b\\\" \\\\c\\u007f\""),
];

/// A configuration whose last line, or for the top its first, sets the key.
fn with(section: &str, lines: &str) -> String {
    let rest = "[destination]\ndirectory = \"/backup\"\n";
    match section {
        "" => format!("{lines}\n{rest}"),
        "destination" => format!("[destination]\n{lines}\n"),
        _ => format!("{rest}[{section}]\n{lines}\n"),
    }
}

/// The keys whose lines differ.
fn changed(before: &[Shown], after: &[Shown]) -> Vec<&'static str> {
    let pairs = before.iter().zip(after).filter(|(one, other)| one != other);
    pairs.map(|(one, _)| one.key).collect()
}

#[test]
fn what_is_shown_means_the_same_when_it_is_fed_back() {
    let servers = SERVERS.map(|lines| with("server", lines));
    let others = OTHERS.map(|(section, line)| with(section, line));
    for text in servers.iter().chain(&others).map(String::as_str).chain([FULL]) {
        let again = toml(text);
        assert_eq!(meant(&again), meant(text), "{again}");
    }
}

#[test]
fn a_key_that_is_set_changes_its_own_line() {
    let tried: usize = KEYS.iter().map(|(_, keys)| keys.len()).sum();
    // The password, the level of input and output and an age are tried below.
    assert_eq!(OTHERS.len() + SERVERS.len() + 3, tried, "a key is not tried");
    for (section, set) in OTHERS {
        let key = set.split(' ').next().unwrap_or_default();
        // An empty line keeps the others where they are.
        let before = if section == "destination" { "directory = \"/backup\"" } else { "" };
        let (before, text) = (with(section, before), with(section, set));
        let line = text.lines().position(|one| one == set).expect("it is there") + 1;
        let after = shown(&text);
        assert_eq!(changed(&shown(&before), &after), [key]);
        let one = after.iter().find(|one| (one.section, one.key) == (section, key));
        assert_eq!(one.expect("it is shown").origin, Origin::Line(line));
        let (before, after) = (toml(&before), toml(&text));
        let differ = before.lines().zip(after.lines()).filter(|(one, other)| one != other);
        assert_eq!(differ.count(), 1, "{key}");
    }
}

#[test]
fn an_age_keeps_backups_beside_a_rule_that_counts() {
    let last = "keep_last = 3\n";
    let (before, after) =
        (with("retention", last), with("retention", &format!("{last}keep_within = \"36h\"")));
    assert_eq!(changed(&shown(&before), &shown(&after)), ["keep_within"]);
    assert_eq!(meant(&toml(&after)), meant(&after));
}

#[test]
fn a_level_belongs_to_its_class() {
    let class = "io_class = \"best-effort\"\n";
    let (before, after) = (with("copy", class), with("copy", &format!("{class}io_level = 7")));
    assert_eq!(changed(&shown(&before), &shown(&after)), ["io_level"]);
    assert!(line(&toml(&before), "copy", "io_level").starts_with("io_level = 4 "));
    assert!(line(&toml(&after), "copy", "io_level").starts_with("io_level = 7 "));
    for text in [before, after] {
        assert_eq!(meant(&toml(&text)), meant(&text));
    }
}

/// What reaches the server belongs together, so some keys change what others are worth.
#[test]
fn a_key_of_the_server_changes_what_depends_on_it_alone() {
    let depends = |key: &str| match key {
        "host" => vec!["socket", "host", "port", "tls"],
        "tls_ca" => vec!["tls", "tls_ca"],
        _ => Vec::new(),
    };
    for lines in SERVERS.into_iter().chain(["password = \"not-to-be-seen\""]) {
        let set = lines.lines().last().unwrap_or_default();
        let key = set.split(' ').next().unwrap_or_default();
        let before = lines.strip_suffix(set).unwrap_or_default();
        let (before, after) = (shown(&with("server", before)), shown(&with("server", lines)));
        let expected = depends(key);
        let expected = if expected.is_empty() { vec![key] } else { expected };
        assert_eq!(changed(&before, &after), expected);
        let one = after.iter().find(|one| one.key == key).expect("it is shown");
        assert!(matches!(one.origin, Origin::Line(_)), "{key}: {:?}", one.origin);
    }
}

#[test]
fn an_option_file_says_what_the_configuration_does_not() {
    let text = with("server", "option_file = \"/o.cnf\"");
    let read = |file: &str| (PathBuf::from("/o.cnf"), OptionFile::parse(file).expect("it is read"));
    let toml = |file: &str| {
        let all = config::shown(&text, &meant(&text), Some(&read(file)));
        let toml = config::as_toml(Path::new(FILE), &all);
        assert_eq!(meant(&toml), meant(&text), "{toml}");
        assert!(!toml.contains("not-to-be-seen"));
        toml
    };
    let local = toml("[client]\nuser = me\npassword = not-to-be-seen\nsocket = /a.sock\n");
    assert!(line(&local, "server", "user").starts_with("#user = \"me\""));
    assert!(line(&local, "server", "user").ends_with("# option file '/o.cnf'"));
    assert!(line(&local, "server", "socket").starts_with("#socket = \"/a.sock\""));
    assert!(line(&local, "server", "password").starts_with("#password = (hidden)"));
    let remote = toml("[client]\nhost = db1\n");
    assert!(line(&remote, "server", "host").starts_with("#host = \"db1\""));
    assert!(line(&remote, "server", "port").ends_with("# assumed: the usual port"));
    assert!(line(&remote, "server", "socket").ends_with("not set: the option file names a host"));
}

/// A directory with a configuration in it, and what the program says to it.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().expect("a directory can be made"));
        home.directory("backup", 0o700);
        home.directory("state", 0o700);
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn directory(&self, name: &str, mode: u32) {
        std::fs::create_dir(self.path(name)).expect("it can be made");
        self.close(name, mode);
    }

    fn close(&self, name: &str, mode: u32) {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(self.path(name), mode).expect("it is ours");
    }

    /// Writes a file in which HOME stands for the directory.
    fn file(&self, name: &str, text: &str, mode: u32) {
        let home = self.0.path().display().to_string();
        std::fs::write(self.path(name), text.replace("HOME", &home)).expect("it can be written");
        self.close(name, mode);
    }

    fn says(&self, told: &mut String, what: &str, args: &[&str]) {
        let file = self.path("h.toml").display().to_string();
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdstill"));
        command.args(args).args(["--config", &file]).env_remove("CREDENTIALS_DIRECTORY");
        let done = command.output().expect("the program can be run");
        let said = [done.stdout, done.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let said = said.replace(&self.0.path().display().to_string(), "HOME");
        // Where the comments begin depends on how long the directory's name is.
        let said: String = said
            .lines()
            .map(|line| match line.split_once("  # ") {
                Some((value, comment)) => format!("{:<40}  # {comment}\n", value.trim_end()),
                None => format!("{line}\n"),
            })
            .collect();
        let code = done.status.code().expect("it ends by itself");
        let _cannot_fail = writeln!(told, "== {what}: exit {code}\n{said}");
    }
}

const GOOD: &str = r#"state_dir = "HOME/state"
[server]
host = "db1"
tls_ca = "HOME/ca.pem"
option_file = "HOME/client.cnf"
[snapshot]
size = "20GiB"
[destination]
directory = "HOME/backup"
"#;

#[test]
fn the_program_checks_and_shows() {
    let home = Home::new();
    let mut told = String::new();
    home.file("client.cnf", "[client]\nuser = backup\npassword = not-to-be-seen\n", 0o600);
    home.file("ca.pem", "-----BEGIN CERTIFICATE-----\n", 0o644);
    home.file("h.toml", GOOD, 0o600);
    home.says(&mut told, "all is right", &["config", "check"]);
    home.says(&mut told, "every key", &["config", "show"]);
    home.says(&mut told, "as JSON", &["config", "show", "--json"]);
    home.file("client.cnf", "[client]\npassword = not-to-be-seen\n", 0o640);
    home.file("ca.pem", "no certificate\n", 0o644);
    home.close("backup", 0o777);
    home.close("state", 0o770);
    home.file("h.toml", &format!("{GOOD}[lock]\nhold_ms_maxx = 5\n"), 0o620);
    home.says(&mut told, "all complaints at once", &["config", "check"]);
    home.file("h.toml", "[server]\ncredential = \"c\"\n[destination]\ndirectory = \"/n\"\n", 0o600);
    home.says(&mut told, "a credential, no destination", &["config", "check"]);
    home.says(&mut told, "there already", &["init"]);
    home.says(&mut told, "not whole paths", &["init", "--destination", "b", "--socket", "s"]);
    assert!(!told.contains("not-to-be-seen"), "a password was told");
    golden("config.txt", &told);
}
