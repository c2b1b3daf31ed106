//! Copy engines: functions from facts to commands, and readers of what they print.

pub mod restic;
pub mod rsync;
pub mod ssh;
