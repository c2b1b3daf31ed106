//! Restores that come to their end, and what is told of damage.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use super::shelf::{FILES, NEWER, OLDER, Shelf, mode};

const MARKER: &str = ".holdstill-restore.json";

/// Whether the restored files are those of a backup, with all that belongs to them.
fn same(shelf: &Shelf, run: &str, to: &Path) {
    for (name, text) in FILES {
        let Some(below) = name.strip_prefix("tree/data/").filter(|name| *name != "auto.cnf") else {
            continue;
        };
        let (from, to) = (shelf.of(run, name), to.join(below));
        assert_eq!(fs::read_to_string(&to).expect("it is there"), text, "{name}");
        let (from, to) = (from.metadata().expect("there"), to.metadata().expect("there"));
        let of = |meta: &fs::Metadata| (meta.mode(), meta.uid(), meta.gid(), meta.mtime());
        assert_eq!(of(&to), of(&from), "{name}");
    }
}

#[test]
fn a_backup_becomes_a_data_directory() {
    let shelf = Shelf::new();
    let to = shelf.at("srv/new");
    let (code, said) = shelf.restore(&["newest", "--to", "HOME/srv/new"]);
    assert_eq!(code, 0, "{said}");
    same(&shelf, NEWER, &to);
    assert!(!to.join("auto.cnf").exists(), "two servers would have one identity");
    assert!(!to.join(MARKER).exists());
    assert_eq!(to.metadata().expect("there").mode() & 0o7777, 0o750, "as in the backup");
    for word in [
        "every file is as the manifest says",
        "left out: 'tree/data/auto.cnf'",
        "datadir = HOME/srv/new",
        "skip_slave_start",
        "MASTER_LOG_FILE = 'binlog.000007', MASTER_LOG_POS = 157",
    ] {
        assert!(said.contains(word), "'{word}' is not in {said}");
    }
    let (code, said) = shelf.restore(&["20261101", "--to", "HOME/srv/old", "--keep-uuid"]);
    assert_eq!(code, 0, "{said}");
    same(&shelf, OLDER, &shelf.at("srv/old"));
    assert!(shelf.at("srv/old/auto.cnf").exists());
    let (code, said) = shelf.restore(&["newest", "--to", "HOME/srv/new"]);
    assert!(code == 3 && said.contains("it is not empty"), "{said}");
}

