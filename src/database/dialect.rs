//! The statements of each version: what is the same idea is one function here.
//!
//! MySQL renamed master and slave to source and replica in 8.0.22 and 8.0.23, and dropped the old
//! words in 8.4; MariaDB understands its old words in every version, so they are used there.

use super::{Flavour, Server};
use crate::host::Sql;
use crate::units::Millis;

/// A way to stop writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// `FLUSH TABLES WITH READ LOCK`, which every version has. It closes all tables, and waits for
    /// statements that run; others wait for it meanwhile.
    FlushTables,
    /// `BACKUP STAGE` of MariaDB, made for storage snapshots: it stops commits, waits for no
    /// transaction that is open, and closes what no statement uses (MariaDB, "Backup Stages").
    BackupStage,
    /// No lock: nothing writes, because the appliers are stopped and nobody else does.
    Nothing,
}

impl LockKind {
    /// Its name in configurations and records.
    pub fn name(self) -> &'static str {
        match self {
            Self::FlushTables => "ftwrl",
            Self::BackupStage => "backup-stage",
            Self::Nothing => "none",
        }
    }

    /// What the lock session says beforehand. It stops no writes.
    pub fn prepare(self) -> Option<&'static str> {
        match self {
            Self::BackupStage => Some("BACKUP STAGE START"),
            Self::FlushTables | Self::Nothing => None,
        }
    }

    /// Takes the lock.
    pub fn lock(self) -> Option<&'static str> {
        match self {
            Self::FlushTables => Some("FLUSH TABLES WITH READ LOCK"),
            Self::BackupStage => Some("BACKUP STAGE BLOCK_COMMIT"),
            Self::Nothing => None,
        }
    }

    /// Releases it.
    pub fn unlock(self) -> Option<&'static str> {
        match self {
            Self::FlushTables => Some("UNLOCK TABLES"),
            Self::BackupStage => Some("BACKUP STAGE END"),
            Self::Nothing => None,
        }
    }
}

/// Writes InnoDB's log out and syncs it. A commit that the positions count may otherwise be in the
/// server's memory alone: with `innodb_flush_log_at_trx_commit` other than 1 by its meaning, and
/// with 1 because a commit that is in the binary log need not be synced in the redo log as well.
/// xtrabackup does the same under its lock.
pub const WRITE_LOGS: &str = "FLUSH NO_WRITE_TO_BINLOG ENGINE LOGS";

/// Asks whether a session is on this server; an account sees its own sessions.
pub fn session_seen(id: u64) -> String {
    format!("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = {id}")
}

/// How long a statement that only sets something may take.
const SET_MS_MAX: Millis = Millis(5_000);

/// How much longer than the window the idle lock session lives, in seconds.
const IDLE_MARGIN_S: u64 = 60;

/// What the lock session is told before it asks for the lock.
///
/// `lock_wait_timeout` counts whole seconds (and defaults to a year, or a day on MariaDB);
/// `wait_timeout` of the server may be shorter than the window, and would end the session and the
/// lock with it. The binary log is left as it is: nothing is written on this session.
pub fn session(wait: Millis, hold: Millis) -> Vec<Sql> {
    let idle_s = seconds(wait) + seconds(hold) + IDLE_MARGIN_S;
    [
        format!("SET SESSION lock_wait_timeout = {}", seconds(wait)),
        format!("SET SESSION wait_timeout = {idle_s}"),
    ]
    .into_iter()
    .map(|text| Sql::lock(text, SET_MS_MAX))
    .collect()
}

/// Whole seconds, rounded up.
pub fn seconds(ms: Millis) -> u64 {
    ms.0.div_ceil(1000)
}

impl Server {
    /// Whether it has MySQL's words of 8.0.23: replica, source, `CHANGE REPLICATION SOURCE TO`.
    pub fn speaks_of_replicas(&self) -> bool {
        self.flavour == Flavour::MySql && self.since(8, 0, 23)
    }

