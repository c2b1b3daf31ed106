//! Restores that are refused: before anything is touched, and with what helps.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use holdstill::manifest::Manifest;

use super::shelf::{NEWER, OLDER, Shelf, mode};

/// Refused with these words and a hint, and nothing is touched.
fn refused(shelf: &Shelf, args: &[&str], words: &str) {
    let seen = || (shelf.listing(), fs::read_dir(shelf.at("state")).expect("there").count());
    let before = seen();
    let (code, said) = shelf.restore(args);
    assert_eq!(code, 3, "{args:?}: {said}");
    assert!(said.contains(words), "{args:?}: '{words}' is not in {said}");
    assert!(said.contains("\nhint: "), "{args:?}: {said}");
    assert_eq!(seen(), before, "{args:?}: something was touched");
}

#[test]
fn a_destination_that_is_not_there_is_told_and_is_not_empty() {
    let shelf = Shelf::new();
    fs::rename(shelf.at("backup"), shelf.at("elsewhere")).expect("it is ours");
    let restore = ["newest", "--to", "HOME/srv/new"];
    refused(&shelf, &restore, "the destination 'HOME/backup' is not there");
    let nothing: [&str; 0] = [];
    for command in ["drill", "verify", "list", "show"] {
        let (code, said) = shelf.run(command, &nothing);
        assert_eq!(code, 3, "{command}: {said}");
        assert!(said.contains("the destination 'HOME/backup' is not there"), "{command}: {said}");
    }
}

#[test]
fn what_is_no_place_for_a_backup_is_refused() {
    let shelf = Shelf::new();
    for name in ["full", "open", "datadir"] {
        fs::create_dir(shelf.at("srv").join(name)).expect("it is new");
    }
    fs::write(shelf.at("srv/full/file"), "mine").expect("it can be written");
    fs::write(shelf.at("srv/datadir/ibdata1"), "").expect("it can be written");
    mode(&shelf.at("srv/open"), 0o777);
    for (to, words) in [
        ("HOME/srv/full", "it is not empty: 'file'"),
        ("HOME/srv/full/file", "it is not a directory"),
        ("HOME/srv/none/new", "there is no 'HOME/srv/none'"),
        ("HOME/srv/open/new", "others can write to 'HOME/srv/open' (mode 0777)"),
        ("HOME/srv/datadir/new", "'HOME/srv/datadir' is a server's data directory"),
        ("HOME/backup/new", "backups are in 'HOME/backup'"),
        ("HOME/backup", "backups are in 'HOME/backup'"),
        ("/tmp/new", "others can write to '/tmp' (mode 1777)\nhint: Name a directory below"),
        ("srv/new", "expected an absolute path without '..'"),
        ("HOME/srv/../new", "expected an absolute path without '..'"),
        ("/", "it is the root directory"),
    ] {
        refused(&shelf, &["newest", "--to", to], words);
    }
    fs::create_dir(shelf.at("srv/fsck")).expect("it is new");
    fs::create_dir(shelf.at("srv/fsck/lost+found")).expect("it is new");
    refused(&shelf, &["newest", "--to", "HOME/srv/fsck"], "it is not empty: 'lost+found'");
}

#[test]
fn what_is_not_meant_clearly_is_refused() {
    let shelf = Shelf::new();
    let to = ["--to", "HOME/srv/new"];
    for (args, words) in [
        (vec!["2026"], "'2026' is the beginning of 2 backups"),
        (vec!["1999"], "there is no backup '1999' in 'HOME/backup'"),
        (vec!["HOME/srv"], "'HOME/srv' is no backup: it has no 'backup.json'"),
        (vec!["HOME/nowhere"], "there is no backup 'HOME/nowhere'"),
        (vec!["newest", "--tree", "tree.9=/x"], "the backup has no directory 'tree.9'"),
        (vec!["newest", "--without", "tree/data"], "'tree/data' is named twice"),
        (vec!["newest", "--tree", "tree/data/db=HOME/srv/new"], "cannot be restored into each"),
        (vec!["newest", "--owner", "nobody-at-all"], "there is no user 'nobody-at-all'"),
        (vec!["newest", "--owner", "0:no-group-at-all"], "there is no group 'no-group-at-all'"),
        (vec!["newest", "--write-statements", "x.sql"], "expected an absolute path"),
        (vec!["newest", "--write-statements", "HOME/holdstill.toml"], "something is there"),
        (vec!["newest", "--write-statements", "HOME/srv/new/x.sql"], "its directory is not there"),
    ] {
        refused(&shelf, &[&args[..], &to].concat(), words);
    }
}

