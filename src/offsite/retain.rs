//! What goes at a place, by the rules of that place: the same judgement as at home, of what the
//! place tells. Nothing goes there by itself: only when 'holdstill prune --at' says so, so that who
//! pushes each night need not be allowed to remove.

use jiff::Timestamp;

use super::{Event, Far, Site, Trouble, Work};
use crate::host::Fault;
use crate::memory::Standing;
use crate::retention::{self, Backup, Judged, Rules, State, Verdict};
use crate::store::Form;

/// What is to become of what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Every whole backup and its verdict.
    pub judged: Vec<Judged>,
    /// What goes: those, then what pushes and removals of ours left.
    pub(super) gone: Vec<Far>,
    /// What was left behind, as the place names it.
    pub leftovers: Vec<String>,
}

/// Judges what is there. `here` are the runs whose backups are here: what a push of theirs has
/// begun may still be gone on with. `standing` tells what is known here of a run's backup: what was
/// found damaged keeps nobody's place there either, as it may have been so when it was pushed.
pub fn judge(
    site: &Site,
    all: &[Far],
    rules: &Rules,
    now: Timestamp,
    here: &[String],
    standing: &dyn Fn(&str) -> Result<Standing, Fault>,
) -> Plan {
    let whole: Vec<&Far> = all.iter().filter(|far| far.form == Form::Whole).collect();
    let backup =
        |far: &&Far| Backup { name: far.run.clone(), state: state(far, &site.us, standing) };
    let backups: Vec<Backup> = whole.iter().map(backup).collect();
    let verdicts = retention::judge(&backups, rules, now, None);
    let goes = whole.iter().zip(&verdicts).filter(|(_, one)| matches!(one, Verdict::Remove(_)));
    let mut gone: Vec<Far> = goes.map(|(far, _)| (*far).clone()).collect();
    let ours = |far: &&Far| far.host.as_deref() == Some(site.us.as_str());
    let left = all.iter().filter(ours).filter(|far| match far.form {
        Form::Whole => false,
        Form::Partial => !here.contains(&far.run),
        Form::Removing => true,
    });
    let left: Vec<Far> = left.cloned().collect();
    let leftovers = left.iter().map(|far| far.form.name(&far.run)).collect();
    gone.extend(left);
    let judged = backups.into_iter().zip(verdicts);
    let judged = judged.map(|(backup, verdict)| Judged { backup, verdict }).collect();
    Plan { judged, gone, leftovers }
}

/// Removes what is to go; each that is gone, or why not. The caller has the lock.
pub fn prune(site: &Site, work: &mut Work<'_>, plan: &Plan) -> Vec<(String, Result<(), Trouble>)> {
    if plan.gone.is_empty() {
        return Vec::new();
    }
    (work.tell)(Event::Phase("remove"));
    let all = site.remove(work, &plan.gone);
    site.close(work.host);
    all
}

/// What is not certainly ours and whole is left alone.
fn state(far: &Far, us: &str, standing: &dyn Fn(&str) -> Result<Standing, Fault>) -> State {
    match (&far.host, &far.unclear, far.began()) {
        (_, Some(why), _) => State::Unclear(why.clone()),
        (Some(host), _, _) if host != us => State::NotOurs(format!("it is of host '{host}'")),
        (None, _, _) => State::Unclear("its record names no host".into()),
        (_, _, None) => State::Unclear("its name is not that of a run".into()),
        (_, _, Some(began)) => match standing(&far.run) {
            Ok(Standing::Damaged(..)) => State::Damaged(began),
            Ok(_) => State::Proven(began),
            Err(why) => State::Unclear(format!("what is known of it cannot be read: {why}")),
        },
    }
}
