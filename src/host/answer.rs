//! What a look or an act brings back: facts, not yet judged.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::reading::{Readings, Tree};
use crate::units::{Bytes, Millis};

/// The answer to a look or an act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done, and there is nothing to say.
    Done,
    /// See [`Machine`].
    Machine(Machine),
    /// The monotonic clock.
    Nanos(u64),
    /// The number of the signal that came, if any.
    Signal(Option<i32>),
    /// A program's path.
    Path(Option<PathBuf>),
    /// Mounts, in the kernel's order: a later one covers an earlier one at the same point.
    Mounts(Vec<Mount>),
    /// What stands at a path.
    Entry(Option<Entry>),
    /// Links found.
    Links(Vec<Link>),
    /// Names in a directory.
    Names(Vec<String>),
    /// A text; nothing if the file does not exist.
    Text(Option<String>),
    /// The space on a filesystem.
    Space(Space),
    /// A number of bytes.
    Bytes(Bytes),
    /// The server's number for a session.
    Connection(u64),
    /// A result set.
    Rows(Rows),
    /// How a thaw went.
    Thaw(Thaw),
    /// See [`Standing`].
    Standing(Standing),
    /// See [`Sight`].
    Sight(Sight),
    /// See [`Said`].
    Said(Said),
    /// See [`CowFill`].
    CowFill(CowFill),
    /// See [`PoolFill`].
    PoolFill(PoolFill),
    /// See [`Device`]; nothing if there is none.
    Device(Option<Device>),
    /// See [`Synchrony`].
    Synchrony(Synchrony),
    /// See [`Tree`].
    Tree(Tree),
    /// See [`Readings`].
    Readings(Readings),
}

/// Whether the wall clock is kept right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synchrony {
    /// It is, and off by no more than this.
    Within(Millis),
    /// Nothing has told the kernel what time it is for long.
    Free,
}

/// Who and where we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The host's name.
    pub host: String,
    /// The kernel's id of this boot (`/proc/sys/kernel/random/boot_id`).
    pub boot: String,
    /// The kernel's release.
    pub kernel: String,
    /// Whether freezes of one filesystem nest; nothing if the kernel does not tell.
    pub freezes_nest: Option<bool>,
    /// Our process.
    pub pid: u32,
    /// Our effective user.
    pub uid: u32,
    /// Wall clock, seconds since 1970 in UTC.
    pub unix_seconds: i64,
    /// A fresh random number.
    pub random: u32,
}

/// One line of `/proc/self/mountinfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where it is mounted.
    pub point: PathBuf,
    /// Which part of the filesystem: `/` unless it is a bind mount.
    pub root: PathBuf,
    /// The filesystem's type.
    pub kind: String,
    /// The device's name as mounted.
    pub source: String,
    /// The device's number, as `major:minor`.
    pub device: String,
    /// Whether it is mounted read-only.
    pub read_only: bool,
}

/// What stands at a path, links followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The path without links and dots.
    pub real: PathBuf,
    /// File or directory.
    pub kind: Kind,
    /// The device's number, as `major:minor`.
    pub device: String,
    /// Its owner.
    pub uid: u32,
    /// Permission bits.
    pub mode: u32,
}

/// The kind of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// Anything else.
    Other,
}

/// A link in a data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Where the link is.
    pub at: PathBuf,
    /// Where it leads, resolved; what it says if that does not exist.
    pub to: PathBuf,
}

/// The space on a filesystem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Its size.
    pub total: Bytes,
    /// What an ordinary user may still write.
    pub free: Bytes,
}

/// A result set; every value as text, NULL as nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    /// Column names, as the server spells them.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<Option<String>>>,
}

/// How a thaw went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thaw {
    /// It was frozen and is not any more.
    Thawed,
    /// It was not frozen.
    WasLive,
}

/// What the long command said since it was last listened to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// The lines of its standard output.
    pub lines: Vec<String>,
    /// How it ended, if it did; then there is no long command any more.
    pub exit: Option<Exit>,
}

