//! Who reads backups beside who makes and who removes them: by the program itself and real locks.

use std::fs;
use std::path::Path;

use holdstill::host::linux::Linux;
use holdstill::host::{Act, Host as _};
use holdstill::locks;

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
    for kind in locks::LOCKS {
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
fn what_was_being_prepared_is_emptied_and_restored_anew() {
    let shelf = Shelf::new();
    let (file, marker) = (shelf.of(NEWER, "tree/data/ibdata1"), ".holdstill-restore.json");
    let args = ["newest", "--to", "HOME/srv/new"];
    let sound = fs::read(&file).expect("it is there");
    let written = file.metadata().and_then(|meta| meta.modified()).expect("Linux tells");
    fs::write(&file, b"the dictionaRY").expect("it can be written");
    let (code, said) = shelf.restore(&args);
    assert!(code == 6, "{said}");
    fs::write(&file, sound).expect("it can be written");
    let opened = fs::File::options().write(true).open(&file).expect("it is there");
    opened.set_modified(written).expect("it is ours");
    let stray = shelf.at("srv/new/ib_made_by_a_server");
    fs::write(&stray, "redo").expect("it can be written");
    // It is remembered as damaged from then on.
    let args = [&args[..], &["--damaged"]].concat();
    let (code, said) = shelf.restore(&args);
    assert!(code == 3 && said.contains("what is not of the backup is there"), "{said}");
    let path = shelf.at("srv/new").join(marker);
    let text = fs::read_to_string(&path).expect("it is marked");
    let text = text.replace("\"preparing\": false", "\"preparing\": true");
    let ready = text.replace("\"ready\": false", "\"ready\": true");
    fs::write(&path, ready).expect("it can be written");
    let (code, said) = shelf.restore(&args);
    let told = "hint: Run: rm --force HOME/srv/new/.holdstill-restore.json\n";
    assert!(code == 3 && said.contains(told), "{said}");
    assert!(stray.exists());
    fs::write(&path, text).expect("it can be written");
    let (code, said) = shelf.restore(&args);
    assert!(code == 0 && said.contains("emptied first"), "{said}");
    assert!(!stray.exists() && !path.exists(), "{said}");
    assert_eq!(fs::read_to_string(shelf.at("srv/new/ibdata1")).expect("there"), "the dictionary");
}

#[test]
fn what_an_application_lacks_is_refused_before_anything_is_touched() {
    let shelf = Shelf::new();
    let before = shelf.listing();
    let login = |text: &str, mode: u32| {
        fs::write(shelf.at("login.cnf"), text).expect("it can be written");
        super::shelf::mode(&shelf.at("login.cnf"), mode);
    };
    let apply = ["newest", "--to", "HOME/srv/new", "--owner", "27:27", "--apply"];
    let with = [&apply[..], &["--source-login", "HOME/login.cnf"]].concat();
    let (code, said) = shelf.restore(&apply);
    assert!(code == 3 && said.contains("its source is not known"), "{said}");
    let whole = "[client]\nuser = u\nhost = h\npassword = hunter2\n";
    login(whole, 0o640);
    let (code, said) = shelf.restore(&with);
    assert!(code == 2 && said.contains("login.cnf") && said.contains("hint: "), "{said}");
    for (text, words) in [
        ("[client]\nuser = u\nhost = h\n", "has no password"),
        ("[client]\nuser = u\npassword = hunter2\n", "its source is not known"),
        ("[client]\nhost = h\npassword = hunter2\n", "the account on the source is not known"),
    ] {
        login(text, 0o600);
        let (code, said) = shelf.restore(&with);
        assert!(code == 3 && said.contains(words) && !said.contains("hunter2"), "{said}");
    }
    fs::remove_file(shelf.at("login.cnf")).expect("it is there");
    assert_eq!(shelf.listing(), before);
}

#[test]
fn a_removal_that_goes_on_is_told() {
    let shelf = Shelf::new();
    let _pruning = held(&shelf, "lock", &format!("a pruning, {}", locks::REMOVES));
    let (code, said) = shelf.restore(&[OLDER, "--to", "HOME/srv/new"]);
    let told = "should it remove this backup, it fails";
    assert!(code == 0 && said.contains("a pruning, ") && said.contains(told), "{said}");
    let (code, said) = shelf.restore(&[NEWER, "--to", "HOME/srv/more", "--dry-run"]);
    assert!(code == 0 && !said.contains(told), "who only asks needs no lock: {said}");
    assert!(Path::new(&shelf.at("srv/new/ibdata1")).exists());
}
