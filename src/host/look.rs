//! What can be looked at. A look changes nothing; the plan is made of looks alone.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::act::Cmd;
use super::answer::PoolFill;
use super::fault::Fault;
use super::reading::Reading;
use crate::units::Millis;

/// One question to the machine; the comment names the arm of `Answer` that comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// Who and where we are, and a fresh random number: `Machine`.
    Machine,
    /// The monotonic clock, in nanoseconds from an arbitrary point: `Nanos`.
    Now,
    /// The signal that asks us to stop, if one came: `Signal`.
    Signal,
    /// Where a program is, searched in the system's own directories only: `Path`.
    Program(&'static str),
    /// Every mount of our namespace: `Mounts`.
    Mounts,
    /// What stands at a path, links followed: `Entry`.
    Path(PathBuf),
    /// The symbolic links and `.isl` files below a directory, two levels deep: `Links`.
    Links(PathBuf),
    /// Who has the run lock, in their own words; nothing if nobody has it: `Text`. Unlike the act
    /// that takes it this never stands in the way of a run that begins.
    RunLock(PathBuf),
    /// The names in a directory, sorted; none if it does not exist: `Names`.
    List(PathBuf),
    /// A whole text file; nothing if it does not exist: `Text`.
    File(PathBuf),
    /// The same of up to 1 GiB, for what has a line for every file of a backup: `Text`.
    LongFile(PathBuf),
    /// Everything below a directory, itself not, on its own filesystem and without following a
    /// link: `Tree`. Refused when a signal comes meanwhile.
    Tree(PathBuf),
    /// Begins to read files whole, on threads beside us, and returns at once; what came of it,
    /// [`Look::Readings`] tells. Gives up an earlier one: `Done`.
    Read(Reading),
    /// What was read, after so long, or when all was or a signal comes: `Readings`. Refused if
    /// nothing is read.
    Readings(Millis),
    /// The space on a path's filesystem: `Space`.
    Space(PathBuf),
    /// The bytes in the files below a directory, as `du -s --apparent-size` counts: `Bytes`.
    Usage(PathBuf),
    /// The standard output of a command that only reads: `Text`.
    Run(Cmd),
    /// Opens the control session if there is none; its connection number: `Connection`.
    Greet(Login),
    /// The rows of a SELECT or SHOW: `Rows`.
    Query {
        /// Which session asks.
        session: Session,
        /// One statement, without a semicolon.
        text: String,
        /// How long the answer may take.
        ms_max: Millis,
    },
    /// How a volume stands with regard to its snapshot point: `Standing`.
    Point(Point),
    /// Waits for the snapshot point of a volume: `Sight`.
    Watch(Watch),
    /// Device-mapper's device of this name, be it live or not: `Device`.
    Device(String),
    /// How full a thin pool is, by its name in device-mapper: `PoolFill`. Refused where
    /// the pool does not take writes any more.
    Pool(String),
    /// How full the COW store of a thick snapshot is, by the snapshot's name in device-mapper:
    /// `CowFill`. Refused if it is lost, or no thick snapshot.
    Cow(String),
    /// Whether the kernel takes the wall clock for synchronized, and how far it may be off:
    /// `Synchrony` (adjtimex(2) with no mode).
    Synchrony,
    /// Listens to the long command for so long, or until it ends or a signal comes: `Said`. Refused
    /// if there is none; past the command's deadline an error, and the command goes on.
    Hear(Millis),
    /// Lets some time pass, before something is tried or looked at again: `Done`.
    Pause(Millis),
}

/// Where the snapshot point of a volume is seen. The point itself is the origin's suspend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// The origin's name in device-mapper.
    pub origin: String,
    /// What tells that the point has passed.
    pub sign: Sign,
}

/// What tells that a snapshot point has passed: something that device-mapper changes only while the
/// origin is suspended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sign {
    /// The live table of the origin is `snapshot-origin`, and that of our own volume, which was the
    /// COW store before, is `snapshot`. The name of our own volume in device-mapper.
    Tables(String),
    /// The pool's transaction id went up while the origin was suspended. The name of the pool's
    /// device in device-mapper.
    Transaction(String),
}

/// A wait for a snapshot point, while the shell of lvm works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// Which point.
    pub point: Point,
    /// The mark before the order.
    pub mark: u64,
    /// What is waited for.
    pub until: Until,
    /// How long at most; past it the watch is overdue, and the point may still come.
    pub ms_max: Millis,
}

/// What is waited for. A watch is refused, with what lvm said, when the shell has ended its command
/// and the point has not passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// The shell is held: lvm has prepared everything and suspended nothing.
    Held,
    /// The point has passed and the origin is live again.
    Past,
}

