//! restic: the commands that keep backups in a repository, and what restic prints while they run.
//!
//! Secrets are in files, and restic is told their paths alone; `env` sets the one variable that is
//! needed for that, and the directory. A snapshot with the data of a backup counts once there is a
//! second one with its record, which names the first: it is saved when everything was compared. So
//! a push only ever adds, which a repository that lets nothing be removed allows, and it takes no
//! lock that another one's would stand in the way of.
//! Deliberately absent: `restic init`, whose password only the operator may choose, and `restic
//! unlock`, since only they know who else works in the repository.

mod read;

use std::path::{Path, PathBuf};

pub use read::{Failure, Node, Snapshot, Tail, failure, node, snapshots};

use crate::host::{Cmd, Overrun};
use crate::store::RECORD;
use crate::units::{Bytes, Millis};

/// The tag of a record that was saved last: of a backup that was pushed whole.
pub const RECORDS: &str = "holdstill";
/// The tag of the data of a backup.
pub const DATA: &str = "holdstill.data";

/// How long a command may take that reads a few files of the repository.
const LOOK_MS_MAX: Millis = Millis(600_000);

/// A repository and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// The file that holds its address.
    pub repository_file: PathBuf,
    /// The file that holds its password.
    pub password_file: PathBuf,
    /// The keys of an S3 store, in the form of AWS' shared credentials.
    pub credentials_file: Option<PathBuf>,
    /// Where restic keeps what it has read of the repository.
    pub cache: PathBuf,
    /// Extended options, each as `-o` takes it.
    pub options: Vec<String>,
}

/// What every command needs.
#[derive(Clone, Copy, Debug)]
pub struct Tool<'a> {
    /// The program `env`.
    pub env: &'a Path,
    /// The program `restic`.
    pub restic: &'a Path,
    /// The repository.
    pub repository: &'a Repository,
    /// How much is sent or fetched each second; no limit if absent.
    pub bandwidth_max: Option<Bytes>,
    /// How long a command may take that reads or writes all of a backup.
    pub ms_max: Millis,
}

