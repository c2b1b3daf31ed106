//! The private server's options: those of production that its files were made by and are found by,
//! and those that keep it from doing anything but open them. Pure.
//!
//! Whatever not every version knows is 'loose': a server that does not know it goes on with a
//! warning. Deliberately absent: an account. With `--skip-grant-tables` whoever reaches the socket
//! is let in, and that is inside the jail, where only root gets.

use std::path::{Path, PathBuf};

use super::past::Past;
use crate::host::jail::{HOME, SOCKET};
use crate::units::Bytes;

/// Variables that are given again as they were.
const AS_IT_WAS: [&str; 25] = [
    "aria_log_dir_path",
    "aria_log_file_size",
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
    "innodb_log_group_home_dir",
    "innodb_page_size",
    "innodb_undo_directory",
    "keyring_file_data",
    "lower_case_table_names",
    "plugin_maturity",
    "relay_log_info_file",
    "rocksdb_datadir",
    "rocksdb_wal_dir",
    "server_id",
];

/// What every private server is told, whoever's it is.
const QUIET: [&str; 30] = [
    // Nobody is let in but us, and nothing goes out.
    "--skip-networking",
    "--skip-grant-tables",
    "--loose-mysqlx=OFF",
    "--loose-skip-ssl",
    "--skip-name-resolve",
    "--local-infile=OFF",
    // Nothing happens by itself.
    "--loose-skip-slave-start",
    "--loose-skip-replica-start",
    "--loose-event-scheduler=OFF",
    "--loose-wsrep-on=OFF",
    "--loose-feedback=OFF",
    "--read-only=ON",
    // No log is thrown away that is to be looked at.
    "--loose-expire-logs-days=0",
    "--loose-binlog-expire-logs-seconds=0",
    "--loose-max-binlog-total-size=0",
    "--loose-relay-log-purge=OFF",
    // What is damaged is told and not repaired.
    "--loose-myisam-recover-options=OFF",
    "--loose-aria-recover-options=OFF",
    // It stays small, and takes nothing that the machine has only so much of.
    "--max-connections=10",
    "--loose-performance-schema=OFF",
    "--loose-innodb-buffer-pool-load-at-startup=OFF",
    "--loose-innodb-buffer-pool-dump-at-shutdown=OFF",
    "--loose-innodb-use-native-aio=OFF",
    "--loose-large-pages=OFF",
    // What it writes is thrown away, so it need not be on stable storage.
    "--loose-innodb-flush-log-at-trx-commit=0",
    "--loose-innodb-flush-method=fsync",
    "--loose-sync-binlog=0",
    // How recovery goes on is told.
    "--loose-log-error-verbosity=3",
    "--loose-log-warnings=2",
    "--loose-innodb-temp-data-file-path=ibtmp1:12M:autoextend",
];

/// What of the logs is in the backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Logs {
    /// The server's own binary log: InnoDB's recovery asks it which transactions were committed.
    pub(super) binary: bool,
    /// The relay logs, without which an applier's position is not told.
    pub(super) relay: bool,
}

/// All options, in the order in which they are given; `--no-defaults` has to be the first.
pub(super) fn all(past: &Past, basedir: Option<&Path>, memory: Bytes, logs: Logs) -> Vec<String> {
    let opening = &past.opening;
    let mut all = vec!["--no-defaults".to_owned()];
    let mut one = |name: &str, value: &str| all.push(format!("--{name}={value}"));
    one("datadir", &past.datadir().display().to_string());
    one("socket", SOCKET);
    one("pid-file", &PathBuf::from(HOME).join("drill.pid").display().to_string());
    one("tmpdir", "/tmp");
    one("innodb-buffer-pool-size", &memory.0.to_string());
    if let Some(basedir) = basedir {
        one("basedir", &basedir.display().to_string());
    }
    for name in ["plugin_dir", "lc_messages_dir"] {
        opening.get(name).into_iter().for_each(|value| one(&dashed(name), value));
    }
    for name in AS_IT_WAS {
        opening.get(name).into_iter().for_each(|value| one(&loose(name), value));
    }
    redo(past, &mut one);
    binary_log(past, logs, &mut all);
    relay_log(past, logs, &mut all);
    if !past.server.is_mariadb() {
        all.push("--secure-file-priv=NULL".into());
        all.push("--loose-binlog-expire-logs-auto-purge=OFF".into());
    }
    all.extend(QUIET.map(String::from));
    all.extend(opening.libraries.iter().map(|library| match library.kind.as_str() {
        "KEYRING" => format!("--early-plugin-load={}", library.file),
        _ => format!("--plugin-load-add={}", library.file),
    }));
    all
}

/// The redo log is as large as it was: another size would have it made anew first. MySQL since
/// 8.0.30 has one variable for it; MariaDB counts its undo tablespaces, and makes others where told
/// so.
fn redo(past: &Past, one: &mut impl FnMut(&str, &str)) {
    let opening = &past.opening;
    let names: &[&str] = match opening.get("innodb_redo_log_capacity") {
        Some(_) => &["innodb_redo_log_capacity"],
        None => &["innodb_log_file_size", "innodb_log_files_in_group"],
    };
    let undo = past.server.is_mariadb().then_some("innodb_undo_tablespaces");
    for name in names.iter().copied().chain(undo) {
        opening.get(name).into_iter().for_each(|value| one(&loose(name), value));
    }
}

/// Without its binary log a server does not know what became of transactions that were prepared.
fn binary_log(past: &Past, logs: Logs, all: &mut Vec<String>) {
    let base = past.opening.get("log_bin_basename").filter(|_| logs.binary);
    let Some(base) = base else { return all.push("--skip-log-bin".into()) };
    all.push(format!("--log-bin={base}"));
    if let Some(index) = past.opening.get("log_bin_index") {
        all.push(format!("--log-bin-index={index}"));
    }
}

fn relay_log(past: &Past, logs: Logs, all: &mut Vec<String>) {
    let base = past.opening.get("relay_log_basename").filter(|_| logs.relay);
    let Some(base) = base else { return };
    all.push(format!("--relay-log={base}"));
    if let Some(index) = past.opening.get("relay_log_index") {
        all.push(format!("--relay-log-index={index}"));
    }
}

/// How much the server may write at most before it is ready, beside the files it writes to: its
/// redo log, once more.
pub(super) fn redo_bytes(past: &Past) -> Bytes {
    let number = |name| past.opening.get(name).and_then(|value| value.parse::<u64>().ok());
    let files = number("innodb_log_files_in_group").unwrap_or(1);
    let size = number("innodb_redo_log_capacity")
        .or_else(|| Some(number("innodb_log_file_size")?.saturating_mul(files)));
    Bytes(size.unwrap_or(0))
}

fn dashed(name: &str) -> String {
    name.replace('_', "-")
}

fn loose(name: &str) -> String {
    format!("loose-{}", dashed(name))
}
