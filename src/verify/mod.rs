//! Whether a backup is what its manifest says: looks alone, and whatever it finds it goes on.
//!
//! The record says whose the manifest is by its sum, so nothing is believed of a backup whose
//! record or manifest is bent. Nothing outside the backup is read: no link is followed.
//! Deliberately absent: the run lock. A backup that is removed meanwhile is told, and is not
//! damaged.

mod choose;
pub(crate) mod compare;
mod problem;
mod share;
mod sharers;
#[cfg(test)]
mod tests;

use std::path::Path;

use jiff::Timestamp;

pub use choose::{Which, choose};
pub use problem::{Problem, What};
pub use share::{Share, Turn};
pub use sharers::Sharer;

use crate::host::{Ask, Fault, Host, Priority, Reading, Sum, ToRead};
use crate::manifest::{self, Manifest};
use crate::memory::{self, Finding, How};
use crate::store::{self, RECORD, Summary};
use crate::sums::{self, Progress};
use crate::units::{Bytes, Millis};

/// What is to be verified of a backup.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// Its directory.
    pub path: &'a Path,
    /// Its run, which is its name.
    pub run: &'a str,
    /// Which files are read; all are looked at.
    pub share: Share,
    /// How much of the machine that may take.
    pub priority: Priority,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It was looked at to its end.
    Looked(Verdict),
    /// It was made before there were manifests, so there is nothing to hold it against.
    NoManifest,
    /// It was removed meanwhile.
    Gone,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether everything was read or a share.
    pub how: How,
    /// When it was over.
    pub at: Timestamp,
    /// How long it took.
    pub took: Millis,
    /// How many files were read.
    pub files: u64,
    /// How many bytes those have.
    pub bytes: Bytes,
    /// Everything that is not as it should be, by path.
    pub problems: Vec<Problem>,
    /// The other backups that hold the same files; why not, if that cannot be told.
    pub sharers: Result<Vec<Sharer>, String>,
}

impl Verdict {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    /// What is remembered of it.
    pub fn finding(&self) -> Finding {
        self.found(&self.problems)
    }

    /// What is remembered of a backup that shares files with it.
    pub fn finding_of(&self, sharer: &Sharer) -> Finding {
        let (files, bytes) = (Some(sharer.problems.len() as u64), None);
        Finding { files, bytes, ..self.found(&sharer.problems) }
    }

    fn found(&self, problems: &[Problem]) -> Finding {
        let first = problems.iter().take(memory::PROBLEMS_MAX);
        Finding {
            at: self.at,
            took_ms: self.took,
            files: Some(self.files),
            bytes: Some(self.bytes),
            ready_ms: None,
            problems_found: problems.len() as u64,
            problems: first.map(ToString::to_string).collect(),
        }
    }
}

/// Verifies a backup; a fault says that it could not be, also when a signal comes. `each` is told
/// how far the reading is.
pub fn verify(
    host: &dyn Host,
    order: &Order<'_>,
    each: &mut dyn FnMut(Progress),
) -> Result<End, Fault> {
    let began = host.now()?;
    let Some(text) = record(host, order.path)? else { return Ok(End::Gone) };
    let found = match store::read(&text) {
        Ok(summary) if summary.manifest.is_none() => return Ok(End::NoManifest),
        Ok(summary) => look(host, order, &summary, each)?,
        Err(why) => Seen::only(Problem::new(Path::new(RECORD), What::Record { why })),
    };
    // Whatever is missing may be missing because somebody removes the backup.
    if record(host, order.path)?.as_ref() != Some(&text) {
        return Ok(End::Gone);
    }
    let took = Millis(host.now()?.saturating_sub(began) / 1_000_000);
    let how = if order.share == Share::All { How::Verify } else { How::Sample };
    let at = host.machine()?.began();
    let Seen { files, bytes, mut problems } = found;
    problems.sort();
    let sharers = sharers::find(host, order, &problems).map_err(|why| why.to_string());
    Ok(End::Looked(Verdict { how, at, took, files, bytes, problems, sharers }))
}

/// The record's text, as long as it is there. One that cannot be read as a text is damaged, and is
/// not gone.
fn record(host: &dyn Host, path: &Path) -> Result<Option<String>, Fault> {
    if host.entry(path)?.is_none() {
        return Ok(None);
    }
    let text = host.file(&path.join(RECORD));
    Ok(Some(text.unwrap_or_else(|fault| Some(fault.to_string())).unwrap_or_default()))
}

/// What was seen of a backup.
#[derive(Default)]
struct Seen {
    files: u64,
    bytes: Bytes,
    problems: Vec<Problem>,
}

impl Seen {
    fn only(problem: Problem) -> Self {
        Self { problems: vec![problem], ..Self::default() }
    }
}

fn look(
    host: &dyn Host,
    order: &Order<'_>,
    summary: &Summary,
    each: &mut dyn FnMut(Progress),
) -> Result<Seen, Fault> {
    let manifest = match manifest(host, order, summary) {
        Ok(manifest) => manifest,
        Err(what) => return Ok(Seen::only(Problem::new(Path::new(manifest::FILE), what))),
    };
    let mut problems = compare::statements(host, order.path, summary);
    let tree = host.tree(order.path)?;
    let compared = compare::compare(&manifest.entries, &tree);
    problems.extend(compared.problems);
    let turn = Turn::of(order.share, host.machine()?.began(), manifest.totals().files);
    let chosen = compared.readable.into_iter().filter(|entry| turn.takes(&entry.path));
    let chosen: Vec<_> = chosen.collect();
    let to_read = chosen.iter().map(|one| ToRead { path: one.path.clone(), size: one.size });
    let (directory, priority) = (order.path.to_owned(), order.priority);
    let reading = Reading { directory, files: to_read.collect(), priority };
    let sums = sums::read(host, reading, &mut |progress| {
        each(progress);
        host.heed_signal()
    })?;
    for (entry, sum) in chosen.iter().zip(&sums) {
        problems.extend(judge(entry, sum));
    }
    let bytes = Bytes(chosen.iter().map(|one| one.size.0).sum());
    Ok(Seen { files: chosen.len() as u64, bytes, problems })
}

/// The manifest that the record tells of.
fn manifest(host: &dyn Host, order: &Order<'_>, summary: &Summary) -> Result<Manifest, What> {
    let text = host.long_file(&order.path.join(manifest::FILE));
    let bent = |why: String| What::Manifest { why };
    let text = text.map_err(|fault| What::Unreadable { why: fault.to_string() })?;
    let text = text.ok_or(What::Missing)?;
    let told = summary.manifest.as_ref().ok_or(What::Missing)?;
    let manifest = Manifest::sealed(&text, told.blake3, &summary.run).map_err(bent)?;
    if manifest.run != order.run {
        let (name, run) = (order.run, manifest.run);
        return Err(bent(format!("the backup's name is of run {name}, it is of run {run}")));
    }
    Ok(manifest)
}

/// Holds what was read of a file against its entry. Bad pages in a file that is what it was are
/// those of the source.
fn judge(entry: &manifest::Entry, sum: &Result<Sum, String>) -> Option<Problem> {
    let what = match sum {
        Err(why) => What::Unreadable { why: why.clone() },
        Ok(sum) if entry.blake3 != Some(sum.blake3) => {
            What::Content { expected: entry.blake3?, found: sum.blake3 }
        }
        Ok(sum) => {
            let pages = sum.pages.as_ref().filter(|pages| pages.bad > 0)?;
            let first_bad = pages.first_bad.clone();
            What::BadPages { checked: pages.checked, bad: pages.bad, first_bad }
        }
    };
    Some(Problem::new(&entry.path, what))
}
