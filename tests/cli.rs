//! What an operator reads before anything is touched: the program itself, run with a broken
//! configuration, held against `tests/golden/cli.txt` word for word.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::common::golden;

/// A configuration file's content, its mode, and what it shows.
const CONFIGS: [(&str, u32, &str); 10] = [
    ("an unknown key", 0o600, "[lock]\nhold_ms_maxx = 5\n"),
    ("no TOML at all", 0o600, "[server\n"),
    ("several complaints at once", 0o600, "state_dir = 'here'\n[lock]\nwait_ms_max = 0\n"),
    ("a value of the wrong kind", 0o600, "[snapshot]\nsize = 'big'\n[destination]\n"),
    ("a word that is none of those known", 0o600, "[server]\nhost = 'db1'\ntls = 'no'\n"),
    ("an address cannot be verified", 0o600, "[server]\nhost = '127.0.0.1'\ntls_ca = '/ca.pem'\n"),
    ("a password that others can read", 0o644, "[server]\npassword = 'not-to-be-seen'\n"),
    ("an option file that is not there", 0o600, "[server]\noption_file = '/nowhere/client.cnf'\n"),
    (
        "hooks that cannot be run",
        0o600,
        "[hooks]\nbefore = ['/nowhere/x']\nafter = ['/etc/passwd']\n",
    ),
    ("two passwords", 0o600, "[server]\npassword = 'not-to-be-seen'\noption_file = '/a.cnf'\n"),
];

#[test]
fn what_is_told_of_a_broken_configuration() {
    let home = tempfile::tempdir().expect("a directory can be made");
    let mut told = String::new();
    for (what, mode, text) in CONFIGS {
        let path = home.path().join("holdstill.toml");
        let destination = if text.contains("[destination]") { "" } else { "[destination]\n" };
        std::fs::write(&path, format!("{text}{destination}directory = '/backup'\n"))
            .expect("it can be written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("ours");
        tell(&mut told, what, &["audit", "--config", &path.display().to_string()], home.path());
    }
    tell(&mut told, "no such file", &["backup", "--config", "/nowhere/h.toml"], home.path());
    let check = |more: &[&'static str]| [&["check", "--config", "/nowhere/h.toml"], more].concat();
    tell(&mut told, "a check without its file", &check(&[]), home.path());
    tell(&mut told, "a check that is typed wrong", &check(&["--age-warning", "x"]), home.path());
    tell(&mut told, "no such command", &["backpu"], home.path());
    let both = ["backup", "--quiet", "--json"];
    tell(&mut told, "two manners of telling", &both, home.path());
    tell(&mut told, "help", &["--help"], home.path());
    tell(&mut told, "help for a backup", &["backup", "--help"], home.path());
    assert!(!told.contains("not-to-be-seen"), "a password was told");
    golden("cli.txt", &told);
}

/// A configuration of its own for a destination, which may be what it likes.
fn list_of(home: &Path, destination: &Path) -> (i32, String) {
    let path = home.join("list.toml");
    // Three quotes, so that one may be in the path.
    let text = format!("[destination]\ndirectory = '''{}'''\n", destination.display());
    std::fs::write(&path, text).expect("it can be written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("ours");
    let mut told = String::new();
    tell(&mut told, "list", &["list", "--config", &path.display().to_string()], home);
    let (head, said) = told.split_once('\n').expect("a line with the exit code");
    let code = head.rsplit(' ').next().and_then(|code| code.parse().ok());
    (code.expect("an exit code"), said.trim_end().to_owned())
}

/// A disk that is not mounted must not pass for one without backups.
#[test]
fn a_destination_that_is_not_there_has_no_list() {
    let home = tempfile::tempdir().expect("a directory can be made");
    let (away, file) = (home.path().join("away"), home.path().join("file"));
    let more = "more: holdstill explain destination";
    let (code, said) = list_of(home.path(), &away);
    let hint = "hint: Mount what belongs there, or run: mkdir --mode 0700 HOME/away";
    let wanted = format!("holdstill: the destination 'HOME/away' is not there\n{hint}\n{more}");
    assert_eq!((code, said), (3, wanted));
    std::fs::write(&file, "").expect("it can be written");
    let (code, said) = list_of(home.path(), &file);
    assert!(code == 3 && said.contains("'HOME/file' is not a directory\nhint: "), "{said}");
    std::fs::create_dir(&away).expect("it can be made");
    let (code, said) = list_of(home.path(), &away);
    assert!(code == 0 && said.starts_with("no backups in 'HOME/away'\nhint: "), "{said}");
}

/// What is to be typed can be copied, whatever the directory is called.
#[test]
fn a_command_in_a_hint_names_one_path() {
    let home = tempfile::tempdir().expect("a directory can be made");
    let (_, said) = list_of(home.path(), &home.path().join("off site's"));
    assert!(said.contains(r"run: mkdir --mode 0700 'HOME/off site'\''s'"), "{said}");
}

/// An answer that is lost is no answer, and least of all an all-clear.
#[test]
fn a_full_disk_takes_no_answer() {
    let full = || std::fs::File::options().write(true).open("/dev/full").expect("Linux has it");
    for (args, expected) in [
        (vec!["explain"], 1),
        (vec!["explain", "destination"], 1),
        (vec!["check", "--config", "/nowhere/h.toml"], 3),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdstill"));
        let ended = command.args(&args).stdout(full()).output().expect("it runs");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(expected), "{args:?}: {said}");
        let why = "cannot write to standard output: No space left on device";
        assert!(said.contains(why), "{args:?}: {said}");
    }
}

/// Runs the program and adds what it says, with its exit code.
fn tell(told: &mut String, what: &str, args: &[&str], home: &Path) {
    let done = Command::new(env!("CARGO_BIN_EXE_holdstill"))
        .args(args)
        .output()
        .expect("the program can be run");
    let said = [done.stdout, done.stderr].concat();
    let said = String::from_utf8_lossy(&said).replace(&home.display().to_string(), "HOME");
    let code = done.status.code().expect("it ends by itself");
    let _cannot_fail = writeln!(told, "== {what}: exit {code}\n{said}");
}
