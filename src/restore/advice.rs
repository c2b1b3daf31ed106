//! What comes after a restore: what a server needs to start on the files, and the statements that
//! make it a replica. Pure; the statements are those of the backup itself.

use std::path::{Path, PathBuf};

use super::{Identity, Plan, Record};
use crate::database::attach::{self, Heading};

/// Variables of a server that decide whether it can read the files at all.
const OF_THE_FILES: [&str; 12] = [
    "innodb_page_size",
    "innodb_data_file_path",
    "innodb_undo_tablespaces",
    "innodb_checksum_algorithm",
    "innodb_log_file_size",
    "innodb_log_files_in_group",
    "innodb_redo_log_capacity",
    "lower_case_table_names",
    "gtid_mode",
    "enforce_gtid_consistency",
    "file_key_management_filename",
    "file_key_management_encryption_algorithm",
];

/// Variables that name what may have moved with the files, and the option that says it.
const PLACES: [(&str, &str); 10] = [
    ("innodb_data_home_dir", "innodb_data_home_dir"),
    ("innodb_log_group_home_dir", "innodb_log_group_home_dir"),
    ("innodb_undo_directory", "innodb_undo_directory"),
    ("innodb_doublewrite_dir", "innodb_doublewrite_dir"),
    ("innodb_directories", "innodb_directories"),
    ("aria_log_dir_path", "aria_log_dir_path"),
    ("rocksdb_datadir", "rocksdb_datadir"),
    ("rocksdb_wal_dir", "rocksdb_wal_dir"),
    ("log_bin_basename", "log_bin"),
    ("relay_log_basename", "relay_log"),
];

/// What goes into the section `[mysqld]` of a server that starts on the restored files, as far as
/// it is known: a line each.
pub fn needs(plan: &Plan, identity: Identity) -> Vec<String> {
    let (record, variables) = (&plan.record, &plan.record.opening.variables);
    let mut lines = Vec::new();
    if let Some(place) = plan.places.first() {
        lines.push(format!("datadir = {}", place.to.display()));
    }
    for name in OF_THE_FILES {
        let told = variables.get(name).filter(|value| !value.is_empty());
        lines.extend(told.map(|value| format!("{name} = {value}")));
    }
    for (name, option) in PLACES {
        let there = variables.get(name).map(Path::new).filter(|path| path.is_absolute());
        lines.extend(there.map(|path| format!("{option} = {}", now(plan, path).display())));
    }
    if let Some(base) = plan.preparation.as_ref().and_then(|one| one.relay_log.as_ref()) {
        // A server that calls them otherwise does not find what was applied.
        lines.retain(|line| !line.starts_with("relay_log = "));
        lines.push(format!("relay_log = {}", base.display()));
    }
    lines.extend(record.opening.libraries.iter().map(|library| match library.kind.as_str() {
        "KEYRING" => format!("early-plugin-load = {}", library.file),
        _ => format!("plugin-load-add = {}", library.file),
    }));
    if identity == Identity::New {
        lines.push("server_id = A_NUMBER_OF_ITS_OWN".into());
    }
    let skip = if record.server.speaks_of_replicas() && record.server.since(8, 0, 26) {
        "skip_replica_start"
    } else {
        "skip_slave_start"
    };
    lines.push(skip.into());
    lines
}

/// Where a path of the source host is now; the same where it was not restored.
fn now(plan: &Plan, path: &Path) -> PathBuf {
    let moved = plan.places.iter().filter_map(|place| {
        let below = path.strip_prefix(&place.was).ok()?;
        let depth = place.was.components().count();
        Some((depth, place.to.components().chain(below.components()).collect()))
    });
    moved.max_by_key(|(depth, _)| *depth).map_or_else(|| path.into(), |(_, path)| path)
}

/// The statements that make the restored server a replica: of the source of the server that was
/// backed up, or of that server itself if it had none.
pub fn statements(record: &Record) -> String {
    let of = Heading { run: &record.run, host: &record.host, started: &record.started };
    attach::statements(&of, &record.server, &record.coordinates)
}
