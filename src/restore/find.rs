//! Which backup is meant: an id, a beginning of one, `newest`, or a path; and what it says of
//! itself. A backup of another host is as good as ours.

use std::path::{Path, PathBuf};

use super::{Asked, Damage, Record};
use crate::digest::Digest;
use crate::host::{Ask, Host, Kind};
use crate::manifest::{self, Entry, Manifest};
use crate::memory::{self, Standing};
use crate::plan::Refusal;
use crate::shell;
use crate::store::{self, RECORD};

/// The word for the newest backup.
const NEWEST: &str = "newest";

/// How many names a message shows.
const SHOWN_MAX: usize = 5;

/// Where the backups are, and what is known of them.
#[derive(Clone, Copy, Debug)]
pub struct Shelf<'a> {
    /// The destination.
    pub destination: &'a Path,
    /// Where it is kept what verifications and drills found.
    pub state_dir: &'a Path,
}

/// A backup that was found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) directory: PathBuf,
    pub(super) record: Record,
    pub(super) entries: Vec<Entry>,
    pub(super) notes: Vec<String>,
}

/// The backup that is meant. Without a shelf only a path says one.
pub(super) fn backup(
    host: &dyn Host,
    asked: &Asked,
    shelf: Option<&Shelf<'_>>,
) -> Result<Found, Refusal> {
    let mut notes = Vec::new();
    let directory = match (asked.backup.contains('/'), shelf) {
        (true, _) => PathBuf::from(&asked.backup),
        (false, Some(shelf)) => shelf.destination.join(name(host, asked, shelf, &mut notes)?),
        (false, None) => {
            let what = format!("cannot look for the backup '{}'", asked.backup);
            return Err(Refusal::new(what, "Name the configuration, or the backup's path."));
        }
    };
    let entry = host.entry(&directory)?.filter(|entry| entry.kind == Kind::Directory);
    let Some(entry) = entry else {
        let what = format!("there is no backup '{}'", directory.display());
        return Err(Refusal::new(what, "Run 'holdstill list' to see what there is."));
    };
    let record = record(host, &entry.real)?;
    sound(host, asked, shelf, &record, &mut notes)?;
    let entries = entries(host, asked, &entry.real, &record, &mut notes)?;
    Ok(Found { directory: entry.real, record, entries, notes })
}

/// The run of the backup that is meant, where it is not named by a path, and that it may be used.
pub fn run(host: &dyn Host, asked: &Asked, shelf: &Shelf<'_>) -> Result<String, Refusal> {
    let run = name(host, asked, shelf, &mut Vec::new())?;
    let record = record(host, &shelf.destination.join(&run))?;
    sound(host, asked, Some(shelf), &record, &mut Vec::new()).map(|()| run)
}

/// The name of the backup in the destination.
fn name(
    host: &dyn Host,
    asked: &Asked,
    shelf: &Shelf<'_>,
    notes: &mut Vec<String>,
) -> Result<String, Refusal> {
    let names: Vec<String> =
        host.list(shelf.destination)?.into_iter().filter(|name| store::is_run(name)).collect();
    if asked.backup == NEWEST {
        return newest(host, asked, shelf, names, notes);
    }
    store::pick(names, &asked.backup)
        .map_err(|why| Refusal::new(why.what(shelf.destination), why.hint()))
}

/// The newest one that is published and not known to be damaged; what is newer is told.
fn newest(
    host: &dyn Host,
    asked: &Asked,
    shelf: &Shelf<'_>,
    names: Vec<String>,
    notes: &mut Vec<String>,
) -> Result<String, Refusal> {
    for name in names.into_iter().rev() {
        let why = match record(host, &shelf.destination.join(&name)) {
            Err(refusal) => refusal.what,
            Ok(record) if record.state != "published" => format!("its state is '{}'", record.state),
            Ok(_) if asked.damage == Damage::Taken => return Ok(name),
            Ok(_) => match known(host, shelf, &name) {
                Ok(Standing::Damaged(at, why)) => format!("found damaged at {at}: {why}"),
                _ => return Ok(name),
            },
        };
        notes.push(format!("the newer backup '{name}' is passed over: {why}"));
    }
    let none = format!("there is no whole backup in '{}'", shelf.destination.display());
    let what = std::iter::once(none).chain(notes.drain(..)).collect::<Vec<_>>().join("; ");
    let hint = "Run 'holdstill list' to see what there is, and name one with '--damaged' if \
                nothing else is left.";
    Err(Refusal::new(what, hint))
}

