//! Replication as the status statement tells it: which channels there are and which appliers run.

use crate::host::Rows;

/// Whether a channel's applier runs, by the rows of the status statement. `Connecting` is a word
/// of the receiver only.
pub fn applier_runs(status: &Rows, channel: &str) -> bool {
    (0..status.rows.len()).any(|row| name(status, row) == channel && runs(status, row))
}

/// Whether the applier of a row runs.
pub fn runs(status: &Rows, row: usize) -> bool {
    either(status, row, "Replica_SQL_Running", "Slave_SQL_Running") == Some("Yes")
}

/// The channel's name in a row: MySQL calls it `Channel_Name`, MariaDB `Connection_name`.
pub fn name(status: &Rows, row: usize) -> &str {
    either(status, row, "Channel_Name", "Connection_name").unwrap_or_default()
}

/// A column under the name of MySQL since 8.0.22, or under that of MariaDB and older MySQL.
pub fn either<'a>(status: &'a Rows, row: usize, new: &str, old: &str) -> Option<&'a str> {
    status.get(row, new).or_else(|| status.get(row, old))
}