#[test]
fn what_is_no_whole_backup_is_refused() {
    let shelf = Shelf::new();
    let path = shelf.of(NEWER, "backup.json");
    let record = fs::read_to_string(&path).expect("it is there");
    let seal = record.lines().find(|line| line.starts_with("  \"seal\"")).expect("it has one");
    let open = record.replace(seal, "  \"seal\": \"\"");
    let args = [NEWER, "--to", "HOME/srv/new"];
    for (from, to, words) in [
        ("published", "partial", "its state is 'partial'"),
        ("published", "damaged", "its record says that it is damaged"),
        ("\"version\":2", "\"version\":9", "found version 9"),
        ("{", "", "damaged record"),
    ] {
        shelf.put_record(NEWER, &open.replacen(from, to, 1));
        refused(&shelf, &args, words);
    }
    fs::write(&path, record.replace("10.11.9-M", "10.11.8-M")).expect("it can be written");
    refused(&shelf, &args, "damaged record: its seal is");
    fs::write(&path, record).expect("it can be written");
    let path = shelf.of(NEWER, "manifest.jsonl");
    let manifest = fs::read_to_string(&path).expect("it is there");
    let half: String = manifest.chars().take(manifest.len() / 2).collect();
    fs::write(&path, half).expect("it can be written");
    refused(&shelf, &args, "its manifest is damaged: the record tells the sum ");
    let other = Manifest::new(OLDER, shelf.entries(NEWER));
    shelf.put_manifest(NEWER, &other, "");
    refused(&shelf, &args, "its manifest is of run");
}

/// More than any disk has, by a manifest alone: nothing so large has to be there.
#[test]
fn too_little_space_is_told_in_numbers() {
    let shelf = Shelf::new();
    let mut entries = shelf.entries(NEWER);
    let large = entries.iter_mut().find(|one| one.path.ends_with("ibdata1")).expect("it is there");
    large.size.0 = 1 << 62;
    shelf.put_manifest(NEWER, &Manifest::new(NEWER, entries), "");
    refused(&shelf, &["newest", "--to", "HOME/srv/new"], "too little space at 'HOME/srv': ");
    let (_, said) = shelf.restore(&["newest", "--to", "HOME/srv/new"]);
    assert!(said.contains(" are needed, ") && said.contains(" bytes) are missing"), "{said}");
}

/// A process that is called like a server, working in a directory. It answers nobody, as one that
/// has just been started.
struct Server(Child);

impl Server {
    fn in_directory(home: &Path, directory: &Path) -> Self {
        let program = home.join("mariadbd");
        fs::copy("/bin/sleep", &program).expect("there is one");
        let mut command = Command::new(program);
        command.arg("600").current_dir(directory).stdin(Stdio::null());
        Self(command.spawn().expect("it starts"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _it_is_over = self.0.kill();
        let _nobody_asks = self.0.wait();
    }
}

#[test]
fn a_running_servers_directory_is_refused() {
    let shelf = Shelf::new();
    let datadir = shelf.at("srv/data");
    fs::create_dir(&datadir).expect("it is new");
    let server = Server::in_directory(&shelf.at("srv"), &datadir);
    for to in ["HOME/srv/data", "HOME/srv/data/new", "HOME/srv"] {
        refused(&shelf, &["newest", "--to", to], "a running server uses 'HOME/srv/data' (mariadbd");
    }
    drop(server);
    let (code, said) = shelf.restore(&["newest", "--to", "HOME/srv/data"]);
    assert_eq!(code, 0, "{said}");
}