fn known(host: &dyn Host, shelf: &Shelf<'_>, run: &str) -> Result<Standing, String> {
    let known = memory::recall(host, shelf.state_dir, run).map_err(|fault| fault.to_string())?;
    Ok(known.standing())
}

fn record(host: &dyn Host, directory: &Path) -> Result<Record, Refusal> {
    let shown = directory.display();
    let hint = "Choose another backup: 'holdstill list' shows them.";
    let Some(text) = host.file(&directory.join(RECORD))? else {
        return Err(Refusal::new(format!("'{shown}' is no backup: it has no '{RECORD}'"), hint));
    };
    Record::parse(&text).map_err(|why| {
        let what = format!("the record of the backup '{shown}' cannot be used: {why}");
        Refusal::new(what, hint)
    })
}

/// Refuses what is not published, and what is known to be damaged unless that is taken.
fn sound(
    host: &dyn Host,
    asked: &Asked,
    shelf: Option<&Shelf<'_>>,
    record: &Record,
    notes: &mut Vec<String>,
) -> Result<(), Refusal> {
    let why = match record.state.as_str() {
        "published" => match shelf.map(|shelf| known(host, shelf, &record.run)) {
            Some(Ok(Standing::Damaged(at, why))) => format!("found damaged at {at}: {why}"),
            Some(Err(why)) => {
                notes.push(format!("what is known of the backup cannot be read: {why}"));
                return Ok(());
            }
            _ => return Ok(()),
        },
        "damaged" => "its record says that it is damaged".into(),
        other => {
            let what = format!("backup {} is not whole: its state is '{other}'", record.run);
            return Err(Refusal::new(what, "Choose another one: 'holdstill list' shows them."));
        }
    };
    if asked.damage == Damage::Taken {
        notes.push(format!("the backup is damaged ({why})"));
        return Ok(());
    }
    let hint = "Choose another one ('holdstill list'), or add '--damaged' to restore what is left \
                of it.";
    Err(Refusal::new(format!("backup {} is damaged: {why}", record.run), hint))
}

/// What the backup should hold, by its manifest. Of a backup without one only what it does hold is
/// known, which proves nothing.
fn entries(
    host: &dyn Host,
    asked: &Asked,
    directory: &Path,
    record: &Record,
    notes: &mut Vec<String>,
) -> Result<Vec<Entry>, Refusal> {
    let path = directory.join(manifest::FILE);
    let read = match host.long_file(&path)? {
        None => Err(format!("it has no '{}'", manifest::FILE)),
        Some(text) => manifest(&text, record),
    };
    match (read, asked.damage) {
        (Ok(entries), _) => Ok(entries),
        (Err(why), Damage::Taken) => {
            notes.push(format!("nothing can be proven, since {why}: files are only copied"));
            seen(host, directory, record)
        }
        (Err(why), Damage::Refused) => {
            let what = format!("cannot prove backup {}: {why}", record.run);
            let hint = "Choose another one ('holdstill list'), or add '--damaged' to restore it \
                        unproven.";
            Err(Refusal::new(what, hint))
        }
    }
}

/// The manifest that the record tells of by its sum.
fn manifest(text: &str, record: &Record) -> Result<Vec<Entry>, String> {
    let found = Digest::of(text.as_bytes());
    match &record.manifest {
        Some(told) if told.blake3 == found => {}
        Some(told) => {
            return Err(format!(
                "its manifest is damaged: the record tells the sum {}, found {found}",
                told.blake3
            ));
        }
        None => return Err("its record tells of no manifest".into()),
    }
    match Manifest::parse(text) {
        Ok(manifest) if manifest.run == record.run => Ok(manifest.entries),
        Ok(other) => Err(format!("its manifest is of run {}", other.run)),
        Err(error) => Err(format!("its manifest is damaged: {error}")),
    }
}

/// What stands in the trees, without sums.
fn seen(host: &dyn Host, directory: &Path, record: &Record) -> Result<Vec<Entry>, Refusal> {
    let mut entries = Vec::new();
    let all = host.tree(directory)?;
    if let Some((path, why)) = all.unseen.first() {
        let what = format!("cannot look at '{}' in the backup: {why}", shell::path(path));
        return Err(Refusal::new(what, "Mount what belongs there, and unmount what does not."));
    }
    for found in all.found {
        if record.sources.iter().any(|one| found.path.starts_with(&one.tree)) {
            entries.push(Entry::new(found.path.clone(), &found, None));
        }
    }
    Ok(entries)
}

/// The first of some names, and how many more there are.
pub(super) fn few<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    let shown: Vec<String> = names.iter().take(SHOWN_MAX).map(|one| format!("'{one}'")).collect();
    match names.len().saturating_sub(SHOWN_MAX) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
