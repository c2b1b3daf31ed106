//! Which engines the tables are in. Under a lock of ours every engine is in the same moment; what
//! differs is what a restored server has to do, and whether a backup without any lock is possible.

use super::super::server::{Met, ask};
use super::super::unlocked::{named, other_engines};
use super::super::{Aspect, Note};
use super::unseen;
use crate::database::grants;
use crate::host::Host;

/// Tells the tables that are not InnoDB, by name and size.
pub(super) fn look(host: &dyn Host, met: &Met, notes: &mut Vec<Note>) {
    let need = grants::tables();
    // Without the privilege the answer is no error, but nothing.
    if !met.granted.meets(&need) && !met.granted.has_roles() {
        let found = format!("not looked at: '{}' may not see the tables", met.account);
        let hint = format!("Run: {};", grants::statement(&[need], &met.account));
        notes.push(Note::pass(Aspect::Engines, found).with_hint(hint));
        return;
    }
    let rows = match ask(host, &other_engines()) {
        Ok(rows) => rows,
        Err(fault) => return unseen(notes, Aspect::Engines, &fault),
    };
    let found = match rows.get(0, "FOUND") {
        None => "every table is InnoDB".to_owned(),
        Some(count) => {
            format!("{count} table(s) are not InnoDB, the largest {}", named(&rows).join(", "))
        }
    };
    notes.push(Note::pass(Aspect::Engines, found));
}
