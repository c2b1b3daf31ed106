//! A destination with backups in it, made of small files: what a restore is given here.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use holdstill::digest::Digest;
use holdstill::host::Ask as _;
use holdstill::host::linux::Linux;
use holdstill::manifest::{self, Entry, Manifest, Type};
use holdstill::store::{self, ManifestFile};

/// The backups, oldest first.
pub(super) const OLDER: &str = "20261101T030000Z-0000aa";
pub(super) const NEWER: &str = "20261102T030000Z-0000bb";

/// What every backup holds, and what is in it.
pub(super) const FILES: [(&str, &str); 6] = [
    ("tree/data/auto.cnf", "[auto]\nserver-uuid=1\n"),
    ("tree/data/ibdata1", "the dictionary"),
    ("tree/data/db/t.ibd", "rows and rows"),
    ("tree/data/db/u.ibd", "more rows"),
    ("tree/data/mysql/user.MYD", "who may"),
    ("coordinates.sql", "-- none\n"),
];

/// A destination, a state directory, a configuration, and a place to restore to.
pub(super) struct Shelf {
    home: tempfile::TempDir,
}

/// A second volume, as a record tells of it behind the first.
const SECOND: &str = r#",{"vg":"vg","lv":"lv","filesystem":"xfs","snapshot":"thick",
    "mount":"/srv/second","tree":"tree.2"}"#;

impl Shelf {
    /// With two sound backups.
    pub(super) fn new() -> Self {
        let home = tempfile::tempdir().expect("a directory can be made");
        let shelf = Self { home };
        for name in ["backup", "state", "srv"] {
            fs::create_dir(shelf.at(name)).expect("it is new");
            mode(&shelf.at(name), 0o700);
        }
        let config = format!(
            "state_dir = '{}'\n[destination]\ndirectory = '{}'\n",
            shelf.at("state").display(),
            shelf.at("backup").display()
        );
        fs::write(shelf.at("holdstill.toml"), config).expect("it can be written");
        mode(&shelf.at("holdstill.toml"), 0o600);
        for run in [OLDER, NEWER] {
            shelf.backup(run, &[]);
        }
        shelf
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A file of a backup.
    pub(super) fn of(&self, run: &str, name: &str) -> PathBuf {
        self.at("backup").join(run).join(name)
    }

    /// Puts a backup there, with more files than usual.
    pub(super) fn backup(&self, run: &str, more: &[(&str, &str)]) {
        for (name, text) in FILES.iter().chain(more) {
            let path = self.of(run, name);
            fs::create_dir_all(path.parent().expect("it is below")).expect("it can be made");
            fs::write(&path, text).expect("it can be written");
            mode(&path, 0o640);
        }
        mode(&self.of(run, "tree/data"), 0o750);
        self.sign(run, more.iter().any(|(name, _)| name.starts_with("tree.2")));
    }

    /// Writes record and manifest of what is there.
    pub(super) fn sign(&self, run: &str, two: bool) {
        let second = if two { SECOND } else { "" };
        let manifest = Manifest::new(run, self.entries(run));
        self.put_manifest(run, &manifest, second);
    }

    /// Writes a manifest and the record that tells of it.
    pub(super) fn put_manifest(&self, run: &str, manifest: &Manifest, second: &str) {
        let text = manifest.text().expect("it is a manifest");
        fs::write(self.of(run, manifest::FILE), &text).expect("it can be written");
        let file = serde_json::to_string(&ManifestFile::new(&text, manifest.totals()));
        let file = file.expect("it is data");
        self.put_record(
            run,
            &format!(
                r#"{{"version":2,"run":"{run}","state":"published","host":"db1",
                "started":"2026-11-01T03:00:00Z","datadir":"data",
                "server":{{"flavour":"mariadb","version":[10,11,9],"text":"10.11.9-MariaDB"}},
                "sources":[{{"vg":"vg","lv":"lv","filesystem":"xfs","snapshot":"thick",
      "mount":"/var/lib/mysql","tree":"tree"}}{second}],
                "coordinates":{{"own":{{"file":"binlog.000007","position":157,
                  "gtid_executed":null,"gtid_binlog_pos":null,"gtid_slave_pos":null,
                  "gtid_current_pos":null}},"channels":[]}},
                "copied":{{"files":1,"bytes":1}},"window":{{"waited_ms":1,"locked_ms":1}},
                "manifest":{file},
  "seal": ""
}}"#
            ),
        );
    }

    /// Writes a record, sealed.
    pub(super) fn put_record(&self, run: &str, open: &str) {
        let text = store::sealed(open).expect("its seal is open");
        fs::write(self.of(run, store::RECORD), text).expect("it can be written");
    }

    /// What a backup holds.
    pub(super) fn entries(&self, run: &str) -> Vec<Entry> {
        let directory = self.at("backup").join(run);
        let tree = Linux::new().expect("the process").tree(&directory).expect("it can be seen");
        let in_tree = tree
            .found
            .iter()
            .filter(|one| one.path.starts_with("tree") || one.path.starts_with("tree.2"));
        let sum = |path: &Path| Digest::of(&fs::read(directory.join(path)).expect("it is there"));
        in_tree
            .map(|one| {
                let blake3 = (one.is == Type::File).then(|| sum(&one.path));
                Entry::new(one.path.clone(), one, blake3)
            })
            .collect()
    }

    /// Runs the program: its exit code and what it said on both streams, without the directory's
    /// own name.
    pub(super) fn restore(&self, args: &[&str]) -> (i32, String) {
        self.run("restore", args)
    }

    /// The same of another command.
    pub(super) fn run(&self, command: &str, args: &[&str]) -> (i32, String) {
        let done = Command::new(env!("CARGO_BIN_EXE_holdstill"))
            .arg(command)
            .args(
                args.iter().map(|arg| arg.replace("HOME", &self.home.path().display().to_string())),
            )
            .arg("--config")
            .arg(self.at("holdstill.toml"))
            .output()
            .expect("the program can be run");
        let said = [done.stdout, done.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        let code = done.status.code().expect("it ends by itself");
        (code, said.replace(&self.home.path().display().to_string(), "HOME"))
    }

    /// Every path below the home, with what tells whether it was touched; but for the run lock.
    pub(super) fn listing(&self) -> Vec<(PathBuf, u32, u64, std::time::SystemTime)> {
        let mut all = Vec::new();
        let mut pending = vec![self.home.path().to_owned()];
        while let Some(directory) = pending.pop() {
            for entry in fs::read_dir(&directory).expect("it can be listed") {
                let path = entry.expect("an entry").path();
                let meta = path.symlink_metadata().expect("it is there");
                if meta.is_dir() {
                    pending.push(path.clone());
                }
                if !path.starts_with(self.at("state")) {
                    let changed = meta.modified().expect("Linux tells");
                    all.push((path, meta.permissions().mode(), meta.len(), changed));
                }
            }
        }
        all.sort();
        all
    }
}

/// Sets permission bits.
pub(super) fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
}
