//! rsync: the command that copies the mounted snapshot, and what it prints while it does.
//!
//! The target is always a new directory. Where unchanged files are to be links, one command makes
//! those of the files that it is given by name, and another copies whatever is not there then:
//! nothing is linked that was not named. Deliberately absent: `--delete`, `--update` and everything
//! else that would change what stands in a target.
//!
//! rsync compares seconds unless `--modify-window=-1` tells it nanoseconds, which it knows since
//! 3.1.3.

use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use crate::host::{Cmd, Overrun};
use crate::units::{Bytes, Millis};

/// How far a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes copied so far.
    pub bytes: Bytes,
    /// Whole percent of what is known so far.
    pub percent: u8,
}

/// What rsync counted, from its `--stats`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Stats {
    /// Regular files in the tree.
    pub files: u64,
    /// Their sizes, added up.
    pub bytes: Bytes,
}

/// Since when rsync compares nanoseconds.
pub const NANOSECONDS_SINCE: [u32; 3] = [3, 1, 3];

/// Reads rsync's standard output line by line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tail {
    stats: Stats,
    listed: Stats,
}

/// Which files a command is about.
#[derive(Clone, Copy, Debug)]
pub enum Choice<'a> {
    /// All of them.
    All,
    /// Those that this list names, each ended by a zero byte; what is as it is in the earlier tree
    /// becomes a hard link to it. What is named and is not there is no error.
    Unchanged {
        /// The list.
        names: &'a Path,
        /// The earlier tree.
        earlier: &'a Path,
    },
    /// Those that are not in the target yet: the others are not touched, so no link is.
    Rest,
}

/// Whether rsync sums what its sender hands to its receiver, two processes of one machine. That
/// takes a good part of a copy's time, so of what the snapshot lives; `cp` and `tar` do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handed {
    /// As it does by itself.
    Summed,
    /// Not: what landed is summed by us.
    Plain,
}

impl Handed {
    /// What a version can: since 3.2.0 it can do without (rsync(1), `--checksum-choice`).
    pub fn by(version: &[u32]) -> Self {
        if version < PLAIN_SINCE.as_slice() { Self::Summed } else { Self::Plain }
    }
}

/// Since when it can.
const PLAIN_SINCE: [u32; 2] = [3, 2];

/// What one copy is to do.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// The program.
    pub rsync: &'a Path,
    /// The mounted snapshot.
    pub root: &'a Path,
    /// What to copy, relative to the root; `.` for all of it.
    pub parts: &'a [String],
    /// What to leave out, as anchored patterns.
    pub excludes: &'a [String],
    /// The target directory, new and empty.
    pub target: &'a Path,
    /// Which files.
    pub choice: Choice<'a>,
    /// What is summed on the way.
    pub handed: Handed,
    /// How much it may copy each second; no limit if absent.
    pub bandwidth_max: Option<Bytes>,
    /// How long it may take.
    pub ms_max: Millis,
}

/// The command. Whole files, since source and target are local; owners as numbers, since the
/// restored server may live where the names differ; sparse files, hard links, ACLs and extended
/// attributes as they are. `/./` marks where the copied path begins (rsync(1), `--relative`).
pub fn command(order: &Order<'_>) -> Cmd {
    let mut cmd = Cmd {
        program: order.rsync.into(),
        args: Vec::new(),
        ms_max: order.ms_max,
        overrun: Overrun::End,
    };
    for flag in [
        "--archive",
        "--hard-links",
        "--acls",
        "--xattrs",
        "--numeric-ids",
        "--whole-file",
        "--one-file-system",
        "--no-devices",
        "--no-specials",
        "--relative",
        "--no-human-readable",
        "--info=progress2",
        "--no-inc-recursive",
        "--stats",
        "--outbuf=L",
    ] {
        cmd = cmd.arg(flag);
    }
    if order.handed == Handed::Plain {
        cmd = cmd.arg("--checksum-choice=none");
    }
    for pattern in order.excludes {
        cmd = cmd.arg(format!("--exclude={pattern}"));
    }
    if let Some(bytes) = order.bandwidth_max {
        cmd = cmd.arg(format!("--bwlimit={}", bytes.kib()));
    }
    let root = order.root.display();
    match order.choice {
        Choice::All => {}
        Choice::Rest => cmd = cmd.arg("--ignore-existing"),
        Choice::Unchanged { names, earlier } => {
            cmd = cmd.arg("--modify-window=-1").arg("--ignore-missing-args").arg("--from0");
            cmd = cmd.arg(format!("--files-from={}", names.display()));
            cmd = cmd.arg(format!("--link-dest={}", earlier.display()));
        }
    }
    cmd = cmd.arg("--");
    if let Choice::Unchanged { .. } = order.choice {
        cmd = cmd.arg(format!("{root}/"));
    } else {
        for part in order.parts {
            cmd = cmd.arg(format!("{root}/./{part}"));
        }
    }
    cmd.arg(format!("{}/", order.target.display()))
}

