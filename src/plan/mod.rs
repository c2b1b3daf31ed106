//! The plan: everything a run will do, decided before its first effect.
//!
//! [`make::plan`] looks and returns a [`Plan`], or refuses. A plan is immutable data: names,
//! commands, statements, limits, and the claims, which are all the run may leave behind.
//! Deliberately absent: acting. A plan holds no host.

mod acts;
mod assemble;
mod destination;
mod freeze;
pub mod make;
mod note;
mod refusal;
mod replication;
mod server;
mod source;
mod space;
#[cfg(test)]
mod tests;
mod tools;

use std::path::PathBuf;

pub use note::{Note, Verdict};
pub use refusal::Refusal;

use crate::claim::Claim;
use crate::database::Server;
use crate::database::coordinates::Channel;
use crate::host::{Act, Cmd, Guard, Login, Machine, MountOrder, Sql};
use crate::units::{Bytes, Millis};

/// One backup, decided.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The run's id: UTC time and a random part; every name of the run contains it.
    pub run: String,
    /// Where the run takes place.
    pub machine: Machine,
    /// How the server is reached.
    pub login: Login,
    /// The server.
    pub server: Server,
    /// What was looked at, in the audit's words.
    pub notes: Vec<Note>,
    /// The ledger's file.
    pub ledger: PathBuf,
    /// All that the run may leave behind, in scope order.
    pub claims: Vec<Claim>,
    /// What the lock session is told before it asks for the lock.
    pub session: Vec<Sql>,
    /// The replica's part; nothing if the server is not a replica.
    pub replica: Option<Replica>,
    /// While writes are stopped.
    pub window: Window,
    /// The volume that is copied, and its snapshot.
    pub source: Source,
    /// How the snapshot is mounted.
    pub mount: MountOrder,
    /// The copy: rsync from the mounted snapshot into the partial backup.
    pub copy: Cmd,
    /// How much the copy is expected to read.
    pub copy_bytes: Bytes,
    /// Where the backup goes.
    pub publish: Publish,
    /// The programs' own versions, for `backup.json`.
    pub tools: Tools,
}

/// What is done to a replica around the window.
#[derive(Clone, Debug)]
pub struct Replica {
    /// Tells every channel's state: `SHOW REPLICA STATUS` or its dialect.
    pub status: String,
    /// Stops the appliers that run, one statement a channel.
    pub stop: Vec<Sql>,
}

/// While writes are stopped. Nothing in it is formatted or allocated there.
#[derive(Clone, Debug)]
pub struct Window {
    /// The dead-man's order.
    pub guard: Guard,
    /// How long the window may be open without the lock; the dead-man ends it then.
    pub wait_ms_max: Millis,
    /// How long the window may be open with the lock; the dead-man ends it then.
    pub hold_ms_max: Millis,
    /// Takes the lock.
    pub lock: Sql,
    /// Makes InnoDB write its log out, so that every commit the positions count is in the files.
    pub write_logs: Sql,
    /// Tells the server's own position and GTID sets, asked under the lock.
    pub position: Vec<String>,
    /// The mount point to freeze, if the freeze is explicit.
    pub freeze: Option<PathBuf>,
    /// Takes the snapshot.
    pub snapshot: Cmd,
    /// How long each question under the lock may take.
    pub ask_ms_max: Millis,
}

/// The volume that is copied, and its snapshot.
#[derive(Clone, Debug)]
pub struct Source {
    /// Where the source is mounted.
    pub mount: PathBuf,
    /// Its filesystem.
    pub filesystem: String,
    /// Its volume group.
    pub vg: String,
    /// Its logical volume.
    pub lv: String,
    /// The snapshot's logical volume.
    pub snapshot: String,
    /// The run's tag.
    pub tag: String,
    /// Reports the volumes, as JSON.
    pub report: Cmd,
    /// The data directory, relative to the filesystem's root; empty if it is the root.
    pub datadir: PathBuf,
}

/// Where the backup goes.
#[derive(Clone, Debug)]
pub struct Publish {
    /// The configured directory.
    pub directory: PathBuf,
    /// The backup's directory while it is not published.
    pub partial: PathBuf,
    /// Its published name.
    pub published: PathBuf,
}

/// Versions of the programs that took part.
#[derive(Clone, Debug)]
pub struct Tools {
    /// `lvm version`, its first line's number.
    pub lvm: String,
    /// `rsync --version`, its number.
    pub rsync: String,
}

impl Plan {
    /// The acts of a run in which nothing goes wrong, in order, as the audit prints them.
    pub fn acts(&self) -> Vec<String> {
        acts::acts(self)
    }

    /// The lock statement as an act.
    pub fn lock(&self) -> Act {
        Act::Sql(self.window.lock.clone())
    }

    /// The statement that releases the lock.
    pub fn unlock(&self) -> Option<&Sql> {
        self.claims.iter().find_map(|claim| match claim {
            Claim::Locked { unlock } => Some(unlock),
            _ => None,
        })
    }

    /// The statements that start the appliers again, with their deadlines.
    pub fn restarts(&self) -> Vec<(&str, Millis)> {
        let of = |claim| match claim {
            &Claim::Replication { ref start, ms_max, .. } => {
                start.iter().map(|one| (one.start.as_str(), ms_max)).collect()
            }
            _ => Vec::new(),
        };
        self.claims.iter().flat_map(of).collect()
    }

    /// Whether the run stops this channel's applier, and therefore starts it again.
    pub fn restarts_channel(&self, channel: &Channel) -> bool {
        self.claims.iter().any(|claim| match claim {
            Claim::Replication { start, .. } => start.iter().any(|one| one.channel == channel.name),
            _ => false,
        })
    }

    /// The command that removes the snapshot.
    pub fn removal(&self) -> Option<&Cmd> {
        self.claims.iter().find_map(|claim| match claim {
            Claim::Snapshot { remove, .. } => Some(remove),
            _ => None,
        })
    }
}
