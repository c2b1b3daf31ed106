//! Whether a directory may be restored to: nobody else's, nothing in it, no server in it or around
//! it, no backup. Looks alone, and every complaint says what to do.

use std::path::{Component, Path, PathBuf};

use super::busy::{self, InUse};
use super::find::few;
use super::marker::{self, Marker};
use super::{Place, Stands};
use crate::host::{Ask, Entry, Host, Kind, Mount};
use crate::plan::{Refusal, mount_of};
use crate::shell;
use crate::trust;

/// Made by mkfs in the root of a filesystem, for fsck.
pub(super) const LOST_AND_FOUND: &str = "lost+found";

/// What every data directory of these servers has.
const SYSTEM_TABLESPACE: &str = "ibdata1";

/// The bit of a directory in which everybody makes files (inode(7)).
const STICKY: u32 = 0o1000;

/// What is known of the machine.
pub(super) struct Surroundings {
    pub(super) in_use: Vec<InUse>,
    pub(super) mounts: Vec<Mount>,
    /// Where backups are, without links.
    pub(super) backups: Vec<PathBuf>,
}

impl Surroundings {
    /// Looks around. `backups` are directories that backups are in.
    pub(super) fn look(host: &dyn Host, backups: &[&Path]) -> Result<Self, Refusal> {
        let real = |path: &&Path| Some(host.entry(path).ok()??.real);
        let backups = backups.iter().filter_map(real).collect();
        Ok(Self { in_use: busy::all(host)?, mounts: host.mounts()?, backups })
    }

    /// Where a directory really is or will be, if it may be restored to as far as others are
    /// concerned.
    pub(super) fn accept(&self, host: &dyn Host, path: &Path) -> Result<PathBuf, Refusal> {
        let entry = plain(host, path)?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.ok_or_else(|| no_place(path, "it is the root directory"))?;
        let above = above(host, path, parent)?;
        let name = path.file_name().unwrap_or_default();
        let real = entry.map_or_else(|| above.real.join(name), |entry| entry.real);
        // First: the hint of the others must not be tried on a server's data directory.
        self.apart(host, path, &real)?;
        kept_from_others(host, path, parent)?;
        if let Some(parent) = real.parent() {
            kept_from_others(host, path, parent)?;
        }
        self.writable(&Entry { real: real.clone(), ..above })?;
        Ok(real)
    }

    /// No server's and no backup's.
    fn apart(&self, host: &dyn Host, path: &Path, real: &Path) -> Result<(), Refusal> {
        let shown = path.display();
        if let Some(InUse { pid, program, path: used }) = busy::meets(&self.in_use, real) {
            let (used, who) = (used.display(), format!("{program}, process {pid}"));
            let what =
                format!("cannot restore to '{shown}': a running server uses '{used}' ({who})");
            return Err(Refusal::new(what, "Stop that server, or name another directory."));
        }
        let overlaps = |one: &&PathBuf| one.starts_with(real) || real.starts_with(one);
        if let Some(backups) = self.backups.iter().find(overlaps) {
            let what =
                format!("cannot restore to '{shown}': backups are in '{}'", backups.display());
            return Err(Refusal::new(what, "Name a directory outside of it."));
        }
        for at in real.ancestors().skip(1) {
            if host.entry(&at.join(SYSTEM_TABLESPACE))?.is_some() {
                let why = format!("'{}' is a server's data directory", at.display());
                return Err(no_place(path, &why));
            }
        }
        Ok(())
    }

    fn writable(&self, at: &Entry) -> Result<(), Refusal> {
        let Some(mount) = mount_of(at, &self.mounts).filter(|mount| mount.read_only) else {
            return Ok(());
        };
        let point = &mount.point;
        let what = format!("'{}' is on a filesystem mounted read-only", at.real.display());
        Err(Refusal::new(what, format!("Run: mount -o remount,rw {}", shell::path(point))))
    }

    /// How a directory stands, if it is one that can be begun with or gone on with. `first` is how
    /// the data directory stands: its marker goes last, and stands for those that went before.
    pub(super) fn stands(
        &self,
        host: &dyn Host,
        place: &Place,
        ours: &Marker,
        first: Option<Stands>,
    ) -> Result<Stands, Refusal> {
        let to = &place.to;
        if host.entry(to)?.is_none() {
            return Ok(Stands::Absent);
        }
        let is_mount_point = self.mounts.iter().any(|mount| mount.point == *to);
        let ignored = |name: &String| is_mount_point && name == LOST_AND_FOUND;
        let names: Vec<String> = host.list(to)?.into_iter().filter(|name| !ignored(name)).collect();
        match host.file(&to.join(marker::NAME))? {
            // Whatever a server has made there goes with the rest.
            Some(text) if same(host, to, &text, ours)? == Stands::Spoiled => {
                return Ok(Stands::Spoiled);
            }
            Some(_) => {}
            // Half a marker is none.
            None if names.iter().all(|name| marker::is_name(name)) => return Ok(Stands::Empty),
            None if first == Some(Stands::Begun) => {}
            None => return Err(full(to, &names)),
        }
        let known = |name: &&String| {
            marker::is_name(name)
                || place.entries.iter().any(|entry| entry.path.as_path() == Path::new(name))
        };
        let strange: Vec<&String> = names.iter().filter(|name| !known(name)).collect();
        if strange.is_empty() {
            return Ok(Stands::Begun);
        }
        let what = format!(
            "cannot go on in '{}': what is not of the backup is there: {}",
            to.display(),
            few(strange.iter().map(|one| one.as_str()))
        );
        Err(Refusal::new(what, "Move that away, or restore to another directory."))
    }
}

