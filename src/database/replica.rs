//! The dialects of replication: telling, stopping and starting the appliers of each channel.

use crate::host::Rows;

/// Whether a channel's applier runs, by the rows of the status statement. `Connecting` is a word
/// of the receiver only.
pub fn applier_runs(status: &Rows, channel: &str) -> bool {
    (0..status.rows.len()).any(|row| {
        name(status, row) == channel
            && ["Replica_SQL_Running", "Slave_SQL_Running"]
                .iter()
                .any(|column| status.get(row, column) == Some("Yes"))
    })
}

/// The channel's name in a row: MySQL calls it `Channel_Name`, MariaDB `Connection_name`.
pub fn name(status: &Rows, row: usize) -> &str {
    ["Channel_Name", "Connection_name"]
        .iter()
        .find_map(|column| status.get(row, column))
        .unwrap_or_default()
}
