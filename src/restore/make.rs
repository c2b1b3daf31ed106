//! From what is asked for to a plan, or to what is in the way. Looks alone: nothing is touched.

use std::path::{Path, PathBuf};

use super::find::{self, Found, Shelf as OnShelf};
use super::layout::{self, Homeless, Layout, Wish};
use super::marker::Marker;
use super::owner;
use super::target::Surroundings;
use super::{Asked, Place, Plan, Stands, Us, space};
use crate::host::{Ask, Host, Kind};
use crate::plan::{self, Refusal};
use crate::shell;

pub use super::find::{Shelf, run};

/// The kernel's switch of `SELinux`; it is there where `SELinux` is.
const SELINUX: &str = "/sys/fs/selinux/enforce";

/// The variables that a server of MySQL was told to keep (`SET PERSIST`).
const PERSISTED: &str = "mysqld-auto.cnf";

/// Decides a restore, or refuses. Without a shelf only a backup that is named by its path is found.
pub fn plan(host: &dyn Host, asked: &Asked, shelf: Option<&OnShelf<'_>>) -> Result<Plan, Refusal> {
    let Found { directory, record, entries, mut notes } = find::backup(host, asked, shelf)?;
    let wishes = wishes(asked, record.datadir())?;
    let layout = layout::lay_out(&entries, &wishes, asked.identity);
    let layout = layout.map_err(|path| no_such_directory(&path, &directory))?;
    housed(&layout.homeless, &record)?;
    let owner = asked.owner.as_deref().map(|text| owner::named(host, text)).transpose()?;
    let around = surroundings(host, &directory, shelf)?;
    let kept_back = layout.kept_back.clone();
    let mut places = places(host, layout, &around, &record)?;
    let us = us(host, &places, owner)?;
    let marker = Marker::of(&record.run, asked, owner, &places);
    for at in 0..places.len() {
        let first = (at > 0).then_some(places[0].stands);
        places[at].stands = around.stands(host, &places[at], &marker, first)?;
    }
    let rooms = space::rooms(host, &places)?;
    statements(host, asked, &places)?;
    let of_all = || places.iter().flat_map(|place| place.entries.iter().cloned());
    if let (None, Some(most)) = (owner, owner::most(&of_all().collect::<Vec<_>>())) {
        notes.extend(owner::stranger(host, most)?);
    }
    notes.extend(more(host, &places)?);
    let (run, damage, statements) = (record.run.clone(), asked.damage, asked.statements.clone());
    let (backup, marker, rsync) = (directory, marker.text(), plan::program(host, "rsync")?);
    Ok(Plan {
        run,
        backup,
        record,
        places,
        kept_back,
        owner,
        us,
        damage,
        rooms,
        marker,
        statements,
        preparation: None,
        notes,
        rsync,
    })
}

/// Where a new directory will be, if there may be one; nothing may be there yet.
pub fn new_directory(
    host: &dyn Host,
    to: &Path,
    shelf: &OnShelf<'_>,
) -> Result<std::path::PathBuf, Refusal> {
    let around = Surroundings::look(host, &[shelf.destination])?;
    let real = around.accept(host, to)?;
    if host.entry(to)?.is_none() {
        return Ok(real);
    }
    let what = format!("'{}' is there already", to.display());
    Err(Refusal::new(what, "Name a directory that is not there yet."))
}

/// What is wished for, the data directory first.
fn wishes(asked: &Asked, datadir: PathBuf) -> Result<Vec<Wish>, Refusal> {
    let to = |(from, to): &(PathBuf, PathBuf)| Wish { from: from.clone(), to: Some(to.clone()) };
    let mut wishes = vec![Wish { from: datadir, to: Some(asked.to.clone()) }];
    wishes.extend(asked.trees.iter().map(to));
    wishes.extend(asked.without.iter().map(|from| Wish { from: from.clone(), to: None }));
    for (at, wish) in wishes.iter().enumerate() {
        if wishes[..at].iter().any(|other| other.from == wish.from) {
            let what = format!("'{}' is named twice", wish.from.display());
            let hint = "The data directory goes to '--to'; name every other directory once.";
            return Err(Refusal::new(what, hint));
        }
    }
    Ok(wishes)
}

fn no_such_directory(path: &Path, backup: &Path) -> Refusal {
    let what = format!("the backup has no directory '{}'", path.display());
    let hint = format!("Run 'ls {}' to see its trees.", shell::path(backup));
    Refusal::new(what, hint)
}

