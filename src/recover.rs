//! Settling dead runs from their ledgers: at boot, by a timer, or at the start of the next run.
//! It needs no configuration but the state directory, and a server only where an applier was
//! stopped in this boot. The caller holds the run lock, so no run it settles is alive.

use std::path::{Path, PathBuf};

use crate::claim::Claim;
use crate::host::{Ask, Fault, Host, Machine};
use crate::ledger::{self, Found, Ledger};
use crate::settle::{self, Left, settle};

/// What became of one ledger.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// The ledger's file.
    pub path: PathBuf,
    /// How it went.
    pub end: End,
}

/// How the recovery of one ledger went.
#[derive(Clone, Debug)]
pub enum End {
    /// Nothing of the run is left, and its ledger is dropped.
    Clean {
        /// What it said.
        ledger: Ledger,
    },
    /// Something is left, or the ledger could not be dropped; it is kept.
    Kept {
        /// The run.
        run: String,
        /// What is left.
        left: Vec<Left>,
        /// Why the ledger itself is still there, if that is all.
        ledger: Option<Fault>,
    },
    /// The ledger cannot be acted on here; it is kept.
    Unusable {
        /// Why.
        why: String,
    },
}

impl End {
    /// Whether nothing is left.
    pub fn is_clean(&self) -> bool {
        matches!(self, Self::Clean { .. })
    }
}

/// Who settles dead runs, as the run lock tells it: a recovery ...
pub const RECOVERY: &str = "a recovery";

/// ... and a run before it plans.
pub const STILL_PLANS: &str = "a run that still plans";

/// Whether the holder of the run lock, in its own words, is one who settles dead runs.
pub fn settles(holder: &str) -> bool {
    [RECOVERY, STILL_PLANS].iter().any(|words| holder.starts_with(words))
}

/// Whether the server goes on, whatever the dead left.
pub fn server(all: &[Recovered]) -> settle::Server {
    let stands = |one: &Recovered| match &one.end {
        End::Kept { left, .. } => settle::server(left) == settle::Server::MayStandStill,
        End::Clean { .. } | End::Unusable { .. } => false,
    };
    if all.iter().any(stands) { settle::Server::MayStandStill } else { settle::Server::GoesOn }
}

/// Settles every ledger of the state directory. Idempotent.
pub fn recover(host: &mut dyn Host, state_dir: &Path) -> Result<Vec<Recovered>, Fault> {
    let machine = host.machine()?;
    let found = ledger::find(host, state_dir)?;
    let recovered = found.into_iter().map(|one| recover_one(host, &machine, one)).collect();
    // One that stays is small and says nothing; the next recovery tries again.
    let _tried_again = ledger::remove_strays(host, state_dir);
    Ok(recovered)
}

fn recover_one(host: &mut dyn Host, machine: &Machine, found: Found) -> Recovered {
    let end = match found.ledger {
        Err(why) => End::Unusable { why },
        Ok(ledger) if ledger.host != machine.host => End::Unusable {
            why: format!("it is of host '{}', this is '{}'", ledger.host, machine.host),
        },
        Ok(ledger) => settle_ledger(host, machine, &found.path, ledger),
    };
    Recovered { path: found.path, end }
}

fn settle_ledger(host: &mut dyn Host, machine: &Machine, path: &Path, ledger: Ledger) -> End {
    let run = ledger.run.clone();
    let server = match host.entry(&ledger::resumed(path)) {
        Ok(None) => Server::MayStand,
        Ok(Some(_)) => Server::Resumed,
        Err(fault) => return End::Kept { run, left: Vec::new(), ledger: Some(fault) },
    };
    let left = settle(host, &still_possible(machine, &ledger, server));
    if !left.is_empty() {
        return End::Kept { run, left, ledger: None };
    }
    match ledger::drop_it(host, path) {
        Ok(()) => End::Clean { ledger },
        Err(fault) => End::Kept { run, left, ledger: Some(fault) },
    }
}

/// How the dead run left the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    /// Its appliers may be stopped, its filesystem may be frozen.
    MayStand,
    /// The run noted that it goes on.
    Resumed,
}

/// The claims that may still hold. A session, a shell, a copy and a dead-man died with the process.
/// A freeze does not outlive the boot, and neither does a server: whether the appliers of one that
/// was started anew run is its own affair. (The dead-man has thawed already; a second thaw finds
/// nothing to do.)
fn still_possible(machine: &Machine, ledger: &Ledger, server: Server) -> Vec<Claim> {
    let same_boot = ledger.boot == machine.boot;
    let stands = server == Server::MayStand;
    let possible = |claim: &&Claim| match claim {
        Claim::Locked { .. } | Claim::Guarded | Claim::Shell { .. } | Claim::Copying => false,
        Claim::Frozen { .. } | Claim::Replication { .. } => same_boot && stands,
        _ => true,
    };
    ledger.claims.iter().filter(possible).cloned().collect()
}
