//! Snapshot providers: functions from what was looked up to commands. None of them acts.

pub mod command;
pub mod lvm;
pub mod thick;
pub mod thin;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kinds of snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// With a COW store of its own.
    Thick,
    /// In the pool of its origin.
    Thin,
}
