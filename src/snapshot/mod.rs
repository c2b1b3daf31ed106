//! Snapshot providers: functions from what was looked up to commands. None of them acts.

pub mod lvm;
pub mod thick;
