//! Another host by ssh: the commands that keep backups in a directory there, and what its shell
//! and rsync print.
//!
//! The other side needs a POSIX shell, rsync, and the tools of GNU or busybox. Every word that goes
//! through its shell is quoted here, in [`shell()`]; rsync's own paths do not go through one
//! (`--protect-args`). A host key that is not known ends the connection: nobody is asked.
//! Deliberately absent: an agent, a password, and any file of ssh's that is not named.

use std::path::{Path, PathBuf};

use crate::host::{Cmd, Overrun};
use crate::shell as typed;
use crate::store::{Form, RECORD};
use crate::units::{Bytes, Millis};

/// How long connecting may take, in seconds.
const CONNECT_S_MAX: u32 = 20;
/// How long rsync waits for a byte (rsync(1), `--timeout`): the other disk may be slow.
const SILENT_S_MAX: u32 = 600;
/// Compares by sums. Both sides sum for as long as it takes before either says a word, so silence
/// proves nothing: a dead connection is ssh's to tell.
const THOROUGH: [&str; 2] = ["--checksum", "--timeout=0"];
/// How long a connection may be silent before it is asked, and how often it is asked in vain.
const ALIVE_S: u32 = 15;
const ALIVE_TRIES_MAX: u32 = 4;
/// How long a connection that is shared outlives its last user, in seconds.
const PERSIST_S: u32 = 60;
/// How long a few commands of the other side's shell may take: a removal, a `sync`.
const SHELL_MS_MAX: Millis = Millis(3_600_000);
/// The record's name while a backup is not whole there.
pub const RECORD_BEFORE: &str = "backup.json.new";

/// An account on another host, and a directory there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The host's name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The user there. Who is not root there keeps owners in extended attributes, as rsync's
    /// `--fake-super` does.
    pub user: String,
    /// The directory there.
    pub directory: PathBuf,
    /// The private key.
    pub key_file: PathBuf,
    /// The keys of hosts that are believed.
    pub known_hosts: PathBuf,
}

/// What every command needs.
#[derive(Clone, Copy, Debug)]
pub struct Tool<'a> {
    /// The program `ssh`.
    pub ssh: &'a Path,
    /// The program `rsync`.
    pub rsync: &'a Path,
    /// Whom it connects to.
    pub account: &'a Account,
    /// The socket of the connection that is shared; each command has one of its own without it.
    pub socket: Option<&'a Path>,
    /// How much is sent or fetched each second; no limit if absent.
    pub bandwidth_max: Option<Bytes>,
    /// How long a command may take that reads or writes all of a backup.
    pub ms_max: Millis,
}

/// Whether rsync believes size and time, or reads every byte on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Care {
    /// What has the same size and time is the same.
    Quick,
    /// What has the same sum is the same.
    Thorough,
}

