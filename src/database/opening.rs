//! What a server has to be told to open the files of another one: the variables that its files were
//! made by or are found by, and the plugins that read them. Kept with a backup, since it may be all
//! that is left of the server.
//!
//! Deliberately absent: secrets. A key file's path is no secret; a key that stands in a variable
//! is.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::settings::Settings;
use crate::host::Rows;

/// The variables, alphabetically. A variable that a version does not have is not in the answer.
const NAMES: [&str; 40] = [
    "aria_log_dir_path",
    "aria_log_file_size",
    "basedir",
    "character_sets_dir",
    "enforce_gtid_consistency",
    "file_key_management_digest",
    "file_key_management_encryption_algorithm",
    "file_key_management_filekey",
    "file_key_management_filename",
    "gtid_domain_id",
    "gtid_mode",
    "innodb_checksum_algorithm",
    "innodb_data_file_path",
    "innodb_data_home_dir",
    "innodb_directories",
    "innodb_doublewrite_dir",
    "innodb_log_file_size",
    "innodb_log_files_in_group",
    "innodb_log_group_home_dir",
    "innodb_page_size",
    "innodb_redo_log_capacity",
    "innodb_undo_directory",
    "innodb_undo_tablespaces",
    "keyring_file_data",
    "lc_messages_dir",
    "log_bin",
    "log_bin_basename",
    "log_bin_index",
    "lower_case_table_names",
    "plugin_dir",
    "plugin_maturity",
    "relay_log_basename",
    "relay_log_index",
    "relay_log_info_file",
    "relay_log_recovery",
    "rocksdb_datadir",
    "rocksdb_wal_dir",
    "server_id",
    "tokudb_data_dir",
    "tokudb_log_dir",
];

/// The variable that may hold a key itself, unless it says that a file does.
const MAY_BE_A_KEY: &str = "file_key_management_filekey";
const IN_A_FILE: &str = "FILE:";

/// Asks for the plugins that read what is in the files, and are not part of the server.
pub const LIBRARIES: &str = "SELECT DISTINCT PLUGIN_LIBRARY AS plugin_file, \
     PLUGIN_TYPE AS plugin_kind \
     FROM information_schema.PLUGINS \
     WHERE PLUGIN_LIBRARY IS NOT NULL AND PLUGIN_STATUS = 'ACTIVE' \
     AND PLUGIN_TYPE IN ('STORAGE ENGINE', 'ENCRYPTION', 'KEYRING', 'FTPARSER', 'DATA TYPE') \
     ORDER BY plugin_file, plugin_kind";

/// What another server needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Opening {
    /// The variables with their values, those alone that have one.
    pub variables: BTreeMap<String, String>,
    /// The plugins' files, relative to the plugin directory, each with what it is.
    pub libraries: Vec<Library>,
}

/// A plugin that is not part of the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Library {
    /// Its file, without the ending where the server leaves that out.
    pub file: String,
    /// What it is, as the server says it.
    pub kind: String,
}

/// Asks for all of the variables.
pub fn question() -> String {
    let names: Vec<_> = NAMES.iter().map(|name| format!("'{name}'")).collect();
    format!("SHOW GLOBAL VARIABLES WHERE Variable_name IN ({})", names.join(", "))
}

impl Opening {
    /// Reads the two answers.
    pub fn read(variables: &Rows, libraries: &Rows) -> Self {
        let settings = Settings::read(variables);
        let known = NAMES.iter().filter_map(|name| Some((*name, settings.get(name)?)));
        let told = known.filter(|(name, value)| {
            *name != MAY_BE_A_KEY || value.to_ascii_uppercase().starts_with(IN_A_FILE)
        });
        let library = |row: usize| {
            let word = |column| libraries.get(row, column).map(String::from);
            Some(Library { file: word("plugin_file")?, kind: word("plugin_kind")? })
        };
        Self {
            variables: told.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            libraries: (0..libraries.rows.len()).filter_map(library).collect(),
        }
    }

    /// A variable's value, if it has one.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether a variable is on.
    pub fn is_on(&self, name: &str) -> bool {
        matches!(self.get(name), Some("ON" | "1" | "YES"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(columns: [&str; 2], pairs: &[(&str, &str)]) -> Rows {
        let row = |(name, value): &(&str, &str)| vec![Some((*name).into()), Some((*value).into())];
        Rows { columns: columns.map(String::from).into(), rows: pairs.iter().map(row).collect() }
    }

    #[test]
    fn what_opens_the_files_is_kept_and_no_key() {
        let read = |key| {
            let variables = [("innodb_page_size", "16384"), ("socket", "/s"), (MAY_BE_A_KEY, key)];
            let variables = rows(["Variable_name", "Value"], &variables);
            let libraries =
                rows(["plugin_file", "plugin_kind"], &[("ha_rocksdb.so", "STORAGE ENGINE")]);
            Opening::read(&variables, &libraries)
        };
        let opening = read("secret");
        assert_eq!(opening.variables.len(), 1, "{opening:?}");
        assert_eq!(opening.get("innodb_page_size"), Some("16384"));
        assert_eq!(opening.libraries[0].file, "ha_rocksdb.so");
        assert_eq!(read("FILE:/etc/mysql/key").get(MAY_BE_A_KEY), Some("FILE:/etc/mysql/key"));
    }

    #[test]
    fn names_are_in_order_and_there_once() {
        assert!(NAMES.is_sorted_by(|a, b| a < b));
    }
}
