//! Whether the private server stands where the backup's record says. Pure.
//!
//! What can be compared depends on the server. GTID sets are in tables and binary logs, and
//! recovery brings them to the snapshot: MySQL's `gtid_executed`, MariaDB's `gtid_slave_pos`, and,
//! where the binary log was copied, MariaDB's `gtid_binlog_pos` and the length of the log that was
//! written to. An applier's position is in a file or table of its own, and was written when the
//! applier stopped. Deliberately absent: `gtid_current_pos`, which follows from the other two.

use std::collections::BTreeSet;

use super::options::Logs;
use crate::database::Server;
use crate::database::coordinates::{Channel, Coordinates, Own};
use crate::host::Rows;

/// What came of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The same.
    Same(String),
    /// Another one.
    Other(String),
    /// Nobody can tell, and why.
    Unknown(String),
}

/// Compares GTID sets: `own` is what the record has, `now` what is told.
pub(super) fn gtids(server: &Server, own: &Own, now: &Own, logs: Logs) -> Vec<Found> {
    let executed = ("gtid_executed", &own.gtid_executed, &now.gtid_executed);
    let slave = ("gtid_slave_pos", &own.gtid_slave_pos, &now.gtid_slave_pos);
    let binlog = ("gtid_binlog_pos", &own.gtid_binlog_pos, &now.gtid_binlog_pos);
    let all = if server.is_mariadb() { vec![slave, binlog] } else { vec![executed] };
    let logged = own.file.is_some();
    let known = all.into_iter().filter(|(_, then, _)| then.is_some());
    let one = |(name, then, now): (&str, &Option<String>, &Option<String>)| {
        let (then, now) = (set(then.as_deref()), set(now.as_deref()));
        let lacks_log = name != "gtid_slave_pos" && logged && !logs.binary;
        if lacks_log && then != now {
            return Found::Unknown(format!("{name}: the binary log is not in the backup"));
        }
        compared(name, &then, &now, |set| set.iter().cloned().collect::<Vec<_>>().join(","))
    };
    known.map(one).collect()
}

/// The parts of a GTID set or of positions by domain, in whatever order.
fn set(text: Option<&str>) -> BTreeSet<String> {
    let text = text.unwrap_or_default();
    text.split(',').map(str::trim).filter(|one| !one.is_empty()).map(String::from).collect()
}

/// Compares the length of the binary log that was written to with the position in it. `files` is
/// the answer to SHOW BINARY LOGS.
pub(super) fn binary_log(then: &Own, files: &Rows, logs: Logs) -> Vec<Found> {
    let (Some(file), Some(position)) = (&then.file, then.position) else { return Vec::new() };
    if !logs.binary {
        return vec![Found::Unknown("binary log: it is not in the backup".into())];
    }
    let row = (0..files.rows.len()).find(|row| files.get(*row, "Log_name") == Some(file));
    let Some(row) = row else {
        return vec![Found::Other(format!("binary log: '{file}' is not there"))];
    };
    if files.get(row, "Encrypted") == Some("Yes") {
        return vec![Found::Unknown(format!("binary log: '{file}' is encrypted"))];
    }
    let size = files.get(row, "File_size").unwrap_or("unknown");
    let found = format!("{file}:{size}");
    vec![compared("binary log", &format!("{file}:{position}"), &found, Clone::clone)]
}

/// Compares what each applier has executed.
pub(super) fn channels(then: &Coordinates, now: &[Channel], logs: Logs) -> Vec<Found> {
    let told = |one: &Channel| format!("{}:{}", one.file, one.position);
    let each = then.channels.iter().map(|one| {
        let name = match one.name.as_str() {
            "" => "applier".to_owned(),
            name => format!("applier of channel '{name}'"),
        };
        match now.iter().find(|now| now.name == one.name) {
            Some(now) => compared(&name, &told(one), &told(now), Clone::clone),
            None if logs.relay => Found::Other(format!("{name}: there is no such channel")),
            None => Found::Unknown(format!("{name}: the relay logs are not in the backup")),
        }
    });
    each.collect()
}

fn compared<T: PartialEq>(name: &str, then: &T, now: &T, told: impl Fn(&T) -> String) -> Found {
    if then == now {
        return Found::Same(format!("{name} {}", told(now)));
    }
    let nothing = |text: String| if text.is_empty() { "nothing".into() } else { text };
    let (then, now) = (nothing(told(then)), nothing(told(now)));
    Found::Other(format!("{name}: the backup's record says '{then}', the server '{now}'"))
}