#[test]
fn asking_touches_nothing_and_tells_numbers() {
    let shelf = Shelf::new();
    let before = shelf.listing();
    let (code, said) = shelf.restore(&["newest", "--to", "HOME/srv/new", "--dry-run"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(shelf.listing(), before);
    let words = "'tree/data' becomes 'HOME/srv/new' (new): 4 files, 43 B";
    assert!(said.contains(words) && said.ends_with("nothing was touched\n"), "{said}");
    let (code, said) = shelf.restore(&["newest", "--to", "HOME/srv/new", "--dry-run", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&said).expect("one object");
    assert_eq!((code, &told["files"], &told["bytes"]), (0, &4.into(), &43.into()), "{said}");
    assert!(told["result"].is_null() && told["proven"] == true, "{said}");
    assert_eq!(shelf.listing(), before);
}

#[test]
fn an_end_is_one_object_and_the_statements_go_where_they_are_told() {
    let shelf = Shelf::new();
    let args =
        ["newest", "--to", "HOME/srv/new", "--json", "--write-statements", "HOME/attach.sql"];
    let (code, said) = shelf.restore(&args);
    let told: serde_json::Value = serde_json::from_str(&said).expect("one object");
    assert_eq!((code, &told["result"]["whole"]), (0, &true.into()), "{said}");
    assert_eq!(told["result"]["read_bytes"], 43);
    let written = fs::read_to_string(shelf.at("attach.sql")).expect("it is there");
    assert_eq!(told["statements"], written.as_str());
    assert!(written.contains("CHANGE MASTER TO"), "{written}");
}

#[test]
fn other_directories_have_places_of_their_own() {
    let shelf = Shelf::new();
    let run = "20261103T030000Z-0000cc";
    let more = [("tree.2/undo/undo_001", "undone"), ("tree/logs/binlog.000007", "events")];
    shelf.backup(run, &more);
    let before = shelf.listing();
    let (code, said) = shelf.restore(&["newest", "--to", "HOME/srv/new"]);
    assert_eq!(code, 3, "{said}");
    assert_eq!(shelf.listing(), before);
    for word in [
        "'tree.2/undo' (1 files, 6 B, of '/srv/second/undo')",
        "'tree/logs' (1 files, 6 B, of '/var/lib/mysql/logs')",
        "hint: Say where each goes with '--tree tree/logs=DIRECTORY'",
    ] {
        assert!(said.contains(word), "'{word}' is not in {said}");
    }
    let args = ["newest", "--to", "HOME/srv/new", "--without", "tree/logs", "--tree"];
    let (code, said) = shelf.restore(&[&args[..], &["tree.2/undo=HOME/srv/undo"]].concat());
    assert_eq!(code, 0, "{said}");
    same(&shelf, run, &shelf.at("srv/new"));
    assert_eq!(fs::read_to_string(shelf.at("srv/undo/undo_001")).expect("there"), "undone");
    assert!(!shelf.at("srv/undo").join(MARKER).exists());
    assert!(!shelf.at("srv/logs").exists());
}

/// An empty directory that is there already, of any mode, is taken and given back.
#[test]
fn an_empty_directory_is_taken() {
    let shelf = Shelf::new();
    let to = shelf.at("srv/new");
    fs::create_dir(&to).expect("it is new");
    mode(&to, 0o777);
    let (code, said) = shelf.restore(&["newest", "--to", "HOME/srv/new"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(to.metadata().expect("there").mode() & 0o7777, 0o750);
}

/// Sizes and times stay: only the sums can tell.
fn flip(path: &Path) {
    let changed = path.metadata().expect("there").modified().expect("Linux tells");
    let mut bytes = fs::read(path).expect("it is there");
    bytes[3] ^= 1;
    fs::write(path, bytes).expect("it can be written");
    let file = fs::File::options().write(true).open(path).expect("it is there");
    file.set_modified(changed).expect("it is ours");
}

#[test]
fn a_flipped_bit_is_named_and_the_directory_is_not_whole() {
    let shelf = Shelf::new();
    let (bad, to) = (shelf.of(NEWER, "tree/data/db/t.ibd"), shelf.at("srv/new"));
    flip(&bad);
    let (code, said) = shelf.restore(&["newest", "--to", "HOME/srv/new"]);
    assert_eq!(code, 6, "{said}");
    let words = "in the backup: changed content: 'tree/data/db/t.ibd'";
    assert!(said.contains(words) && !said.contains("content: 'tree/data/db/u.ibd"), "{said}");
    assert!(said.contains("left: 'HOME/srv/new', which is not whole"), "{said}");
    assert!(to.join(MARKER).exists());
    assert_eq!(to.metadata().expect("there").mode() & 0o7777, 0o700, "no server may start on it");
    // What was found is remembered: the newest is passed over from now on.
    let (code, said) = shelf.restore(&["newest", "--to", "HOME/srv/other"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains(&format!("the newer backup '{NEWER}' is passed over")), "{said}");
    let (code, said) = shelf.restore(&[NEWER, "--to", "HOME/srv/new"]);
    assert!(code == 3 && said.contains("add '--damaged'"), "{said}");
    let (code, said) = shelf.restore(&[NEWER, "--to", "HOME/srv/new", "--damaged"]);
    assert_eq!(code, 9, "{said}");
    assert!(said.contains(words) && !to.join(MARKER).exists(), "{said}");
    assert_eq!(fs::read(to.join("db/t.ibd")).expect("there"), fs::read(&bad).expect("there"));
}

/// A cut file, one that is missing, one too many, and a mode: each is told by its name.
#[test]
fn every_damage_is_named() {
    let shelf = Shelf::new();
    let of = |name| shelf.of(NEWER, &format!("tree/data/{name}"));
    fs::write(of("ibdata1"), "the").expect("it can be written");
    fs::remove_file(of("db/u.ibd")).expect("it is there");
    fs::remove_dir_all(of("mysql")).expect("it is there");
    fs::write(of("db/strange"), "").expect("it can be written");
    fs::set_permissions(of("db/t.ibd"), fs::Permissions::from_mode(0o666)).expect("ours");
    let (code, said) = shelf.restore(&["newest", "--to", "HOME/srv/new"]);
    assert_eq!(code, 6, "{said}");
    for words in [
        "in the backup: unreadable: 'tree/data/ibdata1': expected 14 bytes, found 3",
        "in the backup: unreadable: 'tree/data/db/u.ibd': No such file",
        "extra: 'tree/data/db/strange', a file",
        "changed mode: 'tree/data/db/t.ibd': expected '0640', found '0666'",
        "missing: 'tree/data/mysql'",
        "in the backup: unreadable: 'tree/data/mysql/user.MYD': No such file",
    ] {
        assert!(said.contains(words), "'{words}' is not in {said}");
    }
    let (code, said) = shelf.restore(&["newest", "--to", "HOME/srv/other", "--damaged"]);
    assert_eq!(code, 9, "{said}");
    let rest = shelf.at("srv/other/db/t.ibd");
    assert_eq!(fs::read_to_string(rest).expect("it is there"), "rows and rows");
}

/// A backup of the time before there were manifests.
#[test]
fn what_cannot_be_proven_is_restored_only_on_demand() {
    let shelf = Shelf::new();
    fs::remove_file(shelf.of(NEWER, "manifest.jsonl")).expect("it is there");
    let (code, said) = shelf.restore(&["newest", "--to", "HOME/srv/new"]);
    assert!(code == 3 && said.contains("cannot prove backup"), "{said}");
    let (code, said) = shelf.restore(&["newest", "--to", "HOME/srv/new", "--damaged"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("nothing can be proven"), "{said}");
    same(&shelf, NEWER, &shelf.at("srv/new"));
}

/// A new host may have nothing but the disk with the backups.
#[test]
fn a_path_needs_no_configuration() {
    let shelf = Shelf::new();
    fs::remove_file(shelf.at("holdstill.toml")).expect("it is there");
    let path = format!("HOME/backup/{OLDER}");
    let (code, said) = shelf.restore(&[&path, "--to", "HOME/srv/new"]);
    assert_eq!(code, 0, "{said}");
    same(&shelf, OLDER, &shelf.at("srv/new"));
    let (code, said) = shelf.restore(&["newest", "--to", "HOME/srv/newer"]);
    assert_eq!(code, 2, "{said}");
}
