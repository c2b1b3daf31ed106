//! What follows a run: old backups go when a new one is there, and never otherwise.
//!
//! Only after a run that published and left nothing: what is left of one is looked at first.
//! Nothing here changes how the run ended: its backup is published.

use super::{Pruned, Pruning, prune, survey};
use crate::config::Config;
use crate::error::Code;
use crate::host::{Fault, Host};
use crate::run::Outcome;

/// Prunes the destination of a run, if that was a success and there are rules; nothing if not. The
/// caller holds the run lock.
pub fn after(
    host: &mut dyn Host,
    config: &Config,
    run: &str,
    outcome: &Outcome,
) -> Result<Option<(Pruning, Pruned)>, Fault> {
    let clean = outcome.result.is_ok() && Code::of(outcome) == Code::Clean;
    let Some(rules) = config.retention.as_ref().filter(|_| clean) else { return Ok(None) };
    let (destination, state_dir) = (&config.destination.directory, &config.state_dir);
    let pruning = survey(host, destination, state_dir, rules, Some(run))?;
    let done = prune(host, &pruning);
    Ok(Some((pruning, done)))
}
