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

use crate::config::{Config, Offsite, Push};
use crate::history::{self, Entry};
use crate::host::{Ask, Fault, Host, run_began};
use crate::ledger;
use crate::memory::{self, How, Known, Standing};
use crate::offsite;
use crate::recover;
use crate::store::{self, Form, Found, Ours, What};
use crate::units::{Bytes, Millis};

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The newest backup whose record can be read and that nobody found damaged.
    pub newest: Option<Newest>,
    /// What looks like a newer backup and cannot be read, and why.
    pub unreadable: Vec<String>,
    /// Newer backups that a verification or a drill found damaged, and in what.
    pub damaged: Vec<String>,
    /// Older ones.
    pub damaged_before: Vec<String>,
    /// Why it is not known what verifications and drills found of a backup.
    pub unknown: Vec<String>,
    /// How the last run ended, if that is known.
    pub last: Option<Last>,
    /// The outcomes that cannot be read: which, and why.
    pub damaged_outcomes: Vec<String>,
    /// The ledgers of runs that are not alive.
    pub leftovers: Vec<Leftover>,
    /// Who has the run lock, in their own words.
    pub alive: Option<String>,
    /// The places that backups are pushed to.
    pub places: Vec<PlaceSeen>,
}

/// A place that backups are pushed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceSeen {
    /// What it is called.
    pub name: String,
    /// How old the newest backup is that was pushed there whole; nothing if there is none.
    pub age_s: Option<i64>,
    /// Why the last push failed, if it did, or why that is not known.
    pub failed: Option<String>,
    /// What a verification there found damaged.
    pub damaged: Vec<String>,
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
    /// How long ago it was read whole and held against its manifest, if it was.
    pub verified_age_s: Option<i64>,
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
    let backups = store::find(host, &config.destination.directory)?;
    let mut seen = Seen::default();
    let mut whole = backups.iter().rev().filter(|one| one.form == Form::Whole);
    for one in whole.by_ref() {
        if let Some((ours, known)) = seen.newer(host, &config.state_dir, one)? {
            seen.newest = Some(newest(one, ours, &known, &all, now));
            break;
        }
    }
    for one in whole.filter(|one| one.counts().is_some()) {
        let known = memory::recall(host, &config.state_dir, &one.run);
        if let Ok(Standing::Damaged(_, problem)) = known.map(|known| known.standing()) {
            seen.damaged_before.push(format!("{}: {problem}", one.run));
        }
    }
    let last = history::last(&all).map(|entry| Last {
        run: entry.run.clone(),
        exit: entry.exit,
        fault: entry.fault.clone(),
    });
    let places = config.offsite.iter().filter_map(|place| place_seen(host, config, place, now));
    let places = places.collect();
    let damaged_outcomes = all.into_iter().filter_map(Result::err).collect();
    Ok(Seen { last, damaged_outcomes, leftovers, alive, places, ..seen })
}

/// By what is remembered of the pushes: nobody is asked over the network. A place that nothing was
/// ever pushed to, and that does not want every backup, is none to warn of.
fn place_seen(
    host: &dyn Host,
    config: &Config,
    place: &Offsite,
    now: Timestamp,
) -> Option<PlaceSeen> {
    let name = &place.name;
    let age_s = |run: &str| Some(now.as_second().saturating_sub(run_began(run)?.as_second()));
    let seen = match offsite::recall(host, &config.state_dir, name) {
        Ok(memo) => PlaceSeen {
            name: name.into(),
            age_s: memo.pushed.and_then(|pushed| age_s(&pushed.run)),
            failed: memo.failed.map(|failed| format!("{}: {}", failed.run, failed.why)),
            damaged: memo.damaged.into_keys().collect(),
        },
        Err(fault) => {
            let failed = Some(fault.to_string());
            PlaceSeen { name: name.into(), age_s: None, failed, damaged: Vec::new() }
        }
    };
    let is_used = seen.age_s.is_some() || seen.failed.is_some() || !seen.damaged.is_empty();
    (is_used || place.push == Push::AfterBackup).then_some(seen)
}

impl Seen {
    /// The backup, if it is one to rely on; what speaks against it is noted.
    fn newer<'a>(
        &mut self,
        host: &dyn Host,
        state_dir: &Path,
        one: &'a Found,
    ) -> Result<Option<(&'a Ours, Known)>, Fault> {
        let run = &one.run;
        let Some(ours) = one.counts() else {
            match &one.what {
                Ok(What::Unclear(why)) => self.unreadable.push(format!("{run}: {why}")),
                Ok(What::Ours(_)) => self.damaged.push(format!("{run}: its record says so")),
                Ok(What::NotOurs(_)) => {}
                Err(fault) => return Err(fault.clone()),
            }
            return Ok(None);
        };
        let known = memory::recall(host, state_dir, run).unwrap_or_else(|fault| {
            self.unknown.push(fault.to_string());
            Known::nothing(run)
        });
        if let Standing::Damaged(_, problem) = known.standing() {
            self.damaged.push(format!("{run}: {problem}"));
            return Ok(None);
        }
        Ok(Some((ours, known)))
    }
}

fn newest(
    one: &Found,
    ours: &Ours,
    known: &Known,
    all: &[Result<Entry, String>],
    now: Timestamp,
) -> Newest {
    let age_s = |at: Timestamp| now.as_second().saturating_sub(at.as_second());
    let outcome = all.iter().flatten().find(|entry| entry.run == one.run);
    Newest {
        name: one.run.clone(),
        age_s: age_s(ours.began),
        locked_ms: ours.summary.window.locked_ms,
        bytes: ours.summary.copied.bytes,
        took_ms: outcome.and_then(|entry| entry.took_ms),
        cow_percent_max: outcome.and_then(|entry| entry.cow_percent_max),
        verified_age_s: known.found.get(&How::Verify).map(|one| age_s(one.at)),
    }
}

/// The ledgers but for that of a run that goes on, and who has the run lock. Runs begin and end
/// while we look, so the lock is looked at before and after: a ledger is a dead run's only if
/// neither explains it.
pub(crate) fn leftovers(
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
pub(crate) fn is_run(holder: &str, run: &str) -> bool {
    holder.strip_prefix("run ").and_then(|rest| rest.split(',').next()) == Some(run)
}
