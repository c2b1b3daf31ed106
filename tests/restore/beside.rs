//! Who reads backups beside who makes and who removes them: by the program itself and real locks.

use std::fs;
use std::path::Path;

use holdstill::host::linux::Linux;
use holdstill::host::{Act, Host as _};
use holdstill::readers;

use super::shelf::{NEWER, OLDER, Shelf};

/// A process that goes on: whoever holds the lock of this name says so. Of another process than
/// that which is run, since that is this one.
fn held(shelf: &Shelf, name: &str, who: &str) -> Linux {
    let mut host = Linux::new().expect("the process");
    let text = format!("{who}, process {}, since then", std::process::id());
    let path = shelf.at("state").join(name);
    host.act(&Act::TakeRunLock { path, text }).expect("it is free");
    host
}

/// A destination with a rule that keeps one of the two.
fn pruned() -> Shelf {
    let shelf = Shelf::new();
    let path = shelf.at("holdstill.toml");
    let text = fs::read_to_string(&path).expect("it is there");
    fs::write(&path, text + "[retention]\nkeep_last = 1\n").expect("it can be written");
    shelf
}

fn backups(shelf: &Shelf) -> usize {
    fs::read_dir(shelf.at("backup")).expect("it is there").count()
}

#[test]
fn nothing_is_removed_while_anybody_reads() {
    let shelf = pruned();
    for kind in readers::LOCKS {
        for name in [kind.to_owned(), format!("{kind}.2")] {
            let reader = held(&shelf, &name, "a reader");
            let (code, said) = shelf.run("prune", &[]);
            assert_eq!(code, 75, "{name}: {said}");
            assert!(said.contains("another run is alive: a reader, process"), "{said}");
            assert_eq!(backups(&shelf), 2);
            drop(reader);
        }
    }
    let (code, said) = shelf.run("prune", &[]);
    assert!(code == 0 && said.contains("removed 0"), "nobody is in its way: {said}");
}

#[test]
fn a_restore_stands_in_nobodys_way_and_nobody_in_its() {
    let shelf = Shelf::new();
    let _backup = held(&shelf, "lock", "run X");
    let _restore = held(&shelf, "restore.lock", "a restore of another");
    let (code, said) = shelf.restore(&["newest", "--to", "HOME/srv/new"]);
    assert_eq!(code, 0, "{said}");
    assert!(!said.contains("alive"), "a backup that goes on is no news: {said}");
    let ours = fs::read_to_string(shelf.at("state/restore.lock.2")).expect("it had a seat");
    assert!(ours.starts_with("a restore of backup 'newest', process"), "{ours}");
    let (code, said) = shelf.run("verify", &["--all"]);
    assert_eq!(code, 0, "{said}");
    let ours = fs::read_to_string(shelf.at("state/verify.lock")).expect("it had a seat");
    assert!(ours.starts_with("a verification of backups, process"), "{ours}");
}

#[test]
fn a_removal_that_goes_on_is_told() {
    let shelf = Shelf::new();
    let _pruning = held(&shelf, "lock", &format!("a pruning, {}", readers::REMOVES));
    let (code, said) = shelf.restore(&[OLDER, "--to", "HOME/srv/new"]);
    let told = "should it remove this backup, it fails";
    assert!(code == 0 && said.contains("a pruning, ") && said.contains(told), "{said}");
    let (code, said) = shelf.restore(&[NEWER, "--to", "HOME/srv/more", "--dry-run"]);
    assert!(code == 0 && !said.contains(told), "who only asks needs no lock: {said}");
    assert!(Path::new(&shelf.at("srv/new/ibdata1")).exists());
}
