//! The configuration: read as typed, then as meant, with all complaints at once.
//!
//! Pure but for [`load`], [`login`], [`look_at`] and [`show`], which read files through the host.
//! Deliberately absent: the password. The configuration knows only where it is, so that nothing
//! here can tell it.

mod check;
mod complaint;
mod drill;
mod load;
mod login;
mod named;
mod offsite;
mod operation;
mod raw;
mod show;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize};

pub use check::{SIZE, parse};
pub use complaint::Complaint;
pub use load::{StateDir, load, private, state_dir};
pub use login::{login, option_file};
pub use named::{check_text, destination, destination_directory, look_at};
pub use offsite::{OFFSITE_KEYS, Offsite, Push, Way};
pub(crate) use operation::complain_of_limits;
pub use raw::KEYS;
pub use show::{Origin, Shown, as_json, as_toml, literal, show, shown};

use crate::host::{Priority, Reach};
use crate::retention::Rules;
use crate::units::{Bytes, Millis};

/// Where the server is looked for if nothing says otherwise.
pub const SOCKET: &str = "/run/mysqld/mysqld.sock";

/// What the operator means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The file it was read from.
    pub path: PathBuf,
    /// The ledger and the run lock.
    pub state_dir: PathBuf,
    /// The mount points.
    pub run_dir: PathBuf,
    /// How the server is reached.
    pub server: Server,
    /// The lock window.
    pub lock: Lock,
    /// What is done to a replica.
    pub replica: Replica,
    /// The snapshot.
    pub snapshot: Snapshot,
    /// The copy.
    pub copy: Copy,
    /// Where backups go.
    pub destination: Destination,
    /// Which of them are kept; all of them if absent.
    pub retention: Option<Rules>,
    /// How a backup is proven by a private server.
    pub drill: Drill,
    /// The programs of the operator's that are run around a run.
    pub hooks: Hooks,
    /// What monitoring is told.
    pub monitoring: Monitoring,
    /// Where backups are pushed to.
    pub offsite: Vec<Offsite>,
}

/// How the server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Socket or network; nothing leaves it to the option file, and then to [`SOCKET`].
    pub reach: Option<Reach>,
    /// The account, if the configuration names one.
    pub user: Option<String>,
    /// Where the password is.
    pub secret: SecretIn,
    /// How long connecting may take.
    pub connect_ms_max: Millis,
}

/// Where the password is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretIn {
    /// There is none (socket authentication).
    Nothing,
    /// In the configuration itself.
    Config,
    /// In an option file.
    OptionFile(PathBuf),
    /// In an option file of this name in `$CREDENTIALS_DIRECTORY` (systemd.exec(5)).
    Credential(String),
}

/// The lock window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// How long to wait for the lock.
    pub wait_ms_max: Millis,
    /// How long the lock may be held.
    pub hold_ms_max: Millis,
    /// When the lock is asked for.
    pub when: When,
    /// Who freezes the filesystem.
    pub freeze: Freeze,
    /// How writes are stopped.
    pub kind: Kind,
    /// How often the lock is asked for.
    pub tries_max: u32,
    /// What passes between two tries.
    pub pause_ms: Millis,
    /// What is done about statements that the lock would wait for.
    pub long_statements: LongStatements,
    /// From how many seconds on a statement is long.
    pub long_statement_s_min: u64,
    /// How long such statements are waited for.
    pub long_wait_ms_max: Millis,
    /// From how many seconds on a SELECT may be ended.
    pub kill_select_s_min: u64,
}

/// What is done about statements that have run for long and that the lock would wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LongStatements {
    /// There is no backup.
    #[default]
    Refuse,
    /// They are waited for.
    Wait,
    /// Old SELECTs are ended.
    Kill,
}

/// How writes are stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// As suits the server.
    #[default]
    Auto,
    /// `FLUSH TABLES WITH READ LOCK`.
    Ftwrl,
    /// `BACKUP STAGE`.
    BackupStage,
    /// Not at all.
    None,
}

/// When the lock is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// When lvm has prepared everything and is held just before it suspends the volume.
    #[default]
    Late,
    /// Before lvm begins.
    First,
}

/// Who freezes the filesystem.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Freeze {
    /// device-mapper, when it suspends the origin.
    #[default]
    Auto,
    /// We, around the snapshot.
    Explicit,
}

