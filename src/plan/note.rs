//! What was found, one line an aspect, for the audit.

use super::{Aspect, Refusal};

/// How an aspect stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Pass,
    /// It works, but the operator should know.
    Warning,
    /// There is no backup as long as it is so.
    Refusal,
}

/// One aspect that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// How it stands.
    pub verdict: Verdict,
    /// What was looked at.
    pub aspect: Aspect,
    /// What was found; of a refusal also what was expected.
    pub found: String,
    /// A full sentence that names what helps.
    pub hint: Option<String>,
}

impl Note {
    /// An aspect that is as it should be.
    pub fn pass(aspect: Aspect, found: impl Into<String>) -> Self {
        Self { verdict: Verdict::Pass, aspect, found: found.into(), hint: None }
    }

    /// An aspect the operator should know about.
    pub fn warning(aspect: Aspect, found: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warning, ..Self::pass(aspect, found) }
    }

    /// The same, with what helps.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// An aspect that forbids a backup.
    pub fn refusal(aspect: Aspect, refusal: Refusal) -> Self {
        Self { verdict: Verdict::Refusal, aspect, found: refusal.what, hint: refusal.hint }
    }

    /// The refusal, if it is one.
    pub fn as_refusal(&self) -> Option<Refusal> {
        let refused = self.verdict == Verdict::Refusal;
        refused.then(|| Refusal {
            what: self.found.clone(),
            hint: self.hint.clone(),
            aspect: Some(self.aspect),
        })
    }
}