impl Tool<'_> {
    /// Every backup in the directory, with its record: see [`listing`].
    pub fn list(&self) -> Cmd {
        let script = format!(
            "cd {} || exit 97\n\
             for name in [0-9]* .[0-9]*; do\n\
             if [ -L \"$name\" ] || [ ! -d \"$name\" ]; then continue; fi\n\
             printf '\\n%s\\n' \"$name\"\n\
             for file in {RECORD} {RECORD_BEFORE}; do\n\
             if [ -f \"$name/$file\" ]; then sed 's/^/ /' \"$name/$file\"; break; fi\n\
             done\n\
             done",
            self.directory()
        );
        self.shell(&script)
    }

    /// Makes the directory that is pushed into; done as well if it is there.
    pub fn open(&self, run: &str) -> Cmd {
        let partial = Form::Partial.name(run);
        let at = self.directory();
        self.shell(&format!("cd {at} || exit 97; umask 077; mkdir -p {partial}"))
    }

    /// Sends the record, under the name that does not count.
    pub fn send_record(&self, backup: &Path, run: &str) -> Cmd {
        let to = self.far(&format!("{}/{RECORD_BEFORE}", Form::Partial.name(run)));
        let from = backup.join(RECORD).to_string_lossy().into_owned();
        let more =
            ["--perms", "--times", "--owner", "--group", "--numeric-ids", "--modify-window=-1"];
        self.copy(&more, &from, &to)
    }

    /// Sends everything but the record. What is there and was interrupted is gone on with.
    pub fn send(&self, backup: &Path, run: &str, care: Care) -> Cmd {
        let more: &[&str] = match care {
            Care::Quick => &[],
            Care::Thorough => &THOROUGH,
        };
        self.whole(more, backup, &self.far(&format!("{}/", Form::Partial.name(run))))
    }

    /// Reads every byte on both sides and tells what differs, a line each; changes nothing. `form`
    /// is the one that the other side has.
    pub fn compare(&self, backup: &Path, form: Form, run: &str) -> Cmd {
        let more = ["--checksum", "--dry-run", "--itemize-changes"];
        self.whole(&more, backup, &self.far(&format!("{}/", form.name(run))))
    }

    /// Makes it count: the record gets its name, all is on stable storage, then the backup gets its
    /// name. Nothing may be there under that.
    pub fn publish(&self, run: &str) -> Cmd {
        let (at, partial) = (self.directory(), Form::Partial.name(run));
        self.shell(&format!(
            "cd {at} || exit 97; set -e; test ! -e {run}; sync\n\
             mv -f {partial}/{RECORD_BEFORE} {partial}/{RECORD}; sync\n\
             mv -T {partial} {run}; sync"
        ))
    }

    /// Fetches everything of a backup into a directory that is there.
    pub fn receive(&self, run: &str, target: &Path, care: Care) -> Cmd {
        let mut more = vec!["--delete", "--info=progress2", "--no-inc-recursive"];
        more.extend(TREE);
        if care == Care::Thorough {
            more.extend(THOROUGH);
        }
        self.copy(&more, &self.far(&format!("{run}/")), &format!("{}/", target.display()))
    }

    /// Removes a backup: first its name, then the files, the record last.
    pub fn remove(&self, run: &str) -> Cmd {
        let (at, gone, empty) = (self.directory(), Form::Removing.name(run), emptied(run));
        // What an interrupted removal left stands in the way of the name.
        self.shell(&format!(
            "cd {at} || exit 97; set -e\n{empty}\n\
             if [ -d {run} ] && [ ! -L {run} ]; then mv -T {run} {gone}; sync; fi\n{empty}"
        ))
    }

    /// Removes what is left of a backup whose removal was interrupted, and nothing of its name.
    pub fn finish(&self, run: &str) -> Cmd {
        let (at, empty) = (self.directory(), emptied(run));
        self.shell(&format!("cd {at} || exit 97; set -e\n{empty}"))
    }

    /// Removes what a push has begun.
    pub fn discard(&self, run: &str) -> Cmd {
        let (at, partial) = (self.directory(), Form::Partial.name(run));
        self.shell(&format!("cd {at} || exit 97; rm -rf -- {partial}"))
    }

    /// Ends the connection that is shared.
    pub fn close(&self) -> Cmd {
        let mut cmd = Cmd {
            program: self.ssh.into(),
            args: self.options(),
            ms_max: Millis(10_000),
            overrun: Overrun::End,
        };
        cmd.args.extend(["-O".into(), "exit".into(), self.destination()]);
        cmd
    }

    /// A script for the other side's shell, in its own words: they are quoted once more, since the
    /// user's login shell takes them apart first.
    fn shell(&self, script: &str) -> Cmd {
        let mut cmd = Cmd {
            program: self.ssh.into(),
            args: self.options(),
            ms_max: SHELL_MS_MAX,
            overrun: Overrun::End,
        };
        let script = format!("exec sh -c {}", typed::word(script));
        cmd.args.extend(["-T".into(), "--".into(), self.destination(), script]);
        cmd
    }

    fn whole(&self, more: &[&str], backup: &Path, to: &str) -> Cmd {
        let (record, before) =
            (format!("--exclude=/{RECORD}"), format!("--exclude=/{RECORD_BEFORE}"));
        let mut all = vec!["--delete", record.as_str(), before.as_str()];
        all.extend(TREE);
        if !more.contains(&"--dry-run") {
            all.extend(["--info=progress2", "--no-inc-recursive"]);
        }
        all.extend(more);
        self.copy(&all, &format!("{}/", backup.display()), to)
    }

    fn copy(&self, more: &[&str], from: &str, to: &str) -> Cmd {
        let mut cmd = Cmd {
            program: self.rsync.into(),
            args: vec![format!("--rsh={}", self.rsh())],
            ms_max: self.ms_max,
            overrun: Overrun::End,
        };
        if self.account.user != "root" {
            cmd = cmd.arg("--remote-option=--fake-super");
        }
        if let Some(bytes) = self.bandwidth_max {
            cmd = cmd.arg(format!("--bwlimit={}", bytes.kib()));
        }
        for flag in ["--protect-args", "--outbuf=L", "--no-human-readable"] {
            cmd = cmd.arg(flag);
        }
        cmd = cmd.arg(format!("--timeout={SILENT_S_MAX}"));
        cmd.args.extend(more.iter().map(|arg| (*arg).to_owned()));
        cmd.arg("--").arg(from).arg(to)
    }

    /// The options of every connection.
    fn options(&self) -> Vec<String> {
        let Account { key_file, known_hosts, port, .. } = self.account;
        let mut all: Vec<String> = vec!["-F".into(), "none".into(), "-x".into(), "-a".into()];
        all.extend(["-p".into(), port.to_string(), "-i".into(), key_file.display().to_string()]);
        let mut option = |text: String| all.extend(["-o".into(), text]);
        for text in [
            "BatchMode=yes",
            "IdentitiesOnly=yes",
            "StrictHostKeyChecking=yes",
            "GlobalKnownHostsFile=/dev/null",
            "UpdateHostKeys=no",
            "ClearAllForwardings=yes",
        ] {
            option(text.into());
        }
        option(format!("UserKnownHostsFile={}", quoted(known_hosts)));
        option(format!("ConnectTimeout={CONNECT_S_MAX}"));
        option(format!("ServerAliveInterval={ALIVE_S}"));
        option(format!("ServerAliveCountMax={ALIVE_TRIES_MAX}"));
        match self.socket {
            None => option("ControlPath=none".into()),
            Some(socket) => {
                option("ControlMaster=auto".into());
                option(format!("ControlPath={}", quoted(socket)));
                option(format!("ControlPersist={PERSIST_S}"));
            }
        }
        all
    }

    /// The same as one text: rsync takes it apart at spaces, but for what is in quotes.
    fn rsh(&self) -> String {
        let words = std::iter::once(self.ssh.display().to_string()).chain(self.options());
        let word =
            |word: String| if word.contains([' ', '"']) { format!("'{word}'") } else { word };
        words.map(word).collect::<Vec<_>>().join(" ")
    }

    fn destination(&self) -> String {
        format!("{}@{}", self.account.user, self.account.host)
    }

    fn directory(&self) -> String {
        typed::path(&self.account.directory)
    }

    fn far(&self, name: &str) -> String {
        let Account { user, host, directory, .. } = self.account;
        // An address with colons stands in brackets (rsync(1)).
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        format!("{user}@{host}:{}/{name}", directory.display())
    }
}

