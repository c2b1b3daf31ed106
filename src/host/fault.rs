//! What is known about a call that did not go well.

use std::fmt;

/// What is said of a server that cannot encrypt, where that was asked for.
pub const NO_TLS: &str = "the server offers no TLS";

/// Why, in words, with the codes that a hint or a decision may depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// One line, lower case, without a full stop.
    pub why: String,
    /// The server's error number, if a server said it.
    pub sql: Option<u16>,
}

/// A call that failed: the kind says whether its effect may exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not done, for certain.
    Refused(Cause),
    /// It may have happened.
    Unsure(Cause),
    /// It is past its deadline and may still happen.
    Overdue(Cause),
}

impl Fault {
    /// Not done, for certain.
    pub fn refused(why: impl Into<String>) -> Self {
        Self::Refused(Cause { why: why.into(), sql: None })
    }

    /// It may have happened.
    pub fn unsure(why: impl Into<String>) -> Self {
        Self::Unsure(Cause { why: why.into(), sql: None })
    }

    /// It is past its deadline and may still happen.
    pub fn overdue(why: impl Into<String>) -> Self {
        Self::Overdue(Cause { why: why.into(), sql: None })
    }

    /// Why, whatever the kind.
    pub fn cause(&self) -> &Cause {
        match self {
            Self::Refused(cause) | Self::Unsure(cause) | Self::Overdue(cause) => cause,
        }
    }

    /// Whether something may still happen later.
    pub fn is_overdue(&self) -> bool {
        matches!(self, Self::Overdue(_))
    }

    /// The same fault, which tells no more of its cause than the server's error number.
    #[must_use]
    pub fn silenced(mut self, why: &str) -> Self {
        let (Self::Refused(cause) | Self::Unsure(cause) | Self::Overdue(cause)) = &mut self;
        let number = cause.sql.map_or_else(String::new, |number| format!("error {number}, "));
        cause.why = format!("{number}{why}");
        self
    }

    /// The same fault, saying first what could not be done.
    #[must_use]
    pub fn during(mut self, what: &str) -> Self {
        let (Self::Refused(cause) | Self::Unsure(cause) | Self::Overdue(cause)) = &mut self;
        cause.why = format!("{what}: {}", cause.why);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause().why)
    }
}

impl std::error::Error for Fault {}
