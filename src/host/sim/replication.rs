//! What the simulated server understands of replication: both dialects of stopping, starting and
//! telling an applier's state.

use super::server::Channel;
use crate::database::Flavour;
use crate::host::{Fault, Rows};

/// The columns as MySQL names them from 8.0.22 on.
const MYSQL: [&str; 15] = [
    "Channel_Name",
    "Replica_IO_Running",
    "Replica_SQL_Running",
    "Source_Host",
    "Source_Port",
    "Source_User",
    "Source_Log_File",
    "Read_Source_Log_Pos",
    "Relay_Source_Log_File",
    "Exec_Source_Log_Pos",
    "Auto_Position",
    "Last_SQL_Errno",
    "Last_SQL_Error",
    "Retrieved_Gtid_Set",
    "Until_Condition",
];

/// The columns as MariaDB names them.
const MARIADB: [&str; 15] = [
    "Connection_name",
    "Slave_IO_Running",
    "Slave_SQL_Running",
    "Master_Host",
    "Master_Port",
    "Master_User",
    "Master_Log_File",
    "Read_Master_Log_Pos",
    "Relay_Master_Log_File",
    "Exec_Master_Log_Pos",
    "Using_Gtid",
    "Last_SQL_Errno",
    "Last_SQL_Error",
    "Gtid_IO_Pos",
    "Until_Condition",
];

/// Whether a statement tells the channels' states.
pub(super) fn is_status(text: &str) -> bool {
    matches!(text, "SHOW REPLICA STATUS" | "SHOW ALL SLAVES STATUS" | "SHOW ALL REPLICAS STATUS")
}

/// One row a channel.
pub(super) fn status(channels: &[Channel], flavour: Flavour) -> Rows {
    let (columns, gtid) = match flavour {
        Flavour::MySql => (MYSQL, "0"),
        Flavour::MariaDb => (MARIADB, "No"),
    };
    Rows {
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        rows: channels.iter().map(|channel| row(channel, gtid)).collect(),
    }
}

fn row(channel: &Channel, gtid: &str) -> Vec<Option<String>> {
    let applies = if channel.applies { "Yes" } else { "No" };
    let (received, executed) = (channel.received.to_string(), channel.executed.to_string());
    let file = "source-bin.000007";
    [
        channel.name.as_str(),
        "Yes",
        applies,
        "source.example",
        "3306",
        "repl",
        file,
        &received,
        file,
        &executed,
        gtid,
        "0",
        "",
        "",
    ]
    .map(|value| Some(value.to_owned()))
    .to_vec()
}

/// Stops or starts one applier, or every applier if no channel is named:
/// `STOP REPLICA SQL_THREAD FOR CHANNEL 'a'`, `START SLAVE 'a' SQL_THREAD`.
pub(super) fn execute(channels: &mut [Channel], text: &str) -> Result<(), Fault> {
    let words: Vec<&str> = text.split(' ').collect();
    let (verb, name) = match words.as_slice() {
        [verb, "REPLICA" | "SLAVE", "SQL_THREAD"] => (verb, None),
        [verb, "REPLICA", "SQL_THREAD", "FOR", "CHANNEL", name]
        | [verb, "SLAVE" | "REPLICA", name, "SQL_THREAD"] => (verb, Some(name.trim_matches('\''))),
        _ => panic!("the simulated server does not understand '{text}'"),
    };
    let applies = match *verb {
        "STOP" => false,
        "START" => true,
        _ => panic!("the simulated server does not understand '{text}'"),
    };
    let named: Vec<_> =
        channels.iter_mut().filter(|one| name.is_none_or(|name| name == one.name)).collect();
    if named.is_empty() {
        return Err(Fault::refused(format!("there is no channel for '{text}'")));
    }
    for channel in named {
        channel.applies = applies;
    }
    Ok(())
}
