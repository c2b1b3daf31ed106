//! From the places that the server names to volumes: paths, mounts, logical volumes, and what of
//! them is copied.

use std::path::{Path, PathBuf};

use super::make::{pass, warn};
use super::server::{Met, ask};
use super::tools::Programs;
use super::{Aspect, Note, Refusal};
use crate::database::places::{self, Place, Role};
use crate::host::{Ask, Entry, Host, Kind, Mount};
use crate::snapshot::lvm::{self, Volume};

/// Filesystems whose snapshot can be mounted read-only beside the original.
const FILESYSTEMS: [&str; 3] = ["xfs", "ext4", "ext3"];

/// Where everything is.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Every volume that lvm reports.
    pub(super) report: Vec<Volume>,
    /// The volumes, the data directory's first.
    pub(super) volumes: Vec<OnVolume>,
    /// The data directory, relative to the first filesystem's root.
    pub(super) datadir: PathBuf,
}

/// A volume and what of it is copied.
#[derive(Clone, Debug)]
pub(super) struct OnVolume {
    pub(super) mount: Mount,
    pub(super) volume: Volume,
    pub(super) parts: Vec<Part>,
    /// InnoDB's temporary tablespaces, relative to the filesystem's root.
    pub(super) temporary: Vec<PathBuf>,
}

/// A directory or file that is copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Where it is now.
    pub(super) real: PathBuf,
    /// Relative to the filesystem's root, which the snapshot's mount point will be.
    pub(super) inside: PathBuf,
}

/// A place and where it really is.
struct Located {
    place: Place,
    entry: Entry,
    mount: Mount,
}

/// Finds the volumes, or refuses.
pub(super) fn find(
    host: &dyn Host,
    met: &Met,
    programs: &Programs,
    notes: &mut Vec<Note>,
) -> Result<Found, Refusal> {
    let mounts = host.mounts()?;
    let report = host.output(&programs.reporting(lvm::report(programs.lvs.clone())))?;
    let volumes = lvm::volumes(&report).map_err(unreadable)?;
    let located = located(host, met, &mounts, notes)?;
    let temporary = places::temporary_files(&met.settings, &met.datadir);
    let mut found = Vec::new();
    for home in homes(&located) {
        found.push(on_volume(home, &located, &volumes, &temporary, notes)?);
    }
    elsewhere(&located, &found, &volumes, notes);
    let home = &located[0];
    let datadir = inside(&home.entry.real, &home.mount);
    Ok(Found { volumes: found, datadir, report: volumes })
}

/// The first place of data on each device.
fn homes(located: &[Located]) -> Vec<&Located> {
    let mut homes: Vec<&Located> = Vec::new();
    for one in located.iter().filter(|one| one.place.role == Role::Data) {
        if !homes.iter().any(|home| home.mount.device == one.mount.device) {
            homes.push(one);
        }
    }
    homes
}

fn on_volume(
    home: &Located,
    located: &[Located],
    volumes: &[Volume],
    temporary: &[PathBuf],
    notes: &mut Vec<Note>,
) -> Result<OnVolume, Refusal> {
    let volume = volume(home, volumes)?;
    simple(volume, &home.mount)?;
    pass(
        notes,
        Aspect::Source,
        format!(
            "'{}' is on volume '{}', {} mounted at '{}'",
            home.place.path.display(),
            volume.name,
            home.mount.kind,
            home.mount.point.display()
        ),
    );
    neighbours(volume, volumes, notes);
    let inside = |file: &PathBuf| temporary_inside(file, located, &home.mount);
    Ok(OnVolume {
        mount: home.mount.clone(),
        volume: volume.clone(),
        parts: parts(located, &home.mount),
        temporary: temporary.iter().filter_map(inside).collect(),
    })
}

/// A report of lvm that could not be read.
pub(super) fn unreadable(why: String) -> Refusal {
    Refusal::new(why, "Run 'lvs' and 'vgs' by hand: what do they say?")
}

/// Every place that exists, the data directory first.
fn located(
    host: &dyn Host,
    met: &Met,
    mounts: &[Mount],
    notes: &mut Vec<Note>,
) -> Result<Vec<Located>, Refusal> {
    let mut places = places::named(&met.settings, &met.datadir);
    places.extend(outside(host, met)?);
    places.extend(linked(host, met, notes)?);
    places.extend(mounted_below(host, met, mounts)?);
    let mut located: Vec<Located> = Vec::new();
    for place in places {
        let known = |one: &Located| one.place.path == place.path && one.place.role == place.role;
        if located.iter().any(known) {
            continue;
        }
        match host.entry(&place.path)? {
            Some(entry) => {
                let mount = mount_of(&entry, mounts).ok_or_else(|| unmounted(&place))?;
                located.push(Located { mount: mount.clone(), place, entry });
            }
            None if place.role == Role::Data => return Err(missing(&place)),
            None => {}
        }
    }
    Ok(located)
}