/// The directory, if anything is there; nothing that leads elsewhere on its way.
fn plain(host: &dyn Host, path: &Path) -> Result<Option<Entry>, Refusal> {
    let shown = path.display();
    if !path.is_absolute() || path.components().any(|part| part == Component::ParentDir) {
        let what = format!("expected an absolute path without '..', found '{shown}'");
        return Err(Refusal::new(what, "Name the directory from '/' on."));
    }
    match host.entry(path)? {
        Some(entry) if entry.kind != Kind::Directory => {
            Err(no_place(path, "it is not a directory"))
        }
        found => Ok(found),
    }
}

/// The directory above.
fn above(host: &dyn Host, path: &Path, parent: &Path) -> Result<Entry, Refusal> {
    match host.entry(parent)? {
        Some(entry) if entry.kind == Kind::Directory => Ok(entry),
        Some(_) => Err(no_place(path, &format!("'{}' is not a directory", parent.display()))),
        None => {
            let what = format!(
                "cannot restore to '{}': there is no '{}'",
                path.display(),
                parent.display()
            );
            let hint = format!(
                "Mount what belongs there, or run: mkdir --parents {}",
                shell::path(parent)
            );
            Err(Refusal::new(what, hint))
        }
    }
}

fn no_place(path: &Path, why: &str) -> Refusal {
    let what = format!("cannot restore to '{}': {why}", path.display());
    Refusal::new(what, "Name a directory that is empty or not there yet.")
}

fn kept_from_others(host: &dyn Host, path: &Path, parent: &Path) -> Result<(), Refusal> {
    let Some(others) = trust::others(host, parent)? else { return Ok(()) };
    let what = format!("'{}' is not kept from others: {others}", path.display());
    // What everybody shares is to stay so.
    let shared = matches!(others.how, trust::How::Mode(mode) if mode & STICKY != 0);
    let hint = if shared {
        "Name a directory below one that is root's alone.".into()
    } else {
        format!("Name another directory, or run: {}", others.command())
    };
    Err(Refusal::new(what, hint))
}

fn full(to: &Path, names: &[String]) -> Refusal {
    let names = few(names.iter().map(String::as_str));
    let what = format!("cannot restore to '{}': it is not empty: {names}", to.display());
    Refusal::new(what, "Name a directory that is empty or not there yet.")
}

/// How our own restore stands there; refuses another one's directory.
fn same(host: &dyn Host, to: &Path, text: &str, ours: &Marker) -> Result<Stands, Refusal> {
    let shown = to.display();
    let empty = format!("or empty it: find {} -mindepth 1 -delete", shell::path(to));
    let theirs = Marker::parse(text);
    if let Some(places) = theirs.as_ref().ok().and_then(|theirs| ours.ready_in(theirs)) {
        return Err(ready(host, to, &places)?);
    }
    if let Some(stands) = theirs.as_ref().ok().and_then(|theirs| ours.stands(theirs)) {
        return Ok(stands);
    }
    match theirs {
        Ok(theirs) if theirs.run == ours.run => {
            let what =
                format!("an interrupted restore in '{shown}' was asked for with other words");
            let hint = format!("Go on with what '{}' in it says, {empty}", marker::NAME);
            Err(Refusal::new(what, hint))
        }
        Ok(theirs) => {
            let what = format!("a restore of backup {} was interrupted in '{shown}'", theirs.run);
            let hint =
                format!("Run 'holdstill restore {}' to go on with that, {empty}", theirs.run);
            Err(Refusal::new(what, hint))
        }
        Err(why) => {
            let what = format!("the marker '{}' in '{shown}' is damaged: {why}", marker::NAME);
            let hint = format!("Look at it, and restore to another directory {empty}");
            Err(Refusal::new(what, hint))
        }
    }
}

/// Everything was ready, and stands there to be used, unless a directory is gone meanwhile.
fn ready(host: &dyn Host, to: &Path, places: &[&Path]) -> Result<Refusal, Refusal> {
    let mut markers = Vec::new();
    for place in places {
        let names = if host.entry(place)?.is_some() { host.list(place)? } else { Vec::new() };
        if names.iter().all(|name| marker::is_name(name) || name == LOST_AND_FOUND) {
            let (shown, gone) = (to.display(), place.display());
            let what = format!(
                "a restore to '{shown}' was interrupted when everything was ready, and nothing is in \
                 '{gone}' any more"
            );
            let hint = format!(
                "Mount what belongs there; or, to restore anew: find {} -mindepth 1 -delete",
                shell::path(to)
            );
            return Ok(Refusal::new(what, hint));
        }
        markers.push(shell::path(&place.join(marker::NAME)));
    }
    let what = format!("a restore to '{}' was interrupted when everything was ready", to.display());
    Ok(Refusal::new(what, format!("Run: rm --force {}", markers.join(" "))))
}
