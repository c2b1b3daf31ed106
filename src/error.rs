//! The exit codes, in one table, and the reasons to stop before a run begins.

use std::fmt::Write as _;
use std::process::ExitCode;

use crate::config::Complaint;
use crate::host::Fault;
use crate::plan::Refusal;
use crate::run::Outcome;
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
    /// 75: another run holds the lock (`EX_TEMPFAIL` of sysexits.h).
    Busy,
    /// 128 and the signal's number: interrupted, rolled back clean.
    Interrupted(u8),
}

impl Code {
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
            Self::Busy => 75,
            Self::Interrupted(signal) => 128 + signal,
        }
    }

    /// The code of a run.
    pub fn of(outcome: &Outcome) -> Self {
        match (&outcome.result, outcome.is_clean()) {
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
    /// The plan refuses.
    #[error("{0}")]
    Refused(#[from] Refusal),
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

    /// The whole message: each reason with its hint.
    pub fn message(&self) -> String {
        let mut text = String::new();
        match self {
            Self::Usage(all) => all.iter().for_each(|one| tell(&mut text, &one.clone().into())),
            Self::Refused(one) | Self::Unsettled { refusal: one, .. } => tell(&mut text, one),
            Self::Busy { .. } => tell(
                &mut text,
                &Refusal::new(self.to_string(), "Wait for it to end, or look at it with 'ps'."),
            ),
            Self::Unexpected(_) | Self::Interrupted(_) => {
                tell(&mut text, &Refusal { what: self.to_string(), hint: None });
            }
        }
        text
    }
}

fn tell(text: &mut String, one: &Refusal) {
    let _cannot_fail = writeln!(text, "holdstill: {}", one.what);
    if let Some(hint) = &one.hint {
        let _cannot_fail = writeln!(text, "hint: {hint}");
    }
}

fn complaints(all: &[Complaint]) -> String {
    all.iter().map(Complaint::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_its_hint_on_a_line_of_its_own() {
        let stop = Stop::Refused(Refusal::new("cannot do it", "Run 'this'."));
        assert_eq!(stop.message(), "holdstill: cannot do it\nhint: Run 'this'.\n");
        assert_eq!(stop.code().number(), 3);
    }
}