/// Tablespaces that are not below the data directory.
fn outside(host: &dyn Host, met: &Met) -> Result<Vec<Place>, Refusal> {
    let rows = ask(host, places::outside_question(&met.server))?;
    let files = rows.rows.iter().filter_map(|row| row.first()?.as_deref());
    Ok(files.map(|file| places::tablespace(&met.datadir, file)).collect())
}

/// What the links in the data directory lead to. A link to something else than a table's file, such
/// as a log or a socket, is the operator's own affair.
fn linked(host: &dyn Host, met: &Met, notes: &mut Vec<Note>) -> Result<Vec<Place>, Refusal> {
    let mut places = Vec::new();
    for link in host.links(&met.datadir)? {
        if link.to.starts_with(&met.datadir) {
            continue;
        }
        let shown = format!("'{}' leads to '{}'", link.at.display(), link.to.display());
        match host.entry(&link.to)? {
            None => warn(notes, Aspect::Links, format!("{shown}, which is not there")),
            Some(entry) if entry.kind == Kind::Directory || is_table(&link.to) => {
                let told_by = format!("link '{}'", link.at.display());
                places.push(Place { path: link.to, role: Role::Data, told_by });
            }
            Some(_) => warn(notes, Aspect::Links, format!("{shown}, which is not in the backup")),
        }
    }
    Ok(places)
}

/// Filesystems mounted somewhere below the data directory: a snapshot does not reach into them.
fn mounted_below(host: &dyn Host, met: &Met, mounts: &[Mount]) -> Result<Vec<Place>, Refusal> {
    let datadir = host.entry(&met.datadir)?.map_or(met.datadir.clone(), |entry| entry.real);
    let below = |mount: &&Mount| mount.point.starts_with(&datadir) && mount.point != datadir;
    let place = |mount: &Mount| Place {
        path: mount.point.clone(),
        // What a reboot would lose is nothing that a server keeps.
        role: if mount.kind == "tmpfs" { Role::Temporary } else { Role::Data },
        told_by: "a mount in the data directory".into(),
    };
    Ok(mounts.iter().filter(below).map(place).collect())
}

/// Whether a name is that of a table's or tablespace's file.
fn is_table(path: &Path) -> bool {
    const ENDS: [&str; 12] =
        ["ibd", "ibu", "frm", "myd", "myi", "mad", "mai", "csv", "csm", "arz", "par", "mrg"];
    let end = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    ENDS.contains(&end.to_ascii_lowercase().as_str())
        || ["ibdata", "undo", "ib_logfile"].iter().any(|start| name.starts_with(start))
}

/// The mount that a path is in: of those on its device with the longest mount point above it, the
/// last. A filesystem that gives its files other device numbers is found by the path alone.
pub(crate) fn mount_of<'a>(entry: &Entry, mounts: &'a [Mount]) -> Option<&'a Mount> {
    let above = || mounts.iter().filter(|mount| entry.real.starts_with(&mount.point));
    let depth = |mount: &&Mount| mount.point.components().count();
    let same = above().filter(|mount| mount.device == entry.device).max_by_key(depth);
    same.or_else(|| above().max_by_key(depth))
}

fn unmounted(place: &Place) -> Refusal {
    let what = format!("cannot find the mount of '{}'", place.path.display());
    Refusal::new(what, "Is the server in a container? Run holdstill where its files are mounted.")
}

fn missing(place: &Place) -> Refusal {
    let path = place.path.display();
    let what = format!("cannot find '{path}', which the server names in {}", place.told_by);
    Refusal::new(what, "Is the server in a container? Run holdstill where its files are mounted.")
}

/// The logical volume that the data directory is on.
fn volume<'a>(home: &Located, volumes: &'a [Volume]) -> Result<&'a Volume, Refusal> {
    volumes.iter().find(|lv| lv.device == home.mount.device).ok_or_else(|| {
        let what = format!(
            "cannot take a snapshot of '{}': it is on '{}' ({} mounted at '{}'), which is not an \
             LVM volume",
            home.place.path.display(),
            home.mount.source,
            home.mount.kind,
            home.mount.point.display()
        );
        Refusal::new(what, "Move the data directory to a logical volume; see 'lsblk' and 'lvs'.")
    })
}

