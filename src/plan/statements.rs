//! Statements that have run for long and that the lock would wait for, while others wait behind it:
//! what runs now, and what the run is to do about those it finds.

use super::make::{pass, warn};
use super::server::{Met, allowed, ask};
use super::{Aspect, Note, Refusal};
use crate::config::{Config, LongStatements};
use crate::database::grants;
use crate::database::statements::{self, Statement};
use crate::host::Host;
use crate::units::Millis;

/// How much patience a run has with long statements.
#[derive(Clone, Debug)]
pub struct Patience {
    /// Asks for them; nothing where nothing is locked.
    pub question: Option<String>,
    /// What is done about those that the lock would wait for.
    pub policy: Policy,
    /// The sessions whose statements will be ended if they still run then.
    pub ending: Vec<u64>,
}

/// What is done about statements that the lock would wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The run ends.
    Refuse,
    /// They are waited for, at most so long.
    Wait {
        /// How long.
        ms_max: Millis,
    },
    /// Old SELECTs are ended, and what is left is waited for.
    Kill {
        /// How old a SELECT must be.
        select_s_min: u64,
        /// How long what is left is waited for.
        ms_max: Millis,
    },
}

/// Looks what runs, and refuses if there is no patience with it.
pub(super) fn look(
    host: &dyn Host,
    config: &Config,
    met: &Met,
    notes: &mut Vec<Note>,
) -> Result<Patience, Refusal> {
    let policy = policy(config);
    if met.kind.lock().is_none() {
        pass(notes, Aspect::Statements, "nothing is locked, so none is waited for");
        return Ok(Patience { question: None, policy, ending: Vec::new() });
    }
    if matches!(policy, Policy::Kill { .. }) {
        allowed(&met.granted, &[grants::kill(&met.server)], &met.account, notes)?;
    }
    let seconds_min = config.lock.long_statement_s_min;
    let question = statements::question(seconds_min);
    let all = statements::read(&ask(host, &question)?)
        .map_err(|why| Refusal::new(why, "Ask the server by hand: SHOW PROCESSLIST."))?;
    let flavour = met.server.flavour;
    let (waited_for, harmless): (Vec<Statement>, Vec<Statement>) =
        all.into_iter().partition(|one| met.kind.waits_for(flavour, &one.verb));
    let (policy_told, count) = (policy.told(), waited_for.len());
    let found = if count == 0 { "none runs".to_owned() } else { format!("{count} found") };
    pass(
        notes,
        Aspect::Statements,
        format!(
            "{policy_told} for those of {seconds_min} s or more that the lock would wait for: {found}"
        ),
    );
    for one in &harmless {
        pass(notes, Aspect::Statements, format!("{one}: this lock does not wait for it"));
    }
    for one in &waited_for {
        warn(notes, Aspect::Statements, format!("{one}: {}", policy.fate(one)));
    }
    refuse(&policy, &waited_for)?;
    let ending = waited_for.iter().filter(|one| policy.ends(one)).map(|one| one.id).collect();
    Ok(Patience { question: Some(question), policy, ending })
}

fn policy(config: &Config) -> Policy {
    let (ms_max, select_s_min) = (config.lock.long_wait_ms_max, config.lock.kill_select_s_min);
    match config.lock.long_statements {
        LongStatements::Refuse => Policy::Refuse,
        LongStatements::Wait => Policy::Wait { ms_max },
        LongStatements::Kill => Policy::Kill { select_s_min, ms_max },
    }
}

/// Refuses if there is a statement that the policy would neither wait for nor end.
fn refuse(policy: &Policy, waited_for: &[Statement]) -> Result<(), Refusal> {
    let patient = |one: &&Statement| matches!(policy, Policy::Wait { .. }) || policy.ends(one);
    let refused: Vec<Statement> = waited_for.iter().filter(|one| !patient(one)).cloned().collect();
    let Some(first) = refused.first() else { return Ok(()) };
    let what = format!(
        "the lock would wait for what has run for long, and others behind it: {}",
        statements::list(&refused)
    );
    let hint = format!(
        "Try again when it is over, end it with '{}', or write 'long_statements = \"wait\"' or \
         \"kill\" (for SELECTs of 'kill_select_s_min' seconds) under [lock].",
        statements::kill(first.id)
    );
    Err(Refusal::new(what, hint))
}

impl Policy {
    /// Whether it ends this statement.
    pub fn ends(&self, one: &Statement) -> bool {
        match self {
            Self::Kill { select_s_min, .. } => one.is_select_of(*select_s_min),
            Self::Refuse | Self::Wait { .. } => false,
        }
    }

    fn told(&self) -> String {
        match self {
            Self::Refuse => "'refuse'".into(),
            Self::Wait { ms_max } => format!("'wait' (at most {ms_max})"),
            Self::Kill { select_s_min, ms_max } => {
                format!("'kill' (SELECTs of {select_s_min} s, then wait at most {ms_max})")
            }
        }
    }

    fn fate(&self, one: &Statement) -> &'static str {
        match self {
            _ if self.ends(one) => "it will be ended if it still runs then",
            Self::Wait { .. } => "it will be waited for",
            Self::Refuse | Self::Kill { .. } => "the lock would wait for it",
        }
    }
}
