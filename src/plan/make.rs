//! Making the plan: look at everything a backup depends on, in this order, before the first effect.
//! What refuses does not end the looking: whoever asks hears all of it at once, but for what would
//! need the part that is missing. The host is `&dyn Host`, so nothing here can act.

use super::server::Met;
use super::space::Room;
use super::{
    Asking, Aspect, Note, Plan, Refusal, assemble, destination, freeze, replication, server,
    source, space, statements, take, tools, unchanged, unlocked,
};
use crate::config::Config;
use crate::host::{Host, Login};
use crate::units::Bytes;

/// What the looking brought.
#[derive(Clone, Debug)]
pub struct Survey {
    /// Every aspect, in the order of looking.
    pub notes: Vec<Note>,
    /// What a run would do; nothing if an aspect is a refusal.
    pub plan: Option<Plan>,
    /// What was found, whether or not there is a plan.
    pub(super) found: Found,
}

/// The parts that were found.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    pub(super) met: Option<Met>,
    pub(super) source: Option<source::Found>,
    pub(super) rooms: Option<Vec<Room>>,
    pub(super) copy_bytes: Option<Bytes>,
}

impl Found {
    fn of(
        met: Option<&Met>,
        source: Option<&source::Found>,
        rooms: Option<&Vec<Room>>,
        destination: Option<&destination::Found>,
    ) -> Self {
        let copy_bytes = destination.map(|destination| destination.copy_bytes);
        let (met, source, rooms) = (met.cloned(), source.cloned(), rooms.cloned());
        Self { met, source, rooms, copy_bytes }
    }
}

/// Decides everything a run will do, or tells all that speaks against it.
pub fn plan(
    host: &dyn Host,
    config: &Config,
    login: &Login,
    asking: Asking<'_>,
) -> Result<Plan, Vec<Refusal>> {
    let Survey { notes, plan, .. } = survey(host, config, login, asking);
    plan.ok_or_else(|| notes.iter().filter_map(Note::as_refusal).collect())
}

/// Looks at everything a backup depends on.
pub fn survey(host: &dyn Host, config: &Config, login: &Login, asking: Asking<'_>) -> Survey {
    let mut all = Vec::new();
    let notes = &mut all;
    let machine = look(notes, Aspect::User, |_| tools::machine(host));
    let tools = look(notes, Aspect::Programs, |notes| tools::find(host, asking, notes));
    let met = look(notes, Aspect::Server, |notes| server::meet(host, config, login, notes));
    if let Some(met) = &met {
        fit(host, login, met, notes);
    }
    let source = met.as_ref().zip(tools.as_ref()).and_then(|(met, (programs, _))| {
        look(notes, Aspect::Source, |notes| source::find(host, met, programs, notes))
    });
    let patience = met.as_ref().and_then(|met| {
        look(notes, Aspect::Statements, |notes| statements::look(host, config, met, notes))
    });
    let replica = met.as_ref().and_then(|met| {
        look(notes, Aspect::Replication, |notes| replication::look(host, config, login, met, notes))
    });
    if let (Some(met), Some(replica)) = (&met, &replica) {
        look(notes, Aspect::Lock, |notes| unlocked::check(host, met, replica.as_ref(), notes));
    }
    let on_lvm = tools.as_ref().zip(source.as_ref());
    let rooms = on_lvm.and_then(|((programs, _), source)| {
        look(notes, Aspect::Snapshot, |notes| space::rooms(host, config, programs, source, notes))
    });
    let way = on_lvm.and_then(|((programs, versions), source)| {
        look(notes, Aspect::Snapshot, |notes| take::way(host, programs, versions, source, notes))
    });
    let when = way.as_ref().zip(met.as_ref()).and_then(|(way, met)| {
        look(notes, Aspect::Lock, |notes| way.when(host, &config.lock, met.kind, notes))
    });
    let freeze = machine.as_ref().zip(source.as_ref()).and_then(|(machine, source)| {
        look(notes, Aspect::Freeze, |notes| freeze::points(host, config, machine, source, notes))
    });
    let place = look(notes, Aspect::Destination, |_| destination::place(host, config));
    let destination = place.zip(source.as_ref()).and_then(|(place, source)| {
        look(notes, Aspect::Destination, |notes| {
            destination::check(host, config, place, source, notes)
        })
    });
    let parts = (machine.as_ref(), tools.as_ref(), source.as_ref(), destination.as_ref());
    let unchanged = unchanged::look(host, config, parts, notes);
    let found = Found::of(met.as_ref(), source.as_ref(), rooms.as_ref(), destination.as_ref());
    let whole = move || {
        let (programs, versions) = tools?;
        let met = met?;
        Some(assemble::Found {
            machine: machine?,
            programs,
            versions,
            server: met.server,
            opening: met.opening,
            kind: met.kind,
            source: source?,
            patience: patience?,
            replica: replica?,
            rooms: rooms?,
            freeze: freeze?,
            way: way?,
            when: when?,
            destination: destination?,
            unchanged,
        })
    };
    let decided = whole()
        .and_then(|it| look(notes, Aspect::Plan, |_| assemble::plan(config, login, asking, it)));
    let refused = all.iter().any(|note| note.as_refusal().is_some());
    let plan = decided.filter(|_| !refused);
    Survey { notes: all, plan, found }
}

/// Whether the server that was met may be backed up, as far as it tells by itself.
fn fit(host: &dyn Host, login: &Login, met: &Met, notes: &mut Vec<Note>) {
    look(notes, Aspect::Privileges, |notes| server::may_lock(met, notes));
    look(notes, Aspect::Server, |_| server::no_cluster(met));
    look(notes, Aspect::Server, |_| server::memory_only_log(met));
    look(notes, Aspect::Files, |notes| server::files_are_here(host, login, met, notes));
}

/// Looks at one aspect; what refuses is a note as well.
fn look<T>(
    notes: &mut Vec<Note>,
    aspect: Aspect,
    looking: impl FnOnce(&mut Vec<Note>) -> Result<T, Refusal>,
) -> Option<T> {
    let refusal = match looking(notes) {
        Ok(found) => return Some(found),
        Err(refusal) => refusal,
    };
    notes.push(Note::refusal(aspect, refusal));
    None
}

/// One more note.
pub(super) fn pass(notes: &mut Vec<Note>, aspect: Aspect, found: impl Into<String>) {
    notes.push(Note::pass(aspect, found));
}

/// One more warning.
pub(super) fn warn(notes: &mut Vec<Note>, aspect: Aspect, found: impl Into<String>) {
    notes.push(Note::warning(aspect, found));
}