/// Tells which logs are on none of the volumes: they are not in the backup.
fn elsewhere(located: &[Located], found: &[OnVolume], volumes: &[Volume], notes: &mut Vec<Note>) {
    let copied = |one: &&Located| found.iter().any(|on| on.mount.device == one.mount.device);
    for other in located.iter().filter(|one| !copied(one)) {
        let aspect = match other.place.role {
            Role::BinaryLog => Aspect::BinaryLog,
            Role::RelayLog => Aspect::RelayLog,
            Role::Data | Role::Temporary => continue,
        };
        let (path, on) = (other.place.path.display(), named(&other.mount, volumes));
        warn(notes, aspect, format!("'{path}' is on '{on}': not in the backup"));
    }
}

/// The volume of a mount, or its device if it is none.
fn named(mount: &Mount, volumes: &[Volume]) -> String {
    let volume = volumes.iter().find(|lv| lv.device == mount.device);
    volume.map_or_else(|| mount.source.clone(), |lv| lv.name.to_string())
}

/// Refuses volumes and filesystems that no snapshot of ours fits. A thin volume that was once made
/// as a snapshot is like any other.
fn simple(volume: &Volume, mount: &Mount) -> Result<(), Refusal> {
    let refuse = |why: String, hint: &str| {
        Err(Refusal::new(format!("cannot take a snapshot of '{}': {why}", volume.name), hint))
    };
    let thin = volume.thin_pool().is_some();
    if let Some(pool) = volume.pool.as_ref().filter(|_| !thin) {
        let hint = "Run the server on an ordinary volume, or on a thin one.";
        let why = format!("it lives in '{pool}', which is no thin pool ({})", volume.attr);
        return refuse(why, hint);
    }
    if let Some(origin) = volume.origin.as_ref().filter(|_| !thin) {
        let hint = "Run the server on an ordinary volume, not on a snapshot.";
        return refuse(format!("it is itself a snapshot of '{origin}'"), hint);
    }
    if !FILESYSTEMS.contains(&mount.kind.as_str()) {
        let hint = "Supported are xfs, ext4 and ext3.";
        return refuse(format!("its filesystem is '{}'", mount.kind), hint);
    }
    Ok(())
}

/// Other snapshots of the same volume: each thick one costs another copy of every first write.
fn neighbours(volume: &Volume, volumes: &[Volume], notes: &mut Vec<Note>) {
    let of_ours = |lv: &&Volume| {
        lv.name.vg() == volume.name.vg() && lv.origin.as_deref() == Some(volume.name.lv())
    };
    for lv in volumes.iter().filter(of_ours) {
        let hint = if lv.tags.iter().any(|tag| tag.starts_with("holdstill.")) {
            "of another run of holdstill: 'holdstill recover' removes what a dead run left"
        } else if lv.thin_pool().is_some() {
            continue;
        } else {
            "it slows every write, and ours will slow it further"
        };
        warn(
            notes,
            Aspect::Snapshots,
            format!("'{}' already has the snapshot '{}': {hint}", volume.name, lv.name),
        );
    }
}

/// What is copied: every place of the data and the logs on the volume, without those inside others.
fn parts(located: &[Located], mount: &Mount) -> Vec<Part> {
    let wanted =
        |one: &&Located| one.mount.device == mount.device && one.place.role != Role::Temporary;
    let mut all: Vec<Part> = located
        .iter()
        .filter(wanted)
        .map(|one| Part {
            real: one.entry.real.clone(),
            inside: inside(&one.entry.real, &one.mount),
        })
        .collect();
    all.sort_by_key(|part| part.inside.components().count());
    let mut parts: Vec<Part> = Vec::new();
    for part in all {
        if !parts.iter().any(|outer| part.inside.starts_with(&outer.inside)) {
            parts.push(part);
        }
    }
    parts
}

/// A path relative to its filesystem's root; a bind mount shows only a part of the filesystem.
fn inside(real: &Path, mount: &Mount) -> PathBuf {
    let root = mount.root.strip_prefix("/").unwrap_or(&mount.root);
    let below = real.strip_prefix(&mount.point).unwrap_or(real);
    root.components().chain(below.components()).collect()
}

/// A temporary tablespace relative to the filesystem's root, if its directory is on the volume.
fn temporary_inside(file: &Path, located: &[Located], on: &Mount) -> Option<PathBuf> {
    let (directory, name) = (file.parent()?, file.file_name()?);
    let one = located.iter().find(|one| one.place.path == directory)?;
    let same = one.mount.device == on.device;
    same.then(|| inside(&one.entry.real, &one.mount).join(name))
}
