//! What somebody has run for long on the simulated server: how it is seen, what it delays, and how
//! it is ended. What it delays is said here by itself, not taken from the engine.

use super::server::Server;
use crate::database::Flavour;
use crate::database::statements::NO_SUCH_SESSION;
use crate::host::{Cause, Fault, Rows};

/// The server's number for "lock wait timeout exceeded".
pub(super) const LOCK_WAIT_TIMEOUT: u16 = 1205;

/// How long the server waits for a lock, in nanoseconds.
pub(super) const LOCK_WAIT_NS: u64 = 3_000_000_000;

/// How young a SELECT may be and still not be ended, in seconds.
const ENDED_FROM_S: u64 = 60;

/// The session whose statement appears, and for how long that goes on, in nanoseconds.
const APPEARING: u64 = 99;
const APPEARS_FOR_NS: u64 = 5_000_000_000;

/// A statement of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its session.
    pub id: u64,
    /// Its first word.
    pub verb: &'static str,
    /// How old it was when the clock stood at 0, in seconds.
    pub age_s: u64,
    /// When it ends by itself, in nanoseconds on the clock.
    pub until: u64,
}

impl Running {
    /// Whether the lock that this text asks for has to wait for it.
    pub(super) fn delays(&self, lock: &str, flavour: Flavour) -> bool {
        match (lock, flavour) {
            ("BACKUP STAGE BLOCK_COMMIT", _) => self.verb == "CREATE",
            (_, Flavour::MariaDb) => self.verb != "SELECT",
            (_, Flavour::MySql) => true,
        }
    }

    fn seconds(&self, clock: u64) -> u64 {
        self.age_s + clock / 1_000_000_000
    }
}

/// Whether a text asks for long statements.
pub(super) fn is_question(text: &str) -> bool {
    text.starts_with("SELECT ID, USER, TIME, ")
}

/// Those that are as old as the question says.
pub(super) fn long(server: &Server, question: &str) -> Rows {
    let after = question.split("TIME >= ").nth(1).unwrap_or_default();
    let seconds_min = after.split(' ').next().and_then(|word| word.parse().ok());
    let seconds_min: u64 = seconds_min.unwrap_or_else(|| panic!("no age in '{question}'"));
    let row = |one: &Running| {
        let seconds = one.seconds(server.clock);
        [one.id.to_string(), "app".into(), seconds.to_string(), one.verb.into()].map(Some).to_vec()
    };
    let is_long = |one: &&Running| one.seconds(server.clock) >= seconds_min;
    Rows {
        columns: ["ID", "USER", "TIME", "VERB"].map(String::from).to_vec(),
        rows: server.statements.iter().filter(is_long).map(row).collect(),
    }
}

/// Ends one: `KILL QUERY 8`.
pub(super) fn kill(server: &mut Server, text: &str) -> Result<(), Fault> {
    let id = victim(text);
    let Some(at) = server.statements.iter().position(|one| Some(one.id) == id) else {
        let cause = Cause { why: "unknown thread id".into(), sql: Some(NO_SUCH_SESSION) };
        return Err(Fault::Refused(cause));
    };
    server.killed.push(server.statements.remove(at).id);
    Ok(())
}

fn victim(text: &str) -> Option<u64> {
    text.strip_prefix("KILL QUERY ")?.parse().ok()
}

/// Whether a statement of ours ends nothing but an old SELECT.
pub(super) fn may_be_ended(server: &Server, text: &str) -> bool {
    let is_old_select =
        |one: &Running| one.verb == "SELECT" && one.seconds(server.clock) >= ENDED_FROM_S;
    let found = server.statements.iter().find(|one| Some(one.id) == victim(text));
    found.is_none_or(is_old_select)
}

/// What a server says that has waited for a lock in vain.
pub(super) fn timed_out() -> Fault {
    let why = "lock wait timeout exceeded".into();
    Fault::Unsure(Cause { why, sql: Some(LOCK_WAIT_TIMEOUT) })
}

/// One appears that delays every lock of this server.
pub(super) fn appear(server: &mut Server) {
    let verb = match server.flavour {
        Flavour::MySql => "SELECT",
        Flavour::MariaDb => "CREATE",
    };
    let until = server.clock + APPEARS_FOR_NS;
    server.statements.push(Running { id: APPEARING, verb, age_s: 10, until });
}

/// Whether one can appear: once, and only while that means something.
pub(super) fn can_appear(server: &Server) -> bool {
    server.lock.is_none() && server.statements.is_empty() && server.killed.is_empty()
}
