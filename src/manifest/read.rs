//! Reading a manifest entry by entry, and telling where it is wrong.

use std::collections::HashSet;
use std::fmt;
use std::iter::FusedIterator;
use std::path::{Path, PathBuf};

use super::{Entry, Totals, Type, line, path};

/// A manifest that is not one, or was cut or bent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Which line, counted from 1.
    pub line: u64,
    /// What was expected there and what was found.
    pub why: String,
}

/// The entries of a manifest's text, one by one; behind an error there is nothing. Only who has
/// come to the end without one has read a whole manifest.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    run: String,
    rest: &'a str,
    line: u64,
    totals: Totals,
    last: Option<PathBuf>,
    directories: HashSet<PathBuf>,
    ended: bool,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

impl std::error::Error for Malformed {}

impl<'a> Entries<'a> {
    /// Reads the first line.
    pub fn of(text: &'a str) -> Result<Self, Malformed> {
        let mut entries = Self {
            run: String::new(),
            rest: text,
            line: 0,
            totals: Totals::default(),
            last: None,
            directories: HashSet::new(),
            ended: false,
        };
        let header = entries.next_line().and_then(line::header);
        entries.run = header.map_err(|why| entries.malformed(why))?.run;
        Ok(entries)
    }

    /// The run that made the backup.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// The next line, without its line feed.
    fn next_line(&mut self) -> Result<&'a str, String> {
        self.line += 1;
        let cut = "the text ends in the middle of a line";
        let nothing = "expected one more line, found the end of the text";
        let (line, rest) =
            self.rest.split_once('\n').ok_or(if self.rest.is_empty() { nothing } else { cut })?;
        self.rest = rest;
        Ok(line)
    }

    fn malformed(&self, why: String) -> Malformed {
        Malformed { line: self.line, why }
    }

    fn step(&mut self) -> Result<Option<Entry>, String> {
        let text = self.next_line()?;
        if let Some(totals) = line::closing(text) {
            self.ended = true;
            return self.close(totals?).map(|()| None);
        }
        let entry = line::entry(text)?;
        self.fits(&entry)?;
        self.totals.count(&entry);
        if entry.is == Type::Directory {
            self.directories.insert(entry.path.clone());
        }
        self.last = Some(entry.path.clone());
        Ok(Some(entry))
    }

    /// Behind the entry before it, and in a directory that was named.
    fn fits(&self, entry: &Entry) -> Result<(), String> {
        let found = path::escape(&entry.path);
        if let Some(last) = &self.last
            && path::order(last, &entry.path).is_ge()
        {
            return Err(format!(
                "expected a path behind '{}', found '{found}'",
                path::escape(last)
            ));
        }
        match path::parent(&entry.path) {
            Some(parent) if !self.directories.contains(parent) => Err(format!(
                "expected a directory '{}' before '{found}', found none",
                path::escape(parent)
            )),
            None if entry.is != Type::Directory => {
                Err(format!("expected '{found}' to be a directory, found a {}", entry.is.name()))
            }
            _ => Ok(()),
        }
    }

    fn close(&self, told: Totals) -> Result<(), String> {
        if told != self.totals {
            return Err(format!("expected {told}, found {}", self.totals));
        }
        if self.rest.is_empty() {
            return Ok(());
        }
        Err("expected the end of the text, found more lines".into())
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let step = self.step();
        self.ended |= step.is_err();
        step.map_err(|why| self.malformed(why)).transpose()
    }
}

impl FusedIterator for Entries<'_> {}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entries, files, bytes } = self;
        write!(f, "{entries} entries with {files} files of {} bytes", bytes.0)
    }
}

/// A path as the manifest writes it: for what is told about it.
pub fn shown(path: &Path) -> String {
    path::escape(path)
}
