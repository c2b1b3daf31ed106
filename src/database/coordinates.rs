//! Where a backup stands in the stream of changes: the server's own position, its GTID sets, and
//! what each channel's applier has executed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::replica::{either, name, runs};
use super::{Flavour, Server};
use crate::host::Rows;

/// Everything a new replica needs to know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Coordinates {
    /// The server's own binary log and GTID sets.
    pub own: Own,
    /// Every channel of a replica; empty if the server is not one.
    pub channels: Vec<Channel>,
}

/// The server's own position.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Channel {
    /// Its name, empty for the default channel.
    pub name: String,
    /// Whether its applier runs.
    pub applying: bool,
    /// Whether its receiver runs: `Yes`, `No`, or on its way to the source.
    pub receiving: String,
    /// Up to where the applier is to run; `None` if it is to run on.
    pub until: String,
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
    /// The number of the error that stopped the applier, 0 if none did.
    pub errno: u64,
    /// What the receiver had fetched: how far behind the backup is, never where to go on.
    pub received: Received,
}

/// What a channel's receiver has fetched, applied or not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Received {
    /// The source's file.
    pub file: String,
    /// The position in it.
    pub position: u64,
    /// MySQL: `Retrieved_Gtid_Set`, MariaDB: `Gtid_IO_Pos`; empty if there is none.
    pub gtid: String,
}

impl Channel {
    /// What the applier has executed.
    pub fn executed(&self) -> (&str, &str, u64) {
        (&self.name, &self.file, self.position)
    }
}

/// Reads the channels from the status statement: the executed pair, `Relay_Source_Log_File` and
/// `Exec_Source_Log_Pos`. The pair `Source_Log_File` and `Read_Source_Log_Pos` beside it is the
/// receiver's, and a replica that went on from there would miss what was not applied yet.
pub fn channels(server: &Server, status: &Rows) -> Result<Vec<Channel>, String> {
    (0..status.rows.len()).map(|row| channel(server, status, row)).collect()
}

/// How many seconds a channel is behind its source, as the server tells; nothing if it does not.
pub fn lag(status: &Rows, row: usize) -> Option<u64> {
    either(status, row, "Seconds_Behind_Source", "Seconds_Behind_Master")?.parse().ok()
}

fn channel(server: &Server, status: &Rows, row: usize) -> Result<Channel, String> {
    let text = |new: &str, old: &str| -> Result<String, String> {
        let found = either(status, row, new, old);
        // A NULL is an answer, a missing column is not.
        let known = [new, old].iter().any(|name| has(status, name));
        found.map(String::from).or_else(|| known.then(String::new)).ok_or_else(|| {
            format!("expected the column '{new}' or '{old}' in the replication status of {server}")
        })
    };
    let number = |new: &str, old: &str| -> Result<u64, String> {
        let found = text(new, old)?;
        let wrong = || format!("expected a number in '{old}', found '{found}'");
        if found.is_empty() { Ok(0) } else { found.parse().map_err(|_| wrong()) }
    };
    let port = number("Source_Port", "Master_Port")?;
    Ok(Channel {
        name: name(status, row).to_owned(),
        applying: runs(status, row),
        receiving: text("Replica_IO_Running", "Slave_IO_Running")?,
        until: text("Until_Condition", "Until_Condition")?,
        host: text("Source_Host", "Master_Host")?,
        port: u16::try_from(port).map_err(|_| format!("expected a port, found '{port}'"))?,
        user: text("Source_User", "Master_User")?,
        file: text("Relay_Source_Log_File", "Relay_Master_Log_File")?,
        position: number("Exec_Source_Log_Pos", "Exec_Master_Log_Pos")?,
        gtid: by_gtid(server, status, row),
        errno: number("Last_SQL_Errno", "Last_Errno")?,
        received: Received {
            file: text("Source_Log_File", "Master_Log_File")?,
            position: number("Read_Source_Log_Pos", "Read_Master_Log_Pos")?,
            gtid: text("Retrieved_Gtid_Set", "Gtid_IO_Pos").unwrap_or_default(),
        },
    })
}

fn has(status: &Rows, column: &str) -> bool {
    status.columns.iter().any(|name| name.eq_ignore_ascii_case(column))
}

fn by_gtid(server: &Server, status: &Rows, row: usize) -> String {
    let found = match server.flavour {
        Flavour::MariaDb => status.get(row, "Using_Gtid").filter(|how| *how != "No"),
        Flavour::MySql => {
            status.get(row, "Auto_Position").filter(|how| *how == "1").map(|_| "Auto_Position")
        }
    };
    found.unwrap_or_default().to_owned()
}

