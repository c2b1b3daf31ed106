//! What stands in a destination: every backup, whole, unfinished or on its way out. Looks alone.
//!
//! Ours is a directory, no link, with the name of a run and a record that can be read, which names
//! this host and the same run; a whole one has its `tree` as well. One reader for all who ask, so
//! that what one counts as a backup the other does, too.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::Value;

use super::{RECORD, Summary, TREE, is_run, read};
use crate::host::{Ask, Fault, Host, Kind};

/// What a name in a destination says of the backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// It has its own name, so it was published.
    Whole,
    /// A run is at it, or died over it: `.RUN.partial`.
    Partial,
    /// It is being removed, or its removal was interrupted: `.RUN.removing`.
    Removing,
}

/// Something that has a backup's name, or a record.
#[derive(Clone, Debug)]
pub struct Found {
    /// The run that its name tells; the name itself if that is none of a run.
    pub run: String,
    /// Where.
    pub path: PathBuf,
    /// What its name says.
    pub form: Form,
    /// What it is; a fault if it could not be looked at.
    pub what: Result<What, Fault>,
}

/// What it is.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// Ours.
    Ours(Box<Ours>),
    /// It should be ours, and this speaks against touching it.
    Unclear(String),
    /// It is somebody else's, for this reason.
    NotOurs(String),
}

/// A backup whose record can be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Ours {
    /// When its run began.
    pub began: Timestamp,
    /// What its record tells.
    pub summary: Summary,
    /// The whole record, with what this program does not read.
    pub record: Value,
}

impl Form {
    /// How names of this form begin and end.
    fn around(self) -> (&'static str, &'static str) {
        match self {
            Self::Whole => ("", ""),
            Self::Partial => (".", ".partial"),
            Self::Removing => (".", ".removing"),
        }
    }

    /// The name of a run's backup in this form.
    pub fn name(self, run: &str) -> String {
        let (begin, end) = self.around();
        format!("{begin}{run}{end}")
    }

    /// The form that a name has, and the run; nothing if it is no name of ours.
    pub fn of(name: &str) -> Option<(Self, &str)> {
        [Self::Whole, Self::Partial, Self::Removing].into_iter().find_map(|form| {
            let (begin, end) = form.around();
            let run = name.strip_prefix(begin)?.strip_suffix(end)?;
            is_run(run).then_some((form, run))
        })
    }
}

impl Found {
    /// The backup that counts for somebody who asks for one: published, readable, and its record
    /// does not say that it is damaged.
    pub fn counts(&self) -> Option<&Ours> {
        match &self.what {
            Ok(What::Ours(ours)) if self.form == Form::Whole && ours.is_published() => Some(ours),
            _ => None,
        }
    }
}

impl Ours {
    /// Whether its record says that it is whole.
    pub fn is_published(&self) -> bool {
        self.summary.state == "published"
    }
}

/// Everything in a destination that has a backup's name or a record, by name, so oldest first; what
/// is unfinished comes before what is whole.
pub fn find(host: &dyn Host, destination: &Path) -> Result<Vec<Found>, Fault> {
    let us = host.machine()?.host;
    // A link to the destination is the operator's own; one in it is not.
    let real = host.entry(destination)?.map_or_else(|| destination.into(), |entry| entry.real);
    let names = host.list(&real)?;
    Ok(names.iter().filter_map(|name| found(host, &us, &real, name)).collect())
}

fn found(host: &dyn Host, us: &str, directory: &Path, name: &str) -> Option<Found> {
    let path = directory.join(name);
    if let Some((form, run)) = Form::of(name) {
        let what = look(host, us, directory, (form, run));
        return Some(Found { run: run.into(), path, form, what });
    }
    let record = || host.file(&path.join(RECORD)).unwrap_or_default();
    let is_one = !name.starts_with('.') && record().is_some();
    let what = Ok(What::NotOurs("its name is not that of a run".into()));
    is_one.then(|| Found { run: name.into(), path, form: Form::Whole, what })
}

/// What stands under the name of a run in this form. `us` is this host, and the directory has no
/// link in it.
pub fn look(
    host: &dyn Host,
    us: &str,
    directory: &Path,
    (form, run): (Form, &str),
) -> Result<What, Fault> {
    let path = directory.join(form.name(run));
    let not_ours = |why: &str| Ok(What::NotOurs(why.into()));
    let unclear = |why: String| Ok(What::Unclear(why));
    let Some(entry) = host.entry(&path)? else {
        return not_ours("it is a link that leads nowhere");
    };
    if entry.real != path {
        return not_ours("it is a symbolic link");
    }
    if entry.kind != Kind::Directory {
        return not_ours("it is not a directory");
    }
    let Some(text) = host.file(&path.join(RECORD))? else {
        return unclear(format!("it has no '{RECORD}'"));
    };
    let (began, summary, record) = match parse(&text) {
        Ok(parsed) => parsed,
        Err(why) => return unclear(why),
    };
    match &summary.host {
        Some(host) if host == us => {}
        Some(host) => return not_ours(&format!("it is of host '{host}'")),
        None => return unclear("its record names no host".into()),
    }
    if summary.run != run {
        return unclear(format!("its record is of run {}", summary.run));
    }
    if form == Form::Whole
        && let Some(why) = not_whole(host, &path, &summary)?
    {
        return unclear(why);
    }
    Ok(What::Ours(Box::new(Ours { began, summary, record })))
}

fn parse(text: &str) -> Result<(Timestamp, Summary, Value), String> {
    let summary = read(text)?;
    let damaged = |error: &dyn std::fmt::Display| format!("damaged record: {error}");
    let began = summary.started.parse().map_err(|error: jiff::Error| damaged(&error))?;
    let record = serde_json::from_str(text).map_err(|error| damaged(&error))?;
    Ok((began, summary, record))
}

/// Why what has the name of a whole backup is none, as far as a look tells.
fn not_whole(host: &dyn Host, path: &Path, summary: &Summary) -> Result<Option<String>, Fault> {
    let tree = host.entry(&path.join(TREE))?;
    if tree.is_none_or(|tree| tree.kind != Kind::Directory) {
        return Ok(Some(format!("it has no '{TREE}'")));
    }
    let state = summary.state.as_str();
    Ok((!["published", "damaged"].contains(&state)).then(|| format!("its state is '{state}'")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_what_becomes_of_a_backup() {
        let run = "20261123T010203Z-00002a";
        for form in [Form::Whole, Form::Partial, Form::Removing] {
            assert_eq!(Form::of(&form.name(run)), Some((form, run)));
        }
        for other in ["", ".", "lost+found", ".x.partial", &format!(".{run}"), &format!("{run}.x")]
        {
            assert_eq!(Form::of(other), None, "{other}");
        }
    }
}
