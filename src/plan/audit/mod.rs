//! The audit: everything a run would look at and do, and beside it what only an operator asks: what
//! the tables are, what earlier backups tell, and whether the snapshot will last.
//!
//! Looks only, as the plan. Nothing here refuses: a backup is possible without an answer.

mod engines;
mod pace;
mod past;

use jiff::Timestamp;

pub use pace::{Pace, Sampling};

use super::make::{Survey, survey};
use super::{Asking, Aspect, Note, Plan};
use crate::config::Config;
use crate::host::{Ask, Fault, Host, Login};

/// What was found.
#[derive(Clone, Debug)]
pub struct Audit {
    /// The host's name; empty if it does not tell.
    pub host: String,
    /// When it was asked.
    pub at: Timestamp,
    /// How the server is reached.
    pub login: Login,
    /// Every aspect, in the order of looking.
    pub notes: Vec<Note>,
    /// What a run would do; nothing if an aspect is a refusal.
    pub plan: Option<Plan>,
}

/// Looks at everything. How fast the volumes are written to is sampled, and each sample told.
pub fn audit(
    host: &dyn Host,
    config: &Config,
    login: &Login,
    sampling: &Sampling,
    tell: &mut dyn FnMut(&Pace),
) -> Audit {
    let Survey { mut notes, plan, found } = survey(host, config, login, Asking::Only);
    let machine = host.machine().ok();
    if let Some(met) = &found.met {
        engines::look(host, met, &mut notes);
    }
    let now = machine.as_ref().map(crate::host::Machine::began).unwrap_or_default();
    past::clock(host, now, &mut notes);
    let past = past::look(host, config, now, &mut notes);
    let copy = found.copy_bytes.and_then(|bytes| past::copy_time(past.as_ref(), bytes, &mut notes));
    pace::look(host, config, &found, copy, sampling, tell, &mut notes);
    past::leftovers(host, config, &mut notes);
    let host = machine.map(|machine| machine.host).unwrap_or_default();
    Audit { host, at: now, login: login.clone(), notes, plan }
}

/// What could not be looked at, and no backup depends on.
fn unseen(notes: &mut Vec<Note>, aspect: Aspect, fault: &Fault) {
    notes.push(Note::warning(aspect, format!("not known: {fault}")));
}
