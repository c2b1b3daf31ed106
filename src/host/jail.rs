//! A jail: a process tree with mounts, processes, shared memory and network of its own, in which a
//! private server sees a copy of the files at the very paths at which production has them.
//!
//! Only what the two sides have to agree on. What goes in is decided by whoever plans it; the walls
//! are built by `linux::jail`, which runs as the long command of the host.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The hidden command that builds the walls; its only argument is the [`Jail`] as JSON.
pub const COMMAND: &str = "jail";

/// A directory of the jail that belongs to the server.
pub const HOME: &str = "/run/holdstill";
/// Where the server listens, inside.
pub const SOCKET: &str = "/run/holdstill/drill.sock";

/// Said first, once: the process behind it sees what the jail sees.
pub const BUILT: &str = "@jail ";
/// Said when the server's process begins, with the monotonic clock in nanoseconds.
pub const BEGUN: &str = "@begun ";
/// Said when the server's process is over, and how. All other lines are the server's.
pub const OVER: &str = "@over ";

/// The walls, and who lives in them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jail {
    /// The trees that are seen, in the order of the volumes.
    pub layers: Vec<Layer>,
    /// What of them is seen where, outer directories before inner ones.
    pub covers: Vec<Cover>,
    /// A directory that stands for `/tmp` and `/var/tmp`.
    pub scratch: PathBuf,
    /// The data directory, as it is seen inside: the server runs as its owner.
    pub datadir: PathBuf,
    /// The server's program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
}

/// A tree that may be written to; but for one that is kept, without its original being changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "layer", rename_all = "kebab-case")]
pub enum Layer {
    /// Overlayfs: what is changed goes into another directory.
    Overlay {
        /// The original, never written to.
        lower: PathBuf,
        /// What is changed.
        upper: PathBuf,
        /// The kernel's own, on the same filesystem as `upper`.
        work: PathBuf,
        /// Where both are seen as one.
        merged: PathBuf,
    },
    /// A copy, which is thrown away.
    Copy {
        /// Where it is.
        merged: PathBuf,
    },
    /// A directory itself: what the server writes stays, and its top is as it is.
    Kept {
        /// Where it is.
        merged: PathBuf,
    },
}

/// A part of a layer, and the path of production's that it covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cover {
    /// Which layer.
    pub layer: usize,
    /// Relative to the layer; empty for all of it.
    pub inside: PathBuf,
    /// The path that is covered.
    pub at: PathBuf,
}

impl Layer {
    /// Where it is seen as one tree.
    pub fn merged(&self) -> &PathBuf {
        let (Self::Overlay { merged, .. } | Self::Copy { merged } | Self::Kept { merged }) = self;
        merged
    }
}