/// How full a thin pool may get while it is copied from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brim {
    /// The name of the pool's device in device-mapper.
    pub pool: String,
    /// How full its data or its metadata may be at most, in percent.
    pub percent_max: u64,
}

impl Brim {
    /// Whether a pool that is so full is still below the brim.
    pub fn check(&self, fill: PoolFill) -> Result<(), Fault> {
        let PoolFill { data_percent, metadata_percent } = fill;
        if data_percent.max(metadata_percent) < self.percent_max {
            return Ok(());
        }
        let (pool, limit) = (&self.pool, self.percent_max);
        Err(Fault::refused(format!(
            "the thin pool '{pool}' is too full: data {data_percent} %, metadata \
             {metadata_percent} %, 'pool_percent_stop' is {limit}"
        )))
    }
}

/// The sessions of a run, and that of a drill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Session {
    /// The one that holds the lock: pinned, never reconnected, nothing else is sent on it.
    Lock,
    /// The one that looks, keeps the deadlines, and stops and starts replication.
    Control,
    /// The one with a private server in a jail: never with production's.
    Drill,
}

/// How to reach a server and who to be there; never the password itself, so it can be written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// Socket or network.
    pub reach: Reach,
    /// The account; the server's default for root over a socket if absent.
    pub user: Option<String>,
    /// Where the password is.
    pub secret: Secret,
    /// How long connecting may take.
    pub connect_ms_max: Millis,
}

/// The way to the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reach {
    /// A unix socket.
    Socket(PathBuf),
    /// TCP.
    Tcp {
        /// A host name (rustls checks it against the certificate).
        host: String,
        /// The port.
        port: u16,
        /// How the connection is protected.
        tls: Tls,
    },
}

/// How a TCP connection is protected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tls {
    /// Encrypted, and the certificate is checked against this authority's file.
    Verified(PathBuf),
    /// Encrypted; the certificate is not checked.
    Encrypted,
    /// Plain, because the operator said so.
    Off,
}

/// Where a password is read from, at the moment of connecting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Secret {
    /// No password (socket authentication).
    None,
    /// The `[client]` section of an option file.
    OptionFile(PathBuf),
    /// An option file of this name among the credentials that systemd handed to the service: its
    /// place differs from one service to the next, so it is looked up anew each time.
    Credential(String),
    /// `server.password` in a configuration file.
    ConfigFile(PathBuf),
}

impl fmt::Display for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Machine => f.write_str("look at the machine"),
            Self::Now => f.write_str("read the clock"),
            Self::Signal => f.write_str("look for a signal"),
            Self::Program(name) => write!(f, "find the program {name}"),
            Self::Mounts => f.write_str("read the mounts"),
            Self::Path(path) => write!(f, "look at {}", path.display()),
            Self::Links(path) => write!(f, "find links below {}", path.display()),
            Self::RunLock(path) => write!(f, "look who has the lock {}", path.display()),
            Self::List(path) => write!(f, "list {}", path.display()),
            Self::File(path) | Self::LongFile(path) => write!(f, "read {}", path.display()),
            Self::Tree(path) => write!(f, "look at all below {}", path.display()),
            Self::Read(Reading { directory, files, .. }) => {
                write!(f, "read {} files in {}", files.len(), directory.display())
            }
            Self::Readings(ms) => write!(f, "read on for {ms}"),
            Self::Space(path) => write!(f, "measure the space at {}", path.display()),
            Self::Usage(path) => write!(f, "measure the files below {}", path.display()),
            Self::Run(cmd) => write!(f, "{cmd}"),
            Self::Greet(login) => write!(f, "connect to {login}"),
            Self::Query { session, text, .. } => write!(f, "{session}: {text}"),
            Self::Point(point) => write!(f, "look at the device {}", point.origin),
            Self::Device(name) => write!(f, "look for the device {name}"),
            Self::Pool(pool) => write!(f, "look at the pool {pool}"),
            Self::Cow(name) => write!(f, "look at the COW store of {name}"),
            Self::Synchrony => f.write_str("look whether the clock is synchronized"),
            Self::Hear(ms) => write!(f, "listen for {ms}"),
            Self::Pause(ms) => write!(f, "wait for {ms}"),
            Self::Watch(watch) => write!(f, "watch the device {}", watch.point.origin),
        }
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lock => "lock session",
            Self::Control => "control session",
            Self::Drill => "drill session",
        })
    }
}

impl fmt::Display for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        match &self.reach {
            Reach::Socket(path) => write!(f, "{}", path.display()),
            Reach::Tcp { host, port, .. } => write!(f, "{host}:{port}"),
        }
    }
}