/// What is done to a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// How long stopping, and later starting, an applier may take.
    pub stop_ms_max: Millis,
    /// Until when the appliers stand.
    pub keep_replication_stopped: KeepStopped,
}

/// Until when the appliers that were stopped stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeepStopped {
    /// Until the snapshot is taken.
    #[default]
    Window,
    /// Until it is copied.
    Copy,
}

/// The snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The size of its COW store, if it is a thick one.
    pub size: Size,
    /// How large that may become by being extended while it is copied from.
    pub cow_extend_max: Size,
    /// How full it may get before it is extended.
    pub cow_percent_extend: u32,
    /// How full it may get before the copy is given up.
    pub cow_percent_stop: u32,
    /// How full the pool of a thin one may be before a run begins.
    pub pool_percent_max: u32,
    /// How full the pool may get before the copy is given up.
    pub pool_percent_stop: u32,
}

/// The size of a COW store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// A part of the origin, 1 to 100.
    Percent(u64),
    /// An amount.
    Amount(Bytes),
}

/// The copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// How long it may take.
    pub ms_max: Millis,
    /// How it stands back behind the server.
    pub priority: Priority,
    /// How much it may copy each second; no limit if absent.
    pub bandwidth_max: Option<Bytes>,
    /// What becomes of files that did not change.
    pub unchanged: Unchanged,
}

/// What becomes of files that did not change since the newest backup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unchanged {
    /// They are copied like all others: no two backups have a file in common.
    #[default]
    Copy,
    /// They are hard links to those of that backup.
    Link,
}

/// How a backup is proven by a private server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drill {
    /// Where it writes; beside the backups if absent.
    pub directory: Option<PathBuf>,
    /// The server's program; found if absent.
    pub server: Option<PathBuf>,
    /// InnoDB's buffer pool.
    pub memory: Bytes,
    /// How long all of it may take.
    pub ms_max: Millis,
    /// How long the server may be silent before it answers.
    pub quiet_ms_max: Millis,
    /// What has to be true on the private server: statements that each return one row with 1.
    pub assertions: Vec<String>,
    /// More of them, one a line.
    pub assertions_file: Option<PathBuf>,
}

/// The programs of the operator's that are run around a run, never while writes are stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hooks {
    /// Before anything is touched; if it fails there is no run.
    pub before: Option<Hook>,
    /// After a published backup.
    pub after: Option<Hook>,
    /// After a run that published nothing, and after a refusal.
    pub on_failure: Option<Hook>,
    /// How long each of them may take.
    pub ms_max: Millis,
}

/// A program of the operator's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// Its absolute path.
    pub program: PathBuf,
    /// Its arguments; the path of the facts comes behind them.
    pub args: Vec<String>,
}

/// What monitoring is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Monitoring {
    /// Where the figures go for Prometheus' textfile collector; nowhere if absent.
    pub textfile: Option<PathBuf>,
    /// From where on `holdstill check` warns.
    pub limits: CheckLimits,
}

/// Past which figures `holdstill check` warns or alarms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckLimits {
    /// The age of the newest backup that is a warning, in hours.
    pub age_warning_hours: u64,
    /// The age of the newest backup that is critical, in hours.
    pub age_critical_hours: u64,
    /// How long writes were stopped for it, that is a warning.
    pub locked_ms_warning: Millis,
    /// How long writes were stopped for it, that is critical.
    pub locked_ms_critical: Millis,
}

/// Where backups go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The directory.
    pub directory: PathBuf,
}

impl Size {
    /// The size for an origin, in whole extents.
    pub fn of(self, origin: Bytes, extent: Bytes) -> Bytes {
        let wanted = match self {
            Self::Percent(percent) => {
                let part = u128::from(origin.0) * u128::from(percent) / 100;
                u64::try_from(part).unwrap_or(u64::MAX)
            }
            Self::Amount(Bytes(bytes)) => bytes,
        };
        let extent = extent.0.max(1);
        Bytes(wanted.div_ceil(extent).max(1).saturating_mul(extent))
    }
}

impl<'de> Deserialize<'de> for Size {
    /// Takes `"20%"` or `"512MiB"`.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let wrong = || format!("expected a size like '20%' or '512MiB', found '{text}'");
        let parsed = match text.strip_suffix('%') {
            Some(number) => number.trim().parse().ok().map(Self::Percent),
            None => text.parse().ok().map(Self::Amount),
        };
        parsed.ok_or_else(|| serde::de::Error::custom(wrong()))
    }
}
