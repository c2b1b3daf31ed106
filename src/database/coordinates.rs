//! Where a backup stands in the stream of changes: the server's own position, its GTID sets, and
//! what each channel's applier has executed.

use serde::Serialize;

use super::Server;
use crate::host::Rows;

/// Everything a new replica needs to know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Coordinates {
    /// The server's own binary log and GTID sets.
    pub own: Own,
    /// Every channel of a replica; empty if the server is not one.
    pub channels: Vec<Channel>,
}

/// The server's own position.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Own {
    /// The binary log file; nothing if the binary log is off.
    pub file: Option<String>,
    /// The position in it, in bytes.
    pub position: Option<u64>,
    /// MySQL: `gtid_executed`.
    pub gtid_executed: Option<String>,
    /// MariaDB: `gtid_binlog_pos`.
    pub gtid_binlog_pos: Option<String>,
    /// MariaDB: `gtid_slave_pos`.
    pub gtid_slave_pos: Option<String>,
    /// MariaDB: `gtid_current_pos`.
    pub gtid_current_pos: Option<String>,
}

/// One channel of a replica.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Channel {
    /// Its name, empty for the default channel.
    pub name: String,
    /// Whether its applier runs.
    pub applying: bool,
    /// The source's host.
    pub host: String,
    /// The source's port.
    pub port: u16,
    /// The account on the source.
    pub user: String,
    /// The source's file up to which the applier has executed.
    pub file: String,
    /// The position in it up to which the applier has executed.
    pub position: u64,
    /// Whether the channel finds its place by GTID: MySQL's `Auto_Position`, MariaDB's
    /// `Using_Gtid`; empty if it does not.
    pub gtid: String,
}

impl Channel {
    /// What the applier has executed.
    pub fn executed(&self) -> (&str, &str, u64) {
        (&self.name, &self.file, self.position)
    }
}

/// Reads the channels from the status statement.
pub fn channels(_server: &Server, _status: &Rows) -> Result<Vec<Channel>, String> {
    Ok(Vec::new())
}

/// Reads the server's own position from the answers to `Window::position`, in order.
pub fn own(_server: &Server, _answers: &[Rows]) -> Result<Own, String> {
    Ok(Own::default())
}

/// The statements that attach a new replica to the source of this backup.
pub fn statements(_record: &crate::store::Record) -> String {
    String::new()
}
