//! Making the plan: look at everything a backup depends on, in this order, and refuse before the
//! first effect. The host is `&dyn Host`, so nothing here can act.

use super::{
    Note, Plan, Refusal, assemble, destination, freeze, replication, server, source, space,
    statements, take, tools, unlocked,
};
use crate::config::Config;
use crate::host::{Host, Login};

/// Looks at everything a backup depends on, and decides everything a run will do.
pub fn plan(host: &dyn Host, config: &Config, login: &Login) -> Result<Plan, Refusal> {
    let mut notes = Vec::new();
    let machine = tools::machine(host)?;
    let (programs, versions) = tools::find(host, &mut notes)?;
    let met = server::meet(host, config, login, &mut notes)?;
    let source = source::find(host, &met, &programs, &mut notes)?;
    let patience = statements::look(host, config, &met, &mut notes)?;
    let replica = replication::look(host, config, login, &met, &mut notes)?;
    unlocked::check(host, &met, replica.as_ref(), &mut notes)?;
    let rooms = space::rooms(host, config, &programs, &source, &mut notes)?;
    let way = take::way(host, &programs, &versions, &source, &mut notes)?;
    let when = way.when(host, &config.lock, met.kind, &mut notes)?;
    let freeze = freeze::points(host, config, &machine, &source, &mut notes)?;
    let destination = destination::check(host, config, &source, &mut notes)?;
    let found = assemble::Found {
        machine,
        programs,
        versions,
        server: met.server,
        kind: met.kind,
        source,
        patience,
        replica,
        rooms,
        freeze,
        way,
        when,
        destination,
        notes,
    };
    assemble::plan(config, login, found)
}

/// One more note.
pub(super) fn pass(notes: &mut Vec<Note>, aspect: &'static str, found: impl Into<String>) {
    notes.push(Note::pass(aspect, found));
}

/// One more warning.
pub(super) fn warn(notes: &mut Vec<Note>, aspect: &'static str, found: impl Into<String>) {
    notes.push(Note::warning(aspect, found));
}