/// Refuses to leave behind what nobody has named: a server may need it.
fn housed(homeless: &[Homeless], record: &super::Record) -> Result<(), Refusal> {
    let [first, ..] = homeless else { return Ok(()) };
    let told: Vec<String> = homeless
        .iter()
        .map(|Homeless { path, files, bytes }| {
            let origin = record.origin(path);
            format!("'{}' ({files} files, {bytes}, of '{}')", path.display(), origin.display())
        })
        .collect();
    let what = format!("the backup holds more than the data directory: {}", told.join(", "));
    let name = shell::path(&first.path);
    let hint = format!(
        "Say where each goes with '--tree {name}=DIRECTORY', or leave it out with '--without \
         {name}'."
    );
    Err(Refusal::new(what, hint))
}

fn surroundings(
    host: &dyn Host,
    backup: &Path,
    shelf: Option<&Shelf<'_>>,
) -> Result<Surroundings, Refusal> {
    let backups: Vec<&Path> =
        shelf.map(|shelf| shelf.destination).into_iter().chain([backup]).collect();
    Surroundings::look(host, &backups)
}

/// Every place, where it really is; none inside another.
fn places(
    host: &dyn Host,
    layout: Layout,
    around: &Surroundings,
    record: &super::Record,
) -> Result<Vec<Place>, Refusal> {
    let mut places: Vec<Place> = Vec::new();
    for placed in layout.placed {
        let to = around.accept(host, &placed.to)?;
        let meets = |one: &&Place| one.to.starts_with(&to) || to.starts_with(&one.to);
        if let Some(other) = places.iter().find(meets) {
            let what = format!(
                "'{}' and '{}' cannot be restored into each other: '{}' and '{}'",
                other.from.display(),
                placed.from.display(),
                other.to.display(),
                to.display()
            );
            return Err(Refusal::new(what, "Name directories that are apart."));
        }
        nameable(&placed.entries)?;
        places.push(Place {
            was: record.origin(&placed.from),
            from: placed.from,
            to,
            stands: Stands::Absent,
            root: placed.root,
            entries: placed.entries,
            excluded: placed.excluded,
        });
    }
    Ok(places)
}

/// What is right in a place is handed to rsync by its name.
fn nameable(entries: &[crate::manifest::Entry]) -> Result<(), Refusal> {
    let odd = entries
        .iter()
        .find(|one| one.path.components().count() == 1 && one.path.to_str().is_none());
    let Some(odd) = odd else { return Ok(()) };
    let what = format!("cannot restore '{}': its name is no text", odd.path.display());
    Err(Refusal::new(what, "Copy it by hand, and leave it out with '--without'."))
}

/// Only root gives files to others.
fn us(host: &dyn Host, places: &[Place], owner: Option<super::Owner>) -> Result<Us, Refusal> {
    let uid = host.machine()?.uid;
    if uid == 0 {
        return Ok(Us::Root);
    }
    let theirs = places.iter().flat_map(|place| &place.entries).any(|entry| entry.uid != uid);
    if owner.is_none() && !theirs {
        return Ok(Us::Somebody);
    }
    let what = format!("cannot give files to their owners as user {uid}: expected root");
    Err(Refusal::new(what, "Run it as root, for example with 'sudo'."))
}

/// Where the statements are written there is nothing yet, and nothing is restored.
fn statements(host: &dyn Host, asked: &Asked, places: &[Place]) -> Result<(), Refusal> {
    let Some(path) = &asked.statements else { return Ok(()) };
    let wrong = |why: &str| {
        let what = format!("cannot write the statements to '{}': {why}", path.display());
        Err(Refusal::new(what, "Name a new file, from '/' on, in a directory that is there."))
    };
    let parent = path.parent().filter(|parent| path.is_absolute() && parent.is_absolute());
    let Some(parent) = parent else { return wrong("expected an absolute path") };
    match host.entry(parent)? {
        Some(entry) if entry.kind == Kind::Directory => {
            if places.iter().any(|place| entry.real.starts_with(&place.to)) {
                return wrong("that is where the backup goes");
            }
        }
        _ => return wrong("its directory is not there"),
    }
    if places.iter().any(|place| parent.starts_with(&place.to)) {
        return wrong("that is where the backup goes");
    }
    if host.entry(path)?.is_some() { wrong("something is there") } else { Ok(()) }
}

/// What else an operator should know.
fn more(host: &dyn Host, places: &[Place]) -> Result<Vec<String>, Refusal> {
    let mut notes = Vec::new();
    let datadir = places.first();
    let has = |name: &str| {
        datadir.is_some_and(|place| place.entries.iter().any(|one| one.path == Path::new(name)))
    };
    if has(PERSISTED) {
        notes.push(format!(
            "'{PERSISTED}' keeps variables that the server was told to persist: look whether they \
             fit here"
        ));
    }
    if host.entry(Path::new(SELINUX))?.is_some() {
        let to: Vec<String> = places.iter().map(|place| shell::path(&place.to)).collect();
        notes.push(format!("SELinux is on: run 'restorecon -R {}' before a start", to.join(" ")));
    }
    Ok(notes)
}