/// The command that gives a directory the ACL and the extended attributes of another, a security
/// label among them, and nothing of what is in it.
pub fn attributes(rsync: &Path, from: &Path, to: &Path, ms_max: Millis) -> Cmd {
    let cmd = Cmd { program: rsync.into(), args: Vec::new(), ms_max, overrun: Overrun::End };
    let flags = ["--dirs", "--acls", "--xattrs", "--numeric-ids", "--exclude=/*", "--"];
    let cmd = flags.into_iter().fold(cmd, Cmd::arg);
    cmd.arg(format!("{}/", from.display())).arg(format!("{}/", to.display()))
}

/// The list for [`Choice::Unchanged`], of paths relative to the root.
pub fn list<'a>(paths: impl Iterator<Item = &'a str>) -> String {
    // A name that begins with `#` or `;` would be a comment (rsync(1), `--files-from`).
    paths.fold(String::new(), |list, path| list + "./" + path + "\0")
}

impl Progress {
    /// The progress of a copy before which so much was copied by another.
    #[must_use]
    pub fn after(self, before: Bytes) -> Self {
        Self { bytes: Bytes(before.0 + self.bytes.0), ..self }
    }
}

impl Stats {
    /// Counts another copy in.
    pub fn add(&mut self, other: Self) {
        self.files += other.files;
        self.bytes = Bytes(self.bytes.0 + other.bytes.0);
    }
}

impl Tail {
    /// Takes one line; a progress line gives the progress.
    pub fn read(&mut self, line: &str) -> Option<Progress> {
        if let Some(rest) = line.strip_prefix("Number of regular files transferred: ") {
            self.stats.files = number(rest)?;
        } else if let Some(rest) = line.strip_prefix("Total transferred file size: ") {
            self.stats.bytes = Bytes(number(rest.trim_end_matches(" bytes"))?);
        } else if let Some(rest) = line.strip_prefix("Number of files: ") {
            self.listed.files = regular(rest)?;
        } else if let Some(rest) = line.strip_prefix("Total file size: ") {
            self.listed.bytes = Bytes(number(rest.trim_end_matches(" bytes"))?);
        }
        progress(line)
    }

    /// What rsync counted at its end as copied.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// What rsync counted in the source, copied or not. A file counts with each of its names.
    pub fn listed(&self) -> Stats {
        self.listed
    }
}

/// Reads `  1234  56%  78.9MB/s  0:00:01 …`, the form of `--info=progress2`.
fn progress(line: &str) -> Option<Progress> {
    let mut words = line.split_ascii_whitespace();
    let bytes = Bytes(number(words.next()?)?);
    let percent = words.next()?.strip_suffix('%')?.parse().ok()?;
    words.next()?.ends_with("/s").then_some(Progress { bytes, percent })
}

/// Reads `1,234 (reg: 1,000, dir: 234)`; where there is no regular file, none is named.
fn regular(text: &str) -> Option<u64> {
    let Some((_, rest)) = text.split_once("(reg: ") else { return Some(0) };
    number(rest.split([')', ' ']).next()?.trim_end_matches(','))
}

fn number(text: &str) -> Option<u64> {
    text.trim().replace(',', "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_and_stats_are_read() {
        let mut tail = Tail::default();
        let line = "        32768  12%  103.56MB/s    0:00:01 (xfr#5, to-chk=169/396)";
        assert_eq!(tail.read(line), Some(Progress { bytes: Bytes(32768), percent: 12 }));
        assert_eq!(tail.read("Number of regular files transferred: 1,234"), None);
        assert_eq!(tail.read("Total transferred file size: 9,876,543 bytes"), None);
        assert_eq!(tail.stats(), Stats { files: 1234, bytes: Bytes(9_876_543) });
        assert_eq!(tail.read("Number of files: 2,345 (reg: 2,100, dir: 245)"), None);
        assert_eq!(tail.read("Total file size: 19,876,543 bytes"), None);
        assert_eq!(tail.listed(), Stats { files: 2100, bytes: Bytes(19_876_543) });
        for (line, files) in
            [("Number of files: 3 (dir: 3)", 0), ("Number of files: 1 (reg: 1)", 1)]
        {
            assert_eq!(tail.read(line), None);
            assert_eq!(tail.listed().files, files, "{line}");
        }
    }

    #[test]
    fn old_versions_sum_as_they_do_by_themselves() {
        let by = |version: &[u32]| Handed::by(version);
        assert_eq!([by(&[]), by(&[3, 1, 3])], [Handed::Summed; 2]);
        assert_eq!([by(&[3, 2]), by(&[3, 2, 0]), by(&[4])], [Handed::Plain; 3]);
    }

    #[test]
    fn other_lines_are_not_progress() {
        for line in ["", "sending incremental file list", "a 5% b", "1 x% y", "\u{fffd} 1% 2/s"] {
            assert_eq!(Tail::default().read(line), None, "{line}");
        }
    }
}
