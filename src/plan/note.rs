//! What the plan found, one line an aspect, for the audit.

/// How an aspect stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Pass,
    /// It works, but the operator should know.
    Warning,
}

/// One aspect that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// How it stands.
    pub verdict: Verdict,
    /// What was looked at, in one or two words.
    pub aspect: &'static str,
    /// What was found.
    pub found: String,
}

impl Note {
    /// An aspect that is as it should be.
    pub fn pass(aspect: &'static str, found: impl Into<String>) -> Self {
        Self { verdict: Verdict::Pass, aspect, found: found.into() }
    }

    /// An aspect the operator should know about.
    pub fn warning(aspect: &'static str, found: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warning, aspect, found: found.into() }
    }
}
