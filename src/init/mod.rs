//! The first configuration: what the machine and its server tell, and a file made of it.
//!
//! The looking is in [`find`] and the files it calls, the text in [`text`](compose), which is pure.
//! Deliberately absent: guesses. What counts and cannot be found, such as the server or a place for
//! the backups, is refused with what is missing; what can be left out stands in a comment that says
//! so. Nothing is ever overwritten.

mod account;
mod choose;
mod compose;
mod destination;
mod find;
mod next;
pub(crate) mod processes;
mod storage;
mod write;

use std::path::PathBuf;

pub use compose::compose;
pub use find::{Questions, find};
pub use next::{next, notes};
pub use write::{vacant, write};

/// Where configurations are looked for if nobody names one.
const USUAL: &str = "/etc/holdstill/holdstill.toml";

use crate::database::Server;
use crate::database::grants::Need;
use crate::host::Mount;
use crate::snapshot::lvm::{Name, Volume};
use crate::units::Bytes;

/// What the operator wants; what is not said is looked for.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// The configuration to be written.
    pub config: PathBuf,
    /// Where backups go.
    pub destination: Option<PathBuf>,
    /// The account's option file.
    pub option_file: Option<PathBuf>,
    /// The server, where several run.
    pub socket: Option<PathBuf>,
}

/// All that was found.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The host's name.
    pub host: String,
    /// The configuration to be written.
    pub config: PathBuf,
    /// The server.
    pub server: Running,
    /// Its socket.
    pub socket: PathBuf,
    /// How to log in to it.
    pub account: Account,
    /// What it says of itself, or why it says nothing.
    pub met: Result<Met, String>,
    /// Where its data is.
    pub home: Home,
    /// Where backups will go.
    pub destination: Place,
    /// Where else they could go.
    pub others: Vec<Place>,
    /// What to call this server's own places, where the usual configuration is another server's.
    pub apart: Option<String>,
}

/// A server that runs, as far as its process tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its process; nothing if only its socket is known.
    pub process: Option<Process>,
    /// Where it listens; nothing if no socket was found.
    pub socket: Option<PathBuf>,
}

/// The process of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// The program's name.
    pub program: String,
    /// The user it runs as.
    pub uid: u32,
    /// The directory it works in, which is its data directory.
    pub works_in: Option<PathBuf>,
}

/// How to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The option file; nothing for root by the socket.
    pub option_file: Option<PathBuf>,
    /// Whether the operator named it.
    pub named: bool,
    /// What was found at a usual place and cannot be used, and why.
    pub unusable: Vec<String>,
}

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Met {
    /// Whose it is, and its version.
    pub server: Server,
    /// Who we are to it, as `user@host`.
    pub account: String,
    /// What that account lacks for a backup.
    pub missing: Vec<Need>,
    /// All that an account needs.
    pub needs: Vec<Need>,
    /// Whether it is a replica; nothing if it does not tell us.
    pub replica: Option<bool>,
    /// Its data directory.
    pub datadir: PathBuf,
    /// Every place of its data, the data directory first.
    pub places: Vec<PathBuf>,
}

/// Where the data is.
#[derive(Clone, Debug, PartialEq)]
pub struct Home {
    /// The data directory.
    pub datadir: PathBuf,
    /// Its mount.
    pub mount: Mount,
    /// Its volume.
    pub volume: Volume,
    /// Where a snapshot keeps what changes.
    pub room: Room,
    /// How much there is to copy.
    pub data: Bytes,
}

/// Where a snapshot keeps what changes.
#[derive(Clone, Debug, PartialEq)]
pub enum Room {
    /// In what the volume group has free, in whole extents.
    Group {
        /// What is free.
        free: Bytes,
        /// The unit of allocation.
        extent: Bytes,
    },
    /// In the pool of a thin volume.
    Pool {
        /// Its name.
        name: Name,
        /// How full its data and its metadata are, in percent.
        percent: Option<(f64, f64)>,
    },
}

/// Where backups could go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The directory.
    pub directory: PathBuf,
    /// The type of its filesystem.
    pub kind: String,
    /// What is free there.
    pub free: Bytes,
}

/// A path in quotes, on one line whatever is in it.
fn quoted(path: &std::path::Path) -> String {
    format!("'{}'", path.to_string_lossy().replace(char::is_control, "?"))
}
