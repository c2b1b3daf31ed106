//! Whether a snapshot may be taken without any lock: on a replica whose appliers all stand, whose
//! tables InnoDB brings to one moment by itself, and whose position tells if somebody writes.
//! Deliberately absent: the proof that nobody does, which only the run can give.

use super::make::{pass, warn};
use super::replication;
use super::server::{Met, ask};
use super::{Aspect, Note, Refusal};
use crate::database::coordinates::{self, Own};
use crate::database::grants;
use crate::host::{Host, Rows};
use crate::units::Bytes;

/// How many tables a refusal names.
const NAMED_MAX: u64 = 3;

/// What helps, whatever is in the way.
const HINT: &str = "Write 'kind = \"auto\"' under [lock].";

/// Refuses if nothing is to be locked and something speaks against it.
pub(super) fn check(
    host: &dyn Host,
    met: &Met,
    replica: Option<&replication::Found>,
    notes: &mut Vec<Note>,
) -> Result<(), Refusal> {
    if met.kind.lock().is_some() {
        return Ok(());
    }
    // On a replica every applier stands during the window: the run stops those that run.
    if replica.is_none() {
        let what = "cannot leave the server unlocked: it is not a replica, its clients write";
        return Err(Refusal::new(what, HINT));
    }
    only_innodb(host, met)?;
    let own = own(host, met)?;
    pass(
        notes,
        Aspect::Lock,
        "every table is InnoDB, and the position will tell if somebody writes",
    );
    if own.file.is_none() {
        let found = "the binary log is off: only what replication applies moves the position";
        warn(notes, Aspect::Lock, found);
    }
    Ok(())
}

/// Every other engine needs its tables closed, or at least its writers held up: a snapshot holds
/// them as they are at that moment, half written perhaps. Others that recover by themselves do not
/// to the same moment as InnoDB.
fn only_innodb(host: &dyn Host, met: &Met) -> Result<(), Refusal> {
    let need = grants::tables();
    // A role is not enough here: without the privilege the answer is no error, but nothing.
    if !met.granted.meets(&need) {
        let what =
            format!("the account '{}' lacks {} ({})", met.account, need.privilege, need.purpose);
        let hint = format!("Run: {};", grants::statement(&[need], &met.account));
        return Err(Refusal::new(what, hint));
    }
    let rows = ask(host, &other_engines())?;
    let Some(count) = rows.get(0, "FOUND") else { return Ok(()) };
    let what = format!(
        "cannot leave the server unlocked: {count} table(s) are not InnoDB, such as {}",
        named(&rows).join(", ")
    );
    let hint = "Write 'kind = \"auto\"' under [lock], or convert them with 'ALTER TABLE ... \
                ENGINE=InnoDB'.";
    Err(Refusal::new(what, hint))
}

/// Asks for the largest tables of other engines, and how many there are. Not only for those of type
/// 'BASE TABLE': MariaDB has 'SYSTEM VERSIONED' and 'SEQUENCE' besides. A table without an engine
/// is one that cannot be opened.
pub(super) fn other_engines() -> String {
    format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, COALESCE(ENGINE, '?') AS ENGINE, \
         COALESCE(DATA_LENGTH + INDEX_LENGTH, 0) AS BYTES, COUNT(*) OVER () AS FOUND \
         FROM information_schema.TABLES \
         WHERE TABLE_TYPE NOT IN ('VIEW', 'SYSTEM VIEW') AND COALESCE(ENGINE, '?') <> 'InnoDB' \
         AND TABLE_SCHEMA NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema') \
         ORDER BY BYTES DESC LIMIT {NAMED_MAX}"
    )
}

/// Each table of the answer: its name, engine and size.
pub(super) fn named(rows: &Rows) -> Vec<String> {
    (0..rows.rows.len()).map(|row| table(rows, row)).collect()
}

fn table(rows: &Rows, row: usize) -> String {
    let word = |column| rows.get(row, column).unwrap_or("?");
    let size = word("BYTES").parse().map_or("?".to_owned(), |bytes| Bytes(bytes).to_string());
    let (schema, name, engine) = (word("TABLE_SCHEMA"), word("TABLE_NAME"), word("ENGINE"));
    format!("'{schema}.{name}' ({engine}, {size})")
}

/// The server's own position, which has to be there to be compared.
fn own(host: &dyn Host, met: &Met) -> Result<Own, Refusal> {
    let answers: Result<Vec<Rows>, _> =
        met.server.own_position().iter().map(|text| ask(host, text)).collect();
    let own = coordinates::own(&met.server, &answers?).map_err(|why| Refusal::new(why, HINT))?;
    if own != Own::default() {
        return Ok(own);
    }
    let what = "cannot leave the server unlocked: it has neither a binary log nor a GTID position, \
                so nothing would tell that somebody writes";
    Err(Refusal::new(what, "Write 'kind = \"auto\"' under [lock], or turn on the binary log."))
}
