//! What a purge of the Debian package takes and what it leaves, by the script itself, on a
//! directory in the place of the package's.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::text;

const STATE: &str = "STATE=/var/lib/holdstill\n";

fn purge(state: &Path) -> String {
    let script = text("packaging/deb/postrm");
    assert!(script.contains(STATE), "the script names another directory");
    let script = script.replace(STATE, &format!("STATE='{}'\n", state.display()));
    let done = Command::new("/bin/sh").args(["-c", &script, "postrm", "purge"]).output();
    let done = done.expect("there is a shell");
    assert!(done.status.success(), "{done:?}");
    String::from_utf8(done.stderr).expect("it is a text")
}

/// A state directory as a run leaves it.
fn used(state: &Path) {
    for directory in ["ledger", "runs"] {
        fs::create_dir_all(state.join(directory)).expect("it can be made");
    }
    for file in ["lock", "runs/20260101T030000Z-00002a.json", "runs/x.json.new"] {
        fs::write(state.join(file), "{}").expect("it can be written");
    }
}

#[test]
fn a_purge_takes_the_history_and_never_a_ledger() {
    let home = tempfile::tempdir().expect("a directory can be made");
    let state = home.path().join("state");
    used(&state);
    let ledger = state.join("ledger/20260102T030000Z-00002b.json");
    fs::write(&ledger, "{}").expect("it can be written");
    assert!(purge(&state).contains("holdstill recover"), "it does not say what helps");
    assert!(ledger.exists(), "the ledger is gone");

    fs::remove_file(&ledger).expect("it is there");
    assert_eq!(purge(&state), "");
    assert!(!state.exists(), "left: {:?}", fs::read_dir(&state));
}

#[test]
fn a_purge_leaves_what_is_not_ours() {
    let home = tempfile::tempdir().expect("a directory can be made");
    let state = home.path().join("state");
    used(&state);
    fs::create_dir(state.join("runs/mine")).expect("it can be made");
    assert_eq!(purge(&state), "");
    assert!(state.join("runs/mine").is_dir() && !state.join("ledger").exists());
    assert_eq!(fs::read_dir(state.join("runs")).expect("it is there").count(), 1);
    assert_eq!(purge(&home.path().join("none")), "", "there was no run");
}
