//! Copy engines: functions from a plan's facts to commands, and readers of what they print.

pub mod rsync;