/// Reads the server's own position from the answers to `Server::own_position`. No row in the answer
/// about the log means that the binary log is off.
pub fn own(server: &Server, answers: &[Rows]) -> Result<Own, String> {
    if answers.is_empty() {
        return Err(format!("expected the own position of {server}, found no answer"));
    }
    let told = |column: &str| answers.iter().find_map(|rows| rows.get(0, column));
    let set = |column: &str| told(column).map(one_line).filter(|set| !set.is_empty());
    let position = told("Position").map(|text| {
        text.parse().map_err(|_| format!("expected a position of {server}, found '{text}'"))
    });
    Ok(Own {
        file: told("File").filter(|file| !file.is_empty()).map(String::from),
        position: position.transpose()?,
        // A set of former days, when GTIDs were on, is no position of today.
        gtid_executed: set("gtid_executed").filter(|_| told("gtid_mode") != Some("OFF")),
        gtid_binlog_pos: set("gtid_binlog_pos"),
        gtid_slave_pos: set("gtid_slave_pos"),
        gtid_current_pos: set("gtid_current_pos"),
    })
}

/// MySQL breaks its GTID sets into lines.
fn one_line(set: &str) -> String {
    set.chars().filter(|letter| !letter.is_whitespace()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(pairs: &[(&str, &str)]) -> Rows {
        Rows {
            columns: pairs.iter().map(|(name, _)| (*name).to_owned()).collect(),
            rows: vec![pairs.iter().map(|(_, value)| Some((*value).to_owned())).collect()],
        }
    }

    fn mariadb() -> Server {
        Server::parse("10.11.19-MariaDB", "").expect("the version is known")
    }

    const STATUS: [(&str, &str); 14] = [
        ("Connection_name", "a"),
        ("Slave_SQL_Running", "No"),
        ("Master_Host", "h"),
        ("Master_Port", "3307"),
        ("Master_User", "u"),
        ("Master_Log_File", "bin.2"),
        ("Read_Master_Log_Pos", "9"),
        ("Relay_Master_Log_File", "bin.1"),
        ("Exec_Master_Log_Pos", "7"),
        ("Using_Gtid", "Slave_Pos"),
        ("Last_SQL_Errno", "1062"),
        ("Gtid_IO_Pos", "0-1-9"),
        ("Slave_IO_Running", "Yes"),
        ("Until_Condition", "None"),
    ];

    #[test]
    fn the_executed_pair_is_taken_and_not_the_received_one() {
        let all = channels(&mariadb(), &rows(&STATUS)).expect("the row is whole");
        assert_eq!(all[0].executed(), ("a", "bin.1", 7));
        assert_eq!((all[0].port, all[0].errno, all[0].applying), (3307, 1062, false));
        assert_eq!(all[0].gtid, "Slave_Pos");
        assert_eq!((all[0].received.file.as_str(), all[0].received.position), ("bin.2", 9));
    }

    #[test]
    fn a_missing_column_is_an_error_and_never_a_guess() {
        for lost in [2, 3, 4, 5, 6, 7, 8, 10, 12, 13] {
            let mut status = STATUS.to_vec();
            let (name, _) = status.remove(lost);
            let told = channels(&mariadb(), &rows(&status)).expect_err(name);
            assert!(told.contains(name) || told.contains("Last_Errno"), "{told}");
        }
        let told = channels(&mariadb(), &rows(&[("Master_Port", "x")])).expect_err("no port");
        assert_eq!(told, "expected a number in 'Master_Port', found 'x'");
    }

    #[test]
    fn a_server_without_binary_log_has_no_place() {
        let off = Rows { columns: vec!["File".into(), "Position".into()], rows: Vec::new() };
        let own =
            own(&mariadb(), &[off, rows(&[("gtid_slave_pos", "")])]).expect("it is an answer");
        assert_eq!(own, Own::default());
    }

    #[test]
    fn gtids_of_former_days_are_no_position() {
        let server = Server::parse("9.7.4", "").expect("the version is known");
        let answers = |mode| [rows(&[("gtid_executed", "a:1-2,\nb:1"), ("gtid_mode", mode)])];
        let read = |mode| own(&server, &answers(mode)).expect("it is an answer").gtid_executed;
        assert_eq!(read("ON").as_deref(), Some("a:1-2,b:1"));
        assert_eq!(read("OFF"), None);
    }
}
