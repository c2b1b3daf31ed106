//! What an audit says of the places: whether each can be worked with as far as that is known here,
//! and what is remembered of the last push. Deliberately absent: the network.

use super::{memo, prepare};
use crate::config::{Config, Offsite, Push, Way};
use crate::host::Host;
use crate::plan::{Aspect, Note};

/// One note a place, in the order of the configuration.
pub fn notes(host: &dyn Host, config: &Config) -> Vec<Note> {
    config.offsite.iter().map(|place| note(host, config, place)).collect()
}

fn note(host: &dyn Host, config: &Config, place: &Offsite) -> Note {
    let Offsite { name, way, push, .. } = place;
    if let Err(refusal) = prepare(host, config, place) {
        let note = Note::warning(Aspect::Offsite, refusal.what);
        return Note { hint: refusal.hint, ..note };
    }
    let way = match way {
        Way::Ssh(account) => format!("{}@{} by ssh", account.user, account.host),
        Way::Restic(_) => "a repository of restic's".into(),
    };
    let when = match push {
        Push::ByHand => "by 'holdstill push'",
        Push::AfterBackup => "after each backup",
    };
    let told = format!("'{name}', {way}, pushed to {when}");
    let memo = match memo::recall(host, &config.state_dir, name) {
        Ok(memo) => memo,
        Err(fault) => {
            let found = format!("{told}; what was pushed there is not known: {fault}");
            return Note::warning(Aspect::Offsite, found);
        }
    };
    if let Some(failed) = memo.failed {
        let found = format!("{told}; the push of {} failed: {}", failed.run, failed.why);
        let hint = format!("Try it again: holdstill push --to {name}");
        return Note::warning(Aspect::Offsite, found).with_hint(hint);
    }
    if let Some((run, damage)) = memo.damaged.last_key_value() {
        let problem = &damage.problem;
        let found = format!("{told}; {run} was found damaged there: {problem}");
        let hint = format!("Push a newer one, and look at it: holdstill verify --at {name} {run}");
        return Note::warning(Aspect::Offsite, found).with_hint(hint);
    }
    let Some(pushed) = memo.pushed else {
        let hint = format!("Try it: holdstill push --to {name}");
        return Note::warning(Aspect::Offsite, format!("{told}, never yet")).with_hint(hint);
    };
    Note::pass(Aspect::Offsite, format!("{told}, last {} at {}", pushed.run, pushed.at))
}
