//! What is wrong with a configuration, and where.

use std::fmt;
use std::path::PathBuf;

/// One complaint about a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The file, where the complaint is about a place in it.
    pub file: Option<PathBuf>,
    /// Line and column in the file, both from 1; nothing if the fault is in no one place.
    pub at: Option<(usize, usize)>,
    /// What is wrong: lower case, no full stop.
    pub what: String,
    /// A full sentence that names what helps.
    pub hint: Option<String>,
}

impl Complaint {
    /// A complaint about the whole file.
    pub fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { file: None, at: None, what: what.into(), hint: Some(hint.into()) }
    }

    /// The same complaint, at the byte `offset` of `text`.
    #[must_use]
    pub fn at(mut self, text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        self.at = Some((line, before[start..].chars().count() + 1));
        self
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.at {
            if let Some(file) = &self.file {
                write!(f, "'{}', ", file.display())?;
            }
            write!(f, "line {line}, column {column}: ")?;
        }
        f.write_str(&self.what)
    }
}

impl std::error::Error for Complaint {}
