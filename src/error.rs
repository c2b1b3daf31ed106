//! The exit codes, in one table, and the reasons to stop before a run begins.

use std::fmt::Write as _;
use std::process::ExitCode;

use crate::config::Complaint;
use crate::host::Fault;
use crate::plan::{Aspect, Refusal};
use crate::run::{Drilled, Outcome};
use crate::settle::Server;

/// How the program ends. The numbers are a contract with cron lines, units and monitoring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// 0: done; a backup is published and nothing is left.
    Clean,
    /// 1: unexpected.
    Unexpected,
    /// 2: usage or configuration.
    Usage,
    /// 3: refused by the plan, nothing touched.
    Refused,
    /// 4: failed, rolled back clean.
    RolledBack,
    /// 5: published, but something is left; the ledger is kept.
    PublishedLeft,
    /// 6: failed, and something is left; the ledger is kept.
    FailedLeft,
    /// 8: a backup is published, but a drill did not prove it.
    Unproven,
    /// 9: a backup is damaged.
    Damaged,
    /// 10: a backup is published here, and not at every place that it is to be pushed to.
    NotPushed,
    /// 75: another run holds the lock (`EX_TEMPFAIL` of sysexits.h).
    Busy,
    /// 128 and the signal's number: interrupted, rolled back clean.
    Interrupted(u8),
}

impl Code {
    /// Every code, an interruption by each of the signals that ask a run to stop.
    pub const ALL: [Self; 14] = [
        Self::Clean,
        Self::Unexpected,
        Self::Usage,
        Self::Refused,
        Self::RolledBack,
        Self::PublishedLeft,
        Self::FailedLeft,
        Self::Unproven,
        Self::Damaged,
        Self::NotPushed,
        Self::Busy,
        Self::Interrupted(1),
        Self::Interrupted(2),
        Self::Interrupted(15),
    ];

    /// The number.
    pub fn number(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Unexpected => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::RolledBack => 4,
            Self::PublishedLeft => 5,
            Self::FailedLeft => 6,
            Self::Unproven => 8,
            Self::Damaged => 9,
            Self::NotPushed => 10,
            Self::Busy => 75,
            Self::Interrupted(signal) => 128 + signal,
        }
    }

    /// The code of a run.
    pub fn of(outcome: &Outcome) -> Self {
        match (&outcome.result, outcome.is_clean()) {
            (Ok(_), true) if matches!(outcome.drilled, Drilled::Failed(_)) => Self::Unproven,
            (Ok(_), true) => Self::Clean,
            (Ok(_), false) => Self::PublishedLeft,
            (Err(_), false) => Self::FailedLeft,
            (Err(failure), true) => match failure.signal.map(u8::try_from) {
                Some(Ok(signal)) => Self::Interrupted(signal),
                _ => Self::RolledBack,
            },
        }
    }
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code.number())
    }
}

/// Why a command stops before it does anything.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// The command line or the configuration is wrong.
    #[error("{}", complaints(.0))]
    Usage(Vec<Complaint>),
    /// The plan refuses, for each of these reasons.
    #[error("{}", refusals(.0))]
    Refused(Vec<Refusal>),
    /// A dead run was found and cannot be settled.
    #[error("{refusal}")]
    Unsettled {
        /// What is not settled.
        refusal: Refusal,
        /// Whether the server goes on all the same.
        server: Server,
    },
    /// A signal came before anything was touched.
    #[error("interrupted by signal {0}, before anything was touched")]
    Interrupted(u8),
    /// Another run holds the lock.
    #[error("another run is alive: {holder}")]
    Busy {
        /// What that run wrote about itself.
        holder: String,
    },
    /// The machine does not do what it always does.
    #[error("{0:#}")]
    Unexpected(#[from] anyhow::Error),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(vec![refusal])
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Unexpected(fault.into())
    }
}

impl Stop {
    /// The exit code.
    pub fn code(&self) -> Code {
        match self {
            Self::Usage(_) => Code::Usage,
            Self::Refused(_) => Code::Refused,
            Self::Unsettled { .. } => Code::FailedLeft,
            Self::Interrupted(signal) => Code::Interrupted(*signal),
            Self::Busy { .. } => Code::Busy,
            Self::Unexpected(_) => Code::Unexpected,
        }
    }

    /// Each reason with its hint.
    pub fn reasons(&self) -> Vec<Refusal> {
        match self {
            Self::Usage(all) => all.iter().cloned().map(Refusal::from).collect(),
            Self::Refused(all) => all.clone(),
            Self::Unsettled { refusal, .. } => vec![refusal.clone()],
            Self::Busy { .. } => {
                let hint = "Wait for it to end, or look at it with 'ps'.";
                vec![Refusal::new(self.to_string(), hint)]
            }
            Self::Interrupted(_) | Self::Unexpected(_) => {
                vec![Refusal { what: self.to_string(), hint: None, aspect: None }]
            }
        }
    }

    /// The whole message: each reason with its hint.
    pub fn message(&self) -> String {
        let mut text = String::new();
        let reasons = self.reasons();
        for one in &reasons {
            tell(&mut text, one);
        }
        more(&mut text, &reasons);
        text
    }
}

fn tell(text: &mut String, one: &Refusal) {
    let _cannot_fail = writeln!(text, "holdstill: {}", one.what);
    if let Some(hint) = &one.hint {
        let _cannot_fail = writeln!(text, "hint: {hint}");
    }
}

/// Where more is said about what was refused.
fn more(text: &mut String, all: &[Refusal]) {
    let mut aspects: Vec<Aspect> = all.iter().filter_map(|one| one.aspect).collect();
    aspects.dedup();
    for aspect in aspects {
        let _cannot_fail = writeln!(text, "more: holdstill explain {aspect}");
    }
}

fn refusals(all: &[Refusal]) -> String {
    all.iter().map(Refusal::to_string).collect::<Vec<_>>().join("; ")
}

fn complaints(all: &[Complaint]) -> String {
    all.iter().map(Complaint::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_its_hint_on_a_line_of_its_own() {
        let stop = Stop::from(Refusal::new("cannot do it", "Run 'this'."));
        assert_eq!(stop.message(), "holdstill: cannot do it\nhint: Run 'this'.\n");
        assert_eq!(stop.code().number(), 3);
    }
}
