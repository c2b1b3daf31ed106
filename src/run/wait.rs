//! Long statements, looked for once more right before anything is stopped: the lock would wait for
//! them, and others behind it.
//!
//! To end somebody's SELECT is no claim: there is nothing to undo. It is told at once, at the end,
//! and in the record. Deliberately absent: ending anything but an old SELECT.

use super::{Event, Run};
use crate::database::statements::{self, NO_SUCH_SESSION, NOT_OWNER, Statement};
use crate::host::{Act, Ask, Fault, Session, Sql};
use crate::plan::Policy;
use crate::units::Millis;

/// What passes between two looks.
const POLL: Millis = Millis(500);

/// Waits until none is left that the lock would wait for, as patiently as the plan says.
pub(super) fn for_statements(run: &mut Run<'_>) -> Result<(), Fault> {
    let Some(question) = &run.plan.patience.question else { return Ok(()) };
    run.host.greet(&run.plan.login)?;
    let begun = run.host.now()?;
    let mut told = Vec::new();
    loop {
        run.host.heed_signal()?;
        let mut left = in_the_way(run, question)?;
        if end_some(run, question, &left)? {
            left = in_the_way(run, question)?;
        }
        let waited = Millis(run.host.now()?.saturating_sub(begun) / 1_000_000);
        match patience(&run.plan.patience.policy) {
            _ if left.is_empty() => return Ok(()),
            Some(ms_max) if waited < ms_max => {}
            ms_max => return Err(impatient(ms_max, &left)),
        }
        tell_once(run, &mut told, &left);
        run.host.pause(POLL)?;
    }
}

/// How long statements are waited for, if at all.
fn patience(policy: &Policy) -> Option<Millis> {
    match policy {
        Policy::Refuse => None,
        Policy::Wait { ms_max } | Policy::Kill { ms_max, .. } => Some(*ms_max),
    }
}

/// The long statements that the lock would wait for.
fn in_the_way(run: &Run<'_>, question: &str) -> Result<Vec<Statement>, Fault> {
    let (kind, flavour) = (run.plan.window.kind, run.plan.server.flavour);
    let rows = run.host.query(Session::Control, question, run.plan.window.ask_ms_max)?;
    let mut all = statements::read(&rows).map_err(Fault::unsure)?;
    all.retain(|one| kind.waits_for(flavour, &one.verb));
    Ok(all)
}

/// Ends what the policy ends and was not ended yet; whether there was any. Each is looked at once
/// more right before: its session may have gone on to something else. What is left of that race is
/// the time between the answer and the order.
fn end_some(run: &mut Run<'_>, question: &str, found: &[Statement]) -> Result<bool, Fault> {
    let mut any = false;
    for one in found.iter().filter(|one| run.plan.patience.policy.ends(one)) {
        if run.killed.iter().any(|killed| killed.id == one.id) {
            continue;
        }
        let now = in_the_way(run, question)?;
        let still = |now: &&Statement| now.id == one.id && run.plan.patience.policy.ends(now);
        if let Some(now) = now.iter().find(still) {
            end(run, now)?;
            any = true;
        }
    }
    Ok(any)
}

fn end(run: &mut Run<'_>, one: &Statement) -> Result<(), Fault> {
    let order = Sql::control(statements::kill(one.id), run.plan.window.ask_ms_max);
    let ended = run.host.act(&Act::Sql(order));
    if ended.as_ref().is_err_and(|fault| fault.cause().sql == Some(NO_SUCH_SESSION)) {
        return Ok(());
    }
    // What may have been ended is told as well.
    if !matches!(ended, Err(Fault::Refused(_))) {
        run.killed.push(one.killed());
        (run.tell)(Event::Killed(one.killed()));
    }
    ended.map(drop).map_err(|fault| {
        let whose = match fault.cause().sql {
            Some(NOT_OWNER) => ", which takes more rights (on MySQL, maybe SYSTEM_USER)",
            _ => "",
        };
        fault.during(&format!("cannot end {one}{whose}"))
    })
}

/// Tells what is waited for, whenever that changes.
fn tell_once(run: &mut Run<'_>, told: &mut Vec<u64>, left: &[Statement]) {
    let now: Vec<u64> = left.iter().map(|one| one.id).collect();
    if *told != now {
        (run.tell)(Event::Waiting(statements::list(left)));
        *told = now;
    }
}

fn impatient(ms_max: Option<Millis>, left: &[Statement]) -> Fault {
    let waited = ms_max.map_or_else(String::new, |ms| format!(", after {ms}"));
    Fault::refused(format!(
        "the lock would wait for what has run for long{waited}: {}",
        statements::list(left)
    ))
}
