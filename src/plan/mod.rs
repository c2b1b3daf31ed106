//! The plan: everything a run will do, decided before its first effect.
//!
//! [`make::plan`] looks and returns a [`Plan`], or refuses. A plan is immutable data: names,
//! commands, statements, limits, and the claims, which are all the run may leave behind.
//! Deliberately absent: acting. A plan holds no host.

mod acts;
mod aspect;
mod assemble;
pub mod audit;
mod destination;
mod freeze;
pub mod make;
mod note;
mod refusal;
mod replication;
mod server;
mod source;
mod space;
mod statements;
mod take;
#[cfg(test)]
mod tests;
mod tools;
mod unchanged;
mod unlocked;

use std::path::PathBuf;

pub use acts::Step;
pub use aspect::{Aspect, explained, explanation};
pub use note::{Note, Verdict};
pub use refusal::Refusal;
pub(crate) use source::mount_of;
pub use statements::{Patience, Policy};
pub use tools::Asking;
pub(crate) use tools::{machine, program};

use crate::claim::Claim;
use crate::database::Server;
use crate::database::coordinates::Channel;
use crate::database::dialect::LockKind;
use crate::database::opening::Opening;
use crate::digest::Digest;
use crate::host::{
    Brim, Cmd, Guard, Login, Machine, Moment, MountOrder, Point, Priority, Shell, Sql,
};
use crate::snapshot::Kind;
use crate::snapshot::lvm::Name;
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
    /// What another server needs to open its files.
    pub opening: Opening,
    /// The ledger's file.
    pub ledger: PathBuf,
    /// All that the run may leave behind, in scope order.
    pub claims: Vec<Claim>,
    /// What the lock session is told before it asks for the lock.
    pub session: Vec<Sql>,
    /// What is done about long statements before anything is stopped.
    pub patience: Patience,
    /// The replica's part; nothing if the server is not a replica.
    pub replica: Option<Replica>,
    /// While writes are stopped.
    pub window: Window,
    /// The shell of lvm that takes the orders; nothing if no volume's snapshot is ordered.
    pub shell: Option<Shell>,
    /// The thin pools that the copy must not fill.
    pub brims: Vec<Brim>,
    /// The volumes that are copied, each with its snapshot; the data directory is on the first.
    pub sources: Vec<Source>,
    /// Reports the volumes, as JSON.
    pub report: Cmd,
    /// The tag of everything that the run makes.
    pub tag: String,
    /// The data directory, relative to the first filesystem's root; empty if it is the root.
    pub datadir: PathBuf,
    /// How much of the machine the copy may take.
    pub copy_priority: Priority,
    /// How much the copy is expected to read.
    pub copy_bytes: Bytes,
    /// What becomes of files that did not change; nothing if all are copied.
    pub linking: Option<Linking>,
    /// Where the backup goes.
    pub publish: Publish,
    /// The programs' own versions, for `backup.json`.
    pub tools: Tools,
}

/// What becomes of files that did not change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Linking {
    /// How far off the clock is at most; nothing where nothing keeps it right.
    pub clock_ms_max: Option<Millis>,
    /// The backup that they are linked to; nothing if everything is copied.
    pub base: Option<Base>,
    /// Why everything is copied, if there is an earlier backup.
    pub why_not: Option<String>,
}

/// An earlier backup that files are linked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// Its run.
    pub run: String,
    /// Its directory.
    pub path: PathBuf,
    /// The sum of its manifest.
    pub manifest: Digest,
    /// What was written then or later is copied: the time of a file tells nothing there.
    pub until: Moment,
    /// Where it is noted that it is not what it should be.
    pub state_dir: PathBuf,
}

/// The links of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Links {
    /// Where the list of the files is while they are linked.
    pub list: PathBuf,
    /// What it may name, relative to the mounted snapshot.
    pub names: Vec<String>,
    /// rsync, which links what did not change and copies the rest of the list.
    pub cmd: Cmd,
}

/// What is done to a replica around the window.
#[derive(Clone, Debug)]
pub struct Replica {
    /// Tells every channel's state: `SHOW REPLICA STATUS` or its dialect.
    pub status: String,
    /// Stops the appliers that run, one statement a channel.
    pub stop: Vec<Sql>,
    /// When they are started again.
    pub resume: Resume,
}

/// When the appliers that were stopped are started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resume {
    /// As soon as the snapshot is taken.
    #[default]
    AfterWindow,
    /// When it is copied: the server writes less meanwhile.
    AfterCopy,
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
    /// How writes are stopped.
    pub kind: LockKind,
    /// Takes the lock; nothing where nothing is locked.
    pub lock: Option<Sql>,
    /// When the lock is asked for.
    pub when: When,
    /// How often the lock is asked for before the run gives up.
    pub tries_max: u32,
    /// What passes between two tries.
    pub pause: Millis,
    /// Makes InnoDB write its log out, so that every commit the positions count is in the files.
    pub write_logs: Sql,
    /// Tells the server's own position and GTID sets, asked under the lock.
    pub position: Vec<String>,
    /// The mount points to freeze, if the freeze is explicit.
    pub freeze: Vec<PathBuf>,
    /// How long each question under the lock may take.
    pub ask_ms_max: Millis,
}

