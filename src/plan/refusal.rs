//! Why a plan cannot be made. Nothing has been touched when one of these is returned.

use super::Aspect;
use crate::config::Complaint;
use crate::host::Fault;

/// A refusal: what could not be done and why, and the command that helps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Refusal {
    /// What could not be done, to what, why: lower case, no full stop.
    pub what: String,
    /// A full sentence that names what helps.
    pub hint: Option<String>,
    /// What it is about, if it came up while looking.
    pub aspect: Option<Aspect>,
}

impl Refusal {
    /// A refusal with its hint.
    pub fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: Some(hint.into()), aspect: None }
    }
}

impl From<Complaint> for Refusal {
    fn from(complaint: Complaint) -> Self {
        Self { what: complaint.to_string(), hint: complaint.hint, aspect: None }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self { what: fault.to_string(), hint: None, aspect: None }
    }
}
