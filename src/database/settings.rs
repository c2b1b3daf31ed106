//! The server's variables that a plan depends on, asked for in one statement. A variable that a
//! version does not have is simply not in the answer.

use std::collections::BTreeMap;

use crate::host::Rows;

/// The variables, alphabetically.
const NAMES: [&str; 23] = [
    "aria_log_dir_path",
    "datadir",
    "innodb_data_file_path",
    "innodb_data_home_dir",
    "innodb_doublewrite_dir",
    "innodb_flush_log_at_trx_commit",
    "innodb_log_group_home_dir",
    "innodb_temp_data_file_path",
    "innodb_tmpdir",
    "innodb_undo_directory",
    "log_bin_basename",
    "pid_file",
    "relay_log_basename",
    "replica_parallel_workers",
    "replica_preserve_commit_order",
    "rocksdb_datadir",
    "rocksdb_wal_dir",
    "slave_parallel_workers",
    "slave_preserve_commit_order",
    "tmpdir",
    "tokudb_data_dir",
    "tokudb_log_dir",
    "wsrep_on",
];

/// The variables and their values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<String, String>);

/// Asks for all of them.
pub fn question() -> String {
    let names: Vec<_> = NAMES.iter().map(|name| format!("'{name}'")).collect();
    format!("SHOW GLOBAL VARIABLES WHERE Variable_name IN ({})", names.join(", "))
}

/// How many temporary tables the appliers hold open; MySQL has it under both names.
pub const OPEN_TEMPORARY_TABLES: &str = "SHOW GLOBAL STATUS WHERE Variable_name IN \
                                         ('Replica_open_temp_tables', 'Slave_open_temp_tables')";

/// Why an answer to [`OPEN_TEMPORARY_TABLES`] forbids a backup, if it does: a temporary table of
/// an applier is in no file that a restored server would read.
pub fn open_temporary_tables(rows: &Rows) -> Result<(), String> {
    let counts = Settings::read(rows);
    match counts.number(&["replica_open_temp_tables", "slave_open_temp_tables"]) {
        None | Some(0) => Ok(()),
        Some(open) => {
            Err(format!("the applier holds {open} temporary tables open, which no backup contains"))
        }
    }
}

impl Settings {
    /// Reads rows of names and values.
    pub fn read(rows: &Rows) -> Self {
        let pair = |row: &Vec<Option<String>>| {
            let name = row.first()?.as_ref()?.to_ascii_lowercase();
            Some((name, row.get(1)?.clone().unwrap_or_default()))
        };
        Self(rows.rows.iter().filter_map(pair).collect())
    }

    /// A variable's value, if it has one and it is not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether a variable is on.
    pub fn is_on(&self, name: &str) -> bool {
        matches!(self.get(name), Some("ON" | "1" | "YES"))
    }

    /// The first of these variables that is a number.
    pub fn number(&self, names: &[&str]) -> Option<u64> {
        names.iter().find_map(|name| self.get(name)?.parse().ok())
    }
}