/// When the lock is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// When lvm has prepared the snapshot and is held just before it suspends the origin.
    Late,
    /// Before the snapshot is ordered.
    First,
}

/// A volume that is copied, and its snapshot.
#[derive(Clone, Debug)]
pub struct Source {
    /// Where it is mounted.
    pub mount: PathBuf,
    /// Its filesystem.
    pub filesystem: String,
    /// Its volume group.
    pub vg: String,
    /// Its logical volume.
    pub lv: String,
    /// The snapshot's logical volume.
    pub snapshot: String,
    /// Its kind.
    pub kind: Kind,
    /// How the snapshot is taken.
    pub take: Take,
    /// How the snapshot is mounted.
    pub view: MountOrder,
    /// What is linked first; nothing if everything is copied.
    pub links: Option<Links>,
    /// The copy: rsync from the mounted snapshot into the partial backup.
    pub copy: Cmd,
    /// What a thick snapshot keeps what changes in; a thin one has its pool.
    pub store: Option<Store>,
    /// The directory of its files in the backup.
    pub tree: String,
}

/// The COW store of a thick snapshot, and how far it may grow while it is copied from.
#[derive(Clone, Debug)]
pub struct Store {
    /// The snapshot's name in device-mapper.
    pub device: String,
    /// How full it may get, in percent, before it is extended.
    pub percent_extend: u64,
    /// How full it may get, in percent, before the copy is given up.
    pub percent_stop: u64,
    /// By how much it is extended at a time.
    pub step: Bytes,
    /// How large it may become.
    pub size_max: Bytes,
    /// Reports its group, as JSON.
    pub group: Cmd,
    /// Extends it; the size is still to be added.
    pub extend: Cmd,
    /// The devices that lvm suspends for that, and what lets each go on.
    pub resume: [(String, Cmd); 4],
}

/// How a snapshot is taken.
#[derive(Clone, Debug)]
pub enum Take {
    /// By one command that is run to its end while writes are stopped.
    Whole(Cmd),
    /// By an order to a shell of lvm; the window closes when its point has passed.
    Ordered {
        /// Makes the COW store before the window; a thin snapshot has none.
        store: Vec<Cmd>,
        /// The order.
        order: String,
        /// Where its point is seen.
        point: Point,
    },
}

/// Where the backup goes.
#[derive(Clone, Debug)]
pub struct Publish {
    /// The configured directory.
    pub directory: PathBuf,
    /// The mount point of its filesystem, and the number of the device there, as `major:minor`.
    pub mount: (PathBuf, String),
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
    /// The acts of a run in which nothing goes wrong, in order, each with what undoes it.
    pub fn steps(&self) -> Vec<Step> {
        acts::steps(self)
    }

    /// The same acts, as the log will show them.
    pub fn acts(&self) -> Vec<String> {
        self.steps().into_iter().map(|step| step.act).collect()
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

    /// When the server goes on as before; without a replica's part, when the snapshot is taken.
    pub fn resume(&self) -> Resume {
        self.replica.as_ref().map(|replica| replica.resume).unwrap_or_default()
    }

    /// Whether the run stops this channel's applier, and therefore starts it again.
    pub fn restarts_channel(&self, channel: &Channel) -> bool {
        self.claims.iter().any(|claim| match claim {
            Claim::Replication { start, .. } => start.iter().any(|one| one.channel == channel.name),
            _ => false,
        })
    }

    /// The earlier backup that files are linked to, if any is.
    pub fn base(&self) -> Option<&Base> {
        self.linking.as_ref().and_then(|linking| linking.base.as_ref())
    }

    /// The commands that remove the snapshots, in the order of settling.
    pub fn removals(&self) -> Vec<&Cmd> {
        let claims = self.claims.iter().rev();
        claims
            .filter_map(|claim| match claim {
                Claim::Snapshot { remove, .. } => Some(remove),
                _ => None,
            })
            .collect()
    }
}

impl Source {
    /// Its snapshot's name.
    pub fn snapshot_name(&self) -> Name {
        Name::new(&self.vg, &self.snapshot)
    }

    /// Where its snapshot point is seen; nothing where the command is run to its end.
    pub fn point(&self) -> Option<&Point> {
        match &self.take {
            Take::Whole(_) => None,
            Take::Ordered { point, .. } => Some(point),
        }
    }
}