impl Tool<'_> {
    /// Every snapshot with one of our tags. No lock is taken: this only reads.
    pub fn snapshots(&self) -> Cmd {
        let args = ["snapshots", "--no-lock", "--tag", RECORDS, "--tag", DATA];
        Cmd { ms_max: LOOK_MS_MAX, ..self.command("/", &args) }
    }

    /// Saves all that is in a directory, which is the root of the snapshot. Everything is read:
    /// there is no earlier snapshot of the same paths.
    pub fn backup(&self, directory: &Path, run: &str, host: &str) -> Cmd {
        let tag = format!("{DATA},run={run}");
        let args = ["backup", "--one-file-system", "--tag", &tag, "--host", host, "--", "."];
        self.command(&directory.to_string_lossy(), &args)
    }

    /// Saves the record of a backup whose data is in the snapshot of this id: it counts from then.
    pub fn publish(&self, directory: &Path, run: &str, host: &str, id: &str, bytes: Bytes) -> Cmd {
        let tags = format!("{RECORDS},run={run},bytes={},data={id}", bytes.0);
        let args = ["backup", "--tag", &tags, "--host", host, "--", RECORD];
        self.command(&directory.to_string_lossy(), &args)
    }

    /// What is in a snapshot, a line each.
    pub fn list(&self, id: &str) -> Cmd {
        self.command("/", &["ls", "--no-lock", id])
    }

    /// The content of one file of a snapshot.
    pub fn dump(&self, id: &str, name: &str) -> Cmd {
        let path = format!("/{name}");
        let args = ["dump", "--no-lock", id, &path];
        Cmd { ms_max: LOOK_MS_MAX, ..self.command("/", &args) }
    }

    /// Writes all that is in a snapshot into a directory.
    pub fn restore(&self, id: &str, target: &Path) -> Cmd {
        let target = target.to_string_lossy();
        self.command("/", &["restore", "--no-lock", id, "--target", &target])
    }

    /// Looks at the whole repository, and reads so much of its data: all, or a part as `10%`.
    pub fn check(&self, share: Option<u8>) -> Cmd {
        let read =
            share.map_or("--read-data".into(), |percent| format!("--read-data-subset={percent}%"));
        self.command("/", &["check", &read])
    }

    /// Removes snapshots, and leaves their data.
    pub fn forget(&self, ids: &[String]) -> Cmd {
        let mut cmd = self.command("/", &["forget"]);
        cmd.args.extend(ids.iter().cloned());
        cmd
    }

    /// Removes snapshots, and the data that no other one needs.
    pub fn prune(&self, ids: &[String]) -> Cmd {
        let mut cmd = self.command("/", &["forget", "--prune"]);
        cmd.args.extend(ids.iter().cloned());
        cmd
    }

    fn command(&self, directory: &str, args: &[&str]) -> Cmd {
        let Repository { repository_file, password_file, credentials_file, cache, options } =
            self.repository;
        let mut cmd = Cmd {
            program: self.env.into(),
            // Without a terminal restic tells no progress unless it is told how often.
            args: vec![format!("--chdir={directory}"), "RESTIC_PROGRESS_FPS=1".into()],
            ms_max: self.ms_max,
            overrun: Overrun::End,
        };
        if let Some(file) = credentials_file {
            cmd = cmd.arg(format!("AWS_SHARED_CREDENTIALS_FILE={}", file.display()));
        }
        cmd = cmd.arg(self.restic.to_string_lossy()).arg("--json");
        for (option, path) in [
            ("--repository-file", repository_file),
            ("--password-file", password_file),
            ("--cache-dir", cache),
        ] {
            cmd = cmd.arg(option).arg(path.to_string_lossy());
        }
        if let Some(bytes) = self.bandwidth_max {
            let kib = bytes.kib();
            cmd = cmd.arg(format!("--limit-upload={kib}")).arg(format!("--limit-download={kib}"));
        }
        for option in options {
            cmd = cmd.arg("-o").arg(option);
        }
        cmd.args.extend(args.iter().map(|arg| (*arg).to_owned()));
        cmd
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "20261123T010203Z-00002a";

    fn repository() -> Repository {
        Repository {
            repository_file: "/etc/holdstill/repository".into(),
            password_file: "/etc/holdstill/password".into(),
            credentials_file: None,
            cache: "/var/lib/holdstill/cache".into(),
            options: Vec::new(),
        }
    }

    fn tool(repository: &Repository) -> Tool<'_> {
        let (env, restic) = (Path::new("/usr/bin/env"), Path::new("/usr/bin/restic"));
        Tool { env, restic, repository, bandwidth_max: None, ms_max: Millis(5) }
    }

    const HEAD: &str = "/usr/bin/restic --json --repository-file /etc/holdstill/repository \
                        --password-file /etc/holdstill/password --cache-dir \
                        /var/lib/holdstill/cache";

    #[test]
    fn what_is_run_to_the_letter() {
        let repository = repository();
        let tool = tool(&repository);
        for (cmd, from, told) in [
            (
                tool.backup(Path::new("/backup/it's"), RUN, "db1"),
                r"'--chdir=/backup/it'\''s'",
                format!("backup --one-file-system --tag holdstill.data,run={RUN} --host db1 -- ."),
            ),
            (
                tool.snapshots(),
                "--chdir=/",
                "snapshots --no-lock --tag holdstill --tag holdstill.data".into(),
            ),
            (
                tool.publish(Path::new("/b"), RUN, "db1", "ab", Bytes(7)),
                "--chdir=/b",
                format!(
                    "backup --tag holdstill,run={RUN},bytes=7,data=ab --host db1 -- backup.json"
                ),
            ),
            (tool.list("ab"), "--chdir=/", "ls --no-lock ab".into()),
            (tool.dump("ab", "a.json"), "--chdir=/", "dump --no-lock ab /a.json".into()),
            (
                tool.restore("ab", Path::new("/b c")),
                "--chdir=/",
                "restore --no-lock ab --target '/b c'".into(),
            ),
            (tool.check(None), "--chdir=/", "check --read-data".into()),
            (tool.check(Some(10)), "--chdir=/", "check --read-data-subset=10%".into()),
            (tool.forget(&["a".into(), "b".into()]), "--chdir=/", "forget a b".into()),
            (tool.prune(&["a".into()]), "--chdir=/", "forget --prune a".into()),
        ] {
            assert_eq!(cmd.to_string(), format!("env {from} RESTIC_PROGRESS_FPS=1 {HEAD} {told}"));
        }
    }

    #[test]
    fn limits_keys_and_options_go_before_the_command() {
        let repository = Repository {
            credentials_file: Some("/etc/holdstill/s3".into()),
            options: vec!["s3.region=eu".into()],
            ..repository()
        };
        let tool = Tool { bandwidth_max: Some(Bytes(3 << 20)), ..tool(&repository) };
        let told = format!(
            "env --chdir=/ RESTIC_PROGRESS_FPS=1 AWS_SHARED_CREDENTIALS_FILE=/etc/holdstill/s3 {HEAD} \
             --limit-upload=3072 --limit-download=3072 -o s3.region=eu ls --no-lock ab"
        );
        assert_eq!(tool.list("ab").to_string(), told);
    }
}