    /// Tells every channel's state.
    pub fn replica_status(&self) -> &'static str {
        match self.flavour {
            Flavour::MariaDb => "SHOW ALL SLAVES STATUS",
            Flavour::MySql if self.since(8, 0, 22) => "SHOW REPLICA STATUS",
            Flavour::MySql => "SHOW SLAVE STATUS",
        }
    }

    /// Tells the server's own position and GTID sets; read by `coordinates::own`.
    pub fn own_position(&self) -> Vec<String> {
        let gtids = match self.flavour {
            Flavour::MariaDb => {
                "SELECT @@GLOBAL.gtid_binlog_pos AS gtid_binlog_pos, \
                 @@GLOBAL.gtid_slave_pos AS gtid_slave_pos, \
                 @@GLOBAL.gtid_current_pos AS gtid_current_pos"
            }
            Flavour::MySql => {
                "SELECT @@GLOBAL.gtid_executed AS gtid_executed, @@GLOBAL.gtid_mode AS gtid_mode"
            }
        };
        vec![self.binary_log_status().to_owned(), gtids.to_owned()]
    }

    /// MySQL renamed it in 8.2 and dropped the old name in 8.4.
    fn binary_log_status(&self) -> &'static str {
        if self.flavour == Flavour::MySql && self.since(8, 2, 0) {
            "SHOW BINARY LOG STATUS"
        } else {
            "SHOW MASTER STATUS"
        }
    }

    /// Stops a channel's applier.
    pub fn stop_applier(&self, channel: &str) -> String {
        self.applier("STOP", channel)
    }

    /// Starts a channel's applier.
    pub fn start_applier(&self, channel: &str) -> String {
        self.applier("START", channel)
    }

    fn applier(&self, verb: &str, channel: &str) -> String {
        let word = self.replica_word();
        match self.flavour {
            Flavour::MariaDb => {
                format!("{verb} {word}{} SQL_THREAD", mariadb_channel(channel))
            }
            Flavour::MySql => format!("{verb} {word} SQL_THREAD{}", mysql_channel(channel)),
        }
    }

    /// What a replica is called: `REPLICA` or `SLAVE`.
    pub fn replica_word(&self) -> &'static str {
        if self.flavour == Flavour::MySql && self.since(8, 0, 22) { "REPLICA" } else { "SLAVE" }
    }
}

/// Names a channel after MySQL's statements. The default channel is named too: a statement
/// without a channel is for all of them.
pub fn mysql_channel(channel: &str) -> String {
    format!(" FOR CHANNEL {}", quoted(channel))
}

/// Names a channel after the verb of MariaDB's statements; without a name it is the default one.
pub fn mariadb_channel(channel: &str) -> String {
    if channel.is_empty() { String::new() } else { format!(" {}", quoted(channel)) }
}

/// A text as a literal: quotes and backslashes doubled, line ends and NUL as escapes, so that the
/// statement stays on one line.
pub fn quoted(text: &str) -> String {
    let mut literal = String::from("'");
    for letter in text.chars() {
        match letter {
            '\'' => literal.push_str("''"),
            '\\' => literal.push_str("\\\\"),
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            '\0' => literal.push_str("\\0"),
            _ => literal.push(letter),
        }
    }
    literal + "'"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(text: &str) -> Server {
        Server::parse(text, "").expect("the version is known")
    }

    #[test]
    fn each_version_is_asked_in_its_words() {
        let told = |text| {
            let server = server(text);
            [
                server.replica_status().to_owned(),
                server.own_position().remove(0),
                server.stop_applier(""),
                server.start_applier("o'c"),
            ]
        };
        let old = [
            "SHOW ALL SLAVES STATUS",
            "SHOW MASTER STATUS",
            "STOP SLAVE SQL_THREAD",
            "START SLAVE 'o''c' SQL_THREAD",
        ];
        assert_eq!(told("10.4.34-MariaDB"), old);
        assert_eq!(told("11.8.6-MariaDB"), old);
        let new = [
            "SHOW REPLICA STATUS",
            "SHOW BINARY LOG STATUS",
            "STOP REPLICA SQL_THREAD FOR CHANNEL ''",
            "START REPLICA SQL_THREAD FOR CHANNEL 'o''c'",
        ];
        assert_eq!(told("8.4.3"), new);
        assert_eq!(told("9.7.4-2"), new);
        assert_eq!(told("8.0.45")[1], "SHOW MASTER STATUS");
        assert_eq!(told("8.0.21")[0], "SHOW SLAVE STATUS");
    }

    #[test]
    fn literals_cannot_be_left() {
        assert_eq!(quoted(r"a'b\c"), r"'a''b\\c'");
        assert_eq!(quoted("a\nb\0"), r"'a\nb\0'");
    }

    #[test]
    fn limits_are_rounded_up_to_seconds() {
        let told: Vec<_> = session(Millis(1), Millis(30_000)).into_iter().map(|s| s.text).collect();
        let expected = ["SET SESSION lock_wait_timeout = 1", "SET SESSION wait_timeout = 91"];
        assert_eq!(told, expected);
    }
}