/// How the long command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Its exit status; nothing if a signal ended it.
    pub code: Option<i32>,
    /// The last lines of its standard error, on one line.
    pub stderr: String,
}

/// How a volume stands with regard to its snapshot point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether the origin is suspended.
    pub suspended: bool,
    /// A number that goes up when the point passes: 0 and 1 for [`Sign::Tables`], the transaction
    /// id for [`Sign::Transaction`].
    ///
    /// [`Sign::Tables`]: super::Sign::Tables
    /// [`Sign::Transaction`]: super::Sign::Transaction
    pub mark: u64,
}

/// What a watch saw, in nanoseconds of the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// When the origin was first seen suspended; nothing if no look fell into that time.
    pub suspended: Option<u64>,
    /// When what was waited for had been seen.
    pub at: u64,
    /// The mark then, see [`Standing`].
    pub mark: u64,
}

/// A device of device-mapper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Who made it: lvm writes `LVM-`, the ids of group and volume, and the layer, as `-real`.
    pub uuid: String,
    /// Whether it is suspended.
    pub suspended: bool,
}

/// How full the COW store of a thick snapshot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CowFill {
    /// What is written, the kernel's own notes included.
    pub used: Bytes,
    /// Its size.
    pub size: Bytes,
}

/// How full a thin pool is, in whole percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolFill {
    /// Of its data.
    pub data_percent: u64,
    /// Of its metadata.
    pub metadata_percent: u64,
}

impl Machine {
    /// Some machine.
    #[cfg(test)]
    pub(crate) fn example() -> Self {
        Self {
            host: "db2".into(),
            boot: "b".into(),
            kernel: "6.1".into(),
            freezes_nest: None,
            pid: 42,
            uid: 0,
            unix_seconds: 1_790_000_000,
            random: 7,
        }
    }

    /// The wall clock as it was asked for: when a run began.
    pub fn began(&self) -> jiff::Timestamp {
        jiff::Timestamp::from_second(self.unix_seconds).unwrap_or_default()
    }

    /// The id of a run that begins now, `YYYYMMDDTHHMMSSZ-xxxxxx`: in order of time, and unique
    /// even within a second.
    pub fn run_id(&self) -> String {
        let began = self.began().strftime("%Y%m%dT%H%M%SZ");
        format!("{began}-{:06x}", self.random & 0x00ff_ffff)
    }
}

/// When a run began, as its id says; nothing if it is no id of ours.
pub fn run_began(run: &str) -> Option<jiff::Timestamp> {
    let (began, _) = run.split_once('-')?;
    let began = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", began).ok()?;
    Some(began.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
}

impl CowFill {
    /// How full it is, in whole percent; one of no size is full.
    pub fn percent(self) -> u64 {
        let hundredfold = u128::from(self.used.0) * 100;
        let percent = hundredfold.checked_div(u128::from(self.size.0)).unwrap_or(100);
        u64::try_from(percent).unwrap_or(u64::MAX)
    }
}

impl Rows {
    /// The value of a column in a row, by the column's name without regard to case.
    pub fn get(&self, row: usize, column: &str) -> Option<&str> {
        let at = self.columns.iter().position(|name| name.eq_ignore_ascii_case(column))?;
        self.rows.get(row)?.get(at)?.as_deref()
    }

    /// The only value of a result with one row and one column.
    pub fn only(&self) -> Option<&str> {
        self.rows.first()?.first()?.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_when_its_run_began() {
        for (run, seconds) in [
            ("20260921T130640Z-00002a", Some(1_789_996_000)),
            ("19700101T000000Z-000000", Some(0)),
            ("20260921T130640Z", None),
            ("20261321T130640Z-00002a", None),
            ("lost-00002a", None),
        ] {
            assert_eq!(run_began(run).map(jiff::Timestamp::as_second), seconds, "{run}");
        }
    }
}
