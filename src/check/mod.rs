//! The state of the backups for monitoring, by the convention of Nagios' plugins: looks alone, then
//! one pure table of rules, then one line.
//!
//! Deliberately absent: the server. Whether there are backups is not its affair, and a check that
//! hangs with it would tell nothing.

mod line;
mod rules;

pub use line::{line, unknown};
pub use rules::{Finding, State, judge, worst};

use std::path::Path;

use jiff::Timestamp;

use crate::config::Config;
use crate::history::{self, Entry};
use crate::host::{Ask, Fault, Host, run_began};
use crate::ledger;
use crate::recover;
use crate::store::{self, Listed};
use crate::units::{Bytes, Millis};

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The newest backup whose record can be read.
    pub newest: Option<Newest>,
    /// What looks like a newer backup and cannot be read, and why.
    pub unreadable: Vec<String>,
    /// How the last run ended, if that is known.
    pub last: Option<Last>,
    /// The outcomes that cannot be read: which, and why.
    pub damaged_outcomes: Vec<String>,
    /// The ledgers of runs that are not alive.
    pub leftovers: Vec<Leftover>,
    /// Who has the run lock, in their own words.
    pub alive: Option<String>,
}

/// The newest backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newest {
    /// Its name.
    pub name: String,
    /// How long ago it began, which is how old its data may be; negative if that is to come.
    pub age_s: i64,
    /// How long the lock was held for it.
    pub locked_ms: Millis,
    /// Its size.
    pub bytes: Bytes,
    /// How long the run took, if that is known.
    pub took_ms: Option<Millis>,
    /// How full its COW store was seen, in percent, if it had one and that is known.
    pub cow_percent_max: Option<u64>,
}

/// A ledger that is not of a run that goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// The run.
    pub run: String,
    /// How long ago that began, if its id tells.
    pub age_s: Option<i64>,
    /// Who is at it.
    pub with: With,
}

/// Who is at a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum With {
    /// Nobody.
    Nobody,
    /// One who settles it, or should.
    Settler,
}

/// The last run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Last {
    /// Its id.
    pub run: String,
    /// Its exit code; nothing if it has told no end.
    pub exit: Option<u8>,
    /// Why it failed, if it did.
    pub fault: Option<String>,
}

/// Looks at everything that the rules go by. What cannot be looked at is a fault, never a gap: of
/// what nobody sees nobody can say that it is well.
pub fn look(host: &dyn Host, config: &Config) -> Result<Seen, Fault> {
    let now = host.machine()?.began();
    let (leftovers, alive) = leftovers(host, &config.state_dir, now)?;
    let all = history::find(host, &config.state_dir)?;
    let all = history::of_destination(all, &config.destination.directory);
    let backups = backups(host, &config.destination.directory)?;
    let newest = backups.iter().rev().find_map(|one| newest(one, &all, now));
    let unreadable = backups.iter().rev().map_while(unreadable).collect();
    let last = history::last(&all).map(|entry| Last {
        run: entry.run.clone(),
        exit: entry.exit,
        fault: entry.fault.clone(),
    });
    Ok(Seen {
        newest,
        unreadable,
        last,
        damaged_outcomes: all.into_iter().filter_map(Result::err).collect(),
        leftovers,
        alive,
    })
}

/// The backups, oldest first. `store::list` leaves out what it cannot read: told here instead.
fn backups(host: &dyn Host, destination: &Path) -> Result<Vec<Listed>, Fault> {
    for name in host.list(destination)?.iter().filter(|name| !name.starts_with('.')) {
        let at = destination.join(name);
        if is_of_a_run(name) {
            host.file(&at.join(store::RECORD))?;
        }
    }
    store::list(host, destination)
}

/// Whether a name is one that a run gives: `YYYYMMDDTHHMMSSZ-xxxxxx`.
fn is_of_a_run(name: &str) -> bool {
    name.split_once("Z-").is_some_and(|(time, _)| {
        time.len() == 15 && time.chars().all(|c| c.is_ascii_digit() || c == 'T')
    })
}

fn newest(one: &Listed, all: &[Result<Entry, String>], now: Timestamp) -> Option<Newest> {
    let summary = one.summary.as_ref().ok().filter(|summary| summary.state == "published")?;
    let started: Timestamp = summary.started.parse().ok()?;
    let outcome = all.iter().flatten().find(|entry| entry.run == summary.run);
    Some(Newest {
        name: name(one),
        age_s: now.as_second().saturating_sub(started.as_second()),
        locked_ms: summary.window.locked_ms,
        bytes: summary.copied.bytes,
        took_ms: outcome.and_then(|entry| entry.took_ms),
        cow_percent_max: outcome.and_then(|entry| entry.cow_percent_max),
    })
}

/// Why a backup counts for nothing; nothing if it counts.
fn unreadable(one: &Listed) -> Option<String> {
    let why = match &one.summary {
        Err(why) => why.clone(),
        Ok(summary) if summary.state != "published" => format!("its state is '{}'", summary.state),
        Ok(summary) => summary.started.parse::<Timestamp>().err()?.to_string(),
    };
    Some(format!("{}: {why}", name(one)))
}

fn name(one: &Listed) -> String {
    one.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The ledgers but for that of a run that goes on, and who has the run lock. Runs begin and end
/// while we look, so the lock is looked at before and after: a ledger is a dead run's only if
/// neither explains it.
fn leftovers(
    host: &dyn Host,
    state_dir: &Path,
    now: Timestamp,
) -> Result<(Vec<Leftover>, Option<String>), Fault> {
    let lock = state_dir.join("lock");
    let before = host.run_lock(&lock)?;
    let found = ledger::find(host, state_dir)?;
    let after = host.run_lock(&lock)?;
    let holders: Vec<&str> = [&before, &after].into_iter().flatten().map(String::as_str).collect();
    let runs = found.iter().filter_map(|one| one.path.file_stem()?.to_str());
    let left = runs.filter(|run| !holders.iter().any(|holder| is_run(holder, run)));
    let with =
        if holders.iter().any(|one| recover::settles(one)) { With::Settler } else { With::Nobody };
    let age_s = |run: &str| Some(now.as_second().saturating_sub(run_began(run)?.as_second()));
    let leftover = |run: &str| Leftover { run: run.into(), age_s: age_s(run), with };
    Ok((left.map(leftover).collect(), after))
}

/// Whether the holder of the lock, in its own words, is this run.
fn is_run(holder: &str, run: &str) -> bool {
    holder.strip_prefix("run ").and_then(|rest| rest.split(',').next()) == Some(run)
}