/// Removes what a removal has renamed, the record last.
fn emptied(run: &str) -> String {
    let gone = Form::Removing.name(run);
    format!(
        "if [ -d {gone} ]; then\n\
         find {gone} -xdev -mindepth 1 -maxdepth 1 ! -name {RECORD} -exec rm -rf -- {{}} +\n\
         rm -f {gone}/{RECORD}; rmdir {gone}; fi"
    )
}

/// Everything that makes a backup what it is. The times of directories are nobody's: files come and
/// go in them.
const TREE: [&str; 9] = [
    // To the nanosecond, as the manifest has them: or what is made within the second of its
    // original would keep a time of its own.
    "--modify-window=-1",
    "--archive",
    "--omit-dir-times",
    "--hard-links",
    "--acls",
    "--xattrs",
    "--numeric-ids",
    "--partial",
    "--inplace",
];

/// A path in an option of ssh's that may name several files, with blanks between them.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string().replace('%', "%%");
    if text.contains(' ') { format!("\"{text}\"") } else { text }
}

/// What stands in the directory: each name, and the text of its record if it has one.
pub fn listing(text: &str) -> Vec<(String, Option<String>)> {
    let mut all: Vec<(String, Option<String>)> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        match (line.strip_prefix(' '), all.last_mut()) {
            (Some(line), Some((_, record))) => {
                let record = record.get_or_insert_default();
                record.push_str(line);
                record.push('\n');
            }
            (Some(_), None) => {}
            (None, _) => all.push((line.to_owned(), None)),
        }
    }
    all
}

/// Whether a line of rsync's tells of a difference: eleven letters and marks, or `*deleting`, and a
/// name (rsync(1), `--itemize-changes`).
pub fn difference(line: &str) -> Option<&str> {
    let (marks, name) = line.split_once(' ')?;
    let is_one =
        marks == "*deleting" || (marks.len() >= 9 && marks.starts_with(['<', '>', 'c', 'h', '.']));
    is_one.then_some(name.trim_start()).filter(|name| !name.is_empty())
}

/// Why the other host could not be worked with, where ssh's words tell.
pub fn hint(stderr: &str) -> Option<&'static str> {
    let has = |part: &str| stderr.contains(part);
    match () {
        () if has("REMOTE HOST IDENTIFICATION HAS CHANGED")
            || has("Host key verification failed") =>
        {
            Some(
                "Compare the host's key with one that you trust ('ssh-keygen -l' there), and put it \
                 into the file named by 'known_hosts'.",
            )
        }
        () if has("Permission denied (") => Some(
            "Put the public half of 'key_file' into '.ssh/authorized_keys' of that user there.",
        ),
        () if has("rsync: command not found") || has("rsync: not found") => {
            Some("Install rsync on the other host.")
        }
        () if has("Operation not supported") || has("rsync_xal_set") => Some(
            "The filesystem there has to keep extended attributes ('user_xattr'), or 'user' be root.",
        ),
        () => None,
    }
}

#[cfg(test)]
mod tests;
