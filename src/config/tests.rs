//! The configuration: what is accepted, and every complaint.

use std::path::{Path, PathBuf};

use super::*;
use crate::host::{Act, Answer, Entry, Fault, Host, Io, Kind, Login, Look, Secret, Tls};

const FULL: &str = include_str!("../../config/full.toml");
const DESTINATION: &str = "[destination]\ndirectory = \"/backup\"\n";

fn read(text: &str) -> Result<Config, Vec<Complaint>> {
    parse(Path::new("/etc/holdstill/holdstill.toml"), text)
}

fn good(text: &str) -> Config {
    read(text).unwrap_or_else(|complaints| panic!("{text}\n{complaints:#?}"))
}

/// The complaints with their hints, one a line.
fn told(text: &str) -> String {
    let complaints = read(text).expect_err("there is something to complain about");
    let line = |one: &Complaint| {
        let hint = one.hint.as_deref().expect("every complaint has a hint");
        // Where there is nothing better to say, the hint leads to the list of all keys.
        format!("{one} | {}", if hint.contains("'full.toml'") { "-" } else { hint })
    };
    complaints.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn check(text: &str, expected: &str) {
    assert_eq!(told(&format!("{text}\n{DESTINATION}")), expected);
}

#[test]
fn the_least_file_is_right() {
    let defaults = good(include_str!("../../config/minimal.toml"));
    assert_eq!(defaults.destination.directory, PathBuf::from("/backup"));
    assert_eq!(defaults, good(DESTINATION));
}

/// The full file shows the defaults: only how the server is reached differs from them.
#[test]
fn the_full_file_shows_every_key_and_its_default() {
    for (section, keys) in raw::KEYS {
        for key in keys {
            let shown = |line: &str| line.trim_start_matches('#').starts_with(&format!("{key} ="));
            assert!(FULL.lines().any(shown), "{section}.{key} is not in full.toml");
        }
    }
    for key in OFFSITE_KEYS {
        assert!(FULL.lines().any(|line| line.starts_with(&format!("#{key} ="))), "{key}");
    }
    let minimal = good(DESTINATION);
    assert_eq!(Config { server: minimal.server.clone(), ..good(FULL) }, minimal);
}

#[test]
fn unknown_keys_are_told_with_the_nearest_one() {
    check(
        "[server]\nsockt = \"/s\"\n[lock]\nhold_max = 5\n[snapshot]\nwait_ms_max = 1\n[zebra]",
        "line 2, column 1: unknown key 'sockt' in [server] | Did you mean 'socket'?\n\
         line 4, column 1: unknown key 'hold_max' in [lock] | Did you mean 'hold_ms_max'?\n\
         line 6, column 1: unknown key 'wait_ms_max' in [snapshot] | 'wait_ms_max' belongs under \
         [lock].\n\
         line 7, column 2: unknown key 'zebra' | Known here are: state_dir, run_dir, server, lock, \
         replica, snapshot, copy, destination, retention, drill, hooks, monitoring, offsite.",
    );
}

#[test]
fn all_complaints_come_at_once() {
    check(
        "state_dir = \"var\"\n[lock]\nwait_ms_max = 0\nfreeze = \"maybe\"\n[copy]\nms_max = 0",
        "line 1, column 1: state_dir: expected an absolute path without '..', found 'var' | Write \
         the whole path, from '/'.\n\
         line 4, column 10: unknown variant 'maybe', expected 'auto' or 'explicit' | -\n\
         line 6, column 1: copy.ms_max: expected 1 to 604800000 milliseconds, found 0 | Every \
         limit is a number of milliseconds above zero.",
    );
}

#[test]
fn what_cannot_be_meant_is_refused() {
    check(
        "run_dir = \"/run/../x\"",
        "line 1, column 1: run_dir: expected an absolute path without '..', found '/run/../x' | \
         Write the whole path, from '/'.",
    );
}

#[test]
fn sizes() {
    let size = |text: &str| good(&format!("[snapshot]\nsize = \"{text}\"\n{DESTINATION}"));
    assert_eq!(size("20%").snapshot.size, Size::Percent(20));
    assert_eq!(size("512MiB").snapshot.size, Size::Amount(Bytes(512 << 20)));
    let (origin, extent) = (Bytes(10 << 30), Bytes(4 << 20));
    assert_eq!(Size::Percent(20).of(origin, extent), Bytes(2 << 30));
    assert_eq!(Size::Amount(Bytes(1)).of(origin, extent), extent);
    assert_eq!(Size::Amount(Bytes((4 << 20) + 1)).of(origin, extent), Bytes(8 << 20));
    for wrong in ["0%", "101%", "0"] {
        check(
            &format!("[snapshot]\nsize = \"{wrong}\""),
            "line 2, column 1: snapshot.size: expected 1 to 100 percent, or an amount above zero \
             | A COW store never needs more than the size of its origin.",
        );
    }
    let limits = good(DESTINATION).snapshot;
    assert_eq!((limits.pool_percent_max, limits.pool_percent_stop), (80, 90));
    for (key, wrong) in [("max", 0), ("max", 100), ("stop", 100)] {
        let text = format!("[snapshot]\npool_percent_{key} = {wrong}");
        let told = told(&format!("{text}\n{DESTINATION}"));
        assert!(told.contains(&format!("expected 1 to 99 percent, found {wrong}")), "{told}");
    }
    check(
        "[snapshot]\npool_percent_max = 95",
        "line 2, column 1: expected more than 'pool_percent_max' (95), found 90 | Between the two is \
         the room for what is written meanwhile.",
    );
    check(
        "[snapshot]\nsize = \"much\"",
        "line 2, column 8: expected a size like '20%' or '512MiB', found 'much' | -",
    );
}

#[test]
fn tcp_is_encrypted_unless_told_otherwise() {
    let reach = |text: &str| good(&format!("[server]\n{text}\n{DESTINATION}")).server.reach;
    let tcp = |tls| Some(Reach::Tcp { host: "db".into(), port: 3306, tls });
    assert_eq!(reach("host = \"db\""), tcp(Tls::Encrypted));
    assert_eq!(reach("host = \"db\"\ntls_ca = \"/ca\""), tcp(Tls::Verified("/ca".into())));
    assert_eq!(reach("host = \"db\"\ntls = \"off\""), tcp(Tls::Off));
    assert_eq!(reach("socket = \"/s\""), Some(Reach::Socket("/s".into())));
    assert_eq!(reach(""), None);
    check(
        "[server]\nhost = \"10.0.0.5\"\ntls_ca = \"/ca\"",
        "line 2, column 1: server.host: cannot verify the certificate of an address, '10.0.0.5' | \
         Write the host name that the server's certificate is made out to.",
    );
    check(
        "[server]\nhost = \"db\"\ntls = \"verified\"",
        "line 3, column 1: server.tls: 'tls = \"verified\"' needs 'tls_ca' | Name the authority's \
         certificate file with 'tls_ca'.",
    );
    check(
        "[server]\nsocket = \"/s\"\nhost = \"db\"\nport = 1",
        "line 3, column 1: 'socket' and 'host' exclude each other | Keep the socket if the server \
         is on this machine.",
    );
    check(
        "[server]\nport = 1",
        "line 2, column 1: 'port' needs 'host' in [server] | Name the server's host, or leave the \
         key out.",
    );
}

#[test]
fn there_is_one_place_for_a_password() {
    check(
        "[server]\npassword = \"x\"\ncredential = \"c\"",
        "line 2, column 1: 'option_file', 'password' and 'credential' exclude each other | Keep \
         one of them.",
    );
    check(
        "[server]\ncredential = \"../x\"",
        "line 2, column 1: server.credential: expected the name of a credential, found '../x' | \
         It is the part before the colon in LoadCredential=NAME:PATH.",
    );
    check("[server]\npassword = 1234", "line 2, column 12: expected a text in quotes | -");
    let config = good(&format!("[server]\npassword = \"topsecret\"\n{DESTINATION}"));
    assert_eq!(config.server.secret, SecretIn::Config);
    assert!(!format!("{config:?}").contains("topsecret"));
}

#[test]
fn the_destination_is_asked_for() {
    assert_eq!(
        told(""),
        "no 'directory' in [destination] | Write, for example: [destination] directory = \
         \"/backup\"."
    );
    assert!(told("[lock\n").starts_with("line 1, column 6: "));
}

/// A host with these files, owned by root with one mode.
struct Files {
    files: Vec<(&'static str, &'static str)>,
    mode: u32,
}

impl Host for Files {
    fn look(&self, what: &Look) -> Result<Answer, Fault> {
        let find = |path: &Path| self.files.iter().find(|(name, _)| Path::new(name) == path);
        Ok(match what {
            Look::File(path) => Answer::Text(find(path).map(|(_, text)| (*text).to_owned())),
            Look::Path(path) => Answer::Entry(find(path).map(|_| Entry {
                real: path.clone(),
                kind: Kind::File,
                device: "8:1".into(),
                uid: 0,
                mode: self.mode,
            })),
            Look::Machine => Answer::Machine(crate::host::Machine::example()),
            other => panic!("the configuration did '{other}'"),
        })
    }

    fn act(&mut self, what: &Act) -> Result<Answer, Fault> {
        panic!("the configuration acted: '{what}'")
    }
}

const OPTIONS: &str = "[mysqld]\nuser=mysql\n[client]\nuser = \"me\"\npassword = 'x'\n";

fn logged_in(mode: u32, server: &str, credentials: Option<&str>) -> Result<Login, Complaint> {
    let files = vec![("/o.cnf", OPTIONS), ("/creds/c", OPTIONS)];
    let config = good(&format!("[server]\n{server}\n{DESTINATION}"));
    login(&Files { files, mode }, &config, credentials.map(PathBuf::from))
}

#[test]
fn a_login_knows_where_the_password_is() {
    let login = logged_in(0o600, "option_file = \"/o.cnf\"", None).expect("it is closed");
    assert_eq!(login.user.as_deref(), Some("me"));
    assert_eq!(login.secret, Secret::OptionFile("/o.cnf".into()));
    assert_eq!(login.reach, Reach::Socket(SOCKET.into()));
    let login = logged_in(0o400, "user = \"you\"\ncredential = \"c\"", Some("/creds"));
    let login = login.expect("it is closed");
    assert_eq!(login.user.as_deref(), Some("you"));
    assert_eq!(login.secret, Secret::Credential("c".into()));
}

#[test]
fn a_login_is_refused_with_a_hint() {
    let told = |mode, server: &str| {
        let complaint = logged_in(mode, server, None).expect_err("it is refused");
        format!("{complaint} | {}", complaint.hint.clone().unwrap_or_default())
    };
    assert_eq!(
        told(0o644, "option_file = \"/o.cnf\""),
        "the option file '/o.cnf' holds a secret and is open to others (mode 0644) | Run: chmod \
         0600 /o.cnf"
    );
    assert_eq!(
        told(0o600, "option_file = \"/none.cnf\""),
        "the option file '/none.cnf' is not there, or is not a file | Make '/none.cnf' with mode 0600, or name \
         another file."
    );
    assert_eq!(
        told(0o600, "credential = \"c\""),
        "cannot find the credential 'c': no CREDENTIALS_DIRECTORY is set | Run holdstill as a \
         systemd service with LoadCredential=."
    );
}

#[test]
fn a_configuration_with_a_password_is_closed_to_others() {
    const TEXT: &str = "[server]\npassword = \"x\"\n[destination]\ndirectory = \"/backup\"\n";
    let open = Files { files: vec![("/c.toml", TEXT)], mode: 0o640 };
    let complaints = load(&open, Path::new("/c.toml")).expect_err("it is open");
    assert_eq!(
        complaints[0].to_string(),
        "the configuration '/c.toml' holds a secret and is open to others (mode 0640)"
    );
    let closed = Files { mode: 0o600, ..open };
    assert!(load(&closed, Path::new("/c.toml")).is_ok());
    let complaints = load(&closed, Path::new("/d.toml")).expect_err("it is not there");
    assert_eq!(complaints[0].to_string(), "cannot read '/d.toml': there is no such file");
}

/// The system's own words are told once, and the hint is what helps.
#[test]
fn a_file_that_only_root_can_read_is_told_as_such() {
    let host = crate::host::linux::Linux::new().expect("it is a machine");
    let complaint = &load(&host, Path::new("/etc")).expect_err("it is a directory")[0];
    let (found, hint) = (complaint.to_string(), complaint.hint.clone().unwrap_or_default());
    assert_eq!(found.matches("/etc").count(), 1, "{found}");
    assert!(["Run it as root.", "Look at it with 'stat /etc'."].contains(&hint.as_str()), "{hint}");
}

/// Half a file is either a complaint or a configuration, and never a panic.
#[test]
fn a_cut_file_is_survived() {
    for end in (0..FULL.len()).filter(|end| FULL.is_char_boundary(*end)) {
        let _either = read(&FULL[..end]);
    }
}

#[test]
fn long_statements_are_refused_unless_told_otherwise() {
    let config = good(DESTINATION);
    assert_eq!(config.lock.long_statements, LongStatements::Refuse);
    assert_eq!((config.lock.long_statement_s_min, config.lock.kill_select_s_min), (5, 60));
    assert_eq!(config.replica.keep_replication_stopped, KeepStopped::Window);
    let other = "[lock]\nlong_statements = \"kill\"\nkill_select_s_min = 300\n[replica]\n\
                 keep_replication_stopped = \"copy\"\n";
    let config = good(&format!("{other}{DESTINATION}"));
    assert_eq!(config.lock.long_statements, LongStatements::Kill);
    assert_eq!(config.lock.kill_select_s_min, 300);
    assert_eq!(config.replica.keep_replication_stopped, KeepStopped::Copy);
    check(
        "[lock]\nlong_statement_s_min = 0\nkill_select_s_min = 604801\nlong_wait_ms_max = 0",
        "line 2, column 1: lock.long_statement_s_min: expected 1 to 604800 seconds, found 0 | \
         It is a number of seconds above zero.\n\
         line 3, column 1: lock.kill_select_s_min: expected 1 to 604800 seconds, found 604801 | \
         It is a number of seconds above zero.\n\
         line 4, column 1: lock.long_wait_ms_max: expected 1 to 604800000 milliseconds, found 0 | \
         Every limit is a number of milliseconds above zero.",
    );
    check(
        "[replica]\nkeep_replication_stopped = \"always\"",
        "line 2, column 28: unknown variant 'always', expected 'window' or 'copy' | -",
    );
}

#[test]
fn a_copy_stands_back_as_it_is_told() {
    let copy = |text: &str| good(&format!("[copy]\n{text}\n{DESTINATION}")).copy;
    assert_eq!(copy("").priority, Priority::default());
    let priority = |nice, io| Priority { nice, io };
    assert_eq!(copy("nice = 19\nio_class = 'idle'").priority, priority(Some(19), Some(Io::Idle)));
    let best = copy("io_class = 'best-effort'\nio_level = 7").priority;
    assert_eq!(best, priority(None, Some(Io::BestEffort(7))));
    assert_eq!(copy("bandwidth_max = '50MiB'").bandwidth_max, Some(Bytes(50 << 20)));
    check(
        "[copy]\nnice = -5\nio_class = 'idle'\nio_level = 3\nbandwidth_max = 50",
        "line 2, column 1: copy.nice: expected 0 to 19, found -5 | A copy never goes before the \
         server: 19 stands back most.\n\
         line 4, column 1: 'io_level' needs 'io_class = \"best-effort\"' | Only that class has \
         levels.\n\
         line 5, column 1: copy.bandwidth_max: expected at least 64 KiB a second, found 50 B | It \
         is a size, as in 'bandwidth_max = \"50MiB\"'; leave it out for no limit.",
    );
    check(
        "[copy]\nio_class = 'best-effort'\nio_level = 8",
        "line 3, column 1: copy.io_level: expected 0 to 7, found 8 | Level 7 stands back most.",
    );
    check(
        "[copy]\nio_class = 'realtime'",
        "line 2, column 12: unknown variant 'realtime', expected 'idle' or 'best-effort' | -",
    );
}

#[test]
fn hooks_are_absolute_programs_with_arguments() {
    let hooks = good(&format!(
        "[hooks]\non_failure = ['/usr/bin/tell', 'the dba']\nseconds_max = 5\n{DESTINATION}"
    ))
    .hooks;
    let told = Hook { program: "/usr/bin/tell".into(), args: vec!["the dba".into()] };
    assert_eq!((hooks.on_failure, hooks.before, hooks.ms_max), (Some(told), None, Millis(5_000)));
    check(
        "[hooks]\nbefore = []\nafter = ['tell']\nseconds_max = 0",
        "line 2, column 1: hooks.before: expected a program and its arguments, found nothing | \
         Write, for example: on_failure = [\"/usr/local/sbin/tell\", \"dba\"].\n\
         line 3, column 1: hooks.after: expected an absolute path without '..', found 'tell' | \
         Write the whole path, from '/'.\n\
         line 4, column 1: hooks.seconds_max: expected 1 to 604800 seconds, found 0 | It is a \
         number of seconds above zero.",
    );
}

#[test]
fn a_drill_has_room_and_statements() {
    check(
        "[drill]\ndirectory = 'here'\nmemory = '1MiB'\nseconds_max = 0\nassertions = [' ']",
        "line 2, column 1: drill.directory: expected an absolute path without '..', found 'here' | \
         Write the whole path, from '/'.\n\
         line 3, column 1: drill.memory: expected 32 MiB to 1 TiB, found 1 MiB | \
         It is a size, as in 'memory = \"512MiB\"', beside what production takes.\n\
         line 4, column 1: drill.seconds_max: expected 1 to 604800 seconds, found 0 | \
         It is a number of seconds above zero.\n\
         line 5, column 1: drill.assertions: expected a statement, found nothing | \
         Write, for example: assertions = [\"SELECT COUNT(*) > 0 FROM db.t\"].",
    );
}

#[test]
fn limits_of_monitoring_are_in_order() {
    check(
        "[monitoring]\ntextfile = '/a/b'\nage_warning_hours = 9\nage_critical_hours = 8\n\
         locked_ms_critical = 9",
        "line 2, column 1: monitoring.textfile: expected a file whose name ends with '.prom' | \
         node_exporter reads no other file of --collector.textfile.directory.\n\
         line 4, column 1: monitoring.age_critical_hours: expected at least 'age_warning_hours' \
         (9), found 8 | What is critical comes after what is a warning.\n\
         line 5, column 1: monitoring.locked_ms_critical: expected at least 'locked_ms_warning' \
         (5000 ms), found 9 ms | What is critical comes after what is a warning.",
    );
}

/// A place of each kind, with every key that it needs.
const PLACES: &str = "[[offsite]]\nname = \"c\"\nkind = \"restic\"\nrepository_file = \"/r\"\n\
    password_file = \"/p\"\n[[offsite]]\nname = \"v\"\nkind = \"ssh\"\nhost = \"h\"\nuser = \"u\"\n\
    directory = \"/d\"\nkey_file = \"/k\"\nknown_hosts = \"/n\"\npush = true\nkeep_last = 2\n";

#[test]
fn places_elsewhere_are_a_list_and_fed_back_they_mean_the_same() {
    let text = format!("{DESTINATION}{PLACES}");
    let config = good(&text);
    assert_eq!(config.offsite.len(), 2);
    assert_eq!(config.offsite[1].push, Push::AfterBackup);
    let shown = as_toml(Path::new("/c"), &shown(&text, &config, None));
    assert_eq!(good(&shown), config, "{shown}");
    assert!(shown.contains("# backups; line 17"), "{shown}");
}

#[test]
fn what_is_wrong_with_a_place_is_told_where_it_is() {
    let with = |from: &str, to: &str| told(&format!("{DESTINATION}{}", PLACES.replace(from, to)));
    for (from, to, expected) in [
        ("name = \"v\"", "name = \"c\"", "line 9, column 1: offsite[2].name: there are two places"),
        ("name = \"v\"", "name = \"a/b\"", "line 9, column 1: expected a 'name' of 1 to 32"),
        ("kind = \"ssh\"", "kind = \"ftp\"", "line 10, column 8: unknown variant 'ftp'"),
        ("host = \"h\"", "host = \"-oProxyCommand=x\"", "line 11, column 1: expected 'host'"),
        ("user = \"u\"", "user = \"u@h\"", "line 12, column 1: expected 'user'"),
        ("key_file = \"/k\"", "key_file = \"/k'\"", "line 14, column 1: offsite[2].key_file:"),
        ("host = \"h\"\n", "", "offsite[2].host: expected a value, found none"),
        ("kind = \"ssh\"\n", "", "offsite[2].kind: expected a value, found none"),
        ("directory = \"/d\"\n", "", "offsite[2].directory: expected a value, found none"),
        (
            "push = true",
            "password_file = \"/p\"",
            "line 16, column 1: 'password_file' is of the other",
        ),
        ("push = true", "pusch = true", "line 16, column 1: unknown key 'pusch' in [offsite]"),
        ("keep_last = 2", "keep_last = 0", "line 17, column 1: offsite[2].keep_last: expected 1"),
        ("[[offsite]]\nname = \"v\"", "[offsite]\nname = \"v\"", "line 8, column 2"),
    ] {
        let found = with(from, to);
        assert!(found.starts_with(expected), "{to}: {found}");
    }
    let one = told(&format!("{DESTINATION}[offsite]\nname = \"v\"\n"));
    assert!(one.contains("'offsite' is a list of places | Write it with two brackets"), "{one}");
}
